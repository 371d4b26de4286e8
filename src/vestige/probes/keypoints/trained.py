"""What a keypoint run was trained to do: evaluate, and predict the keypoints of a class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vestige.contract.found import Evaluation
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader
from vestige.probes.engine.linear import check_weights
from vestige.probes.engine.trained_points import PointPredictor
from vestige.probes.keypoints.evaluate import evaluate_keypoints
from vestige.probes.keypoints.probes import load_keypoint_probes
from vestige.run import Run


@dataclass(frozen=True)
class TrainedKeypoints:
    """A run of keypoints; a :class:`vestige.contract.task.Trained`.

    Attributes:
        folder: of its probes.
    """

    folder: Path

    def evaluate(self, test: Dataset, reader: Reader) -> Evaluation:
        """Every method on other data."""
        probes = load_keypoint_probes(self.folder)
        check_weights((probe for method in probes.methods() for probe in method.probes), reader)
        return evaluate_keypoints(probes, test, reader)

    def predictor(self, category: str | None = None, *, look_back: bool = True) -> PointPredictor:
        """What predicts the keypoints of a class."""
        probes = load_keypoint_probes(self.folder)
        own = probes.of_class(category)
        return PointPredictor.of(probes.setup.of_class(own.points), own.methods[-1], look_back=look_back)


def load_trained_keypoints(run: Run) -> TrainedKeypoints:
    """What a finished run of keypoints was trained to do."""
    return TrainedKeypoints(run.probe_folder)
