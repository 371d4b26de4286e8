"""Confidence intervals: resamples of the test examples, and the differences of two methods on them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Interval = tuple[float, float]
"""Its two ends."""

RESAMPLES = 2000
"""Bootstrap resamples; the interval's ends then vary by about 1/40 of its width."""


def mean_known(values: Floats) -> Floats:
    """The mean over the last axis without its NaN: ``(..., K) -> (...)``; NaN where nothing is known."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    means: Floats = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return means


class Grouped(Protocol):
    """Something that belongs together with others of its group, as an example does."""

    @property
    def group(self) -> str:
        """A person, a photograph, ..."""
        ...


@dataclass(frozen=True)
class Bootstrap:
    """Resamples of the test examples, drawn once so that every method is measured on the same ones.

    Groups are drawn, each with all its examples: the pictures of one person are no independent witnesses (the cluster
    bootstrap; Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.8).

    Attributes:
        weights: ``(B, N)``: how often each example is in each resample.
        groups: ``(N,)``: the number of each example's group.
    """

    weights: NDArray[np.float32]
    groups: NDArray[np.intp]

    @classmethod
    def of(cls, examples: Iterable[Grouped], seed: int, resamples: int = RESAMPLES) -> Bootstrap:
        """Resamples of the groups of examples."""
        return cls.draw((example.group for example in examples), seed, resamples)

    @classmethod
    def draw(cls, groups: Iterable[Hashable], seed: int = 0, resamples: int = RESAMPLES) -> Bootstrap:
        """Resamples of groups with replacement, as many as there are.

        Args:
            groups: ``(N,)``: the group of each example, in the examples' order.
            seed: of the draws.
            resamples: how many.
        """
        numbers: dict[Hashable, int] = {}
        index = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.intp)
        n = len(numbers)
        if not n:
            return cls(np.zeros((resamples, 0), np.float32), index)
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=resamples)
        return cls(drawn.astype(np.float32)[:, index], index)

    @classmethod
    def once(cls, n: int) -> Bootstrap:
        """The one resample that holds each of ``n`` examples once, for a number without an interval."""
        return cls(np.ones((1, n), np.float32), np.arange(n))

    def count(self, known: ArrayLike) -> int:
        """The number of groups that some examples ``(N,)`` are of."""
        return len(np.unique(self.groups[np.asarray(known, dtype=np.bool_)]))

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

    def interval_of_mean(self, values: ArrayLike) -> Interval | None:
        """The 95 % interval of the mean of values ``(N,)``, NaN left out."""
        values = np.asarray(values, dtype=np.float64)
        return interval(self.means(values), self.count(np.isfinite(values)))


def interval(resampled: Floats, groups: int) -> Interval | None:
    """The 95 % interval of bootstrapped values ``(B,)``: their percentiles, expanded for few groups.

    A percentile interval of n groups is too narrow, by the factor sqrt((n - 1) / n) and by having no Student's t in
    place of the normal distribution; farther percentiles make up for both (T. Hesterberg, *What Teachers Should Know
    About the Bootstrap*, The American Statistician 69, 2015, section 4.3.3, "expanded percentile interval"). With 200
    groups they are the 2.4th and the 97.6th, with 10 the 0.9th and the 99.1st.

    Args:
        resampled: over resamples of the groups; NaN where a resample has no value.
        groups: how many groups had a say in the value.

    Returns:
        None where there are fewer than two groups, or no resample has a value: nothing is known of the spread.
    """
    known = resampled[np.isfinite(resampled)]
    if groups < 2 or not len(known):
        return None
    tail = 100 * float(ndtr(-_stretch(groups) * stdtrit(groups - 1, 0.975)))
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def seed_spread(values: ArrayLike) -> float:
    """Half of Student's 95 % interval of the mean of one number over S random networks ``(S,)``; 0 for a single one."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return 0.0
    return float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values)))


def widened(ci95: Interval | None, value: float, spread: float) -> Interval | None:
    """An interval over examples that holds the spread over seeds, too, for a value that is the mean of several seeds'.

    The two are independent, so half-widths add up by their squares, on either side of the value (G. Zou and A. Donner,
    *Construction of confidence limits about effect measures: a general approach*, Statistics in Medicine 27, 2008).

    Args:
        ci95: over examples.
        value: the mean over seeds.
        spread: by :func:`seed_spread`.
    """
    if ci95 is None or not spread:
        return ci95
    below, above = (math.hypot(max(0.0, half), spread) for half in (value - ci95[0], ci95[1] - value))
    return value - below, value + above


def _stretch(groups: int) -> float:
    """By how much the spread of resamples of n groups is less than that of samples."""
    return math.sqrt(groups / (groups - 1))


@dataclass(frozen=True)
class Difference:
    """A paired difference of two methods over the same examples.

    Attributes:
        mean: of ``a - b``.
        ci95: its interval.
        p: two-sided bootstrap probability of a difference of the other sign.
    """

    mean: float
    ci95: Interval
    p: float


def paired_difference(a: ArrayLike, b: ArrayLike, bootstrap: Bootstrap, spread: float = 0.0) -> Difference | None:
    """Bootstrap the mean of ``a - b`` over examples, ``(N,)`` each; examples with a NaN in either are left out.

    Args:
        a: of one method.
        b: of the other.
        bootstrap: over the examples.
        spread: over seeds, where a or b is the mean of several (:func:`seed_spread`).

    Returns:
        None where fewer than two groups have both.
    """
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    known = np.isfinite(difference)
    value = float(difference[known].mean()) if known.any() else np.nan
    return difference_of(value, bootstrap.means(difference), bootstrap.count(known), spread)


def difference_of(value: float, resampled: Floats, groups: int, spread: float = 0.0) -> Difference | None:
    """A difference with its interval and p.

    p agrees with the interval: it is Student's, at the quantile where the resamples change their sign, or with a spread
    over seeds in half-widths of the interval. No resample of n groups is rarer than one in n^n, so p is never taken for
    less than that tells.

    Args:
        value: of the difference.
        resampled: ``(B,)``: over resamples of the groups.
        groups: how many.
        spread: as in :func:`paired_difference`.

    Returns:
        None where there is no interval.
    """
    ci95 = widened(interval(resampled, groups), value, spread)
    if ci95 is None:
        return None
    if spread:
        half = value - ci95[0] if value > 0 else ci95[1] - value
        quantile = -abs(value) / half * float(stdtrit(groups - 1, 0.975))
    else:
        known = resampled[np.isfinite(resampled)]
        tail = max(float(min(np.mean(known <= 0), np.mean(known >= 0))), float(groups) ** -groups)
        quantile = float(ndtri(tail)) / _stretch(groups)
    return Difference(value, ci95, min(1.0, 2 * float(stdtr(groups - 1, quantile))))
