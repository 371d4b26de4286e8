"""Eyes: sclera, iris, lids and lashes."""

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
    radial_gradient,
    ribbon,
    shaded,
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


def draw_eyes(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """Both eyes; the landmarks 36-47 lie on the edge of the drawn opening."""
    up = head.project(head.surface(0.0, -0.1)) - head.project(head.surface(0.0, 0.0))
    up /= np.linalg.norm(up) + 1e-9
    for side, first in ((-1, 36), (1, 42)):
        corners = head.landmarks[first : first + 6]
        # From the picture's left corner over the upper lid to its right corner, and back below.
        upper, lower = spline(corners[:4]), spline(corners[[3, 4, 5, 0]])
        _draw_eyeball(canvas, head, light, look, side, np.concatenate([upper, lower[1:-1]]))
        _draw_lids(canvas, head, look, up, upper, lower)
        _draw_lashes(canvas, head, look, side, up, upper)


def _draw_eyeball(canvas: Canvas, head: Head, light: Light, look: Look, side: int, opening: Floats) -> None:
    """Everything inside the opening."""
    unit, path = head.unit, polygon(opening)
    centre = head.project_face(side * head.shape.eye_x, 0.0, 0.02)
    facing = head.to_camera(np.array([side * 0.2, 0.0, 0.98]))
    brightness = float(light.shade((0.75, 0.75, 0.75), facing, 0.75, 0.85).mean())
    white = np.minimum(np.array([0.97, 0.945, 0.93]) * (0.18 + 0.86 * brightness), 0.96)
    corner = mix(white, (0.55, 0.27, 0.25), 0.6)
    radius = 0.55 * head.shape.eye_width * unit
    stops = [(0.0, white, 1.0), (0.55, white, 1.0), (1.0, corner, 1.0)]
    canvas.image.drawPath(path, shaded(radial_gradient(centre, radius, stops)))
    canvas.stamp(path, CLASS["eye"])
    canvas.image.save()
    canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
    gaze = np.array(head.expression.gaze) * [0.10, 0.04] * unit
    _draw_iris(canvas, centre + gaze, 0.090 * unit, look, brightness)
    lid = mix(look.skin, (0.05, 0.0, 0.0), 0.75)
    half = len(opening) // 2 + 1
    rim = polygon(opening)
    rim.addPath(polygon(opening[:half] + np.array([0, 0.018 * unit]), False))
    canvas.image.drawPath(rim, stroke(lid, 0.055 * unit, 0.62, 0.024 * unit, _MULTIPLY))
    glint = centre + gaze + np.array([0.04 * np.sign(light.direction[0]), -0.035]) * unit
    canvas.image.drawCircle(*glint.tolist(), 0.019 * unit, fill((1, 1, 1), 0.85))
    canvas.image.restore()


def _draw_iris(canvas: Canvas, centre: Floats, radius: float, look: Look, brightness: float) -> None:
    iris = look.iris * (0.40 + 0.75 * brightness)
    x, y = centre.tolist()
    stops = [(0.0, iris * 0.6, 1.0), (0.5, iris * 1.25, 1.0), (0.82, iris * 0.9, 1.0), (1.0, iris * 0.25, 1.0)]
    canvas.image.drawCircle(x, y, radius, shaded(radial_gradient(centre, radius, stops)))
    canvas.image.drawCircle(x, y, 0.42 * radius, fill((0.02, 0.015, 0.015)))


def _draw_lids(canvas: Canvas, head: Head, look: Look, up: Floats, upper: Floats, lower: Floats) -> None:
    """The fold above the eye, the edge and the bag below it, eye shadow if there is make-up."""
    unit = head.unit
    t = np.linspace(0, 1, len(upper))
    arch = np.sin(np.pi * (0.08 + 0.84 * t))[:, None]
    crease = upper + arch * up * (0.060 + 0.035 * (1 - min(head.expression.eye_open, 1))) * unit
    fold = mix(look.skin, (0.2, 0.06, 0.05), 0.6)
    if look.makeup > 0.3:
        shadow = polygon(np.concatenate([upper, crease[::-1]]))
        canvas.image.drawPath(shadow, fill(look.second_colour * 0.6, 0.35 * look.makeup, 0.03 * unit))
    line = polygon(ribbon(crease, 0.020 * unit * arch[:, 0], 0.010 * unit))
    canvas.image.drawPath(line, fill(fold, 0.58, 0.010 * unit, _MULTIPLY))
    edge = mix(look.skin, (0.25, 0.10, 0.09), 0.6)
    canvas.image.drawPath(polygon(lower, False), stroke(edge, 0.012 * unit, 0.6))
    bag = lower[len(lower) // 5 : -len(lower) // 5] - up * 0.085 * unit
    canvas.image.drawPath(polygon(bag, False), stroke(fold, 0.020 * unit, 0.10 + 0.25 * look.age, 0.016 * unit))


def _draw_lashes(canvas: Canvas, head: Head, look: Look, side: int, up: Floats, upper: Floats) -> None:
    unit, lash = head.unit, mix(look.hair * 0.5, (0.05, 0.03, 0.03), 0.7)
    t = np.linspace(0, 1, len(upper))
    outwards = t if side > 0 else 1 - t
    weight = (0.015 + 0.012 * look.makeup + 0.004 * (1 - look.masculine)) * unit
    canvas.image.drawPath(polygon(ribbon(upper, weight * (0.5 + 0.9 * outwards), 0.35 * weight)), fill(lash, 0.9))
    outer = outwards[1:-1, None]
    length = (0.022 + 0.022 * outer * (0.4 + look.makeup)) * (1.1 - 0.6 * look.masculine)
    tips = upper[1:-1] + (up * length + side * (outer - 0.35) * [0.035, 0.0]) * unit
    canvas.image.drawPath(strands(np.stack([upper[1:-1], tips], axis=1)), hairs(lash, 0.008 * unit, 0.6))
