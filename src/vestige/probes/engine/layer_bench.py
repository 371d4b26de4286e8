"""Layers of networks, fitted and measured on one set of data, here or by the workers of a cluster."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

import numpy as np

from vestige.cluster.cluster import Cluster
from vestige.contract.bench import Tested
from vestige.contract.found import Fitted as Saved
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Read, Reader
from vestige.images import Crop
from vestige.intervals import Bootstrap
from vestige.probes.engine.codec import AnyMethod, Target, rows_of_scores
from vestige.probes.engine.evaluate_vectors import measurable
from vestige.probes.engine.fit import Fit
from vestige.probes.engine.linear import Source
from vestige.probes.engine.views import Views
from vestige.progress import Say
from vestige.results import Row, same_but
from vestige.scores import Score


@dataclass(frozen=True)
class Candidate:
    """One layer and readout, fitted on the training views.

    Attributes:
        read: the layer and its readout.
        source: the same, with the backbone.
        fits: what was fitted there.
        out_of_fold: the metric over out-of-fold predictions: what layers are chosen by.
    """

    read: Read
    source: Source
    fits: tuple[Fit, ...]
    out_of_fold: float


F = TypeVar("F", bound=Candidate)

R = TypeVar("R")


@dataclass(frozen=True)
class Swept:
    """A sweep that is asked for.

    Attributes:
        spec: of the network.
        reads: its layers with their readouts.
        method: the name of the Rows.
        seed: of the network's weights, where they are random.
        normalise: L2-normalise the features first.
    """

    spec: str
    reads: Sequence[Read]
    method: str
    seed: int | None = None
    normalise: bool = True


@dataclass(frozen=True)
class LayerBench(ABC, Generic[F]):
    """Training and test examples made ready, on which layers are fitted and measured.

    Attributes:
        target: what is read out.
        reader: of features.
        train: the training examples.
        test: the test examples; of a class that is trained all the same, there may be none.
        seed: of folds and bootstrap.
        notes: what had to be given up.
    """

    target: Target[Any]
    reader: Reader
    train: Dataset
    test: Dataset
    seed: int
    notes: tuple[str, ...]

    @property
    @abstractmethod
    def crops(self) -> Sequence[Sequence[Crop]]:
        """Those of training and test views."""

    @property
    @abstractmethod
    def n_views(self) -> int:
        """How many training views there are."""

    @property
    def classes(self) -> int:
        """How many fits a layer takes."""
        return 1

    @abstractmethod
    def mean(self) -> AnyMethod:
        """The method that predicts the training views' mean."""

    @abstractmethod
    def layers(self, spec: str, reads: Sequence[Read], *, normalise: bool = True) -> Sequence[Any]:
        """Every layer of a backbone made ready to be fitted; all are extracted in one pass."""

    @abstractmethod
    def fitted(self, layer: Any) -> tuple[F, Any]:
        """A layer that was made ready, fitted, and what it predicts of the test examples, decoded."""

    @abstractmethod
    def is_large(self, layer: Any) -> bool:
        """Whether a layer's rows are shared out among the workers of a cluster, one layer after the other."""

    @abstractmethod
    def method(self, name: str, fitted: F, say: Say, seed: int | None = None) -> tuple[AnyMethod, Sequence[Row]]:
        """A fit under its name, with what follows it, which is trained on out-of-fold predictions; and the Rows of its
        later stages on folds."""

    def ablated(self, best: F, say: Say) -> Iterator[tuple[str, F]]:  # noqa: ARG002
        """Further fits at the same layer."""
        return iter(())

    @abstractmethod
    def saved(self, methods: Sequence[Any]) -> Saved:
        """What the run's folder holds of methods."""

    @cached_property
    def test_views(self) -> Views:
        """Of the test examples that there is anything to measure on."""
        return self.target.test_views(measurable(self.target, self.test))

    @cached_property
    def truth(self) -> Any:
        """Of the same."""
        return self.target.truth(self.test_views)

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Over the same."""
        return Bootstrap.of(self.test_views.examples, self.seed)

    def tested_mean(self) -> Tested:
        """The training views' mean on the test examples."""
        (predicted,) = self.target.read(self.mean(), self.test_views, self.reader).values()
        return self._tested(predicted)

    def tested(self, asked: Iterable[tuple[str, Read]], *, normalise: bool = True) -> Iterator[tuple[int, Tested]]:
        """Layers of networks on the test examples: the place of each in ``asked`` and what is found, as they end. On a
        cluster all are fitted at the same time, and nothing else may be given to it before the last is there."""
        ready = (self.layers(spec, [read], normalise=normalise)[0] for spec, read in asked)
        if self.reader.cluster is None:
            for place, layer in enumerate(ready):
                yield place, self._counted(_test(self, layer), 1, 1)
            return
        layers = list(ready)
        large = ((place, _test(self, layer)) for place, layer in enumerate(layers) if self.is_large(layer))
        found = itertools.chain(self._by_workers(self.reader.cluster, _test, layers), large)
        for done, (place, tested) in enumerate(found, start=1):
            yield place, self._counted(tested, done, len(layers))

    def _tested(self, predicted: Any, out_of_fold: float | None = None) -> Tested:
        errors = np.full(len(self.test), np.nan)
        errors[self.target.measurable(self.test)] = self.target.errors(predicted, self.truth)
        return Tested(self.target.score(predicted, self.truth, self.bootstrap), errors, out_of_fold)

    def sweeps(self, asked: Sequence[Swept]) -> Iterator[tuple[F, list[Row]]]:
        """Of each sweep the layer that training folds choose, and the Rows of all; only the best one's coefficients are
        held. On a cluster the layers of all sweeps are fitted at the same time, once all are extracted; the best one's
        coefficients are then found here, for they may take more room than what is between processes."""
        ready = (self.layers(each.spec, each.reads, normalise=each.normalise) for each in asked)
        scored = (
            self._scored_here(ready) if self.reader.cluster is None else self._scored_on(self.reader.cluster, ready)
        )
        for each in asked:
            yield self._best(each, scored)

    def _scored_here(self, ready: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, _Scored[F]]]:
        """The layers of sweeps, and what is found of each."""
        for layers in ready:
            for done, layer in enumerate(layers, start=1):
                yield layer, self._counted(_score(self, layer), done, len(layers))

    def _scored_on(self, cluster: Cluster, ready: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, _Scored[F]]]:
        """The same; what follows a sweep uses the cluster, too, so all that its workers find is there first."""
        layers = [layer for each in ready for layer in each]
        found: dict[int, _Scored[F]] = {}
        for place, scored in self._by_workers(cluster, _score_alone, layers):
            found[place] = self._counted(scored, len(found) + 1, len(layers))
        done = itertools.count(len(found) + 1)
        for place, layer in enumerate(layers):
            if place in found:
                yield layer, found.pop(place)
            else:
                yield layer, self._counted(_score(self, layer), next(done), len(layers))

    def _best(self, asked: Swept, layers: Iterator[tuple[Any, _Scored[F]]]) -> tuple[F, list[Row]]:
        best, sign = None, self.target.sign
        rows: list[Row] = []
        for layer, scored in itertools.islice(layers, len(asked.reads)):
            tested = rows_of_scores(asked.method, {(self.target.metric, "all"): scored.score})
            rows += same_but(tested, **_place(scored.source, asked.seed))
            rows.append(self.folds_row(asked.method, scored.out_of_fold, scored.source, asked.seed))
            if best is None or sign * scored.out_of_fold > sign * best[1].out_of_fold:
                best = layer, scored
        assert best is not None  # there is no spec without a layer
        layer, scored = best
        return self.fitted(layer)[0] if scored.fitted is None else scored.fitted, rows

    def _by_workers(
        self, cluster: Cluster, work: Callable[[Any, Any], R], layers: Sequence[Any]
    ) -> Iterator[tuple[int, R]]:
        """What ``work`` on this bench and a layer gives, by the workers of a cluster: the layers' places, as they end.
        Large layers are left out: they are worked on here, and their rows there."""
        small = [place for place, layer in enumerate(layers) if not self.is_large(layer)]
        if small:
            _ = self.truth, self.bootstrap  # found once, and not by every worker
            with cluster.actors(partial, work, cluster.share(self), most=len(small), wide=True) as workers:
                for index, found in workers.run((layers[place],) for place in small):
                    yield small[index], found

    def _counted(self, result: R, done: int, total: int) -> R:
        """A result, once its fits are counted."""
        for _ in range(self.classes):
            self.reader.count("fits", done, total)
        return result

    def folds_row(self, method: str, value: float, source: Source, seed: int | None = None) -> Row:
        """The Row of a method's metric on training folds."""
        row = Row(method, f"oof_{self.target.metric}", "all", value, None, self.n_views)
        return replace(row, **_place(source, seed))


@dataclass(frozen=True)
class _Scored(Generic[F]):
    """What is said of a layer that was fitted.

    Attributes:
        source: the layer.
        out_of_fold: the metric over out-of-fold predictions.
        score: on the test examples.
        fitted: None where that was let go of.
    """

    source: Source
    out_of_fold: float
    score: Score
    fitted: F | None


def _score(bench: LayerBench[F], layer: Any) -> _Scored[F]:
    """A layer, fitted, and its score on the test examples."""
    fitted, predicted = bench.fitted(layer)
    score = bench.target.score(predicted, bench.truth, bench.bootstrap)
    return _Scored(fitted.source, fitted.out_of_fold, score, fitted)


def _score_alone(bench: LayerBench[F], layer: Any) -> _Scored[F]:
    return replace(_score(bench, layer), fitted=None)


def _test(bench: LayerBench[F], layer: Any) -> Tested:
    """A layer on the test examples."""
    fitted, predicted = bench.fitted(layer)
    return bench._tested(predicted, fitted.out_of_fold)


def _place(source: Source, seed: int | None) -> dict[str, Any]:
    return {"layer": source.layer, "readout": source.readout, "backbone": source.backbone, "seed": seed}
