import numpy as np
import pytest

from vestige.correspondence.classify.measure import accuracy_difference, accuracy_rows
from vestige.correspondence.marks import Marks
from vestige.intervals import Bootstrap, interval


def drawn(classes, seed=0, n=200, examples=25):
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
    marks, right = drawn(["cat", "dog"])
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
    marks, right = drawn(["bird"])
    rows = {row.subset: row for row in accuracy_rows("x", right, marks, Bootstrap.draw(range(25), resamples=20))}
    assert set(rows) == {"all", "bird", "a", "b", "c", "bird/bird"}
    assert rows["c"].value == pytest.approx(right[marks.keypoint == 2].mean())


def test_differences_are_paired():
    marks, right = drawn(["cat", "dog"], seed=3)
    other = right ^ (np.random.default_rng(4).random(len(right)) < 0.2)
    bootstrap = Bootstrap.draw(range(25), seed=5, resamples=200)
    found = accuracy_difference(right, other, marks, bootstrap)
    assert found.mean == pytest.approx(np.mean(plain(right, marks)) - np.mean(plain(other, marks)))
    resampled = [np.mean(plain(right, marks, w)) - np.mean(plain(other, marks, w)) for w in bootstrap.weights]
    assert found.ci95 == pytest.approx(interval(np.array(resampled), len(np.unique(marks.example))))
