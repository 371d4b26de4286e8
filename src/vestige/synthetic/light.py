"""A key light, a weak coloured one from elsewhere and an ambient light, the same for every part of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.synthetic.canvas import Floats

_WRAP = np.array([0.30, 0.20, 0.15], np.float32)  # light bleeds past the terminator in skin, red the furthest


@dataclass(frozen=True)
class Lighting:
    """Where the light comes from; directions are unit vectors to the lights in camera axes (z to the viewer)."""

    direction: Floats
    key: float
    ambient: float
    rim_direction: Floats  # of a weak coloured second light
    rim: Floats  # its colour times its strength
    warmth: float  # of the key light; the ambient light is as much cooler


def draw_lighting(rng: np.random.Generator) -> Lighting:
    """Light from somewhere in front, from the side to nearly frontal."""
    azimuth = float(rng.uniform(-75, 75))
    key = float(rng.uniform(0.45, 1.05))
    opposite = -np.sign(azimuth) * rng.uniform(70, 120)
    return Lighting(
        direction=_direction(azimuth, rng.uniform(-5, 60)),
        key=key,
        ambient=float(rng.uniform(0.95, 1.15)) - 0.72 * key,
        rim_direction=_direction(opposite, rng.uniform(-10, 40)),
        rim=float(rng.choice([0.0, rng.uniform(0.1, 0.7)])) * (0.6 * np.ones(3) + 0.4 * random_colour(rng)),
        warmth=0.06 * min(max(float(rng.normal()), -2.2), 2.2),
    )


def random_colour(rng: np.random.Generator) -> Floats:
    """An sRGB colour of any hue, more often muted than bright."""
    value, saturation, hue = rng.uniform(0.08, 0.92), rng.beta(1.2, 2.5), rng.uniform(0, 6)
    wheel = np.clip(np.abs((hue - np.array([0.0, 2.0, 4.0]) + 3) % 6 - 3) - 1, 0, 1)
    return np.asarray(value * (1 - saturation * wheel))


def _direction(azimuth: float, elevation: float) -> Floats:
    """Unit vector to a light; degrees to the picture's right and upwards from the line of sight."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), -np.sin(e), np.cos(a) * np.cos(e)])


class Light:
    """Shades surfaces: Lambert's law with wrap-around, ambient light from above, Blinn's highlight, gamma 2.2."""

    def __init__(self, lighting: Lighting) -> None:
        self.direction = lighting.direction
        tint = np.array([1 + lighting.warmth, 1.0, 1 - lighting.warmth])
        self.key = (1.25 * lighting.key * tint).astype(np.float32)
        self.ambient = (0.80 * lighting.ambient * (2 - tint)).astype(np.float32)
        self._rim = lighting.rim.astype(np.float32)
        half = lighting.direction + np.array([0.0, 0.0, 1.0])
        towards = (lighting.direction, lighting.rim_direction, half / np.linalg.norm(half))
        self._towards = np.stack(towards, axis=1).astype(np.float32)  # the key light, the rim light, the highlight

    def shade(
        self,
        rgb: ArrayLike,
        normals: ArrayLike,
        shadow: ArrayLike = 1.0,
        occlusion: ArrayLike = 1.0,
        gloss: ArrayLike = 0.0,
    ) -> Floats:
        """sRGB colours (..., 3) of a material under this light.

        rgb: (..., 3) the material in sRGB. normals: (..., 3) unit vectors in camera axes. shadow and occlusion:
        (...) how much of the key and of the ambient light arrives. gloss: (...) strength of the highlight.
        """
        n = np.asarray(normals, np.float32)
        cosines = n @ self._towards
        facing, rim, half = cosines[..., :1], np.maximum(cosines[..., 1:2], 0), np.clip(cosines[..., 2:], 0, 1)
        shadow, occlusion, gloss = (np.asarray(v, np.float32)[..., None] for v in (shadow, occlusion, gloss))
        diffuse = np.maximum((facing + _WRAP) / (1 + _WRAP), 0) ** 1.4 * self.key
        ambient = self.ambient * (occlusion * (0.66 - 0.20 * n[..., 1:2] + 0.28 * n[..., 2:]))
        highlight = _power(half, 12)
        shine = (gloss * shadow) * (0.75 * highlight + 0.5 * _power(highlight, 4))
        radiance = np.asarray(rgb, np.float32) ** 2.2 * (diffuse * shadow + ambient + rim * rim * self._rim)
        radiance += shine * self.key
        return np.asarray(np.clip(radiance / (1 + 0.25 * radiance), 0, 1) ** (1 / 2.2))


def _power(base: NDArray[np.float32], exponent: int) -> NDArray[np.float32]:
    """A whole power by products, several times as fast as numpy's."""
    power = base if exponent & 1 else np.ones_like(base)
    while exponent := exponent >> 1:
        base = base * base
        power = power * base if exponent & 1 else power
    return power
