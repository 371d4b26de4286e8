"""The probe of any vector: its baselines, the sweep over layers, and the fit at the layer that folds chose."""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vestige.cluster.cluster import Cluster
from vestige.contract.bench import Bench, Tested
from vestige.contract.found import Fitted as Saved
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.features.store import Features
from vestige.images import Crop
from vestige.intervals import Bootstrap
from vestige.probes.engine.codec import AnyMethod, Codec, Encoded, Target, Training, rows_of_scores
from vestige.probes.engine.evaluate_vectors import evaluate_vectors, measurable
from vestige.probes.engine.fit import FOLDS, ChosenRows, Fit, Stored, describe_fits, fit_probe, rows_shared_out
from vestige.probes.engine.linear import Source, mean_probe
from vestige.probes.engine.lookback import LookBack, look_back_name
from vestige.probes.engine.options import ProbeOptions, VectorOptions
from vestige.probes.engine.vector_methods import MAIN, SavedVectors, VectorMethod
from vestige.probes.engine.views import Views, decodable, fold_labels
from vestige.progress import Say
from vestige.results import Row, same_but
from vestige.scores import Score
from vestige.spec import parse_backbone_spec
from vestige.text import count


def probe_vectors(
    codec: Codec[Any],
    train: Dataset,
    test: Dataset,
    options: ProbeOptions = VectorOptions(),
    session: Session | None = None,
    *,
    made_with: Sequence[Any] = (),
    notes: Sequence[str] = (),
) -> Found:
    """Train the probe of a vector and its baselines, and measure them.

    Args:
        codec: of what is read out.
        train: examples of it.
        test: likewise; nothing is chosen on it.
        options: of the probe.
        session: None for the default cache and device, and lines on standard error.
        made_with: the options that the codec was made with, for the run to keep.
        notes: what a reader of the numbers must know, likewise.

    Raises:
        VestigeError: where there are fewer groups than folds, or the data lack what the codec reads.
    """
    check_vectors(codec, train, test, options)
    return probe_layers(partial(vector_bench, codec), train, test, options, session, made_with, notes)


def bench_vectors(
    codec: Codec[Any],
    train: Dataset,
    test: Dataset,
    options: ProbeOptions,
    session: Session,
    notes: Sequence[str] = (),
) -> Bench:
    """The data of a vector made ready to compare layers on; arguments and errors as of :func:`probe_vectors`."""
    check_vectors(codec, train, test, options)
    return bench_layers(partial(vector_bench, codec), train, test, options, session, notes)


def check_vectors(codec: Codec[Any], train: Dataset, test: Dataset, options: ProbeOptions) -> None:
    """Refuse data that lack what the codec reads, or have too few groups for the folds; no picture is read.

    Raises:
        VestigeError: naming the data set or the example.
    """
    codec.check(train)
    codec.check(test)
    _folds(train, options.seed)


def _folds(train: Dataset, seed: int) -> NDArray[np.intp]:
    """The fold of each example ``(N,)``."""
    try:
        return fold_labels([example.group for example in train], FOLDS, seed)
    except ValueError as error:
        raise VestigeError(f"{train.spec}: {error}; the probe needs at least {FOLDS} people or pictures") from error


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


@dataclass(frozen=True)
class ReadyLayer:
    """A layer and readout, extracted.

    Attributes:
        read: the layer and its readout.
        source: the same, with the backbone.
        train: features of the training views.
        test: of the test views; None where there are none.
        normalise: L2-normalise them first.
    """

    read: Read
    source: Source
    train: Features
    test: Features | None
    normalise: bool


@dataclass(frozen=True)
class Fitted(Candidate):
    """One layer and readout, fitted on the training views of a vector.

    Attributes:
        predicted: what it predicts of them out of fold, decoded.
        views: which of the training views it saw.
    """

    predicted: Any
    views: NDArray[np.intp]

    @property
    def fit(self) -> Fit:
        """The probe and what its training showed."""
        return self.fits[0]


@dataclass(frozen=True)
class VectorBench(LayerBench[Fitted]):
    """A vector's data made ready.

    Attributes:
        target: the codec of what is read out.
        train_views: the training crops.
        encoded: what is read out of them.
        folds: ``(V,)``.
        shared: whether all targets share one alpha.
    """

    target: Codec[Any]
    train_views: Views
    encoded: Encoded
    folds: NDArray[np.intp]
    shared: bool

    @property
    def crops(self) -> Sequence[Sequence[Crop]]:
        """Those of training views, and of test views where there are any."""
        return [views.crops() for views in (self.train_views, *([self.test_views] if len(self.test) else []))]

    @property
    def n_views(self) -> int:
        """How many training views there are."""
        return len(self.train_views)

    def mean(self) -> VectorMethod:
        """The method that predicts the training views' mean."""
        return VectorMethod("mean", mean_probe(self.encoded.values, self.encoded.known))

    def layers(self, spec: str, reads: Sequence[Read], *, normalise: bool = True) -> list[ReadyLayer]:
        """Every layer of a backbone, extracted."""
        weights, n = self.reader.backbone(spec).weights_sha256, len(self.test_views)
        train = self.reader.features(spec, self.train_views.crops(), reads)
        test = self.reader.features(spec, self.test_views.crops(), reads) if n else [None] * len(reads)
        return [
            ReadyLayer(read, Source(spec, weights, read.layer.name, str(read.readout)), features, tested, normalise)
            for read, features, tested in zip(reads, train, test, strict=True)
        ]

    def is_large(self, layer: ReadyLayer) -> bool:
        """Whether a fit's rows are shared out."""
        return rows_shared_out(layer.train, self.encoded.values)

    def fitted(self, layer: ReadyLayer) -> tuple[Fitted, Any]:
        """A layer, fitted, and what it predicts of the test examples, decoded."""
        everything = np.arange(len(self.train_views))
        fitted = self._fitted(layer.train, layer.read, layer.source, everything, normalise=layer.normalise)
        n = len(self.test_views)
        return fitted, self.target.decode(fitted.fit.probe.predict(layer.test, n), self.test_views)

    def ablated(self, best: Fitted, say: Say) -> Iterator[tuple[str, Fitted]]:
        """The codec's further fits, at the same layer."""
        for name, views in self.target.ablations(self.train_views).items():
            say(f"{name}, at {best.source.layer}")
            (features,) = self.reader.features(best.source.backbone, self.train_views.crops(), [best.read])
            yield name, self._fitted(ChosenRows(features, views), best.read, best.source, views)

    def _fitted(
        self, features: Stored, read: Read, source: Source, views: NDArray[np.intp], *, normalise: bool = True
    ) -> Fitted:
        """A fit on the features of some views."""
        encoded, folds = self._part(views)
        fit = fit_probe(
            features,
            source,
            encoded.values,
            encoded.known,
            folds,
            normalise=normalise,
            shared=self.shared,
            cluster=self.reader.cluster,
        )
        predicted = self.target.decode(fit.oof, self.train_views.of(views))
        return Fitted(read, source, (fit,), self.target.out_of_fold(predicted, encoded), predicted, views)

    def method(
        self, name: str, fitted: Fitted, say: Say, seed: int | None = None
    ) -> tuple[VectorMethod, Sequence[Row]]:
        """A fit under its name, with the codec's refinement or looks; and the Rows of these looks on folds."""
        refinement = self.target.refine(fitted.predicted, *self._part(fitted.views))
        looks = self.look_back(fitted, say) if name == MAIN else ()
        rows = [
            self.folds_row(look_back_name(turn), self.target.out_of_fold(predicted, self.encoded), fitted.source)
            for turn, (_, predicted) in enumerate(looks)
        ]
        made = VectorMethod(name, fitted.fit.probe, refinement, seed, tuple(look for look, _ in looks))
        return made, rows

    def _part(self, views: NDArray[np.intp]) -> tuple[Encoded, NDArray[np.intp]]:
        """What is read out of some training views, and their folds."""
        if len(views) == len(self.train_views):
            return self.encoded, self.folds
        return self.encoded.of(views), self.folds[views]

    def look_back(self, fitted: Fitted, say: Say) -> Sequence[tuple[LookBack, Any]]:
        """The looks that follow a fit on all views, and what each predicts out of fold."""
        given = Training(fitted.source, fitted.predicted, self.encoded, self.folds, self.shared, self.reader, say)
        return self.target.look_back(given)

    def saved(self, methods: Sequence[VectorMethod]) -> SavedVectors:
        """What the run's folder holds of methods."""
        return SavedVectors(self.target.task.name, self.target.to_json(), self.seed, tuple(methods))


def vector_bench(
    codec: Codec[Any], train: Dataset, test: Dataset, options: ProbeOptions, reader: Reader
) -> VectorBench:
    """Training and test examples made ready.

    Raises:
        VestigeError: where there are fewer groups than folds.
    """
    views, folds, seed = codec.train_views(train), _folds(train, options.seed), options.seed
    encoded = codec.encode(views)
    return VectorBench(codec, reader, train, test, seed, (), views, encoded, folds[views.rows], options.alpha_shared)


def _place(source: Source, seed: int | None) -> dict[str, Any]:
    return {"layer": source.layer, "readout": source.readout, "backbone": source.backbone, "seed": seed}


B = TypeVar("B", bound=LayerBench[Any])

Prepare = Callable[[Dataset, Dataset, Any, Reader], B]
"""Makes a bench of training and test examples that can be decoded, options and a reader."""


def bench_layers(
    prepare: Prepare[LayerBench[Any]],
    train: Dataset,
    test: Dataset,
    options: ProbeOptions,
    session: Session,
    notes: Sequence[str] = (),
) -> Bench:
    """Data made ready to compare layers on; arguments and errors as of :func:`probe_layers`."""
    bench = decoded_bench(prepare, train, test, options, session)
    target = bench.target
    return Bench(
        bench.train,
        bench.test,
        target.metric,
        target.metrics,
        target.known_methods,
        options.rgb,
        bench,
        target.config,
        (*notes, *bench.notes, *target.notes(bench.test)),
    )


def probe_layers(
    prepare: Prepare[LayerBench[Any]],
    train: Dataset,
    test: Dataset,
    options: ProbeOptions,
    session: Session | None,
    made_with: Sequence[Any] = (),
    notes: Sequence[str] = (),
) -> Found:
    """Train a probe and its baselines on every layer, and measure them at the layer that training folds choose.

    Args:
        prepare: the bench of the data that can be decoded.
        train: examples.
        test: likewise; nothing is chosen on it.
        options: of the probe.
        session: None for the default cache and device, and lines on standard error.
        made_with: other options, for the run to keep.
        notes: what a reader of the numbers must know, likewise.

    Raises:
        VestigeError: where the data lack what is read, or there are fewer groups than folds.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader, say = session.reader, session.say
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    bench = decoded_bench(prepare, train, test, options, session)
    sweep: list[Row] = []

    def method(name: str, fitted: Any, seed: int | None = None) -> AnyMethod:
        found, later = bench.method(name, fitted, say, seed)
        sweep.extend(later)
        return found

    twins = [parse_backbone_spec(options.backbone).with_random_weights(seed).text for seed in _seeds(options)]
    sweeps = bench.sweeps(
        [
            Swept(options.rgb, reader.reads(options.rgb, ["all"]), "rgb", normalise=False),
            *(Swept(twin, reads, "untrained", seed) for twin, seed in zip(twins, _seeds(options), strict=True)),
            Swept(options.backbone, reads, MAIN),
        ]
    )
    say("baselines: mean and RGB")
    methods = [bench.mean()]
    pixels, _ = next(sweeps)
    methods.append(method("rgb", pixels))
    del pixels  # what training held is let go of
    for seed in _seeds(options):
        say(f"untrained network, seed {seed}")
        untrained, rows = next(sweeps)
        sweep += rows
        methods.append(method("untrained", untrained, seed))
        del untrained

    say(f"{options.backbone}: {count(len(reads), 'layer')}")
    best, rows = next(sweeps)
    del sweeps  # and features that it holds in memory
    sweep += rows
    methods.append(method(MAIN, best))
    methods += [method(name, fitted) for name, fitted in bench.ablated(best, say)]

    say("test")
    target = bench.target
    evaluation = evaluate_vectors(methods, target, options.seed, bench.test, reader)
    return Found(
        task=target.task,
        options=(options, *made_with),
        config={**target.config, "metric": target.metric},
        data={"train": bench.train, "test": bench.test},
        backbone=best.source.to_json(best.read.size),
        rows=evaluation.rows,
        arrays=evaluation.arrays,
        metrics=target.metrics,
        methods=target.known_methods,
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=tuple(sweep),
        notes=(*notes, *bench.notes, *evaluation.notes),
        ridge=describe_fits(best.fits),
        fitted=bench.saved(methods),
    )


def _seeds(options: ProbeOptions) -> range:
    """Of the networks with random weights."""
    return range(options.untrained_seeds)


def decoded_bench(prepare: Prepare[B], train: Dataset, test: Dataset, options: ProbeOptions, session: Session) -> B:
    """The bench of the pictures that can be decoded."""
    reader = session.reader
    session.say("reading pictures")
    return prepare(decodable(train, options.rgb, reader), decodable(test, options.rgb, reader), options, reader)
