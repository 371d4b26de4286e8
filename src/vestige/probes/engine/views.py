"""Views: the crops of examples that a probe is trained or tested on, and their coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.bounds import BOX_MARGIN
from vestige.datasets.dataset import Dataset, Problem
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import (
    Box,
    Points,
    from_unit,
    mirror_unit,
    scaled_about_centre,
    square_about,
    to_unit,
    whole_picture,
)
from vestige.images import Crop, picture_size

Order = NDArray[np.intp]
"""``(K,)``: point k of a mirrored view is point ``order[k]`` of the picture (its own inverse)."""


@dataclass(frozen=True)
class Views:
    """V crops of examples, several of one example side by side.

    Attributes:
        examples: the examples.
        rows: ``(V,)``: which example each view is of.
        boxes: ``(V, 4)`` in pixels of the picture.
        mirrored: ``(V,)``: whether the crop is mirrored left to right.
    """

    examples: Sequence[Example]
    rows: NDArray[np.intp]
    boxes: Box
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def crops(self) -> list[Crop]:
        """The crops, for extraction."""
        return [
            Crop(self.examples[row], (box[0], box[1], box[2], box[3]), bool(mirrored))
            for row, box, mirrored in zip(self.rows, self.boxes.tolist(), self.mirrored, strict=True)
        ]

    def of(self, rows: NDArray[np.intp]) -> Views:
        """Some of the views."""
        return Views(self.examples, self.rows[rows], self.boxes[rows], self.mirrored[rows])

    def with_boxes(self, boxes: Box) -> Views:
        """The same examples and mirroring, seen through other boxes."""
        return Views(self.examples, self.rows, boxes, self.mirrored)

    def renamed(self, values: NDArray[Any], order: Order) -> NDArray[Any]:
        """Exchange the points' names where a view is mirrored: ``(V, K, ...)`` by the picture's names to the views'.

        In a mirrored view the picture's left eye is the right one. Its own inverse.
        """
        mirrored = self.mirrored.reshape(-1, *(1,) * (values.ndim - 1))
        return np.where(mirrored, values[:, order], values)

    def to_unit(self, points: Points) -> Points:
        """Points ``(V, K, 2)`` in pixels of the picture to unit coordinates of the views."""
        unit = to_unit(points, self.boxes)
        return np.where(self.mirrored[:, None, None], mirror_unit(unit), unit)

    def from_unit(self, unit: Points) -> Points:
        """The inverse of :meth:`to_unit`."""
        return from_unit(np.where(self.mirrored[:, None, None], mirror_unit(unit), unit), self.boxes)

    @property
    def sides(self) -> NDArray[np.float64]:
        """``(V,)``: the longer side of each box in pixels."""
        sides: NDArray[np.float64] = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1)
        return sides


def example_box(example: Example) -> Box:
    """The example's box, or the whole picture where it has none: ``(4,)``."""
    if example.box is not None:
        return example.box
    return whole_picture(*picture_size(example.image))


def example_views(examples: Sequence[Example], margin: float, *, mirror: bool = False, centre: float = 1.0) -> Views:
    """One view of each example, or two side by side (plain, mirrored).

    An example with a box is seen through the square about it (see :func:`vestige.geometry.square_about`), one
    without through its whole picture, or the ``centre`` share of its width and height, squashed.

    Raises:
        VestigeError: where the margin is out of its range, or a picture without a box cannot be read.
    """
    BOX_MARGIN.check("box_margin", margin)
    boxes = [
        scaled_about_centre(example_box(example), centre) if example.box is None else square_about(example.box, margin)
        for example in examples
    ]
    copies = 2 if mirror else 1
    return Views(
        examples,
        np.repeat(np.arange(len(examples)), copies),
        np.repeat(np.stack(boxes) if boxes else np.empty((0, 4)), copies, axis=0),
        np.tile(np.arange(copies) == 1, len(examples)),
    )


def whole_views(examples: Sequence[Example], *, mirror: bool = False) -> Views:
    """One view of each whole picture, squashed to a square, or two (plain, mirrored); boxes play no part."""
    return example_views([replace(example, box=None) for example in examples], 0.0, mirror=mirror)


def decodable(dataset: Dataset, rgb: str, reader: Reader) -> Dataset:
    """The data set without the pictures that cannot be decoded, found as the RGB baseline is read."""
    views = example_views(dataset, 0.0)
    (features,) = reader.features(rgb, views.crops(), reader.reads(rgb, ["all"]))
    problems = [Problem(dataset[row].id, message) for row, message in sorted(features.problems.items())]
    if not problems:
        return dataset
    kept = tuple(example for example, valid in zip(dataset, features.valid, strict=True) if valid)
    return dataset.without(kept, problems)


def fold_labels(groups: Sequence[str], n_folds: int, seed: int) -> NDArray[np.intp]:
    """Deal groups (a person, a photograph) to folds at random, evenly: ``(N,)`` labels from 0 to ``n_folds - 1``.

    Raises:
        ValueError: where there are fewer groups than folds.
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < n_folds:
        raise ValueError(f"{len(names)} groups cannot make {n_folds} folds")
    dealt = np.empty(len(names), dtype=np.intp)
    dealt[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names)) % n_folds
    return dealt[index]
