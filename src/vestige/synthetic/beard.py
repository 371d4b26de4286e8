"""Beards and moustaches, hair by hair, over the darkened skin."""

from __future__ import annotations

import numpy as np

from vestige.synthetic.canvas import Canvas, hairs, mix, strands
from vestige.synthetic.head import Head
from vestige.synthetic.identity import Look
from vestige.synthetic.light import Light
from vestige.synthetic.skin import beard_density

_CANDIDATES = 900


def draw_beard(canvas: Canvas, head: Head, light: Light, look: Look, rng: np.random.Generator) -> None:
    """Draws the hairs where `beard_density` asks for them; shaven faces stay as they are."""
    if not (look.beard or look.moustache):
        return
    x = rng.uniform(-0.97, 0.97, _CANDIDATES)
    y = rng.uniform(0.1, head.chin * 0.995, _CANDIDATES)
    inside = (np.abs(x) < 0.97 * head.half_width(y)) & (
        rng.uniform(0, 0.9, _CANDIDATES) < beard_density(head, look, x, y)
    )
    x, y = x[inside], y[inside]
    root = head.surface(x, y)
    length = rng.uniform(0.05, 0.11, len(x)) * (0.7 + 0.8 * look.beard)
    direction = np.stack([0.45 * x + rng.normal(0, 0.25, len(x)), np.full(len(x), 1.0), np.full(len(x), 0.35)], axis=1)
    tip = root + direction * length[:, None]
    lines = head.project(np.stack([root, tip], axis=1))
    tone = light.shade(mix(look.hair, (0.1, 0.07, 0.05), 0.2), head.to_camera(np.array([0.0, 0.2, 0.98])))
    for k, gain in enumerate((0.6, 1.0, 1.5)):
        colour = np.clip(tone * gain + 0.015 * gain, 0, 1)
        canvas.image.drawPath(strands(lines[k::3]), hairs(colour, (0.020 - 0.004 * k) * head.unit, 0.55))
