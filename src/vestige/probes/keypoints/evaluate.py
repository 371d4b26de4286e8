"""Class-wise keypoint regressors on test examples: rows, predictions and small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Evaluation
from vestige.distances import mean_over_visible
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Points
from vestige.intervals import Bootstrap
from vestige.probes.engine.evaluation import check_points, describe, small_pictures, spread_rows
from vestige.probes.engine.point_scores import Truth, truth_of
from vestige.probes.engine.points import PredictedPoints, predict_points
from vestige.probes.engine.views import example_views
from vestige.probes.keypoints.classes import PointClass, class_examples, class_of
from vestige.probes.keypoints.probes import ClassProbe, KeypointProbes, KeypointSetup
from vestige.results import Row
from vestige.scores import KeypointTruth, interval_notes, keypoint_rows


@dataclass(frozen=True)
class TestSet:
    """The test examples of known classes.

    Attributes:
        examples: N of them, with the K points of all classes.
        points: what is known of their keypoints; those without a regressor are not visible.
        truth: the same, to measure by class.
        left_out: why others were left out.
    """

    __test__ = False  # no test, whatever pytest makes of the name

    examples: tuple[Example, ...]
    points: Truth
    truth: KeypointTruth
    left_out: tuple[str, ...]


def lay_test(test: Sequence[Example], setup: KeypointSetup, classes: Sequence[PointClass]) -> TestSet:
    """Make test examples ready.

    Raises:
        VestigeError: where the points are not those of the markup, or no example is of a known class.
    """
    check_points(test, setup.of_points(setup.markup))
    known = {points.name: points for points in classes}
    kept = tuple(example for example in test if class_of(example) in known)
    if not kept:
        found = ", ".join(sorted({class_of(example) for example in test}))
        raise VestigeError(f"the test examples are of {found}; expected some of {', '.join(known)}, which were trained")
    notes = [
        f"Test examples of class {name!r} are left out: it has no regressors."
        for name in sorted({class_of(example) for example in test} - known.keys())
    ]
    tested = {class_of(example) for example in kept}
    notes += [
        f"Class {name!r} is not measured: the test data have no example of it." for name in known if name not in tested
    ]
    whole = truth_of(kept, setup.markup, setup.of_points(setup.markup).normaliser)
    names = np.array([class_of(example) for example in kept])
    regressed = np.zeros_like(whole.visible)
    for points in classes:
        regressed[np.ix_(names == points.name, points.indices)] = True
    lost = int((whole.visible & ~regressed).sum())
    if lost:
        notes.append(f"{lost} visible keypoints of the test examples count for nothing: they have no regressor.")
    seen = replace(whole, visible=whole.visible & regressed)
    truth = KeypointTruth(seen.points, seen.visible, seen.normaliser, names, setup.markup.points)
    return TestSet(kept, seen, truth, tuple(notes))


def evaluate_keypoints(probes: KeypointProbes, test: Sequence[Example], reader: Reader) -> Evaluation:
    """Predict the test examples' keypoints by the regressors of their class, every method, and measure them.

    Methods of the same name (seeds) make one Row with their mean; their predictions are kept apart. A class without
    a look-back stays at its first look.

    Raises:
        VestigeError: as :func:`lay_test`.
    """
    setup = probes.setup
    laid = lay_test(test, setup, [probe.points for probe in probes.classes])
    bootstrap = Bootstrap.of(laid.examples, setup.seed)
    views = example_views(laid.examples, setup.box_margin)
    found = _Found.empty(laid.truth.points.shape[:2], tuple(setup.markup.parts))
    for probe in probes.classes:
        _predict_class(probe, laid, setup, reader, found)
    _carry_on(found, max((probe.methods[-1].stages for probe in probes.classes), key=len))
    arrays = describe(laid.examples, laid.points, views)
    arrays["classes"] = laid.truth.classes
    rows: list[Row] = []
    for name, seeds in found.predictions.items():
        distances = {suffix: laid.truth.distances(points) for suffix, points in seeds.items()}
        rows += keypoint_rows(name, list(distances.values()), laid.truth, setup.alphas, bootstrap)
        arrays |= {f"prediction/{name}{suffix}": points for suffix, points in seeds.items()}
        errors = {suffix: mean_over_visible(d, laid.truth.visible) for suffix, d in distances.items()}
        arrays |= {f"error/{name}{suffix}": error for suffix, error in errors.items()}
        arrays[f"error/{name}"] = np.mean(list(errors.values()), axis=0)
    if found.looked:
        arrays |= {"parts": np.array(tuple(setup.markup.parts)), "part_boxes": found.part_boxes}
    last = arrays[f"error/{list(found.predictions)[-1]}"]
    arrays |= small_pictures(laid.examples, views, spread_rows(np.nan_to_num(last, nan=0.0)))
    notes = interval_notes(laid.examples, len(found.predictions.get("untrained", ())))
    return Evaluation(tuple(rows), arrays, (*laid.left_out, *notes))


@dataclass
class _Found:
    """Predictions of all classes as they come in: by method and seed ``(N, K, 2)``, NaN where nothing is predicted.

    Attributes:
        shape: N and K.
        parts: the markup's parts.
        part_boxes: ``(N, P, 4)``, where the last look-back looked; NaN where it did not.
        predictions: by method and by the suffix of its seed.
        looked: whether there is a look-back.
    """

    shape: tuple[int, int]
    parts: tuple[str, ...]
    part_boxes: NDArray[np.float64]
    predictions: dict[str, dict[str, Points]] = field(default_factory=dict)
    looked: bool = False

    @classmethod
    def empty(cls, shape: tuple[int, int], parts: tuple[str, ...]) -> _Found:
        """Nothing yet."""
        return cls(shape, parts, np.full((shape[0], len(parts), 4), np.nan))

    def points(self, name: str, suffix: str) -> Points:
        """The array of a method and seed, to be filled."""
        return self.predictions.setdefault(name, {}).setdefault(suffix, np.full((*self.shape, 2), np.nan))

    def keep_boxes(self, rows: NDArray[np.intp], parts: Sequence[str], predicted: PredictedPoints) -> None:
        """Take over where a class's last look-back looked."""
        if predicted.part_boxes is not None:
            self.looked = True
            columns = np.array([self.parts.index(part) for part in parts])
            self.part_boxes[np.ix_(rows, columns)] = predicted.part_boxes


def _predict_class(probe: ClassProbe, laid: TestSet, setup: KeypointSetup, reader: Reader, found: _Found) -> None:
    """Fill in the predictions of one class's test examples."""
    rows, examples = class_examples(laid.examples, probe.points)
    if not len(rows):
        return
    views = example_views(examples, setup.box_margin)
    here = np.ix_(rows, probe.points.indices)
    for method in probe.methods:
        predicted = predict_points(method.model, views, reader)
        suffix = "" if method.seed is None else f"@{method.seed}"
        for name, points in zip(method.stages, predicted.stages, strict=True):
            found.points(name, suffix)[here] = points
        if method.model.look_backs:
            found.keep_boxes(rows, method.model.look_backs[-1].parts, predicted)


def _carry_on(found: _Found, stages: Sequence[str]) -> None:
    """Where a class has no later look, its points stay as the look before left them."""
    for before, after in pairwise(stages):
        if after in found.predictions:
            looked = found.points(after, "")
            looked[:] = np.where(np.isnan(looked), found.points(before, ""), looked)
