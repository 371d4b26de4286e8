"""Counts of points to numbers: overlap, average precision, labels, and what chance gives.

Everything is chosen on one half of the pictures and measured on the other, both ways, and averaged. Arrays are of C
units, O objects and B steps of activation; ``(2, ...)`` is a half each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]


_MOST = 1.25  # times the share asked for that may be above a threshold


@dataclass(frozen=True)
class Tables:
    """Counts of points of some units.

    Attributes:
        objects: ``(2, C, O, B + 1)`` points of an object by the step that a unit's activation is in; step 0 is what is
            left, at or below the lowest.
        points: ``(2, C, B + 1)`` likewise of all points.
        sizes: ``(2, O)`` points of each object.
        edges: ``(C, B)``: step j + 1 is above edge j.
    """

    objects: Floats
    points: Floats
    sizes: Floats
    edges: Floats

    @classmethod
    def of(
        cls, counted: NDArray[Any], coarse: int, often: float, sizes: Floats, total: Floats, edges: Floats
    ) -> Tables:
        """Tables of what was counted.

        Args:
            counted: ``(2, C, O + 1, B + 1)`` as :func:`vestige.units.dissect.counting.count` adds it up.
            coarse: how many steps, the lowest, were not counted at every point.
            often: the share of points that they were counted at.
            sizes: ``(2, O)``.
            total: ``(2,)`` all points.
            edges: ``(C, B)``.
        """
        counted = counted.astype(np.float64)
        counted[..., : coarse + 1] /= often
        objects, points = counted[:, :, :-1], counted[:, :, -1]
        objects[..., 0] = np.maximum(sizes[:, None, :] - objects[..., 1:].sum(axis=-1), 0)
        points[..., 0] = np.maximum(total[:, None] - points[..., 1:].sum(axis=-1), 0)
        return cls(objects, points, sizes, edges)

    def above(self) -> Floats:
        """``(C, B)``: the share of all points above each edge."""
        points = self.points.sum(axis=0)
        counts = _above(points)[:, 1:-1]
        shares: Floats = counts / points.sum(axis=1, keepdims=True).clip(1)
        return shares

    def thresholds(self, quantile: float) -> Indices:
        """``(C,)``: the edge that comes nearest to having so large a share of all points above it, and not much more.

        B where none has: the unit's highest activations are all alike, and nothing is above them.
        """
        above = self.above()
        with np.errstate(divide="ignore"):
            away = np.abs(np.log(above) - np.log(quantile))
        away[above > _MOST * quantile] = np.inf
        found: Indices = np.where(np.isfinite(away).any(axis=1), away.argmin(axis=1), above.shape[1])
        return found

    def nearest(self, activations: Floats) -> Indices:
        """``(C,)``: the edge that comes nearest to an activation of each unit ``(C,)``."""
        found: Indices = np.abs(self.edges - activations[:, None]).argmin(axis=1)
        return found

    def activations(self, threshold: Indices) -> Floats:
        """``(C,)``: edges as activations."""
        edges = np.pad(self.edges, ((0, 0), (0, 1)), constant_values=np.inf)
        return edges[np.arange(len(edges)), threshold]

    def at(self, threshold: Indices) -> Counted:
        """The counts above an edge of each unit ``(C,)``."""
        place = (threshold + 1)[None, :, None]
        hits = np.take_along_axis(_above(self.objects), place[..., None], axis=3)[..., 0]
        area = np.take_along_axis(_above(self.points), place, axis=2)[..., 0]
        return Counted(hits, area, self.sizes)


@dataclass(frozen=True)
class Counted:
    """Points above the units' thresholds.

    Attributes:
        hits: ``(2, C, O)`` of each object.
        area: ``(2, C)`` of all points.
        sizes: ``(2, O)`` points of each object.
    """

    hits: Floats
    area: Floats
    sizes: Floats

    @property
    def iou(self) -> Floats:
        """``(2, C, O)``: points of both over points of either; 0 of an object that a half does not have."""
        union = self.area[..., None] + self.sizes[:, None, :] - self.hits
        shared = (self.sizes > 0).all(axis=0)
        found: Floats = np.where(shared, self.hits / np.maximum(union, 1), 0.0)
        return found

    @property
    def pooled(self) -> Floats:
        """``(C, O)``: the overlap on all pictures."""
        hits, area, sizes = self.hits.sum(axis=0), self.area.sum(axis=0), self.sizes.sum(axis=0)
        found: Floats = np.where((self.sizes > 0).all(axis=0), hits / np.maximum(area[:, None] + sizes - hits, 1), 0.0)
        return found

    def labels(self) -> Indices:
        """``(2, C)``: the object that each half chooses for a unit, that of the largest overlap."""
        found: Indices = self.iou.argmax(axis=2)
        return found


def average_precision(positives: Floats, points: Floats) -> Floats:
    """The area under the precision-recall curve from counts by step ``(..., B + 1)``: ``(...)``.

    Within a step positives are taken to be spread evenly among its points: with t of n points found above it, and dt of
    dn in it, the step adds the integral over x from 0 to 1 of dt (t + x dt) / (n + x dn). 0 where nothing is positive.
    """
    dt, dn = positives[..., ::-1], points[..., ::-1]
    t, n = np.cumsum(dt, axis=-1) - dt, np.cumsum(dn, axis=-1) - dn
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = dt / dn
        grown = np.log1p(np.where(n > 0, dn / np.where(n > 0, n, 1), 0))
        mean = np.where(n > 0, slope + (t - n * slope) / np.where(dn > 0, dn, 1) * grown, slope)
    area = np.where(dn > 0, dt * np.where(dn > 0, mean, 0), 0).sum(axis=-1)
    found: Floats = area / np.maximum(positives.sum(axis=-1), 1)
    return found


def curve(positives: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Recall and precision at each edge, the highest first: ``(..., B + 1)`` counts to ``(..., B + 1)``, the last of
    all points."""
    t, n = np.cumsum(positives[..., ::-1], axis=-1), np.cumsum(points[..., ::-1], axis=-1)
    return t / np.maximum(positives.sum(axis=-1, keepdims=True), 1), t / np.maximum(n, 1)


def p_values(values: Floats, chance: Floats) -> Floats:
    """The share of chance values that are as large, the value itself among them: ``(C,), (R,) -> (C,)``.

    A p-value where the value and the chance values are exchangeable under the null hypothesis (Phipson and Smyth 2010).
    Those of a layer share their chance values and so are positively dependent; the rule of Benjamini and Hochberg
    controls the false discovery rate all the same (Bates, Candes, Lei, Romano and Sesia, *Testing for outliers with
    conformal p-values*, Annals of Statistics 51, 2023, theorem 2).
    """
    ordered = np.sort(chance)
    larger = len(ordered) - np.searchsorted(ordered, values, side="left")
    found: Floats = (1 + larger) / (1 + len(ordered))
    return found


def discoveries(p: Floats, rate: float = 0.05) -> NDArray[np.bool_]:
    """Which hypotheses the rule of Benjamini and Hochberg (1995) rejects at a false discovery rate: ``(C,)``."""
    order = np.argsort(p, kind="stable")
    below = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / len(p))
    found = np.zeros(len(p), dtype=bool)
    if len(below):
        found[order[: below[-1] + 1]] = True
    return found


def _above(counts: Floats) -> Floats:
    """Sums from each step on, and nothing beyond the last: ``(..., B + 1) -> (..., B + 2)``."""
    found: Floats = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]
    return np.pad(found, [(0, 0)] * (found.ndim - 1) + [(0, 1)])
