"""Spectacles and sunglasses on the nose."""

from __future__ import annotations

import numpy as np
import skia

from vestige.synthetic.canvas import (
    Canvas,
    Floats,
    fill,
    linear_gradient,
    polygon,
    shaded,
    smooth_outline,
    spline,
    stroke,
)
from vestige.synthetic.classes import CLASS
from vestige.synthetic.head import Head
from vestige.synthetic.identity import Look
from vestige.synthetic.light import Light

# Lens outlines about the eye's centre, in units: (half width, half height, squareness); rim width in units.
_FRAMES = {
    "round": (0.30, 0.28, 2.0, 0.022),
    "rectangular": (0.33, 0.20, 4.5, 0.032),
    "half-rim": (0.33, 0.20, 3.5, 0.028),
    "thick": (0.34, 0.25, 3.4, 0.060),
    "sunglasses": (0.37, 0.29, 2.7, 0.038),
}


def draw_glasses(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """Draws the glasses of the face, if it wears any."""
    if look.glasses == "none":
        return
    unit = head.unit
    rim = max(_FRAMES[look.glasses][3] * unit, 0.9)
    shade = light.shade(look.glasses_colour, head.to_camera(np.array([0.0, -0.2, 0.98])))
    lenses = [_lens(head, look, side) for side in (-1, 1)]
    lines = [arm for arm in (_temple(head, side) for side in (-1, 1)) if len(arm) > 1]
    lines.append(
        head.project(
            np.array([[-0.14, -0.06, _depth(head)], [0.0, -0.10, _depth(head) + 0.05], [0.14, -0.06, _depth(head)]])
        )
    )
    canvas.image.save()
    canvas.image.clipPath(head.outline, skia.ClipOp.kIntersect, True)
    for lens in lenses:
        drop = lens + np.array([-0.05 * light.direction[0], 0.06]) * unit
        canvas.image.drawPath(
            polygon(drop), stroke((0.1, 0.03, 0.02), rim * 1.4, 0.35, 0.03 * unit, skia.BlendMode.kMultiply)
        )
    canvas.image.restore()
    for line in lines:
        path = polygon(spline(line), False)
        canvas.image.drawPath(path, stroke(shade, rim))
        canvas.stamp(path, CLASS["glasses"], rim)
    for lens in lenses:
        _draw_lens(canvas, look, lens, unit)
        path = polygon(lens[: len(lens) // 2 + 1] if look.glasses == "half-rim" else lens, look.glasses != "half-rim")
        canvas.image.drawPath(path, stroke(shade * 0.75, rim))
        canvas.image.drawPath(path, stroke(np.clip(shade * 1.5 + 0.12, 0, 1), 0.25 * rim, 0.5))
        canvas.stamp(path, CLASS["glasses"], rim)


def _depth(head: Head) -> float:
    """z of the plane of the lenses."""
    return float(head.surface(0.0, 0.02)[2]) + 0.03


def _lens(head: Head, look: Look, side: int) -> Floats:
    """Outline of a lens in pixels, beginning at its left end and running over the top."""
    width, height, power, _ = _FRAMES[look.glasses]
    angle = np.linspace(-np.pi, np.pi, 48, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    x = width * np.sign(cosine) * np.abs(cosine) ** (2 / power)
    y = height * np.sign(sine) * np.abs(sine) ** (2 / power)
    centre = head.shape.eye_x + 0.01
    points = np.stack([side * centre + x, y + 0.05, _depth(head) - 0.22 * np.abs(side * centre + x) ** 2], axis=1)
    return head.project(points)


def _temple(head: Head, side: int) -> Floats:
    """The arm from the lens to the ear; the far one is drawn only as far as the face lets it show."""
    start = np.array([side * (head.shape.eye_x + 0.32), -0.06, _depth(head) - 0.14])
    end = np.array([side * 1.02, -0.10, -0.02])
    line = head.project(start + (end - start) * np.linspace(0, 1, 5)[:, None])
    edge = head.contour(-0.1, side)[0]
    across = head.project(np.array([0.5 * side, -0.1, 0.0])) - head.project(np.array([-0.5 * side, -0.1, 0.0]))
    beyond = (line - edge) @ across > 0
    last = int(np.argmax(beyond)) if beyond.any() else len(line) - 1
    return np.asarray(line[: last + 1])


def _draw_lens(canvas: Canvas, look: Look, lens: Floats, unit: float) -> None:
    path = polygon(lens)
    top, bottom = lens[lens[:, 1].argmin()], lens[lens[:, 1].argmax()]
    if look.glasses == "sunglasses":
        tint = look.glasses_colour * 0.25
        stops = [(0.0, tint * 0.5, 0.97), (1.0, tint + 0.08, 0.88)]
        canvas.image.drawPath(path, shaded(linear_gradient(top, bottom, stops)))
        canvas.stamp(path, CLASS["glasses"])
    canvas.image.save()
    canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
    centre = lens.mean(0)
    streak = centre + np.array([[-0.30, -0.25], [-0.12, -0.30], [-0.22, 0.1], [-0.34, 0.1]]) * unit
    canvas.image.drawPath(polygon(smooth_outline(streak)), fill((1, 1, 1), 0.16, 0.03 * unit))
    canvas.image.restore()
