"""What a run's probes were trained to do: evaluate on other data, and predict on new pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vestige.contract.found import Evaluation
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Box, Points, whole_picture
from vestige.images import ImageFile, Pixels, picture_size
from vestige.probes.engine.codec import Codec
from vestige.probes.engine.evaluate_vectors import evaluate_vectors
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.points import PointCodec
from vestige.probes.engine.vector_methods import MAIN, SavedVectors, VectorMethod, load_vectors
from vestige.run import Run
from vestige.spelling import spelled


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
    """What a run reads out of one picture.

    Attributes:
        looked: what was looked at.
        values: as the codec decodes them: ``(K, 2)`` points in pixels, else ``(t,)``.
        codec: of what they are.
    """

    looked: Looked
    values: Any
    codec: Codec[Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the points; () for what are no points."""
        return self.codec.markup.points if isinstance(self.codec, PointCodec) else ()

    @property
    def points(self) -> Points:
        """``(K, 2)`` in pixels.

        Raises:
            VestigeError: where no points are read.
        """
        if not self.names:
            raise VestigeError(f"{self.codec.task.name}: reads no points; its predictions have values")
        points: Points = self.values
        return points

    def to_json(self) -> dict[str, Any]:
        """What the codec says of the values."""
        return {**self.looked.to_json(), **self.codec.describe(self.values)}

    def picture(self, pixels: Pixels) -> Pixels:
        """The photograph with the values as the codec draws them."""
        return self.codec.picture(self.values, pixels)


@dataclass(frozen=True)
class VectorPredictor:
    """What reads vectors out of new pictures; a :class:`vestige.contract.task.Predictor`.

    Attributes:
        codec: of what is read.
        method: that reads it.
    """

    codec: Codec[Any]
    method: VectorMethod

    @classmethod
    def of(cls, codec: Codec[Any], method: VectorMethod, *, look_back: bool) -> VectorPredictor:
        """A method with its looks back, or at its first look."""
        return cls(codec, method if look_back else replace(method, looks=()))

    @property
    def stage(self) -> str:
        """The name of the method's last stage."""
        return self.codec.last_stage(self.method)

    @property
    def markup(self) -> str:
        """The name of the points' markup; "" for what are no points."""
        return self.codec.markup.name if isinstance(self.codec, PointCodec) else ""

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures, the first look first."""
        return self.method.probes

    def predict(self, examples: Sequence[Example], reader: Reader) -> list[Prediction]:
        """What it reads out of pictures, each seen through its box, or whole where it has none.

        Raises:
            VestigeError: where a picture cannot be read.
        """
        views = self.codec.test_views(examples)
        read = self.codec.read(self.method, views, reader)[self.stage]
        return [
            Prediction(Looked(example, picture_size(example.image), seen), values, self.codec)
            for example, seen, values in zip(examples, views.boxes, read, strict=True)
        ]


@dataclass(frozen=True)
class TrainedVectors:
    """A run of a codec; a :class:`vestige.contract.task.Trained`.

    Attributes:
        folder: of its probes.
        kind: the class of its codec.
    """

    folder: Path
    kind: type[Codec[Any]]

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures."""
        return tuple(probe for method in self._saved.methods for probe in method.probes)

    def check(self, test: Dataset) -> None:
        """Refuse data that do not have what is read."""
        codec_of(self._saved, self.kind, self.folder).check(test)

    def evaluate(self, test: Dataset, reader: Reader) -> Evaluation:
        """Every method on other data."""
        saved = self._saved
        return evaluate_vectors(saved.methods, codec_of(saved, self.kind, self.folder), saved.seed, test, reader)

    def predictor(self, category: str | None = None, *, look_back: bool = True) -> VectorPredictor:
        """What predicts on new pictures."""
        if category is not None:
            raise VestigeError(f"{spelled('category', category)}: {self.folder.parent} has no classes")
        saved = load_vectors(self.folder, [MAIN])
        return VectorPredictor.of(codec_of(saved, self.kind, self.folder), saved.method(MAIN), look_back=look_back)

    @cached_property
    def _saved(self) -> SavedVectors:
        return load_vectors(self.folder)


def codec_of(saved: SavedVectors, kind: type[Codec[Any]], folder: Path) -> Codec[Any]:
    """The codec that saved probes were trained by.

    Raises:
        VestigeError: where they are of another task, or do not fit it.
    """
    try:
        if saved.task != kind.task.name:
            raise ValueError(f"the probes are of {saved.task}, not of {kind.task.name}")
        codec = kind.from_json(saved.made_of, str(folder))
    except ValueError as error:
        raise VestigeError(f"task {saved.task!r}: cannot be opened: {error}; run the probe again") from error
    check_methods(codec, saved.methods)
    return codec


def check_methods(codec: Codec[Any], methods: Sequence[VectorMethod]) -> None:
    """Refuse methods that read other numbers than a codec.

    Raises:
        VestigeError: naming the method.
    """
    try:
        for method in methods:
            codec.check_method(method)
    except ValueError as error:
        raise VestigeError(f"task {codec.task.name!r}: cannot be opened: {error}; run the probe again") from error


def load_trained_vectors(run: Run, kind: type[Codec[Any]]) -> TrainedVectors:
    """What a finished run of a codec was trained to do."""
    return TrainedVectors(run.probe_folder, kind)
