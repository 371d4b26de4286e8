"""The rows of a fit: in memory, on disk, or as a stream of chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from vestige.ridge._linalg import to_numpy
from vestige.ridge.checks import ArrayLike, RidgeError

Chunk: TypeAlias = tuple[Any, Any, Any, Any, Any]
"""X (n, d), Y (n, t), fold (n,), sample_weight (n,) or None, mask (n, t) or None."""

SHARD_ROWS = 65536
"""Rows of a part whose moments are gathered by one worker, where there are several: so many that it takes far longer
than to send the sums and add them up."""


@dataclass(frozen=True)
class FitRows:
    """X (n, d), which may lie on disk, Y (n, t), fold labels (n,), weights w (n,), and a mask seen (n, t) or None."""

    X: ArrayLike
    Y: Tensor
    labels: npt.NDArray[np.int64]
    w: Tensor
    seen: Tensor | None

    @cached_property
    def groups(self) -> list[npt.NDArray[np.int64]]:
        """The targets, grouped by equal mask."""
        if self.seen is None:
            return [np.arange(self.Y.shape[1])]
        packed = np.packbits(to_numpy(self.seen), axis=0).T
        labels = np.unique(packed, axis=0, return_inverse=True)[1].reshape(-1)
        return [np.flatnonzero(labels == g) for g in range(labels.max() + 1)]

    def shards(self) -> list[FitRows]:
        """The rows in parts, of which X is read by whoever has the part, if it lies on disk."""
        return [self._part(a, min(a + SHARD_ROWS, len(self.labels))) for a in range(0, len(self.labels), SHARD_ROWS)]

    def _part(self, first: int, last: int) -> FitRows:
        here = slice(first, last)
        X = self.X[here] if in_memory(self.X) else _RowRange(self.X, first)
        # copies: a part that is sent elsewhere would take all rows with it
        Y, w = self.Y[here].clone(), self.w[here].clone()
        return FitRows(X, Y, self.labels[here], w, None if self.seen is None else self.seen[here].clone())


@dataclass(frozen=True)
class _RowRange:
    """Rows of an array on disk from ``first`` on."""

    X: ArrayLike
    first: int

    def __getitem__(self, rows: slice) -> ArrayLike:
        return self.X[self.first + rows.start : self.first + rows.stop]


def in_memory(X: ArrayLike) -> bool:
    """Whether single rows of X can be picked."""
    return isinstance(X, np.ndarray | Tensor) and not isinstance(X, np.memmap)


def take(X: ArrayLike, rows: npt.NDArray[np.int64]) -> ArrayLike:
    """The rows (ascending) of X."""
    return X.oindex[rows] if hasattr(X, "oindex") else X[rows]


def chunks_of(data: FitRows, size: int) -> Iterator[Chunk]:
    """The data in chunks of at most ``size`` rows: of one fold each if X is in memory, and else in their order."""
    order = np.argsort(data.labels, kind="stable") if in_memory(data.X) else np.arange(len(data.labels))
    starts = np.flatnonzero(np.diff(data.labels[order], prepend=-1)) if in_memory(data.X) else np.array([0])
    for a, b in zip(starts, [*starts[1:], len(order)], strict=True):
        for first in range(int(a), int(b), size):
            rows = order[first : min(first + size, int(b))]
            gapless = rows[-1] - rows[0] + 1 == len(rows)
            at: Any = slice(int(rows[0]), int(rows[-1]) + 1) if gapless else rows
            seen = None if data.seen is None else data.seen[at]
            yield data.X[at], data.Y[at], data.labels[at], data.w[at], seen


def rechunked(chunks: Iterable[Any], size: int) -> Iterator[Chunk]:
    """The chunks, small ones joined until they have ``size`` rows or more: a large product is a fast one."""
    held: list[Chunk] = []
    for number, chunk in enumerate(chunks):
        whole = _complete(chunk, number)
        if not len(whole[0]):
            continue
        if held and sum(len(part[0]) for part in held) + len(whole[0]) > size:
            yield _joined(held)
        held.append(whole)
        del chunk, whole  # only one copy of the rows is to live on while the next ones are read
    if held:
        yield _joined(held)


def _joined(held: list[Chunk]) -> Chunk:
    """One chunk of the held ones, which are released."""
    whole = join(held)
    held.clear()
    return whole


def _complete(chunk: Any, number: int) -> Chunk:
    if not isinstance(chunk, tuple | list) or not 3 <= len(chunk) <= 5:
        raise RidgeError(f"chunk {number}: expected (X, Y, fold), and then, if needed, sample_weight and mask")
    x, y, fold, weight, mask = (None if part is None else np.asarray(part) for part in (*chunk, None, None)[:5])
    assert x is not None
    assert y is not None
    n = len(x)
    y = y[:, None] if y.ndim == 1 else y
    if x.ndim != 2 or y.ndim != 2 or len(y) != n:
        raise RidgeError(f"chunk {number}: X has shape {x.shape}, Y {y.shape}; expected (n, d) and (n, t)")
    for name, part in (("fold", fold), ("sample_weight", weight), ("mask", mask)):
        if part is not None and part.ndim and len(part) != n:
            raise RidgeError(f"chunk {number}: {name} has {len(part)} rows, X has {n}")
    return x, y, np.broadcast_to(fold, (n,)) if fold is not None and fold.ndim == 0 else fold, weight, mask


def join(chunks: list[Chunk]) -> Chunk:
    """One chunk of all rows."""
    if len(chunks) == 1:
        return chunks[0]
    x, y, fold = (np.concatenate([chunk[i] for chunk in chunks]) for i in range(3))
    weight = mask = None
    if any(chunk[3] is not None for chunk in chunks):
        parts = [(1.0 if c[3] is None else c[3], len(c[0])) for c in chunks]
        weight = np.concatenate([np.broadcast_to(w, n) for w, n in parts])
    if any(chunk[4] is not None for chunk in chunks):
        mask = np.concatenate([np.ones(c[1].shape, bool) if c[4] is None else c[4] for c in chunks])
    return x, y, fold, weight, mask
