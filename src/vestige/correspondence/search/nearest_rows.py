"""Exact nearest neighbours by cosine similarity, in one pass over rows that need not fit into memory.

A product of matrices in float32 only sifts: every row that could be among the k is scored again in float64, and that
decides. So the answer depends neither on how the rows are cut into blocks nor on the order in which a processor adds
up a product, and of rows that are equally similar the one that comes first is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vestige.devices import sent
from vestige.errors import VestigeError
from vestige.progress import Progress

Vectors = NDArray[np.float32]

FIRST_BLOCK = 16
"""Rows of the first block. Each next one has as many rows as came before it (up to a limit), so that of rows in any
order that chance could have given, about k of each block are scored again."""

PRODUCT = 1 << 25
"""So many numbers of a product of matrices at most are held at a time."""

_SCORED = 1 << 23  # numbers that are gathered at a time to be scored again


@dataclass(frozen=True)
class NearestRows:
    """The k nearest rows of m queries, nearest first.

    Attributes:
        rows: ``(m, k)``.
        similarity: ``(m, k)``: cosines.
    """

    rows: NDArray[np.int64]
    similarity: NDArray[np.float64]


def nearest_rows(
    queries: Vectors,
    read: Callable[[int, int], Vectors],
    n: int,
    k: int,
    *,
    excluded: NDArray[np.int64] | None = None,
    usable: NDArray[np.bool_] | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> NearestRows:
    """The k rows of largest cosine similarity to each query; exact.

    The similarity to a vector of zeros is 0.

    Args:
        queries: ``(m, C)``.
        read: from a first row and one past the last to those rows, ``(b, C)``.
        n: how many rows there are.
        k: how many to find.
        excluded: ``(m, 2)``: each query passes over the rows from the first to before the second number.
        usable: ``(n,)``: False for rows that no query may take; None where every row is allowed.
        device: of the products.
        progress: counts rows.

    Raises:
        VestigeError: where a query is left with fewer than k rows.
    """
    usable = np.ones(n, dtype=np.bool_) if usable is None else usable
    spans = np.zeros((len(queries), 2), dtype=np.int64) if excluded is None else np.asarray(excluded, dtype=np.int64)
    _check_enough(spans, usable, k)
    device = device or torch.device("cpu")
    best = _Best(np.asarray(queries, dtype=np.float32), k)
    unit = _unit(torch.from_numpy(best.queries).to(device))
    # of a float32 product of unit vectors, their own rounding included (Higham 2002, section 3.1)
    slack = (queries.shape[1] + 8) * 2.0**-24
    for start, stop in blocks(n, max(FIRST_BLOCK, k), max(1, PRODUCT // max(1, len(queries)))):
        rows = read(start, stop)
        cosines = unit @ _unit(sent(torch.from_numpy(rows), device)).T
        _pass_over(cosines, spans - start, usable[start:stop])
        limit = torch.from_numpy(best.similarity[:, -1] - slack).to(device, torch.float32)
        query, row = (index.cpu().numpy() for index in torch.nonzero(cosines >= limit[:, None], as_tuple=True))
        best.take(query, row, rows, start)
        if progress is not None:
            progress(stop, n)
    return NearestRows(best.rows, best.similarity)


def blocks(n: int, first: int, largest: int) -> Iterator[tuple[int, int]]:
    """Cut n rows: each block as large as all before it, from ``first`` up to ``largest``."""
    start = 0
    while start < n:
        stop = min(n, start + min(max(first, start), max(first, largest)))
        yield start, stop
        start = stop


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosines of pairs of rows, ``(p, C), (p, C) -> (p,)``; 0 where either is zeros."""
    product: NDArray[np.float64] = np.einsum("pc,pc->p", a, b)
    length: NDArray[np.float64] = np.sqrt(np.einsum("pc,pc->p", a, a) * np.einsum("pc,pc->p", b, b))
    cosines: NDArray[np.float64] = np.divide(product, length, out=np.zeros_like(product), where=length > 0)
    return cosines


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=1, eps=1e-30)


def _pass_over(cosines: Tensor, spans: NDArray[np.int64], usable: NDArray[np.bool_]) -> None:
    """Put NaN, which nothing is reached by, where a query may not have a row."""
    spans = np.clip(spans, 0, cosines.shape[1])
    for span in np.unique(spans[spans[:, 0] < spans[:, 1]], axis=0):
        own = torch.from_numpy(np.flatnonzero((spans == span).all(axis=1))).to(cosines.device)
        cosines[own, int(span[0]) : int(span[1])] = torch.nan
    if not usable.all():
        cosines[:, torch.from_numpy(np.flatnonzero(~usable)).to(cosines.device)] = torch.nan


def _check_enough(spans: NDArray[np.int64], usable: NDArray[np.bool_], k: int) -> None:
    if k < 1:
        raise VestigeError(f"k is {k}: expected at least one neighbour")
    before = np.concatenate([[0], np.cumsum(usable)])
    ends = np.clip(spans, 0, len(usable))
    left = before[-1] - (before[ends[:, 1]] - before[ends[:, 0]])
    if len(left) and left.min() < k:
        raise VestigeError(
            f"k is {k}, and there are only {left.min():,} patches to choose from beside the picture's own; "
            "ask for fewer neighbours, or give more data"
        )


class _Best:
    """The best rows so far of every query."""

    def __init__(self, queries: Vectors, k: int) -> None:
        self.queries = queries
        self.rows = np.full((len(queries), k), -1, dtype=np.int64)
        self.similarity = np.full((len(queries), k), -np.inf)

    def take(self, query: NDArray[np.int64], row: NDArray[np.int64], rows: Vectors, start: int) -> None:
        """Consider pairs ``(p,)`` of a query and a row of the block that begins at ``start``."""
        if not len(query):
            return
        touched, own = np.unique(query, return_inverse=True)
        k = self.rows.shape[1]
        similarity = np.concatenate([self.similarity[touched].ravel(), self._score(query, row, rows)])
        candidate = np.concatenate([self.rows[touched].ravel(), row + start])
        owner = np.concatenate([np.repeat(np.arange(len(touched)), k), own])
        order = np.lexsort((candidate, -similarity, owner))
        rank = np.arange(len(order)) - np.searchsorted(owner[order], owner[order])
        kept = order[rank < k].reshape(len(touched), k)
        self.rows[touched], self.similarity[touched] = candidate[kept], similarity[kept]

    def _score(self, query: NDArray[np.int64], row: NDArray[np.int64], rows: Vectors) -> NDArray[np.float64]:
        step = max(1, _SCORED // rows.shape[1])
        pieces = [slice(at, at + step) for at in range(0, len(query), step)]
        scored = [
            cosine(self.queries[query[piece]].astype(np.float64), rows[row[piece]].astype(np.float64))
            for piece in pieces
        ]
        return np.concatenate(scored)
