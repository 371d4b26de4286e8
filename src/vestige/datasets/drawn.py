"""``synthetic:faces``: drawings as examples, made when their pixels are asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata, resources
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import Problems
from vestige.datasets.synthetic.faces import CLASSES, FaceSample, draw_face
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.markup import shipped_markup
from vestige.spec import DataSpec

_LARGEST = 2048  # pixels a side; more would only fill the memory


@dataclass(frozen=True)
class DrawnFace:
    """The pixels, or the class mask, of face ``index`` of a seed. Known by its recipe, drawn when it is read."""

    seed: int
    index: int
    size: int
    what: Literal["image", "mask"] = "image"

    def read(self) -> NDArray[np.uint8]:
        """``(size, size, 3)`` RGB, or ``(size, size)`` class indices."""
        sample = _drawn(self.seed, self.index, self.size)
        return sample.image if self.what == "image" else sample.mask

    def digest(self) -> str:
        """The recipe."""
        return f"synthetic:faces {generator_version()} seed={self.seed} index={self.index} size={self.size} {self.what}"


def load_synthetic(spec: DataSpec, problems: Problems) -> Dataset:  # noqa: ARG001 - a loader's signature
    """``synthetic:faces,n=800,seed=0,size=224,start=0``: faces ``start`` to ``start + n - 1`` of a seed.

    Raises:
        VestigeError: where there is no such generator, or an option is out of its range.
    """
    if spec.path != "faces":
        raise VestigeError(f"{spec.text!r}: there is no generator {spec.path!r}; expected synthetic:faces")
    n, seed, size, start = (
        spec.integer(key, default) for key, default in (("n", 800), ("seed", 0), ("size", 224), ("start", 0))
    )
    if n < 1:
        raise VestigeError(f"{spec.text!r}: n={n}: expected at least one face")
    if not 32 <= size <= _LARGEST:
        raise VestigeError(f"{spec.text!r}: size={size}: expected 32 to {_LARGEST} pixels")
    examples = tuple(_example(seed, index, size) for index in range(start, start + n))
    return Dataset(spec.text, examples, shipped_markup("face68"), classes=tuple(CLASSES))


def _example(seed: int, index: int, size: int) -> Example:
    sample = _drawn(seed, index, size)
    name = f"face-{seed}-{index:06d}"
    return Example(
        id=name,
        group=name,
        image=DrawnFace(seed, index, size),
        box=np.asarray(sample.box, dtype=np.float64),
        keypoints=np.asarray(sample.keypoints, dtype=np.float64),
        visible=np.ones(len(sample.keypoints), dtype=bool),
        mask=DrawnFace(seed, index, size, "mask"),
        attributes=MappingProxyType(dict(sample.attributes)),
    )


@cache
def generator_version() -> str:
    """A text that changes whenever the same seed may draw other pixels: a hash of the drawing code and its libraries.

    Part of every drawing's digest, so that features of an older drawing are never taken for those of a newer one.
    """
    total = hashlib.sha256(f"{metadata.version('skia-python')} {np.__version__}".encode())
    sources = resources.files("vestige.datasets.synthetic").iterdir()
    for source in sorted((s for s in sources if s.name.endswith(".py")), key=lambda s: s.name):
        total.update(source.read_bytes())
    return total.hexdigest()[:12]


@lru_cache(maxsize=64)
def _drawn(seed: int, index: int, size: int) -> FaceSample:
    return draw_face(seed, index, size)
