"""What every drawn object is made of, and the models of things; animals and people are in `creatures`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vestige.synthetic.canvas import Floats, mix
from vestige.synthetic.light import random_colour
from vestige.synthetic.solids import Ellipsoid, Solid, about_x, ball, box, moved, plate, prism, tube


@dataclass(frozen=True)
class Model:
    """An object in its own axes (x to its left side, y down, z forwards; the ground at y = 0).

    Attributes:
        solids: its parts, named.
        keypoints: (3,) for each named keypoint.
        owners: for each keypoint the names of the parts it lies on; it is visible where one of them is on top.
        texture: strength of the mottling of its surface.
        grounded: whether it stands on the ground and throws a shadow there.
        attributes: its pose and colours in numbers.
    """

    solids: tuple[Solid, ...]
    keypoints: dict[str, Floats]
    owners: dict[str, tuple[str, ...]]
    texture: float
    grounded: bool
    attributes: dict[str, float]


class Builder:
    """Collects the parts and keypoints of a model."""

    def __init__(self) -> None:
        self._solids: list[Solid] = []
        self._keypoints: dict[str, Floats] = {}
        self._owners: dict[str, tuple[str, ...]] = {}

    def add(self, *solids: Solid) -> None:
        """Adds parts."""
        self._solids.extend(solids)

    def mark(self, name: str, point: Floats | list[float], *owners: str) -> None:
        """Names a keypoint on the given parts."""
        self._keypoints[name] = np.asarray(point, np.float64)
        self._owners[name] = owners

    def model(self, texture: float, grounded: bool, **attributes: float) -> Model:
        """The finished model."""
        return Model(tuple(self._solids), self._keypoints, self._owners, texture, grounded, attributes)


SIDES = (("left", 1.0), ("right", -1.0))


def chair(rng: np.random.Generator) -> Model:
    """A chair with a solid or barred back, with or without arms."""
    build = Builder()
    frame, cushion = random_colour(rng), random_colour(rng)
    half, height, back = rng.uniform(0.36, 0.46), rng.uniform(0.75, 0.95), rng.uniform(0.75, 1.15)
    tilt, radius, splay = rng.uniform(2, 18), rng.uniform(0.03, 0.06), rng.uniform(0.0, 0.12)
    build.add(box([0, -height, 0], [half, 0.05, half], cushion, "seat"))
    for front, z in (("front", half - 0.05), ("back", -half + 0.05)):
        for side, s in SIDES:
            top = np.array([s * (half - 0.05), -height, z])
            foot = np.array([s * (half - 0.05 + splay), 0.0, z * (1 + splay)])
            name = f"{front}_{side}_leg"
            build.add(tube(top, foot, (radius, 0.8 * radius), frame, name))
            build.mark(f"{front}_{side}_foot", foot, name)
            build.mark(f"seat_{front}_{side}", [s * half, -height, z], "seat", name, f"{side}_post")
    rise = np.array([0, -back, 0]) @ about_x(tilt).T
    for side, s in SIDES:
        foot = np.array([s * (half - 0.05), -height, -half + 0.04])
        build.add(tube(foot, foot + rise, (radius, radius), frame, f"{side}_post"))
        build.mark(f"top_{side}", foot + rise, f"{side}_post", "back")
    middle = np.array([0, -height, -half + 0.04])
    bars = int(rng.integers(0, 4))
    for k in range(max(bars, 1)):
        share = 0.62 if bars == 0 else 0.45 + 0.5 * (k + 0.5) / bars
        size = [half - 0.08, (0.30 if bars == 0 else 0.09 / bars + 0.03) * back, 0.025]
        build.add(box(middle + rise * share, size, cushion if bars == 0 else frame, "back", tilt))
    if rng.random() < 0.35:
        for _, s in SIDES:
            start, end = (
                moved(middle, s * (half - 0.03), 0, 0) + 0.35 * rise,
                np.array([s * half, -height - 0.3, half - 0.1]),
            )
            build.add(
                tube(start, end, (radius, radius), frame, "arm"),
                tube(end, moved(end, 0, 0.3, 0), (radius,) * 2, frame, "arm"),
            )
    return build.model(0.5, True, tilt=float(tilt))


def car(rng: np.random.Generator) -> Model:
    """A car: saloon, estate or van, by the shape of its cabin."""
    build = Builder()
    paint, glass = random_colour(rng), np.array([0.10, 0.13, 0.16])
    wide, long, low = rng.uniform(0.40, 0.46), rng.uniform(0.90, 1.10), rng.uniform(0.12, 0.18)
    waist, roof = low + rng.uniform(0.26, 0.34), rng.uniform(0.66, 0.95)
    sill = [[-wide, -low, -long], [wide, -low, -long], [wide, -low, long], [-wide, -low, long]]
    belt = [[-wide, -waist, -long], [wide, -waist, -long], [wide, -waist * 0.92, long], [-wide, -waist * 0.92, long]]
    lamps = _lamps(wide, long, waist)
    build.add(prism(sill, belt, paint, "body", lamps))
    rear, front = -long * rng.uniform(0.55, 0.98), long * rng.uniform(0.30, 0.55)
    top_rear, top_front = rear + rng.uniform(0.05, 0.3), front - rng.uniform(0.25, 0.5)
    narrow = 0.84 * wide
    foot = np.array([[-wide, -waist, rear], [wide, -waist, rear], [wide, -waist, front], [-wide, -waist, front]])
    head = np.array(
        [[-narrow, -roof, top_rear], [narrow, -roof, top_rear], [narrow, -roof, top_front], [-narrow, -roof, top_front]]
    )
    sides = [np.stack([foot[i], foot[(i + 1) % 4], head[(i + 1) % 4], head[i]]) for i in range(4)]
    windows = tuple((_inset(s, 0.14), glass) for s in sides)
    build.add(prism(foot, head, paint, "cabin", windows))
    radius = rng.uniform(0.17, 0.22)
    for end, z in (("front", 0.62 * long), ("back", -0.62 * long)):
        for side, s in SIDES:
            middle, name = np.array([s * (wide - 0.03), -radius, z]), f"{end}_{side}_wheel"
            build.add(Ellipsoid(middle, np.diag([0.07, radius, radius]), np.array([0.06, 0.06, 0.065]), name))
            rim = moved(middle, s * 0.06, 0, 0)
            build.add(
                Ellipsoid(rim, np.diag([0.03, 0.55 * radius, 0.55 * radius]), np.array([0.55, 0.56, 0.58]), name, 0.2)
            )
            build.mark(name, rim, name)
            build.mark(f"{end}_{side}_light", [s * 0.75 * wide, -waist * 0.78, np.sign(z) * long], "body")
            corner = head[
                {("back", "right"): 0, ("back", "left"): 1, ("front", "left"): 2, ("front", "right"): 3}[end, side]
            ]
            build.mark(f"roof_{end}_{side}", corner, "cabin")
    return build.model(0.15, True, roof=float(roof))


def _lamps(wide: float, long: float, waist: float) -> tuple[tuple[Floats, Floats], ...]:
    """Head and tail lamps as pictures on the body's ends."""
    lamps = []
    for z, rgb in ((long, (0.95, 0.93, 0.80)), (-long, (0.60, 0.05, 0.05))):
        for s in (-1, 1):
            x, y = np.array([0.58, 0.92, 0.92, 0.58]) * wide * s, -waist * np.array([0.70, 0.70, 0.86, 0.86])
            lamps.append((np.stack([x, y, np.full(4, z)], axis=1), np.array(rgb)))
    return tuple(lamps)


def _inset(corners: Floats, share: float) -> Floats:
    """A polygon drawn in towards its middle."""
    return np.asarray(corners + (corners.mean(0) - corners) * share)


def lamp(rng: np.random.Generator) -> Model:
    """A desk lamp with two hinged arms on a turning base and a shade."""
    build = Builder()
    metal = random_colour(rng)
    joint = mix(metal, (0.1, 0.1, 0.1), 0.5)
    low, high = rng.uniform(0.55, 0.85), rng.uniform(0.45, 0.8)
    lean, fold, nod = rng.uniform(-35, 25), rng.uniform(25, 95), rng.uniform(70, 150)
    build.add(Ellipsoid(np.array([0, -0.04, 0]), np.diag([0.30, 0.05, 0.30]), metal, "base", 0.1))
    hinge = np.array([0, -0.10, 0])
    elbow = hinge + low * _upright(lean)
    wrist = elbow + high * _upright(lean + fold)
    towards = _upright(min(lean + fold + nod, 205.0))
    rim = wrist + 0.36 * towards
    build.add(tube(hinge, elbow, (0.035, 0.03), metal, "lower_arm", 0.15))
    build.add(tube(elbow, wrist, (0.03, 0.025), metal, "upper_arm", 0.15))
    build.add(tube(wrist, wrist + 0.24 * towards, (0.07, 0.19), random_colour(rng), "shade", 0.1))
    build.add(ball(wrist + 0.28 * towards, 0.15, np.array([0.98, 0.94, 0.78]), "bulb", 0.3))
    build.add(ball(hinge, 0.06, joint, "lower_arm"), ball(elbow, 0.055, joint, "lower_arm"))
    build.add(ball(wrist, 0.06, joint, "upper_arm"))
    build.mark("base_front", [0, -0.04, 0.29], "base")
    build.mark("base_back", [0, -0.04, -0.29], "base")
    build.mark("hinge", hinge, "lower_arm")
    build.mark("elbow", elbow, "lower_arm", "upper_arm")
    build.mark("wrist", wrist, "upper_arm", "shade")
    build.mark("bulb", rim, "bulb")
    for side, s in SIDES:
        build.mark(f"base_{side}", [s * 0.29, -0.04, 0], "base")
    return build.model(0.2, True, lean=float(lean), fold=float(fold), nod=float(nod))


def _upright(degrees: float) -> Floats:
    """The direction tipped forwards from straight up."""
    a = np.radians(degrees)
    return np.array([0.0, -np.cos(a), np.sin(a)])


def aeroplane(rng: np.random.Generator) -> Model:
    """An airliner with two or four engines."""
    build = Builder()
    hull = mix(random_colour(rng), (0.9, 0.9, 0.92), rng.uniform(0.2, 0.9))
    fin, metal = random_colour(rng), mix(random_colour(rng), (0.6, 0.62, 0.65), 0.6)
    radius, span, sweep = rng.uniform(0.11, 0.16), rng.uniform(0.85, 1.15), rng.uniform(0.15, 0.6)
    build.add(tube([0, 0, -0.55], [0, 0, 0.82], (radius, radius), hull, "body", 0.12))
    build.add(tube([0, 0, 0.80], [0, 0.02, 0.97], (radius, 0.45 * radius), hull, "nose", 0.12))
    build.add(tube([0, -0.02, -1.05], [0, 0, -0.5], (0.25 * radius, radius), hull, "tail", 0.12))
    lift = rng.uniform(0.0, 0.15)
    for side, s in SIDES:
        tip = np.array([s * span, -lift, -sweep])
        root = np.array([s * 0.6 * radius, 0.04, 0.0])
        wing = [moved(root, 0, 0, 0.28), moved(tip, 0, 0, 0.10), moved(tip, 0, 0, -0.06), moved(root, 0, 0, -0.22)]
        build.add(plate(np.stack(wing), metal, f"{side}_wing"))
        build.mark(f"{side}_wingtip", tip, f"{side}_wing")
        for k in range(int(rng.integers(1, 3))):
            at = np.array([s * (0.32 + 0.26 * k) * span, 0.07, 0.22 - (0.32 + 0.26 * k) * sweep])
            build.add(
                tube(
                    moved(at, 0, 0, -0.09),
                    moved(at, 0, 0, 0.09),
                    (0.045, 0.06),
                    mix(metal, (0.2, 0.2, 0.2), 0.4),
                    f"{side}_engine",
                )
            )
            if k == 0:
                build.mark(f"{side}_engine", moved(at, 0, 0, 0.1), f"{side}_engine")
        small = [[0, -0.03, -0.80], [s * 0.38, -0.05, -1.02], [s * 0.38, -0.05, -1.10], [0, -0.03, -1.04]]
        build.add(plate(small, metal, f"{side}_tailplane"))
        build.mark(f"{side}_tailplane", [s * 0.37, -0.05, -1.06], f"{side}_tailplane")
    build.add(plate([[0, -0.05, -0.72], [0, -0.48, -1.02], [0, -0.48, -1.14], [0, -0.03, -1.04]], fin, "fin"))
    build.mark("nose", [0, 0.02, 0.99], "nose", "body")
    build.mark("tail", [0, -0.02, -1.05], "tail", "fin", "left_tailplane", "right_tailplane")
    build.mark("fin", [0, -0.47, -1.06], "fin")
    return build.model(0.15, False, sweep=float(sweep))
