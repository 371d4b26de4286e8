"""Solutions of (A + alpha I) b = c in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from vestige.ridge._linalg import cholesky, cholesky_solve, eigh, matmul
from vestige.ridge.quadratic import shrinkage, singular_below

CHOLESKY = 12  # one eigendecomposition costs about as much as this many Cholesky factors
CORRECTIONS = 8
SETTLED = 1e-8  # a solution stands when its last correction was no larger a share: the next one is far smaller


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
