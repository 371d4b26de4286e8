"""Marks: the visible keypoints of a data set, each in its picture, and the features that stand at them.

A network's features are those of the cell whose receptive field is centred nearest to the mark; SIFT's stand exactly
at it (section 4 of the paper). Pictures are read at their own size, or resized by their shorter side.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import ReceptiveField
from vestige.contract.session import Session
from vestige.correspondence.instances import class_of
from vestige.correspondence.sift import CHANNELS, sift
from vestige.datasets.dataset import Dataset, Problem
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.dense import Size, extract_dense, seen_size
from vestige.features.extract import keys_of
from vestige.features.layout import pictures_sha256
from vestige.geometry import Points
from vestige.images import Crop, Pixels, crop_resize, picture_size
from vestige.partial_work import Arrays

Columns = NDArray[np.float32]
"""``(n, C)``: the features at each mark."""

_BLOCK = 32
"""Pictures whose SIFT is computed between two reports of progress."""


@dataclass(frozen=True)
class Marks:
    """n visible keypoints of E examples in P pictures.

    Attributes:
        pictures: each picture once, by an example that has it.
        picture: ``(n,)``: in which of them a mark is.
        example: ``(n,)``: of which example of the data set.
        keypoint: ``(n,)``: which of the markup's points it is.
        places: ``(n, 2)``: where, in pixels of the picture.
        classes: ``(n,)``: the example's class.
        groups: ``(n,)``: the example's group.
        names: of the markup's points.
    """

    pictures: Sequence[Example]
    picture: NDArray[np.intp]
    example: NDArray[np.intp]
    keypoint: NDArray[np.intp]
    places: Points
    classes: NDArray[np.str_]
    groups: NDArray[np.str_]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keypoint)

    def subset(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Marks:
        """Some of them, of the same pictures."""
        return replace(
            self,
            picture=self.picture[rows],
            example=self.example[rows],
            keypoint=self.keypoint[rows],
            places=self.places[rows],
            classes=self.classes[rows],
            groups=self.groups[rows],
        )

    def rows_of(self, picture: int) -> NDArray[np.intp]:
        """The marks in one picture."""
        return np.flatnonzero(self.picture == picture)


def without_unreadable(dataset: Dataset) -> Dataset:
    """The data set without the examples whose pictures cannot be decoded, each of which is read once."""

    def problem(example: Example) -> str:
        try:
            example.image.read()
        except VestigeError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(problem, dataset))
    problems = [Problem(example.id, text) for example, text in zip(dataset, found, strict=True) if text]
    if not problems:
        return dataset
    kept = tuple(example for example, text in zip(dataset, found, strict=True) if not text)
    return dataset.without(kept, problems)


def marked_classes(dataset: Dataset) -> list[str]:
    """The class of each example that shows a keypoint.

    Raises:
        VestigeError: where the data set has no keypoints, an example has another number of them, or none is visible.
    """
    markup = dataset.markup
    if markup is None:
        raise VestigeError(f"{dataset.spec}: has no keypoints; vestige data check {dataset.spec} says more")
    found = []
    for example in dataset:
        if example.keypoints is None or example.visible is None or len(example.keypoints) != len(markup.points):
            raise VestigeError(f"{example.id}: expected the {len(markup.points)} keypoints of {dataset.spec}")
        if example.category == "all":
            raise VestigeError(f"{example.id}: is of a class 'all', which stands for all of them in results; rename it")
        if example.visible.any():
            found.append(class_of(example))
    if not found:
        raise VestigeError(f"{dataset.spec}: no example shows a keypoint")
    return found


def marks_of(dataset: Dataset) -> Marks:
    """The marks of a data set.

    Raises:
        VestigeError: as :func:`marked_classes`.
    """
    marked_classes(dataset)
    markup = dataset.markup
    assert markup is not None  # as has been checked
    numbers: dict[str, int] = {}
    pictures: list[Example] = []
    found: list[tuple[int, int, int]] = []
    for row, example in enumerate(dataset):
        digest = example.image.digest()
        if digest not in numbers:
            numbers[digest] = len(pictures)
            pictures.append(example)
        found += [(numbers[digest], row, k) for k in np.flatnonzero(_visible(example)).tolist()]
    picture, rows, keypoint = np.array(found, dtype=np.intp).T
    examples = dataset.examples
    places = np.array([_point(examples[row], k) for _, row, k in found])
    classes = np.array([class_of(examples[row]) for row in rows])
    groups = np.array([examples[row].group for row in rows])
    return Marks(pictures, picture, rows, keypoint, places, classes, groups, markup.points)


def _visible(example: Example) -> NDArray[np.bool_]:
    assert example.visible is not None  # the caller has checked
    return example.visible


def _point(example: Example, k: int) -> tuple[float, float]:
    assert example.keypoints is not None  # the caller has checked
    x, y = example.keypoints[k].tolist()
    return x, y


def layer_columns(
    session: Session,
    spec: str,
    layer: str,
    field: ReceptiveField,
    marks: Marks,
    short_side: int | None,
) -> Columns:
    """The features of the cells that are centred nearest to the marks, from the cache where they are there.

    Args:
        session: reads features; it reports progress in cells.
        spec: of the backbone.
        layer: a grid layer.
        field: where its cells are centred.
        marks: whose pictures can be read.
        short_side: of the pictures as the network sees them; None for their own.

    Raises:
        VestigeError: where the network cannot take a picture's size, or its numbers are not finite.
    """
    reader = session.reader
    own = [picture_size(example.image) for example in marks.pictures]
    rows = [marks.rows_of(i) for i in range(len(marks.pictures))]

    def wanted(i: int, size: Size, grid: Size) -> NDArray[np.intp]:
        scale = (size[1] / own[i][0], size[0] / own[i][1])
        return nearest_cells(marks.places[rows[i]] * scale, field, grid)

    found = extract_dense(
        reader.backbone(spec),
        marks.pictures,
        layer,
        short_side=short_side,
        wanted=wanted,
        cache=reader.cache,
        options=reader.options,
        progress=session.counting("cells"),
        cluster=session.cluster,
    )
    if found.problems:
        raise VestigeError(next(iter(found.problems.values())))
    width = int(found.grids.max()) + 1
    cells = np.zeros((len(marks), 3), dtype=np.int64)
    for i, own_rows in enumerate(rows):
        height_width = (int(found.sizes[i, 0]), int(found.sizes[i, 1]))
        cells[own_rows, 0] = i
        cells[own_rows, 1:] = wanted(i, height_width, (int(found.grids[i, 0]), int(found.grids[i, 1])))
    return found.features.read(np.searchsorted(_number(found.columns, width), _number(cells, width)))


def nearest_cells(places: Points, field: ReceptiveField, grid: Size) -> NDArray[np.intp]:
    """The cells ``(m, 2)``, each (y, x), whose receptive fields are centred nearest to places ``(m, 2)`` (x, y)."""
    if field.stride is None or field.centre is None:
        raise VestigeError("the layer's cells have no receptive field of their own; name a layer whose cells have one")
    cells = np.rint((places[:, ::-1] - np.array(field.centre)) / np.array(field.stride))
    near: NDArray[np.intp] = np.clip(cells, 0, np.array(grid) - 1).astype(np.intp)
    return near


def _number(cells: NDArray[np.integer], width: int) -> NDArray[np.int64]:
    """One number for each (picture, y, x), in their order."""
    picture, y, x = cells.astype(np.int64).T
    number: NDArray[np.int64] = (picture * width + y) * width + x
    return number


def sift_columns(
    marks: Marks,
    radii: Sequence[float],
    short_side: int | None,
    interpolation: str,
    session: Session,
) -> Mapping[float, Columns]:
    """The SIFT descriptors at the marks, by radius in pixels of the pictures as they are seen.

    Args:
        marks: whose pictures can be read.
        radii: of descriptors.
        short_side: of the pictures; None for their own.
        interpolation: by which they are resized.
        session: keeps what is done; it reports progress in pictures.
    """
    progress = session.counting("SIFT pictures")
    made = {radius: np.zeros((len(marks), CHANNELS), dtype=np.float32) for radius in radii}
    rows = [marks.rows_of(i) for i in range(len(marks.pictures))]
    keys = list(keys_of([Crop(example) for example in marks.pictures]))
    progress(0, len(rows))
    for start in range(0, len(rows), _BLOCK):
        some = range(start, min(start + _BLOCK, len(rows)))
        places = [marks.places[rows[i]].tobytes() for i in some]
        key = repr((pictures_sha256(iter([keys[i] for i in some])), places, [*radii], short_side, interpolation))
        found = session.kept.get(key, partial(_sift_of, marks, some, radii, short_side, interpolation, session.workers))
        for j, i in enumerate(some):
            for radius in radii:
                made[radius][rows[i]] = found[f"{j} {radius:g}"]
        progress(some.stop, len(rows))
    return made


def _sift_of(
    marks: Marks, some: range, radii: Sequence[float], short_side: int | None, interpolation: str, workers: int
) -> Arrays:
    def one(i: int) -> list[NDArray[np.uint8]]:
        picture, scale = seen(marks.pictures[i], short_side, interpolation)
        return [sift(picture, marks.places[marks.rows_of(i)] * scale, radius) for radius in radii]

    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(one, some))
    return {f"{j} {radius:g}": each for j, own in enumerate(found) for radius, each in zip(radii, own, strict=True)}


def seen(example: Example, short_side: int | None, interpolation: str) -> tuple[Pixels, NDArray[np.float64]]:
    """A picture as it is seen, and by what its coordinates ``(x, y)`` are multiplied."""
    pixels = example.image.read()
    height, width = seen_size((pixels.shape[0], pixels.shape[1]), short_side)
    scale = np.array([width / pixels.shape[1], height / pixels.shape[0]])
    return crop_resize(pixels, None, (height, width), interpolation), scale
