"""Segments of pictures: objects that overlap, edges, regions, and quickshift written out by definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import rgb2lab

from vestige.regions import NamedMask, Polygons
from vestige.units.minimal import segments
from vestige.units.minimal.segments import (
    REST,
    SIDE,
    edge_and_region_segments,
    edges_of,
    object_segments,
    regions_of,
)


def box(name: str, x0: float, y0: float, x1: float, y1: float) -> NamedMask:
    return NamedMask(name, Polygons((np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float),)))


def test_the_smallest_object_is_in_front_and_the_rest_is_one_segment() -> None:
    objects = (box("wall", 0, 0, 20, 10), box("bed", 2, 2, 12, 9), box("pillow", 3, 3, 6, 6))
    found = object_segments(objects, (20, 20), (20, 20))
    expected = np.full((20, 20), 3)
    expected[0:10] = 0
    expected[2:9, 2:12] = 1
    expected[3:6, 3:6] = 2
    np.testing.assert_array_equal(found.labels, expected)
    assert found.names == ("wall", "bed", "pillow", REST)
    np.testing.assert_allclose(found.areas, [200 - 70, 70 - 9, 9, 200] / np.array(400))


def test_order_plays_no_part_but_for_objects_of_one_size() -> None:
    objects = (box("pillow", 3, 3, 6, 6), box("bed", 2, 2, 12, 9), box("copy", 2, 2, 12, 9))
    found = object_segments(objects, (20, 20), (20, 20))
    assert found.lost == ("copy",)
    assert found.names == ("pillow", "bed", REST)


def test_objects_of_one_pixel_are_kept_at_their_size_and_lost_where_no_cell_sees_them() -> None:
    dot = (box("dot", 3, 4, 4, 5),)
    found = object_segments(dot, (20, 20), (20, 20))
    np.testing.assert_array_equal(np.argwhere(found.labels == 0), [[4, 3]])
    smaller = object_segments(dot, (20, 20), (4, 4))
    assert (smaller.names, smaller.lost) == ((REST,), ("dot",))


def test_a_covered_picture_has_no_rest() -> None:
    assert object_segments((box("wall", 0, 0, 20, 20),), (20, 20), (9, 9)).names == ("wall",)


def drawn() -> NDArray[np.uint8]:
    """A dark disc on a light ground, and a faint line that is too short."""
    ys, xs = np.mgrid[:SIDE, :SIDE]
    pixels = np.full((SIDE, SIDE, 3), (200, 190, 180), np.uint8)
    pixels[np.hypot(ys - 128, xs - 128) < 60] = (40, 60, 120)
    pixels[20:22, 10:40] = (60, 60, 60)
    return pixels


def test_long_edges_are_as_wide_as_the_disc() -> None:
    edges = edges_of(drawn())
    assert set(np.unique(edges)) <= {-1, 0, 1}  # Canny may close the outline in two pieces
    ys, xs = np.nonzero(edges >= 0)
    away = np.abs(np.hypot(ys - 128, xs - 128) - 60)
    assert away.max() < 6  # the line of 30 pixels is none
    covered = np.hypot(*np.mgrid[-128:128, -128:128])
    assert (edges[(covered > 58) & (covered < 61)] >= 0).all()


def test_edges_and_regions_cover_the_picture_at_any_size() -> None:
    for shape in ((256, 256), (224, 224), (48, 64)):
        found = edge_and_region_segments(drawn(), shape)
        assert found.labels.shape == shape
        assert set(np.unique(found.labels)) == set(range(len(found.names)))
        assert [name.split()[0] for name in found.names] == sorted(name.split()[0] for name in found.names)[::-1]
        assert found.areas.sum() == pytest.approx(1)
        middle, corner = found.labels[shape[0] // 2, shape[1] // 2], found.labels[shape[0] - 2, 2]
        assert middle != corner
        assert found.names[middle].startswith("region")


def test_an_even_picture_is_one_region() -> None:
    found = edge_and_region_segments(np.full((SIDE, SIDE, 3), 120, np.uint8), (32, 32))
    assert not any(name.startswith("edge") for name in found.names)


def slowly(pixels: NDArray[np.uint8], reach: int, distance: float) -> NDArray[np.intp]:
    """Quickshift by definition: every pixel to the nearest denser one within a distance."""
    features = 2 * rgb2lab(pixels)
    height, width = pixels.shape[:2]
    points = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2)
    every = np.concatenate([points, features.reshape(-1, 3)], axis=1)
    away = np.square(every[:, None] - every).sum(axis=-1)
    near = np.abs(points[:, None] - points).max(axis=-1) <= reach
    density = np.where(near, np.exp(-away / 8), 0).sum(axis=1)
    parent = np.arange(len(every))
    for k in range(len(every)):
        row = np.where(density > density[k], away[k], np.inf)
        j = int(row.argmin())
        if row[j] < distance**2:
            parent[k] = j
    while (parent[parent] != parent).any():
        parent = parent[parent]
    return np.unique(parent, return_inverse=True)[1].reshape(height, width)


def test_densities_are_the_kernel_sums() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (11, 14, 3)).astype(np.uint8) // 8
    features = 2 * rgb2lab(pixels)
    points = np.concatenate([np.stack(np.mgrid[:11, :14], axis=-1), features], axis=-1).reshape(-1, 5)
    away = np.square(points[:, None] - points).sum(axis=-1)
    near = np.abs(points[:, None, :2] - points[:, :2]).max(axis=-1) <= 6
    expected = np.where(near, np.exp(-away / 8), 0).sum(axis=1).reshape(11, 14)
    np.testing.assert_allclose(segments._densities(features.astype(np.float32)), expected, rtol=1e-4)


def test_regions_are_those_of_quickshift_by_definition() -> None:
    pixels = np.zeros((24, 30, 3), np.uint8)
    pixels[:, :10], pixels[:, 10:20], pixels[:, 20:] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    noise = np.random.default_rng(0).integers(0, 12, pixels.shape)
    pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    found, expected = regions_of(pixels), slowly(pixels, 6, 60)
    pairs = set(zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len(np.unique(expected)) == len(np.unique(found)) >= 3
