"""Codecs: what is read out of a picture as one vector of numbers, such as colours, class maps or attributes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vestige.contract.task import Task
from vestige.example import Example
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats, seed_spread
from vestige.methods import PROBES, Method
from vestige.metrics import Metric
from vestige.probes.engine.evaluation import spread_rows
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.views import Views
from vestige.results import Row
from vestige.scores import Score as Score
from vestige.scores import share_score as share_score

Numbers = NDArray[np.float32]
Truth = TypeVar("Truth")


@dataclass(frozen=True)
class Encoded:
    """What regressors are trained on.

    Attributes:
        values: ``(V, t)``.
        known: ``(V, t)``: which of them are; None for all.
    """

    values: Numbers
    known: NDArray[np.bool_] | None = None

    def of(self, rows: NDArray[Any]) -> Encoded:
        """Those of some views."""
        return Encoded(self.values[rows], None if self.known is None else self.known[rows])


Scores = Mapping[tuple[str, str], Score]
"""(metric, subset) -> its score."""


@dataclass(frozen=True)
class Measured:
    """One method, or a stage of one, on the test examples.

    Attributes:
        scores: every metric and subset.
        errors: ``(N,)``: how far off each example is; NaN where that cannot be said.
        arrays: what else ``examples.npz`` keeps of it, by name: there it is called ``NAME/METHOD``.
    """

    scores: Scores
    errors: Floats
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))


class Codec(ABC, Generic[Truth]):
    """What is read out, how it is seen in pictures, and how a reading is measured.

    Attributes:
        task: that reads it.
        metrics: what it measures.
        known_methods: how it may be read, in the order of tables.
    """

    task: ClassVar[Task]
    metrics: ClassVar[Mapping[str, Metric]]
    known_methods: ClassVar[Mapping[str, Method]] = PROBES

    @property
    @abstractmethod
    def metric(self) -> str:
        """What reports are about, and what layers are chosen by (on training folds)."""

    @property
    def paired(self) -> tuple[str, ...]:
        """Metrics of which there are Rows ``METRIC_difference`` on every method, too: by how much ``ridge`` with all
        its stages is above it, on the same resamples of the test examples."""
        return ()

    @property
    @abstractmethod
    def width(self) -> int:
        """t: how many numbers are read out."""

    @property
    def refined(self) -> int:
        """How many of them a refinement takes at a time, to as many; 0 for a task without one."""
        return 0

    @abstractmethod
    def check(self, examples: Sequence[Example]) -> None:
        """Refuse examples that do not have what is to be read.

        Raises:
            VestigeError: naming the example and what it lacks.
        """

    def notes(self, examples: Sequence[Example]) -> tuple[str, ...]:  # noqa: ARG002
        """What a reader of the numbers of these test examples must know."""
        return ()

    @abstractmethod
    def train_views(self, examples: Sequence[Example]) -> Views:
        """The crops that regressors are trained on, all copies of an example side by side."""

    @abstractmethod
    def test_views(self, examples: Sequence[Example]) -> Views:
        """The crops that are read: one of each example."""

    @abstractmethod
    def encode(self, views: Views) -> Encoded:
        """What is to be read out of crops."""

    @abstractmethod
    def out_of_fold(self, predicted: Numbers, encoded: Encoded) -> float:
        """The metric, or what stands for it on training views, of out-of-fold predictions ``(V, t)``."""

    def refine(self, predicted: Numbers, encoded: Encoded, folds: NDArray[np.intp]) -> LinearProbe | None:  # noqa: ARG002
        """A second linear model on out-of-fold predictions ``(V, t)``; None for a task without one."""
        return None

    def stages(self, method: str, predicted: Numbers, refinement: LinearProbe | None) -> dict[str, Numbers]:  # noqa: ARG002
        """A method's predictions ``(N, t)`` by the name of each of its stages, the last one the best."""
        return {method: predicted}

    def ablations(self, views: Views) -> Mapping[str, NDArray[np.intp]]:  # noqa: ARG002
        """Further fits at the chosen layer: method name -> the training views that it sees."""
        return {}

    @abstractmethod
    def truth(self, views: Views) -> Truth:
        """What is known of test examples, to measure by."""

    @abstractmethod
    def scores(self, predicted: Numbers, truth: Truth, bootstrap: Bootstrap, *, brief: bool = False) -> Scores:
        """Every metric and subset of predictions ``(N, t)``; with ``brief`` the task's metric over all, alone."""

    @abstractmethod
    def errors(self, predicted: Numbers, truth: Truth) -> Floats:
        """How far off each test example is ``(N,)``: what pictures are sorted by, and compared in pairs."""

    def measure(self, predicted: Numbers, truth: Truth, bootstrap: Bootstrap) -> Measured:
        """Scores and errors; for a task to do in one, where they have much in common."""
        return Measured(self.scores(predicted, truth, bootstrap), self.errors(predicted, truth))

    def pictured(self, predicted: Numbers, errors: Floats) -> NDArray[np.intp]:  # noqa: ARG002
        """The test examples that leave a small picture in the run, from the best method's predictions and errors."""
        return spread_rows(errors)

    @abstractmethod
    def arrays(self, truth: Truth) -> dict[str, NDArray[Any]]:
        """What ``examples.npz`` keeps of the truth for reports."""

    @abstractmethod
    def picture(self, predicted: Numbers, pixels: Pixels) -> Pixels:
        """A photograph's prediction ``(t,)`` as a picture, for ``vestige predict``."""

    @abstractmethod
    def describe(self, predicted: Numbers) -> dict[str, Any]:
        """A photograph's prediction ``(t,)`` in JSON, for ``vestige predict``."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What the task is made of, to be opened again with."""


def mean_scores(several: Sequence[Scores]) -> Scores:
    """The mean over seeds of each number, resample by resample."""
    return {
        key: Score(
            float(np.mean([scores[key].value for scores in several])),
            np.mean([scores[key].resampled for scores in several], axis=0),
            score.n,
            score.groups,
            seed_spread([scores[key].value for scores in several]),
        )
        for key, score in several[0].items()
    }


def differences(methods: Mapping[str, Scores], full: str, metrics: Sequence[str]) -> dict[str, Scores]:
    """By how much the method ``full`` is above every other one, over all, resample by resample."""
    return {
        name: {
            (f"{metric}_difference", "all"): _difference(methods[full][metric, "all"], scores[metric, "all"])
            for metric in metrics
        }
        for name, scores in methods.items()
        if name != full
    }


def _difference(a: Score, b: Score) -> Score:
    return Score(a.value - b.value, a.resampled - b.resampled, b.n, b.groups, math.hypot(a.spread, b.spread))


def rows_of_scores(method: str, scores: Scores) -> tuple[Row, ...]:
    """One Row per metric and subset; those that no test example has a say in are left out."""
    return tuple(
        Row(method, metric, subset, score.value, score.ci95, score.n)
        for (metric, subset), score in scores.items()
        if score.n and np.isfinite(score.value)
    )
