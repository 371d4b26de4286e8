"""Features and targets to fitted probes: where the store and the ridge engine meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vestige.features.store import Features
from vestige.probes.engine.linear import LinearProbe, Source, l2_normalise
from vestige.ridge import Moments, fit_rows
from vestige.ridge.plan import ProblemSize, choose_form
from vestige.ridge.rows import Chunk
from vestige.stopwatch import timing

if TYPE_CHECKING:
    from vestige.cluster.cluster import Cluster

FOLDS = 4
"""The paper's four-fold cross-validation."""

IN_MEMORY = 2 * 2**30
"""Bytes of features up to which they are read whole; larger ones stay on disk and are read in blocks."""

_BLOCK = 512


@dataclass(frozen=True)
class ChosenRows:
    """Some rows of stored features, in a chosen order; slices like a ``(m, d)`` array and stays on disk till then.

    Attributes:
        features: the store.
        rows: ``(m,)``.
    """

    features: Features
    rows: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and numbers per row."""
        return len(self.rows), self.features.shape[1]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        rows, columns = index if isinstance(index, tuple) else (index, slice(None))
        return self.features[self.rows[rows], columns]


Stored = Features | ChosenRows


@dataclass(frozen=True)
class Fit:
    """A fitted probe and what its training showed.

    Attributes:
        probe: the probe, fitted on all rows.
        oof: ``(V, t)`` out-of-fold predictions, float32: each row by the fit that did not see its fold.
        alphas: the grid that was searched.
        chosen: the least, the median and the largest of the targets' alphas.
        at_boundary: the share of targets whose alpha sits on the grid's edge.
        form: ``primal`` or ``dual``.
        uncertain: how many targets' alphas rounding may have decided.
    """

    probe: LinearProbe
    oof: NDArray[np.float32]
    alphas: tuple[float, ...]
    chosen: tuple[float, float, float]
    at_boundary: float
    form: str
    uncertain: int


def fit_probe(
    features: Stored,
    source: Source,
    targets: NDArray[np.floating[Any]],
    mask: NDArray[np.bool_] | None,
    folds: NDArray[np.intp],
    *,
    normalise: bool = True,
    shared: bool = False,
    cluster: Cluster | None = None,
) -> Fit:
    """Ridge from features to targets, alpha by cross-validation over the folds.

    Args:
        features: of V crops.
        source: where they come from.
        targets: ``(V, t)``.
        mask: ``(V, t)``: which targets are known; None for all.
        folds: ``(V,)``.
        normalise: L2-normalise the features first.
        shared: whether all targets share one alpha, that of the least sum of their errors; else each has its own.
        cluster: whose workers each read some of the rows, where there are many (:func:`rows_shared_out`).
    """
    spread = partial(_spread, cluster) if cluster is not None and rows_shared_out(features, targets) else None
    solution = fit_rows(
        _rows(features, normalise),
        targets,
        folds,
        per_target=not shared,
        mask=None if mask is None or mask.all() else mask,
        return_oof=True,
        spread=spread,
    )
    assert solution.oof is not None
    return Fit(
        LinearProbe(source, solution.coef.astype(np.float32, copy=False), solution.intercept, normalise),
        solution.oof.astype(np.float32, copy=False),
        tuple(solution.alphas.tolist()),
        tuple(np.quantile(solution.alpha, [0.0, 0.5, 1.0], method="nearest").tolist()),
        float(solution.at_boundary),
        solution.form,
        int(solution.uncertain.sum()),
    )


def rows_shared_out(features: Stored, targets: NDArray[np.floating[Any]]) -> bool:
    """Whether the workers of a cluster share one fit's rows, and not fits: rows stay on disk, and are added up."""
    (n, d), t = features.shape, targets.shape[1]
    return not _held(features) and choose_form(ProblemSize(n, d, t, FOLDS)) == "primal"


def _spread(
    cluster: Cluster, gather: Callable[[Iterable[Chunk]], Moments], shards: Sequence[Iterable[Chunk]]
) -> Moments:
    return cluster.merged(gather, [(shard,) for shard in shards], Moments.merge)


def _held(features: Stored) -> bool:
    """Whether rows are read whole into memory."""
    return 4 * features.shape[0] * features.shape[1] <= IN_MEMORY


class UnitRows:
    """Stored features with every row divided by its Euclidean norm as it is read; slices like a ``(n, d)`` array."""

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, features: Stored) -> None:
        self._features = features
        self.shape = features.shape

    @cached_property
    def _scale(self) -> NDArray[np.float32]:
        """``(n,)``: what rows are multiplied by. Rows that are read whole need none of the others'."""
        return np.concatenate([_scale(self._features[i : i + _BLOCK]) for i in range(0, len(self), _BLOCK)])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._features[index]
        if isinstance(index, tuple):
            return found * self._scale[index[0]][..., None]
        return found * _scale(found)[..., None]


def _scale(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms: NDArray[np.float32] = np.linalg.norm(rows, axis=-1)
    return np.divide(np.float32(1), norms, out=np.zeros_like(norms), where=norms > 0)


@timing("read")
def _rows(features: Stored, normalise: bool) -> Stored | UnitRows | NDArray[np.float32]:
    """The features as the ridge engine reads them: in memory where they fit, else from disk."""
    if not _held(features):
        return UnitRows(features) if normalise else features
    rows = features[:]
    if normalise:
        for start in range(0, len(rows), _BLOCK):  # in place: the rows are held once
            rows[start : start + _BLOCK] = l2_normalise(rows[start : start + _BLOCK])
    return rows


def describe_fits(fits: Sequence[Fit]) -> dict[str, Any]:
    """What the fits of one probe chose, for results.json: of several, over the targets of all."""
    targets = [len(fit.probe.intercept) for fit in fits]
    lowest, medians, highest = zip(*(fit.chosen for fit in fits), strict=True)
    return {
        "alphas": sorted({alpha for fit in fits for alpha in fit.alphas}) if len(fits) > 1 else list(fits[0].alphas),
        "chosen": [min(lowest), float(np.median(medians)), max(highest)],
        "at_boundary": sum(round(fit.at_boundary * n) for fit, n in zip(fits, targets, strict=True)) / sum(targets),
        "form": " and ".join(sorted({fit.form for fit in fits})),
        "uncertain": sum(fit.uncertain for fit in fits),
    }
