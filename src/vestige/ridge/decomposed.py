"""Leaving out folds, and solving, by an eigendecomposition for each: for alphas too small for `halves`.

Zero, or so small that equations with it are singular to rounding: singular directions hold no part of a training
target, and are left out (`shrinkage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge._linalg import eigh, matmul
from vestige.ridge.halves import Equations
from vestige.ridge.spectrum import shrinkage


@dataclass(frozen=True)
class _Fit:
    """A fit to the rows T about their weighted mean, for any alpha.

    Attributes:
        T: (m,) its rows.
        S: (m,) eigenvalues of K_TT, times the roots of the weights.
        Ut: (m, m) eigenvectors as rows.
        share: (m,) the weights' shares, which make a mean.
    """

    equations: Equations
    T: Tensor
    S: Tensor
    Ut: Tensor
    share: Tensor

    @classmethod
    def to(cls, equations: Equations, rows: npt.NDArray[np.bool_]) -> _Fit:
        """The fit to those ``rows`` (n,) that are learnt from."""
        T = torch.from_numpy(np.flatnonzero(rows & equations.learnt)).to(equations.K.device)
        root = equations.root[T]
        share = root.square() / root.square().sum()
        inner = _about_mean(equations, T, T, share).mul_(root[:, None]).mul_(root)
        S, Ut = eigh(inner) if len(T) else (root, inner)
        return cls(equations, T, S.clamp(min=0), Ut, share)

    def coefficients(self, alpha: float, cols: Any) -> tuple[Tensor, Tensor]:
        """c times the roots of the weights (m, c), and the targets' mean (c,)."""
        e, root = self.equations, self.equations.root[self.T][:, None]
        y = e.Y[:, cols][self.T]
        mean = self.share @ y if e.intercept else torch.zeros_like(y[0])
        Z = matmul(self.Ut, (y - mean).mul_(root))
        shrink = shrinkage(self.S, torch.tensor([alpha], dtype=torch.float64, device=y.device))
        return matmul(self.Ut.T, Z * shrink.T).mul_(root), mean

    def residuals(self, V: Tensor, alpha: float, cols: Any) -> Tensor:
        """What is left over in the rows V (v, c); NaN where there are no rows T."""
        y = self.equations.Y[:, cols][V]
        if not len(self.T):
            return torch.full_like(y, torch.nan)
        a, mean = self.coefficients(alpha, cols)
        return (y - mean).sub_(matmul(_about_mean(self.equations, V, self.T, self.share), a))


def _about_mean(e: Equations, V: Tensor, T: Tensor, share: Tensor) -> Tensor:
    """K_VT (v, m) about the mean of the rows T."""
    K = e.K[V][:, T]
    if not e.intercept:
        return K
    mean = e.K[T][:, T] @ share
    return K.sub_((K @ share)[:, None]).sub_(mean - share @ mean)


class Decomposed:
    """Some equations by eigendecompositions, each made when it is needed, and held."""

    def __init__(self, equations: Equations) -> None:
        self.equations = equations
        self._fits: dict[int | None, _Fit] = {}
        self._alone = Lock()

    def _fit(self, without: int | None) -> _Fit:
        """The fit to all rows, or to those of all folds but one."""
        with self._alone:
            if without not in self._fits:
                others = (
                    np.ones(len(self.equations.labels), bool) if without is None else self.equations.labels != without
                )
                self._fits[without] = _Fit.to(self.equations, others)
            return self._fits[without]

    def residuals(self, alpha: float, cols: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """As `halves.LeftOut.residuals`."""
        for k in np.unique(self.equations.labels).tolist():
            V = torch.from_numpy(np.flatnonzero(self.equations.labels == k)).to(self.equations.K.device)
            yield V, self._fit(k).residuals(V, alpha, cols)

    def solution(self, alpha: float, cols: Any) -> Tensor:
        """As `halves.Halves.solution`."""
        fit = self._fit(None)
        a, _ = fit.coefficients(alpha, cols)
        found = a.new_zeros(len(self.equations.K), a.shape[1])
        found[fit.T] = a
        return found
