"""SIFT at given places: against OpenCV's own keypoints, and against the descriptor written out in plain numpy."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from vestige.correspondence.sift import CHANNELS, sift
from vestige.errors import VestigeError

PICTURE = data.astronaut()[60:260, 120:320]


def plain_sift(grey, x, y, radius):
    """Lowe's descriptor (section 6) upright about a pixel: 4 x 4 bins of radius / 2 each, 8 directions, trilinear."""
    smooth = gaussian_filter(grey.astype(np.float64), np.sqrt(1.6**2 - 0.5**2), truncate=4, mode="mirror")
    width = radius / 2
    found = np.zeros((4, 4, 8))
    reach = int(np.ceil(2.5 * width))
    row, column = int(y - 0.5), int(x - 0.5)  # of the pixel whose centre is there
    for i in range(max(1, row - reach), min(grey.shape[0] - 1, row + reach + 1)):
        for j in range(max(1, column - reach), min(grey.shape[1] - 1, column + reach + 1)):
            dy, dx = smooth[i - 1, j] - smooth[i + 1, j], smooth[i, j + 1] - smooth[i, j - 1]  # y upwards, as Lowe's
            v, u = (i - row) / width, (j - column) / width
            weight = np.hypot(dx, dy) * np.exp(-(u * u + v * v) / 8)
            bins = v + 1.5, u + 1.5, (np.arctan2(dy, dx) % (2 * np.pi)) / (2 * np.pi) * 8
            low = [int(np.floor(b)) for b in bins]
            for a, b, c in np.ndindex(2, 2, 2):
                r, s, t = low[0] + a, low[1] + b, (low[2] + c) % 8
                if 0 <= r < 4 and 0 <= s < 4:
                    share = 1.0
                    for k, step in enumerate((a, b, c)):
                        share *= 1 - abs(bins[k] - low[k] - step)
                    found[r, s, t] += weight * share
    flat = found.ravel()
    flat = np.minimum(flat, 0.2 * np.linalg.norm(flat))
    return flat / np.linalg.norm(flat)


@pytest.mark.parametrize(
    ("radius", "x", "y"), [(10, 60.5, 90.5), (20, 100.5, 71.5), (40, 90.5, 110.5), (20, 3.5, 190.5)]
)
def test_it_is_the_descriptor_of_that_radius_about_that_place(radius, x, y):
    grey = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
    found = sift(PICTURE, (x, y), radius).astype(float)
    found /= np.linalg.norm(found)
    assert found @ plain_sift(grey, x, y, radius) > 0.99
    others = [(radius, x + 4, y), (radius, x, y + 4), (radius * 1.3, x, y)]
    assert max(found @ plain_sift(grey, a, b, r) for r, a, b in others) < found @ plain_sift(grey, x, y, radius) - 0.005


def test_it_is_what_opencv_gives_for_its_keypoints():
    places = np.random.default_rng(0).uniform(30, 170, (3, 4, 2))
    found = sift(PICTURE, places, 18.0)
    assert found.shape == (3, 4, CHANNELS)
    grey = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
    for index in np.ndindex(3, 4):
        x, y = places[index]
        _, expected = cv2.SIFT_create().compute(grey, [cv2.KeyPoint(x=x - 0.5, y=y - 0.5, size=6.0, angle=0, octave=0)])
        np.testing.assert_array_equal(found[index], expected[0])


def test_a_moved_picture_has_the_same_descriptors_where_it_was_moved_to():
    wide = np.pad(PICTURE, ((16, 0), (0, 0), (0, 0)), mode="edge")
    places = np.array([[80.5, 90.5], [120.5, 100.5]])
    np.testing.assert_array_equal(sift(PICTURE, places, 10), sift(wide, places + np.array([0, 16]), 10))


def test_a_flat_picture_has_no_descriptor():
    assert not sift(np.full((40, 40, 3), 90, np.uint8), (20, 20), 5).any()


def test_no_place_has_no_descriptor():
    assert sift(PICTURE, np.zeros((0, 2)), 10).shape == (0, CHANNELS)


@pytest.mark.parametrize("radius", [0, -3, np.nan, 1e9])
def test_a_radius_that_is_none_is_refused(radius):
    with pytest.raises(VestigeError, match="radius"):
        sift(PICTURE, (20, 20), radius)
