"""What a run whose probes read vectors was trained to do: evaluate and predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vestige.contract.found import Evaluation
from vestige.datasets.dataset import Dataset
from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.probes.engine.codec import Codec
from vestige.probes.engine.evaluate_vectors import evaluate_vectors
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.predict import VectorPrediction, predict_vectors
from vestige.probes.engine.vector_methods import SavedVectors, VectorMethod, load_vectors
from vestige.run import Run
from vestige.spelling import spelled


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
        self._codec(self._saved).check(test)

    def evaluate(self, test: Dataset, reader: Reader) -> Evaluation:
        """Every method on other data."""
        saved = self._saved
        return evaluate_vectors(saved.methods, self._codec(saved), saved.seed, test, reader)

    def predictor(self, category: str | None = None, *, look_back: bool = True) -> VectorPredictor:  # noqa: ARG002
        """What predicts on new pictures; a vector is read at the first look."""
        if category is not None:
            raise VestigeError(f"{spelled('category', category)}: {self.folder.parent} has no classes")
        saved = load_vectors(self.folder, ["ridge"])
        method, codec = saved.method("ridge"), self._codec(saved)
        nothing = np.zeros((0, len(method.probe.intercept)), np.float32)
        return VectorPredictor(codec, method, list(codec.stages(method.name, nothing, method.refinement))[-1])

    @cached_property
    def _saved(self) -> SavedVectors:
        return load_vectors(self.folder)

    def _codec(self, saved: SavedVectors) -> Codec[Any]:
        try:
            if saved.task != self.kind.task.name:
                raise ValueError(f"the probes are of {saved.task}, not of {self.kind.task.name}")
            codec = check_json(dict(saved.made_of), self.kind)
            for method in saved.methods:
                _check_method(codec, method)
        except (KeyError, ValueError) as error:
            raise VestigeError(f"task {saved.task!r}: cannot be opened: {error}; run the probe again") from error
        return codec


@dataclass(frozen=True)
class VectorPredictor:
    """What reads vectors out of new pictures; a :class:`vestige.contract.task.Predictor`.

    Attributes:
        codec: of what is read.
        method: that reads it.
        stage: its last one's name.
    """

    codec: Codec[Any]
    method: VectorMethod
    stage: str
    markup: str = ""

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures, the first look first."""
        return self.method.probes

    def predict(self, examples: Sequence[Example], reader: Reader) -> list[VectorPrediction]:
        """What it reads out of pictures."""
        return predict_vectors(self.codec, self.method, examples, reader)


def load_trained_vectors(run: Run, kind: type[Codec[Any]]) -> TrainedVectors:
    """What a finished run of a codec was trained to do."""
    return TrainedVectors(run.probe_folder, kind)


def _check_method(codec: Codec[Any], method: VectorMethod) -> None:
    """ValueError where a method reads other numbers than its codec."""
    reads = len(method.probe.intercept)
    if reads != codec.width:
        raise ValueError(f"method {method.name!r} reads {reads} numbers, the task {codec.width}")
    if method.refinement is not None and method.refinement.coef.shape != (codec.refined, codec.refined):
        shape = method.refinement.coef.shape
        raise ValueError(f"method {method.name!r} refines by {shape}, expected {(codec.refined, codec.refined)}")
