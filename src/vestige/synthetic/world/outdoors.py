"""What grows, stands and moves outside, and who goes everywhere: how each kind is put together, in metres."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from vestige.synthetic.world.furniture import DARK, GLASS, WHITE, Painter, Random, any_colour, darker, near
from vestige.synthetic.world.sketch import Colour, Sketch


def tree(s: Sketch, rng: Random) -> None:
    """A trunk with branches and a round crown of leaves."""
    height, green = rng.uniform(3.2, 5.5), near(rng, (0.3, 0.5, 0.16), 0.14)
    if rng.random() < 0.25:
        green = near(rng, (0.72, 0.42, 0.12), 0.12)  # in autumn
    bark = near(rng, (0.36, 0.26, 0.17), 0.1)
    s.flat([(-0.22, 0), (0.22, 0), (0.11, height * 0.6), (-0.11, height * 0.6)], bark)
    for side in (-1, 1):
        s.bar((0, height * 0.38), (side * 0.7, height * 0.6), 0.1, bark)
    for _ in range(6):
        x, y = rng.normal(0, 0.65), height * (0.74 + rng.normal(0, 0.07))
        s.blob(rng, x, y, rng.uniform(0.7, 1.05), rng.uniform(0.6, 0.9), darker(green, rng.uniform(0.75, 1.2)))


def pine(s: Sketch, rng: Random) -> None:
    """A trunk and tiers of needles that narrow towards the tip."""
    height, green = rng.uniform(4.0, 7.0), near(rng, (0.09, 0.31, 0.2), 0.12)
    s.rectangle(-0.14, 0.14, 0, height * 0.25, near(rng, (0.32, 0.22, 0.15), 0.1))
    tiers, wide = 5, height * rng.uniform(0.22, 0.28)
    for k in range(tiers):
        low = height * (0.14 + 0.17 * k)
        half, tip = wide * (1 - 0.175 * k), min(low + height * 0.3, height)
        teeth = [
            (half * t, low + (0.06 * height if i % 2 else 0)) for i, t in enumerate(np.linspace(-1, 1, 9).tolist())
        ]
        s.flat([*teeth, (0, tip)], darker(green, 0.8 + 0.11 * k))


def bush(s: Sketch, rng: Random) -> None:
    """A low heap of leaves, sometimes in flower."""
    green = near(rng, (0.27, 0.46, 0.2), 0.12)
    middles = []
    for _ in range(5):
        x, h = rng.normal(0, 0.42), rng.uniform(0.3, 0.5)
        middles.append((x, h * 0.9))
        s.blob(rng, x, h * 0.9, rng.uniform(0.35, 0.55), h, darker(green, rng.uniform(0.75, 1.2)))
    if rng.random() < 0.4:
        flower = any_colour(rng)
        for x, y in middles * 2:
            s.disc(x + rng.uniform(-0.15, 0.15), y + rng.uniform(-0.1, 0.1), 0.045, 0.045, flower, detail=True)


def palm(s: Sketch, rng: Random) -> None:
    """A thin bent trunk with a star of hanging leaves."""
    height, lean = rng.uniform(3.2, 4.8), rng.normal(0, 0.5)
    bark, green = near(rng, (0.56, 0.43, 0.29), 0.08), near(rng, (0.26, 0.55, 0.2), 0.1)
    t = np.linspace(0, 1, 7)
    bend, half = lean * t**2, 0.17 - 0.07 * t
    left = [(float(a - w), float(height * b)) for a, w, b in zip(bend, half, t, strict=True)]
    right = [(float(a + w), float(height * b)) for a, w, b in zip(bend, half, t, strict=True)]
    s.flat([*left, *right[::-1]], bark)
    for k in range(9):
        angle, length = np.pi * (k / 8 * 1.3 - 0.15) + rng.normal(0, 0.06), rng.uniform(1.3, 1.7)
        u = np.linspace(0, 1, 6)
        spine_x = lean + length * np.cos(angle) * u
        spine_y = height + length * (np.sin(angle) * u * 0.8 - 0.6 * u**2)
        wide = 0.2 * np.sin(np.pi * np.clip(u * 0.9 + 0.08, 0, 1))
        upper = list(zip(spine_x.tolist(), (spine_y + wide).tolist(), strict=True))
        lower = list(zip(spine_x.tolist(), (spine_y - wide).tolist(), strict=True))
        s.flat([*upper, *lower[::-1]], darker(green, rng.uniform(0.75, 1.2)))
    for dx in (-0.12, 0.1):
        s.disc(lean + dx, height - 0.12, 0.11, 0.11, (0.4, 0.26, 0.12))


def mushroom(s: Sketch, rng: Random) -> None:
    """A giant toadstool with spots on its cap."""
    size = rng.uniform(0.7, 1.1)
    cap = near(rng, (0.82, 0.16, 0.12) if rng.random() < 0.75 else (0.62, 0.4, 0.22), 0.08)
    s.flat(
        [(-0.15 * size, 0), (0.15 * size, 0), (0.11 * size, 0.6 * size), (-0.11 * size, 0.6 * size)], (0.9, 0.87, 0.78)
    )
    angles = np.linspace(0, np.pi, 13)
    dome = [(float(0.5 * size * np.cos(a)), float(size * (0.5 + 0.5 * np.sin(a)))) for a in angles]
    s.flat(dome, cap)
    for x, y, r in ((-0.25, 0.66, 0.06), (0.05, 0.82, 0.08), (0.28, 0.62, 0.05), (-0.08, 0.6, 0.05)):
        s.disc(x * size, y * size, r * size, r * size * 0.85, WHITE, detail=True)


def rock(s: Sketch, rng: Random) -> None:
    """A grey boulder with a broken edge."""
    grey = near(rng, (0.5, 0.49, 0.47), 0.12)
    wide, high = rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9)
    angles = np.sort(rng.uniform(0.1, np.pi - 0.1, 6))
    ring = [(float(wide * np.cos(a)), float(high * np.sin(a) * rng.uniform(0.8, 1.05))) for a in angles]
    s.flat([(wide, 0), *ring, (-wide, 0)], grey, facing=0.6)
    s.detail([ring[1], ring[2], ring[3], (0.1 * wide, 0.35 * high)], darker(grey, 1.25))
    s.detail([(0.1 * wide, 0.35 * high), ring[3], ring[4], (-0.5 * wide, 0.15 * high)], darker(grey, 0.75))


def cloud(s: Sketch, rng: Random) -> None:
    """White puffs on a flat bottom."""
    white = near(rng, (0.95, 0.95, 0.97), 0.03)
    for x, y, r in ((-1.3, 0.35, 0.5), (-0.6, 0.6, 0.75), (0.25, 0.7, 0.85), (1.0, 0.45, 0.6), (1.5, 0.28, 0.38)):
        s.disc(x + rng.normal(0, 0.1), y, r * rng.uniform(0.85, 1.15), r * rng.uniform(0.6, 0.8), white)


def person(s: Sketch, rng: Random) -> None:
    """Head, shirt, arms and legs."""
    skin = near(rng, [(0.9, 0.72, 0.6), (0.75, 0.55, 0.4), (0.45, 0.3, 0.2)][int(rng.integers(3))], 0.06)
    shirt, trousers, hair = any_colour(rng), any_colour(rng), darker((0.5, 0.38, 0.25), rng.uniform(0.2, 1.3))
    step, swing = rng.uniform(0.05, 0.25), rng.uniform(0.1, 0.4)
    for side in (-1, 1):
        s.bar((side * 0.09, 0.85), (side * step, 0.03), 0.16, trousers)
        s.disc(side * step + 0.03, 0.04, 0.12, 0.05, DARK)
        s.bar((side * 0.2, 1.36), (side * (0.22 + swing * 0.4), 0.85), 0.1, darker(shirt, 0.9))
        s.disc(side * (0.22 + swing * 0.4), 0.82, 0.06, 0.07, skin)
    s.flat([(-0.24, 1.4), (-0.18, 0.82), (0.18, 0.82), (0.24, 1.4), (0.12, 1.47), (-0.12, 1.47)], shirt)
    s.rectangle(-0.05, 0.05, 1.42, 1.55, skin)
    s.disc(0, 1.66, 0.125, 0.15, hair)
    s.disc(0, 1.63, 0.105, 0.125, skin, detail=True)
    for side in (-1, 1):
        s.disc(side * 0.04, 1.65, 0.015, 0.018, DARK, detail=True)


def car(s: Sketch, rng: Random) -> None:
    """From its side: body, cabin with windows, two wheels, lights."""
    rgb = any_colour(rng)
    half, roof = rng.uniform(1.8, 2.15), rng.uniform(1.35, 1.55)
    s.flat(
        [(-half * 0.62, 0.8), (-half * 0.36, roof), (half * 0.3, roof), (half * 0.58, 0.85)],
        darker(rgb, 0.95),
        facing=0.85,
    )
    s.flat(
        [(-half, 0.3), (half, 0.3), (half, 0.7), (half * 0.9, 0.88), (-half * 0.95, 0.9), (-half, 0.75)],
        rgb,
        facing=0.75,
    )
    s.detail(
        [(-half * 0.54, 0.88), (-half * 0.33, roof - 0.09), (-half * 0.05, roof - 0.09), (-half * 0.05, 0.88)], GLASS
    )
    s.detail([(half * 0.02, 0.88), (half * 0.02, roof - 0.09), (half * 0.27, roof - 0.09), (half * 0.48, 0.9)], GLASS)
    s.rectangle(-0.02, 0.02, 0.35, 0.88, darker(rgb, 0.6), detail=True)
    for x in (-half * 0.6, half * 0.6):
        s.disc(x, 0.34, 0.34, 0.34, DARK)
        s.disc(x, 0.34, 0.18, 0.18, (0.7, 0.71, 0.73), detail=True)
    s.disc(half * 0.94, 0.68, 0.09, 0.08, (1.0, 0.95, 0.7), detail=True)
    s.disc(-half * 0.95, 0.7, 0.07, 0.08, (0.85, 0.1, 0.08), detail=True)


def traffic_light(s: Sketch, rng: Random) -> None:
    """A pole with a black case of three lights, one of them lit."""
    height, lit = rng.uniform(2.4, 3.0), int(rng.integers(3))
    s.bar((0, 0), (0, height), 0.14, (0.4, 0.41, 0.42))
    s.rectangle(-0.28, 0.28, height - 0.1, height + 1.3, (0.08, 0.09, 0.08), -0.05)
    for k, rgb in enumerate([(0.15, 0.9, 0.35), (1.0, 0.75, 0.1), (0.95, 0.12, 0.1)]):
        shown = rgb if k == lit else darker(rgb, 0.35)
        s.disc(0, height + 0.15 + 0.45 * k, 0.18, 0.18, shown, -0.06, detail=True)


def parasol(s: Sketch, rng: Random) -> None:
    """A striped sunshade on a pole."""
    first, second = any_colour(rng), near(rng, WHITE, 0.04)
    tilt, height = rng.normal(0, 0.12), rng.uniform(1.9, 2.3)
    s.bar((0, 0), (tilt, height), 0.07, (0.8, 0.8, 0.78))
    edges = np.linspace(-1.25, 1.25, 7)
    for k in range(6):
        x0, x1 = edges[k : k + 2].tolist()
        low0, low1 = (height - 0.45 - 0.1 * abs(x) + tilt * -0.3 * x for x in (x0, x1))
        s.flat(
            [
                (tilt, height + 0.25),
                (x0 * 0.7 + tilt, height * 0.98),
                (x0 + tilt, low0),
                ((x0 + x1) / 2 + tilt, low0 + 0.08),
                (x1 + tilt, low1),
                (x1 * 0.7 + tilt, height * 0.98),
            ],
            first if k % 2 else second,
            facing=0.95 - 0.08 * k,
        )


def barn(s: Sketch, rng: Random) -> None:
    """A red barn with a broken roof and crossed doors."""
    half, wall = rng.uniform(2.2, 2.9), rng.uniform(2.0, 2.5)
    red = near(rng, (0.62, 0.15, 0.12), 0.1)
    s.box((-half, half), (0, wall), (0, 4.0), red)
    gable = [(-half, wall), (-half * 0.68, wall + 1.2), (0, wall + 1.9), (half * 0.68, wall + 1.2), (half, wall)]
    s.flat(gable, red, facing=0.75)
    roof = (0.32, 0.31, 0.33)
    for a, b in pairwise(gable):
        s.bar(a, b, 0.22, roof)
    s.rectangle(-0.9, 0.9, 0, 1.7, darker(red, 0.75), detail=True)
    for a, b in (
        ((-0.85, 0.1), (0.85, 1.6)),
        ((-0.85, 1.6), (0.85, 0.1)),
        ((-0.9, 0), (-0.9, 1.7)),
        ((0.9, 0), (0.9, 1.7)),
    ):
        s.bar(a, b, 0.12, WHITE, detail=True)
    s.bar((-0.9, 1.7), (0.9, 1.7), 0.12, WHITE, detail=True)
    s.rectangle(-0.35, 0.35, wall + 0.3, wall + 0.95, DARK, detail=True)


def house(s: Sketch, rng: Random) -> None:
    """A pale house with a pointed roof, a door and windows."""
    half, wall = rng.uniform(2.2, 3.0), rng.uniform(2.4, 3.4)
    plaster, roof = near(rng, (0.86, 0.8, 0.68), 0.1), near(rng, (0.5, 0.27, 0.2), 0.12)
    s.box((-half, half), (0, wall), (0, 3.5), plaster)
    s.flat([(-half - 0.25, wall), (0, wall + rng.uniform(1.3, 2.0)), (half + 0.25, wall)], roof, facing=0.85)
    s.rectangle(half * 0.45, half * 0.65, wall + 0.2, wall + 1.4, darker(roof, 0.8), 0.5)
    door = any_colour(rng)
    s.rectangle(-0.42, 0.42, 0, 1.75, door, detail=True)
    s.disc(0.28, 0.85, 0.05, 0.05, (0.9, 0.8, 0.4), detail=True)
    for x in (-half * 0.62, half * 0.62):
        s.rectangle(x - 0.42, x + 0.42, 0.9, 1.8, WHITE, detail=True)
        s.rectangle(x - 0.34, x + 0.34, 0.98, 1.72, (0.3, 0.4, 0.5), detail=True)


def cow(s: Sketch, rng: Random) -> None:
    """From its side: body with patches, legs, head with horns, tail."""
    pale = near(rng, (0.92, 0.9, 0.86), 0.05)
    patch: Colour = (0.12, 0.1, 0.1) if rng.random() < 0.6 else (0.45, 0.25, 0.13)
    for x in (-0.62, -0.4, 0.42, 0.62):
        s.bar((x, 0.6), (x + rng.normal(0, 0.04), 0.04), 0.14, darker(pale, 0.8))
        s.disc(x, 0.05, 0.08, 0.06, DARK)
    s.bar((-0.85, 1.15), (-1.0, 0.55), 0.06, pale)
    s.disc(0, 0.95, 0.9, 0.42, pale)
    s.flat([(0.6, 0.8), (0.75, 1.2), (1.05, 1.45), (1.2, 1.2), (1.0, 0.9)], pale)
    s.disc(1.2, 1.25, 0.27, 0.2, pale)
    s.disc(1.4, 1.16, 0.13, 0.13, (0.85, 0.6, 0.55))
    for dx in (-0.02, 0.12):
        s.bar((1.08 + dx, 1.4), (1.02 + dx * 2, 1.62), 0.06, (0.85, 0.8, 0.65))
    s.bar((1.02, 1.38), (0.85, 1.42), 0.1, patch)
    s.disc(1.22, 1.31, 0.035, 0.04, DARK, detail=True)
    for x, y, r in ((-0.45, 1.05, 0.25), (0.1, 0.95, 0.22), (0.45, 1.1, 0.17)):
        s.disc(x + rng.normal(0, 0.06), y, r, r * 0.75, patch, detail=True)
    s.disc(-0.15, 0.56, 0.14, 0.08, (0.9, 0.65, 0.6))


def dog(s: Sketch, rng: Random) -> None:
    """A brown dog from its side, with ears and a raised tail."""
    coat = near(rng, (0.55, 0.36, 0.18), 0.1)
    for x in (-0.3, -0.18, 0.2, 0.32):
        s.bar((x, 0.35), (x + rng.normal(0, 0.03), 0.02), 0.09, darker(coat, 0.85))
    s.bar((-0.38, 0.52), (-0.6, 0.85), 0.08, coat)
    s.disc(0, 0.47, 0.45, 0.19, coat)
    s.bar((0.33, 0.5), (0.46, 0.74), 0.2, coat)
    s.disc(0.52, 0.8, 0.18, 0.16, coat)
    s.disc(0.68, 0.75, 0.12, 0.08, darker(coat, 1.15))
    s.disc(0.79, 0.77, 0.035, 0.035, DARK)
    s.flat([(0.36, 0.9), (0.42, 0.62), (0.52, 0.84)], darker(coat, 0.6))
    s.disc(0.57, 0.84, 0.025, 0.03, DARK, detail=True)


def bird(s: Sketch, rng: Random) -> None:
    """A bird in flight, its wings up."""
    rgb, lift = any_colour(rng), rng.uniform(0.3, 0.7)
    s.flat([(0.1, 0.0), (-0.2, lift), (-0.75, lift * 1.25), (-0.3, 0.0)], darker(rgb, 0.75))
    s.flat([(-0.45, 0.03), (-0.85, 0.14), (-0.8, -0.1)], darker(rgb, 0.85))
    s.disc(0, 0, 0.5, 0.16, rgb)
    s.disc(0.46, 0.1, 0.16, 0.14, rgb)
    s.flat([(0.58, 0.14), (0.8, 0.08), (0.58, 0.04)], (0.95, 0.7, 0.1))
    s.flat([(0.2, 0.03), (0.1, lift * 1.1), (-0.45, lift * 1.5), (-0.15, 0.0)], darker(rgb, 1.15))
    s.disc(0.5, 0.13, 0.03, 0.03, DARK, detail=True)


def ball(s: Sketch, rng: Random) -> None:
    """A ball of coloured sectors."""
    first, second, turn = any_colour(rng), any_colour(rng), rng.uniform(0, np.pi)
    r = 0.36
    s.disc(0, r, r, r, near(rng, WHITE, 0.03))
    for k in range(3):
        angles = turn + np.linspace(k * 2.0944, k * 2.0944 + 1.0472, 6)
        wedge = [(0.97 * r * float(np.cos(a)), r + 0.97 * r * float(np.sin(a))) for a in angles]
        s.detail([(0.0, r), *wedge], first if k % 2 else second)


def balloon(s: Sketch, rng: Random) -> None:
    """A hot-air balloon with bands of colour and its basket."""
    first, second = any_colour(rng), any_colour(rng)
    s.rectangle(-0.22, 0.22, 0, 0.35, (0.5, 0.34, 0.18))
    for side in (-1, 1):
        s.bar((side * 0.2, 0.33), (side * 0.5, 1.05), 0.05, DARK)
    s.flat([(-0.22, 0.8), (0.22, 0.8), (0.95, 1.75), (-0.95, 1.75)], first)
    s.disc(0, 2.1, 1.05, 1.05, first)
    for x in (-0.55, 0.0, 0.55):
        s.disc(x, 2.1, 0.15 if x else 0.2, 0.98 if not x else 0.82, second, detail=True)


def bicycle(s: Sketch, rng: Random) -> None:
    """Two wheels with spokes, frame, saddle and handlebar."""
    rgb, r = any_colour(rng), 0.36
    for x in (-0.55, 0.55):
        angles = np.linspace(0, 2 * np.pi, 17)
        for a, b in pairwise(angles):
            ends = [(x + r * float(np.cos(t)), r + r * float(np.sin(t))) for t in (a, b)]
            s.bar(ends[0], ends[1], 0.08, DARK)
        for t in (0.3, 1.35, 2.4):
            dx, dy = r * float(np.cos(t)), r * float(np.sin(t))
            s.bar((x - dx, r - dy), (x + dx, r + dy), 0.035, (0.75, 0.75, 0.75))
    seat, crank, head = (-0.2, 0.85), (-0.05, 0.36), (0.4, 0.9)
    for a, b in (
        (seat, crank),
        (crank, head),
        (seat, head),
        ((-0.55, r), crank),
        ((-0.55, r), seat),
        ((0.55, r), head),
    ):
        s.bar(a, b, 0.08, rgb)
    s.disc(-0.22, 0.93, 0.17, 0.06, DARK)
    s.bar((0.4, 0.88), (0.37, 1.05), 0.06, DARK)
    s.bar((0.37, 1.05), (0.58, 1.1), 0.06, DARK)


def fence(s: Sketch, rng: Random) -> None:
    """Pointed boards on two rails."""
    rgb = near(rng, WHITE if rng.random() < 0.5 else (0.55, 0.4, 0.25), 0.08)
    count, height = int(rng.integers(6, 10)), rng.uniform(0.85, 1.1)
    half = count * 0.17
    for y in (0.3, 0.7):
        s.rectangle(-half, half, y * height, (y + 0.1) * height, darker(rgb, 0.85), 0.03)
    for k in range(count):
        x = -half + 0.06 + 0.34 * k
        s.flat([(x, 0), (x + 0.2, 0), (x + 0.2, height), (x + 0.1, height + 0.14), (x, height)], rgb, facing=0.8)


PAINTERS: dict[str, Painter] = {
    "ball": ball,
    "balloon": balloon,
    "barn": barn,
    "bicycle": bicycle,
    "bird": bird,
    "bush": bush,
    "car": car,
    "cloud": cloud,
    "cow": cow,
    "dog": dog,
    "fence": fence,
    "house": house,
    "mushroom": mushroom,
    "palm": palm,
    "parasol": parasol,
    "person": person,
    "pine": pine,
    "rock": rock,
    "traffic light": traffic_light,
    "tree": tree,
}
