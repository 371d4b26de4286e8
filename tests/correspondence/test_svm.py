"""The SVM against LIBLINEAR, and against its own optimality."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from vestige.correspondence.svm import Solution, fit_svm


def made(n=600, d=12, seed=0, apart=0.7):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.2
    rows = (rng.normal(size=(n, d)) + apart * positive[:, None] * rng.normal(size=d)).astype(np.float32)
    return rows, positive


@pytest.mark.parametrize("c", [1e-4, 0.1, 10.0])
def test_it_is_that_of_liblinear(c):
    rows, positive = made()
    oracle = LinearSVC(loss="squared_hinge", dual=False, C=c, tol=1e-12, max_iter=10_000).fit(rows, positive)
    found = fit_svm(rows, positive, c)
    assert found.converged
    np.testing.assert_allclose(found.weights, oracle.coef_[0], rtol=1e-5, atol=1e-7)
    assert found.intercept == pytest.approx(oracle.intercept_[0], rel=1e-5, abs=1e-7)
    np.testing.assert_allclose(found.scores(rows), oracle.decision_function(rows), rtol=1e-4, atol=1e-5)


def test_the_gradient_is_nought_and_the_objective_as_defined():
    rows, positive = made(n=20_000, d=7, seed=1)  # more rows than are added up at a time
    found = fit_svm(rows, positive, 0.5)
    y = np.where(positive, 1, -1)
    extended = np.column_stack([rows.astype(float), np.ones(len(rows))])
    weights = np.append(found.weights, found.intercept)
    hinge = np.maximum(0, 1 - y * (extended @ weights))
    assert found.objective == pytest.approx(weights @ weights / 2 + 0.5 * hinge @ hinge)
    gradient = weights - 2 * 0.5 * (y * hinge) @ extended
    assert np.abs(gradient).max() < 1e-6 * np.abs(extended.T @ y).max()


def test_where_it_begins_changes_nothing():
    rows, positive = made(seed=2)
    found = fit_svm(rows, positive, 1.0)
    for scale in (1.0, -50.0, 1e4):  # at the end, on the wrong side, and far off
        start = Solution(scale * found.weights, scale * found.intercept, 0.0, True)
        again = fit_svm(rows, positive, 1.0, start)
        assert again.converged
        np.testing.assert_allclose(again.weights, found.weights, rtol=1e-7, atol=1e-9)


def test_some_vectors_are_as_they_would_be_alone():
    vectors, positive = made(n=3000, seed=3)
    rows = np.sort(np.random.default_rng(0).choice(3000, 1100, replace=False))
    alone, found = fit_svm(vectors[rows], positive[rows], 1.0), fit_svm(vectors, positive[rows], 1.0, rows=rows)
    assert np.array_equal(found.weights, alone.weights)
    assert np.array_equal(found.scores(vectors, rows), alone.scores(vectors)[rows])


def test_separable_rows_and_rows_alike():
    rows = np.array([[2.0, 0], [3, 0], [-2, 0], [-3, 1]], dtype=np.float32)
    positive = np.array([True, True, False, False])
    found = fit_svm(rows, positive, 1e6)
    assert (np.sign(found.scores(rows)) == [1, 1, -1, -1]).all()
    oracle = LinearSVC(dual=False, C=1e6, tol=1e-12, max_iter=10_000).fit(rows, positive)
    np.testing.assert_allclose(found.weights, oracle.coef_[0], rtol=1e-3)
    same = fit_svm(np.ones((10, 3), dtype=np.float32), np.arange(10) < 4, 1.0)
    assert same.converged
    assert np.ptp(same.weights) == pytest.approx(0, abs=1e-12)
