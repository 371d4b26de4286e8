"""What a keypoint run was trained to do: evaluate, and predict the keypoints of a class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vestige.contract.found import Evaluation
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.trained_points import PointPredictor
from vestige.probes.keypoints.evaluate import evaluate_keypoints, lay_test
from vestige.probes.keypoints.probes import KeypointProbes, load_keypoint_probes
from vestige.run import Run


@dataclass(frozen=True)
class TrainedKeypoints:
    """A run of keypoints; a :class:`vestige.contract.task.Trained`.

    Attributes:
        folder: of its probes.
    """

    folder: Path

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures."""
        return tuple(probe for method in self._saved.methods() for probe in method.probes)

    def check(self, test: Dataset) -> None:
        """Refuse data without the keypoints, or without an example of a class that was trained."""
        lay_test(test, self._saved.setup, [probe.points for probe in self._saved.classes])

    def evaluate(self, test: Dataset, reader: Reader) -> Evaluation:
        """Every method on other data."""
        return evaluate_keypoints(self._saved, test, reader)

    def predictor(self, category: str | None = None, *, look_back: bool = True) -> PointPredictor:
        """What predicts the keypoints of a class."""
        own = self._saved.of_class(category)
        return PointPredictor.of(self._saved.setup.of_class(own.points), own.methods[-1], look_back=look_back)

    @cached_property
    def _saved(self) -> KeypointProbes:
        return load_keypoint_probes(self.folder)


def load_trained_keypoints(run: Run) -> TrainedKeypoints:
    """What a finished run of keypoints was trained to do."""
    return TrainedKeypoints(run.probe_folder)
