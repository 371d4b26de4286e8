"""Quadratic forms at many alphas against direct products."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vestige.ridge.quadratic import quadratic_forms, shrinkage, stretches


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-5), (torch.float64, 1e-11)])
@pytest.mark.parametrize("d", [1, 3, 100, 700])
@pytest.mark.parametrize("fall", [0.0, 1.0, 3.0])
def test_equals_direct_products(dtype: torch.dtype, rtol: float, d: int, fall: float) -> None:
    rng = np.random.default_rng(d)
    S = torch.from_numpy(np.sort(np.arange(1, d + 1.0) ** -fall * 1e4)).to(dtype)
    alphas = torch.logspace(-1, 6, 15, dtype=torch.float64)
    root = rng.normal(size=(d, 2 * d)) * np.sqrt(S.numpy())[:, None]
    H = torch.from_numpy(root @ root.T)
    Z = torch.from_numpy(rng.normal(size=(5, d))) * S.double().sqrt()
    shrink = shrinkage(S, alphas)
    found = quadratic_forms(H.to(dtype), Z.to(dtype), stretches(S, shrink, dtype))
    B = Z[None] * shrink[:, None]
    want = torch.einsum("ati,ij,atj->at", B, H, B)
    scale = want.max()  # that of the smallest alpha: the errors are in units of the target
    np.testing.assert_allclose(found / scale, want / scale, atol=rtol)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_few_functions_serve_many_alphas(dtype: torch.dtype) -> None:
    S = torch.from_numpy(np.sort(1e4 / np.arange(1.0, 1025))).to(dtype)
    few, many = (
        sum(len(p.basis) for p in stretches(S, shrinkage(S, torch.logspace(-1, 6, count, dtype=torch.float64)), dtype))
        for count in (10, 100)
    )
    assert many < 1.8 * few


def test_singular_directions_are_left_out() -> None:
    S = torch.tensor([0.0, 1e-12, 1.0])
    assert shrinkage(S, torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()[0] == [0.0, 0.0, 1.0]
