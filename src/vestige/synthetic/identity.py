"""The random numbers of one face: who it is, what it looks like, and how it was photographed.

Lengths are in units of half the width of the face (about 70 mm), measured in the frontal plane of the head with x to
the picture's right, y down and the line between the eyes at y = 0; z points from the head to the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vestige.synthetic.canvas import Floats
from vestige.synthetic.light import Lighting, draw_lighting, random_colour

HAIR_STYLES = ("bald", "buzz", "short", "parted", "fringe", "curly", "bob", "long", "wavy", "bun")
LONG_HAIR = ("bob", "long", "wavy")
GLASSES = ("none", "round", "rectangular", "half-rim", "thick", "sunglasses")
CLOTHES = ("crew", "v-neck", "shirt", "suit", "hoodie")

# sRGB of skin from light to dark, of hair from black over red to white.
_SKIN = np.array(
    [
        [0.960, 0.830, 0.760], [0.930, 0.775, 0.680], [0.890, 0.715, 0.600], [0.830, 0.640, 0.510],
        [0.745, 0.545, 0.410], [0.630, 0.435, 0.315], [0.500, 0.330, 0.235], [0.380, 0.245, 0.175],
    ]
)  # fmt: skip
_HAIR = np.array(
    [
        [0.075, 0.065, 0.065], [0.120, 0.090, 0.075], [0.200, 0.130, 0.090], [0.310, 0.200, 0.125],
        [0.450, 0.310, 0.190], [0.590, 0.460, 0.320], [0.740, 0.630, 0.470], [0.480, 0.220, 0.110],
        [0.520, 0.500, 0.490], [0.800, 0.790, 0.770],
    ]
)  # fmt: skip
_HAIR_SHARE_LIGHT = np.array([0.08, 0.12, 0.16, 0.17, 0.13, 0.10, 0.08, 0.06, 0.06, 0.04])
_HAIR_SHARE_DARK = np.array([0.55, 0.25, 0.08, 0.02, 0.0, 0.0, 0.0, 0.0, 0.06, 0.04])
_IRIS = np.array([[0.23, 0.13, 0.07], [0.36, 0.22, 0.11], [0.42, 0.36, 0.17], [0.33, 0.43, 0.30], [0.33, 0.47, 0.60]])


@dataclass(frozen=True)
class Shape:
    """The permanent proportions of a head."""

    chin: float  # y of the chin's lowest point
    top: float  # y of the crown, negative
    hairline: float  # y of the hairline at the middle, negative
    jaw_power: float  # how low the jaw stays wide
    chin_power: float  # how round the chin is; larger is more pointed
    eye_x: float
    eye_width: float
    eye_height: float
    eye_tilt: float  # outer corner above the inner one
    brow_y: float
    brow_arch: float
    brow_tilt: float
    brow_thickness: float
    nose_length: float  # y of the nose's base
    nose_width: float
    nose_height: float  # how far the tip stands out
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    cheek: float
    brow_ridge: float
    ear: float
    sides: tuple[float, float]  # small differences between the halves: (of heights, of widths)


@dataclass(frozen=True)
class Expression:
    """The face of the moment; smile in [-0.4, 1], mouth_open and eye_open from 0, brow_raise in [-0.5, 1]."""

    smile: float
    mouth_open: float
    brow_raise: float
    eye_open: float
    gaze: tuple[float, float]


@dataclass(frozen=True)
class Look:
    """Colours and everything that can be put on or cut off; rgb in sRGB [0, 1]."""

    masculine: float
    age: float
    skin: Floats
    hair: Floats
    iris: Floats
    lips: Floats
    hair_style: str
    hair_volume: float
    hair_length: float  # y that the hair reaches down to
    hair_part: float  # x of the parting
    beard: float  # 0 shaven ... 1 full
    moustache: float
    stubble: float
    freckles: float
    makeup: float
    glasses: str
    glasses_colour: Floats
    clothes: str
    cloth_colour: Floats
    second_colour: Floats


@dataclass(frozen=True)
class View:
    """Camera and lighting; degrees, ``centre`` and ``scale`` (pixels per unit) as fractions of the picture."""

    yaw: float
    pitch: float
    roll: float
    distance: float
    centre: tuple[float, float]
    scale: float
    lighting: Lighting


@dataclass(frozen=True)
class Person:
    """All of one face's random numbers."""

    shape: Shape
    expression: Expression
    look: Look
    view: View


def draw_person(rng: np.random.Generator) -> Person:
    """Draws one face's numbers; every face is an independent draw."""
    masculine = float(rng.beta(0.8, 0.8))
    return Person(_shape(rng, masculine), _expression(rng), _look(rng, masculine), _view(rng))


def _around(rng: np.random.Generator, mean: float, sd: float) -> float:
    """A normal number, kept within 2.2 standard deviations so that no face becomes a caricature."""
    return mean + sd * min(max(float(rng.normal()), -2.2), 2.2)


def _shape(rng: np.random.Generator, masculine: float) -> Shape:
    m = masculine - 0.5
    nose = _around(rng, 0.66, 0.045)
    chin = _around(rng, 1.66 + 0.08 * m, 0.08)
    return Shape(
        chin=chin,
        top=_around(rng, -1.52, 0.06),
        hairline=_around(rng, -0.98, 0.08),
        jaw_power=_around(rng, 2.75 + 0.6 * m, 0.3),
        chin_power=_around(rng, 1.55 + 0.2 * m, 0.16),
        eye_x=_around(rng, 0.455, 0.022),
        eye_width=_around(rng, 0.395, 0.022),
        eye_height=_around(rng, 0.150 - 0.03 * m, 0.018),
        eye_tilt=_around(rng, 0.018 - 0.02 * m, 0.018),
        brow_y=_around(rng, -0.315 + 0.05 * m, 0.035),
        brow_arch=_around(rng, 0.085 - 0.05 * m, 0.025),
        brow_tilt=_around(rng, 0.01, 0.035),
        brow_thickness=_around(rng, 0.085 + 0.05 * m, 0.018),
        nose_length=nose,
        nose_width=_around(rng, 0.245 + 0.03 * m, 0.028),
        nose_height=_around(rng, 0.40 + 0.03 * m, 0.05),
        mouth_y=nose + _around(rng, 0.33, 0.03) * (chin - nose),
        mouth_width=_around(rng, 0.365, 0.03),
        upper_lip=_around(rng, 0.100 - 0.02 * m, 0.020),
        lower_lip=_around(rng, 0.140 - 0.02 * m, 0.024),
        cheek=_around(rng, 0.06 - 0.02 * m, 0.02),
        brow_ridge=_around(rng, 0.04 + 0.05 * m, 0.015),
        ear=_around(rng, 1.0, 0.1),
        sides=(_around(rng, 0, 0.008), _around(rng, 0, 0.012)),
    )


def _expression(rng: np.random.Generator) -> Expression:
    smile = float(
        rng.choice([_around(rng, 0.0, 0.08), rng.uniform(0.25, 1.0), rng.uniform(-0.4, 0.0)], p=[0.3, 0.5, 0.2])
    )
    mouth_open = float(rng.choice([0.0, rng.uniform(0.08, 0.45), rng.uniform(0.45, 1.0)], p=[0.55, 0.3, 0.15]))
    eye_open = float(rng.choice([_around(rng, 1.0, 0.1), rng.uniform(0.12, 0.6)], p=[0.86, 0.14]))
    return Expression(
        smile=smile,
        mouth_open=mouth_open,
        brow_raise=float(rng.choice([_around(rng, 0, 0.12), rng.uniform(-0.5, 1.0)], p=[0.6, 0.4])),
        eye_open=eye_open * (1 - 0.18 * max(smile, 0)),
        gaze=(_around(rng, 0, 0.35), _around(rng, 0, 0.2)),
    )


def _look(rng: np.random.Generator, masculine: float) -> Look:
    tone = float(rng.uniform(0, len(_SKIN) - 1))
    skin = np.array([np.interp(tone, np.arange(len(_SKIN)), c) for c in _SKIN.T]) + rng.normal(0, 0.012, 3)
    dark = tone / (len(_SKIN) - 1)
    share = (1 - dark) * _HAIR_SHARE_LIGHT + dark * _HAIR_SHARE_DARK
    kind = int(rng.choice(len(_HAIR), p=share / share.sum()))
    age = float(np.clip(rng.beta(1.4, 2.2) + (0.35 if kind >= 8 else 0.0), 0, 1))
    male = rng.random() < masculine
    style = str(rng.choice(HAIR_STYLES, p=_style_share(male, dark)))
    beard = float(rng.uniform(0.45, 1.0)) if male and rng.random() < 0.38 else 0.0
    moustache = beard if beard else float(rng.uniform(0.5, 1.0)) if male and rng.random() < 0.12 else 0.0
    lips = skin * [0.86, 0.62, 0.62] + rng.normal(0, 0.02, 3)
    makeup = float(rng.uniform(0.2, 1.0)) if not male and rng.random() < 0.6 else 0.0
    lipstick = np.array([rng.uniform(0.5, 0.8), rng.uniform(0.08, 0.3), rng.uniform(0.15, 0.35)])
    return Look(
        masculine=float(male),
        age=age,
        skin=np.clip(skin, 0.05, 0.98),
        hair=np.clip(_HAIR[kind] * rng.uniform(0.8, 1.25) + rng.normal(0, 0.01, 3), 0.03, 0.95),
        iris=np.clip(_IRIS[min(int(rng.integers(len(_IRIS))), int(5 * (1.15 - dark)))] + rng.normal(0, 0.03, 3), 0, 1),
        lips=np.clip(lips * (1 - 0.7 * makeup) + lipstick * 0.7 * makeup, 0, 1),
        hair_style=style,
        hair_volume=float(rng.uniform(0.0, 1.0)),
        hair_length=float(rng.uniform(0.9, 1.6) if style == "bob" else rng.uniform(1.7, 2.9)),
        hair_part=float(rng.uniform(-0.6, 0.6)),
        beard=beard,
        moustache=moustache,
        stubble=float(rng.uniform(0.1, 0.8)) if male and not beard and rng.random() < 0.6 else 0.0,
        freckles=float(rng.uniform(0.3, 1.0)) if dark < 0.5 and rng.random() < 0.15 else 0.0,
        makeup=makeup,
        glasses=str(rng.choice(GLASSES, p=[0.68, 0.07, 0.08, 0.05, 0.06, 0.06])),
        glasses_colour=np.clip(rng.choice(_FRAMES) + rng.normal(0, 0.03, 3), 0, 1),
        clothes=str(rng.choice(CLOTHES)),
        cloth_colour=random_colour(rng),
        second_colour=random_colour(rng),
    )


_FRAMES = np.array(
    [
        [0.05, 0.05, 0.06],
        [0.25, 0.13, 0.07],
        [0.55, 0.45, 0.25],
        [0.45, 0.46, 0.48],
        [0.40, 0.06, 0.08],
        [0.08, 0.12, 0.30],
    ]
)


def _style_share(male: bool, dark: float) -> Floats:
    """Probabilities of HAIR_STYLES."""
    if male:
        share = np.array([0.13, 0.18 + 0.15 * dark, 0.26, 0.17, 0.07, 0.07 + 0.1 * dark, 0.02, 0.03, 0.03, 0.02])
    else:
        share = np.array([0.01, 0.02, 0.08, 0.06, 0.08, 0.06 + 0.15 * dark, 0.17, 0.22, 0.18, 0.12])
    return np.asarray(share / share.sum())


def _view(rng: np.random.Generator) -> View:
    return View(
        yaw=_around(rng, 0, 15.5),
        pitch=_around(rng, 0, 8.0),
        roll=_around(rng, 0, 8.0),
        distance=float(rng.uniform(7, 20)),
        centre=(_around(rng, 0.5, 0.045), _around(rng, 0.5, 0.04)),
        scale=float(rng.uniform(0.20, 0.30)),
        lighting=draw_lighting(rng),
    )
