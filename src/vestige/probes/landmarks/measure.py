"""The landmark probe (sections 3 and 3.1, "Facial Landmarks"): where are a face's parts?

crop -> layer and readout -> L2-normalise -> ridge to the 2K coordinates, then look-back at the parts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vestige.contract.bench import Bench as TaskBench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.probes.engine.evaluation import evaluate_points
from vestige.probes.engine.fit import describe_fits
from vestige.probes.engine.linear import Source
from vestige.probes.engine.point_bench import Bench, Candidate, best_of, check_point_data, lay_bench, readable
from vestige.probes.engine.point_methods import PointMethod, SavedPoints, Setup, look_back_name
from vestige.probes.engine.point_scores import METHODS, METRICS
from vestige.probes.engine.points import PointModel, fit_look_back
from vestige.probes.landmarks.task import LANDMARKS, LandmarkOptions
from vestige.results import Row
from vestige.spec import parse_backbone_spec
from vestige.text import count


def check_landmarks(data: tuple[Dataset, Dataset], options: LandmarkOptions) -> None:
    """Refuse data without landmarks, or without what errors are divided by."""
    check_point_data(*data, settle(data[0], options)[0])


def measure_landmarks(session: Session, data: tuple[Dataset, Dataset], options: LandmarkOptions) -> Found:
    """:func:`probe_landmarks`, as the task has it."""
    return probe_landmarks(*data, options, session)


def probe_landmarks(
    train: Dataset,
    test: Dataset,
    options: LandmarkOptions = LandmarkOptions(),
    session: Session | None = None,
) -> Found:
    """Train the landmark probe and its baselines, and measure them.

    Args:
        train: examples with keypoints and boxes.
        test: likewise; nothing is chosen on it.
        options: see there.
        session: None for the default cache and device, and lines on standard error.

    Raises:
        VestigeError: where the data have no points, too few people for the folds, or other points than expected.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader, say = session.reader, session.say
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    train, test, bench, notes = _lay(train, test, options, session)
    setup, rgb = bench.setup, options.rgb

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
    for turn in range(options.look_backs if setup.markup.parts else 0):
        say(f"look-back {turn + 1} at {best.source.layer}")
        look, predicted = fit_look_back(
            reader, best.source, bench.targets, predicted, setup.markup.parts, options.margin_quantile
        )
        looks.append(look)
        sweep.append(_oof_row(look_back_name(turn), bench, best.source, bench.oof_error(predicted)))
    methods.append(PointMethod("ridge", PointModel(best.fit.probe, tuple(looks))))

    say("test")
    evaluation = evaluate_points(methods, setup, test, reader)
    return Found(
        task=LANDMARKS,
        options=(options,),
        config={"markup": setup.markup.to_json(), "normaliser": setup.normaliser, "metric": setup.metric},
        data={"train": train, "test": test},
        backbone=best.source.to_json(best.read.size),
        rows=evaluation.rows,
        arrays=evaluation.arrays,
        metrics=METRICS,
        methods=METHODS,
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=tuple(sweep),
        notes=(*notes, *evaluation.notes),
        ridge=describe_fits([best.fit]),
        fitted=SavedPoints(setup, tuple(methods)),
    )


def bench_landmarks(session: Session, data: tuple[Dataset, Dataset], options: LandmarkOptions) -> TaskBench:
    """The faces made ready to compare layers on; there is no look-back."""
    train, test, bench, notes = _lay(*data, replace(options, look_backs=0), session)
    setup = bench.setup
    config = {"markup": setup.markup.to_json(), "normaliser": setup.normaliser}
    return TaskBench(train, test, setup.metric, METRICS, METHODS, options.rgb, bench, config, notes)


def _lay(
    train: Dataset, test: Dataset, options: LandmarkOptions, session: Session
) -> tuple[Dataset, Dataset, Bench, tuple[str, ...]]:
    """The faces that can be read, the bench of them, and what had to be given up because the markup lacks it."""
    session.say("reading pictures")
    train, test = (readable(each, options.rgb, session.reader) for each in (train, test))
    setup, notes = settle(train, options)
    bench = lay_bench(train, test, setup, session.reader, mirror=options.mirror, shared=options.alpha_shared)
    return train, test, bench, tuple(notes)


def settle(train: Dataset, options: LandmarkOptions) -> tuple[Setup, list[str]]:
    """The set-up that the data allow, and what had to be given up because the markup lacks it.

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
    if options.look_backs and not markup.parts:
        notes.append(f"Markup {markup.name!r} has no parts: there is no look-back.")
    setup = Setup("landmarks", markup, options.box_margin, normaliser, options.seed)
    return setup, notes


def _sweep_rows(method: str, bench: Bench, candidates: Sequence[Candidate], seed: int | None) -> list[Row]:
    """Out-of-fold and test error of every layer."""
    metric = bench.test_truth.metric
    rows: list[Row] = []
    for candidate, shares in zip(candidates, bench.test_errors(candidates), strict=True):
        known = np.isfinite(shares)
        ci95 = bench.bootstrap.interval_of_mean(shares)
        out_of_fold = _oof_row(method, bench, candidate.source, candidate.oof_error, seed)
        rows += [replace(out_of_fold, metric=metric, value=float(shares[known].mean()), ci95=ci95, n=int(known.sum()))]
        rows.append(out_of_fold)
    return rows


def _oof_row(method: str, bench: Bench, source: Source, error: float, seed: int | None = None) -> Row:
    """The out-of-fold error of a method at a layer."""
    metric, n = f"oof_{bench.test_truth.metric}", len(bench.targets.points)
    return Row(method, metric, "all", error, None, n, source.layer, source.readout, source.backbone, seed)
