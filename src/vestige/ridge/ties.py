"""Alphas whose scores lie within rounding of each other, told apart: by differences of scores, then by prediction.

Differences are of one fold, in the eigenbasis of the others (`primal`): with solutions B_a and B_b at two alphas,
D = B_a - B_b and M = (B_a + B_b) / 2, the squared errors differ by 2 D.(H M - QT C_k). D is formed as
(b - a) Z / ((S + a) (S + b)), without cancellation, so every rounding error is in proportion to D, and no longer to y2.
What these leave undecided is predicted, in float64, by another pass over the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge import checks
from vestige.ridge._linalg import blas_alone, each, matmul, to_numpy
from vestige.ridge.checks import Bools, Floats, Places
from vestige.ridge.moments import Moments, column_blocks, measured_from
from vestige.ridge.primal import SOLUTION_NOISE, SUM_NOISE, FoldFactor, PrimalForm
from vestige.ridge.rows import Chunk
from vestige.ridge.spectrum import shrinkage

PAIRS = 128  # differences worked on at a time
ROUNDS = 2  # comparisons with the best alpha so far: the second is for targets for which the first found a better one


def rescore(
    form: PrimalForm,
    rows: Iterable[Chunk] | None,
    tried: Floats,
    scores: Floats,
    best: Places,
    uncertain: Bools,
) -> tuple[Floats, Bools]:
    """Better scores (A, t) for the uncertain targets, and those (t,) which remain so: targets that no fold can judge,
    and those with a rival that rounding cannot tell apart, or, with ``rows``, that lies below what the moments resolve.
    """
    if not uncertain.any():
        return scores, uncertain
    blind = np.isnan(scores).any(axis=0)
    doubtful = form.rivals(tried, scores, best) & uncertain & ~blind
    scores, rivals, best = compare(form, tried, scores, best, doubtful)
    if rows is None:
        return scores, uncertain & (blind | rivals.any(axis=0))
    settled = recheck(form, tried, scores, rivals, rows)
    every = np.arange(len(best))
    # what was told apart keeps its distance from the best, whose score is another now
    settled += np.where(doubtful & ~rivals, (settled[best, every] - scores[best, every]), 0.0)
    lost = rivals & (tried[:, None] + form.smallest() < form.resolution())
    return settled, uncertain & (blind | lost.any(axis=0))


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


BLOCK = 1024  # rows predicted at a time
CANDIDATES = 1024  # (target, alpha) pairs predicted in one pass over the rows


@dataclass(frozen=True)
class _Model:
    """One fold's solutions for c candidates: prediction = base (c,) + (x - centre (d,)) . B (d, c)."""

    B: Tensor
    base: Tensor
    centre: Tensor


def recheck(
    form: PrimalForm, alphas: Floats, scores: Floats, pairs: npt.NDArray[np.bool_], rows: Iterable[Chunk]
) -> Floats:
    """Scores (A, t) in which those of ``pairs`` (A, t) are mean squared errors of explicit predictions.

    The folds' solutions are those of the moments in float64; predictions and errors are float64. ``rows`` is
    read once for every `CANDIDATES` pairs.
    """
    scores = scores.copy()
    places, targets = np.nonzero(pairs)  # by alpha: a pass then needs factors for few of them
    for start in range(0, len(targets), CANDIDATES):
        block = slice(start, start + CANDIDATES)
        t, a = targets[block], places[block]
        scores[a, t] = _explicit(form, alphas[a], t, rows)
    return scores


def _explicit(form: PrimalForm, alpha: Floats, targets: npt.NDArray[np.int64], rows: Iterable[Chunk]) -> Floats:
    """Mean over folds of the validation MSE (c,) of candidates: targets (c,) at alphas (c,)."""
    m = form.m
    models = {k: _model(form, k, alpha, targets) for k in range(m.n_folds)}
    sse = torch.zeros(m.n_folds, len(targets), dtype=torch.float64, device=m.device)
    for chunk in rows:
        _add_errors(sse, m, models, targets, chunk)
        del chunk  # before the next one is read
    return _mean_over_folds(m, sse, targets)


@blas_alone()
def _add_errors(
    sse: Tensor, m: Moments, models: dict[int, _Model], targets: npt.NDArray[np.int64], chunk: Chunk
) -> None:
    """Add the chunk's squared errors to ``sse`` (K, c)."""
    X, Y, fold, sample_weight, mask = chunk
    x, y = checks.matrix(X, "X", m.device), checks.matrix(Y, "Y", m.device)
    w = checks.weights(sample_weight, len(x))
    w = (torch.ones(len(x), dtype=torch.float64) if w is None else w).to(m.device)
    seen = checks.present(mask, *y.shape)
    labels = checks.fold_labels(fold, len(x), m.n_folds)
    for k, model in models.items():
        predict = partial(_squared_errors, x, y, w, seen, model, targets)
        blocks = column_blocks(np.flatnonzero(labels == k), BLOCK)  # slices where a chunk is of one fold
        for part in each(predict, blocks, m.device):
            sse[k] += part


def _squared_errors(
    x: Tensor,
    y: Tensor,
    w: Tensor,
    seen: Tensor | None,
    model: _Model,
    targets: npt.NDArray[np.int64],
    inside: slice | npt.NDArray[np.int64],
) -> Tensor:
    """The sum (c,) of squared errors over the rows ``inside``."""
    predicted = matmul(measured_from(model.centre, x[inside], torch.float64), model.B)
    error = (y[inside][:, targets].double() - model.base).sub_(predicted)
    if seen is not None:
        error.masked_fill_(~seen[inside][:, targets].to(x.device), 0.0)
    total: Tensor = w[inside] @ error.square_()
    return total


def _mean_over_folds(m: Moments, sse: Tensor, targets: npt.NDArray[np.int64]) -> Floats:
    weight = m.weight[m.group[targets]].T
    usable = ((weight > 0) & (weight.sum(0) - weight > 0)).double()
    mse = torch.where(usable > 0, sse / weight.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    found: Floats = (mse.sum(0) / usable.sum(0)).cpu().numpy()
    return found


@blas_alone()
def _model(form: PrimalForm, k: int, alpha: Floats, targets: npt.NDArray[np.int64]) -> _Model:
    """The candidates' solutions without fold k; zero where the other folds know nothing."""
    m = form.m
    B = torch.zeros(m.n_features, len(targets), dtype=torch.float64, device=m.device)
    base = torch.zeros(len(targets), dtype=torch.float64, device=m.device)
    for g in np.unique(m.group[targets]):
        if k not in form.folds(int(g)):
            continue
        mine = np.flatnonzero(m.group[targets] == g)
        for places, p, q, solution in form.solutions(
            int(g), form.others(k), alpha[mine], targets[mine], form.held(int(g), k)
        ):
            B[:, mine[places]] = solution
            base[mine[places]] = m.shift_y[targets[mine[places]]] + q - p @ solution
    return _Model(B, base, m.shift_x)
