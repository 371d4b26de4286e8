"""One-vs-all SVMs against scikit-learn's, and the choice of C against plain loops."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from vestige.correspondence.classify.one_vs_all import cross_validate, fit_path


def drawn(seed, n=120, d=6):
    """Points of three types around three means, some of them far out."""
    generator = np.random.default_rng(seed)
    types = generator.choice([2, 5, 9], n)
    means = generator.normal(0, 1.5, (10, d))
    return (means[types] + generator.standard_normal((n, d))).astype(np.float32), types


@pytest.mark.parametrize("workers", [1, 2])
def test_every_c_has_the_svms_of_scikit_learn(workers):
    columns, types = drawn(0)
    cs = (1.0, 1e-3, 0.1)
    for c, found in zip(cs, fit_path(columns, types, cs, workers), strict=True):
        assert found.keypoints.tolist() == [2, 5, 9]
        expected = LinearSVC(C=c, loss="squared_hinge", dual=False, tol=1e-10, max_iter=10_000).fit(columns, types)
        np.testing.assert_allclose(found.weights, expected.coef_, atol=2e-4)
        np.testing.assert_allclose(found.intercepts, expected.intercept_, atol=2e-4)
        np.testing.assert_array_equal(found.predict(columns), expected.predict(columns))


def test_cross_validation_is_that_of_plain_loops():
    columns, types = drawn(1)
    folds = np.random.default_rng(2).integers(1, 4, len(types))
    cs = (1e-4, 0.01, 1.0)
    found = cross_validate(columns, types, folds, cs)
    for c, share in zip(cs, found, strict=True):
        right = 0
        for fold in (1, 2, 3):
            svm = LinearSVC(C=c, dual=False, tol=1e-10, max_iter=10_000).fit(
                columns[folds != fold], types[folds != fold]
            )
            right += (svm.predict(columns[folds == fold]) == types[folds == fold]).sum()
        assert share == pytest.approx(right / len(types), abs=1.01 / len(types))


def test_a_type_that_is_never_trained_is_never_told():
    columns, types = drawn(3)
    (classifier,) = fit_path(columns[types != 5], types[types != 5], [0.1])
    assert set(classifier.predict(columns)) == {2, 9}


def test_one_fold_cannot_be_validated():
    columns, types = drawn(4)
    assert np.isnan(cross_validate(columns, types, np.ones(len(types)), (0.1, 1.0))).all()
