"""Alphas that rounding may have decided, settled by explicit prediction of the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge import checks
from vestige.ridge._linalg import blas_alone, each, matmul
from vestige.ridge.moments import Moments, column_blocks, measured_from
from vestige.ridge.primal import PrimalForm
from vestige.ridge.rows import Chunk

Floats = npt.NDArray[np.float64]
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
