"""Where detectors look: every cell of an instance's grid, described by the features around it, and which are examples.

Section 5 of the paper: boxes are resized to 500 x 500; a candidate of a network is a cell with its neighbours
(3 x 3), of dense SIFT a single descriptor. Rows of candidates go through instances, and through the cells of each
row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.correspondence.grids import Cells
from vestige.correspondence.sift import sift
from vestige.correspondence.svm import Solution
from vestige.features.store import Features
from vestige.geometry import Points
from vestige.images import Crop

GridArrays = NDArray[np.float32]
"""``(b, C, H, W)``."""

TOGETHER = 16
"""Instances whose candidates are scored at a time."""


class GridSource(Protocol):
    """The grids of a series of instances."""

    def __len__(self) -> int: ...

    def read(self, instances: Sequence[int]) -> GridArrays:
        """The grids of some instances."""
        ...


@dataclass(frozen=True)
class StoredGrids:
    """A layer's grids, from features stored as ``(N, C H W)``; ``rows`` of them, in that order."""

    features: Features
    shape: tuple[int, int]
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, instances: Sequence[int]) -> GridArrays:
        """The grids of some instances."""
        values = self.features[self.rows[list(instances)]]
        return values.reshape(len(instances), -1, *self.shape)


@dataclass(frozen=True)
class DenseSift:
    """SIFT descriptors of length 1 at the places of cells, a byte a number until they are read: ``(N, H, W, 128)``."""

    descriptors: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.descriptors)

    def read(self, instances: Sequence[int]) -> GridArrays:
        """The grids of some instances."""
        values = self.descriptors[list(instances)].astype(np.float32)
        length = np.linalg.norm(values, axis=-1, keepdims=True)
        values = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


@dataclass(frozen=True)
class Subset:
    """Some instances of a series."""

    grids: GridSource
    instances: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.instances)

    def read(self, instances: Sequence[int]) -> GridArrays:
        """The grids of some of them."""
        return self.grids.read(self.instances[list(instances)].tolist())


def dense_cells(size: int, step: int) -> Cells:
    """The places of dense descriptors on a square: every ``step`` pixels, as far from one edge as from the other."""
    count = size // step
    first = (size - (count - 1) * step) / 2
    return Cells((count, count), (float(step), float(step)), (first, first), (size, size))


def dense_sift(crops: Sequence[Crop], cells: Cells, radius: float, interpolation: str) -> Iterator[NDArray[np.uint8]]:
    """The descriptors ``(H, W, 128)`` of each crop."""
    places = cells.places()
    for crop in crops:
        yield sift(crop.pixels(cells.size, interpolation), places, radius)


@dataclass(frozen=True)
class Candidates:
    """The candidates of N instances.

    Attributes:
        grids: of the instances.
        cells: where they stand.
        reach: how many neighbours on every side belong to a candidate: 1 for 3 x 3. Outside the grid there are zeros.
        scale: by which features are multiplied.
    """

    grids: GridSource
    cells: Cells
    reach: int
    scale: float = 1.0

    @property
    def each(self) -> int:
        """Candidates of an instance."""
        return self.cells.shape[0] * self.cells.shape[1]

    def __len__(self) -> int:
        return len(self.grids) * self.each

    @property
    def dims(self) -> int:
        """Numbers of a vector."""
        return int(self.grids.read([0]).shape[1]) * self.side**2

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors ``(m, C (2 reach + 1)^2)`` of some candidates, each channel's window side by side."""
        instance, cell = np.divmod(rows, self.each)
        y, x = np.divmod(cell, self.cells.shape[1])
        found: NDArray[np.float32] | None = None
        for first in np.unique(instance // TOGETHER) * TOGETHER:
            here = np.flatnonzero((first <= instance) & (instance < first + TOGETHER))
            known = np.unique(instance[here])
            padded = self._padded(known.tolist())
            windows = np.lib.stride_tricks.sliding_window_view(padded, (self.side, self.side), axis=(2, 3))
            picked = windows[np.searchsorted(known, instance[here]), :, y[here], x[here]].reshape(len(here), -1)
            if found is None:
                found = np.empty((len(rows), picked.shape[1]), dtype=np.float32)
            found[here] = picked
        assert found is not None, "no rows"
        return found

    @property
    def side(self) -> int:
        """Cells along a window."""
        return 2 * self.reach + 1

    def scores(self, detectors: Sequence[Solution]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The scores of all candidates, some instances at a time: the first instance, and ``(b, each, J)``."""
        weights = torch.tensor(np.stack([each.weights for each in detectors]), dtype=torch.float32)
        bias = torch.tensor([each.intercept for each in detectors], dtype=torch.float32)
        kernel = weights.reshape(len(detectors), -1, self.side, self.side)
        for first in range(0, len(self.grids), TOGETHER):
            grids = torch.from_numpy(self._padded(range(first, min(first + TOGETHER, len(self.grids)))))
            with torch.inference_mode():
                scored = torch.nn.functional.conv2d(grids, kernel, bias)
            yield first, scored.flatten(2).transpose(1, 2).contiguous().numpy()

    def _padded(self, instances: Sequence[int]) -> GridArrays:
        """Scaled grids with zeros about them, ``(b, C, H + 2 reach, W + 2 reach)``."""
        around = (self.reach, self.reach)
        return np.pad(self.grids.read(instances) * np.float32(self.scale), ((0, 0), (0, 0), around, around))


_SAMPLED = 2000  # candidates


def unit_scale(candidates: Candidates, draw: np.random.Generator) -> float:
    """The scale at which vectors have a mean squared length of 1, by a sample: so that one C suits all features."""
    rows = np.sort(draw.choice(len(candidates), min(_SAMPLED, len(candidates)), replace=False))
    squared = float(np.square(candidates.vectors(rows).astype(np.float64)).sum(axis=1).mean())
    return candidates.scale / np.sqrt(squared) if squared > 0 else candidates.scale


@dataclass(frozen=True)
class Rule:
    """Which candidates are examples of a keypoint; distances in pixels of the square.

    Attributes:
        closest: so many nearest candidates are positive; 0 where ``within`` says.
        within: candidates up to this distance are positive, and in any case the nearest one.
        beyond: candidates are negative whose distance is at least this, along x or along y where ``square`` (the
            keypoint lies outside the candidate's field, whose sides are twice ``beyond``).
        square: see ``beyond``.
    """

    closest: int
    within: float
    beyond: tuple[float, float]
    square: bool


@dataclass(frozen=True)
class CandidateLabels:
    """Which candidates of N instances are examples of J keypoints.

    Attributes:
        places: ``(each, 2)``: of an instance's candidates, (x, y) in pixels of the square.
        points: ``(N, J, 2)``: the keypoints, in the same pixels.
        visible: ``(N, J)``; of an instance that does not show a keypoint no candidate is an example.
        rule: says which are.
    """

    places: Points
    points: Points
    visible: NDArray[np.bool_]
    rule: Rule

    def positive(self, keypoint: int) -> NDArray[np.int64]:
        """The rows of a keypoint's positive candidates, in order."""
        return self._positive[keypoint]

    @cached_property
    def _positive(self) -> tuple[NDArray[np.int64], ...]:
        return tuple(self._chosen(keypoint) for keypoint in range(self.points.shape[1]))

    def _chosen(self, keypoint: int) -> NDArray[np.int64]:
        rows = []
        for instance in np.flatnonzero(self.visible[:, keypoint]):
            distance = np.linalg.norm(self.places - self.points[instance, keypoint], axis=1)
            if self.rule.closest:
                near = np.argsort(distance, kind="stable")[: self.rule.closest]
            else:
                near = np.flatnonzero(distance <= max(self.rule.within, distance.min()))
            rows.append(np.sort(near) + instance * len(self.places))
        return np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)

    def negative(self, first: int, stop: int) -> NDArray[np.bool_]:
        """``(b, each, J)``: the negative candidates of some instances, of which none is positive."""
        offset = np.abs(self.places[:, None] - self.points[first:stop, None])
        if self.rule.square:
            outside = (offset >= np.array(self.rule.beyond)).any(axis=-1)
        else:
            outside = np.linalg.norm(offset, axis=-1) >= self.rule.beyond[0]
        negative: NDArray[np.bool_] = outside & self.visible[first:stop, None]
        for keypoint, rows in enumerate(self._positive):
            begin, end = np.searchsorted(rows, (first * len(self.places), stop * len(self.places)))
            instance, cell = np.divmod(rows[begin:end], len(self.places))
            negative[instance - first, cell, keypoint] = False
        return negative
