"""What a camera adds to a drawn picture: white balance, contrast, blur and noise."""

from __future__ import annotations

import numpy as np
import skia
from numpy.typing import NDArray


def finish(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (H, W, 3) as a camera might have taken it; geometry is not touched."""
    sigma = float(rng.uniform(0.0, 0.5) if rng.random() < 0.8 else rng.uniform(0.5, 1.1)) * image.shape[0] / 224
    soft = _blur(image, sigma) if sigma > 0.7 else _soften(image, sigma) if sigma > 0.25 else image
    gain = rng.uniform(0.9, 1.08) * (1 + rng.normal(0, 0.025, 3))
    gamma = rng.uniform(0.88, 1.15)
    curves = (np.clip(np.linspace(0, 1, 256)[:, None] ** gamma * gain, 0, 1) * 255 + 0.5).astype(np.float32)
    noise = rng.standard_normal(soft.shape[:2], dtype=np.float32) * np.float32(rng.uniform(0.6, 3.5))
    graded = np.stack([curves[:, c][soft[..., c]] + noise for c in range(3)], axis=-1)
    return np.asarray(np.clip(graded, 0, 255), np.uint8)


def _soften(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """`_blur` by a kernel of three: close enough below one pixel, and much quicker."""
    side = np.float32(np.exp(-0.5 / sigma**2))
    total = 1 + 2 * side
    tall = np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge").astype(np.float32)
    rows = (tall[1:-1] + side * (tall[:-2] + tall[2:])) / total
    wide = np.pad(rows, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return np.asarray((wide[:, 1:-1] + side * (wide[:, :-2] + wide[:, 2:])) / total + 0.5, np.uint8)


def _blur(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Gaussian blur (H, W, 3), edges replicated."""
    height, width = image.shape[:2]
    source = np.full((height, width, 4), 255, np.uint8)
    source[..., :3] = image
    target = np.empty_like(source)
    kind = skia.ColorType.kRGBA_8888_ColorType
    surface = skia.Surface(target, kind)
    paint = skia.Paint(ImageFilter=skia.ImageFilters.Blur(sigma, sigma, skia.TileMode.kClamp))
    surface.getCanvas().drawImage(skia.Image.fromarray(source, kind), 0, 0, skia.SamplingOptions(), paint)
    return np.asarray(target[..., :3])
