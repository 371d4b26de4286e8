"""Hair of the head in several styles, strand by strand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import skia

from vestige.synthetic.body import SKULL_CENTRE, SKULL_RADII
from vestige.synthetic.canvas import (
    Canvas,
    Floats,
    fill,
    hairs,
    polygon,
    radial_gradient,
    shaded,
    spline,
    strands,
)
from vestige.synthetic.head import CLASS, Head, ellipsoid_outline
from vestige.synthetic.identity import LONG_HAIR, Look
from vestige.synthetic.light import Light


@dataclass(frozen=True)
class _Style:
    """How far the hair stands off the skull, in units."""

    side: float
    top: float
    rough: float  # unevenness of the outline
    wave: float  # amplitude of a strand's waves


_STYLES = {
    "buzz": _Style(0.02, 0.03, 0.003, 0.0),
    "short": _Style(0.05, 0.15, 0.018, 0.010),
    "parted": _Style(0.07, 0.20, 0.014, 0.012),
    "fringe": _Style(0.11, 0.15, 0.012, 0.008),
    "curly": _Style(0.22, 0.26, 0.030, 0.05),
    "bob": _Style(0.15, 0.15, 0.008, 0.010),
    "long": _Style(0.12, 0.12, 0.006, 0.010),
    "wavy": _Style(0.17, 0.16, 0.014, 0.045),
    "bun": _Style(0.04, 0.05, 0.004, 0.004),
}


_STRAIGHT = 0.02  # waves that one does not see; every point of a strand takes time to draw


class Hair:
    """The hair of one head, drawn in two goes: behind the head and in front of it."""

    def __init__(self, head: Head, light: Light, look: Look, rng: np.random.Generator) -> None:
        self._head, self._light, self._look, self._rng = head, light, look, rng
        self._style = _STYLES.get(look.hair_style)
        if self._style is None:
            return
        self._tone = light.shade(look.hair, np.array([0.0, -0.25, 0.97]))
        self._cap = self._cap_outline(self._style)
        self._middle = self._cap.mean(0)
        self._line = self._hairline()

    def draw_back(self, canvas: Canvas) -> None:
        """Draws what hangs or stands behind head and neck."""
        if self._style is None:
            return
        path = polygon(self._cap)
        if self._look.hair_style == "bun":
            bun = self._head.project(np.array([0.0, self._head.shape.top - 0.22, -0.35]))
            radius = (0.30 + 0.15 * self._look.hair_volume) * self._head.unit
            path.addCircle(*map(float, bun), radius)
            self._fill(canvas, path, 0.8)
            self._draw_strands(canvas, self._curls(bun, radius, 60), path)
        self._fill(canvas, path, 0.55)
        canvas.stamp(path, CLASS["hair"])
        if self._look.hair_style in LONG_HAIR:
            self._draw_fall(canvas)

    def draw_front(self, canvas: Canvas) -> None:
        """Draws the hair over forehead and temples, and what falls beside the face."""
        if self._style is None:
            return
        path = skia.Op(polygon(self._cap), polygon(self._face_opening()), skia.kDifference_PathOp)
        self._draw_shadow_on_face(canvas, path)
        if self._look.hair_style == "buzz":
            canvas.image.drawPath(path, fill(self._tone * 0.75, 0.90, 0.035 * self._head.unit))
        else:
            self._fill(canvas, path, 0.62)
        canvas.stamp(path, CLASS["hair"])
        self._draw_strands(canvas, self._cap_lines(), path)
        if self._look.hair_style in LONG_HAIR:
            for side in (-1, 1):
                self._draw_lock(canvas, side)
        self._draw_loose_hairs(canvas)

    def _cap_outline(self, style: _Style) -> Floats:
        """Outline (N, 2) in pixels of the hair on the skull, without what hangs down."""
        volume = 0.55 + 0.9 * self._look.hair_volume
        side, top = style.side * volume, style.top * volume
        centre = np.array(SKULL_CENTRE) - [0, 0.5 * (top - 0.5 * side), 0]
        radii = np.array(SKULL_RADII) + np.array([side, 0.5 * (top + side), side])
        outline = ellipsoid_outline(self._head, centre, radii)
        angle = np.linspace(0, 2 * np.pi, len(outline), endpoint=False)
        order = np.arange(3, 11)
        weights = self._rng.normal(0, 1, (2, len(order))) / np.sqrt(order)
        bumps = np.cos(np.outer(angle, order)) @ weights[0] + np.sin(np.outer(angle, order)) @ weights[1]
        uneven = 1 + style.rough * (bumps + 0.6 * self._rng.normal(0, 1, len(outline)))
        middle = outline.mean(0)
        return np.asarray(middle + (outline - middle) * uneven[:, None])

    def _hairline(self) -> Floats:
        """The hair's edge (N, 2) in pixels, from the picture's left sideburn over the forehead to the right one."""
        look, shape = self._look, self._head.shape
        top, brow = shape.hairline, shape.brow_y
        recede = 0.14 * look.age * look.masculine
        x: tuple[float, ...]
        y: tuple[float, ...]
        if look.hair_style == "fringe":
            x, y = (0, 0.35, 0.68, 0.86, 0.93), (brow - 0.14, brow - 0.10, brow - 0.02, -0.12, 0.15)
        elif look.hair_style in LONG_HAIR:
            x, y = (0, 0.30, 0.62, 0.84, 0.93), (top - 0.02, top + 0.06, top + 0.35, -0.35, 0.1)
        else:
            x = (0, 0.32, 0.58, 0.74, 0.80, 0.90, 0.92)
            y = (top, top + 0.02 - recede, top + 0.14 - recede, -0.62, -0.42, -0.25, 0.22)
        across, down = np.array(x, np.float64), np.array(y, np.float64)
        line = np.concatenate([np.stack([-across[:0:-1], down[:0:-1]], 1), np.stack([across, down], 1)])
        line[2:-2] += self._rng.normal(0, 0.022, (len(line) - 4, 2))
        if look.hair_style in ("parted", *LONG_HAIR):
            line[:, 1] -= 0.07 * np.exp(-(((line[:, 0] - look.hair_part) / 0.2) ** 2))
        return spline(_visible(self._head, line))

    def _face_opening(self) -> Floats:
        """The hairline closed below the chin: where no hair of the cap may lie."""
        low = [[1.15, 0.45, 0.0], [1.0, 4.0, 0.0], [-1.0, 4.0, 0.0], [-1.15, 0.45, 0.0]]
        return np.concatenate([self._line, self._head.project(np.array(low))])

    def _fill(self, canvas: Canvas, path: skia.Path, bright: float) -> None:
        """The mass of the hair: lit from the light's side, dark towards the neck."""
        unit, tone = self._head.unit, self._tone * bright
        crown = self._head.project(np.array([0.0, self._head.shape.top, 0.0]))
        lit = crown + self._light.direction[:2] * 0.8 * unit
        stops = [(0.0, tone * 1.5, 1.0), (0.45, tone, 1.0), (1.0, tone * 0.5, 1.0)]
        canvas.image.drawPath(path, shaded(radial_gradient(lit, 3.0 * unit, stops)))

    def _draw_shadow_on_face(self, canvas: Canvas, path: skia.Path) -> None:
        canvas.image.save()
        canvas.image.clipPath(self._head.outline, skia.ClipOp.kIntersect, True)
        drop = -0.10 * self._light.direction[:2] * self._head.unit
        canvas.image.translate(float(drop[0]), float(drop[1]))
        canvas.image.drawPath(path, fill((0.14, 0.06, 0.04), 0.5, 0.06 * self._head.unit))
        canvas.image.restore()

    def _draw_strands(self, canvas: Canvas, lines: Floats, clip: skia.Path) -> None:
        """Strands (N, M, 2), brighter on the light's side, with a band of shine across them."""
        unit, style = self._head.unit, self._style
        assert style is not None
        middle = lines[:, lines.shape[1] // 2]
        lit = (middle - self._middle) @ self._light.direction[:2] / unit
        level = 0.95 + 0.30 * lit + self._rng.normal(0, 0.30, len(lines))
        canvas.image.save()
        canvas.image.clipPath(clip, skia.ClipOp.kIntersect, True)
        edges = (-9.0, 0.65, 0.95, 1.3, 9.0)
        for low, high in pairwise(edges):
            some = lines[(level >= low) & (level < high)]
            gain = min(max((low + high) / 2, 0.4), 1.6)
            tone = np.clip(self._tone * gain + 0.012 * gain, 0, 1)
            canvas.image.drawPath(strands(some), hairs(tone, (0.040 - 0.018 * gain) * unit, 0.6))
        if self._look.hair_style not in ("buzz", "curly"):
            shine = lines[level > 0.9][:, lines.shape[1] // 2 - 1 : lines.shape[1] // 2 + 1]
            bright = np.clip(self._tone * 1.7 + 0.07 * self._light.key, 0, 1)
            canvas.image.drawPath(strands(shine), hairs(bright, 0.028 * unit, 0.22))
        canvas.image.restore()

    def _wave(self, lines: Floats, samples: int) -> Floats:
        """The strands resampled to (N, samples, 2), wavy as the style is; straight ones need two points fewer."""
        n, m = lines.shape[:2]
        style = self._style
        assert style is not None
        samples -= 0 if style.wave > _STRAIGHT else 2
        t = np.linspace(0, m - 1, samples)
        i = np.minimum(t.astype(int), m - 2)
        f = (t - i)[None, :, None]
        dense = lines[:, i] * (1 - f) + lines[:, i + 1] * f
        phase = self._rng.normal(0, 0.8, (n, 1)) + np.linspace(0, 1.9 * samples, samples)[None]
        swing = style.wave * self._head.unit * np.sin(phase) * np.linspace(0.3, 1, samples)
        dense[..., 0] += swing
        return np.asarray(dense)

    def _cap_lines(self) -> Floats:
        """Strands from the parting outwards: to the hairline in front, to the cap's outline elsewhere."""
        unit, look, cap = self._head.unit, self._look, self._cap
        if look.hair_style == "curly":
            reach = np.linalg.norm(cap - self._middle, axis=1).mean()
            return self._curls(self._middle, reach * 1.02, 150)
        n = 100
        if look.hair_style == "buzz":
            at = self._middle + (cap[self._rng.integers(len(cap), size=n)] - self._middle) * np.sqrt(
                self._rng.uniform(0, 1, (n, 1))
            )
            return np.stack([at, at + self._rng.normal(0, 0.03 * unit, (n, 2))], axis=1)
        part = look.hair_part * (1.0 if look.hair_style in ("parted", *LONG_HAIR) else 0.3)
        depth = self._rng.uniform(0, 1, n)[:, None]
        front = self._head.project_face(part * 0.9, self._head.shape.hairline - 0.05)
        back = self._head.project(np.array([part * 0.5, self._head.shape.top * 1.02, 0.0]))
        start = front * depth + back * (1 - depth) + self._rng.normal(0, 0.04 * unit, (n, 2))
        ends = np.concatenate([cap, np.repeat(self._line, 2, axis=0)])
        end = ends[self._rng.integers(len(ends), size=n)] + self._rng.normal(0, 0.03 * unit, (n, 2))
        centre = (start + end) / 2
        middle = centre + 0.16 * (centre - self._middle) + self._rng.normal(0, 0.02 * unit, (n, 2))
        return self._wave(np.stack([start, middle, end], axis=1), 5)

    def _curls(self, middle: Floats, reach: float, n: int) -> Floats:
        """Small arcs (n, 5, 2) all over a disc."""
        angle, radius = self._rng.uniform(0, 2 * np.pi, n), reach * np.sqrt(self._rng.uniform(0, 1, n))
        at = middle + np.stack([np.cos(angle), np.sin(angle)], -1) * radius[:, None]
        turn = self._rng.uniform(0, 2 * np.pi, (n, 1)) + np.linspace(0, 3.6, 5)[None]
        size = self._rng.uniform(0.04, 0.10, (n, 1, 1)) * self._head.unit
        return np.asarray(at[:, None] + np.stack([np.cos(turn), np.sin(turn)], -1) * size)

    def _draw_loose_hairs(self, canvas: Canvas) -> None:
        """Fine hairs across the hairline and off the outline, so that no edge is cut with scissors."""
        unit, rng = self._head.unit, self._rng
        at = self._line[rng.integers(4, len(self._line) - 4, size=70)]
        out = at - self._head.landmarks[30]
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        root = at - out * rng.uniform(0.0, 0.035, (70, 1)) * unit
        tip = at + out * rng.uniform(0.05, 0.14, (70, 1)) * unit + rng.normal(0, 0.03 * unit, (70, 2))
        canvas.image.drawPath(strands(np.stack([root, tip], 1)), hairs(self._tone * 0.75, 0.014 * unit, 0.5))
        if self._look.hair_style == "buzz":
            return
        ends = self._cap[rng.integers(len(self._cap), size=26)]
        upper = ends[ends[:, 1] < self._middle[1] + 0.2 * unit]
        away = (upper - self._middle) / np.linalg.norm(upper - self._middle, axis=1, keepdims=True)
        side = np.stack([-away[:, 1], away[:, 0]], 1) * rng.normal(0, 0.05, (len(upper), 1))
        lift = rng.uniform(0.01, 0.045, (len(upper), 1))
        stray = np.stack(
            [upper - 0.1 * unit * away, upper + lift * unit * away, upper + (0.5 * lift * away + side) * unit], 1
        )
        canvas.image.drawPath(strands(stray), hairs(self._tone, 0.010 * unit, 0.5))

    def _draw_fall(self, canvas: Canvas) -> None:
        """Long hair behind neck and shoulders."""
        head, look, n = self._head, self._look, 60
        end, wide = look.hair_length, 1.10 + 0.28 * look.hair_volume
        x = np.array([0.95, wide, wide * 1.05, wide * 0.98, wide * 0.78])
        y = np.array([-0.5, 0.1, 0.55 * end, 0.85 * end, end])
        left, right = (head.project(np.stack([s * x, y, np.full(5, -0.35)], axis=1)) for s in (-1, 1))
        share = self._rng.uniform(0, 1, (n, 1, 1))
        lines = left[None] * (1 - share) + right[None] * share + self._rng.normal(0, 0.03 * head.unit, (n, 5, 2))
        path = polygon(np.concatenate([spline(left), self._ragged(left[-1], right[-1]), spline(right)[::-1]]))
        self._fill(canvas, path, 0.5)
        canvas.stamp(path, CLASS["hair"])
        self._draw_strands(canvas, self._wave(lines, 6), path)

    def _ragged(self, left: Floats, right: Floats) -> Floats:
        """The uneven lower edge (9, 2) of hanging hair between two points."""
        share = np.linspace(0.05, 0.95, 9)[:, None]
        return np.asarray(left * (1 - share) + right * share + self._rng.normal(0, 0.035 * self._head.unit, (9, 2)))

    def _draw_lock(self, canvas: Canvas, side: int) -> None:
        """The hair that falls beside the face on one side, in front of ear and shoulder."""
        head, look, unit = self._head, self._look, self._head.unit
        end = look.hair_length * (0.9 if look.hair_style == "bob" else 1.0)
        wide, near = 1.13 + 0.24 * look.hair_volume, 0.93 - 0.10 * look.hair_volume
        temple = _visible(head, np.array([[side * 0.60, head.shape.hairline + 0.30]]))
        edge = head.contour([-0.3, 0.2], side) - side * np.array([0.04 * unit, 0])
        low = head.project(np.array([[side * near, 0.62 * end, 0.0], [side * (near + 0.1), end, 0.0]]))
        inner = np.concatenate([temple, edge, low])
        x = side * np.array([0.80, wide - 0.06, wide, wide * 1.02, wide * 0.92])
        outer = head.project(np.stack([x, [-0.95, -0.35, 0.3, 0.65 * end, end], np.full(5, -0.1)], axis=1))
        path = polygon(np.concatenate([spline(inner), self._ragged(inner[-1], outer[-1]), spline(outer)[::-1]]))
        canvas.image.drawPath(path, fill((0, 0, 0), 0.35, 0.07 * unit))
        self._fill(canvas, path, 0.62)
        canvas.stamp(path, CLASS["hair"])
        share = self._rng.uniform(0, 1, (38, 1, 1))
        lines = inner[None] * (1 - share) + outer[None] * share + self._rng.normal(0, 0.02 * unit, (38, 5, 2))
        self._draw_strands(canvas, self._wave(lines, 6), path)


def _visible(head: Head, points: Floats) -> Floats:
    """Pixels of face points (N, 2), those that the face hides or that lie at its edge moved to its contour."""
    here = head.project_face(points[:, 0], points[:, 1])
    for side in (-1, 1):
        mine = np.flatnonzero(side * points[:, 0] > 0.55)
        edge = head.contour(points[mine, 1], side)
        across = head.project_face([0.5, -0.5], [0.0, 0.0])
        hidden = ((edge - here[mine]) @ ((across[0] - across[1]) * side) < 0) | (np.abs(points[mine, 0]) > 0.9)
        here[mine[hidden]] = edge[hidden]
    return here
