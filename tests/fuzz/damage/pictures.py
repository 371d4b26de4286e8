"""Pictures of every format, and what is read of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from damage.guard import Kind
from vestige.example import Example
from vestige.geometry import check_box
from vestige.images import Crop, ImageFile, crop_resize, image_size
from vestige.picture_files import is_drawn, look_over, read_stored

SIZE = (21, 17)  # height, width


def make(folder: Path) -> None:
    """A picture of every format, mode and compression that Pillow writes and vestige reads."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8).repeat(2, 0)[: SIZE[0]])
    grey, rgba = rgb.convert("L"), rgb.copy()
    rgba.putalpha(grey)
    palette, cmyk = rgb.quantize(16), rgb.convert("CMYK")
    deep = Image.fromarray(rng.integers(0, 65536, SIZE, dtype=np.uint16))
    turned = Image.Exif()
    turned[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "other")
    for name, image, options in (
        ("rgb.jpg", rgb, {"quality": 80}),
        ("progressive.jpg", rgb, {"progressive": True, "exif": turned}),
        ("grey.jpg", grey, {}),
        ("cmyk.jpg", cmyk, {"comment": "x"}),
        ("rgb.png", rgb, {"exif": turned, "pnginfo": text}),
        ("alpha.png", rgba, {}),
        ("palette.png", palette, {"transparency": 3}),
        ("deep.png", deep, {}),
        ("bits.png", rgb.convert("1"), {}),
        ("clear.png", grey, {"transparency": 7}),
        ("rgb.bmp", rgb, {}),
        ("palette.bmp", palette, {}),
        ("lossy.webp", rgb, {"exif": turned}),
        ("lossless.webp", rgba, {"lossless": True}),
        ("raw.tif", rgb, {"exif": turned}),
        ("lzw.tif", rgb, {"compression": "tiff_lzw"}),
        ("deflate.tif", rgba, {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tif", rgb, {"compression": "jpeg"}),
        ("deep.tif", deep, {}),
        ("fax.tif", rgb.convert("1"), {"compression": "group4"}),
        ("rgb.ppm", rgb, {}),
        ("deep.pgm", deep, {}),
    ):
        image.save(folder / name, **options)
    (folder / "plain.ppm").write_text("P3\n2 2\n255\n" + "1 2 3 " * 4)


def read(_folder: Path, path: Path, rng: random.Random) -> None:
    """Size, pixels, and a crop of a picture."""
    is_drawn(path)
    exif = rng.random() < 0.5
    size = look_over(path).size(exif)
    assert image_size(path, exif) == size
    pixels = ImageFile(path, exif).read()
    assert pixels.dtype == np.uint8
    assert pixels.shape == (size[1], size[0], 3), (pixels.shape, size)
    side = 10 ** rng.uniform(0, 9)
    x, y = rng.uniform(-side, 50), rng.uniform(-side, 50)
    assert crop_resize(pixels, (x, y, x + side, y + side), (8, 8), mirrored=exif).shape == (8, 8, 3)
    read_stored(path, exif)


def check_example(example: Example, rng: random.Random) -> None:
    """What is known of an example is finite and in its picture; its crop can be read, or is refused."""
    size = image_size(example.image.path, example.image.exif)
    if example.box is not None:
        assert np.isfinite(example.box).all()
        problem = ""
        try:
            check_box(example.box, size)
        except Exception as error:
            problem = str(error)
        assert not problem, problem
    if example.keypoints is not None:
        assert example.keypoints.ndim == 2
        assert np.isfinite(example.keypoints).all()
        assert example.visible is not None
        assert example.visible.shape == example.keypoints.shape[:1]
    assert all(np.isfinite(value) for value in example.attributes.values())
    str(example.id).encode("utf-8", "surrogateescape")
    margin = rng.choice((0.0, 0.3, 4.0))
    box = None
    if example.box is not None:
        x0, y0, x1, y1 = example.box.tolist()
        side = max(x1 - x0, y1 - y0) * margin
        box = (x0 - side, y0 - side, x1 + side, y1 + side)
    assert Crop(example, box).pixels((9, 9)).shape == (9, 9, 3)


KINDS = [Kind("pictures", make, read, 200)]
