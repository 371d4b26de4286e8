"""The probe of any vector task: its baselines, the sweep over layers, and the fit at the layer that folds chose."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Read, Reader, listened
from vestige.intervals import Bootstrap
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.probes.engine.evaluate_vectors import evaluate_vectors
from vestige.probes.engine.evaluation import Evaluation
from vestige.probes.engine.fit import FOLDS, ChosenRows, Fit, Stored, fit_probe
from vestige.probes.engine.linear import LinearProbe, Source, mean_probe
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.point_bench import readable
from vestige.probes.engine.vector_methods import SavedVectors, VectorMethod, save_vectors
from vestige.probes.engine.vector_task import Encoded, VectorTask, rows_of_scores
from vestige.probes.engine.views import Views, fold_labels
from vestige.progress import Say
from vestige.results import Row, same_but
from vestige.spec import parse_backbone_spec
from vestige.text import count


@dataclass(frozen=True)
class VectorProbe:
    """What training made and the test showed.

    Attributes:
        task: what is read out.
        methods: every baseline, then ``ridge``, then its ablations.
        evaluation: on the test examples.
        sweep: all layers and seeds.
        chosen: the layer and readout of ``ridge``.
        weights_sha256: of the backbone.
        fit: of ``ridge``, without its out-of-fold predictions.
        options: that it was trained with.
        extraction: how its features were computed.
        seconds: that it took.
        train, test: the examples that could be read.
        notes: what was left out and why.
    """

    task: VectorTask[Any]
    methods: tuple[VectorMethod, ...]
    evaluation: Evaluation
    sweep: tuple[Row, ...]
    chosen: Read
    weights_sha256: str
    fit: Fit
    options: VectorOptions
    extraction: ExtractOptions
    seconds: float
    train: Dataset
    test: Dataset
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the task, in results.json."""
        return self.task.name

    @property
    def fits(self) -> tuple[Fit, ...]:
        """Of ``ridge``."""
        return (self.fit,)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The Rows of every method on the test examples."""
        return self.evaluation.rows

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the task measures."""
        return self.task.metrics

    @property
    def known_methods(self) -> Mapping[str, Method]:
        """How it may be read."""
        return self.task.known_methods

    def config(self) -> dict[str, Any]:
        """What the task adds to the options; ``metric`` is the one that reports are about."""
        return {"made_of": self.task.to_json(), "metric": self.task.metric}

    def save(self, folder: Path) -> None:
        """Write the probes of all methods."""
        save_vectors(folder, SavedVectors(self.task.name, self.task.to_json(), self.options.seed, self.methods))


def probe_vectors(
    task: VectorTask[Any],
    train: Dataset,
    test: Dataset,
    options: VectorOptions = VectorOptions(),
    reader: Reader | None = None,
    say: Say | None = None,
    notes: Sequence[str] = (),
) -> VectorProbe:
    """Train the probe of a vector task and its baselines, and measure them.

    Args:
        task: what is read out.
        train: examples of it.
        test: likewise; nothing is chosen on it.
        options: see there.
        reader: of features; None for the default cache and device.
        say: told of every step; None: lines on standard error.
        notes: what a reader of the numbers must know, for the run to keep.

    Raises:
        VestigeError: where there are fewer groups than folds, or the task finds its data wanting.
    """
    started = time.monotonic()
    task.check(train)
    task.check(test)
    reader, say = listened(reader, say)
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    say("reading pictures")
    rgb = f"rgb:{options.rgb_size}"
    train, test = readable(train, rgb, reader), readable(test, rgb, reader)
    bench = lay_vector_bench(task, train, test, options.seed, reader, shared=options.alpha_shared)

    say("baselines: mean and RGB")
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
    evaluation = evaluate_vectors(methods, task, options.seed, test, reader)
    return VectorProbe(
        task,
        tuple(methods),
        evaluation,
        tuple(sweep),
        best.read,
        best.source.weights_sha256,
        replace(best.fit, oof=best.fit.oof[:0].copy()),
        options,
        reader.options,
        time.monotonic() - started,
        train,
        test,
        tuple(notes),
    )


@dataclass(frozen=True)
class Fitted:
    """One layer and readout, fitted on the training views.

    Attributes:
        read: the layer and its readout.
        source: the same, with the backbone.
        fit: the probe and what its training told.
        out_of_fold: the task's metric over out-of-fold predictions: what layers are chosen by.
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
        task: what is read out.
        reader: of features.
        train_views: the training crops.
        encoded: what is read out of them.
        folds: ``(V,)``.
        test_views: of the test examples.
        truth: of the test examples.
        bootstrap: over the test examples.
        shared: whether all targets share one alpha.
    """

    task: VectorTask[Any]
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
        weights = self.reader.backbone(spec).weights_sha256
        train = self.reader.features(spec, self.train_views.crops(), reads)
        test = self.reader.features(spec, self.test_views.crops(), reads)
        everything = np.arange(len(self.train_views))
        for done, (read, features, tested) in enumerate(zip(reads, train, test, strict=True), start=1):
            source = Source(spec, weights, read.layer.name, str(read.readout))
            fit = self._fit(features, source, self.encoded, self.folds, normalise=normalise)
            found = Fitted(read, source, fit, self.task.out_of_fold(fit.oof, self.encoded), everything)
            predicted = fit.probe.predict(tested, len(self.test_views)).astype(np.float32)
            self.reader.count("fits", done, len(reads))
            yield found, self._rows(found, method, seed, predicted)

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
        best, sign = None, self.task.metrics[self.task.metric].sign
        rows: list[Row] = []
        for fitted, told in self.fitted(spec, reads, method, seed, normalise=normalise):
            rows += told
            if best is None or sign * fitted.out_of_fold > sign * best.out_of_fold:
                best = fitted
        assert best is not None  # there is no spec without a layer
        return best, tuple(rows)

    def ablated(self, best: Fitted, say: Say) -> Iterator[tuple[str, Fitted]]:
        """The task's further fits, at the same layer."""
        for name, views in self.task.ablations(self.train_views).items():
            say(f"{name}, at {best.source.layer}")
            (features,) = self.reader.features(best.source.backbone, self.train_views.crops(), [best.read])
            encoded = self.encoded.of(views)
            fit = self._fit(ChosenRows(features, views), best.source, encoded, self.folds[views])
            yield name, Fitted(best.read, best.source, fit, self.task.out_of_fold(fit.oof, encoded), views)

    def _fit(
        self, features: Stored, source: Source, encoded: Encoded, folds: NDArray[np.intp], *, normalise: bool = True
    ) -> Fit:
        return fit_probe(
            features, source, encoded.values, encoded.known, folds, normalise=normalise, shared=self.shared
        )

    def method(self, name: str, fitted: Fitted, seed: int | None = None) -> VectorMethod:
        """A fit under its name, with the task's refinement, which is trained on out-of-fold predictions."""
        encoded = self.encoded.of(fitted.views)
        refinement = self.task.refine(fitted.fit.oof, encoded, self.folds[fitted.views])
        return VectorMethod(name, fitted.fit.probe, refinement, seed)

    def _rows(self, fitted: Fitted, method: str, seed: int | None, predicted: NDArray[np.float32]) -> tuple[Row, ...]:
        """Out-of-fold and test metric of one layer."""
        task, n = self.task, len(self.train_views)
        scores = task.scores(predicted, self.truth, self.bootstrap, brief=True)
        rows = [*rows_of_scores(method, scores)]
        rows.append(Row(method, f"oof_{task.metric}", "all", fitted.out_of_fold, None, n))
        source = fitted.source
        return same_but(rows, layer=source.layer, readout=source.readout, backbone=source.backbone, seed=seed)


def lay_vector_bench(
    task: VectorTask[Any], train: Dataset, test: Dataset, seed: int, reader: Reader, *, shared: bool = False
) -> VectorBench:
    """Make training and test examples ready.

    Raises:
        VestigeError: where there are fewer groups than folds.
    """
    try:
        folds = fold_labels([example.group for example in train], FOLDS, seed)
    except ValueError as error:
        raise VestigeError(f"{train.spec}: {error}; the probe needs at least {FOLDS} people or pictures") from error
    train_views, test_views = task.train_views(train), task.test_views(test)
    return VectorBench(
        task,
        reader,
        train_views,
        task.encode(train_views),
        folds[train_views.rows],
        test_views,
        task.truth(test_views),
        Bootstrap.of(test, seed),
        shared,
    )
