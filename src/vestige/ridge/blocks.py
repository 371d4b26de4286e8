"""The targets of a primal fit in blocks, each gathered in a pass of its own over the rows.

So the moments of all targets, K d t numbers, never have to fit into memory at once. What concerns X alone is gathered
in the first pass, and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from vestige.ridge import checks, grid
from vestige.ridge._linalg import blas_alone
from vestige.ridge.checks import Floats, RidgeError
from vestige.ridge.moments import Moments
from vestige.ridge.plan import MEMORY, Form
from vestige.ridge.primal import Factors, PrimalForm
from vestige.ridge.rows import Chunk


@dataclass(frozen=True)
class MomentsShape:
    """What the moments of all blocks have in common: d, K, the products' dtype, and where they are."""

    n_features: int
    n_folds: int
    dtype: torch.dtype
    device: torch.device | str

    def holds_factors(self, groups: int = 1) -> bool:
        """Whether the folds' factors of so many groups of targets are small enough to be held."""
        return groups * 2 * self.n_folds * self.n_features**2 * torch.finfo(self.dtype).bits // 8 <= MEMORY // 2

    def moments(self, n_targets: int) -> Moments:
        """Of no rows yet."""
        return Moments(self.n_features, n_targets, self.n_folds, self.dtype, self.device)


Spread: TypeAlias = Callable[[Callable[[Iterable[Chunk]], Moments], Sequence[Iterable[Chunk]]], Moments]
"""Calls a function for shards of rows, wherever that may be, and gives back what the moments come to together."""


@dataclass(frozen=True)
class Shards:
    """The rows of a fit in parts, whose moments others may gather.

    Attributes:
        rows: each part as a re-iterable of chunks.
        spread: has them gathered.
        masked: whether a target is missing anywhere.
    """

    rows: Sequence[Iterable[Chunk]]
    spread: Spread
    masked: bool


def gathered(start: Callable[[], Moments], cols: slice, rows: Iterable[Chunk]) -> Moments:
    """The moments of rows and of the targets ``cols``, which depend on nothing else; ``start`` gives those of none."""
    m = start()
    for X, Y, fold, weight, mask in rows:
        m.update(X, Y[:, cols], fold, weight, None if mask is None else mask[:, cols])
        del X, Y, mask  # before the next chunk is read
    return m


class TargetBlocks:
    """The blocks of a fit, and their moments."""

    def __init__(
        self, rows: Iterable[Chunk], shape: MomentsShape, n_targets: int, size: int, shards: Shards | None = None
    ) -> None:
        """``rows`` is a re-iterable of chunks with all targets; a block has at most ``size`` targets.

        With ``shards``, the same rows, others gather their moments: each block's anew, those over X as well.
        """
        self.rows, self.shape, self.n_targets, self.shards = rows, shape, n_targets, shards
        self.columns = [slice(a, min(a + size, n_targets)) for a in range(0, n_targets, size)]
        self._n_rows: int | None = None  # in the first pass
        self._x: Moments | None = None  # the sums over X
        self._masked = shards is not None and shards.masked

    def moments(self, cols: slice) -> Moments:
        """The moments of one block: one pass over the rows."""
        first = self._n_rows is None and self.shards is None
        start = partial(self.shape.moments if self._x is None else self._x.for_targets, cols.stop - cols.start)
        if self.shards is None:
            m = gathered(start, cols, self._looked_at() if first else self.rows)
        else:
            m = self.shards.spread(partial(gathered, start, cols), self.shards.rows)
        if self._n_rows not in (None, m.n_rows):
            raise RidgeError(f"chunks gave {self._n_rows} rows when they were first read, and {m.n_rows} now")
        if first and not self._masked:
            self._x = m.for_targets(1)
        self._n_rows = m.n_rows
        return m

    def _looked_at(self) -> Iterator[Chunk]:
        row = 0
        for chunk in self.rows:
            self._look(chunk[1], chunk[4], row)
            row += len(chunk[0])
            yield chunk
            del chunk  # before the next one is read

    @blas_alone()
    def _look(self, Y: checks.ArrayLike, mask: checks.ArrayLike, row: int) -> None:
        """Whether a target is missing; refuse what is not finite while its row and column are known."""
        y = checks.matrix(Y, "Y")
        seen = checks.present(mask, *y.shape)
        self._masked |= seen is not None
        checks.finite(y if seen is None else y.masked_fill(~seen.to(y.device), 0.0), "Y", row)

    def form(self, cols: slice, fit_intercept: bool, factors: Factors | None, shared: bool = False) -> PrimalForm:
        """The block's form. ``factors`` is for all blocks, but where masks make their factors differ."""
        moments = self.moments(cols)
        if factors is not None and self._masked:
            factors = {} if self.shape.holds_factors(len(moments.xx)) else None
        return PrimalForm(moments, fit_intercept, factors, shared)

    def only(self, cols: slice) -> Iterable[Chunk]:
        """The rows as a re-iterable of chunks with the block's targets."""
        return _Only(self.rows, cols)


@dataclass(frozen=True)
class _Only:
    rows: Iterable[Chunk]
    cols: slice

    def __iter__(self) -> Iterator[Chunk]:
        return map(self._part, self.rows)

    def _part(self, chunk: Chunk) -> Chunk:
        X, Y, fold, weight, mask = chunk
        return X, Y[:, self.cols], fold, weight, None if mask is None else mask[:, self.cols]


class SharedAlpha:
    """The primal form of one alpha for the targets of all blocks: they are gathered once to score, once to solve."""

    name: Form = "primal"

    def __init__(self, blocks: TargetBlocks, fit_intercept: bool, factors: Factors | None) -> None:
        self.blocks, self.fit_intercept, self.factors = blocks, fit_intercept, factors
        self._noise: dict[float, Floats] = {}
        self._held: tuple[slice, PrimalForm] | None = None

    def _forms(self) -> Iterator[tuple[slice, PrimalForm]]:
        """Every block and its form, that first which is there already."""
        there = None if self._held is None else self._held[0]
        for cols in sorted(self.blocks.columns, key=lambda block: block != there):
            if self._held is None or self._held[0] != cols:
                self._held = None  # before the next block's moments are gathered
                self._held = cols, self.blocks.form(cols, self.fit_intercept, self.factors, shared=True)
            yield self._held

    def scale(self) -> float:
        """Mean non-zero eigenvalue of the scatter of the rows in which the first block's first target is known."""
        return next(self._forms())[1].scale()

    def score(self, alphas: Floats, only: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Mean over folds of the validation MSE, (A,) -> (A, t); NaN for a target without a usable fold."""
        assert only is None  # all targets have a part in one alpha
        scores = np.empty((len(alphas), self.blocks.n_targets))
        noise = np.empty_like(scores)
        for cols, form in self._forms():
            scores[:, cols] = form.score(alphas)
            noise[:, cols] = form.noise(alphas)
            del form  # frees its moments before the next block's are gathered
        self._noise |= dict(zip(alphas.tolist(), noise, strict=True))
        return scores

    def uncertain(self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Targets (t,) without a usable fold; all of them, if rounding may have decided the alpha."""
        blind = np.isnan(scores).any(axis=0) & (len(alphas) > 1)
        noise = np.stack([self._noise[a] for a in alphas.tolist()])
        return np.asarray(blind | grid.tied(alphas, scores[:, ~blind], noise[:, ~blind], int(best[0])))

    def forget(self) -> None:
        """Release the factors that are held."""
        if self.factors is not None:
            self.factors.clear()

    def solve(self, alpha: Floats, coef: npt.NDArray[np.float64]) -> Floats:
        """Coefficients at alpha (t,) from all rows into ``coef`` (t, d); returns the intercepts (t,)."""
        intercept = np.empty(len(alpha))
        for cols, form in self._forms():
            intercept[cols] = form.solve(alpha[cols], coef[cols])
            del form
        return intercept

    def oof(self, alpha: Floats, X: checks.ArrayLike, labels: npt.NDArray[np.int64], out: Floats) -> None:
        """Out-of-fold predictions into ``out`` (n, t), as `PrimalForm.oof`."""
        for cols, form in self._forms():
            form.oof(alpha[cols], X, labels, out[:, cols])
            del form
