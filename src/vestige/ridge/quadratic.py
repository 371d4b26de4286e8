"""The part of the validation error that costs: quadratic forms of one matrix at many alphas.

The function s -> 1 / (s + alpha) is smooth, so over a short stretch of the spectrum the functions of all alphas are,
to rounding, combinations of a few. The matrix is multiplied by those few instead of by one vector for each alpha:
the cost hardly grows with the number of alphas. Symmetry saves half of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vestige.ridge._linalg import matmul

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
