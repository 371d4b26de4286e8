"""The parts of a face, drawn over its skin: eyes, brows, nose, mouth, glasses and beard.

The nose's form is in the skin's shading; what is drawn here are its finer lines and its shadow. Brows and beards are
drawn hair by hair.
"""

from __future__ import annotations

import numpy as np
import skia

from vestige.synthetic.canvas import (
    Canvas,
    Floats,
    fill,
    hairs,
    linear_gradient,
    mix,
    polygon,
    radial_gradient,
    ribbon,
    shaded,
    smooth_outline,
    spline,
    strands,
    stroke,
)
from vestige.synthetic.head import CLASS, Head
from vestige.synthetic.identity import Look
from vestige.synthetic.light import Light
from vestige.synthetic.skin import beard_density

_MULTIPLY = skia.BlendMode.kMultiply
_SCREEN = skia.BlendMode.kScreen
_BEARD_CANDIDATES = 900
_FRAMES = {
    "round": (0.30, 0.28, 2.0, 0.022),
    "rectangular": (0.33, 0.20, 4.5, 0.032),
    "half-rim": (0.33, 0.20, 3.5, 0.028),
    "thick": (0.34, 0.25, 3.4, 0.060),
    "sunglasses": (0.37, 0.29, 2.7, 0.038),
}


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


def draw_brows(canvas: Canvas, head: Head, look: Look, rng: np.random.Generator) -> None:
    """Both brows; the landmarks 17-26 lie along their upper edges."""
    unit = head.unit
    hair = mix(look.hair, (0.10, 0.07, 0.06), 0.35 if look.hair.mean() < 0.6 else 0.15)
    bands = [_brow_band(head, head.landmarks[17:22], 1), _brow_band(head, head.landmarks[26:21:-1], -1)]
    both = skia.Path()
    for band in bands:
        both.addPath(polygon(band))
    canvas.image.drawPath(both, fill(hair, 0.55, 0.016 * unit))
    canvas.image.drawPath(both, fill(hair, 0.20 + 0.2 * look.makeup))
    canvas.stamp(both, CLASS["brow"])
    lines = np.concatenate([_brow_hairs(band, unit, rng) for band in bands])
    canvas.image.drawPath(strands(lines), hairs(hair * 0.7, 0.011 * unit, 0.6))


def _brow_band(head: Head, points: Floats, below: int) -> Floats:
    """Outline of a brow whose upper edge runs through the points, from the outer end to the inner one.

    ``below`` is the sign with which the band lies below that edge in `ribbon`.
    """
    line = spline(points)
    t = np.linspace(0, 1, len(line))
    swell = 0.25 + 0.95 * np.sin(0.5 * np.pi * np.minimum(1.25 * t, 1))
    return ribbon(line, 0.0, below * head.shape.brow_thickness * head.unit * swell * np.where(t > 0.9, 0.85, 1))


def _brow_hairs(band: Floats, unit: float, rng: np.random.Generator, count: int = 46) -> Floats:
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


def draw_nose(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
    """Nostrils, the crease of the wings and the shadow that the nose throws."""
    unit, dark = head.unit, mix(look.skin, (0.14, 0.03, 0.02), 0.75)
    base, width = head.shape.nose_length, head.shape.nose_width
    _draw_nose_shadow(canvas, head, light, look)
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
        canvas.stamp(polygon(_nose_half(head, side)), CLASS["nose"])


def _draw_nose_shadow(canvas: Canvas, head: Head, light: Light, look: Look) -> None:
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


def _nose_half(head: Head, side: int) -> Floats:
    """Outline of one half of the nose, from the ridge over the wing to the middle of the base."""
    ridge = head.landmarks[27:31]
    base = head.landmarks[[33, 34, 35] if side > 0 else [33, 32, 31]]
    width, y = head.shape.nose_width, head.shape.nose_length
    x = side * np.array([1.0, 0.97, 0.62, 0.42, 0.36]) * width
    wing = head.project_face(x, [y - 0.09, y - 0.16, y - 0.24, 0.2, -0.05])
    return np.concatenate([ridge, spline(np.concatenate([base, wing]))])


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


# Lens outlines about the eye's centre, in units: (half width, half height, squareness); rim width in units.


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
            np.array(
                [
                    [-0.14, -0.06, _glasses_depth(head)],
                    [0.0, -0.10, _glasses_depth(head) + 0.05],
                    [0.14, -0.06, _glasses_depth(head)],
                ]
            )
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


def _glasses_depth(head: Head) -> float:
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
    points = np.stack(
        [side * centre + x, y + 0.05, _glasses_depth(head) - 0.22 * np.abs(side * centre + x) ** 2], axis=1
    )
    return head.project(points)


def _temple(head: Head, side: int) -> Floats:
    """The arm from the lens to the ear; the far one is drawn only as far as the face lets it show."""
    start = np.array([side * (head.shape.eye_x + 0.32), -0.06, _glasses_depth(head) - 0.14])
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


def draw_beard(canvas: Canvas, head: Head, light: Light, look: Look, rng: np.random.Generator) -> None:
    """Draws the hairs where `beard_density` asks for them; shaven faces stay as they are."""
    if not (look.beard or look.moustache):
        return
    x = rng.uniform(-0.97, 0.97, _BEARD_CANDIDATES)
    y = rng.uniform(0.1, head.chin * 0.995, _BEARD_CANDIDATES)
    inside = (np.abs(x) < 0.97 * head.half_width(y)) & (
        rng.uniform(0, 0.9, _BEARD_CANDIDATES) < beard_density(head, look, x, y)
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
