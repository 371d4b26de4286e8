"""Leaving out folds, and solving, by an eigendecomposition for each: of few rows, and at alphas too small for `halves`.

Few rows are decomposed in no time, and then all alphas are one product. Too small is zero, or whatever leaves equations
singular to rounding: singular directions hold no part of a training target, and are left out (`shrinkage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge._linalg import eigh, matmul
from vestige.ridge.checks import Floats
from vestige.ridge.halves import Equations
from vestige.ridge.spectrum import shrinkage


@dataclass(frozen=True)
class _Fit:
    """A fit to some rows T about their weighted mean, for any alpha.

    Attributes:
        T: (m,) its rows.
        V: (v,) the others.
        S: (m,) eigenvalues of K_TT, times the roots of the weights.
        Ut: (m, m) eigenvectors as rows.
        share: (m,) the weights' shares, which make a mean.
        across: K_VT (v, m) about the mean of T.
    """

    equations: Equations
    T: Tensor
    V: Tensor
    S: Tensor
    Ut: Tensor
    share: Tensor
    across: Tensor

    @classmethod
    def without(cls, equations: Equations, left_out: npt.NDArray[np.bool_]) -> _Fit:
        """The fit to all rows that are learnt from, but for V: those ``left_out`` (n,)."""
        T, V = (
            torch.from_numpy(np.flatnonzero(at)).to(equations.K.device)
            for at in (~left_out & equations.learnt, left_out)
        )
        root = equations.root[T]
        share = root.square() / root.square().sum()
        inner, across = _about_mean(equations, T, T, share), _about_mean(equations, V, T, share)
        S, Ut = eigh(inner.mul_(root[:, None]).mul_(root)) if len(T) else (root, inner)
        return cls(equations, T, V, S.clamp(min=0), Ut, share, across)

    @cached_property
    def into_basis(self) -> Tensor:
        """(v, m) what predictions are of the targets in the eigenbasis, shrunk."""
        return matmul(self.across * self.equations.root[self.T], self.Ut.T)

    def targets(self, cols: Any) -> tuple[Tensor, Tensor]:
        """The targets in the eigenbasis (m, c), and their mean (c,)."""
        y = self.equations.Y[:, cols][self.T]
        mean = self.share @ y if self.equations.intercept else torch.zeros_like(y[0])
        return matmul(self.Ut, (y - mean).mul_(self.equations.root[self.T][:, None])), mean

    def coefficients(self, alpha: Floats, cols: Any) -> Tensor:
        """c times the roots of the weights (m, c), at alphas (c,)."""
        Z, _ = self.targets(cols)
        shrink = shrinkage(self.S, torch.from_numpy(alpha).to(Z.device))
        return matmul(self.Ut.T, Z.mul_(shrink.T)).mul_(self.equations.root[self.T][:, None])

    def residuals(self, alphas: Floats, cols: Any) -> Tensor:
        """What is left over in the rows V (A, v, c) at every alpha (A,); NaN where there are no rows T."""
        y = self.equations.Y[:, cols][self.V]
        if not len(self.T):
            return torch.full((len(alphas), *y.shape), torch.nan, dtype=y.dtype, device=y.device)
        Z, mean = self.targets(cols)
        shrink = shrinkage(self.S, torch.from_numpy(alphas).to(Z.device))
        return (y - mean) - self.into_basis @ (shrink[:, :, None] * Z)


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

    def _fit(self, k: int | None) -> _Fit:
        """The fit without fold k, or to all rows."""
        with self._alone:
            if k not in self._fits:
                labels = self.equations.labels
                self._fits[k] = _Fit.without(self.equations, np.zeros(len(labels), bool) if k is None else labels == k)
            return self._fits[k]

    def forget(self) -> None:
        """Release them."""
        self._fits.clear()

    def residuals(self, alphas: Floats, cols: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """For each fold its rows (v,), and what the fit without them leaves over (A, v, c) of the targets ``cols`` at
        every alpha (A,); NaN where there are no other rows."""
        for k in np.unique(self.equations.labels).tolist():
            fit = self._fit(k)
            yield fit.V, fit.residuals(alphas, cols)

    def solution(self, alpha: Floats, cols: Any) -> Tensor:
        """As `halves.Halves.solution`, at alphas (c,)."""
        fit = self._fit(None)
        a = fit.coefficients(alpha, cols)
        found = a.new_zeros(len(self.equations.K), a.shape[1])
        found[fit.T] = a
        return found
