"""Quantiles of many units' activations, from one pass in little memory: a KLL sketch for all of them at once.

Z. Karnin, K. Lang and E. Liberty, *Optimal Quantile Approximation in Streams*, FOCS 2016: values wait in levels; a full
level is sorted, and every other of its values goes on into the next level, where it stands for twice as many. Which
half goes on is decided by a coin. All units are shown equally many values, so their levels fill, and are halved, at the
same time. (Apache's ``datasketches`` takes its coins from the operating system, and cannot be told a seed: the same
pictures give other quantiles every time. It is what the tests hold this against.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CAPACITY = 2048
"""Values that the highest level holds of each unit; the levels below hold 2/3 as many each."""

_SHRINK = 2 / 3

_SMALLEST = 8


@dataclass
class Quantiles:
    """A mergeable sketch of the distributions of C units' values.

    Attributes:
        units: C.
        seed: of the coins.
        capacity: of the highest level.
        n: values seen of each unit.
        levels: ``(C, m)`` each: what stands for 1, 2, 4, ... values.
        smallest, largest: ``(C,)``.
        squares: the sum of the squared weights of what was halved: it bounds the error.
    """

    units: int
    seed: int = 0
    capacity: int = CAPACITY
    n: int = 0
    levels: list[Floats] = field(default_factory=list)
    smallest: Floats = field(init=False)
    largest: Floats = field(init=False)
    squares: int = 0

    def __post_init__(self) -> None:
        self.levels = self.levels or [np.zeros((self.units, 0), np.float32)]
        self.smallest = np.full(self.units, np.inf, np.float32)
        self.largest = np.full(self.units, -np.inf, np.float32)

    def add(self, values: Floats) -> None:
        """Take in values ``(m, C)``."""
        if not len(values):
            return
        self.n += len(values)
        self.smallest = np.minimum(self.smallest, values.min(axis=0))
        self.largest = np.maximum(self.largest, values.max(axis=0))
        self.levels[0] = np.concatenate([self.levels[0], values.T], axis=1)
        self._halve()

    def merge(self, other: Quantiles) -> None:
        """Take in what another sketch of the same units has seen."""
        self.n += other.n
        self.squares += other.squares
        self.smallest = np.minimum(self.smallest, other.smallest)
        self.largest = np.maximum(self.largest, other.largest)
        for h, level in enumerate(other.levels):
            if h == len(self.levels):
                self.levels.append(np.zeros((self.units, 0), np.float32))
            self.levels[h] = np.concatenate([self.levels[h], level], axis=1)
        self._halve()

    def at(self, shares: Any) -> Floats:
        """The values below which the given shares of all lie: ``(q,) -> (C, q)``; NaN where nothing was seen."""
        shares = np.asarray(shares, dtype=np.float64)
        if not self.n:
            return np.full((self.units, len(shares)), np.nan, np.float32)
        values = np.concatenate(self.levels, axis=1)
        weights = np.concatenate([np.full(level.shape[1], 2.0**h) for h, level in enumerate(self.levels)])
        order = np.argsort(values, axis=1)
        ranks = np.cumsum(weights[order], axis=1)
        values = np.take_along_axis(values, order, axis=1)
        wanted = shares * ranks[:, -1:]
        found = np.stack([(ranks < wanted[:, [j]]).sum(axis=1) for j in range(len(shares))], axis=1)
        picked = np.take_along_axis(values, found.clip(0, values.shape[1] - 1), axis=1)
        picked[:, shares <= 0], picked[:, shares >= 1] = self.smallest[:, None], self.largest[:, None]
        return picked

    @property
    def error(self) -> float:
        """By how much the share below a quantile is off, at most, in 95 of 100 cases.

        A halving of values that stand for w moves a rank by at most w, up or down with equal odds; Hoeffding's
        inequality bounds the sum of those.
        """
        return math.sqrt(2 * math.log(2 / 0.05) * self.squares) / self.n if self.n else 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, as :meth:`of` takes it."""
        counts = np.array([self.n, self.squares, len(self.levels)], np.int64)
        levels = {f"level{h}": level for h, level in enumerate(self.levels)}
        return {"counts": counts, "smallest": self.smallest, "largest": self.largest, **levels}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], seed: int, capacity: int = CAPACITY) -> Quantiles:
        """What :meth:`arrays` wrote."""
        n, squares, levels = arrays["counts"].tolist()
        found = cls(len(arrays["smallest"]), seed, capacity, n, [arrays[f"level{h}"] for h in range(levels)])
        found.squares, found.smallest, found.largest = squares, arrays["smallest"], arrays["largest"]
        return found

    def _halve(self) -> None:
        """Halve levels, from the lowest up, until none holds more than it may."""
        h = 0
        while h < len(self.levels):
            level = self.levels[h]
            depth = len(self.levels) - 1 - h
            if level.shape[1] > max(_SMALLEST, math.ceil(self.capacity * _SHRINK**depth)):
                self._halve_level(h, level)
                h = 0  # a new highest level makes those below it smaller
            else:
                h += 1

    def _halve_level(self, h: int, level: Floats) -> None:
        if h + 1 == len(self.levels):
            self.levels.append(np.zeros((self.units, 0), np.float32))
        even = level.shape[1] // 2 * 2
        ordered = np.sort(level[:, :even], axis=1).reshape(self.units, -1, 2)
        coins = np.random.default_rng([self.seed, self.n, h, self.squares % 2**32]).integers(0, 2, self.units)
        kept = np.take_along_axis(ordered, coins[:, None, None], axis=2)[:, :, 0]
        self.levels[h] = level[:, even:]
        self.levels[h + 1] = np.concatenate([self.levels[h + 1], kept], axis=1)
        self.squares += 4**h
