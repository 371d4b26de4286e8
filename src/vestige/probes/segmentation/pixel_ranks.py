"""Average precision over all labelled pixels, exactly: pixels are ranked by their responses, and equal ones tie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vestige.intervals import Floats
from vestige.probes.segmentation.class_areas import VOID, Labels

TOGETHER = 2**25
"""Pixels of a class that are ranked at a time, 4 bytes each; more where so many share one of the even steps."""


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

    Responses are resized by the very arithmetic of :func:`vestige.probes.segmentation.pixel_counts._count`.
    """
    grid_y, grid_x, _ = responses.shape
    height, width = labels.shape
    first, stop, last = span
    row = np.empty(grid_x, np.float64)
    for y in range(height):
        place = min(max((y + 0.5) * grid_y / height - 0.5, 0.0), grid_y - 1.0)
        i = int(place)
        below, share = min(i + 1, grid_y - 1), place - i
        for j in range(grid_x):
            row[j] = responses[i, j, c] * (1.0 - share) + responses[below, j, c] * share
        for x in range(width):
            label = labels[y, x]
            if label == VOID:
                continue
            place = min(max((x + 0.5) * grid_x / width - 0.5, 0.0), grid_x - 1.0)
            j = int(place)
            beside, share = min(j + 1, grid_x - 1), place - j
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
