"""How well attributes are read: the area under the ROC curve and R^2, on all examples and on every resample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.intervals import Floats

_BLOCK = 256  # resamples at a time: three arrays of that many rows stay in the processor's cache


def weighted_auc(readings: ArrayLike, positive: ArrayLike, weights: ArrayLike) -> Floats:
    """The area under the ROC curve: the chance that a positive example is read higher than a negative one.

    Two equal readings count one half (Mann and Whitney's U over the number of pairs).

    Args:
        readings: ``(N,)``.
        positive: ``(N,)`` boolean.
        weights: ``(B, N)``: how often each example is in each resample.

    Returns:
        ``(B,)``; NaN where a resample lacks one of the two kinds.
    """
    readings, positive = np.asarray(readings), np.asarray(positive, dtype=bool)
    weights = np.asarray(weights)
    order = np.argsort(readings, kind="stable")
    ranked = readings[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    areas = np.empty(len(weights))
    for start in range(0, len(weights), _BLOCK):
        block = weights[start : start + _BLOCK, order].astype(np.float64)
        above = np.add.reduceat(block * positive[order], starts, axis=1)
        below = np.add.reduceat(block * ~positive[order], starts, axis=1)
        less = np.cumsum(below, axis=1) - 0.5 * below
        pairs = above.sum(axis=1) * below.sum(axis=1)
        won = np.einsum("bn,bn->b", above, less)
        areas[start : start + _BLOCK] = np.divide(won, pairs, out=np.full(len(block), np.nan), where=pairs > 0)
    return areas


def weighted_r2(readings: ArrayLike, values: ArrayLike, weights: ArrayLike) -> Floats:
    """The coefficient of determination: 1 less the squared error over the spread about these examples' own mean.

    The mean is that of the examples measured, of each resample its own; a reading of the training mean is therefore
    at or a little below 0.

    Args:
        readings: ``(N,)``.
        values: ``(N,)``.
        weights: ``(B, N)``: how often each example is in each resample.

    Returns:
        ``(B,)``; NaN where a resample's values are all the same.
    """
    values = np.asarray(values, dtype=np.float64)
    error = values - np.asarray(readings, dtype=np.float64)
    centred = values - values.mean()  # the spread is a small difference of large sums otherwise
    terms = np.stack([error**2, centred, centred**2, np.ones_like(values)], axis=1)
    sums: NDArray[np.float64] = np.asarray(weights, dtype=np.float64) @ terms
    squared, total, squares, n = sums.T
    spread = squares - np.divide(total**2, n, out=np.zeros_like(n), where=n > 0)
    some = spread > 1e-12 * max(float(np.max(centred**2, initial=0.0)), np.finfo(np.float64).tiny)
    explained: Floats = 1 - np.divide(squared, spread, out=np.full(len(spread), np.nan), where=some)
    return explained
