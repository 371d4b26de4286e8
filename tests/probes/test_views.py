import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.probes.engine.views import example_views, fold_labels


class Blank:
    """A picture of 40 x 30 pixels without content."""

    def read(self):
        return np.zeros((30, 40, 3), np.uint8)

    def digest(self):
        return "blank"


def example(name="a", box=(10.0, 5.0, 30.0, 25.0)):
    return Example(name, name, Blank(), None if box is None else np.array(box))


def test_copies_stand_side_by_side():
    views = example_views([example("a"), example("b")], 0.3, mirror=True)
    assert views.rows.tolist() == [0, 0, 1, 1]
    assert views.mirrored.tolist() == [False, True, False, True]
    np.testing.assert_allclose(views.boxes[0], [4, -1, 36, 31])
    assert [crop.mirrored for crop in views.crops()] == [False, True, False, True]


@pytest.mark.parametrize("margin", [-0.1, 10.01, 1e6, np.inf, np.nan])
def test_margins_have_a_bound_also_where_a_saved_probe_names_them(margin):
    with pytest.raises(VestigeError, match="box_margin"):
        example_views([example()], margin)


def test_without_a_box_the_whole_picture_is_seen():
    np.testing.assert_array_equal(example_views([example(box=None)], 0.3).boxes, [[0, 0, 40, 30]])


def test_a_mirrored_view_sees_what_the_mirrored_picture_shows():
    """The point at a quarter of the crop is at three quarters of its mirror image, under its partner's name."""
    views = example_views([example()], 0.0, mirror=True)
    points = np.array([[15.0, 10.0], [25.0, 20.0]])
    order = np.array([1, 0])
    both = views.renamed(np.repeat(points[None], 2, axis=0), order)
    unit = views.to_unit(both)
    np.testing.assert_allclose(unit[0], [[0.25, 0.25], [0.75, 0.75]])
    np.testing.assert_allclose(unit[1], [[0.25, 0.75], [0.75, 0.25]])


@given(st.integers(0, 2**32 - 1))
def test_unit_coordinates_come_back(seed):
    views = example_views([example("a"), example("b", (0.0, 0.0, 7.0, 3.0))], 0.3, mirror=True)
    points = np.random.default_rng(seed).normal(size=(4, 5, 2)) * 20
    np.testing.assert_allclose(views.from_unit(views.to_unit(points)), points, atol=1e-9)


def test_renaming_undoes_itself():
    views = example_views([example()], 0.0, mirror=True)
    values = np.arange(2 * 3).reshape(2, 3)
    order = np.array([2, 1, 0])
    np.testing.assert_array_equal(views.renamed(values, order), [[0, 1, 2], [5, 4, 3]])
    np.testing.assert_array_equal(views.renamed(views.renamed(values, order), order), values)


@given(st.lists(st.integers(0, 12), min_size=8, max_size=60).filter(lambda g: len(set(g)) >= 4), st.integers(0, 9))
def test_folds_keep_groups_together_and_are_even(groups, seed):
    names = [str(group) for group in groups]
    folds = fold_labels(names, 4, seed)
    assert all(len({f for f, n in zip(folds, names, strict=True) if n == name}) == 1 for name in names)
    per_fold = [len({n for f, n in zip(folds, names, strict=True) if f == fold}) for fold in range(4)]
    assert max(per_fold) - min(per_fold) <= 1
    np.testing.assert_array_equal(folds, fold_labels(names, 4, seed))


def test_too_few_groups_are_refused():
    with pytest.raises(ValueError, match="3 groups"):
        fold_labels(["a", "b", "c", "a"], 4, 0)
