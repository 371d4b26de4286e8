"""Ridge from the rows' inner products: the n x n form, for fewer rows than features.

The number of features enters only in the Gram matrix K. What it says of an alpha, what every fold leaves over that is
left out and the solution from all rows, comes from factors of half the rows (`halves`), or from eigendecompositions
where alphas are too small for those (`decomposed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge import checks, grid
from vestige.ridge._linalg import blas_alone, each, gram, matmul, to_numpy
from vestige.ridge.checks import Bools, Floats, RidgeError
from vestige.ridge.decomposed import Decomposed
from vestige.ridge.halves import Equations, Halves
from vestige.ridge.moments import column_blocks
from vestige.ridge.plan import Form
from vestige.ridge.rows import FitRows
from vestige.stopwatch import timing

Columns: TypeAlias = slice | npt.NDArray[np.int64]
LeftOver: TypeAlias = Callable[[Columns], Iterator[tuple[Tensor, Tensor]]]
Item = TypeVar("Item")
Result = TypeVar("Result")
TARGETS = 1024
BLOCK_BYTES = 64 * 2**20  # of the rows' columns that are worked on at a time
FEW_ROWS = 384  # below which a fold's eigendecomposition takes less time than the steps of an alpha after another


class Group:
    """The targets that are known in the same rows.

    Attributes:
        columns: (c,) the targets.
        mean: (c,) of the targets; zero without an intercept.
        share: (n,) the weights' shares, which make a mean.
        equations: of the targets less their means.
        decomposed: by which folds are left out where there are few rows, or alphas too small for ``halves``.
        few: whether there are few rows.
    """

    def __init__(self, rows: FitRows, K: Tensor, columns: npt.NDArray[np.int64], fit_intercept: bool) -> None:
        self.columns = columns
        self.w = rows.w if rows.seen is None else rows.w * rows.seen[:, columns[0]]
        if not float(self.w.sum()) > 0:
            raise RidgeError(f"target {columns[0]} has no row with a weight above zero; drop the target")
        self.share = self.w / self.w.sum()
        Y = rows.Y[:, columns].double()
        self.mean = self.share @ Y if fit_intercept else torch.zeros_like(Y[0])
        self.equations = Equations(K, rows.labels, self.w.sqrt(), Y - self.mean, fit_intercept)
        self.decomposed = Decomposed(self.equations)
        self.few = int(self.equations.learnt.sum()) < FEW_ROWS

    @cached_property
    def folds(self) -> npt.NDArray[np.int64]:
        """The folds in which the targets are known."""
        return np.unique(self.equations.labels[self.equations.learnt])

    @cached_property
    @timing("factor")
    def halves(self) -> Halves:
        """By which folds are left out."""
        return Halves(self.equations)

    def left_out(self, alpha: float) -> LeftOver:
        """What gives, for places (c,) in ``columns``, each fold's rows (v,) and what the fit without them leaves over
        (v, c); NaN where there are no other rows."""
        found = None if self.few else self.halves.left_out(alpha)
        return partial(self._decomposed_at, alpha) if found is None else found.residuals

    def _decomposed_at(self, alpha: float, at: Columns) -> Iterator[tuple[Tensor, Tensor]]:
        for V, left in self.decomposed.residuals(np.array([alpha]), at):
            yield V, left[0]

    def solution(self, alpha: Floats, at: Columns) -> tuple[Tensor, Tensor]:
        """A (n, c) and intercept (c,) at alphas (c,), all the same unless rows are few: prediction is a row's inner
        products with all rows times A, and the intercept."""
        found = None if self.few else self.halves.solution(float(alpha[0]), at)
        A = self.decomposed.solution(alpha, at) if found is None else found
        intercept = self.mean[at]
        if self.equations.intercept:
            A -= self.share[:, None] * A.sum(0)
            intercept = intercept - (self.share @ self.equations.K) @ A
        return A, intercept

    def mean_squared_errors(self, left_over: Iterable[tuple[Tensor, Tensor]]) -> Floats:
        """Mean over folds of the validation MSE (c,) of what is left over (v, c) in the rows (v,) of each; of (A, v, c)
        it is (A, c)."""
        total = torch.zeros(())
        for V, left in left_over:
            w = self.w[V]
            if float(w.sum()) > 0:
                total = total + (w / w.sum()) @ left.square_()
        return to_numpy(total / len(self.folds))


class DualForm:
    """Cross-validation and solution from rows (see the module's text)."""

    name: Form = "dual"

    def __init__(
        self, rows: FitRows, dtype: torch.dtype, fit_intercept: bool = True, only_lowest: bool = False
    ) -> None:
        """
        Args:
            rows: the data.
            dtype: of the products over features; all else is float64. Float32 loses alphas that are small beside the
                largest eigenvalue.
            fit_intercept: whether there is an intercept.
            only_lowest: pass over alphas at which no target's score is the lowest (`grid.lowest`).
        """
        self.rows, self.dtype, self.fit_intercept, self.only_lowest = rows, dtype, fit_intercept, only_lowest
        self.device = rows.Y.device
        self.K, self.shift = self._gram()
        self.groups = [Group(rows, self.K, columns, fit_intercept) for columns in rows.groups]
        if len(np.unique(rows.labels[to_numpy(rows.w) > 0])) < 2:
            raise RidgeError("all rows are in one fold; cross-validation needs at least two")

    def _blocks(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """The columns block by block: which, their rows (n, w) as they are, and room for as many of `dtype`. The room
        is the same for all: to map memory anew takes longer than to subtract."""
        n, d = self.rows.X.shape
        width = max(1, min(d, BLOCK_BYTES // (8 * n)))
        room = torch.empty(n * width, dtype=self.dtype, device=self.device)
        for start in range(0, d, width):
            cols = slice(start, min(start + width, d))
            x = checks.matrix(self.rows.X[:, cols], "X", self.device)
            yield cols, x, room[: x.numel()].view(x.shape)

    @blas_alone()
    def _gram(self) -> tuple[Tensor, Tensor]:
        """K (n, n) float64 of the rows, and the shift (d,) that they were measured from: their mean if there is an
        intercept (ridge with an intercept does not see a shift; rounding does)."""
        n, d = self.rows.X.shape
        K = torch.zeros(n, n, dtype=torch.float64, device=self.device)
        shift = torch.zeros(d, dtype=torch.float64, device=self.device)
        for cols, x, room in self._blocks():
            checks.finite(x, "X", first_column=cols.start)
            if self.fit_intercept:
                mean = x.sum(0, dtype=torch.float64) / n
                shift[cols] = mean.to(self.dtype).double()
            K += gram(_measured_from(shift[cols], x, room).T)
        return K, shift

    def scale(self) -> float:
        """Mean non-zero eigenvalue of the scatter of all rows."""
        w = self.rows.w
        trace = float(w @ self.K.diagonal())
        if self.fit_intercept:
            trace -= float(w @ self.K @ w / w.sum())
        return trace / min(self.rows.Y.shape[0], self.shift.shape[0])

    def forget(self) -> None:
        """Release what is held of the folds: the solution from all rows needs none."""
        for group in self.groups:
            group.decomposed.forget()

    @blas_alone()
    def score(self, alphas: Floats, only: Bools | None = None) -> Floats:
        """Mean over folds of the validation MSE, (A,) -> (A, t); NaN for a target without a usable fold, infinite where
        alphas are passed over.

        With ``only`` (t,), those targets are scored; the others' scores are infinite.
        """
        wanted = np.ones((len(alphas), self.rows.Y.shape[1]), bool) if only is None else np.tile(only, (len(alphas), 1))
        return grid.lowest(self._score, alphas, wanted) if self.only_lowest else self._score(alphas, wanted)

    def _score(self, alphas: Floats, wanted: Bools) -> Floats:
        """`score`, (A, t), where wanted (A, t); infinite elsewhere."""
        scores = np.where(wanted, np.nan, np.inf)
        for group in (group for group in self.groups if len(group.folds) > 1):
            mine = wanted[:, group.columns]
            if group.few:
                width = max(1, BLOCK_BYTES // (8 * len(alphas) * len(self.K)))
                for at in column_blocks(np.flatnonzero(mine.any(axis=0)), width):
                    errors = group.mean_squared_errors(group.decomposed.residuals(alphas, at))
                    scores[:, group.columns[at]] = np.where(mine[:, at], errors, np.inf)
                continue
            places = [np.flatnonzero(row) for row in mine]
            rows = [i for i, at in enumerate(places) if len(at)]
            items = [(float(alphas[i]), column_blocks(places[i], TARGETS)) for i in rows]
            for i, (_, blocks), found in zip(rows, items, self._each(_validated, group, items), strict=True):
                for at, errors in zip(blocks, found, strict=True):
                    scores[i, group.columns[at]] = errors
        return scores

    def _each(self, work: Callable[[Group, Item], Result], group: Group, items: list[Item]) -> list[Result]:
        """``work`` on every alpha of a group."""
        _ = None if group.few or not items else group.halves  # before several threads ask for them
        return each(partial(work, group), items, self.device)

    def uncertain(self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> Bools:
        """Targets (t,) without a usable fold; all of them, if an alpha is lost in the Gram matrix's rounding."""
        floor = 8 * torch.finfo(self.dtype).eps * float(self.K.diagonal().sum())
        blind = np.isnan(scores[best, np.arange(scores.shape[1])])
        return np.asarray(blind | (alphas.min() < floor)) & (len(alphas) > 1)

    @blas_alone()
    def oof(self, alpha: Floats, out: npt.NDArray[Any]) -> None:
        """Predictions into ``out`` (n, t) of all rows, each from the other folds; NaN where those know nothing."""
        for group in self.groups:
            Y = group.equations.Y + group.mean
            for values, at in _blocks_of(alpha[group.columns]):
                for V, left in group.left_out(float(values[0]))(at):
                    out[np.ix_(to_numpy(V), group.columns[at])] = to_numpy(Y[V][:, at] - left)

    @blas_alone()
    def solve(self, alpha: Floats, coef: npt.NDArray[Any]) -> Floats:
        """Coefficients at alpha (t,) from all rows into ``coef`` (t, d); returns the intercepts (t,)."""
        n, t = self.rows.Y.shape
        A = torch.zeros(n, t, dtype=torch.float64, device=self.device)
        means = torch.zeros(t, dtype=torch.float64, device=self.device)
        for group in self.groups:
            mine = alpha[group.columns]
            every = np.arange(len(mine))
            blocks = [(mine[at], at) for at in column_blocks(every, TARGETS)] if group.few else _blocks_of(mine)
            solved = self._each(_solved, group, blocks)
            for (_, at), (a, mean) in zip(blocks, solved, strict=True):
                columns = torch.from_numpy(group.columns[at]).to(self.device)
                A[:, columns], means[columns] = a, mean
        return self._to_features(A, means, coef)

    def _to_features(self, A: Tensor, intercept: Tensor, coef: npt.NDArray[Any]) -> Floats:
        """coef = AT X, block of columns by block; the intercept moves from the shift to the origin."""
        At = A.T.to(self.dtype).contiguous()
        for cols, x, room in self._blocks():
            B = matmul(At, _measured_from(self.shift[cols], x, room))
            coef[:, cols] = to_numpy(B)
            if self.fit_intercept:
                intercept = intercept - B.double() @ self.shift[cols]
        return to_numpy(intercept)


def _measured_from(shift: Tensor, x: Tensor, room: Tensor) -> Tensor:
    """x (n, w) less the shift (w,), in ``room``."""
    return torch.sub(x, shift.to(room.dtype), out=room) if x.dtype == room.dtype else room.copy_(x).sub_(shift)


def _validated(group: Group, item: tuple[float, list[Columns]]) -> list[Floats]:
    """The validation errors at an alpha of blocks of targets."""
    alpha, blocks = item
    left_out = group.left_out(alpha)
    return [group.mean_squared_errors(left_out(at)) for at in blocks]


def _solved(group: Group, block: tuple[Floats, Columns]) -> tuple[Tensor, Tensor]:
    return group.solution(*block)


def _blocks_of(alpha: Floats) -> list[tuple[Floats, Columns]]:
    """Places (c,) of targets at the same alpha, `TARGETS` of them at most, and their alphas (c,)."""
    places = (np.flatnonzero(alpha == value) for value in np.unique(alpha))
    return [(alpha[block], block) for at in places for block in column_blocks(at, TARGETS)]
