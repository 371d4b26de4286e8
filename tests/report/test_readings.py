"""Readings of attributes as pictures, and where a portrait's panels stand."""

import numpy as np
import pytest

from vestige.probes.attributes.attribute import SPREAD, Reading
from vestige.probes.attributes.page import read_photograph
from vestige.probes.portrait.read import ColoursPanel, MapsPanel, PointsPanel, ReadingsPanel, draw_portrait

GLASSES = Reading("glasses (model label)", 0.9, 0.3, 0.45, binary=True)
YAW = Reading("yaw", -9.0, 1.0, 12.0, binary=False)
SEEN = np.array([10.0, 20.0, 50.0, 60.0])
COLOURS = 200 * np.eye(3, dtype=np.uint8)


def test_a_binary_reading_stands_between_nought_and_one_and_others_about_their_mean():
    assert GLASSES.place(0.25) == 0.25
    assert YAW.place(1.0) == 0.5
    assert YAW.place(1.0 + SPREAD * 12.0) == pytest.approx(1.0)
    assert GLASSES.place(7.0) == YAW.place(700.0) == pytest.approx(1.12)  # drawn at the edge, its number beside it
    assert np.isfinite(Reading("all the same", 2.0, 2.0, 0.0, binary=False).place(2.0))


@pytest.mark.parametrize("n", [1, 30])
def test_a_photograph_is_as_high_as_its_readings(n):
    photograph = np.zeros((50, 25, 3), np.uint8)
    drawn = read_photograph(photograph, [GLASSES] * n)
    height = max(360, 60 + 26 * n)
    assert drawn.shape == (height, height // 2 + 520, 3)
    assert not drawn[:, : height // 2 - 1].any()
    assert len(np.unique(drawn[:, height // 2 :].reshape(-1, 3), axis=0)) > 20


def panels(source="block7 of a network"):
    generator = np.random.default_rng(0)
    return [
        PointsPanel("5 landmarks", source, SEEN, generator.uniform(20, 50, (5, 2))),
        ColoursPanel("colours", source, SEEN, generator.integers(0, 255, (12, 12, 3), np.uint8)),
        MapsPanel(
            "classes", source, SEEN, generator.random((6, 6, 3)), ("a", "b", "c"), np.eye(3, dtype=np.uint8) * 200
        ),
        ReadingsPanel("attributes", source, SEEN, (GLASSES, YAW)),
    ]


def test_a_portrait_grows_with_its_panels_and_says_whether_its_descriptor_is_shared():
    pixels = np.random.default_rng(1).integers(0, 255, (80, 60, 3), np.uint8)
    whole = draw_portrait(pixels, panels(), SEEN, "block7 of a network")
    few = draw_portrait(pixels, panels()[:1], None, "block7 of a network")
    apart = draw_portrait(pixels, panels(), SEEN, "")
    assert whole.shape == apart.shape
    assert not np.array_equal(whole, apart)
    assert few.shape[1] * 3 == whole.shape[1] * 2  # photograph and points; below them, maps are two wide
    assert whole.shape[0] > few.shape[0]
