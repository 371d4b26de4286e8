"""Features and targets to fitted probes: where the store and the ridge engine meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.features.store import Features
from vestige.probes.engine.linear import LinearProbe, Source, l2_normalise
from vestige.ridge import fit_rows
from vestige.stopwatch import timing

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
    """
    solution = fit_rows(
        _rows(features, normalise),
        targets,
        folds,
        per_target=not shared,
        mask=None if mask is None or mask.all() else mask,
        return_oof=True,
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


class UnitRows:
    """Stored features with every row divided by its Euclidean norm as it is read; slices like a ``(n, d)`` array."""

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, features: Stored) -> None:
        self._features = features
        self.shape = features.shape
        blocks = (features[start : start + _BLOCK] for start in range(0, len(features), _BLOCK))
        norms = np.concatenate([np.linalg.norm(block, axis=1) for block in blocks])
        self._scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        rows = index[0] if isinstance(index, tuple) else index
        found: NDArray[np.float32] = self._features[index] * self._scale[rows][..., None]
        return found


@timing("read")
def _rows(features: Stored, normalise: bool) -> Stored | UnitRows | NDArray[np.float32]:
    """The features as the ridge engine reads them: in memory where they fit, else from disk."""
    if 4 * features.shape[0] * features.shape[1] > IN_MEMORY:
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
