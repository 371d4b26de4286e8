"""Crops: exact where they can be exact, and right to a fraction of a pixel where they are resampled."""

import math
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import Crop, ImageFile, crop_resize, draw_points, image_size


def picture(height=20, width=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ramp(height, width):
    """Each pixel's red is its centre's x, its green its centre's y, times 4."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([4 * x, 4 * y, np.zeros_like(x)], axis=-1).round().astype(np.uint8)


def test_a_box_of_whole_pixels_is_a_plain_cut():
    pixels = picture()
    np.testing.assert_array_equal(crop_resize(pixels, (3, 2, 11, 10), (8, 8)), pixels[2:10, 3:11])


def test_outside_the_picture_the_edge_is_replicated():
    pixels = picture()
    expected = np.pad(pixels, ((4, 0), (4, 0), (0, 0)), mode="edge")[:12, :12]
    np.testing.assert_array_equal(crop_resize(pixels, (-4, -4, 8, 8), (12, 12)), expected)
    everything = np.pad(pixels, ((25, 25), (15, 15), (0, 0)), mode="edge")
    np.testing.assert_array_equal(crop_resize(pixels, (-15, -25, 45, 45), (70, 60)), everything)


def laid_out(pixels, box, size, interpolation):
    """The plain way: every pixel of the box, replicas of the edge included, then Pillow's resizing."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    rows, columns = np.clip(np.arange(top, bottom), 0, height - 1), np.clip(np.arange(left, right), 0, width - 1)
    seen = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    filtered = getattr(Image.Resampling, interpolation.upper())
    cut = Image.fromarray(np.ascontiguousarray(pixels[rows[:, None], columns]))
    return np.asarray(cut.resize((size[1], size[0]), filtered, box=seen))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "box"])
def test_ordinary_crops_are_what_laying_out_the_edge_gives(interpolation):
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(1, 60, 2)
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        corners = rng.uniform(-2, 3, (2, 2)) * (width, height)
        box = (*corners.min(axis=0), *(corners.max(axis=0) + 0.01))
        size = tuple(rng.integers(1, 90, 2).tolist())
        np.testing.assert_array_equal(
            crop_resize(pixels, box, size, interpolation), laid_out(pixels, box, size, interpolation)
        )


@pytest.mark.parametrize("box", [(-3000, -3000, 4000, 3100), (-9000, -300, 5000, 400), (10, 20, 40, 80_000)])
def test_a_crop_that_is_mostly_edge_is_right_to_a_few_grey_levels(box):
    pixels = picture(64, 48)
    found = crop_resize(pixels, box, (56, 56)).astype(int)
    difference = np.abs(found - laid_out(pixels, box, (56, 56), "bilinear"))
    assert difference.max() <= 4
    assert difference.mean() < 0.1


ABSURD = [
    (0, 0, 40_000, 40_000),
    (0, 10, 1e7, 11),
    (-1e9, -1e9, 1e9, 1e9),
    (1e12, 1e12, 2e12, 2e12),
    (-1e300, 5, 1e300, 6),
]


@pytest.mark.parametrize("box", ABSURD)
def test_an_absurd_box_costs_no_more_than_the_picture_and_its_output(box):
    pixels = picture(64, 64)
    tracemalloc.start()
    found = crop_resize(pixels, box, (112, 112))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (112, 112, 3)
    assert peak < 200 * found.nbytes


def test_the_halves_of_a_giant_crop_show_their_own_edge():
    """Red left of the picture, blue right of it, though the picture itself is far smaller than an output pixel."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4, 0], pixels[:, 4:, 2] = 255, 255
    found = crop_resize(pixels, (-1e8, -1e8, 1e8, 1e8), (32, 32))
    np.testing.assert_array_equal(found[:, :15], np.broadcast_to([255, 0, 0], (32, 15, 3)))
    np.testing.assert_array_equal(found[:, 17:], np.broadcast_to([0, 0, 255], (32, 15, 3)))


def test_a_crop_wholly_outside_is_the_nearest_edge():
    pixels = picture()
    found = crop_resize(pixels, (100, 5, 108, 13), (8, 8))
    np.testing.assert_array_equal(found, np.repeat(pixels[5:13, -1:], 8, axis=1))


@pytest.mark.parametrize("box", [(4.0, 4.0, 36.0, 36.0), (4.5, 6.25, 28.5, 30.25), (3.3, 2.1, 37.7, 36.5)])
@pytest.mark.parametrize("size", [16, 24, 48])
def test_resizing_is_a_pure_scaling(box, size):
    """A ramp stays a ramp: the resized pixel at i + 0.5 shows the box's colour at (i + 0.5) / size. Half a pixel of
    error would show as 2 grey levels or more."""
    found = crop_resize(ramp(40, 40), box, (size, size)).astype(float)
    centres = (np.arange(size) + 0.5) / size * (box[2] - box[0])
    inner = slice(2, -2)
    np.testing.assert_allclose(found[size // 2, inner, 0], 4 * (box[0] + centres[inner]), atol=1.0)
    np.testing.assert_allclose(found[inner, size // 2, 1], 4 * (box[1] + centres[inner]), atol=1.0)


def test_mirroring_comes_after_the_cut():
    pixels = picture()
    plain = crop_resize(pixels, (3.5, 2, 11, 10), (9, 9))
    np.testing.assert_array_equal(crop_resize(pixels, (3.5, 2, 11, 10), (9, 9), mirrored=True), plain[:, ::-1])


@pytest.mark.parametrize("box", [(3, 3, 3, 9), (5, 5, 4, 9), (0, 0, float("nan"), 5), (0, 0, float("inf"), 5)])
def test_an_empty_box_is_refused(box):
    with pytest.raises(VestigeError, match="is empty"):
        crop_resize(picture(), box, (8, 8))


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(20, 30)).save(tmp_path / "turned.png", exif=exif)
    assert ImageFile(tmp_path / "turned.png").read().shape == (30, 20, 3)
    assert image_size(tmp_path / "turned.png") == (20, 30)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"\x89PNG\r\n\x1a\n"])
def test_bad_files_are_named(tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(VestigeError, match=r"bad\.png: "):
        ImageFile(path).read()


def test_a_truncated_picture_is_refused(tmp_path):
    path = tmp_path / "cut.jpg"
    Image.fromarray(picture(200, 200)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(VestigeError, match=r"cut\.jpg"):
        ImageFile(path).read()


def test_the_key_follows_what_is_seen(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        Image.fromarray(picture(seed=seed)).save(tmp_path / f"{name}.png")
    a, b = (Example(name, name, ImageFile(tmp_path / f"{name}.png")) for name in "ab")
    crops = [Crop(a), Crop(b), Crop(a, (0.0, 0.0, 5.0, 5.0)), Crop(a, mirrored=True)]
    assert len({crop.key() for crop in crops}) == len(crops)
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert Crop(Example("c", "c", ImageFile(tmp_path / "c.png"))).key() == crops[0].key()


def test_dots_are_drawn_about_their_points():
    blank = np.zeros((60, 80, 3), np.uint8)
    drawn = draw_points(blank, [[30.5, 20.5]])[..., 1].astype(float)
    rows, columns = np.mgrid[:60, :80] + 0.5
    assert (columns * drawn).sum() / drawn.sum() == pytest.approx(30.5, abs=0.05)
    assert (rows * drawn).sum() / drawn.sum() == pytest.approx(20.5, abs=0.05)
