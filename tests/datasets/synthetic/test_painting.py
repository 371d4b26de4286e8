"""What painters share: paths, directions, noise, enlarged backgrounds."""

from __future__ import annotations

import numpy as np
import pytest
import skia
from scipy import ndimage

from vestige.synthetic.backgrounds import _enlarge
from vestige.synthetic.canvas import Canvas, polygon, steps
from vestige.synthetic.light import _power
from vestige.synthetic.noise import white_noise


@pytest.mark.parametrize("closed", [True, False])
def test_a_polygon_is_skias(closed: bool) -> None:
    points = np.random.default_rng(0).uniform(0, 224, (60, 2))
    assert polygon(points, closed) == skia.Path.Polygon([skia.Point(x, y) for x, y in points.tolist()], closed)


def test_steps_point_where_numpys_gradient_does() -> None:
    line = np.random.default_rng(1).normal(size=(9, 2)).cumsum(0)
    ours, gradient = steps(line), np.gradient(line, axis=0)
    lengths = [np.linalg.norm(v, axis=1, keepdims=True) for v in (ours, gradient)]
    np.testing.assert_allclose(ours / lengths[0], gradient / lengths[1], atol=1e-12)


def test_pasted_pixels_are_the_canvas_and_are_drawn_over() -> None:
    canvas = Canvas(8)
    canvas.paste(np.full((8, 8, 4), 255, np.uint8))
    canvas.image.drawRect(skia.Rect(0, 0, 4, 8), skia.Paint(Color=skia.ColorRED))
    assert canvas.pixels()[0].tolist() == [[255, 0, 0]] * 4 + [[255, 255, 255]] * 4


def test_a_clip_keeps_pasted_pixels_inside() -> None:
    canvas = Canvas(8)
    canvas.clip(polygon(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 8.0], [0.0, 8.0]])))
    canvas.paste(np.full((8, 8, 4), 255, np.uint8))
    canvas.restore()
    assert canvas.pixels()[..., 0].tolist() == [[255] * 4 + [0] * 4] * 8


@pytest.mark.parametrize("side", [224, 700])
def test_white_noise_is_normal_and_another_one_each_time(side: int) -> None:
    rng = np.random.default_rng(2)
    one, other = (white_noise(rng, side, side) for _ in range(2))
    for noise in (one, other):
        assert noise.shape == (side, side)
        assert abs(noise.mean()) < 0.02
        assert abs(noise.std() - 1) < 0.02
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_an_enlarged_background_is_nearly_a_b_spline() -> None:
    """Against SciPy's: the picture between pixels as a cubic B-spline with the pixels as its weights."""
    small = ndimage.gaussian_filter(np.random.default_rng(3).uniform(0, 255, (32, 32)), 1.0)
    image = np.repeat(small[..., None], 4, axis=-1).round().astype(np.uint8)
    at = (np.arange(224) + 0.5) / 7 - 0.5
    expected = ndimage.map_coordinates(
        image[..., 0].astype(float), np.meshgrid(at, at, indexing="ij"), order=3, mode="nearest", prefilter=False
    )
    difference = _enlarge(image, 224)[8:-8, 8:-8, 0] - expected[8:-8, 8:-8]
    assert np.abs(difference).max() < 4
    assert np.sqrt((difference**2).mean()) < 1


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 5, 12])
def test_whole_powers_are_numpys(exponent: int) -> None:
    base = np.random.default_rng(4).uniform(0, 1, (7, 3)).astype(np.float32)
    np.testing.assert_allclose(_power(base, exponent), base**exponent, rtol=1e-6)
