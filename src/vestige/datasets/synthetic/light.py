"""One key light and an ambient light, the same for every part of the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vestige.datasets.synthetic.identity import Floats, View

_WRAP = np.array([0.34, 0.22, 0.17])  # light bleeds past the terminator in skin, red the furthest


class Light:
    """Shades surfaces: Lambert's law with wrap-around, ambient light from above, Blinn's highlight, gamma 2.2."""

    def __init__(self, view: View) -> None:
        self.direction = view.light
        tint = np.array([1 + view.warmth, 1.0, 1 - view.warmth])
        self.key = 1.15 * view.key * tint
        self.ambient = 0.72 * view.ambient * (2 - tint)
        half = view.light + np.array([0.0, 0.0, 1.0])
        self._half = half / np.linalg.norm(half)

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
        albedo = np.asarray(rgb) ** 2.2
        n = np.asarray(normals)
        facing = n @ self.direction
        shadow, occlusion, gloss = (np.asarray(v)[..., None] for v in (shadow, occlusion, gloss))
        diffuse = np.clip((facing[..., None] + _WRAP) / (1 + _WRAP), 0, None) ** 1.3
        ambient = self.ambient * occlusion * (0.80 - 0.20 * n[..., 1:2] + 0.12 * n[..., 2:])
        highlight = np.clip(n @ self._half, 0, 1)[..., None]
        shine = gloss * shadow * self.key * (0.75 * highlight**14 + 0.5 * highlight**50)
        radiance = albedo * (self.key * diffuse * shadow + ambient) + shine
        return np.asarray((radiance / (1 + 0.22 * radiance)).clip(0, 1) ** (1 / 2.2))
