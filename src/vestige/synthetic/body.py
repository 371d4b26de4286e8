"""What carries the face: clothes, neck, ears and the skull behind it."""

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
    stroke,
)
from vestige.synthetic.head import CLASS, Head
from vestige.synthetic.identity import LONG_HAIR, Look
from vestige.synthetic.light import Light
from vestige.synthetic.solids import Ellipsoid

_MULTIPLY = skia.BlendMode.kMultiply
_SIDES = np.array([[-0.94, 0.0, 0.34], [-0.6, 0.0, 0.8], [0.0, 0.0, 1.0], [0.6, 0.0, 0.8], [0.94, 0.0, 0.34]])
SKULL_CENTRE, SKULL_RADII = (0.0, -0.40, -0.30), (1.02, 1.14, 1.15)


class Torso:
    """The upright frame of the body in pixels: the head turns on it, but roll and yaw move it only a little."""

    def __init__(self, head: Head, look: Look) -> None:
        self.unit = head.unit
        base = head.project(np.array([0.0, 1.0, -0.15]))
        chin = head.landmarks[8]
        self.centre = float(0.85 * base[0] + 0.15 * chin[0])
        self.top = float(min(chin[1], base[1] + 0.62 * self.unit))
        self.neck = (0.56 + 0.12 * look.masculine) * self.unit
        self.shoulder = (2.25 + 0.40 * look.masculine) * self.unit
        self.collar = self.top + 0.26 * self.unit

    def at(self, x: float, y: float) -> Floats:
        """Pixels of a point given in units from the middle of the collar, x to the right and y down."""
        return np.array([self.centre + x * self.unit, self.collar + y * self.unit])

    def curve(self, points: list[tuple[float, float]]) -> Floats:
        """Pixels (N, 2) of such points."""
        return np.array([self.centre, self.collar]) + np.array(points) * self.unit


def draw_neck(canvas: Canvas, head: Head, light: Light, look: Look, torso: Torso) -> None:
    """The neck, round under the light and darkened below the chin."""
    unit, half = torso.unit, torso.neck
    wide = half / unit
    flank = [(-0.98 * wide, -1.3), (-wide, -0.3), (-1.1 * wide, 0.1), (-2.0 * wide, 0.55), (-1.6 * wide, 1.5)]
    left = spline(torso.curve(flank))
    right = left * [-1, 1] + [2 * torso.centre, 0]
    path = polygon(np.concatenate([left, right[::-1]]))
    shades = light.shade(look.skin * 0.97, _SIDES, 0.7, 0.75)
    stops = [(p, c, 1.0) for p, c in zip((0.0, 0.25, 0.5, 0.75, 1.0), shades, strict=True)]
    start, end = (torso.centre - half, 0), (torso.centre + half, 0)
    canvas.image.drawPath(path, shaded(linear_gradient(start, end, stops)))
    canvas.stamp(path, CLASS["skin"])
    canvas.clip(path)
    drop = np.array([-0.14 * light.direction[0], 0.20]) * unit
    canvas.image.translate(*drop.tolist())
    canvas.image.drawPath(head.outline, fill(mix(look.skin, (0.12, 0.03, 0.03), 0.6), 0.75, 0.11 * unit, _MULTIPLY))
    canvas.image.translate(*(-drop).tolist())
    tendons = skia.Path()
    for side in (-1, 1):
        line = spline([torso.at(side * 0.45, -0.8), torso.at(side * 0.32, -0.2), torso.at(side * 0.10, 0.22)])
        tendons.addPath(polygon(line, False))
    canvas.image.drawPath(tendons, stroke(look.skin * 0.45, 0.08 * unit, 0.24, 0.06 * unit, _MULTIPLY))
    canvas.restore()


def draw_clothes(canvas: Canvas, light: Light, look: Look, torso: Torso, rng: np.random.Generator) -> None:
    """Shoulders in one of several garments, with folds."""
    unit, wide = torso.unit, torso.shoulder / torso.unit
    neck = torso.neck / unit
    depth = {"v-neck": 0.95, "shirt": 0.55, "suit": 0.9}.get(look.clothes, float(rng.uniform(0.2, 0.5)))
    opening = [
        (-neck * 1.25, 0.02),
        (-neck * (0.55 if depth > 0.5 else 0.8), 0.35 * depth + 0.1),
        (0, depth),
        (neck * (0.55 if depth > 0.5 else 0.8), 0.35 * depth + 0.1),
        (neck * 1.25, 0.02),
    ]
    edge = spline(torso.curve(opening)) if depth < 0.5 else torso.curve(opening)
    slope = float(rng.uniform(0.35, 0.6))
    right = spline(
        torso.curve([(neck * 1.25, 0.02), (1.0, 0.22), (wide * 0.85, slope), (wide, slope + 0.35), (wide * 1.08, 3.5)])
    )
    left = right * [-1, 1] + [2 * torso.centre, 0]
    path = polygon(np.concatenate([edge, right[1:], left[:0:-1]]))
    if depth > 0.5 and look.clothes == "suit":
        _draw_shirt_front(canvas, light, look, torso, path)
    shades = light.shade(look.cloth_colour, _SIDES, 0.9)
    stops = [(p, c, 1.0) for p, c in zip((0.0, 0.25, 0.5, 0.75, 1.0), shades, strict=True)]
    start, end = torso.at(-1.2 * wide, 0), torso.at(1.2 * wide, 0)
    canvas.image.drawPath(path, shaded(linear_gradient(start, end, stops)))
    canvas.stamp(path, CLASS["clothes"])
    canvas.clip(path)
    _draw_pattern(canvas, look, torso, rng)
    folds = skia.Path()
    for _ in range(7):
        x, y = rng.uniform(-wide, wide), rng.uniform(0.3, 1.4)
        fold = spline(
            torso.curve([(x, y), (0.8 * x + rng.normal(0, 0.1), y + 0.5), (0.7 * x + rng.normal(0, 0.15), y + 1.1)])
        )
        folds.addPath(polygon(fold, False))
    canvas.image.drawPath(folds, stroke((0, 0, 0), 0.12 * unit, 0.24, 0.07 * unit))
    canvas.restore()
    _draw_collar(canvas, light, look, torso, edge)


def _draw_shirt_front(canvas: Canvas, light: Light, look: Look, torso: Torso, suit: skia.Path) -> None:
    unit, neck = torso.unit, torso.neck / torso.unit
    shirt = polygon(
        torso.curve([(-neck * 1.2, 0.0), (-0.1, 0.3), (0.1, 0.3), (neck * 1.2, 0.0), (0.9, 3.0), (-0.9, 3.0)])
    )
    front = light.shade(mix(look.second_colour, (0.95, 0.95, 0.95), 0.75), np.array([0.0, 0.0, 1.0]), 0.8)
    canvas.image.drawPath(shirt, fill(front))
    canvas.stamp(shirt, CLASS["clothes"])
    tie = polygon(torso.curve([(-0.13, 0.26), (0.13, 0.26), (0.09, 0.45), (0.22, 2.5), (-0.22, 2.5), (-0.09, 0.45)]))
    canvas.image.drawPath(tie, fill(mix(look.second_colour, look.cloth_colour, 0.2) * 0.7))
    canvas.image.drawPath(tie, stroke((0, 0, 0), 0.03 * unit, 0.25, 0.02 * unit))
    canvas.image.drawPath(suit, fill((0, 0, 0), 0.3, 0.06 * unit))


def _draw_pattern(canvas: Canvas, look: Look, torso: Torso, rng: np.random.Generator) -> None:
    """Stripes or checks on some of the garments."""
    kind = rng.choice(["plain", "stripes", "check"], p=[0.6, 0.22, 0.18])
    if kind == "plain" or look.clothes == "suit":
        return
    step, width = rng.uniform(0.12, 0.4), rng.uniform(0.3, 0.7)
    paint = stroke(look.second_colour * 0.8, step * width * torso.unit, 0.55)
    lines = skia.Path()
    for k in np.arange(-3.0, 3.0, step):
        ends = [torso.curve([(-3.2, k + 0.25), (0, k), (3.2, k + 0.25)])]
        if kind == "check":
            ends.append(torso.curve([(k, -0.3), (1.05 * k, 1), (1.1 * k, 3)]))
        for line in ends:
            lines.addPoly([skia.Point(x, y) for x, y in line.tolist()], False)
    canvas.image.drawPath(lines, paint)


def _draw_collar(canvas: Canvas, light: Light, look: Look, torso: Torso, edge: Floats) -> None:
    unit = torso.unit
    tone = light.shade(look.cloth_colour * 0.9, np.array([0.0, -0.3, 0.95]), 0.9)
    if look.clothes in ("crew", "v-neck", "hoodie"):
        width = 0.10 if look.clothes != "hoodie" else 0.26
        band = polygon(edge, False)
        canvas.image.drawPath(band, stroke(tone * 0.5, (width + 0.03) * unit, 0.5, 0.02 * unit))
        canvas.image.drawPath(band, stroke(tone, width * unit))
        canvas.stamp(band, CLASS["clothes"], width * unit)
        return
    neck = torso.neck / unit
    for side in (-1, 1):
        if look.clothes == "suit":
            flap = [
                (side * neck * 1.3, -0.08),
                (side * 0.08, 0.92),
                (side * 0.75, 1.1),
                (side * 1.0, 0.55),
                (side * neck * 1.45, 0.12),
            ]
        else:
            flap = [(side * neck * 1.15, -0.22), (side * 0.1, 0.42), (side * 0.42, 0.72), (side * neck * 1.5, 0.18)]
        path = polygon(torso.curve(flap))
        canvas.image.drawPath(path, fill((0, 0, 0), 0.45, 0.04 * unit))
        canvas.image.drawPath(path, fill(np.clip(tone * 1.08, 0, 1)))
        canvas.stamp(path, CLASS["clothes"])


def draw_skull(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """The back of the head as skin, where no hair covers it."""
    if look.hair_style not in ("bald", "buzz"):
        return
    skull = Ellipsoid(np.array(SKULL_CENTRE), np.diag(SKULL_RADII), look.skin, gloss=0.08)
    canvas.stamp(skull.draw(canvas, head.camera, light), CLASS["skin"])


def draw_ears(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """The ears that long hair or the face, drawn later, will not hide."""
    if look.hair_style in LONG_HAIR:
        return
    for side in (-1, 1):
        if side * head.view.yaw > 16:
            continue  # behind the cheek
        outline = _ear_points(
            head,
            side,
            np.array(
                [
                    [0.0, -0.10],
                    [0.45, -0.30],
                    [0.95, -0.22],
                    [1.0, 0.05],
                    [0.72, 0.38],
                    [0.42, 0.60],
                    [0.10, 0.55],
                    [0.0, 0.35],
                ]
            ),
        )
        path = polygon(smooth_outline(outline))
        normal = head.to_camera(np.array([side * 0.75, 0.0, 0.66]))
        tone = light.shade(look.skin * [1.0, 0.93, 0.92], normal, 0.85, 0.85)
        canvas.image.drawPath(path, fill(tone))
        canvas.stamp(path, CLASS["skin"])
        canvas.image.save()
        canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
        dark = mix(tone, (0.25, 0.06, 0.05), 0.6)
        canvas.image.drawPath(path, stroke(dark, 0.035 * head.unit, 0.5, 0.015 * head.unit))
        fold = _ear_points(head, side, np.array([[0.30, -0.12], [0.68, -0.12], [0.70, 0.05], [0.45, 0.30]]))
        canvas.image.drawPath(polygon(spline(fold), False), stroke(dark, 0.05 * head.unit, 0.55, 0.02 * head.unit))
        bowl = _ear_points(head, side, np.array([[0.12, 0.02], [0.38, -0.02], [0.42, 0.18], [0.15, 0.26]]))
        canvas.image.drawPath(polygon(smooth_outline(bowl)), fill(dark, 0.7, 0.03 * head.unit))
        canvas.image.restore()


def _ear_points(head: Head, side: int, plan: Floats) -> Floats:
    """Pixels of points in the ear's own plane: across from the cheek to the rim, and y of the head."""
    across = plan[:, 0] * head.shape.ear
    points = np.stack(
        [side * (0.94 + 0.17 * across), plan[:, 1] * head.shape.ear + 0.05, -0.05 - 0.34 * across], axis=1
    )
    return head.project(points)
