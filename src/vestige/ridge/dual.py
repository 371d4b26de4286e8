"""Ridge from the rows' inner products: the n x n form, for fewer rows than features.

For fold k, with the other folds' rows T centred about their mean and scaled by the roots of their weights,
K_TT = U S UT. The prediction of fold k's rows V at alpha is mean y + P (Z / (S + alpha)) with P = K_VT U and
Z = UT (y - mean y): every alpha costs one product, residuals are explicit, and d enters only in the Gram matrix.
The solution from all rows needs no more than one alpha for each target: there a band does for S (`band`).
Float32 does for most of these products: what it cannot tell apart is looked at again in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.ridge import checks, grid
from vestige.ridge._linalg import blas_alone, each, eigh, gram, matmul, to_numpy
from vestige.ridge.band import Band
from vestige.ridge.checks import Bools, Floats, RidgeError
from vestige.ridge.moments import column_blocks
from vestige.ridge.plan import Form
from vestige.ridge.rows import FitRows
from vestige.ridge.spectrum import Stretch, shrinkage, stretches

TARGETS = 1024
BLOCK_BYTES = 64 * 2**20  # of the rows' columns that are worked on at a time
PREDICTED_BYTES = 128 * 2**20  # of predictions at all alphas
NOISE = 10.0  # rounding errors of sums allowed for, in units of the dtype's epsilon


@dataclass(frozen=True)
class DualFactor:
    """Fold k of one group: training rows T, validation rows V, eigenvalues S (m,), eigenvectors as rows of Ut
    (m, m), P = K_VT U (v, m), weights' roots (m,), and the weights' shares (m,) that make a mean."""

    T: Tensor
    V: Tensor
    S: Tensor
    Ut: Tensor
    P: Tensor
    root: Tensor
    share: Tensor


class DualForm:
    """Cross-validation and solution from rows (see the module's text)."""

    name: Form = "dual"

    def __init__(
        self,
        rows: FitRows,
        dtype: torch.dtype,
        fit_intercept: bool = True,
        keep: bool = False,
        scoring: torch.dtype = torch.float64,
    ) -> None:
        """``dtype`` is that of the products over features. Float32 loses alphas that are small beside the largest
        eigenvalue.

        ``scoring`` is that of the products which score alphas; all else is float64. `rescore` mends float32's scores
        where they matter. ``keep`` holds the folds' factors, about n^2 (K - 1 + 1 / K) numbers for each group.
        """
        self.rows, self.dtype, self.fit_intercept, self.keep = rows, dtype, fit_intercept, keep
        self.scoring = scoring
        self._noise: dict[float, Floats] = {}
        self.device = rows.Y.device
        self.K, self.shift = self._gram()
        self._factors: dict[tuple[int, int], DualFactor | None] = {}
        for columns, known in self._group_rows:
            if not float(rows.w[known].sum()) > 0:
                raise RidgeError(f"target {columns[0]} has no row with a weight above zero; drop the target")
        if len(np.unique(rows.labels[to_numpy(rows.w) > 0])) < 2:
            raise RidgeError("all rows are in one fold; cross-validation needs at least two")

    @cached_property
    def _group_rows(self) -> list[tuple[npt.NDArray[np.int64], Tensor]]:
        """For each group its targets and the rows in which they are known."""
        every = torch.arange(len(self.rows.Y), device=self.device)
        seen = self.rows.seen
        return [(c, every if seen is None else torch.nonzero(seen[:, c[0]])[:, 0]) for c in self.rows.groups]

    def _blocks(self) -> list[slice]:
        n, d = self.rows.X.shape
        width = max(1, min(d, BLOCK_BYTES // (8 * n)))
        return [slice(a, min(a + width, d)) for a in range(0, d, width)]

    def _block(self, cols: slice) -> Tensor:
        x = checks.matrix(self.rows.X[:, cols], "X", self.device)
        checks.finite(x, "X", first_column=cols.start)
        return x

    @blas_alone()
    def _gram(self) -> tuple[Tensor, Tensor]:
        """K (n, n) float64 of the rows, and the shift (d,) that they were measured from: their mean if there is an
        intercept (ridge with an intercept does not see a shift; rounding does)."""
        n, d = self.rows.X.shape
        K = torch.zeros(n, n, dtype=torch.float64, device=self.device)
        shift = torch.zeros(d, dtype=torch.float64, device=self.device)
        for cols in self._blocks():
            x = self._block(cols)
            if self.fit_intercept:
                shift[cols] = (x.sum(0, dtype=torch.float64) / n).to(x.dtype).double()
                x = x - shift[cols].to(x.dtype)
            K += gram(x.to(self.dtype).T)
        return K, shift

    def scale(self) -> float:
        """Mean non-zero eigenvalue of the scatter of all rows."""
        w = self.rows.w
        trace = float(w @ self.K.diagonal())
        if self.fit_intercept:
            trace -= float(w @ self.K @ w / w.sum())
        return trace / min(self.rows.Y.shape[0], self.shift.shape[0])

    def _centred(self, V: Tensor, T: Tensor, share: Tensor) -> Tensor:
        """K_VT (v, m) about the training rows' mean."""
        K = self.K[V][:, T]
        if not self.fit_intercept:
            return K
        mean = self.K[T][:, T] @ share
        return K.sub_((K @ share)[:, None]).sub_(mean - share @ mean)

    def _share(self, T: Tensor) -> tuple[Tensor, Tensor]:
        w = self.rows.w[T]
        return w.sqrt(), w / w.sum()

    def factor(self, g: int, k: int) -> DualFactor | None:
        """The factor of fold k for group g; None if no other fold has rows for it."""
        if (g, k) not in self._factors:
            found = self._factor(g, k)
            if not self.keep:
                return found
            self._factors[g, k] = found
        return self._factors[g, k]

    def forget(self) -> None:
        """Release the factors that are held: the solution from all rows needs none."""
        self._factors.clear()

    def _factor(self, g: int, k: int) -> DualFactor | None:
        inside = torch.from_numpy(self.rows.labels == k).to(self.device)
        known = self._group_rows[g][1]
        T, V = known[~inside[known] & (self.rows.w[known] > 0)], torch.nonzero(inside)[:, 0]
        if not len(T):
            return None
        root, share = self._share(T)
        S, Ut = eigh(self._centred(T, T, share).mul_(root[:, None]).mul_(root))
        S.clamp_(min=0)
        P = matmul(self._centred(V, T, share).mul_(root), Ut.T)
        return DualFactor(T, V, S, Ut, P, root, share)

    def _training(self, T: Tensor, root: Tensor, share: Tensor, cols: Any) -> tuple[Tensor, Tensor]:
        """The targets (m, c) of the rows T about their mean, times the weights' roots; and that mean (c,)."""
        y = self.rows.Y[:, cols][T].double()
        q = share @ y if self.fit_intercept else torch.zeros(y.shape[1], dtype=y.dtype, device=self.device)
        return (y - q).mul_(root[:, None]), q

    def _projected(self, f: DualFactor, cols: Any) -> tuple[Tensor, Tensor]:
        """Z = UT (y - q) (m, c) and the training mean q (c,)."""
        y, q = self._training(f.T, f.root, f.share, cols)
        return matmul(f.Ut, y.to(f.Ut.dtype)), q

    def score(self, alphas: Floats, only: Bools | None = None) -> Floats:
        """Mean over folds of the validation MSE, (A,) -> (A, t); NaN for a target without a usable fold.

        With ``only`` (t,), those targets are scored; the others' scores are infinite.
        """
        scores, noise = self._scored(alphas, only, self.scoring)
        self._noise |= dict(zip(alphas.tolist(), noise, strict=True))
        return scores

    @blas_alone()
    def _scored(self, alphas: Floats, only: Bools | None, scoring: torch.dtype) -> tuple[Floats, Floats]:
        """Scores (A, t) from products in ``scoring``, and the rounding error that they may carry."""
        scores = np.full((len(alphas), self.rows.Y.shape[1]), np.nan)
        noise = np.zeros_like(scores)
        if only is not None:
            scores[:, ~only] = np.inf
        for g, (columns, known) in enumerate(self._group_rows):
            columns = columns if only is None else columns[only[columns]]
            folds = np.unique(self.rows.labels[to_numpy(known[self.rows.w[known] > 0])])
            if len(folds) < 2 or not len(columns):
                continue
            scores[:, columns] = 0.0
            for k in folds:
                f = self.factor(g, int(k))
                assert f is not None
                shrink = shrinkage(f.S, torch.from_numpy(alphas).to(self.device))
                parts = stretches(f.S, shrink, scoring)
                seen = slice(None) if self.rows.seen is None else self.rows.seen[f.V, columns[0]]
                f = replace(f, V=f.V[seen], Ut=f.Ut.to(scoring), P=f.P.to(scoring)[seen])
                size = max(1, min(TARGETS, PREDICTED_BYTES // (8 * len(f.V) * (_rank(parts) + len(alphas)))))
                blocks = column_blocks(columns, size)
                validate = partial(self._validate, f, shrink, parts)
                for cols, (mse, error) in zip(blocks, each(validate, blocks, self.device), strict=True):
                    scores[:, cols] += mse / len(folds)
                    noise[:, cols] += error / len(folds)
        return scores, noise

    def _validate(self, f: DualFactor, shrink: Tensor, parts: list[Stretch], cols: Any) -> tuple[Floats, Floats]:
        """Validation MSE (A, c) of one fold, whose rows V all know the targets, and its possible rounding error.

        Within a stretch of the spectrum the alphas' functions are combinations of a few (`spectrum`): P multiplies
        Z shrunk by those, and the products are combined.
        """
        Z, q = self._projected(f, cols)
        y, P, w = (self.rows.Y[:, cols][f.V].double() - q).to(Z.dtype), f.P, self.rows.w[f.V]
        terms = torch.empty(_rank(parts), *y.shape, dtype=P.dtype, device=self.device)
        row = 0
        for part in parts:
            few = len(part.basis)
            shrunk = (Z[part.at, None] * part.basis.T[:, :, None]).flatten(1)  # (b, r c)
            product = matmul(P[:, part.at], shrunk)
            terms[row : row + few] = product.view(len(y), few, -1).transpose(0, 1)
            row += few
        mix = torch.cat([part.mix for part in parts], dim=1).to(P.dtype)
        predicted = matmul(mix, terms.flatten(1)).view(len(mix), *y.shape)
        share = (w / w.sum()).to(P.dtype)
        mse = (share @ predicted.sub_(y).square_()).double()
        return to_numpy(mse), to_numpy(self._rounding(Z, share @ P.square(), shrink, mse, share @ y.square()))

    def _rounding(self, Z: Tensor, P2: Tensor, shrink: Tensor, mse: Tensor, y2: Tensor) -> Tensor:
        """Estimate (A, c) of the rounding error in ``mse`` (A, c).

        The sums are rounded, by eps times their terms. So is Z, by eps |Z| spread over the m directions, which moves
        the prediction by that times |P / (S + alpha)|; P2 (m,) is the mean over rows of P's squares.
        """
        eps = torch.finfo(Z.dtype).eps
        moved = eps * len(Z) ** -0.5 * (shrink.square() @ P2.double()).sqrt()[:, None] * Z.norm(dim=0).double()
        error: Tensor = NOISE * eps * (y2.double() + mse) + (2 * mse.sqrt() + moved) * moved
        return error

    def rivals(self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> Bools:
        """The alphas (A, t), the chosen one among them, whose scores are the lowest to within rounding."""
        return grid.rivals(scores, np.stack([self._noise[a] for a in alphas.tolist()]), best)

    def rescore(
        self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64], uncertain: Bools
    ) -> tuple[Floats, Bools]:
        """Scores (A, t) in which those of targets with rivals are of float64; ``uncertain`` (t,) as it is.

        Where the strongest alpha is a rival, nothing predicts the target better than its mean does: scores at ever
        stronger alphas come ever closer to the mean's. The strongest is then taken, without another look.
        """
        every = np.arange(scores.shape[1])
        rivals = self.rivals(alphas, scores, best) & (scores > 0)
        strongest = np.where(np.isfinite(scores), alphas[:, None], -np.inf).argmax(axis=0)
        idle = rivals[strongest, every]
        scores = scores.copy()
        scores[strongest[idle], every[idle]] = np.nextafter(scores[best[idle], every[idle]], -np.inf)
        doubtful = (rivals.sum(axis=0) > 1) & ~idle
        if doubtful.any():
            exact = self._scored(alphas, doubtful, torch.float64)[0]
            scores = np.where(doubtful & np.isfinite(scores), exact, scores)
        return scores, uncertain

    def uncertain(self, alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> Bools:
        """Targets (t,) without a usable fold; all of them, if an alpha is lost in the Gram matrix's rounding."""
        floor = 8 * torch.finfo(self.dtype).eps * float(self.K.diagonal().sum())
        blind = np.isnan(scores[best, np.arange(scores.shape[1])])
        return np.asarray(blind | (alphas.min() < floor)) & (len(alphas) > 1)

    @blas_alone()
    def oof(self, alpha: Floats, out: npt.NDArray[Any]) -> None:
        """Predictions into ``out`` (n, t) of all rows, each from the other folds; NaN where those know nothing."""
        for g, (columns, _) in enumerate(self._group_rows):
            for k in np.unique(self.rows.labels):
                f, rows = self.factor(g, int(k)), np.flatnonzero(self.rows.labels == k)
                if f is None:
                    out[np.ix_(rows, columns)] = np.nan
                    continue
                blocks = column_blocks(columns, TARGETS)
                for cols, predicted in zip(
                    blocks, each(partial(self._predict, f, alpha), blocks, self.device), strict=True
                ):
                    out[np.ix_(rows, np.arange(len(alpha))[cols])] = predicted

    def _predict(self, f: DualFactor, alpha: Floats, cols: Any) -> npt.NDArray[Any]:
        Z, q = self._projected(f, cols)
        shrink = shrinkage(f.S, torch.from_numpy(alpha[cols]).to(self.device)).T
        return to_numpy(matmul(f.P, Z * shrink) + q)

    @blas_alone()
    def solve(self, alpha: Floats, coef: npt.NDArray[Any]) -> Floats:
        """Coefficients at alpha (t,) from all rows into ``coef`` (t, d); returns the intercepts (t,)."""
        n, t = self.rows.Y.shape
        A = torch.zeros(n, t, dtype=torch.float64, device=self.device)
        means = torch.zeros(t, dtype=torch.float64, device=self.device)
        for columns, known in self._group_rows:
            T = known[self.rows.w[known] > 0]
            root, share = self._share(T)
            band = Band(self._centred(T, T, share).mul_(root[:, None]).mul_(root))
            mean = share @ self.K[T][:, T]  # of the inner products with all rows
            for cols in column_blocks(columns, TARGETS):
                y, q = self._training(T, root, share, cols)
                a = band.solve(y, alpha[cols]).mul_(root[:, None])
                if self.fit_intercept:
                    a -= share[:, None] * a.sum(0)
                    q = q - mean @ a
                A[T[:, None], torch.arange(t, device=self.device)[cols]] = a
                means[cols] = q
        return self._to_features(A, means, coef)

    def _to_features(self, A: Tensor, intercept: Tensor, coef: npt.NDArray[Any]) -> Floats:
        """coef = XT A, block of columns by block; the intercept moves from the shift to the origin."""
        for cols in self._blocks():
            x = self._block(cols)
            x = (x - self.shift[cols].to(x.dtype)).to(self.dtype)
            B = matmul(x.T, A.to(self.dtype))
            coef[:, cols] = to_numpy(B.T)
            if self.fit_intercept:
                intercept = intercept - self.shift[cols] @ B.double()
        return to_numpy(intercept)


def _rank(parts: list[Stretch]) -> int:
    return sum(len(part.basis) for part in parts)
