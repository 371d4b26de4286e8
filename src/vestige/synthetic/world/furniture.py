"""What stands in rooms: how each kind of object is put together, in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vestige.synthetic.light import random_colour
from vestige.synthetic.world.sketch import Colour, Part, Sketch

Random = np.random.Generator
Painter = Callable[[Sketch, Random], None]

WHITE: Colour = (0.93, 0.93, 0.91)
DARK: Colour = (0.13, 0.13, 0.15)
GLASS: Colour = (0.62, 0.78, 0.88)


def near(rng: Random, rgb: Colour, spread: float = 0.07) -> Colour:
    """A colour like another one."""
    r, g, b = np.clip(np.array(rgb) * (1 + rng.normal(0, spread)) + rng.normal(0, spread / 2, 3), 0, 1).tolist()
    return r, g, b


def any_colour(rng: Random) -> Colour:
    """Any colour, as of paint or cloth."""
    r, g, b = random_colour(rng).tolist()
    return r, g, b


def darker(rgb: Colour, factor: float) -> Colour:
    """A colour times a factor."""
    return rgb[0] * factor, rgb[1] * factor, rgb[2] * factor


def wood(rng: Random) -> Colour:
    """A colour of wood, from pale to dark."""
    shade = rng.uniform(0.45, 1.0)
    return near(rng, (0.78 * shade, 0.56 * shade, 0.34 * shade), 0.05)


def bed(s: Sketch, rng: Random) -> None:
    """Seen from its foot: frame, mattress, blanket, pillows, and the board at its head."""
    width, length, height = rng.uniform(1.3, 2.0), 2.1, rng.uniform(0.3, 0.42)
    frame, cover = wood(rng), any_colour(rng)
    x0, x1 = -width / 2, width / 2
    s.box((x0, x1), (0, height + rng.uniform(0.5, 0.8)), (length, length + 0.1), frame)
    s.box((x0, x1), (0.05, height), (0, length), frame)
    s.box((x0 + 0.03, x1 - 0.03), (height, height + 0.2), (0.03, length), WHITE)
    for k in range(2 if width > 1.55 else 1):
        middle = (x0 + x1) / 2 + (k - 0.5) * width / 2 * (width > 1.55)
        s.box((middle - 0.33, middle + 0.33), (height + 0.2, height + 0.36), (length - 0.5, length - 0.05), WHITE)
    s.box((x0 - 0.02, x1 + 0.02), (height - 0.08, height + 0.26), (0.0, length * 0.68), cover)


def wardrobe(s: Sketch, rng: Random) -> None:
    """Two or three tall doors with knobs."""
    doors, height = int(rng.integers(2, 4)), rng.uniform(1.9, 2.25)
    width, rgb = 0.52 * doors, wood(rng)
    s.box((-width / 2, width / 2), (0.0, height), (0, 0.6), rgb)
    for k in range(doors):
        left = -width / 2 + k * 0.52
        s.rectangle(left + 0.04, left + 0.48, 0.14, height - 0.1, darker(rgb, 1.18), detail=True)
        s.rectangle(left + 0.10, left + 0.42, height * 0.55, height - 0.2, darker(rgb, 0.9), detail=True)
        knob = left + (0.42 if k % 2 == 0 else 0.1)
        s.disc(knob, height * 0.48, 0.035, 0.035, (0.9, 0.8, 0.45), detail=True)


def bathtub(s: Sketch, rng: Random) -> None:
    """A tub on feet, its inside seen from above, with a tap."""
    length, height = rng.uniform(1.5, 1.8), rng.uniform(0.52, 0.62)
    rgb, half = near(rng, WHITE, 0.03), length / 2
    steel = (0.62, 0.64, 0.68)
    for x in (-half * 0.7, half * 0.7):
        s.disc(x, 0.06, 0.07, 0.08, steel)
    s.flat([(-half, height), (-half * 0.84, 0.1), (half * 0.84, 0.1), (half, height)], rgb)
    s.box((-half - 0.03, half + 0.03), (height, height + 0.06), (0, 0.75), rgb)
    inside = [(-half + 0.1, 0.1), (-half + 0.1, 0.64), (half - 0.1, 0.64), (half - 0.1, 0.1)]
    s.parts.append(Part([(x, height + 0.061, z) for x, z in inside], (0.72, 0.84, 0.9), 0.9, True, True))
    s.bar((half * 0.8, height), (half * 0.8, height + 0.34), 0.06, steel, 0.7)
    s.bar((half * 0.8, height + 0.32), (half * 0.6, height + 0.3), 0.06, steel, 0.7)


def toilet(s: Sketch, rng: Random) -> None:
    """Cistern, raised lid, and bowl."""
    rgb = near(rng, WHITE, 0.03)
    s.box((-0.26, 0.26), (0.48, 0.95), (0.5, 0.7), rgb)
    s.disc(0.0, 0.72, 0.25, 0.31, darker(rgb, 0.9), 0.48)
    s.flat([(-0.16, 0.0), (0.16, 0.0), (0.12, 0.2), (0.27, 0.42), (-0.27, 0.42), (-0.12, 0.2)], rgb)
    s.disc(0.0, 0.42, 0.28, 0.11, darker(rgb, 1.02))
    s.disc(0.0, 0.425, 0.19, 0.06, (0.42, 0.52, 0.6), detail=True)
    s.rectangle(-0.06, 0.06, 0.97, 1.02, (0.6, 0.62, 0.66), 0.6)


def sink(s: Sketch, rng: Random) -> None:
    """A basin on a column, with a tap."""
    rgb, steel = near(rng, (0.86, 0.88, 0.9), 0.04), (0.6, 0.62, 0.66)
    s.bar((0, 0), (0, 0.66), 0.17, darker(rgb, 0.9), 0.3)
    s.flat([(-0.38, 0.9), (-0.25, 0.66), (0.25, 0.66), (0.38, 0.9)], rgb)
    s.disc(0.0, 0.9, 0.39, 0.09, darker(rgb, 1.05))
    s.disc(0.0, 0.9, 0.29, 0.055, (0.45, 0.5, 0.55), detail=True)
    s.bar((0, 0.92), (0, 1.2), 0.06, steel, 0.05)
    s.bar((-0.02, 1.18), (0.17, 1.13), 0.06, steel, 0.05)


def stove(s: Sketch, rng: Random) -> None:
    """A cooker: oven with a window, knobs, pots on its rings, and a hood above."""
    rgb = near(rng, (0.82, 0.83, 0.85) if rng.random() < 0.6 else (0.25, 0.25, 0.28), 0.05)
    s.box((-0.4, 0.4), (0, 0.92), (0, 0.62), rgb)
    s.rectangle(-0.34, 0.34, 0.1, 0.64, darker(rgb, 0.8), detail=True)
    s.rectangle(-0.27, 0.27, 0.2, 0.52, (0.16, 0.1, 0.08), detail=True)
    s.rectangle(-0.24, 0.24, 0.22, 0.32, (0.75, 0.38, 0.12), detail=True)
    s.bar((-0.3, 0.6), (0.3, 0.6), 0.04, (0.5, 0.5, 0.52), detail=True)
    for k in range(5):
        s.disc(-0.3 + 0.15 * k, 0.76, 0.045, 0.045, DARK, detail=True)
    pot = any_colour(rng)
    s.box((-0.3, -0.02), (0.92, 1.1), (0.2, 0.45), pot)
    s.box((-0.35, 0.35), (1.55, 1.68), (0.1, 0.6), (0.7, 0.71, 0.73))
    s.flat([(-0.35, 1.68), (0.35, 1.68), (0.14, 1.92), (-0.14, 1.92)], (0.62, 0.63, 0.65), 0.35)


def fridge(s: Sketch, rng: Random) -> None:
    """Two doors, long handles, a few notes on them."""
    height, rgb = rng.uniform(1.65, 1.95), near(rng, (0.88, 0.89, 0.9), 0.05)
    if rng.random() < 0.3:
        rgb = any_colour(rng)
    split = height * rng.uniform(0.6, 0.7)
    s.box((-0.35, 0.35), (0.03, height), (0, 0.62), rgb)
    s.rectangle(-0.35, 0.35, split - 0.015, split + 0.015, DARK, detail=True)
    for low, high in ((split - 0.5, split - 0.08), (split + 0.08, split + 0.36)):
        s.bar((-0.27, low), (-0.27, high), 0.05, (0.4, 0.41, 0.44), detail=True)
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.12, 0.22), rng.uniform(0.9, height - 0.2)
        s.rectangle(x, x + 0.09, y, y + 0.11, any_colour(rng), detail=True)


def desk(s: Sketch, rng: Random) -> None:
    """A top over a chest of drawers on one side and a panel on the other."""
    width, rgb = rng.uniform(1.3, 1.7), wood(rng)
    half = width / 2
    s.box((half - 0.07, half), (0, 0.7), (0.05, 0.7), rgb)
    s.box((-half + 0.04, -half + 0.5), (0, 0.7), (0.05, 0.7), rgb)
    for k in range(3):
        low = 0.05 + 0.21 * k
        s.rectangle(-half + 0.08, -half + 0.46, low, low + 0.18, darker(rgb, 1.2), 0.05, detail=True)
        s.bar((-half + 0.2, low + 0.1), (-half + 0.34, low + 0.1), 0.03, DARK, 0.05, detail=True)
    s.box((-half - 0.04, half + 0.04), (0.7, 0.77), (0, 0.75), darker(rgb, 1.1))


def table(s: Sketch, rng: Random) -> None:
    """A top on four legs."""
    width, rgb = rng.uniform(0.9, 1.5), wood(rng)
    half = width / 2 - 0.06
    for z in (0.7, 0.06):
        for x in (-half, half):
            s.bar((x, 0), (x, 0.68), 0.08, rgb, z)
    s.box((-width / 2, width / 2), (0.68, 0.75), (0, 0.78), rgb)


def computer(s: Sketch, rng: Random) -> None:
    """A screen that shines, on its foot, with a keyboard before it."""
    half, shine = rng.uniform(0.3, 0.42), near(rng, (0.35, 0.6, 0.9), 0.15)
    case = near(rng, (0.17, 0.17, 0.19) if rng.random() < 0.7 else (0.75, 0.74, 0.7), 0.05)
    s.box((-0.17, 0.17), (0, 0.03), (0.25, 0.45), case)
    s.bar((0, 0.02), (0, 0.2), 0.08, darker(case, 0.8), 0.36)
    s.box((-half, half), (0.14, 0.66), (0.3, 0.36), case)
    s.rectangle(-half + 0.035, half - 0.035, 0.18, 0.62, shine, 0.3, detail=True)
    for k in range(4):
        width = rng.uniform(0.2, 0.9) * (2 * half - 0.14)
        s.rectangle(-half + 0.07, -half + 0.07 + width, 0.52 - 0.1 * k, 0.57 - 0.1 * k, WHITE, 0.3, detail=True)
    s.box((-0.25, 0.25), (0, 0.035), (0, 0.17), darker(case, 1.3))


def chair(s: Sketch, rng: Random) -> None:
    """Four legs, a seat and a back of bars."""
    rgb, seat = wood(rng), any_colour(rng)
    for z in (0.45, 0.03):
        for x in (-0.2, 0.2):
            s.bar((x, 0), (x, 0.45), 0.06, rgb, z)
    s.box((-0.24, 0.24), (0.44, 0.51), (0, 0.48), seat)
    for x in (-0.21, 0.21):
        s.bar((x, 0.5), (x, 1.0), 0.06, rgb, 0.45)
    for y in (0.68, 0.82, 0.96):
        s.bar((-0.22, y), (0.22, y), 0.075, rgb, 0.45)


def lamp(s: Sketch, rng: Random) -> None:
    """A standard lamp with a lit shade."""
    height, pole = rng.uniform(1.35, 1.7), near(rng, (0.35, 0.3, 0.25), 0.1)
    shade = near(rng, (1.0, 0.86, 0.55), 0.06)
    s.disc(0, 0.03, 0.17, 0.045, pole)
    s.bar((0, 0.02), (0, height - 0.2), 0.05, pole)
    s.flat([(-0.27, height - 0.3), (0.27, height - 0.3), (0.15, height + 0.06), (-0.15, height + 0.06)], shade)
    s.disc(0, height - 0.2, 0.1, 0.09, (1.0, 0.98, 0.86), detail=True)


def plant(s: Sketch, rng: Random) -> None:
    """Long leaves out of a pot."""
    pot, green = near(rng, (0.72, 0.38, 0.24), 0.1), near(rng, (0.2, 0.52, 0.2), 0.12)
    for k in range(9):
        angle = (k - 4) * 0.27 + rng.normal(0, 0.06)
        length = rng.uniform(0.45, 0.8)
        x, y = length * np.sin(angle), 0.36 + length * np.cos(angle)
        mx, my = 0.5 * x - 0.09 * np.cos(angle), 0.36 + 0.55 * (y - 0.36)
        nx, ny = 0.5 * x + 0.09 * np.cos(angle), my
        s.flat(
            [(-0.03, 0.34), (mx, my), (x, y - abs(angle) * 0.12), (nx, ny), (0.03, 0.34)],
            darker(green, rng.uniform(0.75, 1.25)),
        )
    s.flat([(-0.15, 0.0), (0.15, 0.0), (0.21, 0.34), (-0.21, 0.34)], pot)
    s.rectangle(-0.23, 0.23, 0.32, 0.4, darker(pot, 1.1))


def picture(s: Sketch, rng: Random) -> None:
    """A landscape in a frame."""
    w, h = rng.uniform(0.28, 0.5), rng.uniform(0.22, 0.42)
    frame = (0.8, 0.65, 0.3) if rng.random() < 0.5 else near(rng, (0.25, 0.18, 0.12), 0.1)
    s.rectangle(-w, w, 0, 2 * h, frame)
    s.rectangle(-w + 0.06, w - 0.06, 0.06, 2 * h - 0.06, any_colour(rng), detail=True)
    peak = rng.uniform(-0.5, 0.5) * w
    s.detail([(-w + 0.06, 0.06), (peak, h * rng.uniform(1.0, 1.6)), (w - 0.06, 0.06)], any_colour(rng))
    s.disc(rng.uniform(-0.5, 0.5) * w, 1.45 * h, 0.06, 0.06, any_colour(rng), detail=True)


def window(s: Sketch, rng: Random) -> None:
    """Panes with the sky behind them, in a white frame with a sill."""
    w, h = rng.uniform(0.5, 0.8), rng.uniform(1.0, 1.35)
    sky = near(rng, GLASS if rng.random() < 0.75 else (0.12, 0.15, 0.3), 0.08)
    frame = near(rng, WHITE, 0.03)
    s.rectangle(-w, w, 0, h, frame)
    for x0, x1 in ((-w + 0.07, -0.035), (0.035, w - 0.07)):
        for y0, y1 in ((0.08, h * 0.6), (h * 0.6 + 0.06, h - 0.07)):
            s.rectangle(x0, x1, y0, y1, sky, detail=True)
            shine = [
                (x0, y0 + 0.6 * (y1 - y0)),
                (x0 + 0.6 * (x1 - x0), y1),
                (x0 + 0.8 * (x1 - x0), y1),
                (x0, y0 + 0.4 * (y1 - y0)),
            ]
            s.detail(shine, darker(sky, 1.15))
    s.box((-w - 0.08, w + 0.08), (-0.07, 0.0), (-0.12, 0.0), frame)


def clock(s: Sketch, rng: Random) -> None:
    """A round face with hands and hours."""
    rim = any_colour(rng)
    s.disc(0, 0.26, 0.26, 0.26, rim)
    s.disc(0, 0.26, 0.21, 0.21, WHITE, detail=True)
    for hour in range(12):
        a = hour * np.pi / 6
        s.disc(0.17 * np.sin(a), 0.26 + 0.17 * np.cos(a), 0.016, 0.016, DARK, detail=True)
    for length, width in ((0.15, 0.02), (0.1, 0.03)):
        a = rng.uniform(0, 2 * np.pi)
        s.bar((0, 0.26), (length * np.sin(a), 0.26 + length * np.cos(a)), width, DARK, detail=True)


def guitar(s: Sketch, rng: Random) -> None:
    """Standing on its end: body with a waist, sound hole, neck and head."""
    rgb = near(rng, (0.75, 0.42, 0.16), 0.12)
    s.bar((0, 0.5), (0, 1.12), 0.07, (0.25, 0.15, 0.1))
    s.rectangle(-0.06, 0.06, 1.08, 1.25, (0.2, 0.12, 0.08))
    s.disc(0, 0.22, 0.25, 0.22, rgb)
    s.disc(0, 0.5, 0.19, 0.17, rgb)
    s.disc(0, 0.45, 0.08, 0.08, DARK, detail=True)
    s.bar((0, 0.12), (0, 1.1), 0.02, (0.95, 0.93, 0.85), detail=True)
    s.bar((-0.09, 0.15), (0.09, 0.15), 0.04, DARK, detail=True)


def suitcase(s: Sketch, rng: Random) -> None:
    """A case with straps, a handle and wheels."""
    rgb = any_colour(rng)
    for x in (-0.25, 0.25):
        s.disc(x, 0.05, 0.05, 0.05, DARK)
    s.bar((-0.13, 0.7), (-0.13, 0.95), 0.035, DARK, 0.14)
    s.bar((0.13, 0.7), (0.13, 0.95), 0.035, DARK, 0.14)
    s.bar((-0.15, 0.95), (0.15, 0.95), 0.05, DARK, 0.14)
    s.box((-0.33, 0.33), (0.07, 0.74), (0, 0.28), rgb)
    for x in (-0.2, 0.2):
        s.rectangle(x - 0.03, x + 0.03, 0.07, 0.74, darker(rgb, 0.5), detail=True)


PAINTERS: dict[str, Painter] = {
    "bathtub": bathtub,
    "bed": bed,
    "chair": chair,
    "clock": clock,
    "computer": computer,
    "desk": desk,
    "fridge": fridge,
    "guitar": guitar,
    "lamp": lamp,
    "picture": picture,
    "plant": plant,
    "sink": sink,
    "stove": stove,
    "suitcase": suitcase,
    "table": table,
    "toilet": toilet,
    "wardrobe": wardrobe,
    "window": window,
}
