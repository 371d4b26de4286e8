"""``synthetic:scenes`` and ``synthetic:objects-alone``: pictures of the drawn world as examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.regions import NamedMask, Polygons
from vestige.spec import DataSpec
from vestige.synthetic.version import generator_version
from vestige.synthetic.world import DIAGNOSTIC, KINDS, SCENES, Layout, lay_out_object, lay_out_scene

_LAST_DRAWN = 32  # pictures that are kept, so that crops of one picture are drawn once

NAMES = {"scenes": SCENES, "objects-alone": tuple(sorted(KINDS))}
"""What there is to see, by generator."""


@dataclass(frozen=True)
class WorldPicture:
    """A picture of the drawn world, known by what it is made from and drawn when it is read."""

    generator: str
    seed: int
    index: int
    size: int
    category: str = ""

    def lay_out(self) -> Layout:
        """What is in it."""
        lay_out = lay_out_scene if self.generator == "scenes" else lay_out_object
        return lay_out(self.seed, self.index, self.category or None)

    def read(self) -> NDArray[np.uint8]:
        """``(size, size, 3)`` RGB; not writeable."""
        return _drawn(self)

    def digest(self) -> str:
        """The recipe, and the version of the generator."""
        return f"{self!r} {generator_version()}"


@lru_cache(maxsize=_LAST_DRAWN)
def _drawn(picture: WorldPicture) -> NDArray[np.uint8]:
    pixels = picture.lay_out().draw(picture.size)
    pixels.setflags(write=False)
    return pixels


def load_world(spec: DataSpec, seed: int, indices: Iterable[int], size: int) -> Dataset:
    """Scenes with all objects that are seen well enough, or one object each.

    An object's region is all of it, what others hide and what lies outside the picture included; regions overlap. Of
    ``synthetic:objects-alone``, scene and category are the object's name. With ``category=NAME`` there is only that.

    Raises:
        VestigeError: where there is no such scene or kind of object.
    """
    if "void" in spec.options:
        raise VestigeError(f"{spec.text!r}: void is an option of synthetic:objects")
    category = spec.options.get("category", "")
    if category and category not in NAMES[spec.path]:
        raise VestigeError(f"{spec.text!r}: there is no category {category!r}; {choice(category, NAMES[spec.path])}")
    examples = tuple(_example(WorldPicture(spec.path, seed, index, size, category)) for index in indices)
    return Dataset(spec.text, examples, classes=NAMES[spec.path])


def _example(picture: WorldPicture) -> Example:
    layout = picture.lay_out()
    kind = "scene" if picture.generator == "scenes" else "alone"
    name = f"{kind}-{picture.seed}-{picture.index:06d}"
    regions = (
        NamedMask(each.name, Polygons(tuple(ring * picture.size for ring in each.rings))) for each in layout.objects
    )
    return Example(
        name,
        name,
        picture,
        category="" if kind == "scene" else layout.name,
        scene=layout.name,
        objects=tuple(regions),
    )


def deciding(examples: Iterable[Example]) -> Mapping[str, tuple[str, ...]]:
    """The kinds of objects that decide each scene; {} where not all pictures are scenes of the drawn world."""
    pictures = [each.image for each in examples]
    known = all(isinstance(each, WorldPicture) and each.generator == "scenes" for each in pictures)
    return DIAGNOSTIC if known and pictures else {}
