"""Features and targets to fitted probes: where the store and the ridge engine meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.features.store import Features
from vestige.probes.linear import LinearProbe, Source, l2_normalise
from vestige.ridge import fit_rows

FOLDS = 4
"""The paper's four-fold cross-validation."""


@dataclass(frozen=True)
class Fit:
    """A fitted probe and what its training told.

    Attributes:
        probe: the probe, fitted on all rows.
        oof: ``(V, t)`` out-of-fold predictions: each row by the fit that did not see its fold.
        alphas: the grid that was searched.
        at_boundary: the share of targets whose alpha sits on the grid's edge.
        form: ``primal`` or ``dual``.
    """

    probe: LinearProbe
    oof: NDArray[np.float64]
    alphas: tuple[float, ...]
    at_boundary: float
    form: str


def fit_probe(
    features: Features,
    source: Source,
    targets: NDArray[np.float64],
    mask: NDArray[np.bool_],
    folds: NDArray[np.intp],
    *,
    normalise: bool = True,
) -> Fit:
    """Ridge from features to targets, alpha for every target by cross-validation over the folds.

    Args:
        features: of V crops.
        source: where they come from.
        targets: ``(V, t)``.
        mask: ``(V, t)``: which targets are known.
        folds: ``(V,)``.
        normalise: L2-normalise the features first.
    """
    rows = features.read()
    solution = fit_rows(
        l2_normalise(rows) if normalise else rows,
        targets,
        folds,
        mask=None if mask.all() else mask,
        return_oof=True,
    )
    assert solution.oof is not None
    return Fit(
        LinearProbe(source, solution.coef.astype(np.float32), solution.intercept, normalise),
        solution.oof.astype(np.float64),
        tuple(float(alpha) for alpha in solution.alphas),
        float(solution.at_boundary),
        solution.form,
    )
