"""Fields on pixels: splines against SciPy's, half cells, keypoints and warped pictures with known answers."""

import numpy as np
import pytest
from scipy.interpolate import RectBivariateSpline

from vestige.correspondence import flow
from vestige.errors import VestigeError


def test_at_the_cells_it_is_the_field_in_pixels():
    field = np.random.default_rng(0).integers(-3, 4, (6, 5, 2))
    dense = flow.interpolate(field, (4, 6), (2.5, 3.5), (24, 30))
    assert dense.shape == (24, 30, 2)
    np.testing.assert_allclose(dense[2::4, 3::6], field * [6, 4], atol=1e-10)  # pixel 2 of a column is centred at 2.5


def test_between_the_cells_it_is_scipys_spline():
    field = np.random.default_rng(1).standard_normal((5, 7, 2))
    dense = flow.interpolate(field, (8, 8), (4, 4), (40, 56))
    y, x = (10 + 0.5 - 4) / 8, (33 + 0.5 - 4) / 8
    for k in (0, 1):
        spline = RectBivariateSpline(np.arange(5), np.arange(7), field[..., k])
        assert dense[10, 33, k] == pytest.approx(8 * spline.ev(y, x), rel=1e-12)


def test_a_linear_field_stays_linear_and_ends_flat():
    y, x = np.indices((5, 5)).astype(float)
    dense = flow.interpolate(np.stack([0.5 * x + y, -x], axis=-1), (10, 10), (5, 5), (50, 50))
    v, u = (np.indices((50, 50)) + 0.5 - 5) / 10
    u, v = u.clip(0, 4), v.clip(0, 4)
    np.testing.assert_allclose(dense, 10 * np.stack([0.5 * u + v, -u], axis=-1), atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_small_grids_have_a_spline_too(shape):
    dense = flow.interpolate(np.full((*shape, 2), [1.0, -2.0]), (8, 4), (4, 2), (24, 12))
    np.testing.assert_allclose(dense, np.broadcast_to([4.0, -16.0], (24, 12, 2)))


def test_a_keypoint_lands_on_the_pixel_that_is_displaced_to_it():
    displacement = np.broadcast_to([5.0, -3.0], (20, 30, 2))
    landed = flow.transfer(displacement, [[12.5, 6.5], [12.9, 6.1], [0.0, 19.9]])
    np.testing.assert_allclose(landed, [[7.5, 9.5], [7.5, 9.5], [0.5, 19.5]])  # the last is out of reach: the nearest
    assert flow.transfer(displacement, np.zeros((0, 2))).shape == (0, 2)


def test_keypoints_come_back_through_a_smooth_field():
    y, x = np.indices((40, 50)) + 0.5
    displacement = np.stack([3 + 0.1 * y, -2 + 0.05 * x], axis=-1)
    chosen = np.array([[4, 7], [30, 22], [44, 35]])
    points = np.array([[u + 0.5, v + 0.5] + displacement[v, u] for u, v in chosen])
    np.testing.assert_allclose(flow.transfer(displacement, points), chosen + 0.5)


def test_a_warped_picture_is_the_target_at_the_displaced_pixel():
    picture = np.random.default_rng(2).random((12, 15, 3))
    seen = flow.warp(picture, np.broadcast_to([2.0, 1.0], (12, 15, 2)))
    np.testing.assert_allclose(seen[:-1, :-2], picture[1:, 2:])
    np.testing.assert_allclose(seen[-1, -1], picture[-1, -1])  # edges are repeated
    half = flow.warp(picture[..., 0], np.broadcast_to([0.5, 0.0], (12, 15, 2)))
    np.testing.assert_allclose(half[:, :-1], (picture[:, :-1, 0] + picture[:, 1:, 0]) / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flow.interpolate(np.zeros((2, 2)), (1, 1), (0, 0), (4, 4)), "field of shape"),
        (lambda: flow.interpolate(np.full((2, 2, 2), np.nan), (1, 1), (0, 0), (4, 4)), "finite"),
        (lambda: flow.interpolate(np.zeros((2, 2, 2)), (0, 1), (0, 0), (4, 4)), "stride"),
        (lambda: flow.interpolate(np.zeros((2, 2, 2)), (1, 1), (0, 0), (0, 4)), "size"),
        (lambda: flow.transfer(np.zeros((2, 2)), np.zeros((1, 2))), "displacement"),
        (lambda: flow.transfer(np.zeros((2, 2, 2)), np.zeros((1, 3))), "keypoints"),
        (lambda: flow.transfer(np.zeros((2, 2, 2)), [[np.nan, 0]]), "keypoints"),
        (lambda: flow.warp(np.zeros(3), np.zeros((2, 2, 2))), "picture"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(VestigeError, match=message):
        call()
