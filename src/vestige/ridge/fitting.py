"""Fits: from moments, from rows in memory, from chunks; and the solution that each gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from vestige.ridge import checks, grid
from vestige.ridge.blocks import MomentsShape, Shards, SharedAlpha, Spread, TargetBlocks
from vestige.ridge.checks import ArrayLike, Bools, Floats, Places, RidgeError
from vestige.ridge.dual import DualForm
from vestige.ridge.moments import ROWS, Moments
from vestige.ridge.plan import MEMORY, Form, ProblemSize, choose_form, target_block
from vestige.ridge.primal import Factors, PrimalForm
from vestige.ridge.rows import Chunk, FitRows, chunks_of, in_memory, join, rechunked
from vestige.ridge.ties import rescore
from vestige.stopwatch import timing

MANY_ROWS = 512  # from where on an alpha takes time in the dual form, and scores are means of many errors

Alphas: TypeAlias = Sequence[float] | npt.NDArray[Any] | None


@dataclass(frozen=True)
class RidgeSolution:
    """Ridge of t targets on d features, each with the alpha that cross-validation chose.

    Attributes:
        coef: (t, d) coefficients, float32 or float64; a memory map if a path was asked for.
        intercept: (t,) float64; zeros without an intercept.
        alpha: (t,) the chosen alpha of every target, eq. 2's lambda.
        alphas: (A,) all alphas that were tried; ascending if the grid was automatic.
        scores: (A, t) mean over folds of the (weighted) validation mean squared error. NaN for a target without a
            usable fold, at alphas to which the automatic grid was widened for other targets, and at those that the dual
            form passed over, as it does from 512 rows on where targets have alphas of their own: the neighbours say
            that the target's lowest score is not there.
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
        for start in range(0, X.shape[0], ROWS):
            rows = np.asarray(X[start : start + ROWS]).astype(self.coef.dtype, copy=False)
            np.matmul(rows, self.coef.T, out=out[start : start + ROWS])
            out[start : start + ROWS] += self.intercept
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


class _Form(Protocol):
    @property
    def name(self) -> Form: ...
    def scale(self) -> float: ...
    def score(self, alphas: Floats, only: Bools | None = None) -> Floats: ...
    def uncertain(self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]: ...
    def forget(self) -> None: ...
    def solve(self, alpha: Floats, coef: npt.NDArray[Any]) -> Floats: ...


def fit(
    moments: Moments,
    alphas: Alphas = None,
    per_target: bool = True,
    rows: Iterable[Any] | None = None,
    fit_intercept: bool = True,
    coef_path: str | Path | None = None,
) -> RidgeSolution:
    """Ridge of every target from moments: alpha by k-fold cross-validation, coefficients from all rows.

    Minimises sum_i w_i (y_i - x_i.b - b0)^2 + alpha |b|^2 (eq. 2 of "Persistent Evidence of Local Image Properties
    in Generic ConvNets"; the intercept is not penalised).

    Args:
        moments: of all rows.
        alphas: the alphas to try, as given; None for a grid relative to the data's scale that widens by itself.
        per_target: every target its own alpha, or one for all, which minimises the scores' sum over targets.
        rows: the rows that the moments are of, as a re-iterable of chunks (see `fit_chunks`): alphas that rounding may
            have decided are then settled by explicit prediction.
        fit_intercept: whether there is an intercept.
        coef_path: write the coefficients to this .npy file and give them back as a memory map.

    Raises:
        RidgeError: fewer than two folds hold rows, a target has no row, or alphas that are not numbers >= 0.
    """
    shape = MomentsShape(moments.n_features, moments.n_folds, moments.dtype, moments.device)
    form = PrimalForm(moments, fit_intercept, _factors(shape, alphas, groups=len(moments.xx)), not per_target)
    rescored = partial(rescore, form, None if rows is None else _Rechunked(rows))
    coef = _coefficients((moments.n_targets, moments.n_features), moments.dtype, coef_path)
    return _finish(form, alphas, per_target, coef, rescore=rescored)


def fit_rows(
    X: ArrayLike,
    Y: ArrayLike,
    folds: ArrayLike,
    alphas: Alphas = None,
    per_target: bool = True,
    sample_weight: ArrayLike = None,
    mask: ArrayLike = None,
    fit_intercept: bool = True,
    form: Literal["auto", "primal", "dual"] = "auto",
    return_oof: bool = False,
    recheck: bool = True,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device = "cpu",
    coef_path: str | Path | None = None,
    memory: float = MEMORY,
    spread: Spread | None = None,
) -> RidgeSolution:
    """Ridge of every target from rows: alpha by k-fold cross-validation, coefficients from all rows.

    Args:
        X: (n, d) features of any real dtype; or an array on disk that slices like one (zarr, a memory map), which is
            read in blocks: of columns in the dual form, of rows in the primal.
        Y: (n, t) targets; (n,) if there is one.
        folds: (n,) the fold of every row, whole numbers from 0.
        alphas, per_target, fit_intercept, coef_path: as in `fit`.
        sample_weight: (n,) weights, zero or more; they count in the fit and in the validation error.
        mask: (n, t) bool, True where the target is known; what Y holds elsewhere is not looked at.
        form: "primal", "dual", or whichever costs less ("auto").
        return_oof: also give every row's out-of-fold predictions at the chosen alphas, for rows where the target is not
            known too.
        recheck: settle alphas that rounding may have decided by explicit prediction; else they are only marked in
            `RidgeSolution.uncertain`.
        dtype: of the large products and of the coefficients, "float32" or "float64". If not given, coefficients are
            float32 unless X is float64 or of wide integers; the primal form multiplies in that dtype, the dual form
            in float64.
        device: "cpu" or a CUDA device.
        memory: bytes that the primal form may use beyond data and solution. Where the moments of all targets need more,
            the targets are taken in blocks, and X is read once for each.
        spread: gathers the primal form's moments from shards of the rows, elsewhere; None to gather them here. The sums
            are the same but for rounding.

    Raises:
        RidgeError: shapes that do not fit, numbers that are not finite (with row and column), fewer than two folds.
    """
    if form not in ("auto", "primal", "dual"):
        raise RidgeError(f"form {form!r}: expected auto, primal or dual")
    data = _rows(X, Y, folds, sample_weight, mask, device)
    n, d = X.shape
    n_alphas = len(grid.FIRST) if alphas is None else len(checks.regularisation(alphas))
    if form == "auto":
        form = choose_form(ProblemSize(n, d, data.Y.shape[1], int(data.labels.max()) + 1, n_alphas, len(data.groups)))
    coef_dtype = checks.product_dtype(dtype, X)
    if form == "dual":
        products = torch.float64 if dtype is None else coef_dtype
        return _fit_dual(data, coef_dtype, products, alphas, per_target, fit_intercept, return_oof, coef_path)
    size = ProblemSize(n, d, data.Y.shape[1], max(2, int(data.labels.max()) + 1), n_alphas, len(data.groups))
    out = np.empty(tuple(data.Y.shape), _numpy_dtype(coef_dtype)) if return_oof else None
    blocks = TargetBlocks(
        _Chunks(data),
        MomentsShape(d, size.folds, coef_dtype, device),
        size.t,
        target_block(size, memory),
        None if spread is None else Shards([_Chunks(part) for part in data.shards()], spread, data.seen is not None),
    )
    coef = _coefficients((size.t, d), coef_dtype, coef_path)
    return _fit_blocks(blocks, alphas, per_target, fit_intercept, recheck, coef, data, out)


def _rows(
    X: ArrayLike, Y: ArrayLike, folds: ArrayLike, sample_weight: ArrayLike, mask: ArrayLike, device: str | torch.device
) -> FitRows:
    """The data, checked in all but the numbers of X."""
    if getattr(X, "ndim", None) is None:
        X = np.asarray(X)
    if X.ndim != 2 or 0 in X.shape:
        raise RidgeError(f"X has shape {tuple(X.shape)}; expected (rows, features), at least one of each")
    n = X.shape[0]
    y = checks.matrix(Y, "Y", device)
    checks.same_rows(n, Y=y)
    # in order, so that an error names the row as it is here
    for start in range(0, n if in_memory(X) else 0, ROWS):
        checks.finite(checks.matrix(X[start : start + ROWS], "X"), "X", start)
    labels = np.unique(checks.fold_labels(folds, n, None), return_inverse=True)[1].reshape(-1)
    seen = checks.present(mask, *y.shape)
    if seen is not None:
        y = y.masked_fill(~seen.to(y.device), 0.0)
    checks.finite(y, "Y")
    w = checks.weights(sample_weight, n)
    w = torch.ones(n, dtype=torch.float64) if w is None else w
    return FitRows(X, y, labels, w.to(y.device), None if seen is None else seen.to(y.device))


def _fit_dual(
    data: FitRows,
    dtype: torch.dtype,
    products: torch.dtype,
    alphas: Alphas,
    per_target: bool,
    fit_intercept: bool,
    return_oof: bool,
    coef_path: str | Path | None,
) -> RidgeSolution:
    with timing("gram"):
        dual = DualForm(data, products, fit_intercept, only_lowest=per_target and len(data.labels) >= MANY_ROWS)

    def predict(alpha: Floats) -> npt.NDArray[Any]:
        out = np.empty(tuple(data.Y.shape), _numpy_dtype(dtype))
        dual.oof(alpha, out)
        return out

    coef = _coefficients((data.Y.shape[1], data.X.shape[1]), dtype, coef_path)
    return _finish(dual, alphas, per_target, coef, predict if return_oof else None)


def _fit_blocks(
    blocks: TargetBlocks,
    alphas: Alphas,
    per_target: bool,
    fit_intercept: bool,
    recheck: bool,
    coef: npt.NDArray[Any],
    data: FitRows | None = None,
    out: npt.NDArray[Any] | None = None,
) -> RidgeSolution:
    """The primal form from a pass over the rows for each block of targets (two for an alpha that all share).

    ``out`` (n, t) takes out-of-fold predictions of ``data``.
    """

    def predict(form: PrimalForm | SharedAlpha, cols: slice, alpha: Floats) -> npt.NDArray[Any]:
        assert out is not None
        assert data is not None
        form.oof(alpha, data.X, data.labels, out[:, cols])
        return out[:, cols]

    factors = _factors(blocks.shape, alphas, len(blocks.columns))
    if not per_target and len(blocks.columns) > 1:
        shared = SharedAlpha(blocks, fit_intercept, factors)
        every = slice(0, blocks.n_targets)
        return _finish(shared, alphas, False, coef, None if out is None else partial(predict, shared, every))
    found = []
    scale = None
    for cols in blocks.columns:
        form = blocks.form(cols, fit_intercept, factors, not per_target)
        scale = form.scale() if scale is None else scale
        rescored = partial(rescore, form, blocks.only(cols) if recheck else None)
        oof = None if out is None else partial(predict, form, cols)
        more = cols is not blocks.columns[-1]
        found.append(_finish(form, alphas, per_target, coef[cols], oof, rescored, scale, keep=more))
        del form, rescored, oof  # frees their moments before the next block's are gathered
    return beside(found, coef, out)


def fit_chunks(
    chunks: Iterable[Any],
    alphas: Alphas = None,
    per_target: bool = True,
    fit_intercept: bool = True,
    form: Literal["auto", "primal", "dual"] = "auto",
    n_folds: int | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device = "cpu",
    coef_path: str | Path | None = None,
    memory: float = MEMORY,
) -> RidgeSolution:
    """Ridge of every target from a stream of rows, such as a FeatureStore gives.

    Rows are held for as long as the dual form is the cheaper one (few rows, many features). From there on they are
    added up into Moments, and memory no longer grows with their number.

    Args:
        chunks: a re-iterable (a list, or an object whose ``__iter__`` starts afresh) of ``(X, Y, fold)``, or of
            ``(X, Y, fold, sample_weight, mask)`` where the last two, or the last, may be left out or None.
        n_folds: K, if it is known; else one more than the largest label, for which every ``fold`` is read once first.
        alphas, per_target, fit_intercept, form, dtype, device, coef_path, memory: as in `fit_rows`. The chunks are read
            once for each block of targets, and again where alphas are settled by prediction.

    Raises:
        RidgeError: as `fit_rows`; or there are no chunks, or they can be read only once.
    """
    if iter(chunks) is chunks:
        raise RidgeError("chunks can be read only once; give a list, or an object whose __iter__ starts afresh")
    if form not in ("auto", "primal", "dual"):
        raise RidgeError(f"form {form!r}: expected auto, primal or dual")
    n_alphas = len(grid.FIRST) if alphas is None else len(checks.regularisation(alphas))
    held: list[Chunk] = []
    primal = False
    for chunk in rechunked(chunks, ROWS):
        held.append(chunk)
        n, d, t = sum(len(c[0]) for c in held), chunk[0].shape[1], chunk[1].shape[1]
        folds = n_folds or 1 + max(int(np.max(c[2])) for c in held)
        if form == "primal" or (form == "auto" and choose_form(ProblemSize(n, d, t, folds, n_alphas)) == "primal"):
            primal = True
            break
    if not held:
        raise RidgeError("there are no rows to fit: chunks is empty")
    if primal:
        shape = MomentsShape(
            d, max(2, n_folds or _count_folds(chunks)), checks.product_dtype(dtype, held[0][0]), device
        )
        held.clear()
        blocks = TargetBlocks(
            _Rechunked(chunks), shape, t, target_block(ProblemSize(n, d, t, shape.n_folds, n_alphas), memory)
        )
        coef = _coefficients((t, d), shape.dtype, coef_path)
        return _fit_blocks(blocks, alphas, per_target, fit_intercept, True, coef)
    X, Y, fold, w, mask = join(held)
    return fit_rows(
        X, Y, fold, alphas, per_target, w, mask, fit_intercept, "dual", dtype=dtype, device=device, coef_path=coef_path
    )


def _count_folds(chunks: Iterable[Any]) -> int:
    return 1 + max(int(np.max(chunk[2])) for chunk in chunks)


def _numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    return np.dtype(np.float32 if dtype == torch.float32 else np.float64)


def _factors(shape: MomentsShape, alphas: Alphas, n_blocks: int = 1, groups: int = 1) -> Factors | None:
    """Where the folds' factors are held, if they fit and will be used again: by a wider grid, by other blocks of
    targets, or by targets in doubt, of which float64 leaves hardly any."""
    again = alphas is None or n_blocks > 1 or shape.dtype == torch.float32
    return {} if again and shape.holds_factors(groups) else None


def _finish(
    form: _Form,
    alphas: Alphas,
    per_target: bool,
    coef: npt.NDArray[Any],
    predict: Callable[[Floats], npt.NDArray[Any]] | None = None,
    rescore: Callable[[Floats, Floats, Places, Bools], tuple[Floats, Bools]] | None = None,
    scale: float | None = None,
    keep: bool = False,
) -> RidgeSolution:
    """Search, choose, solve; ``rescore`` gives better scores where it matters, ``predict`` out-of-fold predictions.

    ``scale`` is that of an automatic grid; None for the form's own. ``keep`` leaves the folds' factors to another form.
    """
    with timing("score"):
        if alphas is None:
            tried, scores = grid.search(form.score, form.scale() if scale is None else scale, per_target)
        else:
            tried = checks.regularisation(alphas)
            scores = form.score(tried)
        best = grid.choose(scores, per_target, tried)
        uncertain = form.uncertain(tried, scores, best)
        if rescore is not None and per_target:
            scores, uncertain = rescore(tried, scores, best, uncertain)
            best = grid.choose(scores, per_target, tried)
        alpha = tried[best]
        oof = None if predict is None else predict(alpha)
    if not keep:
        form.forget()
    with timing("solve"):
        intercept = form.solve(alpha, coef)
    boundary = grid.at_boundary(tried, scores, best)
    scores[np.isinf(scores)] = np.nan
    return RidgeSolution(coef, intercept, alpha, tried, scores, boundary, form.name, uncertain, oof)


@dataclass(frozen=True)
class _Rechunked:
    """Chunks that somebody gave, as a re-iterable of large ones."""

    chunks: Iterable[Any]

    def __iter__(self) -> Iterator[Chunk]:
        return rechunked(self.chunks, ROWS)


@dataclass(frozen=True)
class _Chunks:
    """The rows of a fit as a re-iterable of chunks."""

    data: FitRows

    def __iter__(self) -> Iterator[Chunk]:
        return chunks_of(self.data, ROWS)


def _coefficients(shape: tuple[int, int], dtype: torch.dtype, path: str | Path | None) -> npt.NDArray[Any]:
    if path is None:
        return np.empty(shape, _numpy_dtype(dtype))
    try:
        return np.lib.format.open_memmap(path, "w+", _numpy_dtype(dtype), shape)
    except OSError as error:
        raise RidgeError(f"{path}: cannot write the coefficients: {error}") from error
