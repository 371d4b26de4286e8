"""Alignment: energies by definition, and fields that are known: a shift, a warped photograph, a stereo pair."""

import cv2
import numpy as np
import pytest
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
