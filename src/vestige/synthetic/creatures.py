"""Jointed models of animals and people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vestige.synthetic.canvas import Floats, mix
from vestige.synthetic.light import random_colour
from vestige.synthetic.models import SIDES, Builder, Model
from vestige.synthetic.solids import Ellipsoid, about_x, ball, moved, plate, tube

_DARK = np.array([0.03, 0.025, 0.025])
_COATS = np.array(
    [
        [0.12, 0.09, 0.08],
        [0.35, 0.20, 0.11],
        [0.55, 0.38, 0.22],
        [0.72, 0.60, 0.44],
        [0.85, 0.83, 0.79],
        [0.45, 0.44, 0.43],
    ]
)
_SKINS = np.array([[0.93, 0.78, 0.68], [0.83, 0.64, 0.51], [0.63, 0.44, 0.32], [0.40, 0.26, 0.18]])


def _swing(degrees: float, length: float) -> Floats:
    """A limb of this length that hangs down, swung forwards."""
    a = np.radians(degrees)
    return length * np.array([0.0, np.cos(a), np.sin(a)])


def quadruped(rng: np.random.Generator) -> Model:
    """Something between a dog, a horse and a calf, walking."""
    build = Builder()
    coat, second = (np.clip(c + rng.normal(0, 0.03, 3), 0.02, 0.95) for c in _COATS[rng.integers(len(_COATS), size=2)])
    leg, long, thick = rng.uniform(0.55, 0.95), rng.uniform(0.55, 0.75), rng.uniform(0.20, 0.30)
    wide = thick * rng.uniform(0.75, 0.95)
    build.add(Ellipsoid(np.array([0, -leg - 0.4 * thick, 0]), np.diag([wide, thick * 0.95, long]), coat, "trunk"))
    chest = np.array([0, -leg - 0.45 * thick, 0.62 * long])
    rump = np.array([0, -leg - 0.5 * thick, -0.62 * long])
    build.add(Ellipsoid(chest, np.diag([wide, thick * 1.05, 0.3]), coat, "trunk"))
    build.add(Ellipsoid(rump, np.diag([wide * 0.95, thick, 0.3]), coat, "trunk"))
    stride = rng.uniform(5, 38)
    for end, z, phase in (("front", 0.62 * long, 0.0), ("hind", -0.64 * long, np.pi)):
        for side, s in SIDES:
            swing = stride * np.sin(
                rng.uniform(0, 2 * np.pi) if rng.random() < 0.2 else phase + (0 if s > 0 else np.pi)
            )
            _leg(
                build,
                f"{end}_{side}",
                np.array([s * 0.62 * wide, -leg, z]),
                leg,
                float(swing),
                coat,
                second,
                end == "hind",
            )
    nod = _head(build, rng, chest, thick, coat, second)
    root = moved(rump, 0, -0.6 * thick, -0.24)
    lift = rng.uniform(-70, 75)
    tip = root - _swing(lift, rng.uniform(0.25, 0.6)) * [1, -1, 1]
    middle = moved((root + tip) / 2, 0, 0.06, -0.03)
    build.add(tube(root, middle, (0.07, 0.045), coat, "tail"), tube(middle, tip, (0.045, 0.03), second, "tail"))
    build.mark("tail_base", root, "tail", "trunk")
    build.mark("tail_tip", tip, "tail")
    return build.model(1.0, True, stride=float(stride), neck=nod)


def _leg(
    build: Builder, name: str, hip: Floats, length: float, swing: float, coat: Floats, sock: Floats, hind: bool
) -> None:
    """Thigh, shank and paw; the hind knee bends the other way."""
    bend = (12 + 0.5 * abs(swing)) * (-1 if hind else 1)
    knee = hip + _swing(swing + bend, 0.5 * length)
    foot = knee + _swing(swing - bend, 0.5 * length)
    foot[1] = min(foot[1], -0.03)
    build.add(tube(moved(hip, 0, -0.05, 0), knee, (0.13 if hind else 0.11, 0.065), coat, f"{name}_thigh"))
    build.add(tube(knee, foot, (0.06, 0.045), coat, f"{name}_shank"))
    build.add(tube(foot, moved(foot, 0, 0.0, 0.06), (0.05, 0.045), sock, f"{name}_paw"))
    build.mark(f"{name}_knee", knee, f"{name}_thigh", f"{name}_shank")
    build.mark(f"{name}_paw", foot, f"{name}_paw", f"{name}_shank")


def _head(build: Builder, rng: np.random.Generator, chest: Floats, thick: float, coat: Floats, second: Floats) -> float:
    """Neck and head with ears, eyes and muzzle; returns how far the neck leans forwards, in degrees."""
    lean = float(rng.uniform(10, 75))
    length = rng.uniform(0.30, 0.65)
    root = moved(chest, 0, -0.5 * thick, 0.12)
    poll = root - _swing(lean, length) * [1, 1, -1]
    build.add(tube(moved(root, 0, 0.1, -0.05), poll, (0.75 * thick, 0.13), coat, "neck"))
    turn = about_y(float(rng.uniform(-50, 50))) @ about_x(float(rng.uniform(-25, 10)))
    size, snout = rng.uniform(0.13, 0.17), rng.uniform(0.16, 0.34)

    def at(x: float, y: float, z: float) -> Floats:
        return np.asarray(poll + turn @ np.array([x, y, z]))

    build.add(Ellipsoid(at(0, 0, 0.06), (turn @ np.diag([size, size, size * 1.25])).T, coat, "head"))
    build.add(
        tube(at(0, 0.03, 0.14), at(0, 0.07, 0.14 + snout), (0.65 * size, 0.42 * size), mix(coat, second, 0.5), "muzzle")
    )
    build.add(ball(at(0, 0.04, 0.17 + snout + 0.25 * size), 0.25 * size, _DARK, "nose", 0.25))
    build.mark("nose", at(0, 0.04, 0.17 + snout + 0.25 * size), "nose")
    build.mark("neck", root, "neck", "trunk")
    tall, spread = rng.uniform(0.12, 0.28), rng.uniform(0.4, 1.1)
    for side, s in SIDES:
        eye = at(s * 0.68 * size, -0.32 * size, 0.06 + 0.95 * size)
        build.add(ball(eye, 0.17 * size, _DARK, f"{side}_eye", 0.4))
        build.mark(f"{side}_eye", eye, f"{side}_eye")
        foot, tip = (
            at(s * 0.6 * size, -0.75 * size, 0.0),
            at(s * (0.6 * size + spread * 0.15), -0.75 * size - tall * (1.15 - spread), -0.02),
        )
        build.add(tube(foot, tip, (0.42 * size, 0.12 * size), second, f"{side}_ear"))
        build.mark(f"{side}_ear", tip, f"{side}_ear")
    return lean


def about_y(degrees: float) -> Floats:
    """Rotation (3, 3) that turns what points forwards to the model's left."""
    a = np.radians(degrees)
    return np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])


def bird(rng: np.random.Generator) -> Model:
    """A bird that stands, its wings folded or raised."""
    build = Builder()
    back, front, beak = (random_colour(rng) for _ in range(3))
    beak = mix(beak, (0.85, 0.55, 0.15), 0.6)
    upright, fat, leg = float(rng.uniform(15, 60)), rng.uniform(0.24, 0.32), rng.uniform(0.2, 0.45)
    tilt = about_x(upright)
    middle = np.array([0, -leg - fat, 0])

    def at(x: float, y: float, z: float) -> Floats:
        return np.asarray(middle + tilt @ np.array([x, y, z]))

    build.add(Ellipsoid(middle, (tilt @ np.diag([fat, fat, 0.48])).T, back, "trunk"))
    build.add(Ellipsoid(at(0, 0.3 * fat, 0.08), (tilt @ np.diag([0.85 * fat, 0.80 * fat, 0.40])).T, front, "breast"))
    head, size = at(0, -0.12, 0.52), rng.uniform(0.15, 0.20)
    build.add(tube(at(0, -0.02, 0.30), head, (0.75 * fat, 0.85 * size), back, "neck"))
    _bird_head(build, rng, head, size, back, beak)
    build.mark("breast", at(0, 0.75 * fat, 0.28), "breast", "trunk")
    build.mark("belly", at(0, 1.0 * fat, -0.10), "breast", "trunk")
    build.mark("back", at(0, -0.98 * fat, 0.0), "trunk", "left_wing", "right_wing")
    raised = float(rng.choice([0.0, rng.uniform(20, 80)], p=[0.65, 0.35]))
    for side, s in SIDES:
        _wing(build, f"{side}_wing", at, s, fat, raised, mix(back, _DARK, 0.35))
        hip, foot = at(s * 0.45 * fat, 0.8 * fat, -0.05), np.array([s * 0.5 * fat, -0.02, middle[2] + 0.02])
        build.add(
            tube(hip, foot, (0.05, 0.02), beak, f"{side}_leg"),
            tube(foot, moved(foot, 0, 0, 0.12), (0.02, 0.015), beak, f"{side}_leg"),
        )
        build.mark(f"{side}_foot", foot, f"{side}_leg")
    length = rng.uniform(0.25, 0.6)
    tail = [
        at(-0.07, -0.05, -0.40),
        at(0.07, -0.05, -0.40),
        at(0.12, -0.02, -0.42 - length),
        at(-0.12, -0.02, -0.42 - length),
    ]
    build.add(plate(tail, mix(back, _DARK, 0.5), "tail"))
    build.mark("tail", at(0, -0.02, -0.40 - length), "tail")
    return build.model(0.8, True, upright=upright, wings=raised)


def _bird_head(build: Builder, rng: np.random.Generator, head: Floats, size: float, rgb: Floats, beak: Floats) -> None:
    turn = about_y(float(rng.uniform(-70, 70)))
    build.add(ball(head, size, rgb, "head"))
    length = rng.uniform(0.10, 0.32)
    tip = head + turn @ np.array([0, 0.04, 0.8 * size + length])
    build.add(tube(head + turn @ np.array([0, 0.02, 0.75 * size]), tip, (0.35 * size, 0.012), beak, "beak"))
    build.mark("beak", tip, "beak")
    build.mark("crown", moved(head, 0, -0.95 * size, 0), "head")
    build.mark("nape", head + turn @ np.array([0, 0, -0.9 * size]), "head", "neck")
    for side, s in SIDES:
        eye = head + turn @ np.array([s * 0.80 * size, -0.2 * size, 0.58 * size])
        build.add(ball(eye, 0.17 * size, _DARK, f"{side}_eye", 0.5))
        build.mark(f"{side}_eye", eye, f"{side}_eye")


def _wing(
    build: Builder,
    name: str,
    at: Callable[[float, float, float], Floats],
    s: float,
    fat: float,
    raised: float,
    rgb: Floats,
) -> None:
    """A wing folded along the body, or raised by so many degrees."""
    if raised == 0:
        half = np.stack([at(0.05 * s, 0, 0), at(0, 0.62 * fat, 0), at(0, 0, 0.42)]) - at(0, 0, 0)
        build.add(Ellipsoid(at(s * 0.92 * fat, -0.12 * fat, -0.10), half, rgb, name))
        build.mark(name, at(s * 0.95 * fat, -0.12 * fat, -0.10), name)
        return
    a = np.radians(raised)
    across, up = np.cos(a), -np.sin(a)
    reach = [(0.0, 0.28), (0.55, 0.34), (1.0, 0.02), (0.85, -0.22), (0.45, -0.28), (0.0, -0.25)]
    feathers = [at(s * (0.75 * fat + r * across * 0.9), -0.3 * fat + r * up * 0.9, z) for r, z in reach]
    build.add(plate(feathers, rgb, name))
    build.mark(name, feathers[2], name)


def person(rng: np.random.Generator) -> Model:
    """A person who walks, waves or stands."""
    build = Builder()
    skin = _SKINS[rng.integers(len(_SKINS))]
    shirt, trousers, shoes = (random_colour(rng) for _ in range(3))
    hair = _COATS[rng.integers(len(_COATS))] * 0.8
    leg, trunk, wide = rng.uniform(0.85, 0.98), rng.uniform(0.55, 0.65), rng.uniform(0.19, 0.24)
    hips, neck = np.array([0, -leg, 0]), np.array([0, -leg - trunk, 0])
    build.add(tube(moved(hips, 0, -0.10, 0), moved(neck, 0, 0.19, 0), (0.68 * wide, 0.80 * wide), shirt, "trunk"))
    build.add(Ellipsoid(moved(neck, 0, 0.13, 0), np.diag([1.12 * wide, 0.16, 0.13]), shirt, "trunk"))
    build.add(Ellipsoid(moved(hips, 0, 0.02, 0), np.diag([0.80 * wide, 0.15, 0.70 * wide]), trousers, "trunk"))
    head = moved(neck, 0, -0.20, 0.02)
    turn = about_y(float(rng.uniform(-45, 45)))
    build.add(tube(moved(neck, 0, 0.05, 0), head, (0.07, 0.06), skin, "neck"))
    build.add(Ellipsoid(head, (turn @ np.diag([0.105, 0.14, 0.12])).T, skin, "head"))
    build.add(
        Ellipsoid(head + turn @ np.array([0, -0.045, -0.03]), (turn @ np.diag([0.115, 0.115, 0.118])).T, hair, "hair")
    )
    nose = head + turn @ np.array([0, 0.015, 0.125])
    build.add(ball(nose, 0.02, skin * 0.92, "nose"))
    build.mark("nose", nose, "nose", "head")
    build.mark("crown", moved(head, 0, -0.15, -0.02), "hair", "head")
    for side, s in SIDES:
        eye = head + turn @ np.array([s * 0.04, -0.02, 0.112])
        build.add(ball(eye, 0.014, _DARK, f"{side}_eye", 0.4))
        build.mark(f"{side}_eye", eye, f"{side}_eye")
        _limb(build, side, "arm", moved(neck, s * 1.05 * wide, 0.07, 0), rng, (shirt, skin, skin))
        _limb(build, side, "leg", moved(hips, s * 0.5 * wide, 0.03, 0), rng, (trousers, trousers, shoes), leg)
    return build.model(0.3, True)


_JOINTS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}


def _limb(
    build: Builder,
    side: str,
    kind: str,
    root: Floats,
    rng: np.random.Generator,
    rgb: tuple[Floats, Floats, Floats],
    leg: float = 0.9,
) -> None:
    """An arm or a leg of two pieces with a hand or a foot."""
    s = 1.0 if side == "left" else -1.0
    arm = kind == "arm"
    swing = float(rng.uniform(-40, 150) if arm and rng.random() < 0.3 else rng.normal(0, 22))
    bend = float(rng.uniform(0, 90) if arm else rng.uniform(-35, 0))
    half = 0.29 if arm else 0.5 * leg - 0.03
    out = np.array([s * (rng.uniform(0.03, 0.22) if arm else rng.uniform(0.0, 0.08)), 0, 0])
    middle = root + _swing(swing, half) + out
    end = middle + _swing(swing + bend, half) + 0.3 * out
    thick = (0.065, 0.045, 0.038) if arm else (0.095, 0.065, 0.05)
    first, second, last = f"{side}_upper_{kind}", f"{side}_lower_{kind}", f"{side}_{'hand' if arm else 'foot'}"
    build.add(tube(root, middle, thick[:2], rgb[0], first), tube(middle, end, thick[1:], rgb[1], second))
    reach = _swing(swing + bend, 0.08) if arm else np.array([0, 0.02, 0.14])
    build.add(tube(end, end + reach, (0.045, 0.035), rgb[2], last))
    for joint, point, owners in zip(
        _JOINTS[kind], (root, middle, end), ((first, "trunk"), (first, second), (second, last)), strict=True
    ):
        build.mark(f"{side}_{joint}", point, *owners)
