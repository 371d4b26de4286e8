"""Eyes, brows, nose and mouth, drawn through the projected landmarks."""

from __future__ import annotations

import numpy as np
import skia

from vestige.datasets.synthetic.canvas import (
    Canvas,
    fill,
    linear_gradient,
    mix,
    polygon,
    polylines,
    radial_gradient,
    ribbon,
    smooth_outline,
    spline,
    stroke,
    with_shader,
)
from vestige.datasets.synthetic.classes import CLASS
from vestige.datasets.synthetic.head import Head
from vestige.datasets.synthetic.identity import Floats, Look
from vestige.datasets.synthetic.light import Light

_MULTIPLY = skia.BlendMode.kMultiply
_SCREEN = skia.BlendMode.kScreen


def draw_nose(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """Nostrils, the crease of the wings and the shadow that the nose throws; its form is in the skin's shading."""
    unit, dark = head.unit, mix(look.skin, (0.16, 0.04, 0.03), 0.72)
    base, width = head.shape.nose_length, head.shape.nose_width
    cast = head.project_face(
        [-0.75 * width, 0.0, 0.75 * width, 0.0], [base - 0.02, base + 0.03, base - 0.02, base + 0.16]
    )
    cast = cast - light.direction[:2] * [0.12, 0.08] * unit * light.key.mean()
    canvas.image.drawPath(
        polygon(smooth_outline(cast)), fill(mix(look.skin, (0.3, 0.1, 0.1), 0.4), 0.42, 0.045 * unit, _MULTIPLY)
    )
    for side in (-1, 1):
        x, y = side * np.array([0.16, 0.42, 0.66, 0.40]) * width, base - np.array([0.015, 0.055, 0.025, -0.005])
        canvas.image.drawPath(polygon(smooth_outline(head.project_face(x, y))), fill(dark, 0.80, 0.012 * unit))
        wing = spline(
            head.project_face(
                side * np.array([0.98, 1.04, 0.90, 0.66]) * width, base - np.array([0.16, 0.09, 0.03, 0.005])
            )
        )
        canvas.image.drawPath(polygon(wing, False), stroke(dark, 0.028 * unit, 0.34, 0.014 * unit))
    for side in (-1, 1):
        canvas.stamp(polygon(_nose_half(head, side)), CLASS["nose"])


def _nose_half(head: Head, side: int) -> Floats:
    """Outline of one half of the nose, from the ridge over the wing to the middle of the base."""
    ridge = head.landmarks[27:31]
    base = head.landmarks[[33, 34, 35] if side > 0 else [33, 32, 31]]
    width, y = head.shape.nose_width, head.shape.nose_length
    wing = head.project_face(
        side * np.array([1.0, 0.97, 0.62, 0.42, 0.36]) * width, [y - 0.09, y - 0.16, y - 0.24, 0.2, -0.05]
    )
    return np.concatenate([ridge, spline(np.concatenate([base, wing]))])


def draw_eyes(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """Both eyes: sclera, iris, lids, lashes. The landmarks 36-47 lie on the edge of the drawn opening."""
    for side, first in ((-1, 36), (1, 42)):
        corners = head.landmarks[first : first + 6]
        # From the picture's left corner over the upper lid to its right corner, and back below.
        upper = spline(corners[:4])
        lower = spline(corners[[3, 4, 5, 0]])
        _draw_eyeball(canvas, head, light, look, side, np.concatenate([upper, lower[1:-1]]))
        _draw_lids(canvas, head, look, side, upper, lower)


def _draw_eyeball(canvas: Canvas, head: Head, light: Light, look: Look, side: int, opening: Floats) -> None:
    unit, path = head.unit, polygon(opening)
    centre = head.project_face(side * head.shape.eye_x, 0.0, 0.02)
    brightness = float(light.shade((0.75, 0.75, 0.75), head.to_camera(np.array([0.0, 0.0, 1.0])), 0.75, 0.85).mean())
    white = np.clip(np.array([0.97, 0.945, 0.93]) * (0.25 + 0.82 * brightness), 0, 0.97)
    corner = mix(white, (0.62, 0.33, 0.30), 0.55)
    radius = 0.55 * head.shape.eye_width * unit
    canvas.image.drawPath(
        path,
        with_shader(fill(white), radial_gradient(centre, radius, [(0.0, white, 1), (0.6, white, 1), (1.0, corner, 1)])),
    )
    canvas.stamp(path, CLASS["eye"])
    canvas.image.save()
    canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
    gaze = np.array(head.expression.gaze) * [0.10, 0.05] * unit
    _draw_iris(canvas, centre + gaze, 0.088 * unit, look, brightness)
    lid = mix(look.skin, (0.05, 0.0, 0.0), 0.75)
    canvas.image.drawPath(polygon(opening, True), stroke(lid, 0.05 * unit, 0.45, 0.022 * unit, _MULTIPLY))
    shade = opening[: len(opening) // 2 + 1] + np.array([0, 0.01 * unit])
    canvas.image.drawPath(polygon(shade, False), stroke(lid, 0.07 * unit, 0.55, 0.025 * unit, _MULTIPLY))
    glint = centre + gaze + np.array([0.04 * np.sign(light.direction[0]), -0.035]) * unit
    canvas.image.drawCircle(float(glint[0]), float(glint[1]), 0.020 * unit, fill((1, 1, 1), 0.9))
    canvas.image.restore()


def _draw_iris(canvas: Canvas, centre: Floats, radius: float, look: Look, brightness: float) -> None:
    iris = look.iris * (0.5 + 0.7 * brightness)
    x, y = map(float, centre)
    stops = [(0.0, iris * 0.7, 1), (0.5, iris * 1.25, 1), (0.82, iris * 0.95, 1), (1.0, iris * 0.28, 1)]
    canvas.image.drawCircle(x, y, radius, with_shader(fill(iris), radial_gradient(centre, radius, stops)))
    canvas.image.drawCircle(x, y, 0.42 * radius, fill((0.02, 0.015, 0.015)))


def _draw_lids(canvas: Canvas, head: Head, look: Look, side: int, upper: Floats, lower: Floats) -> None:
    unit, lash = head.unit, mix(look.hair * 0.5, (0.05, 0.03, 0.03), 0.7)
    up = head.project(head.surface(0.0, -0.1)) - head.project(head.surface(0.0, 0.0))
    up /= np.linalg.norm(up) + 1e-9
    t = np.linspace(0, 1, len(upper))
    outwards = t if side > 0 else 1 - t
    fold = mix(look.skin, (0.2, 0.06, 0.05), 0.6)
    crease = (
        upper
        + np.sin(np.pi * (0.08 + 0.84 * t))[:, None]
        * up
        * (0.062 + 0.03 * (1 - min(head.expression.eye_open, 1)))
        * unit
    )
    canvas.image.drawPath(
        polygon(ribbon(crease, 0.018 * unit * np.sin(np.pi * t), 0.010 * unit)),
        fill(fold, 0.55, 0.010 * unit, _MULTIPLY),
    )
    if look.makeup > 0.3:
        canvas.image.drawPath(
            polygon(np.concatenate([upper, crease[::-1]])),
            fill(look.second_colour * 0.6, 0.35 * look.makeup, 0.03 * unit),
        )
    weight = (0.016 + 0.014 * look.makeup + 0.004 * (1 - look.masculine)) * unit
    canvas.image.drawPath(
        polygon(ribbon(upper, weight * (0.5 + 0.9 * outwards), 0.35 * weight)), fill(lash, 0.92, 0.004 * unit)
    )
    canvas.image.drawPath(polygon(lower, False), stroke(mix(lash, look.skin, 0.35), 0.010 * unit, 0.5, 0.005 * unit))
    bag = lower[len(lower) // 5 : -len(lower) // 5] - up * 0.085 * unit
    canvas.image.drawPath(
        polygon(bag, False), stroke(fold, 0.022 * unit, 0.10 + 0.28 * look.age, 0.018 * unit, _MULTIPLY)
    )
    roots = upper[1:-1:2]
    spread = side * (outwards[1:-1:2] - 0.35)[:, None] * [0.045, 0.0]
    tips = roots + (up * (0.035 + 0.03 * outwards[1:-1:2, None] * (0.4 + look.makeup)) + spread) * unit * (
        1.2 - 0.6 * look.masculine
    )
    canvas.image.drawPath(polylines(np.stack([roots, tips], axis=1)), stroke(lash, 0.010 * unit, 0.75))


def draw_brows(canvas: Canvas, head: Head, look: Look, rng: np.random.Generator) -> None:
    """Both brows, hair by hair; the landmarks 17-26 lie along their upper edges."""
    unit = head.unit
    hair = mix(look.hair, (0.10, 0.07, 0.06), 0.35 if look.hair.mean() < 0.6 else 0.15)
    for side, points in ((-1, head.landmarks[17:22]), (1, head.landmarks[26:21:-1])):
        line = spline(points)  # from the outer end to the inner end
        t = np.linspace(0, 1, len(line))
        thickness = (
            head.shape.brow_thickness
            * unit
            * (0.25 + 0.95 * np.sin(0.5 * np.pi * np.clip(1.25 * t, 0, 1)))
            * np.where(t > 0.9, 0.85, 1)
        )
        band = ribbon(line, 0.0, thickness * side * -1) if side > 0 else ribbon(line, 0.0, thickness)
        path = polygon(band)
        canvas.image.drawPath(path, fill(hair, 0.50, 0.016 * unit))
        canvas.image.drawPath(path, fill(hair, 0.25 + 0.2 * look.makeup, 0.006 * unit))
        canvas.stamp(path, CLASS["brow"])
        _draw_brow_hairs(canvas, band, hair, unit, rng)


def _draw_brow_hairs(canvas: Canvas, band: Floats, hair: Floats, unit: float, rng: np.random.Generator) -> None:
    n = len(band) // 2
    top, bottom = band[:n], band[n:][::-1]
    at = np.sort(rng.uniform(1, n - 1.01, 46))
    root = rng.uniform(0.25, 1.0, 46)[:, None]
    i, f = at.astype(int), (at % 1)[:, None]
    edge_low = bottom[i] * (1 - f) + bottom[np.minimum(i + 1, n - 1)] * f
    edge_top = top[i] * (1 - f) + top[np.minimum(i + 1, n - 1)] * f
    start = edge_top + (edge_low - edge_top) * root
    along = top[np.maximum(i - 2, 0)] - top[i]
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    end = start + (edge_top - edge_low) * 0.45 + along * 0.07 * unit
    canvas.image.drawPath(polylines(np.stack([start, end], axis=1)), stroke(hair * 0.7, 0.011 * unit, 0.6))


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
    canvas.image.drawPath(band, with_shader(fill(white), linear_gradient(top[0], top[-1], stops)))
    gaps = np.stack([top[1:-1], low[1:-1]], axis=1)
    canvas.image.drawPath(polylines(gaps), stroke((0.35, 0.25, 0.22), 0.007 * unit, 0.35))
