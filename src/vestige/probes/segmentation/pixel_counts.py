"""Responses of a grid's cells against masks: what intersection over union and average precision are counted from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vestige.intervals import Floats, mean_known
from vestige.probes.segmentation.class_areas import VOID, Labels

Responses = NDArray[np.float32]
"""``(N, G, G, C)``: what a method says of each cell and class of N pictures."""

Counts = NDArray[np.int64]

BINS = 1024
"""Steps in which a class's responses are ranked, even from its lowest to its highest on all test pictures."""

TOGETHER = 2**25
"""Pixels of a class that are ranked at a time, 4 bytes each; more where so many share one of the even steps."""


@dataclass(frozen=True)
class PixelCounts:
    """Labelled pixels of N pictures, counted after responses were resized to each picture's own size.

    Attributes:
        hits: ``(N, C)`` pixels that are of the class and are called so.
        called: ``(N, C)`` pixels that are called so.
        present: ``(N, C)`` pixels of the class.
        ranked: ``(C, N, BINS)`` pixels by their response to the class, in even steps upwards; None where not asked for.
        ranked_hits: ``(C, N, BINS)`` those of them which are of the class; None likewise.
        precision: ``(C,)`` average precision, exactly; NaN for a class that no picture has; None likewise.
    """

    hits: Counts
    called: Counts
    present: Counts
    ranked: NDArray[np.uint32] | None = None
    ranked_hits: NDArray[np.uint32] | None = None
    precision: Floats | None = None

    @property
    def occurs(self) -> NDArray[np.bool_]:
        """``(C,)``: the classes that any picture has."""
        occurs: NDArray[np.bool_] = self.present.sum(axis=0) > 0
        return occurs

    @property
    def wrong(self) -> Floats:
        """``(N,)``: the share of labelled pixels that are called something else; NaN where none is labelled."""
        labelled, hits = self.present.sum(axis=1), self.hits.sum(axis=1)
        shares: Floats = np.divide(labelled - hits, labelled, out=np.full(len(hits), np.nan), where=labelled > 0)
        return shares

    def iou(self, weights: NDArray[np.float32] | None = None) -> Floats:
        """Intersection over union of each class, over all pictures' pixels (VOC's segmentation accuracy).

        Args:
            weights: ``(B, N)`` of resamples; None for the pictures themselves.

        Returns:
            ``(B, C)`` or ``(C,)``; NaN for a class that no picture has.
        """
        hits, called, present = (_sums(counts, weights) for counts in (self.hits, self.called, self.present))
        union = called + present - hits
        ratios: Floats = np.divide(hits, union, out=np.full(hits.shape, np.nan), where=present > 0)
        return ratios

    def accuracy(self, weights: NDArray[np.float32] | None = None) -> Floats:
        """The share of labelled pixels that are called what they are: ``(B,)`` or ``()``."""
        hits, present = (_sums(counts, weights).sum(axis=-1) for counts in (self.hits, self.present))
        shares: Floats = np.divide(hits, present, out=np.full(hits.shape, np.nan), where=present > 0)
        return shares

    def average_precision(self, weights: NDArray[np.float32] | None = None) -> Floats:
        """Average precision of each class, all pictures' labelled pixels ranked by their response to it.

        That of :func:`sklearn.metrics.average_precision_score`. Of resamples pixels of one bin are ties, which makes
        their precision a little lower; they are moved by as much as all pictures' is.

        Args:
            weights: as in :meth:`iou`.

        Returns:
            ``(B, C)`` or ``(C,)``; NaN for a class that no picture has.
        """
        assert self.precision is not None
        if weights is None:
            return self.precision
        return self._binned(weights) + (self.precision - self._binned(None))

    def _binned(self, weights: NDArray[np.float32] | None) -> Floats:
        """The same, pixels of one bin being ties."""
        assert self.ranked is not None
        assert self.ranked_hits is not None
        pairs = zip(self.ranked, self.ranked_hits, strict=True)
        return np.stack([_precision(_sums(a, weights), _sums(b, weights)) for a, b in pairs], axis=-1)


def mean_over_classes(values: Floats, occurs: NDArray[np.bool_]) -> Floats:
    """The mean over the classes that occur, ``(..., C) -> (...)``; those that a resample lacks are left out of its."""
    return mean_known(np.where(occurs, values, np.nan))


def _sums(counts: NDArray[np.integer[Any]], weights: NDArray[np.float32] | None) -> Floats:
    """Sums over pictures, or over resamples of them: ``(N, m) -> (m,)`` or ``(B, m)``."""
    if weights is None:
        return np.asarray(counts.sum(axis=0), np.float64)
    sums: Floats = (weights @ counts.astype(np.float32)).astype(
        np.float64
    )  # to seven digits, far finer than a resample
    return sums


def _precision(ranked: Floats, hits: Floats) -> Floats:
    """The mean of precision over a class's pixels, from pixels and hits by ascending response ``(..., BINS)``."""
    found, taken = (np.cumsum(values[..., ::-1], axis=-1) for values in (hits, ranked))
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    total = found[..., -1]
    area = (hits[..., ::-1] * precision).sum(axis=-1)
    result: Floats = np.divide(area, total, out=np.full(total.shape, np.nan), where=total > 0)
    return result


def count_pixels(responses: Responses, truth: Sequence[Labels], *, ranked: bool = True) -> PixelCounts:
    """Resize each picture's responses to its mask, bilinearly, and count.

    Args:
        responses: ``(N, G, G, C)``.
        truth: N masks ``(H, W)`` of any sizes.
        ranked: whether to count by response, too, for average precision.
    """
    n, n_classes = len(truth), responses.shape[-1]
    totals = np.zeros((3, n, n_classes), np.int64)
    bins = np.zeros((2, n_classes, n, BINS if ranked else 0), np.uint32)
    low, high = (f(responses.reshape(-1, n_classes), axis=0) for f in (np.min, np.max))
    steps = np.divide(BINS, high - low, out=np.zeros(n_classes, np.float32), where=high > low)

    def count(k: int) -> None:
        _count(np.ascontiguousarray(responses[k]), truth[k], low, steps, totals[:, k], bins[:, :, k])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(count, range(n)):
            pass
        if not ranked:
            return PixelCounts(*totals)
        precision = exact_precision(responses, truth, low, steps, bins, pool)
    hits, called, present = totals
    return PixelCounts(hits, called, present, bins[0], bins[1], precision)


@njit(nogil=True, cache=True)
def _between(pixel: Any, pixels: Any, cells: Any) -> Any:
    """The two cells that a pixel's centre lies between, and the share of the second."""
    place = min(max((pixel + 0.5) * cells / pixels - 0.5, 0.0), cells - 1.0)
    low = int(place)
    return low, min(low + 1, cells - 1), place - low


@njit(nogil=True, cache=True)
def _count(responses: Any, labels: Any, low: Any, steps: Any, totals: Any, bins: Any) -> None:
    """Count one picture: ``(G, G, C)``, ``(H, W)``, ``(C,)``, ``(C,)`` into ``(3, C)`` and ``(2, C, BINS or 0)``."""
    grid_y, grid_x, n = responses.shape
    height, width = labels.shape
    n_bins = bins.shape[2]
    row = np.empty((grid_x, n), np.float64)
    for y in range(height):
        i, below, share = _between(y, height, grid_y)
        row[:] = responses[i] * (1.0 - share) + responses[below] * share
        for x in range(width):
            label = labels[y, x]
            if label == VOID:
                continue
            j, beside, share = _between(x, width, grid_x)
            best, most = 0, np.float32(-np.inf)
            for c in range(n):
                value = np.float32(row[j, c] * (1.0 - share) + row[beside, c] * share)  # equal ones tie
                if value > most:
                    best, most = c, value
                if n_bins:
                    b = min(max(int((value - low[c]) * steps[c]), 0), n_bins - 1)
                    bins[0, c, b] += 1
                    if c == label:
                        bins[1, c, b] += 1
            totals[1, best] += 1
            totals[2, label] += 1
            if best == label:
                totals[0, label] += 1


def exact_precision(
    responses: NDArray[np.float32],
    truth: Sequence[Labels],
    low: NDArray[np.float32],
    steps: NDArray[np.float32],
    counted: NDArray[np.uint32],
    pool: ThreadPoolExecutor,
) -> Floats:
    """Average precision of each class ``(C,)``, that of :func:`sklearn.metrics.average_precision_score`.

    The highest responses are ranked first, as many pixels at a time as memory is meant to hold; how many there are in
    every even step of the responses is known.

    Args:
        responses: ``(N, G, G, C)``.
        truth: N masks.
        low: ``(C,)``: the lowest response to each class.
        steps: ``(C,)``: even steps a unit of response.
        counted: ``(2, C, N, S)``: pixels in every step, and those of them which are of the class.
        pool: of threads, over pictures.

    Returns:
        NaN for a class that no picture has.
    """
    return np.array([_of_class(responses, truth, c, low, steps, counted[:, c], pool) for c in range(len(low))])


def _of_class(
    responses: NDArray[np.float32],
    truth: Sequence[Labels],
    c: int,
    low: NDArray[np.float32],
    steps: NDArray[np.float32],
    counted: NDArray[np.uint32],
    pool: ThreadPoolExecutor,
) -> float:
    area, found, taken = 0.0, 0, 0
    last = counted.shape[-1] - 1
    for first, stop in _slabs(counted[0].sum(axis=0, dtype=np.int64)):
        pixels, hits = counted[..., first:stop].sum(axis=-1, dtype=np.int64)
        ends = np.cumsum(hits), np.cumsum(pixels - hits)
        ranked = [np.empty(int(end[-1]), np.float32) for end in ends]

        def take(k: int, first: int = first, stop: int = stop, ends: Any = ends, ranked: Any = ranked) -> None:
            starts = [int(end[k - 1]) if k else 0 for end in ends]
            _take(responses[k], truth[k], c, low[c], steps[c], (first, stop, last), *ranked, *starts)

        for _ in pool.map(take, range(len(truth))):
            pass
        positive, negative = (np.sort(each) for each in ranked)
        area, found, taken = _walk(positive, negative, area, found, taken)
    return area / found if found else float("nan")


def _slabs(pixels: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of steps ``(S,)``, from the highest down, of at most :data:`TOGETHER` pixels or a single step each."""
    stop = len(pixels)
    while stop:
        first, total = stop - 1, int(pixels[stop - 1])
        while first and total + int(pixels[first - 1]) <= TOGETHER:
            first -= 1
            total += int(pixels[first])
        yield first, stop
        stop = first


@njit(nogil=True, cache=True)
def _take(
    responses: Any, labels: Any, c: Any, low: Any, step: Any, span: Any, positive: Any, negative: Any, p: Any, q: Any
) -> None:
    """Write the responses to a class of one picture's pixels, those in some steps, from places p and q on.

    Responses are resized by the very arithmetic of :func:`_count`.
    """
    grid_y, grid_x, _ = responses.shape
    height, width = labels.shape
    first, stop, last = span
    row = np.empty(grid_x, np.float64)
    for y in range(height):
        i, below, share = _between(y, height, grid_y)
        for j in range(grid_x):
            row[j] = responses[i, j, c] * (1.0 - share) + responses[below, j, c] * share
        for x in range(width):
            label = labels[y, x]
            if label == VOID:
                continue
            j, beside, share = _between(x, width, grid_x)
            value = np.float32(row[j] * (1.0 - share) + row[beside] * share)
            b = min(max(int((value - low) * step), 0), last)
            if first <= b < stop:
                if c == label:
                    positive[p] = value
                    p += 1
                else:
                    negative[q] = value
                    q += 1


@njit(nogil=True, cache=True)
def _walk(positive: Any, negative: Any, area: Any, found: Any, taken: Any) -> Any:
    """Go down two rising lists; add to the area under the curve, to the positives found and to all that were taken."""
    p, q = len(positive) - 1, len(negative) - 1
    while p >= 0 or q >= 0:
        value = positive[p] if p >= 0 else negative[q]
        if q >= 0 and negative[q] > value:
            value = negative[q]
        hits = 0
        while p >= 0 and positive[p] == value:
            p -= 1
            hits += 1
        while q >= 0 and negative[q] == value:
            q -= 1
            taken += 1
        found += hits
        taken += hits
        area += hits * (found / taken)
    return area, found, taken
