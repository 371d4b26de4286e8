"""Hair in several styles, strand by strand, and beards."""

from __future__ import annotations

import numpy as np
import skia

from vestige.datasets.synthetic.body import SKULL_CENTRE, SKULL_RADII
from vestige.datasets.synthetic.canvas import (
    Canvas,
    fill,
    polygon,
    polylines,
    radial_gradient,
    spline,
    stroke,
    with_shader,
)
from vestige.datasets.synthetic.classes import CLASS
from vestige.datasets.synthetic.head import Head, ellipsoid_outline
from vestige.datasets.synthetic.identity import Floats, Look
from vestige.datasets.synthetic.light import Light

LONG = ("bob", "long", "wavy")
_THICKNESS = {
    "buzz": 0.02,
    "short": 0.10,
    "parted": 0.14,
    "fringe": 0.14,
    "curly": 0.26,
    "bob": 0.15,
    "long": 0.13,
    "wavy": 0.16,
    "bun": 0.05,
}


def draw_hair_back(canvas: Canvas, head: Head, light: Light, look: Look, rng: np.random.Generator) -> None:
    """The hair that hangs or stands behind the head and neck."""
    if look.hair_style == "bald":
        return
    outline = _cap(head, look)
    path = polygon(outline)
    if look.hair_style == "bun":
        bun = head.project(np.array([0.0, head.shape.top - 0.25, -0.35]))
        path.addCircle(*map(float, bun), 0.42 * head.unit)
    _paint(canvas, path, _tone(light, look, 0.55), head, light)
    canvas.stamp(path, CLASS["hair"])
    if look.hair_style in LONG:
        _draw_fall(canvas, head, light, look, rng)


def _cap(head: Head, look: Look) -> Floats:
    """Outline of the hair on the skull, without what hangs down."""
    extra = _THICKNESS[look.hair_style] * (0.6 + 0.8 * look.hair_volume)
    centre = np.array(SKULL_CENTRE) - [0, 0.35 * extra, 0]
    return ellipsoid_outline(head, centre, np.array(SKULL_RADII) + extra)


def _tone(light: Light, look: Look, bright: float) -> Floats:
    """The hair's colour facing the viewer under this light."""
    return light.shade(look.hair, np.array([0.0, -0.25, 0.97])) * bright


def _paint(canvas: Canvas, path: skia.Path, tone: Floats, head: Head, light: Light) -> None:
    crown = head.project(np.array([0.0, head.shape.top, 0.0])) + light.direction[:2] * 0.7 * head.unit
    stops = [(0.0, tone * 1.35, 1.0), (0.5, tone, 1.0), (1.0, tone * 0.5, 1.0)]
    canvas.image.drawPath(path, with_shader(fill(tone), radial_gradient(crown, 3.0 * head.unit, stops)))


def _draw_fall(canvas: Canvas, head: Head, light: Light, look: Look, rng: np.random.Generator) -> None:
    """Long hair behind neck and shoulders."""
    wide = 1.12 + 0.28 * look.hair_volume + (0.08 if look.hair_style == "wavy" else 0.0)
    end = look.hair_length
    side = [(0.95, -0.5), (wide, 0.1), (wide * 1.04, 0.55 * end), (wide * 0.98, 0.85 * end), (wide * 0.80, end)]
    right = head.project(np.array([[x, y, -0.35] for x, y in side]))
    left = head.project(np.array([[-x, y, -0.35] for x, y in side]))
    path = polygon(np.concatenate([spline(left), spline(right)[::-1]]))
    tone = _tone(light, look, 0.55)
    _paint(canvas, path, tone, head, light)
    canvas.stamp(path, CLASS["hair"])
    canvas.image.save()
    canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
    share = rng.uniform(0, 1, (110, 1, 1))
    top = left[None, :1] * (1 - share) + right[None, :1] * share
    fall = left[None] * (1 - share) + right[None] * share
    lines = np.concatenate([top, fall[:, 1:]], axis=1) + rng.normal(0, 0.03 * head.unit, (110, 5, 2))
    _draw_strands(canvas, _wave(lines, look, head.unit, rng), tone, head.unit)
    canvas.image.restore()


def _wave(lines: Floats, look: Look, unit: float, rng: np.random.Generator) -> Floats:
    """Smooth strands (N, M, 2) through the points, wavy in the wavy styles."""
    n, m = lines.shape[:2]
    t = np.linspace(0, m - 1, 14)
    i = np.minimum(t.astype(int), m - 2)
    f = (t - i)[None, :, None]
    dense = lines[:, i] * (1 - f) + lines[:, i + 1] * f
    size = {"wavy": 0.05, "curly": 0.06}.get(look.hair_style, 0.008) * unit
    phase = rng.normal(0, 0.7, (n, 1)) + np.linspace(0, 14, 14)[None]
    dense[..., 0] += size * np.sin(phase)
    return np.asarray(dense)


def _draw_strands(canvas: Canvas, lines: Floats, tone: Floats, unit: float) -> None:
    """Strands (N, M, 2) in four tones from shadow to shine."""
    layers = ((0.45, 0.040, 0.55), (0.75, 0.022, 0.6), (1.35, 0.016, 0.5), (1.8, 0.010, 0.35))
    for k, (gain, width, alpha) in enumerate(layers):
        canvas.image.drawPath(
            polylines(lines[k::4]), stroke(np.clip(tone * gain + 0.02 * gain, 0, 1), width * unit, alpha)
        )


def draw_hair_front(canvas: Canvas, head: Head, light: Light, look: Look, rng: np.random.Generator) -> None:
    """The hair over the forehead and beside the face."""
    if look.hair_style == "bald":
        return
    cap = _cap(head, look)
    line = _hairline(head, look)
    path = skia.Op(polygon(cap), polygon(_face_opening(head, line)), skia.kDifference_PathOp)
    tone = _tone(light, look, 1.0 if look.hair_style != "buzz" else 0.9)
    unit = head.unit
    canvas.image.save()
    canvas.image.clipPath(polygon(head.silhouette), skia.ClipOp.kIntersect, True)
    canvas.image.drawPath(path, fill((0.1, 0.04, 0.03), 0.45, 0.07 * unit))
    canvas.image.restore()
    if look.hair_style == "buzz":
        canvas.image.drawPath(path, fill(tone, 0.85, 0.03 * unit))
    else:
        _paint(canvas, path, tone * 0.8, head, light)
    canvas.stamp(path, CLASS["hair"])
    canvas.image.save()
    canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
    _draw_strands(canvas, _cap_strands(head, look, cap, line, rng), tone, unit)
    canvas.image.restore()
    if look.hair_style in LONG:
        for side in (-1, 1):
            _draw_lock(canvas, head, light, look, side, rng)


def _hairline(head: Head, look: Look) -> Floats:
    """The hair's edge (N, 2) in pixels, from the picture's left sideburn over the forehead to the right one."""
    top = head.shape.hairline
    if look.hair_style == "fringe":
        half = [
            (0.0, head.shape.brow_y - 0.14),
            (0.35, head.shape.brow_y - 0.10),
            (0.68, head.shape.brow_y - 0.02),
            (0.86, -0.12),
            (0.93, 0.15),
        ]
    elif look.hair_style in LONG:
        half = [(0.0, top - 0.02), (0.30, top + 0.06), (0.62, top + 0.35), (0.84, -0.35), (0.93, 0.1)]
    else:
        recede = 0.10 * look.age * look.masculine
        half = [
            (0.0, top),
            (0.32, top + 0.01 - recede),
            (0.60, top + 0.16 - recede),
            (0.76, -0.50),
            (0.90, -0.28),
            (0.92, 0.22),
        ]
    points = np.array([(-x, y) for x, y in half[:0:-1]] + half)
    points[:, 1] -= 0.06 * np.exp(-(((points[:, 0] - look.hair_part) / 0.2) ** 2)) * (look.hair_style == "parted")
    line = np.empty_like(points)
    for i, (x, y) in enumerate(points):
        side = 1 if x > 0 else -1
        line[i] = _visible(head, x, y, side)
    return spline(line)


def _visible(head: Head, x: float, y: float, side: int) -> Floats:
    """Pixels of a face point, moved to the contour if the face hides it."""
    here, edge = head.project_face(x, y), head.contour(y, side)[0]
    axis = head.project_face([0.5, -0.5], [y, y])
    across = (axis[0] - axis[1]) * side
    return edge if (abs(x) > 0.8 and (edge - here) @ across < 0.0) or abs(x) > 0.9 else here


def _face_opening(head: Head, line: Floats) -> Floats:
    """The hairline closed below the chin: where no hair of the cap may lie."""
    low = head.project(np.array([[1.15, 0.45, 0.0], [1.0, 4.0, 0.0], [-1.0, 4.0, 0.0], [-1.15, 0.45, 0.0]]))
    return np.concatenate([line, low])


def _cap_strands(head: Head, look: Look, cap: Floats, line: Floats, rng: np.random.Generator) -> Floats:
    """Strands from the parting outwards, to the hairline in front and to the cap's outline at the sides."""
    n, unit = 220, head.unit
    if look.hair_style == "curly":
        centre = cap[rng.integers(len(cap), size=n)]
        middle = cap.mean(0)
        at = middle + (centre - middle) * np.sqrt(rng.uniform(0.1, 1, (n, 1)))
        angle = rng.uniform(0, 2 * np.pi, (n, 1)) + np.linspace(0, 4.0, 9)[None]
        return np.asarray(
            at[:, None] + np.stack([np.cos(angle), np.sin(angle)], -1) * rng.uniform(0.05, 0.12, (n, 1, 1)) * unit
        )
    crown = head.project(np.array([look.hair_part * 0.6, head.shape.top * 0.98, 0.1]))
    ends = np.concatenate([cap, np.repeat(line, 2, axis=0)])
    end = ends[rng.integers(len(ends), size=n)] + rng.normal(0, 0.04 * unit, (n, 2))
    start = crown + rng.normal(0, 0.12 * unit, (n, 2))
    middle = (start + end) / 2 + 0.18 * ((start + end) / 2 - cap.mean(0))
    return _wave(np.stack([start, middle, end], axis=1), look, unit, rng)


def _draw_lock(canvas: Canvas, head: Head, light: Light, look: Look, side: int, rng: np.random.Generator) -> None:
    """The hair that falls beside the face on one side, in front of ear and shoulder."""
    unit, end = head.unit, look.hair_length * (0.9 if look.hair_style == "bob" else 1.0)
    wide = 1.14 + 0.24 * look.hair_volume
    inner_x = 0.93 - 0.10 * look.hair_volume
    edge_top = _visible(head, side * 0.60, head.shape.hairline + 0.30, side)
    edge = head.contour([-0.3, 0.2], side) - side * np.array([0.04 * unit, 0])
    inner = np.concatenate(
        [
            [edge_top],
            edge,
            head.project(np.array([[side * inner_x, 0.62 * end, 0.0], [side * (inner_x + 0.1), end, 0.0]])),
        ]
    )
    outer = head.project(
        np.array(
            [
                [side * 0.80, -0.95, -0.1],
                [side * (wide - 0.06), -0.35, -0.1],
                [side * wide, 0.3, -0.1],
                [side * wide * 1.02, 0.65 * end, -0.1],
                [side * wide * 0.92, end, -0.1],
            ]
        )
    )
    path = polygon(np.concatenate([spline(inner), spline(outer)[::-1]]))
    tone = _tone(light, look, 0.95)
    canvas.image.drawPath(path, fill((0, 0, 0), 0.35, 0.07 * unit))
    _paint(canvas, path, tone * 0.8, head, light)
    canvas.stamp(path, CLASS["hair"])
    canvas.image.save()
    canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
    share = rng.uniform(0, 1, (70, 1, 1))
    lines = inner[None] * (1 - share) + outer[None] * share + rng.normal(0, 0.02 * unit, (70, 5, 2))
    _draw_strands(canvas, _wave(lines, look, unit, rng), tone, unit)
    canvas.image.restore()
