"""The mouth: lips, teeth and what is behind them, drawn through the projected landmarks."""

from __future__ import annotations

import numpy as np
import skia

from vestige.synthetic.canvas import (
    Canvas,
    Floats,
    fill,
    linear_gradient,
    mix,
    polygon,
    shaded,
    smooth_outline,
    spline,
    strands,
    stroke,
)
from vestige.synthetic.classes import CLASS
from vestige.synthetic.head import Head
from vestige.synthetic.identity import Look
from vestige.synthetic.light import Light

_MULTIPLY = skia.BlendMode.kMultiply
_SCREEN = skia.BlendMode.kScreen


def draw_mouth(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """Lips, teeth and the inside; landmarks 48-59 on the lips' outer border, 60-67 on the inner one."""
    unit, points = head.unit, head.landmarks[48:68]
    top, bottom = spline(points[:7]), spline(points[[6, 7, 8, 9, 10, 11, 0]])
    outer = polygon(np.concatenate([top, bottom[1:-1]]))
    inner_top, inner_bottom = spline(points[12:17]), spline(points[[16, 17, 18, 19, 12]])
    inner = np.concatenate([inner_top, inner_bottom[1:-1]])
    canvas.image.save()
    canvas.image.clipPath(outer, skia.ClipOp.kIntersect, True)
    tint = look.lips / np.maximum(look.skin, 0.05)
    canvas.image.drawPath(outer, fill(np.clip(tint, 0, 1), 0.92, 0.0, _MULTIPLY))
    _draw_lip_relief(canvas, head, light, look, points)
    canvas.image.restore()
    canvas.stamp(outer, CLASS["mouth"])
    canvas.image.drawPath(outer, stroke(mix(look.lips, look.skin, 0.5) * 0.8, 0.018 * unit, 0.22, 0.010 * unit))
    _draw_mouth_inside(canvas, head, inner)
    seam = mix(look.lips, (0.10, 0.02, 0.02), 0.80)
    line = np.concatenate([points[:1], inner_top, points[6:7]])
    canvas.image.drawPath(
        polygon(spline(line[[0, 1, 7, 13, 19, 25, 26]]), False), stroke(seam, 0.020 * unit, 0.85, 0.007 * unit)
    )
    for corner in points[[0, 6]].tolist():
        canvas.image.drawCircle(
            *corner, 0.030 * unit, fill(mix(look.skin, (0.2, 0.05, 0.05), 0.6), 0.35, 0.02 * unit, _MULTIPLY)
        )


def _draw_lip_relief(canvas: Canvas, head: Head, light: Light, look: Look, points: Floats) -> None:
    """The upper lip turns from the light, the lower one catches it."""
    unit = head.unit
    upper = np.concatenate([spline(points[:7]), spline(points[12:17])[::-1]])
    canvas.image.drawPath(polygon(upper), fill((0.45, 0.25, 0.25), 0.30, 0.012 * unit, _MULTIPLY))
    full = (points[9] + points[18]) / 2
    sheen = full + np.array([light.direction[0] * 0.10, -0.01]) * unit
    shape = np.stack([sheen + np.array(d) * unit for d in ((-0.13, 0), (0, -0.022), (0.13, 0), (0, 0.022))])
    gloss = 0.22 + 0.35 * look.makeup
    canvas.image.drawPath(
        polygon(smooth_outline(shape)), fill((1, 0.9, 0.88), gloss * light.key.mean(), 0.02 * unit, _SCREEN)
    )
    low = points[7:12]
    canvas.image.drawPath(
        polygon(spline(low), False), stroke((0.4, 0.2, 0.2), 0.035 * unit, 0.30, 0.015 * unit, _MULTIPLY)
    )


def _draw_mouth_inside(canvas: Canvas, head: Head, inner: Floats) -> None:
    unit = head.unit
    gap = float(np.linalg.norm(head.landmarks[66] - head.landmarks[62]))
    if gap < 0.01 * unit:
        return
    path = polygon(inner)
    canvas.image.save()
    canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
    canvas.image.drawPath(path, fill((0.15, 0.04, 0.04)))
    middle, down = head.landmarks[62], (head.landmarks[66] - head.landmarks[62]) / gap
    across = np.array([down[1], -down[0]])
    if gap > 0.12 * unit:
        tongue = middle + down * (gap + 0.03 * unit)
        canvas.image.drawCircle(*map(float, tongue), 0.19 * unit, fill((0.62, 0.25, 0.24), 0.85, 0.03 * unit))
    _draw_teeth(canvas, unit, middle, down, across, min(0.115 * unit, 0.9 * gap))
    canvas.image.drawPath(polygon(inner), stroke((0.06, 0.0, 0.0), 0.045 * unit, 0.75, 0.02 * unit))
    canvas.image.restore()


def _draw_teeth(canvas: Canvas, unit: float, middle: Floats, down: Floats, across: Floats, height: float) -> None:
    """The upper row, darker towards the corners."""
    edges = np.cumsum([0.0, 0.115, 0.085, 0.085, 0.07]) * unit
    row = np.concatenate([-edges[:0:-1], edges])
    top = middle + across * row[:, None] - down * 0.05 * unit
    low = middle + across * row[:, None] + down * (height - 0.25 * np.abs(row)[:, None] ** 2 / unit)
    band = polygon(np.concatenate([top, low[::-1]]))
    white, dim = (0.90, 0.87, 0.81), (0.50, 0.42, 0.38)
    stops = [(0.0, dim, 1), (0.3, white, 1), (0.7, white, 1), (1.0, dim, 1)]
    canvas.image.drawPath(band, shaded(linear_gradient(top[0], top[-1], stops)))
    gaps = np.stack([top[1:-1], low[1:-1]], axis=1)
    canvas.image.drawPath(strands(gaps), stroke((0.35, 0.25, 0.22), 0.007 * unit, 0.35))
