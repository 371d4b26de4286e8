"""Keypoints carried over from neighbours: each neighbour aligned with an instance, and what the neighbours agree on.

Section 3 of the paper: the instance whose keypoints are to be predicted is the source of the flow, its neighbours are
the targets. Neighbours are ordered by deformation energy, and a keypoint goes to the coordinate-wise median of where
the first five that show it put it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vestige.contract.session import Session
from vestige.correspondence.flow import flow
from vestige.correspondence.grids import Cells, Grid, Grids
from vestige.correspondence.instances import Instances
from vestige.correspondence.matched import Neighbours
from vestige.geometry import Points
from vestige.images import Pixels, crop_resize
from vestige.intervals import Floats
from vestige.partial_work import Arrays
from vestige.report.choosing import even_steps

_BLOCK = 8
"""Instances whose neighbours are aligned between two reports of progress."""

SHOWN = 8
"""Test instances that are shown, at even steps of the error."""

NEIGHBOURS = 5
"""Of each, the nearest."""

SIDE = 192
"""Pixels of a kept picture's side."""


@dataclass(frozen=True)
class Transferred:
    """Where the flows of k neighbours take their keypoints in each of N instances.

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

    def transfer(self, rows: Sequence[int], workers: int = 1) -> Transferred:
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
            points[i, j, seen] = transfer_points(field, self.sources.cells, self.others.unit[other, seen])
            deformation[i, j] = flow.deformation(field, self.beta)

        with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:  # else threads wait for threads
            list(pool.map(one, pairs))
        return Transferred(points, deformation)

    def transfer_all(self, rows: Sequence[int], session: Session) -> Transferred:
        """As :meth:`transfer`, some instances at a time.

        Args:
            rows: which instances.
            session: keeps what is done; it reports progress in pairs, every few instances.
        """
        found: list[Arrays] = []
        progress = session.counting("pairs")
        pairs = np.concatenate([[0], np.cumsum([len(self.neighbours.of(row)) for row in rows])]).tolist()
        progress(0, pairs[-1])
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            found.append(session.kept.get(self._made_from(some), partial(self._arrays, some, session.workers)))
            progress(pairs[start + len(some)], pairs[-1])
        return Transferred(*(np.concatenate([arrays[name] for arrays in found]) for name in ("points", "deformation")))

    def _arrays(self, rows: Sequence[int], workers: int) -> Arrays:
        found = self.transfer(rows, workers)
        return {"points": found.points, "deformation": found.deformation}

    def _made_from(self, rows: Sequence[int]) -> str:
        """A text that changes whenever what is transferred to some instances would."""
        others = self.neighbours.rows[list(rows)]
        numbers = hashlib.sha256(others.tobytes())
        numbers.update(self.others.unit[others].tobytes() + self.others.visible[others].tobytes())
        parts = (self.sources.key, self.targets.key, self.beta, self.tolerance, [*rows], numbers.hexdigest())
        return repr(parts)

    def field(self, source: Grid, other: int) -> flow.Field:
        """The flow from an instance's grid to that of one of the others."""
        return flow.align(source, self.targets.read(other), self.beta, tolerance=self.tolerance)[0]


def transfer_points(field: flow.Field, cells: Cells, unit: Points) -> Points:
    """Where a field ``(H, W, 2)`` takes keypoints ``(m, 2)`` of a target, in unit coordinates of their boxes."""
    height, width = cells.size
    scale = np.array([width, height], dtype=np.float64)
    dense = flow.interpolate(field, cells.stride, cells.centre, cells.size)
    return flow.transfer(dense, unit * scale) / scale


def gallery(
    test: Instances, train: Instances, aligners: Mapping[str, Aligner], error: Floats
) -> dict[str, NDArray[Any]]:
    """What a report shows of some test instances: S of them, with their M nearest neighbours.

    Args:
        test: the instances.
        train: those that neighbours are among.
        aligners: by method; all of the same neighbours.
        error: ``(N,)``: instances are taken at even steps of it, those without one never.

    Returns:
        ``picture_rows`` (S,) and ``pictures`` (S, side, side, 3); ``neighbour_pictures`` (S, M, side, side, 3),
        ``neighbour_rows`` (S, M), -1 where there are fewer, and ``neighbour_points`` (S, M, K, 2), in unit
        coordinates and NaN where not visible; by method ``warped/METHOD`` and ``landed/METHOD``, likewise.
    """
    rows = even_steps(error, SHOWN)
    size = (SIDE, SIDE)
    first = next(iter(aligners.values())).neighbours.rows[rows, :NEIGHBOURS]
    shape = (*first.shape, SIDE, SIDE, 3)
    points = np.where(train.visible[first][..., None], train.unit[first], np.nan)
    points[first < 0] = np.nan
    near = np.zeros(shape, np.uint8)
    warped = {method: np.zeros(shape, np.uint8) for method in aligners}
    landed = {method: np.full(points.shape, np.nan) for method in aligners}
    for place in zip(*np.nonzero(first >= 0), strict=True):
        other = int(first[place])
        near[place] = train.pixels(other, size)
        for method, aligner in aligners.items():
            warped[method][place], there = _warped(aligner, int(rows[place[0]]), other, train)
            landed[method][place][train.visible[other]] = there
    return {
        "picture_rows": rows,
        "pictures": np.stack([test.pixels(int(row), size) for row in rows]),
        "neighbour_rows": first,
        "neighbour_pictures": near,
        "neighbour_points": points.astype(np.float32),
        **{f"warped/{method}": pictures for method, pictures in warped.items()},
        **{f"landed/{method}": found.astype(np.float32) for method, found in landed.items()},
    }


def _warped(aligner: Aligner, row: int, other: int, train: Instances) -> tuple[Pixels, NDArray[np.float64]]:
    """A neighbour as the instance sees it, and where its keypoints land."""
    cells = aligner.sources.cells
    field = aligner.field(aligner.sources.read(row), other)
    dense = flow.interpolate(field, cells.stride, cells.centre, cells.size)
    seen = flow.warp(train.pixels(other, cells.size), dense)
    pixels = crop_resize(np.rint(seen).astype(np.uint8), None, (SIDE, SIDE), "bicubic")
    return pixels, transfer_points(field, cells, train.unit[other, train.visible[other]])
