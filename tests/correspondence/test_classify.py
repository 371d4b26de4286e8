"""One-vs-all SVMs against scikit-learn's, and the choice of C against plain loops."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from vestige.correspondence.classify.measure import accuracy_difference, accuracy_rows
from vestige.correspondence.classify.one_vs_all import cross_validate, fit_path
from vestige.correspondence.marks import Marks
from vestige.intervals import Bootstrap, interval


def drawn_marks(classes, seed=0, n=200, examples=25):
    """n marks of some examples, each of one class; not every example has marks."""
    generator = np.random.default_rng(seed)
    example = np.sort(generator.integers(0, examples - 2, n))
    own = np.array(classes)[np.arange(examples) % len(classes)]
    keypoint = generator.integers(0, 4, n)
    empty = np.empty(0)
    marks = Marks([], empty, example, keypoint, empty, own[example], empty, ("a", "b", "c", "bird"))
    return marks, generator.random(n) < 0.4 + 0.1 * keypoint


def plain(right, marks, weights=None):
    """Accuracy of each class, each mark counted as often as its example is."""
    counts = np.ones(len(right)) if weights is None else weights[marks.example]
    return [
        (right * counts)[marks.classes == name].sum() / counts[marks.classes == name].sum()
        for name in np.unique(marks.classes)
    ]


def test_accuracy_and_its_interval_are_those_of_plain_loops():
    marks, right = drawn_marks(["cat", "dog"])
    bootstrap = Bootstrap.draw(range(25), seed=1, resamples=200)
    rows = {row.subset: row for row in accuracy_rows("x", right, marks, bootstrap)}
    by_class = plain(right, marks)
    assert rows["all"].value == pytest.approx(np.mean(by_class))
    assert [rows["cat"].value, rows["dog"].value] == pytest.approx(by_class)
    resampled = [np.mean(plain(right, marks, weights)) for weights in bootstrap.weights]
    assert rows["all"].ci95 == pytest.approx(interval(np.array(resampled), rows["all"].n))
    assert rows["all"].n == len(np.unique(marks.example))
    assert set(rows) == {"all", "cat", "dog"}


def test_a_single_class_has_rows_for_its_keypoints():
    marks, right = drawn_marks(["bird"])
    rows = {row.subset: row for row in accuracy_rows("x", right, marks, Bootstrap.draw(range(25), resamples=20))}
    assert set(rows) == {"all", "bird", "a", "b", "c", "bird/bird"}
    assert rows["c"].value == pytest.approx(right[marks.keypoint == 2].mean())


def test_differences_are_paired():
    marks, right = drawn_marks(["cat", "dog"], seed=3)
    other = right ^ (np.random.default_rng(4).random(len(right)) < 0.2)
    bootstrap = Bootstrap.draw(range(25), seed=5, resamples=200)
    found = accuracy_difference(right, other, marks, bootstrap)
    assert found.mean == pytest.approx(np.mean(plain(right, marks)) - np.mean(plain(other, marks)))
    resampled = [np.mean(plain(right, marks, w)) - np.mean(plain(other, marks, w)) for w in bootstrap.weights]
    assert found.ci95 == pytest.approx(interval(np.array(resampled), len(np.unique(marks.example))))


def drawn_points(seed, n=120, d=6):
    """Points of three types around three means, some of them far out."""
    generator = np.random.default_rng(seed)
    types = generator.choice([2, 5, 9], n)
    means = generator.normal(0, 1.5, (10, d))
    return (means[types] + generator.standard_normal((n, d))).astype(np.float32), types


@pytest.mark.parametrize("workers", [1, 2])
def test_every_c_has_the_svms_of_scikit_learn(workers):
    columns, types = drawn_points(0)
    cs = (1.0, 1e-3, 0.1)
    for c, found in zip(cs, fit_path(columns, types, cs, workers), strict=True):
        assert found.keypoints.tolist() == [2, 5, 9]
        expected = LinearSVC(C=c, loss="squared_hinge", dual=False, tol=1e-10, max_iter=10_000).fit(columns, types)
        np.testing.assert_allclose(found.weights, expected.coef_, atol=2e-4)
        np.testing.assert_allclose(found.intercepts, expected.intercept_, atol=2e-4)
        np.testing.assert_array_equal(found.predict(columns), expected.predict(columns))


def test_cross_validation_is_that_of_plain_loops():
    columns, types = drawn_points(1)
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
    columns, types = drawn_points(3)
    (classifier,) = fit_path(columns[types != 5], types[types != 5], [0.1])
    assert set(classifier.predict(columns)) == {2, 9}


def test_one_fold_cannot_be_validated():
    columns, types = drawn_points(4)
    assert np.isnan(cross_validate(columns, types, np.ones(len(types)), (0.1, 1.0))).all()
