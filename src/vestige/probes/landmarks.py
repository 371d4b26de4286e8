"""The landmark probe (sections 3 and 3.1, "Facial Landmarks"): where are a face's parts?

crop -> layer and readout -> L2-normalise -> ridge to the 2K coordinates, then look-back at the parts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vestige.datasets.dataset import Dataset, Problem
from vestige.errors import VestigeError
from vestige.features.extract import ExtractOptions
from vestige.features.reader import Read, Reader
from vestige.geometry import FACE_MARGIN, Points
from vestige.metrics import Bootstrap, interval
from vestige.probes.evaluate import Evaluation, check_points, evaluate_points
from vestige.probes.fit import FOLDS, Fit
from vestige.probes.linear import Source, mean_probe
from vestige.probes.methods import Method, Setup
from vestige.probes.points import PointModel, Targets, fit_look_back, fit_points
from vestige.probes.scores import Truth, measure, truth_of
from vestige.probes.views import example_views, fold_labels
from vestige.results import Row, same_but
from vestige.spec import parse_backbone_spec

Say = Callable[[str], None]


def print_nothing(_text: str) -> None:
    """A listener that does not listen."""


@dataclass(frozen=True)
class LandmarkOptions:
    """What a landmark probe does; the defaults are the paper's where it says.

    Attributes:
        backbone: its spec.
        layers: names and globs.
        readouts: of every layer; () for each layer's default.
        box_margin: the share of a face box's longer side that the crop adds on every side.
        mirror: train on mirrored copies, too.
        look_backs: how many times to look back; 0 for none.
        margin_quantile: of a part's out-of-fold error, by which its box is enlarged (1.0: the paper's maximum).
        normaliser: what errors are divided by; None for ``inter-ocular`` where the markup has eyes, else ``box``.
        rgb_size: side of the RGB baseline's picture.
        untrained_seeds: how many random networks to compare with.
        seed: of folds and bootstrap.
    """

    backbone: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ("all",)
    readouts: tuple[str, ...] = ()
    box_margin: float = FACE_MARGIN
    mirror: bool = True
    look_backs: int = 1
    margin_quantile: float = 0.99
    normaliser: str | None = None
    rgb_size: int = 46
    untrained_seeds: int = 3
    seed: int = 0


@dataclass(frozen=True)
class LandmarkProbe:
    """What training made and the test showed.

    Attributes:
        setup: how pictures are seen.
        methods: every baseline, then ``ridge`` with its look-backs.
        evaluation: on the test examples.
        sweep: all layers and seeds.
        chosen: the layer and readout of ``ridge``.
        weights_sha256: of the backbone.
        fit: of ``ridge``.
        options: that it was trained with.
        extraction: how its features were computed.
        seconds: that it took.
        train, test: the examples that could be read.
        notes: what was left out and why.
    """

    setup: Setup
    methods: tuple[Method, ...]
    evaluation: Evaluation
    sweep: tuple[Row, ...]
    chosen: Read
    weights_sha256: str
    fit: Fit
    options: LandmarkOptions
    extraction: ExtractOptions
    seconds: float
    train: Dataset
    test: Dataset
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The Rows of every method on the test examples."""
        return self.evaluation.rows


@dataclass(frozen=True)
class _Candidate:
    """One layer and readout, fitted."""

    read: Read
    source: Source
    fit: Fit
    oof_points: Points
    oof_error: float


@dataclass(frozen=True)
class _Bench:
    """All that fitting and scoring a layer takes."""

    reader: Reader
    targets: Targets
    train_truth: Truth
    test: Dataset
    test_truth: Truth
    box_margin: float
    bootstrap: Bootstrap


def probe_landmarks(
    train: Dataset,
    test: Dataset,
    options: LandmarkOptions = LandmarkOptions(),
    reader: Reader | None = None,
    say: Say = print_nothing,
) -> LandmarkProbe:
    """Train the landmark probe and its baselines, and measure them.

    Args:
        train: examples with keypoints and boxes.
        test: likewise; nothing is chosen on it.
        options: see there.
        reader: of features; None for the default cache and device.
        say: told what is being done.

    Raises:
        VestigeError: where the data have no points, too few people for the folds, or other points than expected.
    """
    started = time.monotonic()
    reader = reader or Reader()
    rgb = f"rgb:{options.rgb_size}"
    train, test = _readable(train, rgb, reader, say), _readable(test, rgb, reader, say)
    setup, notes, look_backs = _settle(train, options)
    bench = _bench(train, test, options, setup, reader)
    mean = Method("mean", PointModel(mean_probe(*_unit_targets(bench.targets))))

    say("RGB baseline")
    (rgb_fit,) = _fit_layers(bench, rgb, reader.reads(rgb, ["all"]), normalise=False)
    methods = [mean, Method("rgb", PointModel(rgb_fit.fit.probe))]
    sweep: list[Row] = []

    reads = reader.reads(options.backbone, options.layers, options.readouts)
    for seed in range(options.untrained_seeds):
        twin = parse_backbone_spec(options.backbone).with_random_weights(seed).text
        say(f"untrained network, seed {seed}")
        candidates = _fit_layers(bench, twin, reads)
        sweep += _sweep_rows("untrained", bench, candidates, seed)
        methods.append(Method("untrained", PointModel(_best(candidates).fit.probe), seed))

    say(f"{options.backbone}: {len(reads)} layers")
    candidates = _fit_layers(bench, options.backbone, reads)
    sweep += _sweep_rows("ridge", bench, candidates, None)
    best = _best(candidates)
    looks, predicted = [], best.oof_points
    for turn in range(look_backs):
        say(f"look-back {turn + 1} at {best.source.layer}")
        look, predicted = fit_look_back(
            reader, best.source, best.read, bench.targets, predicted, setup.markup.parts, options.margin_quantile
        )
        looks.append(look)
    methods.append(Method("ridge", PointModel(best.fit.probe, tuple(looks))))

    say("test")
    evaluation = evaluate_points(methods, setup, test, reader)
    return LandmarkProbe(
        setup,
        tuple(methods),
        evaluation,
        tuple(sweep),
        best.read,
        best.source.weights_sha256,
        best.fit,
        options,
        reader.options,
        time.monotonic() - started,
        train,
        test,
        tuple(notes),
    )


def _readable(dataset: Dataset, rgb: str, reader: Reader, say: Say) -> Dataset:
    """The data set without the pictures that cannot be decoded."""
    say(f"reading {dataset.spec}")
    views = example_views(dataset, 0.0)
    (features,) = reader.features(rgb, views.crops(), reader.reads(rgb, ["all"]))
    problems = [Problem(dataset[row].id, message) for row, message in sorted(features.problems.items())]
    if not problems:
        return dataset
    kept = tuple(example for example, valid in zip(dataset, features.valid, strict=True) if valid)
    return dataset.without(kept, problems)


def _settle(train: Dataset, options: LandmarkOptions) -> tuple[Setup, list[str], int]:
    """The set-up that the data allow, what had to be given up for want of a markup, and how many look-backs."""
    markup = train.markup
    if markup is None or not len(train):
        raise VestigeError(f"{train.spec}: has no examples with landmarks; vestige data check {train.spec} tells more")
    notes = []
    normaliser = options.normaliser or ("inter-ocular" if markup.eyes else "box")
    if options.normaliser is None and normaliser == "box":
        notes.append(f"Markup {markup.name!r} has no eyes: errors are divided by the square root of the box's area.")
    if options.mirror and markup.mirror is None:
        notes.append(f"Markup {markup.name!r} has no mirror pairs: no mirrored copies were trained on.")
    look_backs = options.look_backs
    if look_backs and not markup.parts:
        notes.append(f"Markup {markup.name!r} has no parts: there is no look-back.")
        look_backs = 0
    setup = Setup("landmarks", markup, options.box_margin, normaliser, options.seed)
    return setup, notes, look_backs


def _bench(train: Dataset, test: Dataset, options: LandmarkOptions, setup: Setup, reader: Reader) -> _Bench:
    check_points(train, setup)
    check_points(test, setup)
    markup = setup.markup
    mirror = options.mirror and markup.mirror is not None
    order = markup.mirror_order() if mirror else np.arange(len(markup.points))
    views = example_views(train, options.box_margin, mirror=mirror)
    try:
        folds = fold_labels([example.group for example in train], FOLDS, options.seed)
    except ValueError as error:
        raise VestigeError(f"{train.spec}: {error}; the probe needs at least {FOLDS} people or pictures") from error
    truth = truth_of(train, markup, setup.normaliser)
    targets = Targets(
        views,
        views.renamed(truth.points[views.rows], order),
        views.renamed(truth.visible[views.rows], order),
        folds[views.rows],
    )
    view_truth = Truth(
        targets.points,
        targets.visible,
        truth.boxes[views.rows],
        truth.normaliser[views.rows],
        truth.metric,
        truth.parts,
    )
    test_truth = truth_of(test, markup, setup.normaliser)
    bootstrap = Bootstrap.draw(len(test), options.seed)
    return _Bench(reader, targets, view_truth, test, test_truth, options.box_margin, bootstrap)


def _unit_targets(targets: Targets) -> tuple[Points, np.ndarray]:
    unit = targets.views.to_unit(targets.points)
    return unit.reshape(len(unit), -1), np.repeat(targets.visible, 2, axis=1)


def _fit_layers(bench: _Bench, spec: str, reads: Sequence[Read], *, normalise: bool = True) -> list[_Candidate]:
    """Fit every layer, all of them extracted in one pass."""
    weights = bench.reader.backbone(spec).weights_sha256
    stored = bench.reader.features(spec, bench.targets.views.crops(), reads)
    candidates = []
    for read, features in zip(reads, stored, strict=True):
        source = Source(spec, weights, read.layer.name, str(read.readout))
        fit, oof = fit_points(features, source, bench.targets, normalise=normalise)
        error = measure(oof, bench.train_truth)[bench.train_truth.metric, "all"]
        candidates.append(_Candidate(read, source, fit, oof, float(np.nanmean(error))))
    return candidates


def _best(candidates: Sequence[_Candidate]) -> _Candidate:
    """The candidate with the least out-of-fold error: the test set has no say in it."""
    return min(candidates, key=lambda candidate: candidate.oof_error)


def _sweep_rows(method: str, bench: _Bench, candidates: Sequence[_Candidate], seed: int | None) -> list[Row]:
    """Out-of-fold and test error of every layer."""
    views = example_views(bench.test, bench.box_margin)
    reads = [candidate.read for candidate in candidates]
    stored = bench.reader.features(candidates[0].source.backbone, views.crops(), reads)
    metric = bench.test_truth.metric
    rows: list[Row] = []
    for candidate, features in zip(candidates, stored, strict=True):
        unit = candidate.fit.probe.predict(features.read(), len(views))
        points = views.from_unit(unit.reshape(len(views), -1, 2))
        shares = measure(points, bench.test_truth)[metric, "all"]
        known = np.isfinite(shares)
        ci95 = interval(bench.bootstrap.means(shares))
        n = len(bench.targets.points)
        rows += same_but(
            [
                Row(method, metric, "all", float(shares[known].mean()), ci95, int(known.sum())),
                Row(method, f"oof_{metric}", "all", candidate.oof_error, None, n),
            ],
            layer=candidate.source.layer,
            readout=candidate.source.readout,
            backbone=candidate.source.backbone,
            seed=seed,
        )
    return rows
