"""Ridge from moments: the d x d form. No look at the rows is needed.

For fold k let A and C be the scatter and covariance of the other folds about their mean, and G_k, C_k, y2_k
those of fold k about that same mean. With A = Q S QT, the solution at alpha is b = Q B, B = Z / (S + alpha),
Z = QT C, and its squared error on fold k is y2_k - 2 B.(QT C_k) + B.(H B) with H = QT G_k Q.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge import grid
from vestige.ridge._linalg import blas_alone, each, eigh, matmul, symmetric, to_numpy
from vestige.ridge.checks import Bools, Floats, RidgeError, matrix
from vestige.ridge.moments import ROWS, Moments, column_blocks, measured_from, recentre
from vestige.ridge.plan import Form
from vestige.ridge.rows import take
from vestige.ridge.spectrum import Solver, Stretch, corrected, quadratic_forms, shrinkage, stretches

Columns = slice | npt.NDArray[np.int64]

TARGETS = 256  # targets worked on at a time in float32, half of that in float64
SUM_NOISE, SOLUTION_NOISE = 10.0, 1.0  # rounding errors allowed for, in units of the dtype's epsilon (`_rounding`)


@dataclass(frozen=True)
class FoldFactor:
    """What fold k of one group of targets is to cross-validation: eigenvalues S (d,), eigenvectors as rows of
    Qt (d, d), fold k's scatter H (d, d) in that basis, and the training mean p (d,) measured from the shift."""

    group: int
    fold: int
    S: Tensor
    Qt: Tensor
    H: Tensor
    p: Tensor


Factors = dict[tuple[int, int], FoldFactor]
"""The factors of each group and fold."""


class PrimalForm:
    """Cross-validation and solution from moments (see the module's text)."""

    name: Form = "primal"

    def __init__(
        self, moments: Moments, fit_intercept: bool = True, factors: Factors | None = None, shared: bool = False
    ) -> None:
        """``shared``: one alpha for all targets.

        ``factors`` takes the folds' factors, 2 K d^2 numbers for each group, for later calls of `score` and `oof`, and
        for other targets' moments of the same rows; None to hold none.
        """
        self.m, self.fit_intercept, self.shared = moments, fit_intercept, shared
        self.eps = torch.finfo(moments.dtype).eps
        self._factors = factors
        total = moments.weight.sum(1)
        empty = np.flatnonzero(to_numpy(total)[moments.group] <= 0)
        if len(empty):
            raise RidgeError(f"target {empty[0]} has no row with a weight above zero; drop the target")
        if self.folds(0) == [] and len(moments.xx) == 1:
            raise RidgeError("all rows are in one fold; cross-validation needs at least two")
        self._noise: dict[float, Floats] = {}
        self._smallest: dict[int, float] = {}

    def resolution(self) -> float:
        """Where smallest eigenvalue and alpha add up to less than this, rounding of the scatter moves the solution."""
        return float(8 * self.eps * max(xx.diagonal(dim1=1, dim2=2).sum() for xx in self.m.xx))

    def smallest(self) -> Floats:
        """The smallest eigenvalue (t,) that a fold's scatter had in `score`."""
        return np.array([self._smallest.get(int(g), 0.0) for g in self.m.group])

    def folds(self, g: int) -> list[int]:
        """The folds that have both rows to train on and rows to validate on."""
        weight = to_numpy(self.m.weight[g])
        return [k for k in range(self.m.n_folds) if weight[k] > 0 and weight.sum() - weight[k] > 0]

    def others(self, k: int) -> list[int]:
        """All folds but k."""
        return [j for j in range(self.m.n_folds) if j != k]

    def scale(self) -> float:
        """Mean non-zero eigenvalue of the scatter of all rows."""
        m, folds = self.m, list(range(self.m.n_folds))
        p = self._centre_x(0, folds)
        weight, sx = m.weight[0].sum(), m.sx[0].sum(0)
        trace = m.xx[0].diagonal(dim1=1, dim2=2).sum() - 2 * p @ sx + weight * (p @ p)
        return float(trace) / min(m.n_features, max(m.n_rows, 1))

    def _centre_x(self, g: int, folds: list[int]) -> Tensor:
        """The folds' mean (or, without an intercept, the origin) of x, measured from the shift."""
        m = self.m
        return m.sx[g, folds].sum(0) / m.weight[g, folds].sum() if self.fit_intercept else -m.shift_x

    def _centre_y(self, folds: list[int], cols: Columns) -> Tensor:
        m = self.m
        if not self.fit_intercept:
            return -m.shift_y[cols]
        weight = m.weight[:, folds].sum(1)[m.group[cols]]
        return m.sy[folds].sum(0)[cols] / weight

    def _scatter(self, g: int, folds: list[int], p: Tensor) -> Tensor:
        m = self.m
        total = m.xx[g][folds[0]].clone()
        for k in folds[1:]:
            total += m.xx[g][k]
        return recentre(total, m.sx[g, folds].sum(0), m.weight[g, folds].sum(), p)

    def factor(self, g: int, k: int) -> FoldFactor:
        """The factor of fold k for group g."""
        if self._factors is not None and (g, k) in self._factors:
            return self._factors[g, k]
        p = self._centre_x(g, self.others(k))
        S, Qt = eigh(self._scatter(g, self.others(k), p).to(self.m.dtype))
        S.clamp_(min=0)
        H = symmetric(matmul(Qt, self.m.scatter(g, k, p).to(self.m.dtype)), Qt.T)
        found = FoldFactor(g, k, S, Qt, H, p)
        if self._factors is not None:
            self._factors[g, k] = found
        return found

    def held(self, g: int, k: int) -> FoldFactor | None:
        """The factor of fold k for group g, if it is held."""
        return None if self._factors is None else self._factors.get((g, k))

    def forget(self) -> None:
        """Release the factors that are held: the solution from all rows needs none."""
        if self._factors is not None:
            self._factors.clear()

    def projected(self, f: FoldFactor, cols: Columns) -> tuple[Tensor, Tensor]:
        """ZT = CT Q (c, d), the training covariance in the fold's eigenbasis, and the training mean q (c,) of y."""
        q = self._centre_y(self.others(f.fold), cols)
        C = self.m.covariance(self.others(f.fold), cols, f.p, q)[0]
        return matmul(C.to(self.m.dtype).T, f.Qt.T), q

    def held_out(self, f: FoldFactor, cols: Columns, q: Tensor) -> tuple[Tensor, Tensor]:
        """VT = C_kT Q (c, d) of the fold's own rows about the training means, and y2_k (c,)."""
        C, y2 = self.m.covariance([f.fold], cols, f.p, q)
        return matmul(C.to(self.m.dtype).T, f.Qt.T), y2

    @blas_alone()
    def score(self, alphas: Floats, only: Bools | None = None) -> Floats:
        """Mean over folds of the validation MSE, (A,) -> (A, t); NaN for a target without a usable fold.

        With ``only`` (t,), those targets are scored; the others' scores are infinite.
        """
        m = self.m
        scores = np.full((len(alphas), m.n_targets), np.nan)
        noise = np.zeros_like(scores)
        if only is not None:
            scores[:, ~only] = np.inf
        tried = torch.from_numpy(alphas).to(m.device)
        for g in range(len(m.xx)):
            columns, folds = np.flatnonzero((m.group == g) & (True if only is None else only)), self.folds(g)
            if not len(columns):
                continue
            if folds:
                scores[:, columns] = 0.0
            for k in folds:
                f = self.factor(g, k)
                self._smallest[g] = min(float(f.S[0]), self._smallest.get(g, np.inf))
                shrink = shrinkage(f.S, tried)
                parts = stretches(f.S, shrink, m.dtype)
                blocks = column_blocks(columns, TARGETS * 4 // m.dtype.itemsize)
                validate = partial(self._validate, f, shrink, parts)
                for cols, (mse, error) in zip(blocks, each(validate, blocks, m.device), strict=True):
                    scores[:, cols] += mse / len(folds)
                    noise[:, cols] += error / len(folds)
        self._noise |= dict(zip(alphas.tolist(), noise, strict=True))
        return scores

    def _validate(self, f: FoldFactor, shrink: Tensor, parts: list[Stretch], cols: Columns) -> tuple[Floats, Floats]:
        """Validation MSE of one fold (A, c), and the rounding error that it may carry."""
        Zt, q = self.projected(f, cols)
        Vt, y2 = self.held_out(f, cols, q)
        cross = matmul(shrink, Vt.double().mul_(Zt).T)
        square = quadratic_forms(f.H, Zt, parts)
        weight = self.m.weight[f.group, f.fold]
        sse = (y2 - 2 * cross + square).clamp(min=0)
        return to_numpy(sse / weight), to_numpy(self._rounding(f, Zt, shrink, sse, y2) / weight)

    def _rounding(self, f: FoldFactor, Zt: Tensor, shrink: Tensor, sse: Tensor, y2: Tensor) -> Tensor:
        """Estimate (A, c) of the rounding error in ``sse`` (A, c).

        The terms of the sum are rounded, by eps y2. So is the solution: Z by eps |Z| and the eigensystem by
        eps S_max, spread over the d directions; that moves B by delta = eps (|Z| + S_max |B|) / (S + alpha) / d^1/2
        and the prediction by |H^1/2 delta|.
        """
        eps = SOLUTION_NOISE * self.eps / len(f.S) ** 0.5
        Z2 = Zt.double().square_()
        size = Z2.sum(1).sqrt() + f.S.max() * matmul(shrink.square(), Z2.T).sqrt()
        moved = eps * size * (shrink.square() @ f.H.diagonal().double().clamp(min=0)).sqrt()[:, None]
        error: Tensor = SUM_NOISE * self.eps * y2 + (2 * sse.sqrt() + moved) * moved
        return error

    def noise(self, alphas: Floats) -> Floats:
        """The rounding error (A, t) that the scores of ``alphas`` (A,), which `score` has given, may carry."""
        return np.stack([self._noise[a] for a in alphas.tolist()])

    def rivals(self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> Bools:
        """The alphas (A, t), the chosen one among them, whose scores are the lowest to within rounding."""
        return grid.rivals(scores, self.noise(alphas), best)

    def uncertain(self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> Bools:
        """Targets (t,) whose alpha rounding may have decided: it has rivals, or no fold is of use.

        With one alpha for all, the sums over targets decide.
        """
        blind = np.isnan(scores).any(axis=0) & (len(alphas) > 1)
        if (best == best[0]).all() and self.shared:
            return np.asarray(blind | grid.tied(alphas, scores[:, ~blind], self.noise(alphas)[:, ~blind], int(best[0])))
        others = alphas[:, None] != alphas[best]
        return np.asarray(blind | (self.rivals(alphas, scores, best) & others & (scores > 0)).any(axis=0))

    @blas_alone()
    def oof(self, alpha: Floats, X: Any, labels: npt.NDArray[np.int64], out: npt.NDArray[Any]) -> None:
        """Predictions into ``out`` (n, t) for the rows X (n, d) of folds ``labels`` (n,), each from the other folds.

        A target that is known in one fold only has none there: NaN.
        """
        m = self.m
        for g in range(len(m.xx)):
            columns = np.flatnonzero(m.group == g)
            for k in np.unique(labels):
                rows = np.flatnonzero(labels == k)
                if not float(m.weight[g, self.others(k)].sum()) > 0:
                    out[np.ix_(rows, columns)] = np.nan
                    continue
                f = self.factor(g, int(k))
                for cols in column_blocks(columns, TARGETS):
                    Zt, q = self.projected(f, cols)
                    shrink = shrinkage(f.S, torch.from_numpy(alpha[cols]).to(m.device)).to(m.dtype)
                    B = matmul(f.Qt.T, (Zt * shrink).T)
                    base = (m.shift_y[cols] + q).to(m.dtype)
                    for block in np.array_split(rows, -(-len(rows) // ROWS)):
                        x = measured_from(m.shift_x + f.p, matrix(take(X, block), "X", m.device), m.dtype)
                        out[np.ix_(block, np.arange(m.n_targets)[cols])] = to_numpy(matmul(x, B) + base)

    @blas_alone()
    def solve(self, alpha: Floats, coef: npt.NDArray[Any]) -> Floats:
        """Coefficients at alpha (t,) from all rows into ``coef`` (t, d); returns the intercepts (t,)."""
        m, folds = self.m, list(range(self.m.n_folds))
        intercept = np.zeros(m.n_targets)
        for g in range(len(m.xx)):
            columns = np.flatnonzero(m.group == g)
            for places, p, q, B in self.solutions(g, folds, alpha[columns], columns):
                cols = columns[places]
                coef[cols] = to_numpy(B.T)
                if self.fit_intercept:
                    intercept[cols] = to_numpy(m.shift_y[cols] + q - (m.shift_x + p) @ B)
        return intercept

    def solutions(
        self,
        g: int,
        folds: list[int],
        alpha: Floats,
        targets: npt.NDArray[np.int64],
        factor: FoldFactor | None = None,
    ) -> Iterator[tuple[npt.NDArray[np.int64], Tensor, Tensor, Tensor]]:
        """Solutions from the rows of ``folds``, in float64, for targets (c,) of group g at alphas (c,).

        ``factor``, if given, is that of the fold which ``folds`` leave out; its eigensystem then saves the
        decompositions. Yields blocks: their places in ``targets``, the centres p (d,) and q (b,) measured from the
        shifts, and coefficients (d, b).
        """
        p = self._centre_x(g, folds)
        A = self._scatter(g, folds, p)
        if factor is not None:
            different, place = np.unique(targets, return_inverse=True)
            q = self._centre_y(folds, different)
            C = self.m.covariance(folds, different, p, q)[0][:, place]
            B = corrected(factor.S, factor.Qt, A, torch.from_numpy(alpha).to(A.device), C)
            if B is not None:
                yield np.arange(len(targets)), p, q[place], B
                return
        values = np.unique(alpha)
        solver = Solver(A, self.eps, len(values), self._smallest.get(g, 0.0))
        for value in values:
            solver.at(float(value))
            same = np.flatnonzero(alpha == value)
            for places in np.array_split(same, -(-len(same) // TARGETS)):
                [cols, *_] = column_blocks(targets[places], len(places))
                q = self._centre_y(folds, cols)
                yield places, p, q, solver.solve(self.m.covariance(folds, cols, p, q)[0])
