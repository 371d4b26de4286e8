"""Masks to targets: how much of each cell of a grid each class covers, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.intervals import Floats
from vestige.probes.engine.views import Views

Labels = NDArray[np.uint8]
"""``(H, W)``: 0 to C - 1 for the classes that count, :data:`VOID` elsewhere."""

VOID = 255
"""The label of pixels that count for nothing."""


@dataclass(frozen=True)
class LabelTable:
    """What a data set's mask values are to a segmentation: the classes that count, in the order of their values.

    Attributes:
        classes: the data set's, by mask value.
        void: the value of pixels that count for nothing, or None; 255 always means it.
    """

    classes: tuple[str, ...]
    void: int | None

    @property
    def values(self) -> tuple[int, ...]:
        """``(C,)``: the mask values of the classes that count."""
        return tuple(k for k in range(len(self.classes)) if k not in (self.void, VOID))

    @property
    def names(self) -> tuple[str, ...]:
        """``(C,)``: their names."""
        return tuple(self.classes[k] for k in self.values)

    def labels(self, example: Example) -> Labels:
        """An example's mask as labels ``(H, W)``.

        Raises:
            VestigeError: where it has none, the mask cannot be read, or it holds a value that is no class.
        """
        if example.mask is None:
            raise VestigeError(f"{example.id}: has no mask; segmentation needs a class for every pixel")
        mask = example.mask.read()
        wrong = np.setdiff1d(mask, [*range(len(self.classes)), VOID, *([] if self.void is None else [self.void])])
        if len(wrong):
            raise VestigeError(
                f"{example.id}: its mask holds the value {wrong[0]}; expected 0 to {len(self.classes) - 1}, or 255"
            )
        table = np.full(256, VOID, np.uint8)
        table[list(self.values)] = np.arange(len(self.values))
        labels: Labels = table[mask]
        return labels


@dataclass(frozen=True)
class ClassAreas:
    """A mask as its classes' areas above and to the left of every pixel corner.

    The area to the left of and above any point is linear in x and in y between corners, so that areas of boxes with
    fractional corners are exact.

    Attributes:
        present: ``(P,)``: the labels that occur, void left out.
        sums: ``(P, H + 1, W + 1)`` pixels.
    """

    present: NDArray[np.uint8]
    sums: Floats

    @classmethod
    def of(cls, labels: Labels) -> ClassAreas:
        """Of a mask."""
        present = np.unique(labels[labels != VOID])
        sums = np.zeros((len(present), labels.shape[0] + 1, labels.shape[1] + 1))
        for k, label in enumerate(present):
            np.cumsum(np.cumsum(labels == label, axis=0), axis=1, out=sums[k, 1:, 1:])
        return cls(present, sums)

    def fractions(self, box: ArrayLike, grid: int, n_classes: int) -> NDArray[np.float32]:
        """The share of each cell that each class covers.

        Args:
            box: ``(4,)`` in pixels, cut into ``grid x grid`` cells; what lies outside the picture is void.
            grid: cells a side.
            n_classes: C.

        Returns:
            ``(grid, grid, C)`` in [0, 1], in the order (y, x, class); the classes of a cell add up to 1 less its void.
        """
        x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
        steps = np.arange(grid + 1) / grid
        at = _between(_between(self.sums, 1, y0 + (y1 - y0) * steps), 2, x0 + (x1 - x0) * steps)
        areas = np.diff(np.diff(at, axis=1), axis=2) * (grid * grid / ((x1 - x0) * (y1 - y0)))
        fractions = np.zeros((grid, grid, n_classes), np.float32)
        fractions[..., self.present] = np.clip(areas, 0.0, 1.0).transpose(1, 2, 0)
        return fractions


def _between(values: Floats, axis: int, at: Floats) -> Floats:
    """Values at places between whole numbers along an axis, linearly; beyond the ends, the end's."""
    last = values.shape[axis] - 1
    at = np.clip(at, 0, last)
    low = np.minimum(at.astype(np.intp), last - 1)
    share = (at - low).reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    between: Floats = np.take(values, low, axis) * (1 - share) + np.take(values, low + 1, axis) * share
    return between


def view_fractions(views: Views, table: LabelTable, grid: int) -> NDArray[np.float32]:
    """The class shares of every view's cells: ``(V, grid * grid * C)`` in the order (y, x, class).

    Every mask is read once, by one of several threads, and its views' targets are written where they belong.
    """
    n = len(table.values)
    values = np.empty((len(views), grid * grid * n), np.float32)

    def fill(own: range) -> None:
        areas = ClassAreas.of(table.labels(views.examples[views.rows[own[0]]]))
        for view in own:
            fractions = areas.fractions(views.boxes[view], grid, n)
            values[view] = (fractions[:, ::-1] if views.mirrored[view] else fractions).ravel()

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, _by_example(views)):
            pass
    return values


def _by_example(views: Views) -> Iterator[range]:
    """The views of each example; they stand side by side."""
    starts = first_views(views)
    for start, stop in zip(starts, [*starts[1:], len(views)], strict=True):
        yield range(int(start), int(stop))


def first_views(views: Views) -> NDArray[np.intp]:
    """The first view of each example."""
    return np.flatnonzero(np.diff(views.rows, prepend=-1))


def majority(fractions: NDArray[np.float32]) -> NDArray[np.intp]:
    """The class that covers most of each cell, ``(..., C) -> (...)``; -1 where more of it is void than any class."""
    most = fractions.max(axis=-1)
    void = 1 - fractions.sum(axis=-1)
    return np.where((most > 0) & (most >= void - 1e-6), fractions.argmax(axis=-1), -1)  # 1e-6: float32's rounding
