"""Folds left out by eigensystems of half the rows, against a fit of scikit-learn to the other folds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from vestige.ridge.decomposed import Decomposed
from vestige.ridge.halves import Equations, Halves

Floats = npt.NDArray[np.float64]


def equations(X: Floats, Y: Floats, labels: npt.NDArray[np.int64], w: Floats, intercept: bool) -> Equations:
    """As `DualForm` makes them: rows about their mean, targets about their weighted mean."""
    if intercept:
        X, Y = X - X.mean(0), Y - np.average(Y, axis=0, weights=w)
    tensors = (torch.from_numpy(np.ascontiguousarray(part)) for part in (X @ X.T, np.sqrt(w), Y))
    K, root, targets = tensors
    return Equations(K, labels, root, targets, intercept)


def left_over(fits: object, n: int, t: int) -> Floats:
    out = np.full((n, t), np.inf)
    for rows, left in fits:  # type: ignore[attr-defined]
        out[rows.numpy()] = left.numpy()
    return out


def by_sklearn(X: Floats, Y: Floats, labels: npt.NDArray[np.int64], w: Floats, intercept: bool, alpha: float) -> Floats:
    out = np.full(Y.shape, np.nan)
    for k in np.unique(labels):
        inside, rest = labels == k, (labels != k) & (w > 0)
        if rest.any():
            model = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd").fit(X[rest], Y[rest], w[rest])
            out[inside] = Y[inside] - model.predict(X[inside]).reshape(inside.sum(), -1)
    return out


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(4, 40),
    d=st.integers(1, 60),
    folds=st.integers(2, 6),
    weights=st.sampled_from(["none", "some", "zeros"]),
    intercept=st.booleans(),
    alpha=st.sampled_from([1e-2, 1.0, 1e3]),
    oddity=st.sampled_from(["none", "twins", "constant feature", "far from zero", "one row a fold", "uneven folds"]),
)
def test_leaving_folds_out_is_fitting_to_the_others(
    seed: int, n: int, d: int, folds: int, weights: str, intercept: bool, alpha: float, oddity: str
) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, d)), rng.standard_normal((n, 3))
    labels = np.arange(n) % folds
    w = np.ones(n) if weights == "none" else rng.uniform(0.1, 3, n)
    if weights == "zeros":
        w[rng.random(n) < 0.4] = 0.0
        w[:2] = 1.0  # of two folds at least
    if oddity == "twins":
        X[1::2] = X[0]
    elif oddity == "constant feature":
        X[:, 0] = 7.0
    elif oddity == "far from zero":
        X += 100.0
    elif oddity == "one row a fold":
        labels = np.arange(n)
    elif oddity == "uneven folds":
        labels = np.sort(rng.integers(0, folds, n) * rng.integers(0, 2, n))
        labels[-1] = folds
    e = equations(X, Y, labels, w, intercept)
    expected = by_sklearn(X, Y, labels, w, intercept, alpha)
    size = np.abs(Y).max() * (1.0 if intercept or oddity != "far from zero" else 100.0)
    found = Halves(e).left_out(alpha)
    if found is not None:
        np.testing.assert_allclose(left_over(found.residuals(slice(0, 3)), n, 3), expected, atol=1e-7 * size)
        some = left_over(found.residuals(np.array([0, 2])), n, 2)
        np.testing.assert_allclose(some, expected[:, [0, 2]], atol=1e-7 * size)
    else:
        assert oddity == "far from zero"  # inner products of 10^4 d beside an alpha of a hundredth
    several = Decomposed(e).residuals(np.array([2 * alpha, alpha]), slice(0, 3))
    decomposed = left_over(((V, left[1]) for V, left in several), n, 3)
    np.testing.assert_allclose(decomposed, expected, atol=1e-6 * size)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_solution_is_that_of_all_rows(intercept: bool, weighted: bool) -> None:
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((60, 90)), rng.standard_normal((60, 4))
    w = rng.uniform(0.1, 3, 60) * (rng.random(60) < 0.8) if weighted else np.ones(60)
    e = equations(X, Y, np.arange(60) % 4, w, intercept)
    model = Ridge(alpha=0.3, fit_intercept=intercept, solver="svd").fit(X, Y, w)
    about = X - X.mean(0) if intercept else X
    found = Halves(e).solution(0.3, slice(0, 4))
    assert found is not None
    np.testing.assert_allclose(found.T.numpy() @ about, model.coef_, atol=1e-11)
    np.testing.assert_allclose(
        Decomposed(e).solution(np.full(4, 0.3), slice(0, 4)).T.numpy() @ about, model.coef_, atol=1e-11
    )


@pytest.mark.parametrize("alpha", [0.0, 1e-14])
def test_alphas_that_rounding_would_swallow_are_refused(alpha: float) -> None:
    rng = np.random.default_rng(6)
    X = rng.standard_normal((40, 5))  # rank 5: nothing but alpha holds the equations up
    halves = Halves(equations(X, rng.standard_normal((40, 2)), np.arange(40) % 4, np.ones(40), True))
    assert halves.left_out(alpha) is None
    assert halves.solution(alpha, slice(0, 2)) is None


@pytest.mark.parametrize("alpha", [0.0, 1e-9])
def test_small_alphas_do_where_the_equations_are_regular_without(alpha: float) -> None:
    rng = np.random.default_rng(7)
    X, Y = rng.standard_normal((40, 400)), rng.standard_normal((40, 2))
    labels = np.arange(40) % 4
    found = Halves(equations(X, Y, labels, np.ones(40), True)).left_out(alpha)
    assert found is not None
    oracle = by_sklearn(X, Y, labels, np.ones(40), True, alpha or 1e-12)
    np.testing.assert_allclose(left_over(found.residuals(slice(0, 2)), 40, 2), oracle, atol=1e-9)


def test_rows_without_others_to_learn_from_are_told() -> None:
    rng = np.random.default_rng(8)
    w = np.r_[np.ones(10), np.zeros(10)]  # the second fold teaches nothing
    e = equations(rng.standard_normal((20, 5)), rng.standard_normal((20, 1)), np.repeat([0, 1], 10), w, True)
    found = Halves(e).left_out(1.0)
    assert found is not None
    assert (np.isnan(left_over(found.residuals(slice(0, 1)), 20, 1))[:, 0] == (w > 0)).all()
