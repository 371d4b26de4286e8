"""What 1 / (S + alpha) costs for a spectrum S and many alphas: the shrinkage, quadratic forms, solutions.

The function s -> 1 / (s + alpha) is smooth, so over a short stretch of the spectrum the functions of all alphas are,
to rounding, combinations of a few. In the validation error, which is a quadratic form, the matrix is multiplied by
those few instead of by one vector for each alpha: the cost hardly grows with the number of alphas. Symmetry saves half
of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vestige.ridge._linalg import cholesky, cholesky_solve, eigh, matmul

CHOLESKY = 12  # one eigendecomposition costs about as much as this many Cholesky factors
CORRECTIONS = 8
SETTLED = 1e-8  # a solution stands when its last correction was no larger a share: the next one is far smaller
BLOCK = 512  # eigenvalues of a stretch: shorter means fewer functions, but more and smaller products


def shrinkage(S: Tensor, alphas: Tensor) -> Tensor:
    """1 / (S + alpha), (d,), (A,) -> (A, d) float64; zero where that is singular to rounding.

    A singular direction holds no part of any training target, so zero is the limit (the pseudo-inverse).
    """
    total = S.double()[None, :] + alphas[:, None]
    floor = torch.finfo(S.dtype).eps * S.max().double().clamp(min=torch.finfo(torch.float32).tiny)
    several = torch.tensor([singular_below(len(S), alpha) for alpha in alphas.tolist()], dtype=torch.float64)
    return torch.where(total > floor * several.to(total.device)[:, None], 1 / total, 0.0)


def singular_below(d: int, alpha: float) -> int:
    """Up to how many times eps S_max a direction counts as singular.

    Without alpha, d times, as numpy's ``matrix_rank`` has it: the eigensystem of a singular matrix leaves more than eps
    S_max in its null space on some processors. Any alpha above eps S_max makes a direction regular.
    """
    return 1 if alpha > 0 else d


@dataclass(frozen=True)
class Stretch:
    """A stretch of the spectrum in which 1 / (s + alpha) = sum_r mix[alpha, r] basis[r, s] to rounding.

    Attributes:
        at: the eigenvalues' places.
        basis: (r, b), in the dtype of the products.
        mix: (A, r) float64.
    """

    at: slice
    basis: Tensor
    mix: Tensor


def stretches(S: Tensor, shrink: Tensor, dtype: torch.dtype) -> list[Stretch]:
    """The stretches of a spectrum S (d,), ascending, for the functions ``shrink`` (A, d) and products in ``dtype``.

    A function's error is weighted by s: that is its error in units of the target, for a direction that
    explains all of it. Kept are as many functions as rounding, in the products and in the SVD itself, lets through.
    """
    eps, svd_eps = torch.finfo(dtype).eps, torch.finfo(torch.float64).eps
    weight = S.double().clamp(min=max(float(S.max()) * eps, torch.finfo(torch.float32).tiny))
    size = min(BLOCK, max(64, len(S) // 4))
    found = []
    for start in range(0, len(S), size):
        at = slice(start, min(start + size, len(S)))
        U, s, Vt = torch.linalg.svd(shrink[:, at] * weight[at], full_matrices=False)
        rank = max(1, int((s > max(2 * eps, 4 * svd_eps * float(s[0]))).sum()))
        found.append(Stretch(at, (Vt[:rank] / weight[at]).to(dtype), U[:, :rank] * s[:rank]))
    return found


def quadratic_forms(H: Tensor, Zt: Tensor, parts: list[Stretch]) -> Tensor:
    """b.(H b) with b = z / (S + alpha), for every alpha and every row z of Zt: (d, d), (t, d) -> (A, t) float64.

    H is symmetric; of two blocks that mirror each other one is multiplied, from the side with fewer functions.
    """
    t = len(Zt)
    out = torch.zeros(len(parts[0].mix), t, dtype=torch.float64, device=Zt.device)
    shrunk = [Zt[:, None, part.at] * part.basis for part in parts]  # (t, r, b) each
    for i, left in enumerate(parts):
        for j, right in enumerate(parts[i:], i):
            few, many = (j, i) if len(right.basis) <= len(left.basis) else (i, j)
            rows = shrunk[few].reshape(-1, shrunk[few].shape[2])
            product = matmul(rows, H[parts[few].at, parts[many].at]).view(t, -1, shrunk[many].shape[2])
            inner = torch.bmm(product, shrunk[many].transpose(1, 2)).reshape(t, -1).double()
            mix = (parts[few].mix[:, :, None] * parts[many].mix[:, None, :]).flatten(1)
            out += (mix if i == j else 2 * mix) @ inner.T
    return out


class Solver:
    """Solves (A + alpha I) b = c in float64 for one alpha after another: by Cholesky, or in A's eigenbasis
    where alphas are many or too small for A + alpha I to be safely definite."""

    def __init__(self, A: Tensor, eps: float, n_alphas: int, smallest: float) -> None:
        """``smallest``: what A's eigenvalues are not below, to within eps of the largest."""
        self.A, self.many = A, n_alphas > CHOLESKY
        noise = eps * float(A.norm())  # no eigenvalue exceeds the Frobenius norm: nothing is singular above this
        self.least = noise - max(0.0, smallest - noise)
        self.basis: tuple[Tensor, Tensor] | None = None
        self.cholesky: Tensor | None = None
        self.shrink: Tensor | None = None
        self.eps = eps

    def at(self, alpha: float) -> None:
        """Go to ``alpha``."""
        self.cholesky = None
        if not self.many and alpha > self.least:
            shifted = self.A.clone()
            shifted.diagonal().add_(alpha)
            self.cholesky = cholesky(shifted)
        if self.cholesky is None:
            self.basis = self.basis or eigh(self.A.clone())
            total = self.basis[0].clamp(min=0) + alpha
            floor = self.eps * self.basis[0].max().clamp(min=0) * singular_below(len(total), alpha)
            self.shrink = torch.where(total > floor, 1 / total, 0.0)

    def solve(self, C: Tensor) -> Tensor:
        """b (d, c) for c (d, c)."""
        if self.cholesky is not None:
            return cholesky_solve(self.cholesky, C)
        assert self.basis is not None
        assert self.shrink is not None
        Qt = self.basis[1]
        return matmul(Qt.T, matmul(Qt, C).mul_(self.shrink[:, None]))


def corrected(S: Tensor, Qt: Tensor, A: Tensor, alpha: Tensor, C: Tensor) -> Tensor | None:
    """Solutions (d, c) for C (d, c), each at its own alpha (c,), by an eigensystem that holds to rounding only.

    S (d,) and the rows of Qt (d, d) are A's (d, d), of any precision. Every correction solves for what the solution
    leaves over, which is computed in float64 (iterative refinement). None where that does not settle.
    """
    shrink = shrinkage(S, alpha).T

    def solve(right: Tensor) -> Tensor:
        inside = matmul(Qt, right.to(Qt.dtype)).double().mul_(shrink)
        return matmul(Qt.T, inside.to(Qt.dtype)).double()

    B = solve(C)
    for _ in range(CORRECTIONS):
        change = solve(C - matmul(A, B).addcmul_(B, alpha))
        B += change
        if bool((change.norm(dim=0) <= SETTLED * B.norm(dim=0)).all()):
            return B
    return None
