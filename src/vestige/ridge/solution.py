"""What a ridge fit gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.ridge.checks import ArrayLike, RidgeError

Form = Literal["primal", "dual"]
_ROWS = 4096


@dataclass(frozen=True)
class RidgeSolution:
    """Ridge of t targets on d features, each with the alpha that cross-validation chose.

    Attributes:
        coef: (t, d) coefficients, float32 or float64; a memory map if a path was asked for.
        intercept: (t,) float64; zeros without an intercept.
        alpha: (t,) the chosen alpha of every target, eq. 2's lambda.
        alphas: (A,) all alphas that were tried; ascending if the grid was automatic.
        scores: (A, t) mean over folds of the (weighted) validation mean squared error. NaN for a target without a
            usable fold, and at alphas to which the automatic grid was widened for other targets.
        at_boundary: share of the targets whose alpha is the smallest or largest that was tried.
        form: "primal" (d x d) or "dual" (n x n).
        uncertain: (t,) True where rounding may have decided the alpha: scores tie within the error of the
            moments, or the residual is small beside it. Refit with rows, or in float64, to settle them.
        oof: (n, t) out-of-fold predictions of all rows at the chosen alphas, if asked for.
    """

    coef: npt.NDArray[Any]
    intercept: npt.NDArray[np.float64]
    alpha: npt.NDArray[np.float64]
    alphas: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    at_boundary: float
    form: Form
    uncertain: npt.NDArray[np.bool_]
    oof: npt.NDArray[Any] | None = None

    def predict(self, X: ArrayLike) -> npt.NDArray[Any]:
        """Predictions (n, t) for rows ``X`` (n, d), in the dtype of ``coef``; read in blocks of rows."""
        if len(X.shape) != 2 or X.shape[1] != self.coef.shape[1]:
            raise RidgeError(f"X has shape {tuple(X.shape)}; expected (rows, {self.coef.shape[1]}), as in the fit")
        out = np.empty((X.shape[0], len(self.coef)), self.coef.dtype)
        for start in range(0, X.shape[0], _ROWS):
            rows = np.asarray(X[start : start + _ROWS]).astype(self.coef.dtype, copy=False)
            np.matmul(rows, self.coef.T, out=out[start : start + _ROWS])
            out[start : start + _ROWS] += self.intercept
        return out


def beside(parts: list[RidgeSolution], coef: npt.NDArray[Any], oof: npt.NDArray[Any] | None) -> RidgeSolution:
    """The solution of all targets from those of blocks of them, whose ``coef`` and ``oof`` are parts of the given."""
    if len(parts) == 1:
        return replace(parts[0], coef=coef, oof=oof)
    same = all(np.array_equal(part.alphas, parts[0].alphas) for part in parts)
    alphas = parts[0].alphas if same else np.unique(np.concatenate([part.alphas for part in parts]))
    columns = []
    for part in parts:
        scores = np.full((len(alphas), len(part.alpha)), np.nan)
        scores[slice(None) if same else np.searchsorted(alphas, part.alphas)] = part.scores
        columns.append(scores)
    return RidgeSolution(
        coef=coef,
        intercept=np.concatenate([part.intercept for part in parts]),
        alpha=np.concatenate([part.alpha for part in parts]),
        alphas=alphas,
        scores=np.concatenate(columns, axis=1),
        at_boundary=sum(part.at_boundary * len(part.alpha) for part in parts) / len(coef),
        form=parts[0].form,
        uncertain=np.concatenate([part.uncertain for part in parts]),
        oof=oof,
    )
