"""Leaving out folds, and solving, at many alphas from the eigensystems of two halves of the rows.

Ridge from rows is (K + alpha) c + u b = y with uT c = 0: K the rows' inner products, u a column of ones whose
coefficient b is the intercept (all rows times the roots of their weights). The folds are shared out in two halves. The
eigensystem of one half A eliminates it for any alpha, and leaves a Schur complement in the other half B:

    M = K_BB - K_BA (K_AA + alpha)^-1 K_AB,   r = y_B - K_BA (K_AA + alpha)^-1 y_A.

There a fold V of B is left out by a Cholesky factor for the rest W of B alone: what A and W leave over in V is
r_V - M_VW (M_WW + alpha)^-1 r_W, with u carried along as one more target. For the folds of A the halves change places.
So an alpha costs products and small factors, and no fold is decomposed: of four folds that would be three quarters of
the rows each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge._linalg import each, eigh, gram, matmul, to_numpy

SAFE = 1e-8
"""A system is solved by its factor where rounding times its condition is no larger."""
POWERS = 4  # iterations that look for the smallest eigenvalue


@dataclass(frozen=True)
class Equations:
    """The equations of n rows.

    Attributes:
        K: (n, n) inner products, float64.
        labels: (n,) folds.
        root: (n,) roots of the weights; zero for a row that is not to be learnt from.
        Y: (n, t) targets, float64.
        intercept: whether there is one.
    """

    K: Tensor
    labels: npt.NDArray[np.int64]
    root: Tensor
    Y: Tensor
    intercept: bool

    @cached_property
    def learnt(self) -> npt.NDArray[np.bool_]:
        """(n,) the rows that are learnt from."""
        return np.asarray(to_numpy(self.root) > 0)

    @cached_property
    def lift(self) -> float:
        """A constant to be added to K. With an intercept it changes nothing but rounding: it takes the direction of u,
        in which rows about their mean hold nothing, away from zero."""
        return float(self.K.norm()) / len(self.K) if self.intercept else 0.0

    @cached_property
    def norm(self) -> float:
        """Of the equations, at most."""
        return float(self.K.mul(self.root).mul_(self.root[:, None]).norm()) + self.lift * float(
            self.root.square().sum()
        )

    def is_safe(self, inverse: float) -> bool:
        """Whether rounding leaves the solution alone: ``inverse`` is the norm of a system's inverse."""
        return bool(np.finfo(np.float64).eps * self.norm * inverse <= SAFE)


class Halves:
    """Both halves of the rows of some equations."""

    def __init__(self, equations: Equations) -> None:
        labels, learnt = equations.labels, equations.learnt
        folds = np.unique(labels)
        counts = np.array([np.sum(learnt & (labels == k)) for k in folds])
        parts: tuple[list[int], list[int]] = ([], [])
        sizes = [0, 0]
        for place in np.argsort(-counts, kind="stable"):  # the largest first, to where fewer are
            part = int(sizes[1] < sizes[0])
            parts[part].append(int(folds[place]))
            sizes[part] += int(counts[place])
        _ = equations.learnt, equations.lift, equations.norm  # before two threads ask for them
        inside = [np.isin(labels, part) for part in parts if part]
        self.halves = each(partial(Half, equations), inside, equations.K.device)

    def left_out(self, alpha: float) -> LeftOut | None:
        """The fits without every single fold; None where one of them is lost in rounding."""
        rests = []
        for half in self.halves:
            complement = half.at(alpha)
            if complement is None:
                return None
            for V, W in half.folds:
                rest = complement.rest(W)
                if rest is None:
                    return None
                rests.append((V, rest))
        return LeftOut(rests)

    def solution(self, alpha: float, cols: Any) -> Tensor | None:
        """Of all rows, times the roots of the weights, (n, c): prediction is K times that and the intercept. None where
        it is lost in rounding."""
        half = min(self.halves, key=lambda half: len(half.rows))
        complement = half.at(alpha)
        rest = None if complement is None else complement.rest(half.learnt)
        return None if rest is None else rest.solution(cols)


class Half:
    """One half B of the rows, and the eigensystem of those of the other, A, that are learnt from.

    Attributes:
        rows: (b,) B's places among all rows, fold by fold.
        shared: whether M is multiplied once for all folds. Of two, each needs a quarter of it, and products with a
            few targets do for the rest.
        folds: V and W of each fold of B: its rows, and those of the other folds that are learnt from, as places in B.
        learnt: all of B that are learnt from.
        others: (a,) A's places among all rows.
        scale: (b,) roots of the weights of B's rows; 1 for those not learnt from. ``within`` and P are times these.
        within: (b, b) K_BB.
        S: (a,) A's eigenvalues, ascending.
        Ut: (a, a) A's eigenvectors as rows.
        P: (b, a) K_BA U.
        Z: (a, t + 1) UT of A's targets, the last column UT u.
    """

    def __init__(self, equations: Equations, inside: npt.NDArray[np.bool_]) -> None:
        """``inside`` (n,): B."""
        e = self.equations = equations
        order = np.argsort(e.labels, kind="stable")
        rows, others = order[inside[order]], np.flatnonzero(~inside & e.learnt)
        labels, learnt = e.labels[rows], e.learnt[rows]
        self.rows, self.others = (torch.from_numpy(at).to(e.K.device) for at in (rows, others))
        self.learnt = _span(np.flatnonzero(learnt))
        self.folds = [
            (_span(np.flatnonzero(labels == k)), _span(np.flatnonzero((labels != k) & learnt)))
            for k in np.unique(labels)
        ]
        self.shared = len(self.folds) > 2
        self.scale, root = torch.where(e.root > 0, e.root, 1.0)[self.rows], e.root[self.others]
        self.within = (e.K[self.rows][:, self.rows] + e.lift).mul_(self.scale).mul_(self.scale[:, None])
        inner = (e.K[self.others][:, self.others] + e.lift).mul_(root).mul_(root[:, None])
        self.S, self.Ut = eigh(inner, in_place=False) if len(others) else (root, inner)
        self.S = self.S.clamp(min=0)
        across = (e.K[self.rows][:, self.others] + e.lift).mul_(root).mul_(self.scale[:, None])
        self.P = matmul(across, self.Ut.T)
        self.Z = matmul(self.Ut, _and_ones(e.Y[self.others]) * root[:, None])

    def at(self, alpha: float) -> Complement | None:
        """What is left in B at ``alpha``; None where that is lost in rounding."""
        least = float(self.S[0]) + alpha if len(self.S) else np.inf
        return Complement(self, alpha) if least > 0 and self.equations.is_safe(1 / least) else None


class Complement:
    """The Schur complement in B at one alpha.

    Attributes:
        shrink: (a,) 1 / (S + alpha).
    """

    def __init__(self, half: Half, alpha: float) -> None:
        self.half, self.alpha = half, alpha
        self.shrink = 1 / (half.S + alpha)

    @cached_property
    def _whole(self) -> Tensor:
        """M (b, b)."""
        return self._inner(slice(None))

    def _inner(self, W: Any) -> Tensor:
        """M_WW (w, w)."""
        product = gram((self.half.P[W] * self.shrink.sqrt()).T)
        return torch.sub(_part(self.half.within, W, W), product, out=product)

    def times(self, V: Any, W: Any, x: Tensor) -> Tensor:
        """M_VW x (v, c)."""
        half = self.half
        if half.shared:
            return _part(self._whole, V, W) @ x
        inside = (half.P[W].T @ x).mul_(self.shrink[:, None])
        return torch.addmm(half.P[V] @ inside, _part(half.within, V, W), x, beta=-1)

    def rest(self, W: Any) -> Rest | None:
        """The fit to A and the rows W of B; None where it is lost in rounding."""
        inner = _part(self._whole, W, W).clone() if self.half.shared else self._inner(W)
        inner.diagonal().add_(self.alpha)
        factor, info = torch.linalg.cholesky_ex(inner)
        if int(info):
            return None
        is_safe = self.half.equations.is_safe
        # the inverse is 1 / alpha at most: only where that is too much is it looked at
        if not (len(inner) == 0 or (self.alpha > 0 and is_safe(1 / self.alpha)) or is_safe(_inverse_norm(factor))):
            return None
        return Rest(self, W, factor)

    def right(self, cols: Any) -> tuple[Tensor, Tensor, Tensor]:
        """For targets ``cols`` (c,) and u: Z of A (a, c + 1), r (b, c + 1), and uT (K_AA + alpha)^-1 of them
        (c + 1,)."""
        half = self.half
        Y = _and_ones(half.equations.Y[:, cols][half.rows]) * half.scale[:, None]
        Z = torch.cat([half.Z[:, cols], half.Z[:, -1:]], 1)
        shrunk = Z * self.shrink[:, None]
        return Z, torch.addmm(Y, half.P, shrunk, alpha=-1), half.Z[:, -1] @ shrunk


@dataclass(frozen=True)
class Rest:
    """A fit to A and some rows W of B: ``factor`` is that of M_WW + alpha."""

    complement: Complement
    W: Any
    factor: Tensor

    def _solved(self, r: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """x (w, c + 1), W's part of the solutions without an intercept; and b (c,)."""
        inside = r[self.W]
        x = torch.cholesky_solve(inside, self.factor)
        if not self.complement.half.equations.intercept:
            return x, torch.zeros_like(known[:-1])
        known = known + inside[:, -1] @ x
        return x, known[:-1] / known[-1]

    def residuals(self, V: Any, r: Tensor, known: Tensor) -> Tensor:
        """What is left over in the rows V of B, (v, c); NaN where there are no rows to learn from."""
        half = self.complement.half
        if not len(half.others) and not len(self.factor):
            return torch.full_like(r[V][:, :-1], torch.nan)
        x, b = self._solved(r, known)
        left = r[V] - self.complement.times(V, self.W, x)
        return (left[:, :-1] - left[:, -1:] * b).div_(half.scale[V][:, None])

    def solution(self, cols: Any) -> Tensor:
        """As `Halves.solution`."""
        half, e = self.complement.half, self.complement.half.equations
        Z, r, known = self.complement.right(cols)
        x, b = self._solved(r, known)
        x = x[:, :-1] - x[:, -1:] * b
        z = Z[:, :-1] - Z[:, -1:] * b - half.P[self.W].T @ x
        found = x.new_zeros(len(e.K), x.shape[1])
        found[half.rows[self.W]] = x * half.scale[self.W][:, None]
        found[half.others] = (half.Ut.T @ (z * self.complement.shrink[:, None])) * e.root[half.others][:, None]
        return found


@dataclass(frozen=True)
class LeftOut:
    """The fits without every single fold, at one alpha: V of each fold, and the fit."""

    rests: list[tuple[Any, Rest]]

    def residuals(self, cols: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """For each fold its rows (v,), and what the fit without them leaves over (v, c) of the targets ``cols``; NaN
        where there are no other rows."""
        complement = None
        for V, rest in self.rests:
            if rest.complement is not complement:
                complement = rest.complement
                _, r, known = complement.right(cols)
            yield complement.half.rows[V], rest.residuals(V, r, known)


def _span(at: npt.NDArray[np.int64]) -> Any:
    """Places as a slice where they are consecutive: a slice of a matrix is not copied."""
    if len(at) and at[-1] - at[0] + 1 == len(at):
        return slice(int(at[0]), int(at[-1]) + 1)
    return torch.from_numpy(at)


def _and_ones(Y: Tensor) -> Tensor:
    return torch.cat([Y, torch.ones_like(Y[:, :1])], 1)


def _part(M: Tensor, rows: Any, cols: Any) -> Tensor:
    return M[rows][:, cols]


def _inverse_norm(factor: Tensor) -> float:
    """The largest eigenvalue of the inverse of what was factored, nearly: by power iteration."""
    x = torch.randn(len(factor), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(factor.device)
    for _ in range(POWERS):
        x = torch.cholesky_solve(x / x.norm(), factor)
    return float(x.norm())
