"""Measures of single examples to Rows, and of predicted keypoints: the percentage of correct keypoints (PCK), averaged
in two ways, each under its name.

``pck@A`` is over keypoint types: for every type the share of its visible instances that are found to within A of
the longer side of the box, the mean of the types for a class, and the mean of the classes. ``pck_image@A`` is over
images: the share of an image's visible keypoints, and the mean of the images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.distances import mean_over_visible, pck_by_type, point_errors
from vestige.geometry import Points
from vestige.intervals import (
    Bootstrap,
    Difference,
    Floats,
    Grouped,
    Interval,
    difference_of,
    interval,
    mean_known,
    seed_spread,
    widened,
)
from vestige.metrics import Metric
from vestige.results import Row

FEW_GROUPS = 20
"""Below so many groups of test examples a note says that intervals are too short (docs/intervals.md)."""


@dataclass(frozen=True)
class Score:
    """One number of one method.

    Attributes:
        value: over all test examples.
        resampled: ``(B,)``: the same over every resample of them; NaN where a resample has none.
        n: how many test examples it is over.
        groups: how many groups these are in.
        spread: of the mean over seeds, as :func:`vestige.intervals.seed_spread` gives it.
    """

    value: float
    resampled: Floats
    n: int
    groups: int
    spread: float = 0.0

    @property
    def ci95(self) -> Interval | None:
        """Its interval; None where there is none."""
        return widened(interval(self.resampled, self.groups), self.value, self.spread)

    def difference(self, other: Score) -> Difference | None:
        """By how much it is above another, resample by resample; None where there is no interval."""
        spread = math.hypot(self.spread, other.spread)
        groups = min(self.groups, other.groups)
        return difference_of(self.value - other.value, self.resampled - other.resampled, groups, spread)


def share_score(shares: Floats, bootstrap: Bootstrap) -> Score:
    """The score of a metric that is a mean over examples, from each one's share ``(N,)``; NaN where it has none."""
    known = np.isfinite(shares)
    value = float(shares[known].mean()) if known.any() else np.nan
    return Score(value, bootstrap.means(shares), int(known.sum()), bootstrap.count(known))


Values = Mapping[tuple[str, str], Floats]
"""(metric, subset) -> each test example's share ``(N,)``, of which the metric is the mean; NaN where it has none."""


def rows_of(method: str, several: Sequence[Values], bootstrap: Bootstrap) -> tuple[Row, ...]:
    """One Row per metric and subset, the mean over seeds, with its interval over examples and seeds.

    Args:
        method: its name.
        several: of every seed.
        bootstrap: over the examples.
    """
    rows = []
    for metric, subset in several[0]:
        by_seed = np.stack([values[metric, subset] for values in several])
        shares = by_seed.mean(axis=0)
        known = np.isfinite(shares)
        if known.any():
            value = float(shares[known].mean())
            spread = seed_spread(by_seed[:, known].mean(axis=1))
            ci95 = widened(bootstrap.interval_of_mean(shares), value, spread)
            rows.append(Row(method, metric, subset, value, ci95, int(known.sum())))
    return tuple(rows)


PCK_METRICS: Mapping[str, Metric] = {
    "pck@*": Metric("PCK at {}", shown="percent"),
    "pck_image@*": Metric("PCK at {} over images", shown="percent", paper=False),
}
"""What is measured of keypoints."""


@dataclass(frozen=True)
class KeypointTruth:
    """What is known of N test examples with the K keypoints of all classes.

    Attributes:
        points: ``(N, K, 2)`` in pixels.
        visible: ``(N, K)``: the keypoints that count.
        sides: ``(N,)``: the longer side of each box in pixels.
        classes: ``(N,)``: the name of each example's class.
        names: of the keypoints.
    """

    points: Points
    visible: NDArray[np.bool_]
    sides: Floats
    classes: NDArray[np.str_]
    names: tuple[str, ...]

    def distances(self, predicted: Points) -> Floats:
        """``(N, K, 2)`` in pixels to ``(N, K)`` in longer sides; NaN where nothing is predicted."""
        return point_errors(predicted, self.points) / self.sides[:, None]


def metric_of(alpha: float) -> str:
    """The name of PCK over keypoint types."""
    return f"pck@{alpha:g}"


def image_metric_of(alpha: float) -> str:
    """The name of PCK over images."""
    return f"pck_image@{alpha:g}"


def class_pck(distances: Floats, visible: NDArray[np.bool_], alpha: float) -> float:
    """PCK over the keypoint types of one class: ``(N, K)`` in longer sides, ``(N, K)``; NaN where none is visible."""
    return float(mean_known(pck_by_type(distances <= alpha, visible)))


def keypoint_rows(
    method: str, distances: Sequence[Floats], truth: KeypointTruth, alphas: Sequence[float], bootstrap: Bootstrap
) -> tuple[Row, ...]:
    """The Rows of a method: for every alpha ``pck@A`` and ``pck_image@A``, over all classes and for each; of a single
    class ``pck@A`` for each keypoint, too.

    Args:
        method: its name.
        distances: ``(N, K)`` in longer sides, of every seed; hits are averaged over seeds.
        truth: of the same examples.
        alphas: the limits, in longer sides.
        bootstrap: over the examples.
    """
    rows: list[Row] = []
    for alpha in alphas:
        hits: Floats = np.stack([distance <= alpha for distance in distances]).astype(np.float64)
        rows += _over_types(method, metric_of(alpha), hits, truth, bootstrap)
        rows += rows_of(method, [_over_images(image_metric_of(alpha), each, truth) for each in hits], bootstrap)
    return tuple(rows)


@dataclass(frozen=True)
class _Rates:
    """The hit rates of K keypoint types, the mean over seeds.

    Attributes:
        by_seed: ``(S, K)``: of every seed.
        resampled: ``(B, K)``: the mean over seeds, bootstrapped.
        known: ``(N,)``: the examples that show one.
    """

    by_seed: Floats
    resampled: Floats
    known: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """How many examples show one."""
        return int(self.known.sum())

    @property
    def value(self) -> float:
        """The mean of the types."""
        return float(mean_known(self.by_seed.mean(axis=0)))

    def row(self, method: str, metric: str, subset: str, bootstrap: Bootstrap) -> Row:
        """Their mean."""
        ci95 = interval(mean_known(self.resampled), bootstrap.count(self.known))
        ci95 = widened(ci95, self.value, seed_spread(mean_known(self.by_seed)))
        return Row(method, metric, subset, self.value, ci95, self.n)


def pck_difference(a: Floats, b: Floats, truth: KeypointTruth, alpha: float, bootstrap: Bootstrap) -> Difference | None:
    """The paired difference ``a - b`` of PCK over keypoint types, the mean of the classes: both on the same resamples.

    Args:
        a: distances ``(N, K)`` in longer sides by one method.
        b: the same by another.
        truth: of the same examples.
        alpha: the limit, in longer sides.
        bootstrap: over the examples.

    Returns:
        None where no keypoint is visible, or fewer than two groups show one.
    """
    hits = [(distances <= alpha).astype(np.float64)[None] for distances in (a, b)]
    first, second = (_mean_of_classes(_by_class(each, truth, bootstrap), truth) for each in hits)
    resampled = mean_known(first.resampled) - mean_known(second.resampled)
    return difference_of(first.value - second.value, resampled, bootstrap.count(first.known)) if first.n else None


def pck_score(distances: Floats, truth: KeypointTruth, alpha: float, bootstrap: Bootstrap) -> Score:
    """PCK over keypoint types, the mean of the classes, as a score.

    Args:
        distances: ``(N, K)`` in longer sides.
        truth: of the same examples.
        alpha: the limit, in longer sides.
        bootstrap: over the examples.
    """
    hits = (distances <= alpha).astype(np.float64)[None]
    rates = _mean_of_classes(_by_class(hits, truth, bootstrap), truth)
    return Score(rates.value, mean_known(rates.resampled), rates.n, bootstrap.count(rates.known))


def _over_types(method: str, metric: str, hits: Floats, truth: KeypointTruth, bootstrap: Bootstrap) -> Iterator[Row]:
    rates = _by_class(hits, truth, bootstrap)
    if not rates:
        return
    yield _mean_of_classes(rates, truth).row(method, metric, "all", bootstrap)
    for name, rate in rates.items():
        yield rate.row(method, metric, name, bootstrap)
    if len(rates) == 1:
        ((name, alone),) = rates.items()
        yield from _by_type(method, metric, name, alone, truth, bootstrap)


def _by_class(hits: Floats, truth: KeypointTruth, bootstrap: Bootstrap) -> dict[str, _Rates]:
    """The hit rates of every class that shows a keypoint, from hits ``(S, N, K)``."""
    rates = {name: _rates_of(hits, truth, name, bootstrap) for name in np.unique(truth.classes).tolist()}
    return {name: rate for name, rate in rates.items() if rate.n}


def _mean_of_classes(rates: Mapping[str, _Rates], truth: KeypointTruth) -> _Rates:
    """The classes' means as rates, one a class."""
    several = list(rates.values())
    if not several:
        return _Rates(np.empty((1, 0)), np.empty((0, 0)), np.zeros(len(truth.classes), np.bool_))
    return _Rates(
        np.stack([mean_known(rate.by_seed) for rate in several], axis=-1),
        np.stack([mean_known(rate.resampled) for rate in several], axis=-1),
        np.any([rate.known for rate in several], axis=0),
    )


def _rates_of(hits: Floats, truth: KeypointTruth, name: str, bootstrap: Bootstrap) -> _Rates:
    rows = np.flatnonzero(truth.classes == name)
    visible = truth.visible[rows]
    found = np.where(visible, hits[:, rows], 0.0)
    by_seed = np.stack([pck_by_type(each, visible) for each in found])
    known = np.zeros(len(truth.classes), np.bool_)
    known[rows] = visible.any(axis=1)
    of_class = Bootstrap(bootstrap.weights[:, rows], bootstrap.groups[rows])
    return _Rates(by_seed, of_class.ratios(found.mean(axis=0), visible), known)


def _by_type(
    method: str, metric: str, name: str, rates: _Rates, truth: KeypointTruth, bootstrap: Bootstrap
) -> Iterator[Row]:
    """A Row for every keypoint; one that has the name of its class, or ``all``, is called ``class/keypoint``."""
    for k in np.flatnonzero(truth.visible.any(axis=0)):
        point = truth.names[k]
        subset = f"{name}/{point}" if point in ("all", name) else point
        one = _Rates(rates.by_seed[:, k : k + 1], rates.resampled[:, k : k + 1], truth.visible[:, k])
        yield one.row(method, metric, subset, bootstrap)


def interval_notes(examples: Sequence[Grouped], untrained: int = 0) -> tuple[str, ...]:
    """What a reader of the intervals over test examples must know, beyond the documentation.

    Args:
        examples: N of them.
        untrained: how many random networks the rows of ``untrained`` are the mean of; 0 where there are none.
    """
    groups, notes = len({example.group for example in examples}), []
    if groups < len(examples):
        notes.append(
            f"The {len(examples)} test examples are in {groups} groups (such as people or photographs): intervals are "
            "made by resampling groups."
        )
    if groups < FEW_GROUPS:
        notes.append(
            f"Intervals over {groups} group{'s' * (groups != 1)} of test examples are too narrow: they hold the "
            "true value in fewer than 95 cases of 100. A single group has no interval."
        )
    if untrained == 1:
        notes.append("The interval of untrained holds no spread over random weights, as there is a single network.")
    return tuple(notes)


def _over_images(metric: str, hits: Floats, truth: KeypointTruth) -> Values:
    shares = mean_over_visible(hits, truth.visible)
    by_class = {(metric, name): np.where(truth.classes == name, shares, np.nan) for name in np.unique(truth.classes)}
    return {(metric, "all"): shares} | {(metric, str(name)): values for (_, name), values in by_class.items()}
