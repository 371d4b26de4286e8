"""Scenes of the drawn world, and its objects one by one, with the exact outline of every object.

A picture is laid out first (:func:`lay_out_scene`, :func:`lay_out_object`): what is in it and where. That is quick and
tells all that is known of it; :meth:`Layout.draw` paints it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import skia
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.synthetic.camera import finish
from vestige.synthetic.canvas import Canvas, Floats, linear_gradient, radial_gradient, shaded
from vestige.synthetic.world import furniture, outdoors
from vestige.synthetic.world.kinds import DIAGNOSTIC, INSIDE, KINDS, SCENES, ObjectKind
from vestige.synthetic.world.places import Place, draw_place
from vestige.synthetic.world.sketch import Colour, Placed, Point, Sketch, View, outline_path, paint, place

PAINTERS = furniture.PAINTERS | outdoors.PAINTERS

LEAST_SHOWN = 0.25
"""The share of an object that must be seen for it to be listed."""
LEAST_AREA = 0.0006
"""The share of the picture that it must cover, at least: 30 pixels of 224 x 224."""

_SUPPORTS = {"computer": ("desk", "table")}
"""What stands on what, by its name; the last one is put there where none is."""
_SHARES = {"diagnostic": (0.28, 0.8), "common": (0.09, 0.7), "rare": (0.13, 0.45)}
"""The least and the largest side of an object, in sides of the picture, by its role."""
_PLAIN, _CLEAR = 0.5, 0.012  # of the one object that decides: how much of it is seen, and of the picture it covers
_RASTER = 96  # pixels a side, to see what hides what
_TRIES = 12
_SMALLEST, _LARGEST = 32, 2048  # pixels


@dataclass(frozen=True)
class Shown:
    """An object in a picture.

    Attributes:
        name: of its kind.
        rings: (n, 2) outlines each, whose union it is, in shares of the picture's side; what is hidden by others and
            what is outside the picture included.
        visible: the share of it that is seen.
    """

    name: str
    rings: tuple[Floats, ...]
    visible: float


@dataclass(frozen=True)
class Layout:
    """What is in a picture.

    Attributes:
        name: of the scene, or of the one object.
        objects: those that are seen well enough (see LEAST_SHOWN, LEAST_AREA), the farthest first.
        placed: all, the farthest first.
        view: the camera.
        ground: the room or the landscape.
        side_light: -1 for light from the left to 1 from the right.
        tint: colour of the light.
        seed: of what is left to chance when it is painted.
    """

    name: str
    objects: tuple[Shown, ...]
    placed: tuple[Placed, ...]
    view: View
    ground: Place
    side_light: float
    tint: Colour
    seed: tuple[int, ...]

    def draw(self, size: int) -> NDArray[np.uint8]:
        """The picture ``(size, size, 3)``."""
        canvas = Canvas(size)
        self.ground.draw(canvas, self.view, self.side_light)
        for each in self.placed:
            if each.on_ground:
                _draw_shadow(canvas, each, self.view, self.side_light)
            paint(canvas, each, self.side_light)
        self._draw_light(canvas)
        return finish(canvas.pixels(), np.random.default_rng(self.seed))

    def _draw_light(self, canvas: Canvas) -> None:
        """The colour of the light, which fades across the picture."""
        fade = 1 - 0.25 * abs(self.side_light)
        dim = (self.tint[0] * fade, self.tint[1] * fade, self.tint[2] * fade)
        stops = (
            [(0.0, dim, 1.0), (1.0, self.tint, 1.0)]
            if self.side_light > 0
            else [(0.0, self.tint, 1.0), (1.0, dim, 1.0)]
        )
        gradient = linear_gradient((0, 0), (canvas.size, 0), stops)
        canvas.image.drawPaint(shaded(gradient, skia.BlendMode.kMultiply))


def lay_out_scene(seed: int, index: int, scene: str | None = None) -> Layout:
    """Scene number ``index`` of the endless series ``seed``; without a name every one is as likely.

    Raises:
        VestigeError: where there is no such scene, or a number is negative.
    """
    _check(seed, index, scene, SCENES, "scene")
    rng = np.random.default_rng((seed, index, 15))
    name = scene or SCENES[int(rng.integers(len(SCENES)))]
    inside = name in INSIDE
    best: tuple[float, list[Placed], View, Place] | None = None
    for _ in range(_TRIES):
        view = _view(rng, inside)
        ground = draw_place(rng, inside)
        placed = _arranged(rng, name, view, ground)
        clear = _see(placed, DIAGNOSTIC[name])
        if best is None or clear > best[0]:
            best = clear, placed, view, ground
        if clear >= 1:
            break
    assert best is not None
    _, placed, view, ground = best
    return _finished(rng, name, placed, view, ground, (seed, index, 16))


def lay_out_object(seed: int, index: int, kind: str | None = None) -> Layout:
    """Object number ``index`` of the series ``seed``, alone in a room or a landscape of any sort.

    Raises:
        VestigeError: where there is no such kind, or a number is negative.
    """
    _check(seed, index, kind, KINDS, "kind of object")
    rng = np.random.default_rng((seed, index, 17))
    name = kind or tuple(KINDS)[int(rng.integers(len(KINDS)))]
    placed, view, ground = _alone(rng, KINDS[name])
    _see([placed], (name,))
    return _finished(rng, name, [placed], view, ground, (seed, index, 18))


def _check(seed: int, index: int, name: str | None, known: object, what: str) -> None:
    if seed < 0 or index < 0:
        raise VestigeError(f"synthetic world: seed={seed}, index={index}; both must be 0 or more")
    if name is not None and name not in known:  # type: ignore[operator]
        raise VestigeError(f"synthetic world: there is no {what} {name!r}; expected one of {', '.join(known)}")  # type: ignore[arg-type]


def _finished(
    rng: np.random.Generator, name: str, placed: list[Placed], view: View, ground: Place, seed: tuple[int, ...]
) -> Layout:
    """A layout with its light, and the objects that count."""
    shown = []
    for each in placed:
        if each.visible >= LEAST_SHOWN and each.visible * each.area >= LEAST_AREA:
            shown.append(Shown(each.name, tuple(each.rings), each.visible))
    bright, warm = rng.choice([1.0, 0.85, 0.6], p=[0.6, 0.25, 0.15]) * rng.uniform(0.9, 1.0), rng.normal(0, 0.07)
    tint = (bright * min(1 + warm, 1.0), bright, bright * min(1 - warm, 1.0))
    return Layout(name, tuple(shown), tuple(placed), view, ground, float(rng.uniform(-1, 1)), tint, seed)


def _view(rng: np.random.Generator, inside: bool) -> View:
    roll = float(np.clip(rng.normal(0, 0.025), -0.07, 0.07))
    if inside:
        return View(float(rng.uniform(0.8, 1.15)), float(rng.uniform(1.3, 1.9)), float(rng.uniform(0.34, 0.52)), roll)
    reach = float(rng.uniform(40, 150)) if rng.random() < 0.8 else float(rng.uniform(18, 40))
    return View(
        float(rng.uniform(0.85, 1.4)), float(rng.uniform(1.2, 2.6)), float(rng.uniform(0.34, 0.58)), roll, reach=reach
    )


def _numbers(rng: np.random.Generator, scene: str) -> list[str]:
    """The names of what is in a scene, those that decide it first."""
    names = _deciding(rng, scene)
    clutter = rng.uniform(0.5, 1.5)
    for kind in KINDS.values():
        if scene in kind.scenes and kind.role != "diagnostic":
            names += [kind.name] * int(rng.poisson(kind.number * clutter))
    return names


def _deciding(rng: np.random.Generator, scene: str) -> list[str]:
    """One or both of a scene's two diagnostic kinds, so that each is there as often as its number says."""
    first, second = (KINDS[name] for name in DIAGNOSTIC[scene])
    chances = [min(0.85, kind.number) for kind in (first, second)]
    u = rng.random()
    there = [u < chances[0], u > 1 - chances[1]]
    names = []
    for kind, chance, is_there in zip((first, second), chances, there, strict=True):
        if is_there:
            names += [kind.name] * (1 + int(rng.poisson(max(kind.number / chance - 1, 0.0))))
    return names


def _arranged(rng: np.random.Generator, scene: str, view: View, ground: Place) -> list[Placed]:
    """Everything in its place, the farthest first."""
    placed: list[Placed] = []
    names = _numbers(rng, scene)
    for name, (*_, last) in ((name, on) for name, on in _SUPPORTS.items() if name in names):
        if not set(_SUPPORTS[name]) & set(names):
            names.insert(0, last)
    for name in sorted(names, key=lambda name: name in _SUPPORTS):
        support = next((each for each in placed if each.name in _SUPPORTS.get(name, ())), None)
        placed.append(_put(rng, KINDS[name], view, ground, placed, support))
    return sorted(placed, key=lambda each: -each.order)


def _put(
    rng: np.random.Generator,
    kind: ObjectKind,
    view: View,
    ground: Place,
    others: list[Placed],
    support: Placed | None,
) -> Placed:
    """One object where it hides and is hidden little, of a few places tried."""
    sketch = sketched(rng, kind.name)
    wide, high, deep = sketch.extent()
    if support is not None:
        x, _, z = support.at
        at = (x + float(rng.uniform(-0.15, 0.15)), support.top, z + 0.15)
        return replace(place(kind.name, sketch, view, at, 0.0, False), order=support.order - 0.01)
    tried = [_somewhere(rng, kind, view, ground, (wide, high, deep)) for _ in range(5)]
    costs = [_crowding(_box(view, at, wide * scale, high * scale), others) for at, _, scale in tried]
    at, yaw, scale = tried[int(np.argmin(np.array(costs) + rng.uniform(0, 0.15, len(costs))))]
    return place(kind.name, sketch.scaled(scale), view, at, yaw, kind.where in ("floor", "back"))


def _box(view: View, at: Point, wide: float, high: float) -> tuple[float, float, float, float]:
    """About the bounds of an object in the picture."""
    x, y, z = at
    unit = view.focal / z
    base = view.horizon + (view.height - y) * unit
    return 0.5 + (x - wide / 2) * unit, base - high * unit, 0.5 + (x + wide / 2) * unit, base


def _somewhere(
    rng: np.random.Generator, kind: ObjectKind, view: View, ground: Place, extent: tuple[float, float, float]
) -> tuple[Point, float, float]:
    """A place for an object: where its base is, how it is turned, and how much larger it is than sketched."""
    wide, high, deep = extent
    across = float(rng.uniform(0.04, 0.96))
    if kind.where == "sky":
        z = ground.depth - 0.8 if ground.inside else 30.0
        scale = float(rng.uniform(0.1, 0.3)) * z / view.focal / max(wide, high)
        y = float(rng.uniform(0.04, max(view.horizon - 0.12, 0.1)))
        return _at(view, across, z, view.height + (view.horizon - y) * z / view.focal - high * scale), 0.0, scale
    if kind.where == "wall":
        return _at(view, across, ground.depth - 0.02, float(rng.uniform(1.15, 1.7))), 0.0, 1.0
    scale = float(rng.uniform(0.88, 1.12))
    if kind.where == "back" and ground.inside:
        z = ground.depth - deep * scale - float(rng.uniform(0.02, 0.25))
        return _at(view, across, z, 0.0), float(rng.normal(0, 0.03)), scale
    least, largest = _SHARES[kind.role]
    size = max(wide, high) * scale * view.focal
    nearest = view.depth_at(1.03)
    farthest = ground.depth - deep - 0.1 if ground.inside else 45.0
    z0, z1 = np.clip([max(size / largest, nearest), size / least], nearest, max(farthest, nearest))
    z = float(np.exp(rng.uniform(np.log(z0), np.log(max(z1, z0)))))
    return _at(view, across, z, 0.0), float(rng.uniform(-0.5, 0.5)), scale


def _at(view: View, across: float, z: float, y: float) -> Point:
    return (across - 0.5) * z / view.focal, y, z


def _crowding(box: tuple[float, float, float, float], others: list[Placed]) -> float:
    """How much of an object and of the others lies in each other's bounding boxes, and of it outside the picture."""
    x0, y0, x1, y1 = box
    own = max((x1 - x0) * (y1 - y0), 1e-6)
    inside = max(min(x1, 1) - max(x0, 0), 0) * max(min(y1, 1) - max(y0, 0), 0)
    cost = 1.5 * (1 - inside / own)
    for other in others:
        a0, b0, a1, b1 = other.bounds
        both = max(min(x1, a1) - max(x0, a0), 0) * max(min(y1, b1) - max(y0, b0), 0)
        if both > 0:
            cost += both / min(own, max((a1 - a0) * (b1 - b0), 1e-6))
    return cost


def _alone(rng: np.random.Generator, kind: ObjectKind) -> tuple[Placed, View, Place]:
    """An object that fills a third to nine tenths of the picture, wherever it may stand."""
    sketch = sketched(rng, kind.name)
    wide, high, deep = sketch.extent()
    inside = bool(rng.random() < 0.5)
    start = _view(rng, inside)
    share = float(rng.uniform(0.35, 0.9))
    z = max(start.focal * max(wide, high) / share, deep * 0.6 + 0.5)
    tall, broad = high * start.focal / z, wide * start.focal / z
    across = float(rng.uniform(min(0.42 * broad, 0.5), max(1 - 0.42 * broad, 0.5)))
    stands = kind.where in ("floor", "back")
    least = max(min(0.98 * tall, 0.72), 0.5 if stands else 0.1)
    base = float(rng.uniform(least, 0.98)) if tall < 0.95 else 0.97
    horizon = float(rng.uniform(0.25, max(0.75 * base, 0.3)))
    yaw = float(rng.uniform(-0.5, 0.5))
    if stands:
        height = (base - horizon) * z / start.focal
        view, y = replace(start, height=height, horizon=horizon), 0.0
    else:
        view, yaw = start, 0.0
        y = view.height + (view.horizon - base) * z / view.focal
    scale = max(1.0, z / 4.0, view.height / 1.6)
    depth = z + deep + float(rng.uniform(0.05, 1.5)) * scale if kind.where != "wall" else z + 0.02
    ground = draw_place(rng, inside, depth, scale)
    at = _at(view, across, z, y)
    return place(kind.name, sketch, view, at, yaw, stands), view, ground


def sketched(rng: np.random.Generator, name: str) -> Sketch:
    """An object of a kind, as chance has it; half of them are mirrored."""
    sketch = Sketch()
    PAINTERS[name](sketch, rng)
    return sketch.mirrored() if rng.random() < 0.5 else sketch


def _see(placed: list[Placed], deciding: tuple[str, ...]) -> float:
    """Note how much of each object is seen, and say how clearly one of some kinds is: 1 or more is clear enough."""
    pixels = np.zeros((_RASTER, _RASTER, 4), np.uint8)
    pixels[..., 3] = 255
    canvas = skia.Surface(pixels, skia.ColorType.kRGBA_8888_ColorType).getCanvas()
    for number, each in enumerate(placed, 1):
        paint = skia.Paint(Color=skia.ColorSetARGB(255, number % 256, number // 256, 0), AntiAlias=False)
        canvas.drawPath(outline_path(each, _RASTER), paint)
    numbers = pixels[..., 0].astype(np.intp) + 256 * pixels[..., 1].astype(np.intp)
    seen = np.bincount(numbers.ravel(), minlength=len(placed) + 1)[1:] / _RASTER**2
    clear = 0.0
    for each, area in zip(placed, seen.tolist(), strict=True):
        each.area = _whole_area(each)
        each.visible = min(area / max(each.area, 1e-9), 1.0)
        if each.name in deciding:
            clear = max(clear, min(each.visible / _PLAIN, area / _CLEAR))
    return clear


def _whole_area(each: Placed, side: int = 48) -> float:
    """The area of an object in the picture and outside, as if nothing hid it, in shares of the picture."""
    x0, y0, x1, y1 = each.bounds
    wide, high = max(x1 - x0, 1e-6), max(y1 - y0, 1e-6)
    pixels = np.zeros((side, side, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.ColorType.kRGBA_8888_ColorType).getCanvas()
    canvas.scale(side / wide, side / high)
    canvas.translate(-x0, -y0)
    canvas.drawPath(outline_path(each, 1.0), skia.Paint(Color=skia.ColorBLACK, AntiAlias=False))
    return float((pixels[..., 3] > 0).mean()) * wide * high


def _draw_shadow(canvas: Canvas, each: Placed, view: View, side_light: float) -> None:
    """A soft dark patch on the ground under an object, away from the light."""
    x0, _, x1, _ = each.bounds
    _, base = view.project(np.array([each.at]))[0].tolist()
    half = (x1 - x0) / 2 * 1.1
    flat = half * min(0.45, view.height / each.at[2])
    canvas.image.save()
    canvas.image.scale(canvas.size, canvas.size)
    canvas.image.translate((x0 + x1) / 2 - 0.25 * half * side_light, base)
    canvas.image.scale(half, max(flat, 1e-3))
    dark: Colour = (0.02, 0.02, 0.04)
    paint = shaded(radial_gradient((0, 0), 1.0, [(0.0, dark, 0.5), (0.55, dark, 0.35), (1.0, dark, 0.0)]))
    canvas.image.drawCircle(0, 0, 1.0, paint)
    canvas.image.restore()
