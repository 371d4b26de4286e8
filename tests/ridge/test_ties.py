"""Differences of scores against explicit folds in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from vestige.ridge import Moments, fit
from vestige.ridge.primal import PrimalForm
from vestige.ridge.ties import compare

ALPHAS = np.logspace(-3, 2, 11)


def problem(noise: float, fall: float) -> tuple[Any, Any, Any]:
    """X with a spectrum that falls as 1/i^fall, Y of float32 numbers, and folds."""
    rng = np.random.default_rng(3)
    X = (rng.normal(size=(600, 30)) * np.arange(1, 31) ** (-fall / 2) + 1).astype(np.float32)
    Y = X @ rng.normal(size=(30, 40)) + noise * rng.normal(size=(600, 40))
    return X, Y.astype(np.float32), np.arange(600) % 4


def explicit_scores(X: Any, Y: Any, folds: Any) -> Any:
    """(A, t) mean squared errors over folds, of predictions in float64."""
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    scores = np.zeros((len(ALPHAS), Y.shape[1]))
    for k in range(4):
        train, test = folds != k, folds == k
        for a, alpha in enumerate(ALPHAS):
            found = Ridge(alpha, solver="svd").fit(X[train], Y[train]).predict(X[test])
            scores[a] += ((found - Y[test]) ** 2).mean(0) / 4
    return scores


@pytest.mark.parametrize("fall", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("noise", [1e-3, 1.0])
def test_differences_are_right_where_scores_are_not(noise: float, fall: float) -> None:
    X, Y, folds = problem(noise, fall)
    form = PrimalForm(Moments(30, 40, 4, "float32").update(X, Y, folds), factors={})
    scores = form.score(ALPHAS)
    want = explicit_scores(X, Y, folds)
    best, every = scores.argmin(0), np.arange(40)
    rivals = np.ones(scores.shape, bool)  # every alpha is compared with the best
    found, left, low = compare(form, ALPHAS, scores, best, rivals)
    gap, true = found - found[low, every], want - want[low, every]
    far = ~left & ~np.isclose(true, 0)
    np.testing.assert_allclose(gap[far], true[far], rtol=0.05, atol=1e-9)  # in a gap that counts, 1 part in 20
    sure = left.sum(0) == 0
    assert sure.mean() > (0.9 if fall < 2 else 0.2)
    np.testing.assert_array_equal(found.argmin(0)[sure], want.argmin(0)[sure])
    for j in np.flatnonzero(~sure):  # the true best is never ruled out
        assert left[want[:, j].argmin(), j]


def test_few_alphas_stay_uncertain_without_rows() -> None:
    X, Y, folds = problem(1e-3, 0.0)
    m = Moments(30, 40, 4, "float32").update(X, Y, folds)
    form = PrimalForm(m)
    scores = form.score(ALPHAS)
    assert form.uncertain(ALPHAS, scores, scores.argmin(0)).mean() > 0.9
    found = fit(m, ALPHAS)
    assert found.uncertain.mean() < 0.1
    want = ALPHAS[explicit_scores(X, Y, folds).argmin(0)]
    np.testing.assert_array_equal(found.alpha[~found.uncertain], want[~found.uncertain])


def test_what_the_moments_do_not_resolve_is_not_compared() -> None:
    X, Y, folds = problem(1e-3, 0.0)
    X[:, 15:] = X[:, :15]  # half of the eigenvalues are nothing but rounding
    form = PrimalForm(Moments(30, 40, 4, "float32").update(X, Y, folds))
    alphas = np.array([1e-6, 1e-5, 1e5])
    scores = form.score(alphas)
    rivals = np.ones(scores.shape, bool)
    found, left, _ = compare(form, alphas, scores, scores.argmin(0), rivals)
    assert left.all()
    np.testing.assert_array_equal(found, scores)
