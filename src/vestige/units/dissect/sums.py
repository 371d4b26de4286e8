"""What some pictures say of units, and how it adds up with what others say: top lists, sums, sketches and counts.

All of it merges, in any order: lists and counts to the same numbers, sums of activations but for rounding, sketches
within the error that they state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import Arrays
from vestige.units.dissect.counting import Counts, Extremes, Floats, extremes
from vestige.units.quantiles import Quantiles
from vestige.units.top import TopPictures

HIGHEST, LOWEST = 60, 20
"""Pictures with the largest activations of each unit that are kept, and with the smallest."""

_TOGETHER = 512  # pictures that are sorted into top lists at once


@dataclass
class Sums:
    """What is known of a layer's C units whatever the objects are.

    Attributes:
        top, low: the pictures with the largest and the smallest activations; the values of ``low`` are negated.
        total: ``(C,)`` the sum of all activations.
        above: ``(C,)`` how many of them are above zero.
        cells: how many there are of each unit.
        sketch: of their distribution.
    """

    top: TopPictures
    low: TopPictures
    total: NDArray[np.float64]
    above: NDArray[np.int64]
    cells: int
    sketch: Quantiles
    _waiting: list[tuple[Sequence[int], Extremes, Floats]] = field(default_factory=list)

    @classmethod
    def empty(cls, units: int, seed: int) -> Sums:
        """No pictures yet; ``seed`` of the sketch."""
        none = TopPictures.none(units)
        return cls(none, none, np.zeros(units), np.zeros(units, np.int64), 0, Quantiles(units, seed))

    def add(self, rows: Sequence[int], maps: Floats, pool: ThreadPoolExecutor, cells: NDArray[np.intp]) -> None:
        """Take in the maps ``(n, hw, C)`` of pictures; ``cells`` ``(n, 8)`` of each go into the sketch."""
        found = extremes(maps, pool)
        self.total += found.sums.sum(axis=0, dtype=np.float64)
        self.above += found.above.sum(axis=0, dtype=np.int64)
        self.cells += maps.shape[0] * maps.shape[1]
        sample = maps[np.arange(len(maps))[:, None], cells].reshape(-1, maps.shape[2])
        self._waiting.append((rows, found, sample))
        if sum(len(rows) for rows, _, _ in self._waiting) >= _TOGETHER:
            self._settle()

    def merge(self, other: Sums) -> None:
        """Take in what other pictures say; ``other`` is left as it is, once what waits in it is sorted."""
        self._settle()
        other._settle()
        self.top, self.low = self.top.merged(other.top, HIGHEST), self.low.merged(other.low, LOWEST)
        self.total += other.total
        self.above += other.above
        self.cells += other.cells
        self.sketch.merge(other.sketch)

    def arrays(self) -> Arrays:
        """All of it, as :meth:`of` takes it."""
        self._settle()
        return {
            **{f"top/{key}": getattr(self.top, key) for key in ("rows", "values", "places")},
            **{f"low/{key}": getattr(self.low, key) for key in ("rows", "values", "places")},
            "total": self.total,
            "above": self.above,
            "cells": np.array(self.cells),
            **{f"sketch/{key}": value for key, value in self.sketch.arrays().items()},
        }

    @classmethod
    def of(cls, arrays: Arrays, name: str, seed: int) -> Sums:
        """What :meth:`arrays` wrote, from among what is known of several layers, of one by its name."""

        def listed_in(which: str) -> TopPictures:
            return TopPictures(*(arrays[f"{name}/{which}/{key}"] for key in ("rows", "values", "places")))

        start = f"{name}/sketch/"
        sketch = {key.removeprefix(start): value for key, value in arrays.items() if key.startswith(start)}
        total, above, cells = (arrays[f"{name}/{key}"] for key in ("total", "above", "cells"))
        found = cls(listed_in("top"), listed_in("low"), total.copy(), above.copy(), int(cells), Quantiles(len(total)))
        found.sketch = Quantiles.of(sketch, seed)
        return found

    def _settle(self) -> None:
        """Sort what is waiting into the lists and the sketch: together, for that costs as much for few as for many."""
        if not self._waiting:
            return
        rows = [row for rows, _, _ in self._waiting for row in rows]
        values = np.concatenate([found.largest for _, found, _ in self._waiting])
        places = np.concatenate([found.places for _, found, _ in self._waiting])
        self.sketch.add(np.concatenate([sample for _, _, sample in self._waiting]))
        self.top = self.top.with_batch(rows, values, places, HIGHEST)
        self.low = self.low.with_batch(rows, -values, places, LOWEST)
        self._waiting.clear()


def merged(one: Arrays, other: Arrays, seed: int) -> Arrays:
    """What two lots of pictures say together, of all layers and objects.

    Args:
        one: as :meth:`vestige.units.dissect.scan.Pass.part` gives it.
        other: likewise, of other pictures.
        seed: of the sketches.
    """
    found: Arrays = {}
    for name in _named(one, "/total"):
        sums = Sums.of(one, name, seed)
        sums.merge(Sums.of(other, name, seed))
        found |= {f"{name}/{key}": value for key, value in sums.arrays().items()}
    for name in _named(one, "/table"):
        found[f"{name}/table"] = small(one[f"{name}/table"].astype(np.uint32) + other[f"{name}/table"])
    for name in _named(one, "/largest"):
        found[f"{name}/largest"] = np.maximum(one[f"{name}/largest"], other[f"{name}/largest"])
    found |= {key: one[key] + other[key] for key in ("sizes", "points") if key in one}
    return found | {key: np.concatenate([one[key], other[key]]) for key in ("problem_rows", "problems")}


def small(table: Counts) -> NDArray[np.unsignedinteger]:
    """Counts in half the bytes, where they fit."""
    return table.astype(np.uint16) if table.size and table.max() < 2**16 else table


def _named(arrays: Iterable[str], end: str) -> list[str]:
    return [key.removesuffix(end) for key in arrays if key.endswith(end)]
