"""Backgrounds: random crops, blurred and tinted, of photographs that ship inside installed packages."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import skia
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.synthetic.canvas import Canvas

# Photographs without people that ship in the wheels of scikit-image and scikit-learn: nothing is downloaded.
PHOTOGRAPHS = (
    ("skimage", "data/coffee.png"),
    ("skimage", "data/rocket.jpg"),
    ("skimage", "data/motorcycle_left.png"),
    ("skimage", "data/brick.png"),
    ("skimage", "data/grass.png"),
    ("skimage", "data/gravel.png"),
    ("skimage", "data/motorcycle_right.png"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
)
_LONGEST = 640  # pixels; larger pictures are reduced once, since every use crops and blurs


def draw_background(canvas: Canvas, rng: np.random.Generator, blur: tuple[float, float] = (0.002, 0.03)) -> None:
    """Covers the canvas with a random crop of a random photograph.

    ``blur`` is the range of the Gaussian sigma as a fraction of the canvas side, drawn log-uniformly.
    Raises `VestigeError` if the packages' pictures are missing.
    """
    photograph = _photograph(*PHOTOGRAPHS[rng.integers(len(PHOTOGRAPHS))])
    width, height = photograph.width(), photograph.height()
    side = min(width, height) * rng.uniform(0.35, 1.0)
    x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
    sigma = canvas.size * float(np.exp(rng.uniform(*np.log(blur))))
    source = skia.Rect.MakeXYWH(x, y, side, side)
    paint = skia.Paint(ColorFilter=_grade(rng))
    # Reducing and enlarging again is several times faster than a Gaussian and looks the same behind a subject.
    reduced = max(8, round(canvas.size / max(1.0, 1.0 * sigma)))
    pixels = np.empty((reduced, reduced, 4), np.uint8)
    surface = skia.Surface(pixels, skia.ColorType.kRGBA_8888_ColorType)
    if rng.random() < 0.5:
        surface.getCanvas().translate(reduced, 0)
        surface.getCanvas().scale(-1, 1)
    sampling = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
    surface.getCanvas().drawImageRect(photograph, source, skia.Rect.MakeWH(reduced, reduced), sampling, paint)
    canvas.paste(_enlarge(pixels, canvas.size))


def _grade(rng: np.random.Generator) -> skia.ColorFilter:
    """A random tint, saturation and brightness; many of the photographs are grey, a room seldom is."""
    gain = rng.uniform(0.45, 1.05) * (1 + rng.normal(0, 0.10, 3))
    saturation = rng.uniform(0.5, 1.3)
    lift = rng.uniform(-0.05, 0.15)
    luma = np.array([0.2126, 0.7152, 0.0722])
    matrix = gain[:, None] * (saturation * np.eye(3) + (1 - saturation) * luma[None])
    rows = [[*map(float, row), 0.0, float(lift)] for row in matrix]
    return skia.ColorFilters.Matrix([v for row in [*rows, [0.0, 0.0, 0.0, 1.0, 0.0]] for v in row])


def _enlarge(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The picture at ``size`` pixels a side: linear between pixels, then smoothed over one, so that no grid shows."""
    cell = size / len(image)
    wide = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    box = 2 * round((cell - 1) / 2) + 1
    return np.asarray(cv2.blur(wide, (box, box), borderType=cv2.BORDER_REPLICATE) if box > 1 else wide, np.uint8)


@cache
def _photograph(package: str, name: str) -> skia.Image:
    """The decoded picture, its longer side reduced to at most 640 pixels."""
    spec = find_spec(package)  # finds the folder without importing the package, which would take seconds
    folders = [Path(f) for f in (spec.submodule_search_locations or [])] if spec else []
    file = next((f / name for f in folders if (f / name).is_file()), None)
    if file is None:
        distribution = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
        raise VestigeError(
            f"{package}/{name}: this picture should ship with {distribution}; synthetic data needs it as a "
            f"background. Reinstall {distribution} from its wheel."
        )
    data = skia.Data.MakeWithCopy(file.read_bytes())
    image = skia.Image.MakeFromEncoded(data).convert(alphaType=skia.kPremul_AlphaType)
    shrink = min(1.0, _LONGEST / max(image.width(), image.height()))
    if shrink == 1.0:
        return image.makeRasterImage()
    options = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
    return image.resize(round(image.width() * shrink), round(image.height() * shrink), options)
