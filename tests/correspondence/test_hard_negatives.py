"""Mined detectors against SVMs on all rows, and which candidates are examples of what."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from vestige.correspondence.detect.candidates import (
    CandidateLabels,
    Candidates,
    DenseSift,
    Rule,
    dense_cells,
    unit_scale,
)
from vestige.correspondence.detect.hard_negatives import Mining, _drawn, mine
from vestige.correspondence.grids import Cells
from vestige.correspondence.svm import Solution

CELLS = Cells((7, 9), (8.0, 10.0), (4.0, 5.0), (60, 95))
NEAR = Rule(closest=4, within=0.0, beyond=(18.0, 14.0), square=True)


class Grids:
    """Grids in memory."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def read(self, instances):
        return self.values[list(instances)]


def made(n=37, channels=3, keypoints=2, seed=0):
    """Grids with a faint mark where each keypoint is, and the labels."""
    rng = np.random.default_rng(seed)
    places = CELLS.places()
    points = rng.uniform((10, 8), (85, 52), (n, keypoints, 2))
    visible = rng.random((n, keypoints)) < 0.8
    grids = rng.normal(size=(n, channels, *CELLS.shape)).astype(np.float32)
    for k in range(keypoints):
        near = np.exp(-np.square(places[None] - points[:, k, None, None]).sum(-1) / 150)
        grids[:, k] += 1.2 * (near * visible[:, k, None, None]).astype(np.float32)
    candidates = Candidates(Grids(grids), CELLS, 1, 0.3)
    return candidates, CandidateLabels(places.reshape(-1, 2), points, visible, NEAR)


def all_rows(candidates, labels, keypoint):
    """Every positive and negative row, and which is which."""
    positive = labels.positive(keypoint)
    negative = np.flatnonzero(labels.negative(0, len(labels.points))[..., keypoint])
    rows = np.concatenate([positive, negative])
    return candidates.vectors(rows), np.arange(len(rows)) < len(positive)


def test_vectors_are_windows_of_the_grid():
    candidates, _ = made()
    rows = np.array([0, 5, 62, 63, 36 * 63 + 40, 7])
    grids = np.pad(candidates.grids.values, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for row, vector in zip(rows, candidates.vectors(rows), strict=True):
        instance, (y, x) = row // 63, divmod(row % 63, 9)
        np.testing.assert_allclose(vector, 0.3 * grids[instance, :, y : y + 3, x : x + 3].ravel(), rtol=1e-6)
    assert len(candidates) == 37 * 63
    plain = Candidates(candidates.grids, CELLS, 0)
    assert np.array_equal(plain.vectors(rows[:1])[0], candidates.grids.values[0, :, 0, 0])


def test_scores_are_those_of_the_vectors():
    candidates, _ = made()
    rng = np.random.default_rng(1)
    detectors = [Solution(rng.normal(size=27), float(rng.normal()), 0.0, True) for _ in range(3)]
    found = list(candidates.scores(detectors))
    assert [first for first, _ in found] == [0, 16, 32]
    scores = np.concatenate([each for _, each in found]).reshape(-1, 3)
    vectors = candidates.vectors(np.arange(len(candidates)))
    for index, detector in enumerate(detectors):
        np.testing.assert_allclose(scores[:, index], detector.scores(vectors), atol=1e-5)


@pytest.mark.parametrize("batch", [40, 400, 10_000])
def test_a_mined_detector_is_that_of_all_rows(batch):
    candidates, labels = made()
    found = mine(candidates, labels, Mining(c=2.0, rounds=60, batch=batch))
    for keypoint, detector in enumerate(found):
        vectors, positive = all_rows(candidates, labels, keypoint)
        oracle = LinearSVC(loss="squared_hinge", dual=False, C=2.0, tol=1e-10, max_iter=10_000).fit(vectors, positive)
        assert detector.left == 0
        assert detector.positives == positive.sum() == 4 * labels.visible[:, keypoint].sum()
        assert detector.negatives < 0.9 * (~positive).sum()
        np.testing.assert_allclose(detector.solution.weights, oracle.coef_[0], atol=2e-3 * np.abs(oracle.coef_).max())
        assert detector.solution.intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_rounds_are_counted_and_what_is_left_is_told():
    candidates, labels = made()
    told = []
    found = mine(candidates, labels, Mining(c=2.0, rounds=2, batch=30), progress=lambda *each: told.append(each))
    assert [each.rounds for each in found] == [2, 2]
    for keypoint, detector in enumerate(found):
        vectors, positive = all_rows(candidates, labels, keypoint)
        inside = (detector.solution.scores(vectors) > -1 + 1e-3) & ~positive
        assert detector.left > 0
        assert detector.left + detector.negatives == pytest.approx(inside.sum(), abs=3)
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]
    again = mine(candidates, labels, Mining(c=2.0, rounds=2, batch=30))
    assert np.array_equal(again[0].solution.weights, found[0].solution.weights)


def test_a_detector_doubles_where_there_is_room():
    candidates, labels = made()
    wide = mine(candidates, labels, Mining(c=2.0, rounds=60, batch=40))
    tight = mine(candidates, labels, Mining(c=2.0, rounds=60, batch=40, memory=0))
    for some, few in zip(wide, tight, strict=True):
        assert some.left == few.left == 0
        assert some.rounds <= 5 < 2 * some.rounds <= few.rounds
        np.testing.assert_allclose(some.solution.weights, few.solution.weights, atol=2e-3)
    assert Mining(memory=candidates.dims * 4 * len(candidates)).most(candidates, 5) == len(candidates)
    assert Mining(memory=candidates.dims * 4 * 1000).most(candidates, 5) == 200  # not all: they share what there is


def test_a_keypoint_without_examples_has_no_detector():
    candidates, labels = made()
    visible = labels.visible.copy()
    visible[:, 0] = False
    found = mine(candidates, CandidateLabels(labels.places, labels.points, visible, NEAR), Mining(rounds=1))
    assert found[0] is None
    assert found[1] is not None
    everywhere = Rule(4, 0.0, (500.0, 500.0), True)
    assert (
        mine(candidates, CandidateLabels(labels.places, labels.points, visible, everywhere), Mining(rounds=1))[1]
        is None
    )


def test_first_negatives_are_drawn_evenly():
    candidates, labels = made(n=20)
    negative = labels.negative(0, 20)
    counts = np.zeros(negative[..., 1].shape)
    for seed in range(300):
        drawn = _drawn(labels, candidates.each, 100, np.random.default_rng(seed))
        assert [len(np.unique(rows)) for rows in drawn] == [100, 100]
        instance, cell = np.divmod(drawn[1], 63)
        counts[instance, cell] += 1
    assert not counts[~negative[..., 1]].any()
    expected = 300 * 100 / negative[..., 1].sum()
    assert abs(counts[negative[..., 1]] - expected).max() < 5.5 * np.sqrt(expected)
    few = _drawn(labels, candidates.each, 10**6, np.random.default_rng(0))
    assert np.array_equal(few[0], np.flatnonzero(negative[..., 0]))


def test_positives_are_the_closest_and_negatives_see_nothing_of_the_keypoint():
    _, labels = made()
    for keypoint in (0, 1):
        rows = labels.positive(keypoint)
        assert len(rows) == 4 * labels.visible[:, keypoint].sum()
        for instance in np.flatnonzero(labels.visible[:, keypoint])[:9]:
            offset = labels.places - labels.points[instance, keypoint]
            near = np.sort(np.argsort(np.hypot(*offset.T), kind="stable")[:4])
            assert (rows[rows // 63 == instance] % 63).tolist() == near.tolist()
            seen = (np.abs(offset[:, 0]) < 18) & (np.abs(offset[:, 1]) < 14)
            assert np.array_equal(labels.negative(instance, instance + 1)[0, :, keypoint], ~seen)
        hidden = np.flatnonzero(~labels.visible[:, keypoint])
        assert not labels.negative(0, len(labels.points))[hidden, :, keypoint].any()


def test_no_candidate_is_both_positive_and_negative():
    _, labels = made()
    near = CandidateLabels(labels.places, labels.points, labels.visible, Rule(9, 0.0, (11.0, 11.0), square=False))
    far = CandidateLabels(labels.places, labels.points + 300, labels.visible, Rule(0, 9.0, (20.0, 20.0), square=False))
    for each in (near, far):
        negative = np.concatenate([each.negative(first, first + 8) for first in range(0, 37, 8)]).reshape(-1, 2)
        for keypoint in (0, 1):
            rows = each.positive(keypoint)
            assert len(rows) >= each.visible[:, keypoint].sum()
            assert not negative[rows, keypoint].any()
        distance = np.linalg.norm(each.places - each.points[:, :, None], axis=-1).transpose(0, 2, 1).reshape(-1, 2)
        shown = np.repeat(each.visible, len(each.places), axis=0)
        positive = np.zeros_like(negative)
        for keypoint in (0, 1):
            positive[each.positive(keypoint), keypoint] = True
        assert np.array_equal(negative, shown & (distance >= each.rule.beyond[0]) & ~positive)


def test_positives_and_negatives_by_distance():
    places = dense_cells(64, 8).places().reshape(-1, 2)
    assert places[0].tolist() == [4, 4]
    assert places[-1].tolist() == [60, 60]
    points, visible = np.array([[[21.0, 20.0]], [[200.0, 20.0]]]), np.ones((2, 1), dtype=bool)
    labels = CandidateLabels(places, points, visible, Rule(0, 9.0, (20.0, 20.0), False))
    distance = np.hypot(*(places - (21, 20)).T)
    assert labels.positive(0)[:-1].tolist() == np.flatnonzero(distance <= 9).tolist()
    assert labels.positive(0)[-1] == 64 + 2 * 8 + 7  # none is near enough to the second: the nearest
    assert np.array_equal(labels.negative(0, 1)[0, :, 0], distance >= 20)


def test_dense_places_are_centred():
    assert dense_cells(500, 8) == Cells((62, 62), (8.0, 8.0), (6.0, 6.0), (500, 500))


def test_descriptors_have_length_one_and_scale_is_theirs():
    rng = np.random.default_rng(0)
    descriptors = rng.integers(0, 200, (5, 4, 4, 128), dtype=np.uint8)
    descriptors[0, 0, 0] = 0
    candidates = Candidates(DenseSift(descriptors), dense_cells(32, 8), 0)
    length = np.linalg.norm(candidates.vectors(np.arange(80)), axis=1)
    assert length[0] == 0
    assert length[1:] == pytest.approx(np.ones(79))
    double = Candidates(candidates.grids, candidates.cells, 0, 4.0)
    assert unit_scale(double, rng) == pytest.approx(np.sqrt(80 / 79))
    zeros = Candidates(DenseSift(np.zeros_like(descriptors)), candidates.cells, 0, 3.0)
    assert unit_scale(zeros, rng) == 3.0
