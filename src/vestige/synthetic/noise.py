"""Noise that is drawn once: the mottling of skin, coats and wear, and that of a camera."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def noise_picture(size: int = 384) -> NDArray[np.float32]:
    """Noise of several octaves (size, size), zero mean, unit variance; the same in every process."""
    rng = np.random.default_rng(68)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / (frequency + 0.02)
    noise = np.fft.irfft2(spectrum, (size, size))
    noise -= noise.mean()
    return np.asarray(noise / noise.std(), np.float32)


def white_noise(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Independent standard normals (height, width): a window of a fixed picture, since new ones take their time.

    A picture too large for two windows that differ everywhere gets its own.
    """
    fixed = _white_noise()
    rows, columns = (side - length for side, length in zip(fixed.shape, (height, width), strict=True))
    if min(rows, columns) < min(height, width):
        return rng.standard_normal((height, width), np.float32)
    i, j = rng.integers(0, rows), rng.integers(0, columns)
    return fixed[i : i + height, j : j + width]


@cache
def _white_noise(size: int = 640) -> NDArray[np.float32]:
    return np.random.default_rng(224).standard_normal((size, size), np.float32)
