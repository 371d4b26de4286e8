"""A bench: a task's data made ready, on which single layers of any network are fitted and measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from vestige.datasets.dataset import Dataset
from vestige.features.reader import Read
from vestige.images import Crop
from vestige.intervals import Floats
from vestige.methods import Method
from vestige.metrics import Metric, describe_metrics
from vestige.scores import Score


@dataclass(frozen=True)
class Tested:
    """A reading, measured on the test examples.

    Attributes:
        score: the task's metric over all of them.
        errors: ``(N,)``: how far off each is; NaN where that cannot be said.
        out_of_fold: the metric on folds of the training examples, by which layers are chosen; None of the mean.
    """

    score: Score
    errors: Floats
    out_of_fold: float | None = None


class Layers(Protocol):
    """What fits layers, and measures them."""

    @property
    def crops(self) -> Sequence[Sequence[Crop]]:
        """What a network is shown, to train and to test on: their features may be computed before they are needed."""
        ...

    def tested_mean(self) -> Tested:
        """What is predicted without any picture."""
        ...

    def tested(self, asked: Iterable[tuple[str, Read]], *, normalise: bool = True) -> Iterator[tuple[int, Tested]]:
        """Layers and readouts of networks, each fitted on the training examples.

        Args:
            asked: specs of the networks, and what is read of each. They are taken one by one, or all before the first
                is fitted.
            normalise: L2-normalise the features first.

        Yields:
            The place of one in ``asked``, and what is found of it, as they end. A cluster is busy until the last one.
        """
        ...


@dataclass(frozen=True)
class Bench:
    """A task's data made ready.

    Attributes:
        train: the examples that can be read.
        test: likewise; nothing is chosen on them.
        metric: the task's main one.
        metrics: what it measures, as :class:`vestige.contract.found.Found` has them.
        methods: its ``mean`` and ``rgb``, likewise.
        rgb: the network that is the picture itself, for the baseline of pixels.
        layers: fits and measures layers.
        config: what a run of the task says of it that is not in its options.
        notes: what a reader of the numbers must know.
    """

    train: Dataset
    test: Dataset
    metric: str
    metrics: Mapping[str, Metric]
    methods: Mapping[str, Method]
    rgb: str
    layers: Layers
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    @property
    def sign(self) -> int:
        """What values of the metric are multiplied by, so that more is better."""
        return describe_metrics([self.metric], self.metrics)[self.metric].sign
