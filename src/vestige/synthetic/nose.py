"""The nose's finer lines and its shadow; its form is in the skin's shading."""

from __future__ import annotations

import numpy as np
import skia

from vestige.synthetic.canvas import (
    Canvas,
    Floats,
    fill,
    mix,
    polygon,
    smooth_outline,
    spline,
    stroke,
)
from vestige.synthetic.classes import CLASS
from vestige.synthetic.head import Head
from vestige.synthetic.identity import Look
from vestige.synthetic.light import Light

_MULTIPLY = skia.BlendMode.kMultiply
_SCREEN = skia.BlendMode.kScreen


def draw_nose(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """Nostrils, the crease of the wings and the shadow that the nose throws."""
    unit, dark = head.unit, mix(look.skin, (0.14, 0.03, 0.02), 0.75)
    base, width = head.shape.nose_length, head.shape.nose_width
    _draw_shadow(canvas, head, light, look)
    holes, wings = skia.Path(), skia.Path()
    for side in (-1, 1):
        x = side * np.array([0.14, 0.40, 0.70, 0.62, 0.34]) * width
        hole = head.project_face(x, base - np.array([0.012, 0.062, 0.035, -0.002, -0.006]))
        holes.addPath(polygon(smooth_outline(hole)))
        x = side * np.array([0.92, 1.05, 0.98, 0.78]) * width
        wings.addPath(polygon(spline(head.project_face(x, base - np.array([0.17, 0.10, 0.03, 0.0]))), False))
    canvas.image.drawPath(wings, stroke(dark, 0.030 * unit, 0.40, 0.014 * unit))
    canvas.image.drawPath(holes, fill(dark, 0.85, 0.014 * unit))
    for side in (-1, 1):
        canvas.stamp(polygon(_half(head, side)), CLASS["nose"])


def _draw_shadow(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """The shadow on cheek and lip: points of the ridge moved along the light down to the face's plane."""
    towards = head.to_head(light.direction)
    ridge = head.layout[[27, 28, 29, 30, 33]]
    height = head.shape.nose_height * np.array([0.05, 0.30, 0.55, 0.85, 0.35])
    reach = -height[:, None] * towards[:2] / max(towards[2], 0.45)
    reach = np.clip(reach, -0.42, 0.30)
    cast = ridge + reach
    outline = np.concatenate([ridge, cast[::-1]])
    path = polygon(smooth_outline(head.project_face(outline[:, 0], outline[:, 1]), 3))
    shade = mix(look.skin, (0.30, 0.10, 0.09), 0.55)
    canvas.image.drawPath(path, fill(shade, min(0.62 * float(light.key[1]), 0.7), 0.035 * head.unit, _MULTIPLY))


def _half(head: Head, side: int) -> Floats:
    """Outline of one half of the nose, from the ridge over the wing to the middle of the base."""
    ridge = head.landmarks[27:31]
    base = head.landmarks[[33, 34, 35] if side > 0 else [33, 32, 31]]
    width, y = head.shape.nose_width, head.shape.nose_length
    x = side * np.array([1.0, 0.97, 0.62, 0.42, 0.36]) * width
    wing = head.project_face(x, [y - 0.09, y - 0.16, y - 0.24, 0.2, -0.05])
    return np.concatenate([ridge, spline(np.concatenate([base, wing]))])
