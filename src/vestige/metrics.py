"""Errors, scores and their confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.geometry import Box, Points

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

RESAMPLES = 2000
"""Bootstrap resamples; the interval's ends then vary by about 1/40 of its width."""


def eye_centres(points: Points, eyes: tuple[tuple[int, ...], tuple[int, ...]]) -> Points:
    """The means of two sets of points: ``(N, K, 2) -> (N, 2, 2)``."""
    return np.stack([points[:, list(side)].mean(axis=1) for side in eyes], axis=1)


def eye_distance(points: Points, eyes: tuple[tuple[int, ...], tuple[int, ...]]) -> Floats:
    """The distance of two eyes' centres in pixels: ``(N, K, 2) -> (N,)``."""
    centres = eye_centres(points, eyes)
    distances: Floats = np.linalg.norm(centres[:, 0] - centres[:, 1], axis=-1)
    return distances


def box_scale(boxes: Box) -> Floats:
    """The square root of the boxes' areas in pixels: ``(N, 4) -> (N,)``."""
    scale: Floats = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return scale


def longer_side(boxes: Box) -> Floats:
    """The longer side of boxes in pixels: ``(N, 4) -> (N,)``."""
    sides: Floats = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return sides


def point_errors(predicted: Points, truth: Points) -> Floats:
    """Euclidean distances in pixels: ``(N, K, 2), (N, K, 2) -> (N, K)``."""
    distances: Floats = np.linalg.norm(predicted - truth, axis=-1)
    return distances


def mean_over_visible(errors: Floats, visible: Booleans) -> Floats:
    """The mean over an example's visible points: ``(N, K) -> (N,)``; NaN where none is visible."""
    count = visible.sum(axis=1)
    total = np.where(visible, errors, 0.0).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(len(errors), np.nan), where=count > 0)
    return means


def pck(distances: Floats, limits: Floats, alpha: float) -> Booleans:
    """Whether each keypoint is within ``alpha * limit`` (Yang & Ramanan's PCK): ``(N, K), (N,) -> (N, K)``."""
    hits: Booleans = distances <= alpha * limits[:, None]
    return hits


def pck_by_type(hits: ArrayLike, visible: Booleans) -> Floats:
    """The share of hits among the visible keypoints of each type: ``(N, K), (N, K) -> (K,)``; NaN for one never seen.

    Args:
        hits: booleans, or shares where several predictions are averaged; what is not visible is not looked at.
        visible: whether the keypoint is there to be found.
    """
    count = visible.sum(axis=0)
    total = np.where(visible, hits, 0.0).sum(axis=0)
    rates: Floats = np.divide(total, count, out=np.full(visible.shape[1], np.nan), where=count > 0)
    return rates


def mean_known(values: Floats) -> Floats:
    """The mean over the last axis without its NaN: ``(..., K) -> (...)``; NaN where nothing is known."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    means: Floats = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return means


def failure_rate(errors: Floats, limit: float) -> float:
    """The share of examples whose error is above the limit."""
    return float(np.mean(errors > limit))


def area_under_ced(errors: Floats, limit: float) -> float:
    """The area under the cumulative error curve from 0 to ``limit``, divided by ``limit``; exact, 1 is best."""
    return float(np.mean(np.clip(1.0 - errors / limit, 0.0, 1.0)))


def cumulative_error(errors: Floats, at: Floats) -> Floats:
    """The share of examples with an error of at most each of ``at``: ``(N,), (M,) -> (M,)``."""
    shares: Floats = np.searchsorted(np.sort(errors), at, side="right") / max(len(errors), 1)
    return shares


@dataclass(frozen=True)
class Bootstrap:
    """Resamples of the test examples, drawn once so that every method is measured on the same ones.

    Attributes:
        weights: ``(B, N)``: how often each example is in each resample.
    """

    weights: NDArray[np.float32]

    @classmethod
    def draw(cls, n: int, seed: int = 0, resamples: int = RESAMPLES) -> Bootstrap:
        """``resamples`` resamples of ``n`` examples with replacement."""
        generator = np.random.default_rng(seed)
        return cls(generator.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float32))

    def means(self, values: ArrayLike) -> Floats:
        """The resamples' means of ``(N,)`` or ``(N, M)`` values, NaN left out; ``(B,)`` or ``(B, M)``."""
        values = np.asarray(values, dtype=np.float64)
        known = np.isfinite(values)
        return self.ratios(np.where(known, values, 0.0), known)

    def ratios(self, numerator: ArrayLike, denominator: ArrayLike) -> Floats:
        """The resamples' ratios of sums, such as hits over visible keypoints; NaN where the denominator is 0."""
        weights = self.weights.astype(np.float64)
        above = weights @ np.asarray(numerator, dtype=np.float64)
        below = weights @ np.asarray(denominator, dtype=np.float64)
        ratios: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
        return ratios


def interval(resampled: Floats) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrapped values ``(B,)``."""
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """A paired difference of two methods over the same examples.

    Attributes:
        mean: of ``a - b``.
        ci95: its percentile interval.
        p: two-sided bootstrap probability of a difference of the other sign.
    """

    mean: float
    ci95: tuple[float, float]
    p: float


def paired_difference(a: ArrayLike, b: ArrayLike, bootstrap: Bootstrap) -> Difference:
    """Bootstrap the mean of ``a - b`` over examples, ``(N,)`` each; examples with a NaN in either are left out."""
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return difference_of(float(np.nanmean(difference)), bootstrap.means(difference))


def difference_of(value: float, resampled: Floats) -> Difference:
    """A difference with its interval and p from its bootstrapped values ``(B,)``."""
    tail = min(np.mean(resampled <= 0), np.mean(resampled >= 0))
    return Difference(value, interval(resampled), min(1.0, 2 * float(tail)))
