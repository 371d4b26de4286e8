"""Quadratic forms and solutions at many alphas, against direct products and numpy's solutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vestige.ridge.spectrum import Solver, corrected, quadratic_forms, shrinkage, stretches


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


D = 60


def definite(smallest: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A symmetric matrix (D, D) with eigenvalues from ``smallest`` to 1e4, and right sides (D, 5)."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(D, D)))[0]
    A = (Q * np.geomspace(smallest, 1e4, D)) @ Q.T
    return torch.from_numpy((A + A.T) / 2), torch.from_numpy(rng.normal(size=(D, 5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rough_eigensystem_is_corrected_to_float64(dtype: torch.dtype) -> None:
    A, C = definite(1.0)
    S, Q = torch.linalg.eigh(A.to(dtype))
    alpha = torch.logspace(-1, 3, 5, dtype=torch.float64)
    B = corrected(S, Q.T.contiguous(), A, alpha, C)
    assert B is not None
    for j, a in enumerate(alpha.numpy()):
        want = np.linalg.solve(A.numpy() + a * np.eye(D), C[:, j].numpy())
        np.testing.assert_allclose(B[:, j], want, rtol=0, atol=1e-9 * np.abs(want).max())


def test_an_eigensystem_that_does_not_hold_is_refused() -> None:
    A, C = definite(1e-6)  # below what float32 resolves
    S, Q = torch.linalg.eigh(A.float())
    assert corrected(S.clamp(min=0), Q.T.contiguous(), A, torch.full((5,), 1e-6, dtype=torch.float64), C) is None


@pytest.mark.parametrize("n_alphas", [2, 50])
@pytest.mark.parametrize("smallest", [0.0, 1.0])
@pytest.mark.parametrize("alpha", [1e-6, 10.0])
def test_solver_takes_cholesky_where_it_is_safe(n_alphas: int, smallest: float, alpha: float) -> None:
    A, C = definite(1.0)
    solver = Solver(A, float(np.finfo(np.float32).eps), n_alphas, smallest)
    solver.at(alpha)
    assert (solver.cholesky is not None) == (n_alphas == 2 and smallest + alpha > 0.1)
    want = np.linalg.solve(A.numpy() + alpha * np.eye(D), C.numpy())
    np.testing.assert_allclose(solver.solve(C), want, rtol=0, atol=1e-10 * np.abs(want).max())
