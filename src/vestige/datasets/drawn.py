"""``synthetic:faces`` and ``synthetic:objects``: drawings as examples, and the way to the other generators."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from threading import Lock
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.datasets.drawn_world import NAMES, load_world
from vestige.datasets.reading import Kind, Problems
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.markup import Markup, markup_of_names, shipped_markup
from vestige.spec import DataSpec
from vestige.synthetic import (
    CLASSES,
    OBJECT_CLASSES,
    OBJECT_KEYPOINTS,
    VOID,
    FaceSample,
    ObjectSample,
    draw_face,
    draw_object,
)
from vestige.synthetic.version import generator_version

_GENERATORS = ("faces", "objects", *NAMES)
_SMALLEST, _LARGEST = 32, 2048  # pixels a side
_MOST_DRAWINGS = 1_000_000
_KEPT_BYTES = 64 * 2**20
_LAST_USED = 32  # drawings that always stay
_OLDEST_GOES = 16  # one in so many that have to go is the oldest


@dataclass(frozen=True)
class Recipe:
    """What a drawing is made from: it alone determines every pixel."""

    generator: Literal["faces", "objects"]
    seed: int
    index: int
    size: int
    category: str = ""
    void_border: int = 0

    def draw(self) -> FaceSample | ObjectSample:
        """The drawing, with everything known of it."""
        if self.generator == "faces":
            return draw_face(self.seed, self.index, self.size)
        return draw_object(self.seed, self.index, self.size, self.category or None, self.void_border)


@dataclass(frozen=True)
class Drawing:
    """The pixels or the class mask of a drawing, known by its recipe and drawn when it is read."""

    recipe: Recipe
    what: Literal["image", "mask"] = "image"

    def read(self) -> NDArray[np.uint8]:
        """``(size, size, 3)`` RGB, or ``(size, size)`` class indices; not writeable."""
        sample = _KEPT.sample(self.recipe)
        return sample.image if self.what == "image" else sample.mask

    def digest(self) -> str:
        """The recipe, and the version of the generator."""
        return f"{self.recipe!r} {self.what} {generator_version()}"


def load_synthetic(spec: DataSpec, problems: Problems) -> Dataset:  # noqa: ARG001 - a loader's signature
    """``synthetic:GENERATOR``, drawings ``start`` to ``start + n - 1`` of a seed's endless series.

    Scenes and objects alone are those of :func:`vestige.datasets.drawn_world.load_world`. Faces have 68 points. Objects
    of several categories have the points of all, named ``category/point``, of which only those of their own can be
    visible; with ``category=NAME`` there is only that one. ``void=N`` marks ``N`` pixels on either side of an object's
    edge as void in its mask.

    Raises:
        VestigeError: where there is no such generator or category, or an option is out of its range.
    """
    if spec.path not in _GENERATORS:
        raise VestigeError(
            f"{spec.text!r}: there is no generator {spec.path!r}; {choice(spec.path, _GENERATORS)}, as in "
            "synthetic:faces"
        )
    n, seed = spec.integer("n", 800, most=_MOST_DRAWINGS), spec.integer("seed", 0)
    size, start = spec.integer("size", 224), spec.integer("start", 0)
    if n < 1:
        raise VestigeError(f"{spec.text!r}: n={n}: expected at least one drawing")
    if not _SMALLEST <= size <= _LARGEST:
        raise VestigeError(f"{spec.text!r}: size={size}: expected {_SMALLEST} to {_LARGEST} pixels")
    indices = range(start, start + n)
    if spec.path in NAMES:
        return load_world(spec, seed, indices, size)
    if spec.path == "faces":
        return _faces(spec, [Recipe("faces", seed, index, size) for index in indices])
    category, border = spec.options.get("category", ""), spec.integer("void", 0, 0, size)
    if category and category not in OBJECT_KEYPOINTS:
        raise VestigeError(f"{spec.text!r}: there is no category {category!r}; {choice(category, OBJECT_KEYPOINTS)}")
    return _objects(spec, [Recipe("objects", seed, index, size, category, border) for index in indices])


def _faces(spec: DataSpec, recipes: Sequence[Recipe]) -> Dataset:
    if {"category", "void"} & spec.options.keys():
        raise VestigeError(f"{spec.text!r}: category and void are options of synthetic:objects")
    examples = []
    for recipe in recipes:
        sample = _KEPT.sample(recipe)
        visible = np.ones(len(sample.keypoints), dtype=bool)
        examples.append(_example(recipe, sample, sample.keypoints, visible, ""))
    return Dataset(spec.text, tuple(examples), shipped_markup("face68"), classes=tuple(CLASSES))


def _objects(spec: DataSpec, recipes: Sequence[Recipe]) -> Dataset:
    markup, offsets = _object_points(recipes[0].category)
    examples = []
    for recipe in recipes:
        sample = _KEPT.sample(recipe)
        assert isinstance(sample, ObjectSample)
        here = slice(offsets[sample.category], offsets[sample.category] + len(sample.keypoints))
        points, visible = np.zeros((len(markup.points), 2)), np.zeros(len(markup.points), dtype=bool)
        points[here], visible[here] = sample.keypoints, sample.visible
        examples.append(_example(recipe, sample, points, visible, sample.category))
    return Dataset(spec.text, tuple(examples), markup, classes=tuple(OBJECT_CLASSES), void=VOID)


def _object_points(category: str) -> tuple[Markup, dict[str, int]]:
    """The points of one category, or of all, and where each category's begin."""
    if category:
        return markup_of_names(category, OBJECT_KEYPOINTS[category]), {category: 0}
    offsets: dict[str, int] = {}
    names: list[str] = []
    for name, points in OBJECT_KEYPOINTS.items():
        offsets[name] = len(names)
        names += [f"{name}/{point}" for point in points]
    return markup_of_names("synthetic objects", names), offsets


def _example(
    recipe: Recipe,
    sample: FaceSample | ObjectSample,
    points: NDArray[np.float64],
    visible: NDArray[np.bool_],
    category: str,
) -> Example:
    name = f"{recipe.generator.removesuffix('s')}-{recipe.seed}-{recipe.index:06d}"
    return Example(
        id=name,
        group=name,
        image=Drawing(recipe),
        box=sample.box,
        keypoints=points,
        visible=visible,
        mask=Drawing(recipe, "mask"),
        category=category,
        attributes=MappingProxyType(dict(sample.attributes)),
    )


@dataclass(frozen=True)
class _Packed:
    """A drawing with its pixels packed without loss: half of what they take, and a tenth of the time of drawing."""

    sample: FaceSample | ObjectSample
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]

    @classmethod
    def of(cls, sample: FaceSample | ObjectSample) -> _Packed:
        nothing = np.empty(0, dtype=np.uint8)
        return cls(replace(sample, image=nothing, mask=nothing), _png(sample.image), _png(sample.mask))

    @property
    def bytes(self) -> int:
        return self.image.nbytes + self.mask.nbytes

    def unpacked(self) -> FaceSample | ObjectSample:
        return replace(self.sample, image=_pixels(self.image), mask=_pixels(self.mask))


def _png(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imencode(".png", pixels, (cv2.IMWRITE_PNG_COMPRESSION, 1))[1], dtype=np.uint8)


def _pixels(png: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), dtype=np.uint8)


class _Kept:
    """Drawings, as many as fit into some megabytes.

    The last few that were used are always among them, so that crops of one picture are drawn once. Of the others, the
    oldest stay: a set that is read over and over, and of which not all fit, finds those at every pass (if the last ones
    used stayed, it would find none). Now and then the oldest goes nevertheless, so that another set takes its place.
    """

    def __init__(self, n_bytes: int) -> None:
        self._free, self._gone = n_bytes, 0
        self._samples: OrderedDict[Recipe, _Packed] = OrderedDict()
        self._lock = Lock()

    def sample(self, recipe: Recipe) -> FaceSample | ObjectSample:
        with self._lock:
            packed = self._samples.get(recipe)
            if packed is not None:
                self._samples.move_to_end(recipe)
        sample = recipe.draw() if packed is None else packed.unpacked()
        for array in (sample.image, sample.mask):
            array.setflags(write=False)
        if packed is None:
            self._keep(recipe, _Packed.of(sample))
        return sample

    def _keep(self, recipe: Recipe, packed: _Packed) -> None:
        with self._lock:
            if recipe not in self._samples:
                self._samples[recipe] = packed
                self._free -= packed.bytes
            while self._free < 0 and len(self._samples) > 1:
                self._free += self._samples.pop(self._least_wanted()).bytes

    def _least_wanted(self) -> Recipe:
        self._gone += 1
        if self._gone % _OLDEST_GOES == 0 or len(self._samples) <= _LAST_USED:
            return next(iter(self._samples))
        return next(islice(reversed(self._samples), _LAST_USED, None))


_KEPT = _Kept(_KEPT_BYTES)


KIND = Kind(load_synthetic, ("n", "seed", "size", "start", "category", "void"))
