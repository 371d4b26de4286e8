"""RidgeCV as a scikit-learn estimator."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.utils.estimator_checks import check_estimator

from vestige.ridge import RidgeCV

ALPHAS = np.logspace(-2, 3, 6)


def data(n: int = 60, d: int = 9, t: int = 7) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) + 1
    return X, X @ rng.normal(size=(d, t)) + rng.normal(size=(n, t)) * np.logspace(-1, 1.5, t)


@pytest.mark.parametrize("form", ["primal", "dual"])
def test_passes_the_checks_of_sklearn(form: str) -> None:
    check_estimator(RidgeCV(form=form), on_skip=None)


@pytest.mark.parametrize(("n", "d"), [(60, 9), (25, 60)])
def test_equals_himalaya(n: int, d: int) -> None:
    X, Y = data(n, d)
    ours = RidgeCV(ALPHAS).fit(X, Y)
    theirs = HimalayaRidgeCV(ALPHAS, fit_intercept=True, cv=KFold(4), solver_params={"warn": False}).fit(X, Y)
    np.testing.assert_allclose(ours.alpha_, theirs.best_alphas_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_.T, rtol=1e-6)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6)
    np.testing.assert_allclose(ours.scores_.min(0), -theirs.cv_scores_, rtol=1e-6)
    assert len(np.unique(ours.alpha_)) > 1


def test_shared_alpha_equals_grid_search() -> None:
    X, Y = data()
    ours = RidgeCV(ALPHAS, alpha_per_target=False).fit(X, Y)
    grid = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=4, scoring="neg_mean_squared_error").fit(X, Y)
    assert (ours.alpha_ == grid.best_params_["alpha"]).all()
    assert ours.alpha_.shape == (7,)
    np.testing.assert_allclose(ours.coef_, grid.best_estimator_.coef_, rtol=1e-6)
    np.testing.assert_allclose(ours.scores_.mean(1), -grid.cv_results_["mean_test_score"], rtol=1e-6)


def test_cv_as_splitter_list_and_groups() -> None:
    X, Y = data()
    want = RidgeCV(ALPHAS, cv=4).fit(X, Y).scores_
    np.testing.assert_array_equal(RidgeCV(ALPHAS, cv=KFold(4)).fit(X, Y).scores_, want)
    np.testing.assert_array_equal(RidgeCV(ALPHAS, cv=list(KFold(4).split(X))).fit(X, Y).scores_, want)
    groups = np.arange(60) // 7
    by_group = RidgeCV(ALPHAS, cv=GroupKFold(3)).fit(X, Y, groups=groups)
    splits = list(GroupKFold(3).split(X, groups=groups))
    np.testing.assert_allclose(by_group.scores_, RidgeCV(ALPHAS, cv=splits).fit(X, Y).scores_)
    assert not np.allclose(by_group.scores_, want)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (ShuffleSplit(3, random_state=0), "two test sets"),
        ([(np.arange(10, 60), np.arange(10)), (np.arange(10), np.arange(10, 50))], "exactly the rows"),
        ([(np.arange(10, 60), np.arange(10))], "in no test set"),
    ],
)
def test_splits_that_do_not_partition_are_refused(cv: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RidgeCV(ALPHAS, cv=cv).fit(*data())


def test_partial_fit_deals_rows_round_robin() -> None:
    X, Y = data()
    ours = RidgeCV(ALPHAS, dtype="float64")
    for at in (slice(0, 13), slice(13, 14), slice(14, 60)):
        ours.partial_fit(X[at], Y[at])
    splits = [(np.flatnonzero(np.arange(60) % 4 != k), np.arange(k, 60, 4)) for k in range(4)]
    want = RidgeCV(ALPHAS, cv=splits).fit(X, Y)
    np.testing.assert_allclose(ours.coef_, want.coef_, rtol=1e-9)
    before = ours.predict(X)
    ours.partial_fit(X, Y, fold=2, sample_weight=np.full(60, 0.5))
    assert not np.allclose(ours.predict(X), before)
    np.testing.assert_allclose(ours.fit(X, Y).coef_, RidgeCV(ALPHAS).fit(X, Y).coef_)


def test_weights_repeat_rows() -> None:
    X, Y = data()
    count = np.random.default_rng(1).integers(0, 3, 60)
    fold = np.arange(60) % 3
    rows = np.repeat(np.arange(60), count)
    one, two = RidgeCV(ALPHAS, cv=3), RidgeCV(ALPHAS, cv=3)
    one.partial_fit(X, Y, fold, count.astype(float))
    two.partial_fit(X[rows], Y[rows], fold[rows])
    np.testing.assert_allclose(one.coef_, two.coef_, rtol=1e-9)
    np.testing.assert_allclose(one.scores_, two.scores_, rtol=1e-9)


def test_clone_pickle_pandas_and_one_target() -> None:
    X, Y = data()
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(9)])
    model = RidgeCV(ALPHAS).fit(frame, Y)
    assert list(model.feature_names_in_) == list(frame.columns)
    again = clone(model).fit(frame, Y)
    back = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(back.predict(frame), model.predict(frame))
    assert 0.3 < model.score(frame, Y) <= 1
    single = RidgeCV(ALPHAS).fit(X, Y[:, 0])
    assert (single.coef_.shape, np.shape(single.intercept_), single.alpha_.shape) == ((9,), (), (1,))
    assert single.predict(X).shape == (60,)
    streamed = RidgeCV(ALPHAS).partial_fit(X, Y[:, 0])
    assert pickle.loads(pickle.dumps(streamed)).predict(X).shape == (60,)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_of_pandas_and_polars_are_read_with_their_names(frame: Any) -> None:
    X, Y = data()
    names = [f"x{k}" for k in range(X.shape[1])]
    table = frame({name: X[:, k] for k, name in enumerate(names)})
    targets = frame({f"y{k}": Y[:, k] for k in range(Y.shape[1])})
    ours = RidgeCV(ALPHAS).fit(table, targets)
    assert ours.feature_names_in_.tolist() == names
    np.testing.assert_allclose(ours.predict(table), RidgeCV(ALPHAS).fit(X, Y).predict(X))
    assert RidgeCV(ALPHAS).fit(table, targets["y0"]).predict(table).shape == (60,)


def test_one_dimensional_y_and_float16_are_as_sklearns() -> None:
    X, Y = data()
    ours, theirs = RidgeCV([1.0]).fit(X, Y[:, 0]), Ridge(1.0).fit(X, Y[:, 0])
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-9)
    half = RidgeCV([1.0]).fit(X.astype(np.float16), Y)
    assert half.coef_.dtype == np.float32
    np.testing.assert_allclose(half.coef_, RidgeCV([1.0]).fit(X, Y).coef_, atol=2e-2)
