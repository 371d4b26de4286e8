"""The probe of any vector: its views, what is read out of them, and the fit at a layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.bench import Bench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.features.store import Features
from vestige.images import Crop
from vestige.probes.engine.codec import Codec, Encoded, Training
from vestige.probes.engine.fit import FOLDS, ChosenRows, Fit, Stored, fit_probe, rows_shared_out
from vestige.probes.engine.layer_bench import Candidate, LayerBench
from vestige.probes.engine.layer_probe import bench_layers, probe_layers
from vestige.probes.engine.linear import Source, mean_probe
from vestige.probes.engine.lookback import LookBack, look_back_name
from vestige.probes.engine.options import ProbeOptions, VectorOptions
from vestige.probes.engine.vector_methods import MAIN, SavedVectors, VectorMethod
from vestige.probes.engine.views import Views, fold_labels
from vestige.progress import Say
from vestige.results import Row


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
