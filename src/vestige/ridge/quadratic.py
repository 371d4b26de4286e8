"""The part of the validation error that costs: quadratic forms of one matrix at many alphas."""

from __future__ import annotations

import torch
from torch import Tensor

from vestige.ridge._linalg import matmul

BLOCK = 512


def shrinkage(S: Tensor, alphas: Tensor) -> Tensor:
    """1 / (S + alpha), (d,), (A,) -> (A, d) float64; zero where that is singular to rounding.

    A singular direction holds no part of any training target, so zero is the limit (the pseudo-inverse).
    """
    total = S.double()[None, :] + alphas[:, None]
    floor = torch.finfo(S.dtype).eps * S.max().double().clamp(min=torch.finfo(torch.float32).tiny)
    return torch.where(total > floor, 1 / total, 0.0)


def quadratic_forms(H: Tensor, Z: Tensor, shrink: Tensor) -> Tensor:
    """b.(H b) with b = shrink_a * z, for every alpha a and column z of Z: (d, d), (d, t), (A, d) -> (A, t) float64.

    H is symmetric, so only its upper block triangle is multiplied: about half of the work of H @ Z.
    """
    out = torch.zeros(len(shrink), Z.shape[1], dtype=torch.float64, device=Z.device)
    for a, row in enumerate(shrink.to(Z.dtype)):
        B = Z * row[:, None]
        for start in range(0, len(H), BLOCK):
            stop = min(start + BLOCK, len(H))
            W = matmul(H[start:stop, start:stop], B[start:stop])
            if stop < len(H):
                W += 2 * matmul(H[start:stop, stop:], B[stop:])
            out[a] += (W * B[start:stop]).sum(0)
    return out
