"""A key light, a weak coloured one from elsewhere and an ambient light, the same for every part of the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vestige.datasets.synthetic.identity import Floats, View

_WRAP = np.array([0.30, 0.20, 0.15], np.float32)  # light bleeds past the terminator in skin, red the furthest


class Light:
    """Shades surfaces: Lambert's law with wrap-around, ambient light from above, Blinn's highlight, gamma 2.2."""

    def __init__(self, view: View) -> None:
        self.direction = view.light
        tint = np.array([1 + view.warmth, 1.0, 1 - view.warmth])
        self.key = (1.25 * view.key * tint).astype(np.float32)
        self.ambient = (0.80 * view.ambient * (2 - tint)).astype(np.float32)
        self._rim_direction, self._rim = view.rim_direction.astype(np.float32), view.rim.astype(np.float32)
        half = view.light + np.array([0.0, 0.0, 1.0])
        self._half = (half / np.linalg.norm(half)).astype(np.float32)

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
        facing = (n @ self.direction.astype(np.float32))[..., None]
        rim = np.clip(n @ self._rim_direction, 0, None)[..., None] ** 2 * self._rim
        shadow, occlusion, gloss = (np.asarray(v, np.float32)[..., None] for v in (shadow, occlusion, gloss))
        diffuse = np.maximum((facing + _WRAP) / (1 + _WRAP), 0) ** 1.4 * self.key
        ambient = self.ambient * (occlusion * (0.66 - 0.20 * n[..., 1:2] + 0.28 * n[..., 2:]))
        highlight = np.clip(n @ self._half, 0, 1)[..., None] ** 12
        shine = (gloss * shadow) * (0.75 * highlight + 0.5 * highlight**4)
        radiance = np.asarray(rgb, np.float32) ** 2.2 * (diffuse * shadow + ambient + rim) + shine * self.key
        return np.asarray(np.clip(radiance / (1 + 0.25 * radiance), 0, 1) ** (1 / 2.2))
