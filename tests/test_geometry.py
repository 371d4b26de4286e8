"""The coordinate convention: continuous pixels, centres at i + 0.5."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestige.errors import VestigeError
from vestige.geometry import (
    bounding_box,
    check_box,
    from_unit,
    mirror_unit,
    square_about,
    to_unit,
)

numbers = st.floats(-1e3, 1e3)
sides = st.floats(1e-2, 1e3)


@given(numbers, numbers, sides, sides, numbers, numbers)
def test_unit_coordinates_come_back(x, y, width, height, px, py):
    box = np.array([x, y, x + width, y + height])
    points = np.array([[px, py]])
    np.testing.assert_allclose(from_unit(to_unit(points, box), box), points, atol=1e-6)


def test_a_box_has_its_corners_at_zero_and_one():
    box = np.array([10.0, 20.0, 30.0, 60.0])
    corners = np.array([[10.0, 20.0], [30.0, 60.0], [20.0, 40.0]])
    np.testing.assert_array_equal(to_unit(corners, box), [[0, 0], [1, 1], [0.5, 0.5]])


def test_the_centre_of_the_first_pixel_is_at_a_half():
    box = np.array([0.0, 0.0, 4.0, 4.0])
    np.testing.assert_array_equal(to_unit([[0.5, 0.5]], box), [[0.125, 0.125]])
    np.testing.assert_array_equal(mirror_unit(to_unit([[0.5, 0.5]], box)), to_unit([[3.5, 0.5]], box))


@given(numbers, numbers, sides, sides, st.floats(0, 2))
def test_the_square_keeps_the_centre_and_takes_the_longer_side(x, y, width, height, margin):
    square = square_about([x, y, x + width, y + height], margin)
    np.testing.assert_allclose(square[:2] + square[2:], [2 * x + width, 2 * y + height], atol=1e-6)
    np.testing.assert_allclose(square[2:] - square[:2], max(width, height) * (1 + 2 * margin), atol=1e-6)


def test_boxes_come_in_batches():
    points = np.array([[[0.0, 1.0], [2.0, 5.0]], [[3.0, 3.0], [1.0, 4.0]]])
    boxes = bounding_box(points)
    np.testing.assert_array_equal(boxes, [[0, 1, 2, 5], [1, 3, 3, 4]])
    np.testing.assert_array_equal(square_about(boxes), [[-1, 1, 3, 5], [1, 2.5, 3, 4.5]])


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 40), (5, 5, 6, 30), (-60, -60, 120, 100), (59, 39, 119, 99), (0, 0, 1, 0.1)]
)
def test_boxes_of_objects_that_the_edge_cuts_pass(box):
    check_box(box, (60, 40))


BAD_BOXES = {
    "is empty": [(5, 5, 5, 9), (9, 9, 5, 20), (0, 0, np.nan, 5), (0, np.nan, 5, 5)],
    "smaller than a pixel": [(0.2, 0.2, 0.5, 0.9)],
    "lies outside": [(60, 0, 70, 10), (-20, 0, 0, 10), (0, 40, 10, 50), (1e12, 0, 2e12, 5)],
    "pixels beyond": [
        (0, 0, 121, 40),
        (0, 0, 40_000, 40_000),
        (-61, 0, 5, 5),
        (0, 10, 1e7, 11),
        (0, 0, 60, 101),
        (0, 0, np.inf, 5),
        (-np.inf, 0, 60, 5),
        (-1e300, 0, 1e300, 5),
    ],
}


@pytest.mark.parametrize(("said", "box"), [(said, box) for said, boxes in BAD_BOXES.items() for box in boxes])
def test_boxes_that_no_object_has_are_refused(said, box):
    with pytest.raises(VestigeError, match=said):
        check_box(box, (60, 40))
