"""What a camera adds to a drawn picture: white balance, contrast, blur and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vestige.synthetic.noise import white_noise


def finish(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (H, W, 3) as a camera might have taken it; geometry is not touched."""
    sigma = float(rng.uniform(0.0, 0.5) if rng.random() < 0.8 else rng.uniform(0.5, 1.1)) * image.shape[0] / 224
    soft = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) if sigma > 0.25 else image
    gain = rng.uniform(0.9, 1.08) * (1 + rng.normal(0, 0.025, 3))
    gamma = rng.uniform(0.88, 1.15)
    curves = np.clip(np.linspace(0, 1, 256)[:, None] ** gamma * gain, 0, 1) * 255
    noise = white_noise(rng, *soft.shape[:2]) * np.float32(rng.uniform(0.6, 3.5))
    graded = cv2.LUT(soft, curves.astype(np.float32)[None])
    return np.asarray(cv2.add(graded, cv2.merge([noise] * 3), dtype=cv2.CV_8U), np.uint8)
