"""The landmark probe (sections 3 and 3.1, "Facial Landmarks"): where are a face's parts?

crop -> layer and readout -> L2-normalise -> ridge to the 2K coordinates, then look-back at the parts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Read, Reader, listened
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.probes.engine.evaluation import Evaluation, evaluate_points
from vestige.probes.engine.fit import Fit
from vestige.probes.engine.point_bench import Bench, Candidate, best_of, lay_bench, readable
from vestige.probes.engine.point_methods import PointMethod, Setup, save_methods
from vestige.probes.engine.point_scores import METHODS, METRICS
from vestige.probes.engine.points import PointModel, fit_look_back
from vestige.probes.landmarks.options import LandmarkOptions
from vestige.progress import Say
from vestige.results import Row, same_but
from vestige.spec import parse_backbone_spec
from vestige.text import count


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
    methods: tuple[PointMethod, ...]
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
    def name(self) -> str:
        """Of the task, in results.json."""
        return self.setup.task

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
        return METRICS

    @property
    def known_methods(self) -> Mapping[str, Method]:
        """How it may be read."""
        return METHODS

    def config(self) -> dict[str, Any]:
        """What the set-up adds to the options; ``metric`` is the one that reports are about."""
        normaliser = self.setup.normaliser
        metric = f"nme_{normaliser.replace('-', '_')}"
        return {"markup": self.setup.markup.to_json(), "normaliser": normaliser, "metric": metric}

    def save(self, folder: Path) -> None:
        """Write the probes of all methods."""
        save_methods(folder, self.setup, self.methods)


def probe_landmarks(
    train: Dataset,
    test: Dataset,
    options: LandmarkOptions = LandmarkOptions(),
    reader: Reader | None = None,
    say: Say | None = None,
) -> LandmarkProbe:
    """Train the landmark probe and its baselines, and measure them.

    Args:
        train: examples with keypoints and boxes.
        test: likewise; nothing is chosen on it.
        options: see there.
        reader: of features; None for the default cache and device.
        say: told of every step; None: lines on standard error.

    Raises:
        VestigeError: where the data have no points, too few people for the folds, or other points than expected.
    """
    started = time.monotonic()
    reader, say = listened(reader, say)
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    say("reading pictures")
    rgb = f"rgb:{options.rgb_size}"
    train, test = readable(train, rgb, reader), readable(test, rgb, reader)
    setup, notes, look_backs = settle(train, options)
    bench = lay_bench(train, test, setup, reader, mirror=options.mirror, shared=options.alpha_shared)

    say("baselines: mean and RGB")
    (rgb_fit,) = bench.fit(rgb, reader.reads(rgb, ["all"]), normalise=False)
    methods = [PointMethod("mean", PointModel(bench.mean())), PointMethod("rgb", PointModel(rgb_fit.fit.probe))]
    sweep: list[Row] = []

    for seed in range(options.untrained_seeds):
        twin = parse_backbone_spec(options.backbone).with_random_weights(seed).text
        say(f"untrained network, seed {seed}")
        candidates = bench.fit(twin, reads)
        sweep += _sweep_rows("untrained", bench, candidates, seed)
        methods.append(PointMethod("untrained", PointModel(best_of(candidates).fit.probe), seed))

    say(f"{options.backbone}: {count(len(reads), 'layer')}")
    candidates = bench.fit(options.backbone, reads)
    sweep += _sweep_rows("ridge", bench, candidates, None)
    best = best_of(candidates)
    looks, predicted = [], best.oof_points
    for turn in range(look_backs):
        say(f"look-back {turn + 1} at {best.source.layer}")
        look, predicted = fit_look_back(
            reader, best.source, bench.targets, predicted, setup.markup.parts, options.margin_quantile
        )
        looks.append(look)
    methods.append(PointMethod("ridge", PointModel(best.fit.probe, tuple(looks))))

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


def settle(train: Dataset, options: LandmarkOptions) -> tuple[Setup, list[str], int]:
    """The set-up that the data allow, what had to be given up for want of a markup, and how many look-backs.

    Raises:
        VestigeError: where the data have no points.
    """
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


def _sweep_rows(method: str, bench: Bench, candidates: Sequence[Candidate], seed: int | None) -> list[Row]:
    """Out-of-fold and test error of every layer."""
    metric = bench.test_truth.metric
    rows: list[Row] = []
    for candidate, shares in zip(candidates, bench.test_errors(candidates), strict=True):
        known = np.isfinite(shares)
        ci95 = bench.bootstrap.interval_of_mean(shares)
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
