"""Regions against a definition written out point by point, closed forms, and one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.regions import ClassRegion, NamedMask, Polygons, RunLengths, class_objects, parse_counts, rasters

WHOLE = np.array([0.0, 0.0, 20.0, 16.0])


def centres(shape, frame):
    """x and y of a raster's cells."""
    ys = frame[1] + (np.arange(shape[0]) + 0.5) * (frame[3] - frame[1]) / shape[0]
    xs = frame[0] + (np.arange(shape[1]) + 0.5) * (frame[2] - frame[0]) / shape[1]
    return np.meshgrid(xs, ys)


def surrounded(ring, shape, frame):
    """By the definition: a ray to the right crosses the ring an odd number of times."""
    x, y = centres(shape, frame)
    inside = np.zeros(shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        crossed = (y0 > y) != (y1 > y)
        with np.errstate(all="ignore"):
            inside ^= crossed & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), corners=st.integers(3, 12), height=st.integers(1, 30), width=st.integers(1, 30))
def test_a_polygon_holds_the_centres_that_it_surrounds(seed, corners, height, width):
    rng = np.random.default_rng(seed)
    ring = rng.uniform(-6, 26, (corners, 2))
    low = rng.uniform(-3, 8, 2)
    for frame in (WHOLE, np.concatenate([low, low + rng.uniform(1, 15, 2)])):
        found = Polygons((ring,)).raster((height, width), frame)
        np.testing.assert_array_equal(found, surrounded(ring, (height, width), frame))


def test_centres_on_the_edge_are_in():
    corners = np.array([[0.5, 0.5], [19.5, 0.5], [19.5, 15.5], [0.5, 15.5]])  # pixels 1 to 20 and 1 to 16, from 1 on
    assert Polygons((corners,)).raster((16, 20), WHOLE).all()
    pixel = np.array([[4.5, 6.5]] * 3)
    assert np.argwhere(Polygons((pixel,)).raster((16, 20), WHOLE)).tolist() == [[6, 4]]
    triangle = np.array([[2.5, 2.5], [6.5, 2.5], [2.5, 6.5]])
    assert Polygons((triangle,)).raster((16, 20), WHOLE).sum() == 5 + 4 + 3 + 2 + 1


def test_area_is_that_of_the_polygon_at_any_size():
    ring = np.array([[3.0, 2.0], [17.0, 4.0], [14.0, 13.0], [6.0, 12.0]])
    x, y = ring.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    for scale in (20, 55):
        share = Polygons((ring,)).raster((16 * scale, 20 * scale), WHOLE).mean()
        assert share * 320 == pytest.approx(area, rel=2e-3)


def test_polygons_of_one_object_are_joined():
    first, second = (np.array([[a, 1], [a + 8, 1], [a + 8, 9], [a, 9.0]]) for a in (1, 5))
    both = Polygons((first, second)).raster((16, 20), WHOLE)
    each = [Polygons((ring,)).raster((16, 20), WHOLE) for ring in (first, second)]
    np.testing.assert_array_equal(both, each[0] | each[1])
    named = [
        NamedMask("a", Polygons((first,))),
        NamedMask("b", Polygons((second,))),
        NamedMask("a", Polygons((second,))),
    ]
    np.testing.assert_array_equal(rasters(named, "a", (16, 20), WHOLE), both)


def written(mask):
    """Run lengths and COCO's text of them, straight from their description."""
    flat = mask.T.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    counts = np.diff([0, *edges, flat.size]).tolist()
    text = ""
    for k, count in enumerate(counts):
        value = count - (counts[k - 2] if k > 2 else 0)
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != -1 if bits & 16 else value != 0
            text += chr((bits | 32 if more else bits) + 48)
    return counts, text


@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_run_lengths_are_the_mask(seed, share):
    mask = np.random.default_rng(seed).random((37, 64)) < share
    counts, text = written(mask)
    np.testing.assert_array_equal(parse_counts(text), counts)
    region = RunLengths(parse_counts(text), (64, 37))
    np.testing.assert_array_equal(region.raster((37, 64), np.array([0, 0, 64.0, 37.0])), mask)
    np.testing.assert_array_equal(region.raster((5, 7), np.array([3, 4, 10.0, 9.0])), mask[4:9, 3:10])


def test_a_text_of_cocos_tools():
    """The example of pycocotools' documentation of its format: a square of 4 x 4 pixels in 9 x 9."""
    mask = np.zeros((9, 9), dtype=bool)
    mask[2:6, 3:7] = True
    counts, text = written(mask)
    assert counts == [29, 4, 5, 4, 5, 4, 5, 4, 21]
    assert parse_counts(text).tolist() == counts
    for broken in ("m", "\x00", "o" * 30):
        with pytest.raises(ValueError, match=r"run lengths|cut off"):
            parse_counts(broken)


class Held:
    """A mask in memory."""

    def __init__(self, values):
        self.values, self.reads = values, 0

    def read(self):
        self.reads += 1
        return self.values

    def digest(self):
        return "held"


def test_classes_of_a_mask_are_objects():
    mask = Held(np.repeat(np.array([[0, 3, 300], [0, 3, 3]]), 4, axis=1))
    found = class_objects(mask, {0: "sky", 3: "sea"})
    assert [(each.name, each.region.raster((2, 12), np.array([0, 0, 12.0, 2.0])).sum()) for each in found] == [
        ("sky", 8),
        ("sea", 12),
    ]
    assert mask.reads == 2  # once to find the classes, once for all rasters
    assert found[0].region == ClassRegion(mask, 0)


def test_outside_the_picture_is_in_nothing():
    frame = np.array([-5.0, -5.0, 25.0, 21.0])
    mask = RunLengths(np.array([0, 320]), (20, 16))
    assert mask.raster((26, 30), frame).sum() == 320
