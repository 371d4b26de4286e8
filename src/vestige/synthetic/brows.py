"""Eyebrows, hair by hair."""

from __future__ import annotations

import numpy as np
import skia

from vestige.synthetic.canvas import (
    Canvas,
    Floats,
    fill,
    hairs,
    mix,
    polygon,
    ribbon,
    spline,
    strands,
)
from vestige.synthetic.classes import CLASS
from vestige.synthetic.head import Head
from vestige.synthetic.identity import Look

_MULTIPLY = skia.BlendMode.kMultiply
_SCREEN = skia.BlendMode.kScreen


def draw_brows(canvas: Canvas, head: Head, look: Look, rng: np.random.Generator) -> None:
    """Both brows; the landmarks 17-26 lie along their upper edges."""
    unit = head.unit
    hair = mix(look.hair, (0.10, 0.07, 0.06), 0.35 if look.hair.mean() < 0.6 else 0.15)
    bands = [_band(head, head.landmarks[17:22], 1), _band(head, head.landmarks[26:21:-1], -1)]
    both = skia.Path()
    for band in bands:
        both.addPath(polygon(band))
    canvas.image.drawPath(both, fill(hair, 0.55, 0.016 * unit))
    canvas.image.drawPath(both, fill(hair, 0.20 + 0.2 * look.makeup))
    canvas.stamp(both, CLASS["brow"])
    lines = np.concatenate([_hairs(band, unit, rng) for band in bands])
    canvas.image.drawPath(strands(lines), hairs(hair * 0.7, 0.011 * unit, 0.6))


def _band(head: Head, points: Floats, below: int) -> Floats:
    """Outline of a brow whose upper edge runs through the points, from the outer end to the inner one.

    ``below`` is the sign with which the band lies below that edge in `ribbon`.
    """
    line = spline(points)
    t = np.linspace(0, 1, len(line))
    swell = 0.25 + 0.95 * np.sin(0.5 * np.pi * np.minimum(1.25 * t, 1))
    return ribbon(line, 0.0, below * head.shape.brow_thickness * head.unit * swell * np.where(t > 0.9, 0.85, 1))


def _hairs(band: Floats, unit: float, rng: np.random.Generator, count: int = 46) -> Floats:
    """Short hairs (count, 2, 2) that rise from the band towards its outer end."""
    n = len(band) // 2
    top, bottom = band[:n], band[n:][::-1]
    at, root = rng.uniform(1, n - 1.01, count), rng.uniform(0.25, 1.0, count)[:, None]
    i, f = at.astype(int), (at % 1)[:, None]
    high, low = (edge[i] * (1 - f) + edge[i + 1] * f for edge in (top, bottom))
    start = high + (low - high) * root
    along = top[np.maximum(i - 2, 0)] - top[i]
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    return np.stack([start, start + (high - low) * 0.45 + along * 0.07 * unit], axis=1)
