"""Measures of single examples to Rows, and of predicted keypoints: the percentage of correct keypoints (PCK), averaged
in two ways, each under its name.

``pck@A`` is over keypoint types: for every type the share of its visible instances that are found to within A of
the longer side of the box, the mean of the types for a class, and the mean of the classes. ``pck_image@A`` is over
images: the share of an image's visible keypoints, and the mean of the images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.geometry import Points
from vestige.metrics import (
    Bootstrap,
    Difference,
    Floats,
    difference_of,
    interval,
    mean_known,
    mean_over_visible,
    pck_by_type,
    point_errors,
)
from vestige.results import Row

Values = Mapping[tuple[str, str], Floats]
"""(metric, subset) -> each test example's share ``(N,)``, of which the metric is the mean; NaN where it has none."""


def rows_of(method: str, values: Values, bootstrap: Bootstrap) -> tuple[Row, ...]:
    """One Row per metric and subset, with its interval over the examples."""
    rows = []
    for (metric, subset), shares in values.items():
        known = np.isfinite(shares)
        if known.any():
            value = float(shares[known].mean())
            rows.append(Row(method, metric, subset, value, interval(bootstrap.means(shares)), int(known.sum())))
    return tuple(rows)


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
        hits: Floats = np.mean([distance <= alpha for distance in distances], axis=0)
        rows += _over_types(method, metric_of(alpha), hits, truth, bootstrap)
        rows += rows_of(method, dict(_over_images(image_metric_of(alpha), hits, truth)), bootstrap)
    return tuple(rows)


@dataclass(frozen=True)
class _Rates:
    """The hit rates of some keypoint types: ``values (K,)``, bootstrapped ``resampled (B, K)``, over ``n`` examples."""

    values: Floats
    resampled: Floats
    n: int

    def row(self, method: str, metric: str, subset: str) -> Row:
        """Their mean."""
        return Row(method, metric, subset, float(mean_known(self.values)), interval(mean_known(self.resampled)), self.n)


def pck_difference(a: Floats, b: Floats, truth: KeypointTruth, alpha: float, bootstrap: Bootstrap) -> Difference | None:
    """The paired difference ``a - b`` of PCK over keypoint types, the mean of the classes: both on the same resamples.

    Args:
        a: distances ``(N, K)`` in longer sides by one method.
        b: likewise by another.
        truth: of the same examples.
        alpha: the limit, in longer sides.
        bootstrap: over the examples.

    Returns:
        None where no keypoint is visible.
    """
    rates = [_mean_of_classes(_by_class(distances <= alpha, truth, bootstrap)) for distances in (a, b)]
    if not rates[0].n:
        return None
    value = float(mean_known(rates[0].values)) - float(mean_known(rates[1].values))
    return difference_of(value, mean_known(rates[0].resampled) - mean_known(rates[1].resampled))


def _over_types(method: str, metric: str, hits: Floats, truth: KeypointTruth, bootstrap: Bootstrap) -> Iterator[Row]:
    rates = _by_class(hits, truth, bootstrap)
    if not rates:
        return
    yield _mean_of_classes(rates).row(method, metric, "all")
    for name, rate in rates.items():
        yield rate.row(method, metric, name)
    if len(rates) == 1:
        ((name, alone),) = rates.items()
        yield from _by_type(method, metric, name, alone, truth)


def _by_class(hits: ArrayLike, truth: KeypointTruth, bootstrap: Bootstrap) -> dict[str, _Rates]:
    """The hit rates of every class that shows a keypoint."""
    shares = np.asarray(hits, dtype=np.float64)
    rates = {name: _rates_of(shares, truth, name, bootstrap) for name in np.unique(truth.classes).tolist()}
    return {name: rate for name, rate in rates.items() if rate.n}


def _mean_of_classes(rates: Mapping[str, _Rates]) -> _Rates:
    """The classes' means as rates, one a class."""
    several = list(rates.values())
    return _Rates(
        np.array([mean_known(rate.values) for rate in several]),
        np.stack([mean_known(rate.resampled) for rate in several], axis=-1) if several else np.empty((0, 0)),
        sum(rate.n for rate in several),
    )


def _rates_of(hits: Floats, truth: KeypointTruth, name: str, bootstrap: Bootstrap) -> _Rates:
    rows = np.flatnonzero(truth.classes == name)
    visible = truth.visible[rows]
    found = np.where(visible, hits[rows], 0.0)
    of_class = Bootstrap(bootstrap.weights[:, rows])
    return _Rates(pck_by_type(found, visible), of_class.ratios(found, visible), int(visible.any(axis=1).sum()))


def _by_type(method: str, metric: str, name: str, rates: _Rates, truth: KeypointTruth) -> Iterator[Row]:
    """A Row for every keypoint; one that has the name of its class, or ``all``, is called ``class/keypoint``."""
    counts = truth.visible.sum(axis=0)
    for k in np.flatnonzero(counts):
        point = truth.names[k]
        subset = f"{name}/{point}" if point in ("all", name) else point
        one = _Rates(rates.values[k : k + 1], rates.resampled[:, k : k + 1], int(counts[k]))
        yield one.row(method, metric, subset)


def _over_images(metric: str, hits: Floats, truth: KeypointTruth) -> Mapping[tuple[str, str], Floats]:
    shares = mean_over_visible(hits, truth.visible)
    by_class = {(metric, name): np.where(truth.classes == name, shares, np.nan) for name in np.unique(truth.classes)}
    return {(metric, "all"): shares} | {(metric, str(name)): values for (_, name), values in by_class.items()}
