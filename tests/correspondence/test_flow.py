"""The flow on known fields, and from its cells to pixels and keypoints."""

import cv2
import numpy as np
import pytest
from scipy.interpolate import RectBivariateSpline
from skimage import data

from vestige.correspondence.flow import flow
from vestige.errors import VestigeError

STRIDE = 20


def random_features(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def energy_by_definition(source, target, field, beta):
    total = 0.0
    for y, x in np.ndindex(*field.shape[:2]):
        dx, dy = field[y, x]
        total += np.linalg.norm(source[y, x] - target[y + dy, x + dx])
        if x:
            total += beta * ((field[y, x] - field[y, x - 1]) ** 2).sum()
        if y:
            total += beta * ((field[y, x] - field[y - 1, x]) ** 2).sum()
    return total


def sift(grey, stride=STRIDE, radius=20):
    """Dense SIFT of length 1, ``(H, W, 128)``, and the centres ``(H, W, 2)`` of its cells."""
    rows, columns = (side // stride for side in grey.shape)
    y, x = (np.indices((rows, columns)) + 0.5) * stride
    size = radius * 2 / 6  # OpenCV's window is 4 bins of 1.5 sizes
    points = [cv2.KeyPoint(float(a) - 0.5, float(b) - 0.5, size, 0, 0, 0) for a, b in zip(x.flat, y.flat, strict=True)]
    features = cv2.SIFT_create().compute(grey, points)[1].astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-9
    return features.reshape(rows, columns, 128), np.stack([x, y], axis=-1)


def noisy(grey, seed, deviation):
    noise = np.random.default_rng(seed).normal(0, deviation, grey.shape)
    return np.clip(grey + noise, 0, 255).astype(np.uint8)


def errors(field, truth):
    """Distance in pixels of a field in cells from the true displacement ``(H, W, 2)``, NaN where unknown."""
    known = np.isfinite(truth).all(axis=-1)
    return np.linalg.norm(STRIDE * field - truth, axis=-1)[known]


def test_the_energy_is_that_of_the_field():
    source, target = random_features(0, 5, 6, 8), random_features(1, 4, 7, 8)
    field, energy = flow.align(source, target, 0.05)
    assert field.shape == (5, 6, 2)
    assert energy == pytest.approx(energy_by_definition(source, target, field, 0.05), rel=1e-6)


def test_without_a_deformation_term_every_cell_takes_its_nearest_neighbour():
    source, target = random_features(2, 5, 4, 8), random_features(3, 6, 5, 8)
    field, energy = flow.align(source, target, 0)
    table = np.linalg.norm(source[:, :, None, None] - target, axis=-1).reshape(5, 4, -1)
    y, x = np.divmod(table.argmin(axis=2), 5)
    np.testing.assert_array_equal(field, np.stack([x - np.arange(4), y - np.arange(5)[:, None]], axis=-1))
    assert energy == pytest.approx(table.min(axis=2).sum(), rel=1e-6)


def test_a_shift_is_found_with_its_signs():
    wide = random_features(4, 12, 14, 16)
    field, energy = flow.align(wide[2:8, 3:9], wide, 0.1)  # source cell (0, 0) is target cell (x, y) = (3, 2)
    np.testing.assert_array_equal(field, np.broadcast_to([3, 2], (6, 6, 2)))
    assert energy == pytest.approx(0, abs=1e-4)


def test_distances_do_not_cancel_far_from_the_origin():
    source = random_features(5, 3, 4, 6) + 1e4
    target = source[::-1, :3] + 1e-3 * random_features(6, 3, 3, 6)
    table = np.linalg.norm(source[:, :, None, None] - target, axis=-1)
    np.testing.assert_allclose(flow.distances(source, target), table, rtol=1e-4)
    np.testing.assert_allclose(flow.distances(source, source)[0, 0, 0, 0], 0, atol=1e-5)


def test_deformation_of_one_field_and_of_many():
    field = np.zeros((2, 3, 2))
    field[0, 1] = (1, 2)  # three edges meet there, each of |(1, 2)|^2 = 5
    assert flow.deformation(field, 0.1) == pytest.approx(1.5)
    np.testing.assert_allclose(flow.deformation(np.stack([field, 0 * field + 7]), 2.0), [30, 0])


def test_a_known_warp_of_a_photograph_is_recovered():
    grey = cv2.resize(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY), (400, 400))
    turn = cv2.getRotationMatrix2D((199.5, 199.5), 8, 1.08)  # of OpenCV's pixels, whose centres are whole
    warped = cv2.warpAffine(grey, turn, (400, 400), borderMode=cv2.BORDER_REPLICATE)
    source, centres = sift(grey)
    truth = (centres - 0.5) @ turn[:, :2].T + turn[:, 2] + 0.5 - centres
    truth[((truth + centres < 0) | (truth + centres > 400)).any(axis=-1)] = np.nan
    field, _ = flow.align(source, sift(warped)[0], 0.03)
    assert np.median(errors(field, truth)) < STRIDE / 2

    far = sift(noisy(warped, 0, 40))[0]
    regular, nearest = (errors(flow.align(source, far, beta)[0], truth) for beta in (0.03, 0))
    assert np.median(regular) < STRIDE / 2
    assert np.mean(regular < STRIDE) > np.mean(nearest < STRIDE) + 0.15


def test_the_disparity_of_a_stereo_pair_is_recovered():
    left, right, disparity = data.stereo_motorcycle()
    greys = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (left, right)]
    source, centres = sift(greys[0])
    x, y = centres.astype(int).reshape(-1, 2).T
    truth = np.zeros_like(centres)
    truth[..., 0] = -disparity[y, x].reshape(centres.shape[:2])
    truth[~np.isfinite(truth)] = np.nan
    field, _ = flow.align(source, sift(greys[1])[0], 0.03)
    assert np.median(errors(field, truth)) < STRIDE / 2

    far = sift(noisy(greys[1], 0, 40))[0]
    regular, nearest = (errors(flow.align(source, far, beta)[0], truth) for beta in (0.03, 0))
    assert np.median(regular) < STRIDE / 2
    assert np.mean(regular < STRIDE) > np.mean(nearest < STRIDE) + 0.15


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 2, 1)), {}, "source of shape"),
        (np.zeros((2, 2, 1)), np.zeros((0, 2, 1)), {}, "target of shape"),
        (np.zeros((2, 2, 1)), np.zeros((2, 2, 3)), {}, "same layer"),
        (np.full((2, 2, 1), np.nan), np.zeros((2, 2, 1)), {}, "not finite"),
        ([["a"]], np.zeros((2, 2, 1)), {}, "real numbers"),
        (np.zeros((2, 2, 1)), np.zeros((2, 2, 1)), {"beta": -1}, "beta"),
        (np.zeros((2, 2, 1)), np.zeros((2, 2, 1)), {"beta": np.nan}, "beta"),
        (np.zeros((2, 2, 1)), np.zeros((2, 2, 1)), {"max_iterations": 0}, "max_iterations"),
        (np.zeros((2, 2, 1)), np.zeros((2, 2, 1)), {"tolerance": -1}, "tolerance"),
    ],
)
def test_what_does_not_fit_is_refused(source, target, options, message):
    with pytest.raises(VestigeError, match=message):
        flow.align(source, target, **options)


def test_a_field_that_is_none_is_refused():
    with pytest.raises(VestigeError, match="field of shape"):
        flow.deformation(np.zeros((2, 2)), 1)


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
def test_pixels_and_points_that_do_not_fit_are_refused(call, message):
    with pytest.raises(VestigeError, match=message):
        call()
