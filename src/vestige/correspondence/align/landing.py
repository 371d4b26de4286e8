"""Keypoints carried over from neighbours: each neighbour aligned with an instance, and what the neighbours agree on.

Section 3 of the paper: the instance whose keypoints are to be predicted is the source of the flow, its neighbours are
the targets. Neighbours are ordered by deformation energy, and a keypoint goes to the coordinate-wise median of where
the first five that show it put it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vestige.correspondence.flow import flow
from vestige.correspondence.grids import Cells, Grid, Grids
from vestige.correspondence.instances import Instances
from vestige.correspondence.neighbours import Neighbours
from vestige.geometry import Points
from vestige.kept import KEEP_NOTHING, Arrays, Kept

Progress = Callable[[int, int], None]
"""Told (pairs done, pairs in all)."""

_BLOCK = 8
"""Instances whose neighbours are aligned between two words of progress."""


@dataclass(frozen=True)
class Landings:
    """Where the keypoints of k neighbours land in each of N instances.

    Attributes:
        points: ``(N, k, K, 2)`` in unit coordinates of the instance's box; NaN where a neighbour does not show one.
        deformation: ``(N, k)``: the smoothness term of each flow's energy; infinite where there is no neighbour.
    """

    points: NDArray[np.float32]
    deformation: NDArray[np.float64]


@dataclass(frozen=True)
class Aligner:
    """Aligns neighbours with instances by one kind of grid.

    Attributes:
        sources: of the instances.
        targets: of those that neighbours are among.
        neighbours: of the instances.
        others: the instances that neighbours are among.
        beta: of the deformation.
        tolerance: of the energy.
    """

    sources: Grids
    targets: Grids
    neighbours: Neighbours
    others: Instances
    beta: float
    tolerance: float

    def land(self, rows: Sequence[int], workers: int = 1) -> Landings:
        """Align all neighbours of some instances: all pairs at once, in threads.

        Args:
            rows: which instances.
            workers: threads; the result does not depend on them.
        """
        k, count = self.neighbours.rows.shape[1], self.others.unit.shape[1]
        points = np.full((len(rows), k, count, 2), np.nan, dtype=np.float32)
        deformation = np.full((len(rows), k), np.inf)
        sources = {row: self.sources.read(row) for row in rows}
        pairs = [(i, j) for i, row in enumerate(rows) for j in range(len(self.neighbours.of(row)))]

        def one(pair: tuple[int, int]) -> None:
            i, j = pair
            other = int(self.neighbours.rows[rows[i], j])
            field = self.field(sources[rows[i]], other)
            seen = self.others.visible[other]
            points[i, j, seen] = carried(field, self.sources.cells, self.others.unit[other, seen])
            deformation[i, j] = flow.deformation(field, self.beta)

        with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:  # else threads wait for threads
            list(pool.map(one, pairs))
        return Landings(points, deformation)

    def land_all(
        self, rows: Sequence[int], workers: int = 1, kept: Kept = KEEP_NOTHING, progress: Progress | None = None
    ) -> Landings:
        """As :meth:`land`, some instances at a time.

        Args:
            rows: which instances.
            workers: threads.
            kept: where to keep what is done.
            progress: told about every few instances.
        """
        found: list[Arrays] = []
        told = progress or (lambda _done, _total: None)
        pairs = np.concatenate([[0], np.cumsum([len(self.neighbours.of(row)) for row in rows])]).tolist()
        told(0, pairs[-1])
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            found.append(kept.get(self._made_from(some), partial(self._arrays, some, workers)))
            told(pairs[start + len(some)], pairs[-1])
        return Landings(*(np.concatenate([arrays[name] for arrays in found]) for name in ("points", "deformation")))

    def _arrays(self, rows: Sequence[int], workers: int) -> Arrays:
        landed = self.land(rows, workers)
        return {"points": landed.points, "deformation": landed.deformation}

    def _made_from(self, rows: Sequence[int]) -> str:
        """A text that changes whenever the landings of some instances would."""
        others = self.neighbours.rows[list(rows)]
        numbers = hashlib.sha256(others.tobytes())
        numbers.update(self.others.unit[others].tobytes() + self.others.visible[others].tobytes())
        parts = (self.sources.key, self.targets.key, self.beta, self.tolerance, [*rows], numbers.hexdigest())
        return repr(parts)

    def field(self, source: Grid, other: int) -> flow.Field:
        """The flow from an instance's grid to that of one of the others."""
        return flow.align(source, self.targets.read(other), self.beta, tolerance=self.tolerance)[0]


def carried(field: flow.Field, cells: Cells, unit: Points) -> Points:
    """Where keypoints ``(m, 2)`` of a target land by a field ``(H, W, 2)``, in unit coordinates of their boxes."""
    height, width = cells.size
    scale = np.array([width, height], dtype=np.float64)
    dense = flow.interpolate(field, cells.stride, cells.centre, cells.size)
    return flow.transfer(dense, unit * scale) / scale


def agreed(points: NDArray[np.floating], order: NDArray[np.intp], first: int) -> Points:
    """The coordinate-wise median of the first neighbours that show a keypoint.

    Args:
        points: ``(N, k, K, 2)``, NaN where a neighbour does not show it.
        order: ``(N, k)``: the neighbours of each instance, those to be asked first.
        first: of how many to take the median.

    Returns:
        ``(N, K, 2)``; NaN where no neighbour shows a keypoint.
    """
    ordered = np.take_along_axis(points.astype(np.float64), order[:, :, None, None], axis=1)
    shown = np.isfinite(ordered).all(axis=-1)
    among = shown & (np.cumsum(shown, axis=1) <= first)
    chosen = np.where(among[..., None], ordered, np.inf)  # so that they come last when sorted
    count = among.sum(axis=1)[:, None, :, None]
    chosen = np.sort(chosen, axis=1)
    low = np.take_along_axis(chosen, np.maximum(count - 1, 0) // 2, axis=1)
    high = np.take_along_axis(chosen, np.maximum(count, 1) // 2, axis=1)
    median: Points = np.where(count > 0, (low + high) / 2, np.nan)[:, 0]
    return median
