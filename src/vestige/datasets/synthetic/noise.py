"""One fixed noise picture that gives skin, coats and wear their mottling."""

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
