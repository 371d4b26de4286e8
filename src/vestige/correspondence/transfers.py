"""Carried keypoints to Rows: every method's, and the paired differences that say what a flow is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.correspondence.instances import Instances
from vestige.correspondence.matched import Neighbours
from vestige.distances import longer_side
from vestige.geometry import Points, from_unit
from vestige.intervals import Bootstrap, Floats, mean_known
from vestige.methods import Method
from vestige.results import Row
from vestige.scores import KeypointTruth, interval_notes, keypoint_rows, metric_of, pck_difference

NEAREST, UNALIGNED, MEAN = "nearest-neighbour", "unaligned", "mean"

TRANSFERS: Mapping[str, Method] = {
    MEAN: Method("Mean place", "grey", "dotted", trained=False),
    NEAREST: Method("Nearest neighbour", "ochre", "dashed"),
    UNALIGNED: Method("Median, unaligned", "slate", "dashdot"),
}
"""The methods without flow or detectors."""


def truth_of(instances: Instances) -> KeypointTruth:
    """What predictions of instances' keypoints are measured against."""
    sides = longer_side(instances.boxes)
    return KeypointTruth(instances.truth, instances.visible, sides, instances.classes, instances.names)


def mean_points(train: Instances, test: Instances) -> Points:
    """``(N, K, 2)``: the mean place in its box of each keypoint over the training instances of the class."""
    points = np.full(test.unit.shape, np.nan)
    for name in np.unique(test.classes):
        own = train.classes == name
        shown = np.where(train.visible[own][..., None], train.unit[own], np.nan)
        points[test.classes == name] = mean_known(np.moveaxis(shown, 0, -1))
    return points


def copied(train: Instances, neighbours: Neighbours, first: int) -> Points:
    """``(N, K, 2)``: the median place in their boxes over the first neighbours that show a keypoint, none aligned."""
    there = neighbours.rows >= 0
    shown = train.visible[neighbours.rows] & there[..., None]
    points = np.where(shown[..., None], train.unit[neighbours.rows], np.nan)
    return agreed(points, np.broadcast_to(np.arange(neighbours.rows.shape[1]), neighbours.rows.shape), first)


def agreed(points: NDArray[np.floating], order: NDArray[np.intp], first: int) -> Points:
    """The coordinate-wise median of the first neighbours that show a keypoint.

    Args:
        points: ``(N, k, K, 2)``, NaN where a neighbour does not show it.
        order: ``(N, k)``: the neighbours of each instance, those to be asked first.
        first: of how many to take the median.

    Returns:
        ``(N, K, 2)``; NaN where no neighbour shows a keypoint.
    """
    ordered = np.take_along_axis(points.astype(np.float64), order[:, :, None, None], axis=1)
    shown = np.isfinite(ordered).all(axis=-1)
    among = shown & (np.cumsum(shown, axis=1) <= first)
    chosen = np.where(among[..., None], ordered, np.inf)  # so that they come last when sorted
    count = among.sum(axis=1)[:, None, :, None]
    chosen = np.sort(chosen, axis=1)
    low = np.take_along_axis(chosen, np.maximum(count - 1, 0) // 2, axis=1)
    high = np.take_along_axis(chosen, np.maximum(count, 1) // 2, axis=1)
    median: Points = np.where(count > 0, (low + high) / 2, np.nan)[:, 0]
    return median


@dataclass(frozen=True)
class MeasuredTransfers:
    """What methods show on test instances.

    Attributes:
        rows: one per method, metric and subset.
        differences: for every pair and alpha, the difference of PCK and its p.
        arrays: of ``examples.npz``.
        beside: rows of what was only measured beside the methods.
        notes: the differences from the nearest neighbour at the first alpha, in words.
    """

    rows: tuple[Row, ...]
    differences: tuple[Row, ...]
    arrays: Mapping[str, NDArray[Any]]
    beside: tuple[Row, ...]
    notes: tuple[str, ...]


def measure_transfers(
    methods: Mapping[str, Points],
    test: Instances,
    alphas: Sequence[float],
    seed: int,
    pairs: Sequence[tuple[str, str]],
    beside: Mapping[str, Points] = MappingProxyType({}),
) -> MeasuredTransfers:
    """Measure every method.

    Args:
        methods: by name: unit coordinates ``(N, K, 2)`` in the boxes of the test instances; NaN where none.
        test: the instances.
        alphas: of PCK.
        seed: of the bootstrap.
        pairs: of methods to compare, the first with the second.
        beside: what is to have rows, but no place among the methods; likewise.
    """
    truth, bootstrap = truth_of(test), Bootstrap.of(test.examples, seed)
    points = {name: from_unit(unit, test.boxes) for name, unit in methods.items()}
    distances = {name: truth.distances(predicted) for name, predicted in points.items()}
    rows: list[Row] = []
    for name, found in distances.items():
        rows += keypoint_rows(name, [found], truth, alphas, bootstrap)
    others: list[Row] = []
    for name, unit in beside.items():
        others += keypoint_rows(name, [truth.distances(from_unit(unit, test.boxes))], truth, alphas, bootstrap)
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array([example.id for example in test.examples]),
        "groups": test.groups,
        "classes": test.classes,
        "truth": truth.points,
        "visible": truth.visible,
        "boxes": test.boxes,
        "crops": test.boxes,
        "normaliser": truth.sides,
        **{f"prediction/{name}": predicted for name, predicted in points.items()},
        **{f"error/{name}": mean_known(np.where(truth.visible, found, np.nan)) for name, found in distances.items()},
    }
    differences, notes = _differences(distances, truth, alphas, bootstrap, pairs)
    return MeasuredTransfers(
        tuple(rows), tuple(differences), arrays, tuple(others), (*notes, *interval_notes(test.examples))
    )


def difference_metrics(alpha: float, other: str) -> tuple[str, str]:
    """The metrics of the sweep that hold a method's difference from another, and its p."""
    return f"{metric_of(alpha)} - {other}", f"p of {metric_of(alpha)} - {other}"


def _differences(
    distances: Mapping[str, Floats],
    truth: KeypointTruth,
    alphas: Sequence[float],
    bootstrap: Bootstrap,
    pairs: Sequence[tuple[str, str]],
) -> tuple[list[Row], list[str]]:
    rows, notes = [], []
    n = int(truth.visible.any(axis=1).sum())
    for a, b in pairs:
        for alpha in alphas:
            found = pck_difference(distances[a], distances[b], truth, alpha, bootstrap)
            if found is None:
                continue
            metric, p_metric = difference_metrics(alpha, b)
            rows.append(Row(a, metric, "all", found.mean, found.ci95, n))
            rows.append(Row(a, p_metric, "all", found.p, None, n))
            if alpha == alphas[0] and b == NEAREST:
                low, high = found.ci95
                p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
                notes.append(
                    f"{metric_of(alpha)} of {a} less that of {b}: {100 * found.mean:+.1f} points (95 % interval "
                    f"{100 * low:+.1f} to {100 * high:+.1f}, {p}; paired bootstrap over {n} test instances)."
                )
    return rows, notes
