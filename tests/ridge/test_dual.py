"""The dual form: alphas, the widened grid and solutions, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from vestige.ridge import fit_rows
from vestige.ridge.rows import FitRows

ALPHAS = 10.0 ** np.arange(-4.0, 5.0, 0.5)


def problem(masked: bool = False, weighted: bool = False) -> FitRows:
    rng = np.random.default_rng(3)
    X = (rng.standard_normal((60, 200)) * np.arange(1, 201) ** -0.7 + 0.3).astype(np.float32)
    Y = X @ rng.standard_normal((200, 40)) + np.logspace(-3, 2, 40) * rng.standard_normal((60, 40))
    seen = torch.from_numpy(rng.random((60, 1)) < 0.8).expand(60, 40) if masked else None
    w = rng.uniform(0.1, 3, 60) if weighted else np.ones(60)
    return FitRows(X, torch.from_numpy(Y), np.arange(60) % 4, torch.from_numpy(w), seen)


def test_float32_features_get_the_alphas_of_float64() -> None:
    rows = problem()
    X = np.asarray(rows.X)
    quick, exact = (fit_rows(x, rows.Y, rows.labels, ALPHAS, form="dual") for x in (X, X.astype(np.float64)))
    assert quick.coef.dtype == np.float32
    np.testing.assert_array_equal(quick.alpha, exact.alpha)
    np.testing.assert_allclose(quick.coef, exact.coef, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["primal", "dual"])
def test_the_grid_is_widened_for_those_at_its_edge_alone(form: str) -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((80, 30))
    Y = np.column_stack([X @ rng.standard_normal(30) + rng.standard_normal(80), rng.standard_normal(80)])
    Y[:, 1] -= X @ np.linalg.lstsq(X, Y[:, 1], rcond=None)[0]  # nothing to find: the larger alpha, the better
    found = fit_rows(X, Y, np.arange(80) % 4, form=form)  # type: ignore[arg-type]
    assert len(found.alphas) > 25
    wide = np.isnan(found.scores)
    assert wide[:, 0].any()
    assert not wide[:25, 0].any()
    assert not wide[:, 1].any()
    assert found.alpha[1] == found.alphas[-1]
    tried = fit_rows(X, Y, np.arange(80) % 4, found.alphas, form=form)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.alpha, tried.alpha)
    np.testing.assert_allclose(np.where(wide, tried.scores, found.scores), tried.scores, rtol=1e-7)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("masked", "weighted"), [(False, False), (True, True)])
def test_the_solution_of_many_rows_is_that_of_sklearn(intercept: bool, masked: bool, weighted: bool) -> None:
    rng = np.random.default_rng(11)
    n, t = 200, 6
    X = rng.standard_normal((n, 260)) * np.arange(1, 261) ** -0.7 + 2
    X[1], X[:, 3] = X[0], 5.0  # a row that is there twice, a constant feature
    Y = X @ rng.standard_normal((260, t)) + np.logspace(-1, 1, t) * rng.standard_normal((n, t))
    mask = np.repeat(rng.random((n, 2)) < 0.8, 3, axis=1) if masked else np.ones((n, t), bool)
    w = rng.uniform(0.1, 3, n) * (rng.random(n) < 0.9) if weighted else np.ones(n)
    found = fit_rows(X, Y, np.arange(n) % 4, ALPHAS, True, w, mask, intercept, form="dual")
    assert len(np.unique(found.alpha)) > 2
    for j in range(t):
        known = mask[:, j]
        model = Ridge(alpha=found.alpha[j], fit_intercept=intercept, solver="svd")
        model.fit(X[known], Y[known, j], sample_weight=w[known])
        np.testing.assert_allclose(found.coef[j], model.coef_, rtol=1e-7, atol=1e-9 * np.abs(model.coef_).max())
        np.testing.assert_allclose(found.intercept[j], model.intercept_, rtol=1e-7, atol=1e-9 * np.abs(Y).max())
