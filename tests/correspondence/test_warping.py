"""Fields on pixels: splines against SciPy's, half cells, keypoints and warped pictures with known answers."""

import numpy as np
import pytest
from scipy.interpolate import RectBivariateSpline

from vestige.correspondence.flow import flow
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


IDENTITY, TRANSLATION = np.zeros((60, 80, 2)), np.broadcast_to([6.0, -4.0], (60, 80, 2))


def affine(matrix, offset, size):
    """The field of x -> matrix x + offset, and its inverse on points."""
    y, x = np.indices(size) + 0.5
    places = np.stack([x, y], axis=-1)
    return places @ np.transpose(matrix) + offset - places, lambda points: (points - offset) @ np.linalg.inv(matrix).T


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(2),
        [[1.3, 0.2], [-0.1, 0.8]],
        [[0.5, 0], [0, 2]],
        [[-1, 0], [0, 1]],
        [[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]],
    ],
)
def test_an_affine_field_is_inverted_to_the_nearest_pixel(matrix):
    field, inverse = affine(matrix, [3.3, -2.7], (60, 80))
    generator = np.random.default_rng(4)
    origins = generator.uniform(2, [78, 58], (40, 2))
    points = origins @ np.transpose(matrix) + [3.3, -2.7]
    np.testing.assert_allclose(inverse(points), origins)
    stretch = np.linalg.svd(np.asarray(matrix, dtype=float), compute_uv=False)
    bound = np.sqrt(0.5) * stretch[0] / stretch[1]  # of the nearest landing, seen from the source
    assert np.linalg.norm(flow.transfer(field, points) - origins, axis=1).max() <= bound + 1e-9


CORNERS = {
    "top left": (slice(0, 15), slice(0, 20)),
    "top right": (slice(0, 15), slice(60, 80)),
    "bottom left": (slice(45, 60), slice(0, 20)),
    "bottom right": (slice(45, 60), slice(60, 80)),
}


@pytest.mark.parametrize("corner", CORNERS.values(), ids=CORNERS)
@pytest.mark.parametrize("right", [IDENTITY, TRANSLATION, affine([[1.1, 0.1], [0, 0.9]], [-2, 3], (60, 80))[0]])
def test_a_field_that_is_right_but_for_one_corner_carries_every_keypoint_right(right, corner):
    generator = np.random.default_rng(5)
    y, x = np.indices((60, 80))
    wrong = right.copy()
    aim = generator.permutation(np.argwhere(np.ones((60, 80))))[: wrong[corner][..., 0].size] + 0.5
    fixed = aim[:, ::-1].reshape(*wrong[corner].shape) - np.stack([x, y], axis=-1)[corner] - 0.5
    for field in (_with(wrong, corner, fixed), _with(wrong, corner, _shifted(right, corner))):
        spared = np.ones((60, 80), dtype=bool)
        spared[corner] = False
        spared[:2] = spared[-2:] = spared[:, :2] = spared[:, -2:] = False
        pixels = generator.permutation(np.argwhere(spared))[:60]
        keypoints = pixels[:, ::-1] + 0.5 + right[tuple(pixels.T)]
        np.testing.assert_allclose(
            flow.transfer(field, keypoints), pixels[:, ::-1] + 0.5, atol=3
        )  # a wrong pixel beside the right one is as good


def _with(field, corner, values):
    changed = np.array(field)
    changed[corner] = values
    return changed


def _shifted(right, corner):
    """A corner that is displaced as a whole, into the middle of the picture."""
    rows, columns = corner
    return right[corner] + [40 - (columns.start + columns.stop) / 2, 30 - (rows.start + rows.stop) / 2]


def test_cells_that_are_wrong_in_one_corner_move_no_keypoint_elsewhere():
    cells = np.zeros((14, 14, 2))
    cells[:4, :4] = [5, 6]  # onto cells 5 to 9
    dense = flow.interpolate(cells, (16, 16), (8, 8), (224, 224))
    points = np.random.default_rng(6).uniform(90, 220, (50, 2))
    landed = flow.transfer(dense, points)
    assert np.abs(landed - points).max() <= 0.5


def test_of_two_equal_pixels_the_first_is_taken():
    assert flow.transfer(np.zeros((4, 6, 2)), [[3.0, 2.0]]).tolist() == [[2.5, 1.5]]


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
