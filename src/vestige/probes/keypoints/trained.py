"""What a keypoint run was trained to do, and how that is saved: a folder of methods for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from vestige.contract.found import Evaluation
from vestige.datasets.dataset import Dataset
from vestige.documents import Count, Json, read_json
from vestige.errors import VestigeError, choice
from vestige.features.reader import Reader
from vestige.files import write_json
from vestige.markup import markup_from_json
from vestige.probes.engine.evaluate_vectors import evaluate_vectors
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.trained_vectors import VectorPredictor, check_methods
from vestige.probes.engine.vector_methods import MAIN, SavedVectors, load_vectors
from vestige.probes.keypoints.classes import PointClass
from vestige.probes.keypoints.codec import KeypointMethod, Keypoints
from vestige.run import Run
from vestige.spelling import spelled

_FILE = "keypoints.json"


@dataclass(frozen=True)
class SavedKeypoints:
    """What the folder of a keypoint run's probes holds.

    Attributes:
        target: what is read.
        seed: of the run.
        methods: in the order of results, ``ridge`` last.
    """

    target: Keypoints
    seed: int
    methods: tuple[KeypointMethod, ...]

    @property
    def classes(self) -> tuple[PointClass, ...]:
        """That have regressors."""
        return self.target.classes

    def of_class(self, number: int) -> SavedVectors:
        """The methods of a class."""
        own = tuple(method.by_class[number] for method in self.methods)
        made_of = self.target.of_class(self.classes[number]).to_json()
        return SavedVectors(self.target.task.name, made_of, self.seed, own)

    def save(self, folder: Path) -> None:
        """Write a folder per class (``class-0``, ...) and ``keypoints.json``, the latter last."""
        for number in range(len(self.classes)):
            self.of_class(number).save(folder / f"class-{number}")
        write_json(folder / _FILE, {"made_of": self.target.to_json(), "seed": self.seed}, overwrite=True)


@dataclass(frozen=True)
class _Target:
    markup: Json
    box_margin: float
    alphas: Annotated[tuple[float, ...], Meta(min_length=1)]
    classes: Annotated[tuple[PointClass, ...], Meta(min_length=1)]
    mirror: bool = False
    look_backs: Count = 0
    margin_quantile: float = 1.0


@dataclass(frozen=True)
class _Saved:
    made_of: _Target
    seed: Count


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
        return tuple(probe for method in self._saved.methods for probe in method.probes)

    def check(self, test: Dataset) -> None:
        """Refuse data without the keypoints, or without an example of a class that was trained."""
        self._saved.target.check(test)

    def evaluate(self, test: Dataset, reader: Reader) -> Evaluation:
        """Every method on other data."""
        saved = self._saved
        return evaluate_vectors(saved.methods, saved.target, saved.seed, test, reader)

    def predictor(self, category: str | None = None, *, look_back: bool = True) -> VectorPredictor:
        """What predicts the keypoints of a class; of the only one where no name is given."""
        target, _ = self._target()
        number = _number_of(category, [points.name for points in target.classes])
        method = self._of_class(number, target, [MAIN]).method(MAIN)
        return VectorPredictor.of(target.of_class(target.classes[number]), method, look_back=look_back)

    def _target(self) -> tuple[Keypoints, int]:
        path = self.folder / _FILE
        saved = read_json(path, _Saved, what="keypoint probes", mend="run the probe again")
        markup = markup_from_json(saved.made_of.markup, str(path))
        target = Keypoints(**{**vars(saved.made_of), "markup": markup})
        if any(k >= len(markup.points) for points in target.classes for k in points.columns):
            raise VestigeError(f"{path}: a class has a point outside 0..{len(markup.points) - 1}; run the probe again")
        return target, saved.seed

    @cached_property
    def _saved(self) -> SavedKeypoints:
        target, seed = self._target()
        by_class = [self._of_class(number, target).methods for number in range(len(target.classes))]
        if len({tuple((method.name, method.seed) for method in own) for own in by_class}) > 1:
            raise VestigeError(f"{self.folder}: its classes have other methods than one another; run the probe again")
        return SavedKeypoints(target, seed, tuple(KeypointMethod(own) for own in zip(*by_class, strict=True)))

    def _of_class(self, number: int, target: Keypoints, names: Sequence[str] | None = None) -> SavedVectors:
        """The methods of a class."""
        saved = load_vectors(self.folder / f"class-{number}", names)
        check_methods(target.of_class(target.classes[number]), saved.methods)
        return saved


def load_trained_keypoints(run: Run) -> TrainedKeypoints:
    """What a finished run of keypoints was trained to do."""
    return TrainedKeypoints(run.probe_folder)


def _number_of(name: str | None, names: Sequence[str]) -> int:
    """Which class is meant.

    Raises:
        VestigeError: where there is no such class, or no name for several.
    """
    if name is None and len(names) == 1:
        return 0
    if name is None:
        raise VestigeError(
            f"{spelled('category')} is not given: the run has regressors for {', '.join(names)}; name one"
        )
    if name not in names:
        raise VestigeError(f"{spelled('category', name)}: the run has no regressors for it; {choice(name, names)}")
    return names.index(name)
