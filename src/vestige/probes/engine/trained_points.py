"""What a run whose probes read points was trained to do: evaluate and predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from vestige.contract.found import Evaluation
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.probes.engine.evaluation import check_points, evaluate_points
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.point_methods import PointMethod, Setup, load_methods
from vestige.probes.engine.predict import Prediction, predict_images
from vestige.run import Run
from vestige.spelling import spelled


@dataclass(frozen=True)
class PointPredictor:
    """What reads points out of new pictures; a :class:`vestige.contract.task.Predictor`.

    Attributes:
        setup: how pictures are seen.
        method: that reads them.
    """

    setup: Setup
    method: PointMethod

    @classmethod
    def of(cls, setup: Setup, method: PointMethod, *, look_back: bool) -> PointPredictor:
        """A method with its looks back, or at its first look."""
        looks = method.model.look_backs if look_back else ()
        return cls(setup, replace(method, model=replace(method.model, look_backs=looks)))

    @property
    def stage(self) -> str:
        """The name of the last look."""
        return self.method.stages[-1]

    @property
    def markup(self) -> str:
        """The name of the points' markup."""
        return self.setup.markup.name

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures, the first look first."""
        return self.method.probes

    def predict(self, examples: Sequence[Example], reader: Reader) -> list[Prediction]:
        """What it reads out of pictures."""
        return predict_images(self.setup, self.method, examples, reader)


@dataclass(frozen=True)
class TrainedPoints:
    """A run of one set of points; a :class:`vestige.contract.task.Trained`.

    Attributes:
        folder: of its probes.
    """

    folder: Path

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures."""
        return tuple(probe for method in self._saved[1] for probe in method.probes)

    def check(self, test: Dataset) -> None:
        """Refuse data that do not have the points."""
        check_points(test, self._saved[0])

    def evaluate(self, test: Dataset, reader: Reader) -> Evaluation:
        """Every method on other data."""
        setup, methods = self._saved
        return evaluate_points(methods, setup, test, reader)

    def predictor(self, category: str | None = None, *, look_back: bool = True) -> PointPredictor:
        """What predicts on new pictures."""
        if category is not None:
            raise VestigeError(f"{spelled('category', category)}: {self.folder.parent} has no classes")
        setup, methods = self._saved
        return PointPredictor.of(setup, methods[-1], look_back=look_back)

    @cached_property
    def _saved(self) -> tuple[Setup, tuple[PointMethod, ...]]:
        return load_methods(self.folder)


def load_trained_points(run: Run) -> TrainedPoints:
    """What a finished run of points was trained to do."""
    return TrainedPoints(run.probe_folder)
