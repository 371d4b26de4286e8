"""Solutions by a band against numpy's dense ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vestige.ridge.band import WIDTH, Band, BandFactor, SpectrumFactor

ALPHAS = np.array([10.0, 0.1, 1.0])


def semidefinite(n: int, rank: int) -> torch.Tensor:
    X = torch.randn(n, rank, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    return X @ X.T / n


@pytest.mark.parametrize("n", [1, 5, WIDTH, WIDTH + 1, 2 * WIDTH, 2 * WIDTH + 1, 3 * WIDTH + 2])
@pytest.mark.parametrize("full", [True, False])
def test_every_column_is_solved_at_its_alpha(n: int, full: bool) -> None:
    M = semidefinite(n, n + 5 if full else max(1, n // 4))
    C = torch.randn(n, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    alpha = np.random.default_rng(2).choice(ALPHAS, 7)
    band = Band(M.clone())
    found = band.solve(C, alpha).numpy()
    for j, a in enumerate(alpha):
        np.testing.assert_allclose(found[:, j], np.linalg.solve(M.numpy() + a * np.eye(n), C[:, j].numpy()), rtol=1e-9)
    assert isinstance(band.at(ALPHAS), BandFactor)


@pytest.mark.parametrize("alpha", [0.0, 1e-14])
@pytest.mark.parametrize("n", [5, 2 * WIDTH + 10])
def test_alphas_too_small_for_a_cholesky_factor_leave_out_singular_directions(n: int, alpha: float) -> None:
    M = semidefinite(n, n // 2)
    band = Band(M.clone())
    assert isinstance(band.at(np.array([alpha])), SpectrumFactor)
    C = M[:, :3].contiguous()  # in the range: what training targets are to a ridge
    found = band.solve(C, np.full(3, alpha))
    assert torch.allclose(M @ found, C, atol=1e-10)
    if not alpha:
        np.testing.assert_allclose(found, np.linalg.pinv(M.numpy(), hermitian=True) @ C.numpy(), atol=1e-9)


@pytest.mark.parametrize("what", ["zero", "diagonal", "constant", "duplicated"])
def test_degenerate_matrices_are_reduced(what: str) -> None:
    n = 3 * WIDTH
    duplicated = semidefinite(WIDTH, WIDTH).repeat(3, 3)
    M = {
        "zero": torch.zeros(n, n, dtype=torch.float64),
        "diagonal": torch.diag(torch.arange(n, dtype=torch.float64)),
        "constant": torch.ones(n, n, dtype=torch.float64),
        "duplicated": duplicated,
    }[what]
    C = torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = Band(M.clone()).solve(C, np.array([0.5, 2.0])).numpy()
    for j, a in enumerate((0.5, 2.0)):
        np.testing.assert_allclose(found[:, j], np.linalg.solve(M.numpy() + a * np.eye(n), C[:, j].numpy()), atol=1e-11)
