"""Objects as coloured outlines in metres, and a camera that puts them into a picture.

An object's own axes: x to the right, y up from what it stands on, z away from the viewer; its base is at (0, 0, 0).
Pictures are measured in shares of their side here: (0, 0) is the upper left corner and (1, 1) the lower right one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
import skia

from vestige.synthetic.canvas import Canvas, Floats, fill, linear_gradient, polygon, shaded

Colour = tuple[float, float, float]
Point = tuple[float, float, float]

_NEAR = 0.25  # metres before the camera; what is nearer is drawn there


class Part(NamedTuple):
    """An outline of an object.

    Attributes:
        points: its corners.
        rgb: its colour.
        facing: by how much its own light differs: 1 towards the light, 0 away; None for what is round, lit from the
            side.
        detail: whether it lies within the parts before it, so that the object's mask does without.
        one_sided: whether it is drawn only where its corners run clockwise in the picture.
    """

    points: Sequence[Point]
    rgb: Colour
    facing: float | None
    detail: bool
    one_sided: bool


class Sketch:
    """An object's parts, in the order in which they are painted."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def flat(
        self,
        points: Iterable[tuple[float, float]],
        rgb: Colour,
        z: float = 0.0,
        *,
        detail: bool = False,
        facing: float | None = None,
    ) -> None:
        """An upright outline at a depth."""
        self.parts.append(Part([(x, y, z) for x, y in points], rgb, facing, detail, False))

    def detail(self, points: Iterable[tuple[float, float]], rgb: Colour, z: float = 0.0) -> None:
        """An upright outline in one colour on what was drawn before."""
        self.flat(points, rgb, z, detail=True, facing=0.75)

    def disc(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        rgb: Colour,
        z: float = 0.0,
        *,
        detail: bool = False,
        facing: float | None = None,
    ) -> None:
        """An upright ellipse about (x, y)."""
        self.flat(
            [(x + rx * c, y + ry * s) for c, s in _circle(20 if not detail else 12)],
            rgb,
            z,
            detail=detail,
            facing=facing,
        )

    def blob(self, rng: np.random.Generator, x: float, y: float, rx: float, ry: float, rgb: Colour) -> None:
        """An ellipse with a bumpy edge, as of leaves."""
        bumps = rng.uniform(0.82, 1.12, 22).tolist()
        self.flat([(x + rx * b * c, y + ry * b * s) for b, (c, s) in zip(bumps, _circle(22), strict=True)], rgb)

    def bar(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        width: float,
        rgb: Colour,
        z: float = 0.0,
        *,
        detail: bool = False,
        facing: float | None = 0.75,
    ) -> None:
        """An upright bar between two points."""
        (x0, y0), (x1, y1) = start, end
        length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
        dx, dy = (y1 - y0) / length * width / 2, -(x1 - x0) / length * width / 2
        corners = [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)]
        self.flat(corners, rgb, z, detail=detail, facing=facing)

    def rectangle(
        self, x0: float, x1: float, y0: float, y1: float, rgb: Colour, z: float = 0.0, *, detail: bool = False
    ) -> None:
        """An upright rectangle."""
        self.flat([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], rgb, z, detail=detail, facing=0.75)

    def box(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], rgb: Colour) -> None:
        """A box: of its faces those that are seen."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        faces: tuple[tuple[float, list[Point]], ...] = (
            (0.35, [(x0, y0, z1), (x0, y1, z1), (x0, y1, z0), (x0, y0, z0)]),
            (0.55, [(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)]),
            (1.0, [(x0, y1, z0), (x0, y1, z1), (x1, y1, z1), (x1, y1, z0)]),
            (0.75, [(x0, y0, z0), (x0, y1, z0), (x1, y1, z0), (x1, y0, z0)]),
        )
        self.parts += [Part(points, rgb, facing, False, True) for facing, points in faces]

    def extent(self) -> tuple[float, float, float]:
        """How wide, high and deep it is."""
        points = np.array([point for part in self.parts for point in part.points])
        low, high = points.min(0), points.max(0)
        return float(high[0] - low[0]), float(high[1]), float(high[2])

    def scaled(self, factor: float) -> Sketch:
        """The same, larger."""
        return self._each(lambda x, y, z: (x * factor, y * factor, z * factor))

    def mirrored(self) -> Sketch:
        """The same, left and right exchanged."""
        found = self._each(lambda x, y, z: (-x, y, z))
        found.parts = [part._replace(points=part.points[::-1]) for part in found.parts]
        return found

    def _each(self, move: Callable[[float, float, float], Point]) -> Sketch:
        found = Sketch()
        found.parts = [part._replace(points=[move(*point) for point in part.points]) for part in self.parts]
        return found


@cache
def _circle(n: int) -> tuple[tuple[float, float], ...]:
    """Points of the unit circle."""
    angles = np.arange(n) * (2 * np.pi / n)
    return tuple(zip(np.cos(angles).tolist(), np.sin(angles).tolist(), strict=True))


@dataclass(frozen=True)
class View:
    """A camera that looks straight ahead, and the air before it.

    Attributes:
        focal: focal length in sides of the picture.
        height: of the camera above the ground, in metres.
        horizon: where the horizon is in the picture.
        roll: by which it is turned, in radians.
        haze: colour of the air.
        reach: metres after which two thirds of a colour are the air's; 0 for clear air.
    """

    focal: float
    height: float
    horizon: float
    roll: float = 0.0
    haze: Colour = (0.8, 0.85, 0.9)
    reach: float = 0.0

    def project(self, points: Floats) -> Floats:
        """World points (N, 3), metres from below the camera, to places in the picture (N, 2)."""
        away = np.maximum(points[:, 2], _NEAR)
        seen = np.empty((len(points), 2))
        seen[:, 0] = self.focal * points[:, 0] / away
        seen[:, 1] = self.horizon - 0.5 + self.focal * (self.height - points[:, 1]) / away
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.asarray(seen @ np.array([[c, s], [-s, c]]) + 0.5)

    def depth_at(self, y: float) -> float:
        """How far away the ground is that is seen at a height of the picture below the horizon."""
        return self.focal * self.height / max(y - self.horizon, 1e-3)

    def through_air(self, rgb: Colour, away: float) -> Colour:
        """A colour as it is seen from a distance."""
        if self.reach <= 0:
            return rgb
        clear = math.exp(-away / self.reach)
        r, g, b = (clear * own + (1 - clear) * air for own, air in zip(rgb, self.haze, strict=True))
        return r, g, b


@dataclass
class Placed:
    """An object in the picture.

    Attributes:
        name: of its kind.
        at: (3,) where its base stands, in metres from below the camera.
        outlines: of its parts in the picture, each (n, 2), with colour, light and whether it is a detail.
        on_ground: whether it casts a shadow on the ground.
        top: height of its upper side in metres, on which others may stand.
        order: how far away it counts as, in metres: the nearer one is painted over the farther one.
        area: of all of it, in shares of the picture.
        visible: the share of it that is in the picture and that nothing hides.
    """

    name: str
    at: Point
    outlines: list[tuple[Floats, Colour, float | None, bool]]
    on_ground: bool
    top: float
    order: float
    area: float = 0.0
    visible: float = 1.0

    @cached_property
    def rings(self) -> list[Floats]:
        """The outlines (n, 2) whose union the object is."""
        return [points for points, _, _, detail in self.outlines if not detail]

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) of all of it, also outside the picture."""
        points = np.concatenate(self.rings)
        (x0, y0), (x1, y1) = points.min(0).tolist(), points.max(0).tolist()
        return x0, y0, x1, y1


def place(name: str, sketch: Sketch, view: View, at: Point, yaw: float, on_ground: bool) -> Placed:
    """A sketch in the picture, turned about its upright axis by ``yaw`` radians."""
    points = np.array([point for part in sketch.parts for point in part.points])
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    turned = points @ np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]) + np.array(at)
    seen = view.project(turned)
    outlines, start = [], 0
    for part in sketch.parts:
        ring = seen[start : start + len(part.points)]
        start += len(part.points)
        if part.one_sided and _area(ring) <= 0:
            continue
        outlines.append((ring, view.through_air(part.rgb, at[2]), part.facing, part.detail))
    top = float(points[:, 1].max()) + at[1]
    return Placed(name, at, outlines, on_ground, top, at[2])


def _area(ring: Floats) -> float:
    """Twice the area that a ring surrounds: above 0 where it runs clockwise in the picture."""
    x, y = ring[:, 0], ring[:, 1]
    return float(x[:-1] @ y[1:] - y[:-1] @ x[1:] + x[-1] * y[0] - y[-1] * x[0])


def outline_path(placed: Placed, scale: float) -> skia.Path:
    """The outline of the whole object, for stamping: its parts as one path that is filled wherever any of them is."""
    path = skia.Path()
    path.setFillType(skia.PathFillType.kWinding)
    for ring in placed.rings:
        clockwise = ring if _area(ring) > 0 else ring[::-1]  # so that parts that overlap do not cancel out
        path.addPath(polygon(clockwise * scale))
    return path


def paint(canvas: Canvas, placed: Placed, side_light: float) -> None:
    """Paint an object.

    Args:
        canvas: painted on.
        placed: the object.
        side_light: -1 from the left to 1 from the right.
    """
    for ring, rgb, facing, detail in placed.outlines:
        path = polygon(ring * canvas.size)
        if facing is not None:
            lit = 0.62 + 0.42 * facing + (0.1 * side_light * (1 if facing > 0.5 else -1) if facing < 0.6 else 0.0)
            canvas.image.drawPath(path, fill(_times(rgb, lit)))
        elif detail:
            canvas.image.drawPath(path, fill(rgb))
        else:
            left, right = float(ring[:, 0].min()) * canvas.size, float(ring[:, 0].max()) * canvas.size
            dark, bright = _times(rgb, 0.92 - 0.24 * side_light), _times(rgb, 0.92 + 0.24 * side_light)
            shader = linear_gradient((left, 0), (max(right, left + 0.1), 0), [(0.0, dark, 1.0), (1.0, bright, 1.0)])
            canvas.image.drawPath(path, shaded(shader))


def _times(rgb: Colour, factor: float) -> Colour:
    return rgb[0] * factor, rgb[1] * factor, rgb[2] * factor
