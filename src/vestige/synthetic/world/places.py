"""Rooms and landscapes: what is behind and under the objects. They are alike whatever the scene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import skia
from numpy.typing import ArrayLike, NDArray

from vestige.synthetic.canvas import Canvas, fill, linear_gradient, mix, polygon, shaded
from vestige.synthetic.light import random_colour
from vestige.synthetic.noise import noise_picture
from vestige.synthetic.world.sketch import Colour, View

_TILE = 256  # pixels of a pattern's side
_FAR = 400.0  # metres to where the ground ends
_GROUNDS: tuple[Colour, ...] = (
    (0.38, 0.50, 0.22),  # grass
    (0.80, 0.70, 0.50),  # sand
    (0.46, 0.36, 0.26),  # earth
    (0.50, 0.50, 0.50),  # paving
    (0.88, 0.89, 0.92),  # snow
)


@dataclass(frozen=True)
class Place:
    """A room or a landscape.

    Attributes:
        inside: whether it is a room.
        depth: metres to the back wall of a room.
        width: of a room.
        offset: of a room's middle to the right of the camera.
        ceiling: its height.
        colours: of floor or ground, back wall or sky, and ceiling or horizon.
        pattern: on floor or ground.
        papered: whether the walls have stripes.
        hills: heights of the skyline's corners, in shares of the picture.
        hill: colour of the skyline.
    """

    inside: bool
    depth: float
    width: float
    offset: float
    ceiling: float
    colours: tuple[Colour, Colour, Colour]
    pattern: str
    papered: bool
    hills: tuple[float, ...]
    hill: Colour

    def draw(self, canvas: Canvas, view: View, side_light: float) -> None:
        """Cover the canvas."""
        if self.inside:
            self._draw_room(canvas, view, side_light)
        else:
            self._draw_land(canvas, view)

    def _draw_room(self, canvas: Canvas, view: View, side_light: float) -> None:
        left, right = self.offset - self.width / 2, self.offset + self.width / 2
        near, far, up = 0.3, self.depth, self.ceiling
        floor, wall, ceiling = self.colours
        canvas.image.drawColor(skia.Color4f(*wall, 1.0))
        back = [(left, 0, far), (left, up, far), (right, up, far), (right, 0, far)]
        self._fill(canvas, view, back, wall)
        if self.papered:
            self._texture(canvas, view, back, "stripes", _wall_matrix(view, self.depth), 0.5)
        for x, lit in ((left, 0.8 + 0.14 * side_light), (right, 0.8 - 0.14 * side_light)):
            corners = [(x, 0, near), (x, 0, far), (x, up, far), (x, up, near)]
            self._fill(canvas, view, corners, (wall[0] * lit, wall[1] * lit, wall[2] * lit))
        self._fill(canvas, view, [(left, up, near), (left, up, far), (right, up, far), (right, up, near)], ceiling)
        ground = [(left, 0, near), (left, 0, far), (right, 0, far), (right, 0, near)]
        self._fill(canvas, view, ground, floor)
        self._texture(canvas, view, ground, self.pattern, _floor_matrix(view, self.offset), 0.8)
        edge = polygon(view.project(np.array([(left, 0.05, far), (right, 0.05, far)])) * canvas.size, closed=False)
        skirting = fill(mix(wall, (1, 1, 1), 0.5))
        skirting.setStyle(skia.Paint.kStroke_Style)
        skirting.setStrokeWidth(0.012 * canvas.size)
        canvas.image.drawPath(edge, skirting)

    def _draw_land(self, canvas: Canvas, view: View) -> None:
        ground, sky, low = self.colours
        size = canvas.size
        gradient = linear_gradient((0, 0), (0, view.horizon * size), [(0.0, sky, 1.0), (1.0, low, 1.0)])
        canvas.image.drawPaint(shaded(gradient))
        flat = view.roll * 0.5
        xs = np.linspace(-0.1, 1.1, len(self.hills))
        skyline = [
            (float(x), view.horizon - h + (float(x) - 0.5) * 2 * flat) for x, h in zip(xs, self.hills, strict=True)
        ]
        base = view.horizon + 0.1
        corners = np.array([*skyline, (1.1, base + 0.1), (-0.1, base + 0.1)])
        canvas.image.drawPath(polygon(corners * size), fill(self.hill))
        near = view.depth_at(1.4) / 2
        land = [(-_FAR, 0, near), (-_FAR, 0, _FAR), (_FAR, 0, _FAR), (_FAR, 0, near)]
        self._fill(canvas, view, land, ground)
        self._texture(canvas, view, land, self.pattern, _floor_matrix(view, 0.0), 0.6)
        mist = linear_gradient(
            (0, view.horizon * size), (0, (view.horizon + 0.25) * size), [(0.0, low, 0.55), (1.0, low, 0.0)]
        )
        canvas.image.save()
        canvas.image.clipPath(polygon(view.project(np.array(land, np.float64)) * size), skia.ClipOp.kIntersect, True)
        canvas.image.drawPaint(shaded(mist))
        canvas.image.restore()

    def _fill(self, canvas: Canvas, view: View, corners: ArrayLike, rgb: Colour) -> None:
        canvas.image.drawPath(polygon(view.project(np.asarray(corners, np.float64)) * canvas.size), fill(rgb))

    def _texture(
        self, canvas: Canvas, view: View, corners: ArrayLike, name: str, matrix: NDArray[np.float64], strength: float
    ) -> None:
        """Lay a pattern over a plane."""
        whole = np.diag([canvas.size, canvas.size, 1.0]) @ matrix
        sampling = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kNearest)
        shader = _pattern(name).makeShader(
            skia.TileMode.kRepeat, skia.TileMode.kRepeat, sampling, skia.Matrix.MakeAll(*whole.ravel().tolist())
        )
        paint = shaded(shader, skia.BlendMode.kOverlay)
        paint.setAlphaf(strength)
        canvas.image.drawPath(polygon(view.project(np.asarray(corners, np.float64)) * canvas.size), paint)


def draw_place(rng: np.random.Generator, inside: bool, depth: float = 0.0, scale: float = 1.0) -> Place:
    """A random room or landscape.

    Args:
        rng: of the picture.
        inside: a room, else a landscape.
        depth: metres to a room's back wall; 0 for a usual one.
        scale: of a room's width and height against a usual one.
    """
    if inside:
        pale = np.clip(0.5 + 0.5 * random_colour(rng), 0, 1)
        floor = random_colour(rng) * 0.5 + np.array([0.32, 0.25, 0.18]) * rng.uniform(0.3, 1.2)
        colours = (_colour(floor), _colour(pale), _colour(np.clip(pale + 0.12, 0, 0.97)))
        return Place(
            True,
            depth or float(rng.uniform(4.4, 6.5)),
            scale * float(rng.uniform(4.6, 7.5)),
            scale * float(rng.uniform(-0.8, 0.8)),
            scale * float(rng.uniform(2.5, 3.1)),
            colours,
            str(rng.choice(["planks", "checks", "carpet", "tiles"])),
            bool(rng.random() < 0.35),
            (),
            (0, 0, 0),
        )
    ground = np.array(_GROUNDS[int(rng.integers(len(_GROUNDS)))]) * rng.uniform(0.75, 1.1) + rng.normal(0, 0.03, 3)
    sky = np.array([(0.35, 0.58, 0.88), (0.66, 0.70, 0.75), (0.45, 0.42, 0.62)][int(rng.integers(3))])
    low = mix(sky, [(0.95, 0.95, 0.95), (0.98, 0.78, 0.55)][int(rng.random() < 0.3)], 0.7)
    heights = rng.uniform(0.0, rng.uniform(0.03, 0.16), 9) if rng.random() < 0.7 else np.zeros(9)
    hill = mix(low, np.array([0.25, 0.35, 0.4]) + rng.normal(0, 0.06, 3), rng.uniform(0.4, 0.9))
    return Place(
        False, 0.0, 0.0, 0.0, 0.0, (_colour(ground), _colour(sky), _colour(low)), "carpet", False,
        tuple(heights.tolist()), _colour(hill),
    )  # fmt: skip


def _colour(values: ArrayLike) -> Colour:
    r, g, b = np.clip(np.asarray(values, np.float64), 0, 1).tolist()
    return r, g, b


def _floor_matrix(view: View, offset: float) -> NDArray[np.float64]:
    """From a pattern's pixels (2 metres a tile) on the ground to places in the picture."""
    k = 2.0 / _TILE
    plane = np.array(
        [
            [view.focal * k, 0.0, view.focal * offset],
            [0.0, (view.horizon - 0.5) * k, view.focal * view.height],
            [0, k, 0],
        ]
    )
    return np.asarray(_turned(view) @ plane)


def _wall_matrix(view: View, depth: float) -> NDArray[np.float64]:
    """Likewise on an upright plane at a depth."""
    k = view.focal / depth * 2.0 / _TILE
    plane = np.array([[k, 0.0, 0.0], [0.0, k, view.horizon - 0.5 + view.focal * view.height / depth], [0, 0, 1.0]])
    return np.asarray(_turned(view) @ plane)


def _turned(view: View) -> NDArray[np.float64]:
    c, s = np.cos(view.roll), np.sin(view.roll)
    return np.array([[c, -s, 0.5], [s, c, 0.5], [0, 0, 1.0]])


@cache
def _pattern(name: str) -> skia.Image:
    """A grey picture to tile, its middle grey changing nothing."""
    noise = noise_picture()[:_TILE, :_TILE]
    y, x = np.mgrid[:_TILE, :_TILE]
    grey = 128 + 10 * noise
    if name == "planks":
        board = x // 32
        grey += (
            (np.array([-20, 12, -6, 22, -14, 4, 18, -10])[board % 8])
            - 60.0 * (x % 32 < 2)
            - 50.0 * ((y + 97 * board) % 256 < 3)
        )
    elif name == "checks":
        grey += np.where((x // 64 + y // 64) % 2, 42, -42)
    elif name == "tiles":
        grey += -55.0 * ((x % 64 < 4) | (y % 64 < 4)) + 8
    elif name == "stripes":
        grey += np.where(x % 64 < 24, 26, -12)
    else:
        grey += 22 * noise
    pixels = np.clip(grey, 0, 255).astype(np.uint8)
    return skia.Image.fromarray(
        np.stack([pixels, pixels, pixels, np.full_like(pixels, 255)], axis=-1), skia.ColorType.kRGBA_8888_ColorType
    )
