"""Instances: objects cut out of their pictures and resized to one square, with their keypoints on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import Box, Points, from_unit, to_unit
from vestige.images import Crop, Pixels

UNNAMED = "object"
"""The class of examples that have no category."""


def class_of(example: Example) -> str:
    """The name of an example's class."""
    return example.category or UNNAMED


@dataclass(frozen=True)
class Instances:
    """N objects of a data set, each in its box, which is squashed to a square (section 3 of the paper).

    Attributes:
        examples: N of them.
        boxes: ``(N, 4)`` in pixels of the pictures.
        classes: ``(N,)``: their names.
        unit: ``(N, K, 2)``: their keypoints in unit coordinates of the boxes.
        visible: ``(N, K)``.
        names: of the K keypoints.
    """

    examples: Sequence[Example]
    boxes: Box
    classes: NDArray[np.str_]
    unit: Points
    visible: NDArray[np.bool_]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def groups(self) -> NDArray[np.str_]:
        """``(N,)``: what belongs together, such as the objects of one picture."""
        return np.array([example.group for example in self.examples])

    @property
    def truth(self) -> Points:
        """``(N, K, 2)``: the keypoints in pixels of the pictures."""
        return from_unit(self.unit, self.boxes)

    @property
    def crops(self) -> list[Crop]:
        """What a network is shown of each."""
        boxes = self.boxes.tolist()
        return [Crop(e, (box[0], box[1], box[2], box[3])) for e, box in zip(self.examples, boxes, strict=True)]

    def pixels(self, row: int, size: tuple[int, int], interpolation: str = "bicubic") -> Pixels:
        """An instance's box resized to ``size`` (height, width)."""
        x0, y0, x1, y1 = self.boxes[row].tolist()
        return Crop(self.examples[row], (x0, y0, x1, y1)).pixels(size, interpolation)

    def subset(self, rows: NDArray[np.intp]) -> Instances:
        """Some of them."""
        examples = [self.examples[row] for row in rows]
        return Instances(
            examples, self.boxes[rows], self.classes[rows], self.unit[rows], self.visible[rows], self.names
        )


def instances_of(dataset: Dataset) -> Instances:
    """The instances of a data set.

    Raises:
        VestigeError: where it has no keypoints, or an example has no box or another number of points.
    """
    markup = dataset.markup
    if markup is None or not len(dataset):
        raise VestigeError(
            f"{dataset.spec}: has no examples with keypoints; vestige data check {dataset.spec} says more"
        )
    for example in dataset:
        points = 0 if example.keypoints is None else len(example.keypoints)
        if points != len(markup.points):
            raise VestigeError(
                f"{example.id}: has {points} keypoints; expected the {len(markup.points)} of {dataset.spec}"
            )
        if example.box is None:
            raise VestigeError(f"{example.id}: has no box; instances are cut out by the boxes of {dataset.spec}")
        if example.category == "all":
            raise VestigeError(f"{example.id}: is of a class 'all', which stands for all of them in results; rename it")
    boxes = np.stack([example.box for example in dataset if example.box is not None])
    points_ = np.stack([example.keypoints for example in dataset if example.keypoints is not None])
    visible = np.stack([example.visible for example in dataset if example.visible is not None])
    classes = np.array([class_of(example) for example in dataset])
    return Instances(dataset.examples, boxes, classes, to_unit(points_, boxes), visible, markup.points)


def describe_points(classes: NDArray[np.str_], names: Sequence[str]) -> dict[str, Any]:
    """What results.json says of the classes that were tested and of the markup's keypoints."""
    return {"classes": sorted(set(classes.tolist())), "keypoints": list(names)}
