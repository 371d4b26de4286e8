"""The bench: training and test examples made ready, on which layers are fitted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vestige.contract.bench import Tested
from vestige.datasets.dataset import Dataset, Problem
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Read, Reader
from vestige.geometry import Points
from vestige.images import Crop
from vestige.intervals import Bootstrap, Floats
from vestige.probes.engine.evaluation import check_points
from vestige.probes.engine.fit import FOLDS, Fit
from vestige.probes.engine.linear import LinearProbe, Source, mean_probe
from vestige.probes.engine.point_methods import Setup
from vestige.probes.engine.point_scores import Truth, measure, truth_of
from vestige.probes.engine.points import Targets, fit_points
from vestige.probes.engine.views import Views, example_views, fold_labels
from vestige.scores import share_score


@dataclass(frozen=True)
class Candidate:
    """One layer and readout, fitted on the training examples.

    Attributes:
        read: the layer and its readout.
        source: the same, with the backbone.
        fit: the probe and what its training told.
        oof_points: out-of-fold predictions ``(V, K, 2)`` in pixels.
        oof_error: the metric over them: what layers are chosen by.
    """

    read: Read
    source: Source
    fit: Fit
    oof_points: Points
    oof_error: float


@dataclass(frozen=True)
class Bench:
    """All that fitting and measuring a layer takes.

    Attributes:
        reader: of features.
        targets: of the training views.
        train_truth: of the training views, to measure out-of-fold predictions.
        test: the test examples; of a class that is trained all the same, there may be none.
        setup: how they are seen and measured.
    """

    reader: Reader
    targets: Targets
    train_truth: Truth
    test: Sequence[Example]
    setup: Setup

    @cached_property
    def test_views(self) -> Views:
        """Of the test examples."""
        return example_views(self.test, self.setup.box_margin)

    @cached_property
    def test_truth(self) -> Truth:
        """Of the test examples."""
        return truth_of(self.test, self.setup.markup, self.setup.normaliser)

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Over the test examples."""
        return Bootstrap.of(self.test, self.setup.seed)

    def mean(self) -> LinearProbe:
        """The probe that predicts the training views' mean shape."""
        unit = self.targets.views.to_unit(self.targets.points)
        return mean_probe(unit.reshape(len(unit), -1), np.repeat(self.targets.visible, 2, axis=1))

    def fit(self, spec: str, reads: Sequence[Read], *, normalise: bool = True) -> list[Candidate]:
        """Fit every layer of a backbone, all of them extracted in one pass."""
        weights = self.reader.backbone(spec).weights_sha256
        stored = self.reader.features(spec, self.targets.views.crops(), reads)
        candidates = []
        for read, features in zip(reads, stored, strict=True):
            source = Source(spec, weights, read.layer.name, str(read.readout))
            fit, points = fit_points(features, source, self.targets, normalise=normalise)
            candidates.append(Candidate(read, source, fit, points, self.oof_error(points)))
            self.reader.count("fits", len(candidates), len(reads))
        return candidates

    def oof_error(self, points: Points) -> float:
        """The mean error of the training views by out-of-fold predictions ``(V, K, 2)`` in pixels."""
        return float(np.nanmean(measure(points, self.train_truth)[self.train_truth.metric, "all"]))

    @property
    def crops(self) -> Sequence[Sequence[Crop]]:
        """Those of training views, and of test views where there are any."""
        return [views.crops() for views in (self.targets.views, *([self.test_views] if self.test else []))]

    def mean_points(self) -> Points:
        """The test examples' points ``(N, K, 2)`` in pixels by :meth:`mean`."""
        return self._to_points(self.mean().predict(None, len(self.test_views)))

    def tested_mean(self) -> Tested:
        """The training views' mean shape on the test examples."""
        return self._tested(self.mean_points())

    def tested(self, spec: str, read: Read, *, normalise: bool = True) -> Tested:
        """A layer on the test examples."""
        (candidate,) = self.fit(spec, [read], normalise=normalise)
        (points,) = self.test_points([candidate])
        return self._tested(points, candidate.oof_error)

    def _tested(self, points: Points, out_of_fold: float | None = None) -> Tested:
        errors = self._errors(points)
        return Tested(share_score(errors, self.bootstrap), errors, out_of_fold)

    def test_points(self, candidates: Sequence[Candidate]) -> list[Points]:
        """The test examples' points ``(N, K, 2)`` in pixels by each candidate; they are of one backbone."""
        reads = [candidate.read for candidate in candidates]
        stored = self.reader.features(candidates[0].source.backbone, self.test_views.crops(), reads)
        return [
            self._to_points(candidate.fit.probe.predict(features, len(self.test_views)))
            for candidate, features in zip(candidates, stored, strict=True)
        ]

    def test_errors(self, candidates: Sequence[Candidate]) -> list[Floats]:
        """Each test example's error ``(N,)`` by each candidate; they are of one backbone."""
        return [self._errors(points) for points in self.test_points(candidates)]

    def _to_points(self, unit: NDArray[np.float64]) -> Points:
        return self.test_views.from_unit(unit.reshape(len(self.test_views), -1, 2))

    def _errors(self, points: Points) -> Floats:
        return measure(points, self.test_truth)[self.test_truth.metric, "all"]


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate with the least out-of-fold error: the test examples have no say in it."""
    return min(candidates, key=lambda candidate: candidate.oof_error)


def check_point_data(train: Dataset, test: Dataset, setup: Setup) -> None:
    """Refuse examples without the markup's points, or without what errors are divided by, and too few of them.

    Raises:
        VestigeError: naming the example or the data set.
    """
    for data in (train, test):
        check_points(data, setup)
        truth_of(data, setup.markup, setup.normaliser)
    _folds(train, setup)


def _folds(train: Dataset, setup: Setup) -> NDArray[np.intp]:
    """The fold of each example ``(N,)``."""
    try:
        return fold_labels([example.group for example in train], FOLDS, setup.seed)
    except ValueError as error:
        raise VestigeError(f"{train.spec}: {error}; the probe needs at least {FOLDS} people or pictures") from error


def lay_bench(train: Dataset, test: Dataset, setup: Setup, reader: Reader, *, mirror: bool, shared: bool) -> Bench:
    """Make training and test examples ready.

    Args:
        train: examples with the markup's points and a box each.
        test: likewise.
        setup: how they are seen and measured.
        reader: of features.
        mirror: train on mirrored copies, too, where the markup has mirror pairs.
        shared: whether all coordinates of a fit share one alpha.

    Raises:
        VestigeError: where points are missing, or there are fewer groups than folds.
    """
    check_points(train, setup)
    check_points(test, setup)
    markup = setup.markup
    mirror = mirror and markup.mirror is not None
    order = markup.mirror_order() if mirror else np.arange(len(markup.points))
    views = example_views(train, setup.box_margin, mirror=mirror)
    folds = _folds(train, setup)
    truth = truth_of(train, markup, setup.normaliser)
    points = views.renamed(truth.points[views.rows], order)
    visible = views.renamed(truth.visible[views.rows], order)
    return Bench(
        reader,
        Targets(views, points, visible, folds[views.rows], shared),
        Truth(points, visible, truth.boxes[views.rows], truth.normaliser[views.rows], truth.metric, truth.parts),
        test,
        setup,
    )


def readable(dataset: Dataset, rgb: str, reader: Reader) -> Dataset:
    """The data set without the pictures that cannot be decoded, found as the RGB baseline is read."""
    views = example_views(dataset, 0.0)
    (features,) = reader.features(rgb, views.crops(), reader.reads(rgb, ["all"]))
    problems = [Problem(dataset[row].id, message) for row, message in sorted(features.problems.items())]
    if not problems:
        return dataset
    kept = tuple(example for example, valid in zip(dataset, features.valid, strict=True) if valid)
    return dataset.without(kept, problems)
