"""A trained run on new photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Box, Points, whole_picture
from vestige.images import ImageFile, Pixels, draw_points, picture_size
from vestige.probes.engine.codec import Codec, Numbers
from vestige.probes.engine.evaluate_vectors import read_vectors
from vestige.probes.engine.point_methods import PointMethod, Setup
from vestige.probes.engine.points import predict_points
from vestige.probes.engine.vector_methods import VectorMethod
from vestige.probes.engine.views import example_views


@dataclass(frozen=True)
class Looked:
    """What was looked at.

    Attributes:
        example: the picture, and the object's box where one was given.
        size: width and height of the picture in pixels.
        seen: ``(4,)``: what the network saw of it: the square about the box with its margin, or the whole picture.
    """

    example: Example
    size: tuple[int, int]
    seen: Box

    @property
    def box(self) -> Box:
        """``(4,)``: the object's box, or the whole picture."""
        return whole_picture(*self.size) if self.example.box is None else np.asarray(self.example.box)

    @property
    def name(self) -> str:
        """The picture's file, or its id where it is in none."""
        return str(self.path or self.example.id)

    @property
    def path(self) -> Path | None:
        """The picture's file; None where it is in none."""
        image = self.example.image
        return image.path if isinstance(image, ImageFile) else None

    def to_json(self) -> dict[str, Any]:
        """The picture, its size, and the two boxes."""
        boxes = {"box": self.box.tolist(), "seen": self.seen.tolist()}
        return {"image": self.name, "size": list(self.size), **boxes}


@dataclass(frozen=True)
class Prediction:
    """The points that a run reads out of one picture.

    Attributes:
        looked: what was looked at.
        points: ``(K, 2)`` in pixels.
        names: of the points.
    """

    looked: Looked
    points: Points
    names: tuple[str, ...]

    @property
    def numbers(self) -> Points:
        """All that was predicted."""
        return self.points

    def to_json(self) -> dict[str, Any]:
        """Names and coordinates."""
        points = [
            {"name": name, "x": round(x, 3), "y": round(y, 3)}
            for name, (x, y) in zip(self.names, self.points.tolist(), strict=True)
        ]
        return {**self.looked.to_json(), "points": points}

    def picture(self, pixels: Pixels) -> Pixels:
        """The photograph with its points drawn."""
        return draw_points(pixels, self.points)


@dataclass(frozen=True)
class VectorPrediction:
    """What a vector run reads out of one picture.

    Attributes:
        looked: what was looked at.
        values: ``(t,)``.
        codec: of what they are.
    """

    looked: Looked
    values: Numbers
    codec: Codec[Any]

    @property
    def numbers(self) -> Numbers:
        """All that was predicted."""
        return self.values

    def to_json(self) -> dict[str, Any]:
        """What the codec says of the values."""
        return {**self.looked.to_json(), **self.codec.describe(self.values)}

    def picture(self, pixels: Pixels) -> Pixels:
        """The values as the codec draws them."""
        return self.codec.picture(self.values, pixels)


def predict_images(setup: Setup, method: PointMethod, examples: Sequence[Example], reader: Reader) -> list[Prediction]:
    """Read the points out of pictures by a method's last stage.

    Args:
        setup: of the run.
        method: of the run.
        examples: pictures, each with the object's box, or without one: the whole picture, squashed to the square.
        reader: of features.

    Raises:
        VestigeError: where a picture cannot be read.
    """
    views = example_views(examples, setup.box_margin)
    predicted = predict_points(method.model, views, reader)
    names = tuple(setup.markup.points)
    return [
        Prediction(Looked(example, picture_size(example.image), seen), points, names)
        for example, seen, points in zip(examples, views.boxes, predicted.stages[-1], strict=True)
    ]


def predict_vectors(
    codec: Codec[Any], method: VectorMethod, examples: Sequence[Example], reader: Reader
) -> list[VectorPrediction]:
    """Read a codec's vector by a method's last stage; arguments and errors as of `predict_images`."""
    views = codec.test_views(examples)
    predicted = read_vectors(method.probe, views, reader)
    last = list(codec.stages(method.name, predicted, method.refinement).values())[-1]
    return [
        VectorPrediction(Looked(example, picture_size(example.image), seen), values, codec)
        for example, seen, values in zip(examples, views.boxes, last, strict=True)
    ]
