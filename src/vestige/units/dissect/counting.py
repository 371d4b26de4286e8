"""Loops over activation maps: largest values and sums, and counts of points by activation and object.

Maps come with their channels last, ``(n, h * w, C)``, so that a loop over channels reads side by side. The kernels
release the interpreter's lock, so that threads share pictures or channels out.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Counts = NDArray[np.uint32]
Steps = NDArray[np.uint8]

BLOCK = 32
"""Channels that a kernel works on at once: what it knows of them stays in the nearest cache."""

_WORD = 8  # points that are looked at together


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

    def some(self, which: NDArray[np.intp]) -> Between:
        """Some of the points of each picture: ``which`` ``(n, Q)`` by number."""
        cells, right, down = (np.take_along_axis(each, which, axis=1) for each in (self.cells, self.right, self.down))
        return Between(cells, right, down, np.take_along_axis(self.weights, which[..., None], axis=1))

    @classmethod
    def cells_themselves(cls, n: int, cells: int) -> Between:
        """Points that are the cells of a map."""
        none = np.zeros((n, cells), np.int32)
        weights = np.zeros((n, cells, 4), np.float32)
        weights[..., 0] = 1
        return cls(np.tile(np.arange(cells, dtype=np.int32), (n, 1)), none, none, weights)


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
    """

    low: Floats
    high: Floats
    coarse: Floats
    fine: Floats

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


def steps_at(maps: Floats, points: Between, often: int, scale: Scale, found: Steps, pool: ThreadPoolExecutor) -> None:
    """Which step a unit's activation is in at each point.

    Args:
        maps: ``(n, hw, C)``.
        points: where they are read, bilinearly.
        often: so many of the points, the first ones, are looked at for every step; the others for the fine ones alone.
        scale: the steps.
        found: ``(C, n, P)``, set; 0 where it is in none.
        pool: of threads.
    """
    given = (points.cells, points.right, points.down, points.weights, often)
    scales = (scale.low, scale.high, scale.coarse, scale.fine)
    _shared_out(pool, maps.shape[2], lambda first, last: _steps(maps, first, last, *given, *scales, found))


def count(
    steps: Steps, objects: Objects, others: Objects, tables: Counts, chance: Counts, pool: ThreadPoolExecutor
) -> None:
    """Count points by step, and by the objects there.

    Args:
        steps: ``(C, n, P)``.
        objects: at the points.
        others: objects of other pictures, at the same points.
        tables: ``(C, O + 1, STEPS + 1)``, added to: counts of the O objects, then of all points. Column 0 stays.
        chance: ``(C, O, FINE + 1)``, added to: counts of the others at the fine steps. Column 0 stays.
        pool: of threads.
    """
    channels = len(steps)
    flat = np.zeros((channels, -(-steps[0].size // _WORD) * _WORD), np.uint8)
    flat[:, : steps[0].size] = steps.reshape(channels, -1)
    given = (flat, flat.view(np.uint64), objects.starts, objects.numbers, others.starts, others.numbers)
    _shared_out(pool, channels, lambda first, last: _count(first, last, *given, tables, chance))


def _shared_out(pool: ThreadPoolExecutor, channels: int, do: Callable[[int, int], None]) -> None:
    """Do something for blocks of channels, from the first of each to behind its last one."""
    blocks = [(i, min(i + BLOCK, channels)) for i in range(0, channels, BLOCK)]
    for done in [pool.submit(do, *block) for block in blocks]:
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


@njit(cache=True, nogil=True)
def _steps(
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
    found: Any,
) -> None:
    n, points = cells.shape
    wide = last - first
    few, many = np.float32(COARSE), np.float32(FINE)
    values = np.zeros((points, BLOCK), np.float32)
    for i in range(n):
        for p in range(points):
            at, aside, below = cells[i, p], right[i, p], down[i, p]
            a, b, c, d = weights[i, p]
            here, there = maps[i, at, first:last], maps[i, at + aside, first:last]
            under, across = maps[i, at + below, first:last], maps[i, at + below + aside, first:last]
            row = values[p]
            for k in range(wide):
                row[k] = a * here[k] + b * there[k] + c * under[k] + d * across[k]
        for k in range(wide):
            steps = found[first + k, i]
            begin, by, middle, by_then = low[first + k], coarse[first + k], high[first + k], fine[first + k]
            for p in range(points):
                v = values[p, k]
                if v > middle:
                    steps[p] = STEPS - np.int32(many - min((v - middle) * by_then, many))  # rounded up
                elif p < often and v > begin:
                    steps[p] = COARSE - np.int32(few - min((v - begin) * by, few))
                else:
                    steps[p] = 0


@njit(cache=True, nogil=True)
def _count(
    first: Any,
    last: Any,
    steps: Any,
    together: Any,
    starts: Any,
    numbers: Any,
    other_starts: Any,
    other_numbers: Any,
    tables: Any,
    chance: Any,
) -> None:
    kinds = tables.shape[1] - 1
    for c in range(first, last):
        table, by_chance, here = tables[c], chance[c], steps[c]
        for word in range(together.shape[1]):
            if together[c, word] == 0:
                continue
            for p in range(word * _WORD, (word + 1) * _WORD):
                step = here[p]
                if step:
                    table[kinds, step] += 1
                    for j in range(starts[p], starts[p + 1]):
                        table[numbers[j], step] += 1
                    if step > COARSE:
                        for j in range(other_starts[p], other_starts[p + 1]):
                            by_chance[other_numbers[j], step - COARSE] += 1
