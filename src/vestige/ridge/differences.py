"""Alphas whose scores lie within rounding of each other, told apart by the difference of their scores.

Of one fold, in the eigenbasis of the others (`primal`): with solutions B_a and B_b at two alphas, D = B_a - B_b and
M = (B_a + B_b) / 2, the squared errors differ by 2 D.(H M - QT C_k). D = (b - a) Z / ((S + a) (S + b)) is formed
without cancellation, so every rounding error is in proportion to D, and no longer to y2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from vestige.ridge._linalg import blas_alone, each, matmul, to_numpy
from vestige.ridge.moments import column_blocks
from vestige.ridge.primal import SOLUTION_NOISE, SUM_NOISE, FoldFactor, PrimalForm
from vestige.ridge.quadratic import shrinkage

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PAIRS = 128  # differences worked on at a time
ROUNDS = 2  # comparisons with the best alpha so far: the second is for targets for which the first found a better one


@dataclass(frozen=True)
class _Pairs:
    """Pairs of alphas to compare: targets (c,), alphas a and b (c,), and b's mean squared error (c,)."""

    target: Places
    a: Floats
    b: Floats
    mse: Floats

    def __getitem__(self, at: Places) -> _Pairs:
        return _Pairs(self.target[at], self.a[at], self.b[at], self.mse[at])


@blas_alone()
def compare(
    form: PrimalForm, alphas: Floats, scores: Floats, best: Places, rivals: Bools
) -> tuple[Floats, Bools, Places]:
    """Compare every target's rivals (`PrimalForm.rivals`) with its best alpha (t,), as `form.score` left them.

    Returns:
        Scores (A, t), in which those of compared rivals are the best alpha's plus the difference; the rivals (A, t)
        that rounding still cannot tell apart, the best one among them; and the best (t,).
    """
    scores, rivals, best = scores.copy(), rivals.copy(), best.copy()
    every = np.arange(scores.shape[1])
    resolved = alphas[:, None] + form.smallest() >= form.resolution()
    fresh = np.ones(len(best), bool)  # targets not yet compared with their best
    for _ in range(ROUNDS):
        chosen = np.arange(len(alphas))[:, None] == best
        pairs = rivals & resolved & resolved[best, every] & fresh & ~chosen
        if not pairs.any():
            break
        target, at = np.nonzero(pairs.T)
        base = best[target]
        gap, error = np.zeros_like(scores), np.zeros_like(scores)
        gap[at, target], error[at, target] = _differences(
            form, _Pairs(target, alphas[at], alphas[base], scores[base, target])
        )
        scores[at, target] = scores[base, target] + gap[at, target]
        best = np.where(pairs | chosen, gap, np.inf).argmin(axis=0)
        fresh = ~chosen[best, every]
        rivals &= (gap - error <= (gap + error)[best, every]) | ~(pairs | chosen)
    rivals[:, rivals.sum(axis=0) < 2] = False
    return scores, rivals, best


def _differences(form: PrimalForm, pairs: _Pairs) -> tuple[Floats, Floats]:
    """Mean over folds of the validation MSE at a less that at b (c,), and the rounding error that it may carry."""
    gap, error = np.zeros(len(pairs.target)), np.zeros(len(pairs.target))
    groups = form.m.group[pairs.target]
    for g in np.unique(groups):
        mine, folds = np.flatnonzero(groups == g), form.folds(int(g))
        for k in folds:
            f = form.factor(int(g), k)
            blocks = np.array_split(mine, -(-len(mine) // PAIRS))
            parts = each(partial(_of_fold, form, f, len(folds)), [pairs[at] for at in blocks], form.m.device)
            for at, (difference, rounding) in zip(blocks, parts, strict=True):
                gap[at] += difference / len(folds)
                error[at] += rounding / len(folds)
    return gap, error


def _of_fold(form: PrimalForm, f: FoldFactor, n_folds: int, pairs: _Pairs) -> tuple[Floats, Floats]:
    """`_differences` (c,) of one of ``n_folds`` folds.

    The errors are those of `PrimalForm._rounding`, for the difference: B is moved by rounding of Z and of the
    eigensystem, D in proportion to itself; |X_k D| and |X_k M - y| turn that into squared errors.
    """
    targets, place = np.unique(pairs.target, return_inverse=True)
    [cols] = column_blocks(targets, len(targets))
    Zt, q = form.projected(f, cols)
    Vt, y2 = form.held_out(f, cols, q)
    Z, V, y2 = Zt.double()[place], Vt.double()[place], y2[place]
    a, b = (torch.from_numpy(values).to(Z.device) for values in (pairs.a, pairs.b))
    at_a, at_b = shrinkage(f.S, a), shrinkage(f.S, b)
    apart = (b - a)[:, None] * at_a * at_b
    D = Z * apart
    HD = matmul(D.to(Zt.dtype), f.H).double()
    gap = 2 * ((HD * Z).mul_(at_a + at_b).sum(1) / 2 - (D * V).sum(1))
    reach = (HD * D).sum(1).clamp(min=0).sqrt()  # |X_k D|

    h, S_max = f.H.diagonal().double().clamp(min=0), f.S.max().double()
    larger = torch.maximum(at_a, at_b)
    wide, narrow = (matmul(w.square(), h[:, None])[:, 0].sqrt() for w in (larger, apart))
    eps = SOLUTION_NOISE * form.eps / len(f.S) ** 0.5
    size = Z.norm(dim=1) + S_max * (Z * larger).norm(dim=1)
    M_moved, D_moved = eps * size * wide, eps * (size * narrow + S_max * D.norm(dim=1) * wide)
    weight = form.m.weight[f.group, f.fold]
    residual = (n_folds * weight * torch.from_numpy(pairs.mse).to(Z.device)).sqrt()  # |X_k M - y| is no larger
    error = SUM_NOISE * form.eps * reach * y2.sqrt() + 2 * D_moved * residual + 2 * (reach + D_moved) * M_moved
    return to_numpy(gap / weight), to_numpy(error / weight)
