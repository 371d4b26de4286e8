"""A trained run on new photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Box, Points, whole_picture
from vestige.images import ImageFile, Pixels, draw_points
from vestige.probes.evaluate_vectors import read_vectors
from vestige.probes.methods import Method, Setup
from vestige.probes.points import predict_points
from vestige.probes.vector_methods import VectorMethod
from vestige.probes.vectors import Numbers, VectorTask
from vestige.probes.views import example_views


@dataclass(frozen=True)
class Prediction:
    """The points that a run reads out of one photograph.

    Attributes:
        path: of the photograph.
        size: its width and height in pixels.
        box: ``(4,)`` that was looked at.
        seen: ``(4,)``: what the network saw of it: the square about the box with its margin, or the whole picture.
        points: ``(K, 2)`` in pixels.
        names: of the points.
    """

    path: Path
    size: tuple[int, int]
    box: Box
    seen: Box
    points: Points
    names: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Names and coordinates."""
        return {
            "image": str(self.path),
            "size": list(self.size),
            "box": self.box.tolist(),
            "points": [
                {"name": name, "x": round(x, 3), "y": round(y, 3)}
                for name, (x, y) in zip(self.names, self.points.tolist(), strict=True)
            ],
        }

    def picture(self, pixels: Pixels) -> Pixels:
        """The photograph with its points drawn."""
        return draw_points(pixels, self.points)


def predict_images(
    setup: Setup, method: Method, paths: Sequence[Path], boxes: Sequence[Box | None], reader: Reader
) -> list[Prediction]:
    """Read the points out of photographs by a method's last stage.

    Args:
        setup: of the run.
        method: of the run.
        paths: of the photographs.
        boxes: ``(4,)`` each, in pixels, or None: the whole picture, squashed to the square.
        reader: of features.

    Raises:
        VestigeError: where a photograph cannot be read or a box lies outside of it.
    """
    examples, sizes = _photographs(paths, boxes)
    views = example_views(examples, setup.box_margin)
    predicted = predict_points(method.model, views, reader)
    names = tuple(setup.markup.points)
    looked_at = [
        whole_picture(*size) if box is None else np.asarray(box) for size, box in zip(sizes, boxes, strict=True)
    ]
    return [
        Prediction(*found, names)
        for found in zip(paths, sizes, looked_at, views.boxes, predicted.stages[-1], strict=True)
    ]


@dataclass(frozen=True)
class VectorPrediction:
    """What a vector run reads out of one photograph.

    Attributes:
        path: of the photograph.
        size: its width and height in pixels.
        seen: ``(4,)``: what the network saw.
        values: ``(t,)``.
        task: what they are.
    """

    path: Path
    size: tuple[int, int]
    seen: Box
    values: Numbers
    task: VectorTask[Any]

    def to_json(self) -> dict[str, Any]:
        """What the task says of the values."""
        return {
            "image": str(self.path),
            "size": list(self.size),
            "box": self.seen.tolist(),
            **self.task.describe(self.values),
        }

    def picture(self, pixels: Pixels) -> Pixels:
        """The values as the task draws them."""
        return self.task.picture(self.values, pixels)


def predict_vectors(
    task: VectorTask[Any], method: VectorMethod, paths: Sequence[Path], boxes: Sequence[Box | None], reader: Reader
) -> list[VectorPrediction]:
    """Read a task's vector out of photographs by a method's last stage; arguments as :func:`predict_images`.

    Raises:
        VestigeError: where a photograph cannot be read or a box lies outside of it.
    """
    examples, sizes = _photographs(paths, boxes)
    views = task.test_views(examples)
    predicted = read_vectors(method.probe, views, reader)
    last = list(task.stages(method.name, predicted, method.refinement).values())[-1]
    return [
        VectorPrediction(path, size, box, values, task)
        for path, size, box, values in zip(paths, sizes, views.boxes, last, strict=True)
    ]


def _photographs(paths: Sequence[Path], boxes: Sequence[Box | None]) -> tuple[list[Example], list[tuple[int, int]]]:
    """The photographs as examples, with their sizes."""
    examples, sizes = [], []
    for path, box in zip(paths, boxes, strict=True):
        image = ImageFile(path)
        height, width = image.read().shape[:2]
        if box is not None:
            _check_box(box, path, width, height)
        examples.append(Example(str(path), str(path), image, box))
        sizes.append((width, height))
    return examples, sizes


def _check_box(box: Box, path: Path, width: int, height: int) -> None:
    x0, y0, x1, y1 = box.tolist()
    if not (x0 < x1 and y0 < y1):
        raise VestigeError(f"--box {x0:g},{y0:g},{x1:g},{y1:g}: expected x0,y0,x1,y1 with x0 < x1 and y0 < y1")
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise VestigeError(f"--box {x0:g},{y0:g},{x1:g},{y1:g}: lies outside of {path} ({width} x {height} pixels)")
