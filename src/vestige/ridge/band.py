"""Solutions of (M + alpha) x = c for many alphas, from one reduction of M to a band.

M = Q B QT with B block tridiagonal. That is the first of the two stages in which an eigendecomposition can be made
(Bischof, Lang and Sun, *A Framework for Symmetric Band Reduction*, ACM TOMS 26, 2000), and it is made of products of
matrices; LAPACK's single stage waits for memory in half of its work. From there on an alpha costs the Cholesky factor
of a band, and its solution little more than the right-hand sides are long.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from vestige.ridge._linalg import eigh, matmul, subtract_symmetric
from vestige.ridge.checks import Floats
from vestige.ridge.spectrum import shrinkage

WIDTH = 64  # of the band: a wider one is reduced to by larger products, and costs more for each alpha
POWERS = 4  # iterations that look for the smallest eigenvalue
SAFE = 1e-8  # a Cholesky factor is taken where rounding times the condition is no larger


class Band:
    """A positive semi-definite matrix M = Q B QT, (m, m) float64.

    Attributes:
        diagonal: B's blocks on the diagonal, (b, b) each; the last one may be of another size.
        below: the blocks below them.
        reflectors: V (r, b) and T (b, b) for each step of the reduction: I - V T VT turns the last r coordinates.
    """

    def __init__(self, M: Tensor) -> None:
        """``M`` is overwritten."""
        self.norm = float(M.norm())
        self.diagonal: list[Tensor] = []
        self.below: list[Tensor] = []
        self.reflectors: list[tuple[Tensor, Tensor]] = []
        while len(M) > 2 * WIDTH:
            V, T, R = _reflector(M[WIDTH:, :WIDTH])
            self.diagonal.append(M[:WIDTH, :WIDTH].clone())
            self.below.append(R)
            self.reflectors.append((V, T))
            M = M[WIDTH:, WIDTH:]
            # (I - V TT VT) M (I - V T VT) = M - V WT - W VT
            W = matmul(M, matmul(V, T))
            W -= matmul(V, matmul(T.T, matmul(V.T, W))).mul_(0.5)
            subtract_symmetric(M, torch.cat([V, W], 1), torch.cat([W, V], 1).T)
        half = len(M) if len(M) <= WIDTH else WIDTH
        self.diagonal.append(M[:half, :half].clone())
        if half < len(M):
            self.below.append(M[half:, :half].clone())
            self.diagonal.append(M[half:, half:].clone())

    def inside(self, C: Tensor) -> Tensor:
        """QT C, (m, c) -> (m, c)."""
        C = C.clone()
        for V, T in self.reflectors:
            C[-len(V) :] -= matmul(V, matmul(T.T, matmul(V.T, C[-len(V) :])))
        return C

    def outside(self, C: Tensor) -> Tensor:
        """Q C, (m, c) -> (m, c)."""
        C = C.clone()
        for V, T in reversed(self.reflectors):
            C[-len(V) :] -= matmul(V, matmul(T, matmul(V.T, C[-len(V) :])))
        return C

    def solve(self, C: Tensor, alpha: Floats) -> Tensor:
        """(M + alpha)^-1 C, (m, c) -> (m, c), for every column at an alpha of its own (c,)."""
        distinct, place = np.unique(alpha, return_inverse=True)
        solver, Z = self.at(distinct), self.inside(C)
        for which in range(len(distinct)):
            mine = torch.from_numpy(np.flatnonzero(place == which)).to(C.device)
            Z[:, mine] = solver.solve(Z[:, mine], which)
        return self.outside(Z)

    def at(self, alphas: Floats) -> Solver:
        """What solves with B + alpha for every one of ``alphas`` (A,)."""
        several = torch.from_numpy(alphas).to(self.diagonal[0].device)
        found = self._cholesky(several)
        if found is not None:
            least = int(alphas.argmin())
            rounding = np.finfo(np.float64).eps * (self.norm + alphas[least]) * found.inverse_norm(least)
            if rounding <= SAFE:
                return found
        return SpectrumFactor(*self._eigensystem, several)

    def _cholesky(self, alphas: Tensor) -> BandFactor | None:
        """None where B + alpha is not definite for one of ``alphas``."""
        inverse: list[Tensor] = []
        across: list[Tensor] = []
        for j, block in enumerate(self.diagonal):
            shifted = block.repeat(len(alphas), 1, 1)
            shifted.diagonal(dim1=1, dim2=2).add_(alphas[:, None])
            if j:
                left = matmul(self.below[j - 1], inverse[-1].transpose(1, 2))
                shifted -= matmul(left, left.transpose(1, 2))
            L, info = torch.linalg.cholesky_ex(shifted)
            if bool(info.any()):
                return None
            eye = torch.eye(len(block), dtype=L.dtype, device=L.device).expand_as(L)
            inverse.append(torch.linalg.solve_triangular(L, eye, upper=False))
            if j:
                across.append(matmul(inverse[-1], left))
        return BandFactor(inverse, across)

    @cached_property
    def _eigensystem(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues of B (m,), ascending, none below zero, and its eigenvectors as rows (m, m)."""
        m = sum(map(len, self.diagonal))
        B = self.diagonal[0].new_zeros(m, m)
        start = 0
        for j, block in enumerate(self.diagonal):
            stop = start + len(block)
            B[start:stop, start:stop] = block
            if j:
                left = slice(start - self.below[j - 1].shape[1], start)
                B[start:stop, left], B[left, start:stop] = self.below[j - 1], self.below[j - 1].T
            start = stop
        S, Ut = eigh(B)
        return S.clamp_(min=0), Ut


def _reflector(panel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """V (r, b), T (b, b), R (b, b): ``panel`` (r, b) = (I - V T VT) [R; 0], for r > b (the compact WY form)."""
    packed, tau = torch.geqrf(panel)
    R = packed[: len(tau)].triu()
    V = packed.tril(-1)
    V.diagonal().fill_(1.0)
    still = tau == 0  # there was nothing to turn
    V[:, still] = 0.0
    inner = (V.T @ V).triu(1)
    inner.diagonal().copy_(torch.where(still, 1.0, 1 / tau))
    eye = torch.eye(len(tau), dtype=tau.dtype, device=tau.device)
    return V.contiguous(), torch.linalg.solve_triangular(inner, eye, upper=True), R


@dataclass(frozen=True)
class BandFactor:
    """B + alpha = L LT for A alphas: the inverses (A, b, b) of L's blocks on the diagonal, and what these make of the
    blocks to their left (A, b, b')."""

    inverse: list[Tensor]
    across: list[Tensor]

    def solve(self, C: Tensor, which: int) -> Tensor:
        """(B + alpha)^-1 C at one of the alphas, (m, c) -> (m, c)."""
        inverse, across = [block[which] for block in self.inverse], [block[which] for block in self.across]
        parts = torch.split(C, [len(block) for block in inverse])
        found = [matmul(inverse[0], parts[0])]
        for j in range(1, len(parts)):
            found.append(matmul(inverse[j], parts[j]).sub_(matmul(across[j - 1], found[-1])))
        right = found[-1]
        found[-1] = matmul(inverse[-1].T, right)
        for j in reversed(range(len(parts) - 1)):
            right = found[j] - matmul(across[j].T, right)
            found[j] = matmul(inverse[j].T, right)
        return torch.cat(found)

    def inverse_norm(self, which: int) -> float:
        """The largest eigenvalue of (B + alpha)^-1 at one of the alphas, nearly: by power iteration."""
        m = sum(block.shape[1] for block in self.inverse)
        x = torch.randn(m, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        x = x.to(self.inverse[0].device)
        for _ in range(POWERS):
            x = self.solve(x / x.norm(), which)
        return float(x.norm())


@dataclass(frozen=True)
class SpectrumFactor:
    """The same by B's eigensystem, for alphas that are zero or so small that B + alpha is not safely definite."""

    S: Tensor
    Ut: Tensor
    alphas: Tensor

    def solve(self, C: Tensor, which: int) -> Tensor:
        """The solution of least norm at one of the alphas, (m, c) -> (m, c)."""
        shrink = shrinkage(self.S, self.alphas[which : which + 1])
        return matmul(self.Ut.T, matmul(self.Ut, C) * shrink.T)


Solver: TypeAlias = BandFactor | SpectrumFactor
