"""Codecs: what is read out of a picture as one vector of numbers, such as points, colours, class maps or attributes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from vestige.contract.task import Task
from vestige.documents import check_json
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats, seed_spread
from vestige.methods import PROBES, Method
from vestige.metrics import Metric, describe_metrics
from vestige.probes.engine.linear import LinearProbe, Source
from vestige.probes.engine.lookback import LookBack
from vestige.probes.engine.vector_methods import VectorMethod
from vestige.probes.engine.views import Views
from vestige.progress import Say
from vestige.results import Row
from vestige.scores import Score as Score
from vestige.scores import share_score as share_score

Numbers = NDArray[np.float32]
Truth = TypeVar("Truth")

PICTURES = 48
"""How many test examples leave a small picture in the run, evenly spread from the best to the worst."""


@dataclass(frozen=True)
class Encoded:
    """What regressors are trained on.

    Attributes:
        values: ``(V, t)``.
        known: ``(V, t)``: which of them are; None for all.
    """

    values: NDArray[np.floating[Any]]
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
        scores: every metric and subset; {} where Rows are made of ``held``.
        errors: ``(N,)``: how far off each example is; NaN where that cannot be said.
        arrays: what else ``examples.npz`` keeps of it, by name: there it is called ``NAME/METHOD``.
        held: what the Rows of several seeds are made of together.
    """

    scores: Scores
    errors: Floats
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))
    held: Any = None


class AnyMethod(Protocol):
    """A method of a run, whatever is read by it."""

    @property
    def name(self) -> str:
        """``mean``, ``rgb``, ``untrained``, ``ridge``, ..."""
        ...

    @property
    def seed(self) -> int | None:
        """Of random weights, where there are several of the same name."""
        ...

    @property
    def probes(self) -> Sequence[LinearProbe]:
        """All that look at pictures."""
        ...


class Target(ABC, Generic[Truth]):
    """What is read out of pictures, and how a reading is measured.

    Attributes:
        task: that reads it.
        metrics: what it measures.
        known_methods: how it may be read, in the order of tables.
        kept_as: the type of predictions in ``examples.npz``.
    """

    task: ClassVar[Task]
    metrics: ClassVar[Mapping[str, Metric]]
    known_methods: ClassVar[Mapping[str, Method]] = PROBES
    kept_as: ClassVar[type[np.floating[Any]]] = np.float16

    @property
    @abstractmethod
    def metric(self) -> str:
        """What reports are about, and what layers are chosen by (on training folds)."""

    @property
    def sign(self) -> int:
        """What values of the metric are multiplied by, so that more is better."""
        return describe_metrics([self.metric], self.metrics)[self.metric].sign

    @property
    def paired(self) -> tuple[str, ...]:
        """Metrics of which there are Rows ``METRIC_difference`` on every method, too: by how much ``ridge`` with all
        its stages is above it, on the same resamples of the test examples."""
        return ()

    @abstractmethod
    def check(self, examples: Sequence[Example]) -> None:
        """Refuse examples that do not have what is to be read.

        Raises:
            VestigeError: naming the example and what it lacks.
        """

    def measurable(self, examples: Sequence[Example]) -> NDArray[np.intp]:
        """The rows of the test examples that there is anything to measure on."""
        return np.arange(len(examples))

    def notes(self, examples: Sequence[Example]) -> tuple[str, ...]:  # noqa: ARG002
        """What a reader of the numbers of these test examples must know."""
        return ()

    @abstractmethod
    def test_views(self, examples: Sequence[Example]) -> Views:
        """The crops that are read: one of each example."""

    @abstractmethod
    def read(self, method: Any, views: Views, reader: Reader) -> dict[str, Any]:
        """What a method reads out of crops, by the name of each of its stages, the last one the best."""

    @abstractmethod
    def truth(self, views: Views) -> Truth:
        """What is known of test examples, to measure by."""

    @abstractmethod
    def score(self, predicted: Any, truth: Truth, bootstrap: Bootstrap) -> Score:
        """The task's metric over all test examples."""

    @abstractmethod
    def errors(self, predicted: Any, truth: Truth) -> Floats:
        """How far off each test example is ``(N,)``: what pictures are sorted by, and compared in pairs."""

    @abstractmethod
    def measure(self, predicted: Any, truth: Truth, bootstrap: Bootstrap) -> Measured:
        """All that is measured of a reading."""

    def rows(
        self,
        measured: Mapping[str, Sequence[Measured]],
        main: str,
        truth: Truth,  # noqa: ARG002
        bootstrap: Bootstrap,  # noqa: ARG002
    ) -> tuple[Row, ...]:
        """One Row per method, metric and subset.

        Args:
            measured: by method, each of its seeds.
            main: the method that paired differences are of.
            truth: of the test examples.
            bootstrap: over them.
        """
        means = {name: mean_scores([each.scores for each in several]) for name, several in measured.items()}
        paired = differences(means, main, self.paired)
        rows = (rows_of_scores(name, {**found, **paired.get(name, {})}) for name, found in means.items())
        return tuple(row for several in rows for row in several)

    def pictured(self, predicted: Any, errors: Floats) -> NDArray[np.intp]:  # noqa: ARG002
        """The test examples that leave a small picture in the run, from the best method's predictions and errors."""
        return spread_rows(errors)

    @abstractmethod
    def arrays(self, truth: Truth) -> dict[str, NDArray[Any]]:
        """What ``examples.npz`` keeps of the truth for reports."""

    def arrays_of(self, method: Any, stages: Mapping[str, Any], views: Views) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        """What it keeps of how a method came to what it reads."""
        return {}

    @property
    def config(self) -> dict[str, Any]:
        """What a run says of it that is not in its options."""
        return {"made_of": self.to_json()}

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What it is made of, to be opened again with."""


@dataclass(frozen=True)
class Training:
    """What the training of a probe leaves for what follows it.

    Attributes:
        source: of the probe's features.
        predicted: what it reads out of fold, decoded.
        encoded: what it was trained on.
        folds: ``(V,)``.
        shared: whether all targets of a fit share one alpha.
        reader: of features.
        say: told of every step as it begins.
    """

    source: Source
    predicted: Any
    encoded: Encoded
    folds: NDArray[np.intp]
    shared: bool
    reader: Reader
    say: Say


class Codec(Target[Truth]):
    """One vector of numbers that is read out, and how it is seen in pictures."""

    @property
    @abstractmethod
    def width(self) -> int:
        """t: how many numbers are read out."""

    @property
    def refined(self) -> int:
        """How many of them a refinement takes at a time, to as many; 0 for a task without one."""
        return 0

    @abstractmethod
    def train_views(self, examples: Sequence[Example]) -> Views:
        """The crops that regressors are trained on, all copies of an example side by side."""

    @abstractmethod
    def encode(self, views: Views) -> Encoded:
        """What is to be read out of crops."""

    def decode(self, values: NDArray[np.floating[Any]], views: Views) -> Any:  # noqa: ARG002
        """What regressors' numbers ``(V, t)`` say of crops; they stand for themselves where they are no points."""
        return values.astype(np.float32, copy=False)

    @abstractmethod
    def out_of_fold(self, predicted: Any, encoded: Any) -> float:
        """The metric, or what stands for it on training views, of out-of-fold predictions, decoded."""

    def refine(self, predicted: Numbers, encoded: Encoded, folds: NDArray[np.intp]) -> LinearProbe | None:  # noqa: ARG002
        """A second linear model on out-of-fold predictions ``(V, t)``; None for a task without one."""
        return None

    def look_back(self, training: Training) -> Sequence[tuple[LookBack, Any]]:  # noqa: ARG002
        """The looks that follow the network's own reading, and what each predicts out of fold; none but of points."""
        return ()

    def stages(self, method: str, predicted: Numbers, refinement: LinearProbe | None) -> dict[str, Numbers]:  # noqa: ARG002
        """A method's predictions ``(N, t)`` by the name of each of its stages, the last one the best."""
        return {method: predicted}

    def read(self, method: VectorMethod, views: Views, reader: Reader) -> dict[str, Any]:
        """The probe's reading, decoded, and that of what follows it."""
        predicted = self.decode(method.probe.read(views.crops(), reader), views)
        return self.stages(method.name, predicted, method.refinement)

    def last_stage(self, method: VectorMethod) -> str:
        """The name of a method's last stage."""
        nothing = np.zeros((0, self.width), np.float32)
        return list(self.stages(method.name, nothing, method.refinement))[-1]

    def check_method(self, method: VectorMethod) -> None:
        """ValueError where a method reads other numbers."""
        reads = len(method.probe.intercept)
        if reads != self.width:
            raise ValueError(f"method {method.name!r} reads {reads} numbers, the task {self.width}")
        if method.refinement is not None and method.refinement.coef.shape != (self.refined, self.refined):
            shape = method.refinement.coef.shape
            raise ValueError(f"method {method.name!r} refines by {shape}, expected {(self.refined, self.refined)}")

    def ablations(self, views: Views) -> Mapping[str, NDArray[np.intp]]:  # noqa: ARG002
        """Further fits at the chosen layer: method name -> the training views that it sees."""
        return {}

    @abstractmethod
    def scores(self, predicted: Any, truth: Truth, bootstrap: Bootstrap, *, brief: bool = False) -> Scores:
        """Every metric and subset of predictions; with ``brief`` the task's metric over all, alone."""

    def score(self, predicted: Any, truth: Truth, bootstrap: Bootstrap) -> Score:
        """The task's metric over all test examples."""
        return self.scores(predicted, truth, bootstrap, brief=True)[self.metric, "all"]

    def measure(self, predicted: Any, truth: Truth, bootstrap: Bootstrap) -> Measured:
        """Scores and errors; for a task to do in one, where they have much in common."""
        return Measured(self.scores(predicted, truth, bootstrap), self.errors(predicted, truth))

    @abstractmethod
    def picture(self, predicted: Any, pixels: Pixels) -> Pixels:
        """A photograph's prediction as a picture, for ``vestige predict``."""

    @abstractmethod
    def describe(self, predicted: Any) -> dict[str, Any]:
        """A photograph's prediction in JSON, for ``vestige predict``."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str) -> Self:  # noqa: ARG003
        """The inverse of :meth:`to_json`; ``where`` names the file in errors.

        Raises:
            ValueError: with the place and what was expected there.
        """
        return check_json(dict(document), cls)


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


def spread_rows(error: Floats) -> NDArray[np.intp]:
    """The rows of test examples at evenly spaced ranks of error ``(N,)``, the best and the eight worst among them."""
    order = np.argsort(error, kind="stable")
    ranks = np.unique(np.linspace(0, len(order) - 1, min(PICTURES, len(order))).round().astype(int))
    return np.unique(np.concatenate([order[ranks], order[-min(8, len(order)) :]]))
