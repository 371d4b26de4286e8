"""Procedural photographs of jointed objects of several categories with keypoints, boxes and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import skia
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.synthetic.backgrounds import draw_background
from vestige.synthetic.camera import finish
from vestige.synthetic.canvas import Canvas, Floats, fill, polygon, shaded, smooth_outline
from vestige.synthetic.creatures import bird, person, quadruped
from vestige.synthetic.light import Light, draw_lighting
from vestige.synthetic.models import Model, aeroplane, car, chair, lamp
from vestige.synthetic.noise import noise_picture
from vestige.synthetic.solids import Camera, Solid, look_from

__all__ = ["OBJECT_CLASSES", "OBJECT_KEYPOINTS", "VOID", "ObjectSample", "draw_object"]

VOID = 255
_SMALLEST, _LARGEST = 32, 2048  # pixels

_MODELS: dict[str, Callable[[np.random.Generator], Model]] = {
    "aeroplane": aeroplane,
    "bird": bird,
    "car": car,
    "chair": chair,
    "lamp": lamp,
    "person": person,
    "quadruped": quadruped,
}
OBJECT_CLASSES = ("background", *_MODELS)
OBJECT_KEYPOINTS: dict[str, tuple[str, ...]] = {
    name: tuple(make(np.random.default_rng(0)).keypoints) for name, make in _MODELS.items()
}
"""For each category the names of its keypoints; left and right are the object's own."""


@dataclass(frozen=True)
class ObjectSample:
    """One drawn object and all that is known of it.

    Attributes:
        image: (size, size, 3) uint8, sRGB.
        category: one of OBJECT_CLASSES but the first.
        keypoints: (K, 2) float64 in vestige pixel coordinates, in the order of ``OBJECT_KEYPOINTS[category]``; known,
            and given, also where they are hidden or outside the picture.
        visible: (K,) whether a keypoint is in the picture and nothing hides it.
        box: (4,) tight box (x0, y0, x1, y1) of the object's visible pixels.
        mask: (size, size) uint8, indices into OBJECT_CLASSES at the pixel centres, VOID along the border if asked for.
        attributes: ``yaw`` (0: faces the viewer, positive: turned to the picture's right, in (-180, 180]),
            ``elevation`` of the viewer, ``roll`` (degrees), ``occluded`` (0 or 1: something stands in front), and the
            category's own, such as a joint's angle.
    """

    image: NDArray[np.uint8]
    category: str
    keypoints: NDArray[np.float64]
    visible: NDArray[np.bool_]
    box: NDArray[np.float64]
    mask: NDArray[np.uint8]
    attributes: dict[str, float]


def draw_object(
    seed: int, index: int, size: int = 224, category: str | None = None, void_border: int = 0
) -> ObjectSample:
    """Draws object number ``index`` of the endless series ``seed`` in a square picture of ``size`` pixels.

    Without a ``category`` every one is as likely. ``void_border`` marks that many pixels on both sides of the object's
    edge as VOID in the mask. The same arguments give the same bytes, whatever was drawn before and on whatever thread.
    Raises `VestigeError` if seed, index or void_border is negative, size is not in [32, 2048] or the category unknown.
    """
    _check(seed, index, size, category, void_border)
    pose, paint = (np.random.default_rng(s) for s in np.random.SeedSequence((seed, index)).spawn(2))
    drawn = str(pose.choice(list(_MODELS)))
    name = category or drawn
    model = _MODELS[name](pose)
    camera, attributes = _place(model, pose, size)
    scene = _Scene(size, OBJECT_CLASSES.index(name))
    scene.draw(model, camera, Light(draw_lighting(pose)), paint)
    mask = scene.canvas.mask()
    rows, columns = np.nonzero(mask)
    keypoints = camera.project(np.stack(list(model.keypoints.values())))
    return ObjectSample(
        image=finish(scene.canvas.pixels(), paint),
        category=name,
        keypoints=keypoints,
        visible=scene.visible(model, keypoints),
        box=np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64),
        mask=_with_void(mask, void_border) if void_border else mask,
        attributes={**attributes, "occluded": float(scene.occluded), **model.attributes},
    )


def _check(seed: int, index: int, size: int, category: str | None, void_border: int) -> None:
    if seed < 0 or index < 0 or void_border < 0:
        raise VestigeError(
            f"synthetic objects: seed={seed}, index={index}, void_border={void_border}; all must be 0 or more."
        )
    if not _SMALLEST <= size <= _LARGEST:
        raise VestigeError(f"synthetic objects: size={size}; give a side from {_SMALLEST} to {_LARGEST} pixels.")
    if category is not None and category not in _MODELS:
        raise VestigeError(f"synthetic objects: unknown category {category!r}; choose from {', '.join(_MODELS)}.")


def _place(model: Model, rng: np.random.Generator, size: int) -> tuple[Camera, dict[str, float]]:
    """A random view in which the object fills about two thirds of the picture, sometimes reaching out of it."""
    yaw, roll = float(rng.uniform(-180, 180)), float(np.clip(rng.normal(0, 4), -10, 10))
    elevation = float(rng.uniform(4, 32) if model.grounded else rng.uniform(-35, 35))
    distance = float(rng.uniform(5, 12))
    trial = look_from(yaw, elevation, roll, 1.0, distance, np.zeros(2))
    points = trial.project(np.stack(list(model.keypoints.values())))
    low, high = points.min(0), points.max(0)
    unit = size * float(rng.uniform(0.6, 0.98)) / float((high - low).max())
    centre = size * (0.5 + np.clip(rng.normal(0, 0.08, 2), -0.2, 0.2))
    camera = look_from(yaw, elevation, roll, unit, distance, centre - unit * (low + high) / 2)
    return camera, {"yaw": yaw, "elevation": elevation, "roll": roll}


class _Scene:
    """The picture and, beside its class mask, which part of the object is on top at every pixel."""

    def __init__(self, size: int, label: int) -> None:
        self.canvas, self._parts = Canvas(size), Canvas(size)
        self._label = label
        self._order: list[Solid] = []
        self.occluded = False

    def draw(self, model: Model, camera: Camera, light: Light, rng: np.random.Generator) -> None:
        """Paints background, shadow, parts from far to near, and sometimes something in front."""
        draw_background(self.canvas, rng)
        if model.grounded:
            self._draw_shadow(model, camera, light)
        self._order = sorted(model.solids, key=lambda solid: float(camera.turn(solid.centre)[2]))
        offset = rng.uniform(0, 256, 2)
        for number, solid in enumerate(self._order, 1):
            path = solid.draw(self.canvas, camera, light)
            self._draw_texture(path, model.texture, camera.unit, offset)
            self.canvas.stamp(path, self._label)
            self._parts.stamp(path, number)
        if rng.random() < 0.2:
            self._draw_occluder(rng)

    def visible(self, model: Model, keypoints: Floats) -> NDArray[np.bool_]:
        """Whether each keypoint (K, 2) lies in the picture on one of its own parts."""
        parts = self._parts.mask()
        found = []
        for (x, y), owners in zip(keypoints.tolist(), model.owners.values(), strict=True):
            inside = 0 <= x < self.canvas.size and 0 <= y < self.canvas.size
            i, j = int(y), int(x)
            # A corner lies on an outline, and its own pixel may belong to what is behind: neighbours count.
            around = parts[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] if inside else parts[:0]
            found.append(any(self._order[n - 1].name in owners for n in np.unique(around).tolist() if n))
        return np.array(found)

    def _draw_shadow(self, model: Model, camera: Camera, light: Light) -> None:
        """A soft shadow on the ground, under the object and away from the light."""
        feet = np.stack([solid.centre for solid in model.solids])[:, [0, 2]]
        middle, half = (feet.min(0) + feet.max(0)) / 2, (feet.max(0) - feet.min(0)) / 2 + 0.12
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = middle + half * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        outline = camera.project(np.stack([ring[:, 0], np.zeros(24), ring[:, 1]], axis=1))
        outline = outline - [0.25 * light.direction[0] * camera.unit, 0]
        path = polygon(smooth_outline(outline, 2))
        self.canvas.image.drawPath(path, fill((0.02, 0.02, 0.03), 0.55, 0.07 * camera.unit))
        self.canvas.image.drawPath(path, fill((0.02, 0.02, 0.03), 0.25, 0.02 * camera.unit))

    def _draw_texture(self, path: skia.Path, strength: float, unit: float, offset: Floats) -> None:
        """Mottles a part: coat, feathers, wear."""
        scale = unit / 130
        matrix = skia.Matrix.Scale(scale, scale).preTranslate(-float(offset[0]), -float(offset[1]))
        sampling = skia.SamplingOptions(skia.FilterMode.kLinear)
        shader = _mottling().makeShader(skia.TileMode.kRepeat, skia.TileMode.kRepeat, sampling, matrix)
        paint = shaded(shader, skia.BlendMode.kOverlay)
        paint.setAlphaf(0.75 * strength)
        self.canvas.image.drawPath(path, paint)

    def _draw_occluder(self, rng: np.random.Generator) -> None:
        """A strip of another photograph in front of one side of the object."""
        size = self.canvas.size
        width, lean = rng.uniform(0.10, 0.22) * size, rng.uniform(-0.15, 0.15) * size
        left = rng.uniform(0.1, 0.9) * size - width / 2
        strip = np.array([[left, -1], [left + width, -1], [left + width + lean, size + 1], [left + lean, size + 1]])
        path = polygon(strip)
        covered = Canvas(size)
        covered.stamp(path, 1)
        object_pixels = self.canvas.mask() > 0
        hidden = float(object_pixels[covered.mask() > 0].sum() / object_pixels.sum())
        if not 0.0 < hidden < 0.6:
            return  # beside the object, or most of it would be lost
        self.occluded = True
        self.canvas.image.save()
        self.canvas.image.clipPath(path, skia.ClipOp.kIntersect, True)
        draw_background(self.canvas, rng, blur=(0.001, 0.004))
        self.canvas.image.restore()
        self.canvas.stamp(path, 0)
        self._parts.stamp(path, 0)


def _with_void(mask: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
    """The mask with VOID on all pixels within ``border`` (city-block) steps of the other side of an edge."""
    edge = np.zeros(mask.shape, bool)
    across, down = mask[:, 1:] != mask[:, :-1], mask[1:] != mask[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    for _ in range(border - 1):
        grown = edge.copy()
        grown[1:] |= edge[:-1]
        grown[:-1] |= edge[1:]
        grown[:, 1:] |= edge[:, :-1]
        grown[:, :-1] |= edge[:, 1:]
        edge = grown
    return np.where(edge, np.uint8(VOID), mask)


@cache
def _mottling() -> skia.Image:
    """Grey noise about the middle, as a picture to tile."""
    noise = noise_picture()[:256, :256]
    grey = np.clip(128 + 34 * noise, 0, 255).astype(np.uint8)
    pixels = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    return skia.Image.fromarray(pixels, skia.ColorType.kRGBA_8888_ColorType)
