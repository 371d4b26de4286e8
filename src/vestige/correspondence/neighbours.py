"""Nearest neighbours of instances among those of the same class, by a layer that sees the whole of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """The nearest of M others for each of N instances, the nearest first.

    Attributes:
        rows: ``(N, k)`` rows of the others; -1 where there are fewer than k.
        similarity: ``(N, k)`` cosines; NaN where there is no row.
    """

    rows: NDArray[np.intp]
    similarity: NDArray[np.float64]

    def of(self, row: int) -> NDArray[np.intp]:
        """The rows of one instance's neighbours, those that there are."""
        rows: NDArray[np.intp] = self.rows[row]
        return rows[rows >= 0]


def nearest(
    queries: Vectors,
    others: Vectors,
    query_classes: NDArray[np.str_],
    classes: NDArray[np.str_],
    k: int,
    *,
    query_groups: NDArray[np.str_] | None = None,
    groups: NDArray[np.str_] | None = None,
) -> Neighbours:
    """The k most similar others of the same class, by the cosine of their vectors; exact.

    Args:
        queries: ``(N, d)``.
        others: ``(M, d)``.
        query_classes: ``(N,)``.
        classes: ``(M,)``.
        k: how many.
        query_groups: ``(N,)``; where given, others of the same group are passed over.
        groups: ``(M,)``, likewise.

    Returns:
        the neighbours; of equally similar ones, that of the lower row comes first.
    """
    rows = np.full((len(queries), k), -1, dtype=np.intp)
    similarity = np.full((len(queries), k), np.nan)
    for name in np.unique(query_classes):
        asking, known = np.flatnonzero(query_classes == name), np.flatnonzero(classes == name)
        cosines = _unit(queries[asking]) @ _unit(others[known]).T
        if query_groups is not None and groups is not None:
            cosines[query_groups[asking, None] == groups[None, known]] = -np.inf
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(cosines, order, axis=1)
        count = order.shape[1]
        rows[asking, :count] = np.where(np.isfinite(found), known[order], -1)
        similarity[asking, :count] = np.where(np.isfinite(found), found, np.nan)
    return Neighbours(rows, similarity)


def _unit(vectors: Vectors) -> NDArray[np.float64]:
    """Vectors of length 1, in float64: cosines of near copies differ in digits that float32 has not."""
    exact = vectors.astype(np.float64)
    unit: NDArray[np.float64] = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-30)
    return unit
