"""Keypoints carried by flows: known displacements, medians by plain loops, and runs that are killed."""

from dataclasses import dataclass

import numpy as np
import pytest

from vestige.contract.session import Session
from vestige.correspondence.align.aligner import Aligner, transfer_points
from vestige.correspondence.flow import flow
from vestige.correspondence.grids import Cells
from vestige.correspondence.instances import Instances
from vestige.correspondence.matched import Neighbours
from vestige.correspondence.transfers import agreed, copied, mean_points
from vestige.features.reader import Reader
from vestige.partial_work import PartialWork

CELLS = Cells((6, 7), (10, 10), (5, 5), (60, 70))


@dataclass
class Drawn:
    """Grids by row; counts how often one is read."""

    grids: np.ndarray
    cells: Cells = CELLS
    key: str = "drawn"
    reads: int = 0

    def read(self, row):
        self.reads += 1
        return self.grids[row]


def instances(n, visible=None, seed=0):
    generator = np.random.default_rng(seed)
    unit = generator.uniform(0.2, 0.8, (n, 3, 2))
    visible = np.ones((n, 3), bool) if visible is None else visible
    boxes = np.tile([0.0, 0, 70, 60], (n, 1))
    return Instances([None] * n, boxes, np.array(["x"] * n), unit, visible, ("a", "b", "c"))


def plain_agreed(points, order, first):
    n, _, count, _ = points.shape
    found = np.full((n, count, 2), np.nan)
    for i in range(n):
        for k in range(count):
            shown = [points[i, j, k] for j in order[i] if np.isfinite(points[i, j, k]).all()][:first]
            if shown:
                found[i, k] = np.median(shown, axis=0)
    return found


@pytest.mark.parametrize("first", [1, 2, 3, 4, 9])
def test_what_neighbours_agree_on_is_the_median_of_the_first_that_show_it(first):
    generator = np.random.default_rng(first)
    points = generator.uniform(0, 1, (5, 7, 4, 2))
    points[generator.random((5, 7, 4)) < 0.5] = np.nan
    points[0, :, 1] = np.nan
    order = np.argsort(generator.random((5, 7)), axis=1)
    np.testing.assert_allclose(agreed(points, order, first), plain_agreed(points, order, first))


def test_a_field_carries_keypoints_against_its_displacement():
    field = np.zeros((6, 7, 2), np.int64)
    field[...] = (1, -2)  # source cell (x, y) looks like target cell (x + 1, y - 2): 10 pixels right, 20 up
    target = np.array([[0.5, 0.3], [0.7, 0.5]])
    found = transfer_points(field, CELLS, target) * [70, 60]
    np.testing.assert_allclose(found, target * [70, 60] - [10, -20], atol=0.5)


def test_neighbours_are_aligned_each_with_its_own_field():
    generator = np.random.default_rng(3)
    wide = generator.standard_normal((6, 12, 16))
    sources = Drawn(np.stack([wide[:, 2:9]]))
    targets = Drawn(np.stack([wide[:, 0:7], wide[:, 2:9], wide[:, 4:11]]))  # what is at x stands at x + 2, x, x - 2
    others = instances(3, np.array([[True, True, False], [True, True, True], [True, False, True]]))
    neighbours = Neighbours(np.array([[2, 0, -1]]), np.array([[0.9, 0.8, np.nan]]))
    aligner = Aligner(sources, targets, neighbours, others, 1e-3, 1e-4)
    found = aligner.transfer([0], workers=2)
    assert found.points.shape == (1, 3, 3, 2)
    assert np.isinf(found.deformation[0, 2])
    for j, (row, shift) in enumerate([(2, 20), (0, -20)]):
        for k in range(3):
            x, y = others.unit[row, k] * [70, 60]
            if not others.visible[row, k]:
                assert np.isnan(found.points[0, j, k]).all()
            elif 25 < x + shift < 45:  # well inside what both grids see
                np.testing.assert_allclose(found.points[0, j, k] * [70, 60], [x + shift, y], atol=1.0)
    field, _ = flow.align(sources.grids[0], targets.grids[2], 1e-3, tolerance=1e-4)
    assert found.deformation[0, 0] == pytest.approx(flow.deformation(field, 1e-3))


def test_a_killed_run_goes_on_and_the_result_is_the_same(tmp_path):
    generator = np.random.default_rng(4)
    grids = generator.standard_normal((12, 6, 7, 8))
    rows = np.stack([(np.arange(3) + i + 1) % 12 for i in range(12)])
    neighbours = Neighbours(rows, np.ones((12, 3)))

    def aligner(beta=0.01):
        return Aligner(Drawn(grids), Drawn(grids), neighbours, instances(12), beta, 1e-3)

    def session(progress=None):
        return Session(Reader(progress=progress), kept=PartialWork(tmp_path), workers=2)

    whole = aligner().transfer(range(12), workers=1)
    told = []

    def stop_after_the_first(what, done, total):
        told.append((what, done, total))
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        aligner().transfer_all(range(12), session(stop_after_the_first))
    assert told == [("pairs", 0, 36), ("pairs", 24, 36)]
    again = aligner()
    found = again.transfer_all(range(12), session())
    assert again.sources.reads == 4  # those of the second block alone
    np.testing.assert_array_equal(found.points, whole.points)
    np.testing.assert_array_equal(found.deformation, whole.deformation)
    other = aligner(beta=0.02)
    other.transfer_all(range(12), session())
    assert other.sources.reads == 12


def test_copying_takes_the_nearest_that_shows_a_keypoint():
    visible = np.array([[False, True, False], [True, True, False], [True, False, False]])
    train = instances(3, visible)
    neighbours = Neighbours(np.array([[0, 1, 2], [2, -1, -1]]), np.zeros((2, 3)))
    one = copied(train, neighbours, 1)
    np.testing.assert_array_equal(one[0, :2], [train.unit[1, 0], train.unit[0, 1]])
    np.testing.assert_array_equal(one[1, 0], train.unit[2, 0])
    assert np.isnan(one[:, 2]).all()
    assert np.isnan(one[1, 1]).all()
    both = copied(train, neighbours, 5)
    np.testing.assert_allclose(both[0, 0], (train.unit[1, 0] + train.unit[2, 0]) / 2)


def test_the_mean_is_over_what_the_class_shows():
    visible = np.random.default_rng(5).random((20, 3)) < 0.6
    train, test = instances(20, visible), instances(2)
    classes = np.where(np.arange(20) % 2, "x", "y")
    train = Instances(train.examples, train.boxes, classes, train.unit, visible, train.names)
    expected = [train.unit[(classes == "x") & visible[:, k], k].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(mean_points(train, test), [expected, expected])
