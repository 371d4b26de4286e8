"""The keypoint probe (section 3.1, "Object Keypoints"): where are an object's parts?

As the landmark probe, with the crop about the object's box and one set of regressors per class: each is trained on
the examples of its class alone, and on each keypoint where it is visible.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vestige.contract.bench import Bench as TaskBench
from vestige.contract.bench import Tested
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.distances import mean_over_visible
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Read, Reader
from vestige.geometry import Points
from vestige.images import Crop
from vestige.intervals import Bootstrap, Floats, mean_known
from vestige.probes.engine.evaluation import check_points
from vestige.probes.engine.fit import describe_fits
from vestige.probes.engine.linear import Source
from vestige.probes.engine.lookback import LookBack
from vestige.probes.engine.point_bench import Bench, Candidate, lay_bench, readable
from vestige.probes.engine.point_methods import PointMethod, look_back_name
from vestige.probes.engine.point_scores import METHODS
from vestige.probes.engine.points import PointModel, fit_look_back
from vestige.probes.keypoints.classes import PointClass, class_examples, class_of, find_classes
from vestige.probes.keypoints.evaluate import TestSet, evaluate_keypoints, lay_test
from vestige.probes.keypoints.probes import ClassProbe, KeypointProbes, KeypointSetup
from vestige.probes.keypoints.task import KEYPOINTS, KeypointOptions
from vestige.progress import Say
from vestige.results import Row, same_but
from vestige.scores import PCK_METRICS, class_pck, keypoint_rows, metric_of, pck_score
from vestige.spec import parse_backbone_spec
from vestige.text import count

Benches = Mapping[PointClass, Bench]
"""The bench of every class."""

Fitted = Mapping[PointClass, Sequence[Candidate]]
"""Every class's candidates, one for each layer and readout, in one order for all."""


def check_keypoints(data: tuple[Dataset, Dataset], options: KeypointOptions) -> None:
    """Refuse data without keypoints, or without a class that can be trained and tested."""
    train, test = data
    setup, classes, _ = settle_keypoints(train, options)
    lay_test(test, setup, classes)


def measure_keypoints(session: Session, data: tuple[Dataset, Dataset], options: KeypointOptions) -> Found:
    """:func:`probe_keypoints`, as the task has it."""
    return probe_keypoints(*data, options, session)


def probe_keypoints(
    train: Dataset,
    test: Dataset,
    options: KeypointOptions = KeypointOptions(),
    session: Session | None = None,
) -> Found:
    """Train the keypoint probe and its baselines, and measure them.

    Args:
        train: examples with keypoints, boxes and categories (without one, all are of the class ``object``).
        test: likewise; nothing is chosen on it.
        options: see there.
        session: None for the default cache and device, and lines on standard error.

    Raises:
        VestigeError: where the data have no points, other points than expected, or too few pictures of every class.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader, say = session.reader, session.say
    train, test, sweep, notes = _lay(train, test, options, session)
    benches, setup, rgb = sweep.benches, sweep.setup, options.rgb

    say("baselines: mean and RGB")
    rgb_fitted = _fit(benches, rgb, reader.reads(rgb, ["all"]), normalise=False)
    methods = {
        points: [
            PointMethod("mean", PointModel(bench.mean())),
            PointMethod("rgb", PointModel(rgb_fitted[points][0].fit.probe)),
        ]
        for points, bench in benches.items()
    }
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    rows: list[Row] = []
    for seed in range(options.untrained_seeds):
        twin = parse_backbone_spec(options.backbone).with_random_weights(seed).text
        say(f"untrained network, seed {seed}")
        fitted = _fit(benches, twin, reads)
        rows += sweep.rows("untrained", fitted, seed)
        best = sweep.best(fitted)
        for points, candidates in fitted.items():
            methods[points].append(PointMethod("untrained", PointModel(candidates[best].fit.probe), seed))

    say(f"{options.backbone}: {count(len(reads), 'layer')}")
    fitted = _fit(benches, options.backbone, reads)
    rows += sweep.rows("ridge", fitted, None)
    best = sweep.best(fitted)
    stages: dict[PointClass, list[Points]] = {}
    for points, candidates in fitted.items():
        looks, stages[points] = _look_back(benches[points], points, candidates[best], setup, options, say)
        methods[points].append(PointMethod("ridge", PointModel(candidates[best].fit.probe, looks)))
    rows += sweep.look_back_rows(stages, next(iter(fitted.values()))[best].source)

    say("test")
    probes = KeypointProbes(setup, tuple(ClassProbe(points, tuple(own)) for points, own in methods.items()))
    evaluation = evaluate_keypoints(probes, test, reader)
    chosen = [candidates[best] for candidates in fitted.values()]
    return Found(
        task=KEYPOINTS,
        options=(options,),
        config={**sweep.config, "metric": metric_of(options.alphas[0])},
        data={"train": train, "test": test},
        backbone=chosen[0].source.to_json(chosen[0].read.size),
        rows=evaluation.rows,
        arrays=evaluation.arrays,
        metrics=PCK_METRICS,
        methods=METHODS,
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=tuple(rows),
        notes=(*notes, *evaluation.notes),
        ridge=describe_fits([candidate.fit for candidate in chosen]),
        fitted=probes,
    )


def bench_keypoints(session: Session, data: tuple[Dataset, Dataset], options: KeypointOptions) -> TaskBench:
    """The objects made ready to compare layers on; there is no look-back."""
    train, test, sweep, notes = _lay(*data, replace(options, look_backs=0), session)
    notes = (*notes, *sweep.laid.left_out)
    metric = metric_of(options.alphas[0])
    return TaskBench(train, test, metric, PCK_METRICS, METHODS, options.rgb, sweep, sweep.config, notes)


def _lay(
    train: Dataset, test: Dataset, options: KeypointOptions, session: Session
) -> tuple[Dataset, Dataset, _Sweep, tuple[str, ...]]:
    """The objects that can be read, the benches of their classes, and what had to be given up."""
    reader = session.reader
    session.say("reading pictures")
    train, test = readable(train, options.rgb, reader), readable(test, options.rgb, reader)
    setup, classes, notes = settle_keypoints(train, options)
    laid = lay_test(test, setup, classes)
    benches = _lay_benches(train, test, setup, classes, reader, options)
    return train, test, _Sweep(benches, test, laid, setup), notes


def settle_keypoints(
    train: Dataset, options: KeypointOptions
) -> tuple[KeypointSetup, tuple[PointClass, ...], tuple[str, ...]]:
    """The set-up and the classes that the data allow, and what had to be given up.

    Raises:
        VestigeError: where the data have no points, or no class can be trained.
    """
    markup = train.markup
    if markup is None or not len(train):
        raise VestigeError(f"{train.spec}: has no examples with keypoints; vestige data check {train.spec} tells more")
    setup = KeypointSetup(markup, options.box_margin, options.alphas, options.seed)
    check_points(train, setup.of_points(markup))
    try:
        classes, notes = find_classes(train, markup, options.seed, mirror=options.mirror)
    except VestigeError as error:
        raise VestigeError(f"{train.spec}: {error}") from error
    more = list(notes)
    if options.mirror and markup.mirror is None:
        more.append(f"Markup {markup.name!r} has no mirror pairs: no mirrored copies were trained on.")
    if options.look_backs and not markup.parts:
        more.append(f"Markup {markup.name!r} has no parts: there is no look-back.")
    return setup, classes, tuple(more)


def _lay_benches(
    train: Dataset,
    test: Dataset,
    setup: KeypointSetup,
    classes: Sequence[PointClass],
    reader: Reader,
    options: KeypointOptions,
) -> Benches:
    benches = {}
    for points in classes:
        of_class = setup.of_class(points)
        own = [
            replace(data, examples=class_examples(data, points)[1], markup=of_class.markup) for data in (train, test)
        ]
        benches[points] = lay_bench(
            own[0], own[1], of_class, reader, mirror=options.mirror, shared=options.alpha_shared
        )
    return benches


def _fit(benches: Benches, spec: str, reads: Sequence[Read], *, normalise: bool = True) -> Fitted:
    return {points: bench.fit(spec, reads, normalise=normalise) for points, bench in benches.items()}


def _look_back(
    bench: Bench, points: PointClass, best: Candidate, setup: KeypointSetup, options: KeypointOptions, say: Say
) -> tuple[tuple[LookBack, ...], list[Points]]:
    """The looks at the parts of a class, none where its markup has none; and what each predicts out of fold."""
    parts = setup.of_class(points).markup.parts
    looks: list[LookBack] = []
    stages = [best.oof_points]
    for turn in range(options.look_backs if parts else 0):
        say(f"{points.name}: look-back {turn + 1} at {best.source.layer}")
        look, predicted = fit_look_back(
            bench.reader, best.source, bench.targets, stages[-1], parts, options.margin_quantile
        )
        looks.append(look)
        stages.append(predicted)
    return tuple(looks), stages


def _oof_points(fitted: Fitted, index: int) -> Mapping[PointClass, Points]:
    return {points: candidates[index].oof_points for points, candidates in fitted.items()}


@dataclass(frozen=True)
class _Sweep:
    """Measures candidates of all classes: on training folds, to choose by, and on test examples, to report.

    Attributes:
        benches: of all classes.
        test: all test examples.
        laid: those of known classes, ready to be measured on.
        setup: how all are seen and measured.
    """

    benches: Benches
    test: Sequence[Example]
    laid: TestSet
    setup: KeypointSetup

    @property
    def config(self) -> dict[str, Any]:
        """What a run says of it that is not in its options."""
        return {
            "markup": self.setup.markup.to_json(),
            "normaliser": self.setup.of_points(self.setup.markup).normaliser,
            "classes": {points.name: list(points.columns) for points in self.benches},
        }

    @property
    def crops(self) -> Sequence[Sequence[Crop]]:
        """Those of every class's training and test views."""
        return [crops for bench in self.benches.values() for crops in bench.crops]

    def tested_mean(self) -> Tested:
        """The mean shape of every class on its test examples."""
        (points,) = self._placed(lambda _, bench: [bench.mean_points()], 1)
        return self._tested(points)

    def tested(self, spec: str, read: Read, *, normalise: bool = True) -> Tested:
        """A layer on the test examples, every class by its own regressors."""
        fitted = _fit(self.benches, spec, [read], normalise=normalise)
        (points,) = self._test_points(fitted)
        return self._tested(points, self.out_of_fold(_oof_points(fitted, 0)))

    def _tested(self, points: Points, out_of_fold: float | None = None) -> Tested:
        truth = self.laid.truth
        distances = truth.distances(points)
        bootstrap = Bootstrap.of(self.laid.examples, self.setup.seed)
        errors: Floats = np.full(len(self.test), np.nan)
        known = {points.name for points in self.benches}
        errors[[class_of(example) in known for example in self.test]] = mean_over_visible(distances, truth.visible)
        return Tested(pck_score(distances, truth, self.setup.alphas[0], bootstrap), errors, out_of_fold)

    def out_of_fold(self, predicted: Mapping[PointClass, Points]) -> float:
        """The mean over classes of PCK at the first alpha on the training views, by out-of-fold predictions."""
        rates = []
        for points, bench in self.benches.items():
            truth = bench.train_truth
            distances = np.linalg.norm(predicted[points] - truth.points, axis=-1)
            rates.append(class_pck(distances / truth.normaliser[:, None], truth.visible, self.setup.alphas[0]))
        return float(mean_known(np.array(rates)))

    def best(self, fitted: Fitted) -> int:
        """The layer and readout with the highest PCK on training folds: the test examples have no say in it."""
        count = len(next(iter(fitted.values())))
        return int(np.argmax([self.out_of_fold(_oof_points(fitted, index)) for index in range(count)]))

    def rows(self, method: str, fitted: Fitted, seed: int | None) -> list[Row]:
        """Out-of-fold and test PCK of every layer."""
        alpha = self.setup.alphas[0]
        bootstrap = Bootstrap.of(self.laid.examples, self.setup.seed)
        rows: list[Row] = []
        for index, points in enumerate(self._test_points(fitted)):
            distances = self.laid.truth.distances(points)
            tested = keypoint_rows(method, [distances], self.laid.truth, [alpha], bootstrap)
            told = [row for row in tested if (row.metric, row.subset) == (metric_of(alpha), "all")]
            told.append(self._oof_row(method, _oof_points(fitted, index)))
            source = next(iter(fitted.values()))[index].source
            rows += same_but(told, layer=source.layer, readout=source.readout, backbone=source.backbone, seed=seed)
        return rows

    def look_back_rows(self, stages: Mapping[PointClass, Sequence[Points]], source: Source) -> list[Row]:
        """Out-of-fold PCK after every look-back; a class without a later look stays as the look before left it.

        Args:
            stages: of each class the out-of-fold predictions ``(V, K, 2)``: before the first look-back, after it, ...
            source: what looks.
        """
        rows = []
        for turn in range(max(map(len, stages.values())) - 1):
            predicted = {points: own[min(turn + 1, len(own) - 1)] for points, own in stages.items()}
            rows.append(self._oof_row(look_back_name(turn), predicted))
        return list(same_but(rows, layer=source.layer, readout=source.readout, backbone=source.backbone))

    def _oof_row(self, method: str, predicted: Mapping[PointClass, Points]) -> Row:
        n = sum(len(points) for points in predicted.values())
        metric = f"oof_{metric_of(self.setup.alphas[0])}"
        return Row(method, metric, "all", self.out_of_fold(predicted), None, n)

    def _test_points(self, fitted: Fitted) -> list[Points]:
        """The test examples' points ``(N, K, 2)`` by each candidate, NaN where a class has none."""
        count = len(next(iter(fitted.values())))
        return self._placed(lambda points, bench: bench.test_points(fitted[points]), count)

    def _placed(self, predict: Callable[[PointClass, Bench], Sequence[Points]], count: int) -> list[Points]:
        """What is predicted for every class, ``count`` times over, in its place among the points of all."""
        found = [np.full(self.laid.truth.points.shape, np.nan) for _ in range(count)]
        for points, bench in self.benches.items():
            rows = np.flatnonzero(self.laid.truth.classes == points.name)
            if not len(rows):
                continue  # trained, for the layer is chosen on training data alone, but not measured
            here = np.ix_(rows, points.indices)
            for into, predicted in zip(found, predict(points, bench), strict=True):
                into[here] = predicted
        return found
