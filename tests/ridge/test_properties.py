"""Ridge against an explicit k-fold loop over scikit-learn's Ridge, on random problems of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from vestige.ridge import Moments, fit, fit_chunks, fit_rows

ALPHAS = np.logspace(-2, 4, 5)
FEW = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Problem:
    """A random problem; the mask is True where a target is known."""

    X: Any
    Y: Any
    folds: Any
    weight: Any
    mask: Any
    intercept: bool


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """FitRows and features of either order, folds, offsets, weights with zeros, masks shared by pairs of targets."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, t = draw(st.integers(12, 40)), draw(st.integers(1, 50)), draw(st.integers(1, 5))
    k = draw(st.integers(2, 5))
    X = rng.normal(size=(n, d)) + draw(st.sampled_from([0.0, 10.0]))
    Y = X @ rng.normal(size=(d, t)) / d + rng.normal(size=(n, t)) * np.logspace(-2, 1, t) + 3
    groups = rng.integers(0, k + 3, n)
    folds = groups % k
    folds[:k] = np.arange(k)  # every fold has rows
    weight = rng.uniform(0.1, 2, n) * (rng.random(n) > 0.1) if draw(st.booleans()) else None
    mask = np.repeat(rng.random((n, 3)) > 0.2, 2, axis=1)[:, :t] if draw(st.booleans()) else None
    if mask is not None:
        mask[: 2 * k] = True
        folds[k : 2 * k] = np.arange(k)
    if weight is not None:
        weight[: 2 * k] = 1.0
    return Problem(X, Y, folds, weight, mask, draw(st.booleans()))


def explicit(p: Problem, per_target: bool) -> tuple[Any, Any, Any, Any, Any]:
    """Scores, chosen places, coefficients, intercepts and out-of-fold predictions, target by target, fit by fit."""
    n, t = p.Y.shape
    w = np.ones(n) if p.weight is None else p.weight
    mask = np.ones(p.Y.shape, bool) if p.mask is None else p.mask
    folds = np.unique(p.folds)
    scores, oof = np.zeros((len(ALPHAS), t)), np.zeros((len(ALPHAS), n, t))
    for j in range(t):
        for a, alpha in enumerate(ALPHAS):
            for k in folds:
                train, test = (p.folds != k) & mask[:, j], p.folds == k
                model = Ridge(alpha=alpha, fit_intercept=p.intercept, solver="svd")
                model.fit(p.X[train], p.Y[train, j], sample_weight=w[train])
                oof[a, test, j] = model.predict(p.X[test])
                known = test & mask[:, j]
                scores[a, j] += np.average((oof[a, known, j] - p.Y[known, j]) ** 2, weights=w[known]) / len(folds)
    best = scores.argmin(0) if per_target else np.full(t, scores.sum(1).argmin())
    models = []
    for j in range(t):
        known = mask[:, j]
        model = Ridge(alpha=ALPHAS[best[j]], fit_intercept=p.intercept, solver="svd")
        models.append(model.fit(p.X[known], p.Y[known, j], sample_weight=w[known]))
    coef, intercept = np.array([m.coef_ for m in models]), np.array([m.intercept_ for m in models])
    return scores, best, coef, intercept, oof[best, :, np.arange(t)].T


@pytest.mark.parametrize("form", ["primal", "dual"])
@given(problem=problems(), per_target=st.booleans())
@FEW
def test_equals_an_explicit_loop_over_sklearn(form: Any, problem: Problem, per_target: bool) -> None:
    p = problem
    scores, best, coef, intercept, oof = explicit(p, per_target)
    found = fit_rows(p.X, p.Y, p.folds, ALPHAS, per_target, p.weight, p.mask, p.intercept, form=form, return_oof=True)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)
    np.testing.assert_array_equal(found.alpha, ALPHAS[best])
    np.testing.assert_allclose(found.coef, coef, rtol=1e-6, atol=1e-7 * np.abs(coef).max())
    np.testing.assert_allclose(found.intercept, intercept, rtol=1e-6, atol=1e-7 * np.abs(p.Y).max())
    np.testing.assert_allclose(found.oof, oof, rtol=1e-6, atol=1e-7 * np.abs(oof).max())
    assert found.form == form
    assert not found.uncertain.any()
    edge = (best == 0) | (best == len(ALPHAS) - 1)
    assert found.at_boundary == pytest.approx(edge.mean())


@given(problem=problems(), cuts=st.lists(st.integers(0, 40), max_size=4), swap=st.booleans())
@FEW
def test_merge_of_any_split_equals_one_pass(problem: Problem, cuts: list[int], swap: bool) -> None:
    p, k = problem, int(problem.folds.max()) + 1
    (n, d), t = p.X.shape, p.Y.shape[1]
    whole = Moments(d, t, k, "float64").update(p.X, p.Y, p.folds, p.weight, p.mask)
    parts = []
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), n], strict=True):
        at = slice(a, max(a, min(b, n)))
        w, mask = (None if v is None else v[at] for v in (p.weight, p.mask))
        parts.append(Moments(d, t, k, "float64").update(p.X[at], p.Y[at], p.folds[at], w, mask))
    merged = Moments(d, t, k, "float64")
    for part in reversed(parts) if swap else parts:
        merged.merge(part)
    assert merged.n_rows == n
    one, other = fit(whole, ALPHAS, fit_intercept=p.intercept), fit(merged, ALPHAS, fit_intercept=p.intercept)
    np.testing.assert_allclose(other.scores, one.scores, rtol=1e-7)
    np.testing.assert_array_equal(other.alpha, one.alpha)
    np.testing.assert_allclose(other.coef, one.coef, rtol=1e-7, atol=1e-8 * np.abs(one.coef).max())
    np.testing.assert_allclose(other.intercept, one.intercept, rtol=1e-7, atol=1e-8 * np.abs(p.Y).max())


@pytest.mark.parametrize("form", ["primal", "dual"])
@given(problem=problems(), size=st.integers(1, 15))
@FEW
def test_chunks_of_any_size_equal_rows(form: Any, problem: Problem, size: int) -> None:
    p = problem
    n = len(p.X)
    weight = np.ones(n) if p.weight is None else p.weight
    mask = np.ones(p.Y.shape, bool) if p.mask is None else p.mask
    cuts = [slice(a, a + size) for a in range(0, n, size)]
    chunks = [(p.X[c], p.Y[c], p.folds[c], weight[c], mask[c]) for c in cuts]
    found = fit_chunks(chunks, ALPHAS, True, p.intercept, form)
    whole = fit_rows(p.X, p.Y, p.folds, ALPHAS, True, p.weight, p.mask, p.intercept, form)
    assert found.form == form
    np.testing.assert_array_equal(found.alpha, whole.alpha)
    np.testing.assert_allclose(found.coef, whole.coef, rtol=1e-7, atol=1e-8 * np.abs(whole.coef).max())


@given(problem=problems())
@FEW
def test_float32_chooses_as_float64_where_it_is_certain(problem: Problem) -> None:
    p = problem
    args = (ALPHAS, True, p.weight, p.mask, p.intercept, "primal")
    narrow = fit_rows(p.X, p.Y, p.folds, *args, dtype="float32", recheck=False)
    wide = fit_rows(p.X, p.Y, p.folds, *args, dtype="float64")
    sure = ~narrow.uncertain
    np.testing.assert_array_equal(narrow.alpha[sure], wide.alpha[sure])
