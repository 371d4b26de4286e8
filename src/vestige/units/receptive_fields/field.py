"""Discrepancy maps to a receptive field: recentred on the unit's place, averaged over pictures, measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import ReceptiveField
from vestige.units.incremental import Occluders

Floats = NDArray[np.float64]

FRACTIONS = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""Of the peak, at which fields are measured beside the one asked for."""


def seen_by(
    field: ReceptiveField, y: NDArray[np.int64], x: NDArray[np.int64], occluders: Occluders
) -> NDArray[np.bool_]:
    """Which occluders cells can see by their theoretical fields: ``(Q, P)``; all where the fields have no bounds."""
    seen = np.ones((len(y), len(occluders)), np.bool_)
    if field.receptive_field is None or field.stride is None or field.centre is None:
        return seen
    for axis, cells in ((0, y), (1, x)):
        centre = field.centre[axis] + field.stride[axis] * cells[:, None]
        first = occluders.places[None, :, axis]
        half = field.receptive_field[axis] / 2
        seen &= (first < centre + half) & (first + occluders.side > centre - half)
    return seen


def reach_of(field: ReceptiveField, occluders: Occluders) -> int:
    """How far from a unit's place, in pixels, the middle of an occluder may be that it sees."""
    extent = occluders.size if field.receptive_field is None else field.receptive_field
    return min(max(occluders.size), (max(extent) + occluders.side) // 2 + 1)


def recentred(change: NDArray[np.float32], occluders: Occluders, centre: tuple[float, float], reach: int) -> Floats:
    """A map of occluders as one of pixels about the unit's place.

    Args:
        change: ``(ny, nx)``: what each occluder does.
        occluders: that did it; between their middles values are interpolated linearly.
        centre: (y, x) of the unit's place, in pixels of the picture.
        reach: of the map.

    Returns:
        ``(2 reach + 1, 2 reach + 1)``: by the offset of an occluder's middle from the place, from ``-reach`` on; NaN
        where no occluder has been.
    """
    offsets = np.arange(-reach, reach + 1)
    down, across = (
        _linear((centre[a] + offsets - occluders.side / 2) / occluders.stride, change.shape[a]) for a in (0, 1)
    )
    found: Floats = down @ change @ across.T
    return found


def _linear(at: Floats, count: int) -> Floats:
    """Weights ``(n, count)`` that interpolate between ``count`` values; NaN for places beyond them."""
    low = np.clip(np.floor(at).astype(np.int64), 0, max(count - 2, 0))
    share = at - low
    weights = np.zeros((len(at), count))
    rows = np.arange(len(at))
    weights[rows, low] = 1 - share
    weights[rows, np.minimum(low + 1, count - 1)] += share
    weights[(at < 0) | (at > count - 1)] = np.nan
    return weights


def mean_field(maps: Iterable[Floats], weights: Sequence[float]) -> Floats:
    """The weighted mean of recentred maps, each counted where it is known; NaN where none is."""
    total: Floats | None = None
    counted: Floats | None = None
    for each, weight in zip(maps, weights, strict=True):
        known = np.isfinite(each)
        if total is None or counted is None:
            total, counted = np.zeros(each.shape), np.zeros(each.shape)
        total += weight * np.where(known, each, 0)
        counted += weight * known
    assert total is not None, "there are no maps"
    assert counted is not None, "there are no maps"
    mean: Floats = np.divide(total, counted, out=np.full(total.shape, np.nan), where=counted > 0)
    return mean


def sizes(field: Floats, fractions: Sequence[float]) -> Floats:
    """The square root of the area, in pixels, where a field is above each fraction of its peak; NaN without a peak."""
    peak = np.nanmax(field, initial=0.0)
    if not peak > 0:
        return np.full(len(fractions), np.nan)
    areas = [np.count_nonzero(field > fraction * peak) for fraction in fractions]
    return np.array([area**0.5 for area in areas])
