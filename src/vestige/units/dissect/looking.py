"""At which points pictures are looked at, and which objects are there.

Every picture is looked at on a grid of points whose offset is drawn anew for each, so that the points of many pictures
sample the pixels evenly: shares of points are shares of pixels, without bias, at the cost of a few hundred points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from vestige.example import Example
from vestige.images import picture_size
from vestige.regions import rasters
from vestige.units.dissect.counting import Between, Objects
from vestige.units.places import Standing


@dataclass(frozen=True)
class Grid:
    """The points of every picture.

    Attributes:
        side: points in a row and in a column.
        seed: of the offsets.
    """

    side: int
    seed: int = 0

    @property
    def points(self) -> int:
        """P, of a picture."""
        return self.side**2

    @property
    def often(self) -> int:
        """How many of them come first: every other one of every other row."""
        return ((self.side + 1) // 2) ** 2

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """``(P,)``: the points, ``y * side + x``, in the order in which they are counted."""
        first = np.zeros((self.side, self.side), dtype=bool)
        first[::2, ::2] = True
        return np.argsort(~first.ravel(), kind="stable")

    def offset(self, row: int) -> NDArray[np.float64]:
        """``(y, x)`` of a picture's first point, in steps of the grid: within [0, 1)."""
        return _offset(self.seed, row)

    def between(self, rows: Sequence[int], standing: Standing) -> Between:
        """Where the points of pictures lie on a map."""
        offsets = np.stack([self.offset(row) for row in rows])
        along = [standing.on_map((np.arange(self.side) + offsets[:, [axis]]) / self.side, axis) for axis in (0, 1)]
        ys, xs = self.order // self.side, self.order % self.side
        y, x = along[0][:, ys], along[1][:, xs]
        top, left = np.floor(y).astype(np.int32), np.floor(x).astype(np.int32)
        down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
        width = standing.grid[1]
        weights = np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], axis=-1)
        return Between(
            top * width + left,
            (left + 1 < width).astype(np.int32),
            (top + 1 < standing.grid[0]).astype(np.int32) * np.int32(width),
            weights.astype(np.float32),
        )


@lru_cache(maxsize=1024)  # more than a batch, which every layer asks for
def _offset(seed: int, row: int) -> NDArray[np.float64]:
    return np.random.default_rng([seed, row]).random(2)


@dataclass
class Seen:
    """The objects at the points of pictures; those of a picture are rasterised once, and kept in 2 kB or so.

    Attributes:
        examples: all pictures.
        names: of the objects that are looked for.
        grid: of the points.
    """

    examples: Sequence[Example]
    names: Sequence[str]
    grid: Grid
    _known: dict[int, tuple[NDArray[np.uint16], NDArray[np.int16]]] = field(default_factory=dict, repr=False)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def objects(self, rows: Sequence[int]) -> Objects:
        """What is at the points of pictures."""
        found = [self._of(row) for row in rows]
        counts = np.concatenate([[0], *(counts for counts, _ in found)])
        return Objects(np.cumsum(counts, dtype=np.int32), np.concatenate([numbers for _, numbers in found]))

    def _of(self, row: int) -> tuple[NDArray[np.uint16], NDArray[np.int16]]:
        """How many objects are at each point ``(P,)``, and their numbers, point by point."""
        if row not in self._known:
            example = self.examples[row]
            names = sorted(
                {each.name for each in example.objects} & self._numbers.keys(), key=self._numbers.__getitem__
            )
            masks = np.zeros((len(names), self.grid.points), dtype=bool)
            width, height = picture_size(example.image)
            y, x = (self.grid.offset(row) - 0.5) / self.grid.side * (height, width)
            frame = np.array([x, y, x + width, y + height])
            for k, name in enumerate(names):
                masks[k] = rasters(example.objects, name, (self.grid.side,) * 2, frame).ravel()[self.grid.order]
            _, which = np.nonzero(masks.T)
            numbers = np.array([self._numbers[name] for name in names], np.int16)
            self._known[row] = masks.sum(axis=0).astype(np.uint16), numbers[which]
        return self._known[row]


def sizes_of(objects: Objects, kinds: int) -> NDArray[np.int64]:
    """Points of each object ``(O,)``."""
    return np.bincount(objects.numbers, minlength=kinds)


def nothing_at(n: int, points: int) -> Objects:
    """No objects at the points of n pictures."""
    return Objects(np.zeros(n * points + 1, np.int32), np.zeros(0, np.int16))


def exchanged(groups: Sequence[str], halves: NDArray[np.intp], rows: NDArray[np.intp], seed: int) -> dict[int, int]:
    """For every picture another one of the same group and half, in a circle; a picture alone takes one of any group.

    Args:
        groups: of all pictures, such as their scenes.
        halves: which half each is in.
        rows: which pictures take part.
        seed: of the order.
    """
    draw = np.random.default_rng([seed, 1])
    found: dict[int, int] = {}
    for half in np.unique(halves[rows]):
        circles: dict[str, list[int]] = {}
        alone: list[int] = []
        for row in draw.permutation(rows[halves[rows] == half]).tolist():
            circles.setdefault(groups[row], []).append(row)
        for circle in circles.values():
            if len(circle) > 1:
                found |= zip(circle, [*circle[1:], circle[0]], strict=True)
            else:
                alone += circle
        found |= zip(alone, [*alone[1:], *alone[:1]], strict=True)
    return found
