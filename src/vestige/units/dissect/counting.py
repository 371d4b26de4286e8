"""Loops over activation maps: largest values and sums, and counts of points by activation and object.

Maps come with their channels last, ``(n, h * w, C)``, so that a loop over channels reads side by side. The kernels
release the interpreter's lock, so that threads share pictures or channels out.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Counts = NDArray[np.uint32]

BLOCK = 32
"""Channels that a kernel works on at once: what it knows of them stays in the nearest cache."""

_WORD = 8  # bins that are looked at together


@dataclass(frozen=True)
class Extremes:
    """What is known of the maps of n pictures.

    Attributes:
        largest: ``(n, C)``.
        places: ``(n, C)`` the cell, ``y * w + x``, of the largest; the first of several.
        sums: ``(n, C)`` of all cells.
        above: ``(n, C)`` cells above zero.
    """

    largest: Floats
    places: NDArray[np.int32]
    sums: Floats
    above: NDArray[np.int32]


def extremes(maps: Floats, pool: ThreadPoolExecutor) -> Extremes:
    """The largest values of maps ``(n, hw, C)``, and their sums."""
    n, _, channels = maps.shape
    largest, sums = np.empty((2, n, channels), np.float32)
    places, above = np.empty((2, n, channels), np.int32)
    step = max(1, n // 4)
    parts = [slice(i, i + step) for i in range(0, n, step)]
    done = [pool.submit(_extremes, maps[i], largest[i], places[i], sums[i], above[i]) for i in parts]
    for each in done:
        each.result()
    return Extremes(largest, places, sums, above)


@dataclass(frozen=True)
class Between:
    """Where P points of n pictures lie on a map: each among four cells.

    Attributes:
        cells: ``(n, P)`` the upper left one, ``y * w + x``.
        right, down: ``(n, P)`` from it to the cell on its right, and to that below it; 0 at the map's edge.
        weights: ``(n, P, 4)`` of the upper left, upper right, lower left and lower right one.
    """

    cells: NDArray[np.int32]
    right: NDArray[np.int32]
    down: NDArray[np.int32]
    weights: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """n and P."""
        return self.cells.shape[0], self.cells.shape[1]


COARSE, FINE = 16, 24
"""Steps of activation below, and above, what few points are above."""

STEPS = COARSE + FINE


@dataclass(frozen=True)
class Scale:
    """Steps of activation for each of C units, first coarse ones, which few points are counted at, then fine ones.

    The coarse ones share ``low`` to ``high`` out evenly, the fine ones go on from there to ``top``. (Evenly from end to
    end would not do: activations of a network with random weights lie on plateaus.)

    Attributes:
        low: ``(C,)`` what lies at or below it is in no step.
        high: ``(C,)`` where the fine steps begin.
        coarse, fine: ``(C,)`` steps per unit of activation.
        window: ``(C,)`` the first of the steps about the threshold, at which chance is counted.
    """

    low: Floats
    high: Floats
    coarse: Floats
    fine: Floats
    window: NDArray[np.uint8]

    @property
    def edges(self) -> Floats:
        """``(C, B)``: what step j + 1 is above."""
        coarse = self.low[:, None] + np.arange(COARSE, dtype=np.float32) / self.coarse[:, None]
        fine = self.high[:, None] + np.arange(FINE, dtype=np.float32) / self.fine[:, None]
        return np.concatenate([coarse, fine], axis=1)


@dataclass(frozen=True)
class Objects:
    """Which objects are at the points of n pictures: those at point p of all are ``numbers[starts[p]:starts[p + 1]]``.

    Attributes:
        starts: ``(n * P + 1,)``.
        numbers: of the objects.
    """

    starts: NDArray[np.int32]
    numbers: NDArray[np.int16]


def count(
    maps: Floats,
    points: Between,
    often: int,
    scale: Scale,
    objects: Objects,
    others: Objects,
    tables: Counts,
    chance: Counts,
    pool: ThreadPoolExecutor,
) -> None:
    """Count points by how active a unit is there, and by the objects there.

    Args:
        maps: ``(n, hw, C)``.
        points: where they are read, bilinearly.
        often: so many of the points, the first ones, are counted at every step; the others at the fine ones alone.
        scale: the steps.
        objects: at the points.
        others: objects of other pictures, at the same points.
        tables: ``(C, O + 1, STEPS + 1)``, added to: counts of the O objects, then of all points. Column 0 stays.
        chance: ``(C, O, W + 1)``, added to: counts of the others from ``scale.window`` on, what is above its last step
            in the last column. Column 0 stays.
        pool: of threads.
    """
    channels = maps.shape[2]
    given = (
        *(points.cells, points.right, points.down, points.weights, often),
        *(scale.low, scale.high, scale.coarse, scale.fine, scale.window),
        *(objects.starts, objects.numbers, others.starts, others.numbers, tables, chance),
    )
    blocks = [(i, min(i + BLOCK, channels)) for i in range(0, channels, BLOCK)]
    for done in [pool.submit(_count, maps, first, last, *given) for first, last in blocks]:
        done.result()


def values_at(maps: Floats, points: Between) -> Floats:
    """The maps ``(n, hw, C)`` at the points: ``(n, P, C)``."""
    found = np.empty((*points.shape, maps.shape[2]), np.float32)
    _values(maps, points.cells, points.right, points.down, points.weights, found)
    return found


@njit(cache=True, nogil=True)
def _extremes(maps: Any, largest: Any, places: Any, sums: Any, above: Any) -> None:
    n, cells, channels = maps.shape
    for i in range(n):
        for c in range(channels):
            largest[i, c] = maps[i, 0, c]
            places[i, c] = 0
            sums[i, c] = 0
            above[i, c] = 0
        for p in range(cells):
            for c in range(channels):
                v = maps[i, p, c]
                more = v > largest[i, c]
                largest[i, c] = v if more else largest[i, c]
                places[i, c] = p if more else places[i, c]
                sums[i, c] += v
                above[i, c] += np.int32(v > 0)


@njit(cache=True, nogil=True)
def _values(maps: Any, cells: Any, right: Any, down: Any, weights: Any, found: Any) -> None:
    n, points = cells.shape
    for i in range(n):
        for p in range(points):
            at, aside, below = cells[i, p], right[i, p], down[i, p]
            a, b, c, d = weights[i, p]
            here, there = maps[i, at], maps[i, at + aside]
            under, across = maps[i, at + below], maps[i, at + below + aside]
            row = found[i, p]
            for k in range(maps.shape[2]):
                row[k] = a * here[k] + b * there[k] + c * under[k] + d * across[k]


@njit(cache=True, nogil=True, fastmath={"nnan"})
def _count(
    maps: Any,
    first: Any,
    last: Any,
    cells: Any,
    right: Any,
    down: Any,
    weights: Any,
    often: Any,
    low: Any,
    high: Any,
    coarse: Any,
    fine: Any,
    window: Any,
    starts: Any,
    numbers: Any,
    other_starts: Any,
    other_numbers: Any,
    tables: Any,
    chance: Any,
) -> None:
    n, points = cells.shape
    wide, kinds, last_column = last - first, tables.shape[1] - 1, chance.shape[2] - 1
    words = (points + _WORD - 1) // _WORD
    zero, few, many = np.float32(0), np.float32(COARSE), np.float32(FINE)
    begin, by = low[first:last], coarse[first:last]
    middle, by_then = high[first:last], fine[first:last]
    bins = np.zeros(BLOCK, np.int32)
    taken = np.zeros((BLOCK, words * _WORD), np.uint8)
    together = taken.view(np.uint64)
    for i in range(n):
        for p in range(points):
            at, aside, below = cells[i, p], right[i, p], down[i, p]
            a, b, c, d = weights[i, p]
            here, there = maps[i, at, first:last], maps[i, at + aside, first:last]
            under, across = maps[i, at + below, first:last], maps[i, at + below + aside, first:last]
            for k in range(wide):
                v = a * here[k] + b * there[k] + c * under[k] + d * across[k]
                x = min(max((v - begin[k]) * by[k], zero), few)
                y = min(max((v - middle[k]) * by_then[k], zero), many)
                bins[k] = np.int32(STEPS) - np.int32(few - x) - np.int32(many - y)  # both rounded up
            if p < often:
                for k in range(wide):
                    taken[k, p] = bins[k]
            else:
                for k in range(wide):
                    taken[k, p] = bins[k] if bins[k] > COARSE else 0
        for k in range(wide):
            table, by_chance, floor = tables[first + k], chance[first + k], window[first + k]
            for word in range(words):
                if together[k, word] == 0:
                    continue
                for p in range(word * _WORD, min((word + 1) * _WORD, points)):
                    step = taken[k, p]
                    if step:
                        q = i * points + p
                        table[kinds, step] += 1
                        for j in range(starts[q], starts[q + 1]):
                            table[numbers[j], step] += 1
                        if step >= floor:
                            column = min(step - floor + 1, last_column)
                            for j in range(other_starts[q], other_starts[q + 1]):
                                by_chance[other_numbers[j], column] += 1
