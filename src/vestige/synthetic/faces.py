"""Procedural photographs of faces with everything known of them: landmarks, box, mask and attributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.synthetic.backgrounds import draw_background
from vestige.synthetic.body import Torso, draw_clothes, draw_ears, draw_neck, draw_skull
from vestige.synthetic.camera import finish
from vestige.synthetic.canvas import Canvas
from vestige.synthetic.face_parts import draw_beard, draw_brows, draw_eyes, draw_glasses, draw_mouth, draw_nose
from vestige.synthetic.hair import Hair
from vestige.synthetic.head import CLASS, CLASSES, Head
from vestige.synthetic.identity import Person, draw_person
from vestige.synthetic.light import Light
from vestige.synthetic.skin import draw_skin

__all__ = ["CLASSES", "FaceSample", "draw_face"]

_SMALLEST, _LARGEST = 32, 2048  # pixels


@dataclass(frozen=True)
class FaceSample:
    """One drawn face and all that is known of it.

    Attributes:
        image: (size, size, 3) uint8, sRGB.
        keypoints: (68, 2) float64 in vestige pixel coordinates, 300-W order; points that the head hides lie on its
            visible contour. They may fall outside the picture.
        box: (4,) the tight box (x0, y0, x1, y1) of the keypoints.
        mask: (size, size) uint8, indices into CLASSES at the pixel centres. Beards are skin, clear lenses show what is
            behind them, dark lenses are glasses, teeth and tongue are mouth.
        attributes: by name. ``glasses``, ``sunglasses``, ``beard``, ``moustache``, ``bald``: 0 or 1. ``yaw``
            (positive: turned to the picture's right), ``pitch`` (positive: looks up), ``roll`` (positive: leans
            clockwise): degrees. ``smile`` from -0.4 (down) to 1, ``mouth_open`` 0 to 1, ``eye_open`` 1 at rest,
            ``brow_raise`` -0.5 to 1, ``hair_length`` 0 (bald) to 1, ``hair_brightness`` and ``skin_brightness`` 0 to 1,
            ``light_x`` (-1: light from the picture's left), all continuous.
    """

    image: NDArray[np.uint8]
    keypoints: NDArray[np.float64]
    box: NDArray[np.float64]
    mask: NDArray[np.uint8]
    attributes: dict[str, float]


def draw_face(seed: int, index: int, size: int = 224) -> FaceSample:
    """Draws face number ``index`` of the endless series ``seed`` in a square picture of ``size`` pixels.

    The same three numbers give the same bytes, whatever was drawn before and on whatever thread.
    Raises `VestigeError` if seed or index is negative or size is not in [32, 2048].
    """
    if seed < 0 or index < 0:
        raise VestigeError(f"synthetic faces: seed={seed}, index={index}; both must be 0 or more.")
    if not _SMALLEST <= size <= _LARGEST:
        raise VestigeError(f"synthetic faces: size={size}; give a side from {_SMALLEST} to {_LARGEST} pixels.")
    identity, paint = (np.random.default_rng(s) for s in np.random.SeedSequence((seed, index)).spawn(2))
    person = draw_person(identity)
    head, canvas = Head(person, size), Canvas(size)
    _draw(canvas, head, person, paint)
    landmarks = head.landmarks
    return FaceSample(
        image=finish(canvas.pixels(), paint),
        keypoints=landmarks,
        box=np.concatenate([landmarks.min(0), landmarks.max(0)]),
        mask=canvas.mask(),
        attributes=_attributes(person),
    )


def _draw(canvas: Canvas, head: Head, person: Person, rng: np.random.Generator) -> None:
    """Paints everything, from the background to the hair that hangs in front."""
    light, look = Light(person.view.lighting), person.look
    torso = Torso(head, look)
    draw_background(canvas, rng)
    hair = Hair(head, light, look, rng)
    hair.draw_back(canvas)
    draw_neck(canvas, head, light, look, torso)
    draw_clothes(canvas, light, look, torso, rng)
    draw_skull(canvas, head, light, look)
    draw_ears(canvas, head, light, look)
    canvas.stamp(draw_skin(canvas, head, light, look, rng), CLASS["skin"])
    draw_nose(canvas, head, light, look)
    draw_brows(canvas, head, look, rng)
    draw_eyes(canvas, head, light, look)
    draw_beard(canvas, head, light, look, rng)
    draw_mouth(canvas, head, light, look)
    draw_glasses(canvas, head, light, look)
    hair.draw_front(canvas)


def _attributes(person: Person) -> dict[str, float]:
    look, view, expression = person.look, person.view, person.expression
    reach = {"bald": 0.0, "buzz": 0.1, "bob": 0.6, "long": 1.0, "wavy": 1.0}
    return {
        "glasses": float(look.glasses != "none"),
        "sunglasses": float(look.glasses == "sunglasses"),
        "beard": float(look.beard > 0),
        "moustache": float(look.moustache > 0),
        "bald": float(look.hair_style == "bald"),
        "yaw": view.yaw,
        "pitch": view.pitch,
        "roll": view.roll,
        "smile": expression.smile,
        "mouth_open": expression.mouth_open,
        "eye_open": expression.eye_open,
        "brow_raise": expression.brow_raise,
        "hair_length": reach.get(look.hair_style, 0.3),
        "hair_brightness": float(look.hair.mean()),
        "skin_brightness": float(look.skin.mean()),
        "light_x": float(view.lighting.direction[0]),
    }
