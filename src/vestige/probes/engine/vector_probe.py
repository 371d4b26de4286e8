"""The probe of any vector: its baselines, the sweep over layers, and the fit at the layer that folds chose."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.bench import Bench, Tested
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.images import Crop
from vestige.intervals import Bootstrap
from vestige.probes.engine.codec import Codec, Encoded, rows_of_scores
from vestige.probes.engine.evaluate_vectors import evaluate_vectors
from vestige.probes.engine.fit import FOLDS, ChosenRows, Fit, Stored, describe_fits, fit_probe
from vestige.probes.engine.linear import LinearProbe, Source, mean_probe
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.point_bench import readable
from vestige.probes.engine.vector_methods import SavedVectors, VectorMethod
from vestige.probes.engine.views import Views, fold_labels
from vestige.progress import Say
from vestige.results import Row, same_but
from vestige.spec import parse_backbone_spec
from vestige.text import count


def probe_vectors(
    codec: Codec[Any],
    train: Dataset,
    test: Dataset,
    options: VectorOptions = VectorOptions(),
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
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader, say = session.reader, session.say
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    train, test, bench = _lay(codec, train, test, options, session)

    say("baselines: mean and RGB")
    rgb = options.rgb
    pixels, _ = bench.baseline(rgb, reader.reads(rgb, ["all"]), "rgb", normalise=False)
    methods = [VectorMethod("mean", bench.mean()), pixels]
    sweep: list[Row] = []
    for seed in range(options.untrained_seeds):
        twin = parse_backbone_spec(options.backbone).with_random_weights(seed).text
        say(f"untrained network, seed {seed}")
        untrained, rows = bench.baseline(twin, reads, "untrained", seed)
        sweep += rows
        methods.append(untrained)

    say(f"{options.backbone}: {count(len(reads), 'layer')}")
    best, rows = bench.sweep(options.backbone, reads, "ridge", None)
    sweep += rows
    methods.append(bench.method("ridge", best))
    methods += [bench.method(name, fitted) for name, fitted in bench.ablated(best, say)]

    say("test")
    evaluation = evaluate_vectors(methods, codec, options.seed, test, reader)
    return Found(
        task=codec.task,
        options=(options, *made_with),
        config={"made_of": codec.to_json(), "metric": codec.metric},
        data={"train": train, "test": test},
        backbone=best.source.to_json(best.read.size),
        rows=evaluation.rows,
        arrays=evaluation.arrays,
        metrics=codec.metrics,
        methods=codec.known_methods,
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=tuple(sweep),
        notes=(*notes, *evaluation.notes),
        ridge=describe_fits([best.fit]),
        fitted=SavedVectors(codec.task.name, codec.to_json(), options.seed, tuple(methods)),
    )


def bench_vectors(
    codec: Codec[Any],
    train: Dataset,
    test: Dataset,
    options: VectorOptions,
    session: Session,
    notes: Sequence[str] = (),
) -> Bench:
    """The data of a vector made ready to compare layers on; arguments and errors as of :func:`probe_vectors`."""
    train, test, layers = _lay(codec, train, test, options, session)
    made_of = {"made_of": codec.to_json()}
    told = (*notes, *codec.notes(test))
    return Bench(
        train, test, codec.metric, codec.metrics, codec.known_methods, options.rgb, layers, made_of, tuple(told)
    )


def check_vectors(codec: Codec[Any], train: Dataset, test: Dataset, options: VectorOptions) -> None:
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


def _lay(
    codec: Codec[Any], train: Dataset, test: Dataset, options: VectorOptions, session: Session
) -> tuple[Dataset, Dataset, VectorBench]:
    """The data that can be read, and the bench of them."""
    check_vectors(codec, train, test, options)
    reader = session.reader
    session.say("reading pictures")
    train, test = readable(train, options.rgb, reader), readable(test, options.rgb, reader)
    bench = lay_vector_bench(codec, train, test, options.seed, reader, shared=options.alpha_shared)
    return train, test, bench


@dataclass(frozen=True)
class Fitted:
    """One layer and readout, fitted on the training views.

    Attributes:
        read: the layer and its readout.
        source: the same, with the backbone.
        fit: the probe and what its training told.
        out_of_fold: the codec's metric over out-of-fold predictions: what layers are chosen by.
        views: which of the training views it saw.
    """

    read: Read
    source: Source
    fit: Fit
    out_of_fold: float
    views: NDArray[np.intp]


@dataclass(frozen=True)
class VectorBench:
    """All that fitting and measuring a layer takes.

    Attributes:
        codec: of what is read out.
        reader: of features.
        train_views: the training crops.
        encoded: what is read out of them.
        folds: ``(V,)``.
        test_views: of the test examples.
        truth: of the test examples.
        bootstrap: over the test examples.
        shared: whether all targets share one alpha.
    """

    codec: Codec[Any]
    reader: Reader
    train_views: Views
    encoded: Encoded
    folds: NDArray[np.intp]
    test_views: Views
    truth: Any
    bootstrap: Bootstrap
    shared: bool = False

    def mean(self) -> LinearProbe:
        """The probe that predicts the training views' mean."""
        return mean_probe(self.encoded.values, self.encoded.known)

    def fitted(
        self, spec: str, reads: Sequence[Read], method: str, seed: int | None = None, *, normalise: bool = True
    ) -> Iterator[tuple[Fitted, tuple[Row, ...]]]:
        """Fit every layer of a backbone, all of them extracted in one pass; with its Rows for the sweep."""
        for found, predicted in self._fits(spec, reads, normalise=normalise):
            yield found, self._rows(found, method, seed, predicted)

    @property
    def crops(self) -> Sequence[Sequence[Crop]]:
        """Those of training and test views."""
        return self.train_views.crops(), self.test_views.crops()

    def tested_mean(self) -> Tested:
        """The training views' mean on the test examples."""
        return self._tested(self.mean().predict(None, len(self.test_views)).astype(np.float32))

    def tested(self, spec: str, read: Read, *, normalise: bool = True) -> Tested:
        """A layer on the test examples."""
        ((found, predicted),) = self._fits(spec, [read], normalise=normalise)
        return self._tested(predicted, found.out_of_fold)

    def _tested(self, predicted: NDArray[np.float32], out_of_fold: float | None = None) -> Tested:
        scores = self.codec.scores(predicted, self.truth, self.bootstrap, brief=True)
        errors = self.codec.errors(predicted, self.truth)
        return Tested(scores[self.codec.metric, "all"], errors.astype(np.float64), out_of_fold)

    def _fits(
        self, spec: str, reads: Sequence[Read], *, normalise: bool
    ) -> Iterator[tuple[Fitted, NDArray[np.float32]]]:
        """Every layer of a backbone, fitted, and what it predicts of the test examples ``(N, t)``."""
        weights = self.reader.backbone(spec).weights_sha256
        train = self.reader.features(spec, self.train_views.crops(), reads)
        test = self.reader.features(spec, self.test_views.crops(), reads)
        everything = np.arange(len(self.train_views))
        for done, (read, features, tested) in enumerate(zip(reads, train, test, strict=True), start=1):
            source = Source(spec, weights, read.layer.name, str(read.readout))
            fit = self._fit(features, source, self.encoded, self.folds, normalise=normalise)
            found = Fitted(read, source, fit, self.codec.out_of_fold(fit.oof, self.encoded), everything)
            predicted = fit.probe.predict(tested, len(self.test_views)).astype(np.float32)
            self.reader.count("fits", done, len(reads))
            yield found, predicted

    def baseline(
        self, spec: str, reads: Sequence[Read], method: str, seed: int | None = None, *, normalise: bool = True
    ) -> tuple[VectorMethod, tuple[Row, ...]]:
        """The method at the layer that folds choose, and the Rows of all; what training held is let go of."""
        best, rows = self.sweep(spec, reads, method, seed, normalise=normalise)
        return self.method(method, best, seed), rows

    def sweep(
        self, spec: str, reads: Sequence[Read], method: str, seed: int | None, *, normalise: bool = True
    ) -> tuple[Fitted, tuple[Row, ...]]:
        """The layer that training folds choose, and the Rows of all; only the best one's coefficients are held."""
        best, sign = None, self.codec.metrics[self.codec.metric].sign
        rows: list[Row] = []
        for fitted, told in self.fitted(spec, reads, method, seed, normalise=normalise):
            rows += told
            if best is None or sign * fitted.out_of_fold > sign * best.out_of_fold:
                best = fitted
        assert best is not None  # there is no spec without a layer
        return best, tuple(rows)

    def ablated(self, best: Fitted, say: Say) -> Iterator[tuple[str, Fitted]]:
        """The codec's further fits, at the same layer."""
        for name, views in self.codec.ablations(self.train_views).items():
            say(f"{name}, at {best.source.layer}")
            (features,) = self.reader.features(best.source.backbone, self.train_views.crops(), [best.read])
            encoded = self.encoded.of(views)
            fit = self._fit(ChosenRows(features, views), best.source, encoded, self.folds[views])
            yield name, Fitted(best.read, best.source, fit, self.codec.out_of_fold(fit.oof, encoded), views)

    def _fit(
        self, features: Stored, source: Source, encoded: Encoded, folds: NDArray[np.intp], *, normalise: bool = True
    ) -> Fit:
        return fit_probe(
            features, source, encoded.values, encoded.known, folds, normalise=normalise, shared=self.shared
        )

    def method(self, name: str, fitted: Fitted, seed: int | None = None) -> VectorMethod:
        """A fit under its name, with the codec's refinement, which is trained on out-of-fold predictions."""
        encoded = self.encoded.of(fitted.views)
        refinement = self.codec.refine(fitted.fit.oof, encoded, self.folds[fitted.views])
        return VectorMethod(name, fitted.fit.probe, refinement, seed)

    def _rows(self, fitted: Fitted, method: str, seed: int | None, predicted: NDArray[np.float32]) -> tuple[Row, ...]:
        """Out-of-fold and test metric of one layer."""
        codec, n = self.codec, len(self.train_views)
        scores = codec.scores(predicted, self.truth, self.bootstrap, brief=True)
        rows = [*rows_of_scores(method, scores)]
        rows.append(Row(method, f"oof_{codec.metric}", "all", fitted.out_of_fold, None, n))
        source = fitted.source
        return same_but(rows, layer=source.layer, readout=source.readout, backbone=source.backbone, seed=seed)


def lay_vector_bench(
    codec: Codec[Any], train: Dataset, test: Dataset, seed: int, reader: Reader, *, shared: bool = False
) -> VectorBench:
    """Make training and test examples ready.

    Raises:
        VestigeError: where there are fewer groups than folds.
    """
    folds = _folds(train, seed)
    train_views, test_views = codec.train_views(train), codec.test_views(test)
    return VectorBench(
        codec,
        reader,
        train_views,
        codec.encode(train_views),
        folds[train_views.rows],
        test_views,
        codec.truth(test_views),
        Bootstrap.of(test, seed),
        shared,
    )
