import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestige.intervals import Bootstrap, difference_of, interval
from vestige.scores import KeypointTruth, class_pck, keypoint_rows, pck_difference


def drawn(seed, n=30):
    """Two classes with keypoints of their own (0-2 and 3-4), some of them hidden; predictions near and far."""
    generator = np.random.default_rng(seed)
    classes = np.where(np.arange(n) % 3 == 0, "cat", "dog")
    visible = generator.random((n, 5)) < 0.7
    visible[classes == "cat", 3:] = False
    visible[classes == "dog", :3] = False
    points = generator.uniform(0, 100, (n, 5, 2))
    predicted = points + generator.normal(0, 8, points.shape)
    predicted[~visible & (generator.random((n, 5)) < 0.5)] = np.nan
    truth = KeypointTruth(points, visible, generator.uniform(40, 120, n), classes, ("a", "b", "c", "d", "e"))
    return truth, predicted


def slow_pck(truth, predicted, alpha, rows=None):
    """PCK over types and over images by plain loops: of every class, of all, and of the images."""
    rows = range(len(truth.points)) if rows is None else rows
    by_class, images = {}, []
    for name in sorted(set(truth.classes)):
        rates = []
        for k in range(truth.points.shape[1]):
            hits = [
                np.hypot(*(predicted[i, k] - truth.points[i, k])) <= alpha * truth.sides[i]
                for i in rows
                if truth.classes[i] == name and truth.visible[i, k]
            ]
            if hits:
                rates.append(sum(hits) / len(hits))
        if rates:
            by_class[name] = sum(rates) / len(rates)
    for i in rows:
        shown = [k for k in range(truth.points.shape[1]) if truth.visible[i, k]]
        if shown:
            hits = [np.hypot(*(predicted[i, k] - truth.points[i, k])) <= alpha * truth.sides[i] for k in shown]
            images.append(sum(hits) / len(hits))
    return by_class, sum(by_class.values()) / len(by_class), sum(images) / len(images)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.1, 0.2]))
def test_pck_is_that_of_plain_loops(seed, alpha):
    truth, predicted = drawn(seed)
    rows = keypoint_rows("x", [truth.distances(predicted)], truth, [alpha], Bootstrap.draw(range(30), resamples=20))
    found = {(row.metric, row.subset): row.value for row in rows}
    by_class, over_types, over_images = slow_pck(truth, predicted, alpha)
    assert found[f"pck@{alpha:g}", "all"] == pytest.approx(over_types)
    assert {name: found[f"pck@{alpha:g}", name] for name in by_class} == pytest.approx(by_class)
    assert found[f"pck_image@{alpha:g}", "all"] == pytest.approx(over_images)


def test_intervals_are_those_of_explicit_resamples():
    truth, predicted = drawn(3)
    bootstrap = Bootstrap.draw(range(30), seed=1, resamples=100)
    rows = keypoint_rows("x", [truth.distances(predicted)], truth, [0.1], bootstrap)
    (row,) = [row for row in rows if (row.metric, row.subset) == ("pck@0.1", "all")]
    resampled = [
        slow_pck(truth, predicted, 0.1, np.repeat(np.arange(30), weights.astype(int)))[1]
        for weights in bootstrap.weights
    ]
    assert row.ci95 == pytest.approx(interval(np.array(resampled), row.n))


def test_a_keypoint_on_the_limit_is_found_and_one_beyond_is_not():
    truth = KeypointTruth(np.zeros((1, 2, 2)), np.ones((1, 2), bool), np.array([50.0]), np.array(["car"]), ("a", "b"))
    distances = truth.distances(np.array([[[3.0, 4.0], [3.0, 4.1]]]))
    assert class_pck(distances, truth.visible, 0.1) == 0.5


def test_a_single_class_has_a_row_for_every_keypoint():
    truth, predicted = drawn(5)
    own = truth.classes == "dog"
    alone = KeypointTruth(
        truth.points[own], truth.visible[own], truth.sides[own], truth.classes[own], ("a", "b", "c", "dog", "all")
    )
    rows = keypoint_rows(
        "x", [alone.distances(predicted[own])], alone, [0.1], Bootstrap.draw(range(own.sum()), resamples=20)
    )
    values = {row.subset: row for row in rows if row.metric == "pck@0.1"}
    assert set(values) == {"all", "dog", "dog/dog", "dog/all"}
    assert values["all"].value == pytest.approx((values["dog/dog"].value + values["dog/all"].value) / 2)
    assert values["dog/dog"].n == alone.visible[:, 3].sum()


def test_seeds_are_averaged():
    truth, predicted = drawn(7)
    far = np.full_like(predicted, 1e6)
    both = [truth.distances(predicted), truth.distances(far)]
    bootstrap = Bootstrap.draw(range(30), resamples=20)
    mean = keypoint_rows("x", both, truth, [0.1], bootstrap)
    one = keypoint_rows("x", both[:1], truth, [0.1], bootstrap)
    assert [row.value for row in mean] == pytest.approx([row.value / 2 for row in one])


def test_what_no_one_shows_does_not_count():
    truth, predicted = drawn(9)
    hidden = KeypointTruth(
        truth.points, truth.visible & (truth.classes == "dog")[:, None], truth.sides, truth.classes, truth.names
    )
    rows = keypoint_rows("x", [hidden.distances(predicted)], hidden, [0.1], Bootstrap.draw(range(30), resamples=20))
    values = {row.subset: row.value for row in rows if row.metric == "pck@0.1"}
    assert "cat" not in values
    assert values["all"] == values["dog"]


def test_a_paired_difference_is_that_of_explicit_resamples():
    truth, near = drawn(11)
    far = near + np.random.default_rng(0).normal(0, 6, near.shape)
    bootstrap = Bootstrap.draw(range(30), seed=2, resamples=100)
    found = pck_difference(truth.distances(near), truth.distances(far), truth, 0.1, bootstrap)
    assert found.mean == pytest.approx(slow_pck(truth, near, 0.1)[1] - slow_pck(truth, far, 0.1)[1])
    resampled = []
    for weights in bootstrap.weights:
        rows = np.repeat(np.arange(30), weights.astype(int))
        resampled.append(slow_pck(truth, near, 0.1, rows)[1] - slow_pck(truth, far, 0.1, rows)[1])
    assert found == difference_of(pytest.approx(found.mean), np.array(resampled), int(truth.visible.any(axis=1).sum()))


def test_there_is_no_difference_where_nothing_is_seen():
    truth, near = drawn(13)
    hidden = KeypointTruth(truth.points, np.zeros_like(truth.visible), truth.sides, truth.classes, truth.names)
    distances = hidden.distances(near)
    assert pck_difference(distances, distances, hidden, 0.1, Bootstrap.draw(range(30), resamples=10)) is None
