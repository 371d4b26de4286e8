"""Data sets of what a program holds in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps

from vestige import geometry
from vestige.datasets.annotations import check_keypoints
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import BadFileError, Checked, checked_picture
from vestige.errors import VestigeError
from vestige.example import Example, Picture
from vestige.geometry import Box, Points, whole_picture
from vestige.images import ImageFile
from vestige.markup import Markup, markup_of_names, shipped_markup, unknown_markup
from vestige.spec import DataSpec, data_spec_text

Pictured: TypeAlias = "str | Path | NDArray[np.uint8] | Image.Image"

_MODES = ("RGB", "L", "P", "1")


@dataclass(frozen=True, eq=False)
class HeldPicture:
    """Pixels in memory, known by their content: ``(H, W, 3)`` RGB, or ``(H, W)`` class indices of a mask."""

    pixels: NDArray[np.uint8]

    def read(self) -> NDArray[np.uint8]:
        """The pixels; not writeable."""
        return self.pixels

    def digest(self) -> str:
        """sha256 of shape and pixels."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()


@dataclass(frozen=True)
class Given:
    """What :meth:`Dataset.from_arrays` is given, by the names of its arguments."""

    images: Sequence[Pictured]
    keypoints: ArrayLike | None
    visible: ArrayLike | None
    boxes: Sequence[ArrayLike | None] | NDArray[Any] | None
    masks: Sequence[Any] | None
    attributes: Mapping[str, ArrayLike] | None
    categories: Sequence[str] | None
    scenes: Sequence[str] | None
    groups: Sequence[str] | None
    markup: Markup | str | Sequence[str] | None
    classes: Sequence[str]
    void: int | None
    name: str


def dataset_of(given: Given) -> Dataset:
    """The data set.

    Raises:
        VestigeError: naming the argument and the row.
    """
    if isinstance(given.images, (str, Path, Mapping)) or not hasattr(given.images, "__len__"):
        raise VestigeError(
            f"images: is {type(given.images).__name__}; expected a sequence of paths, arrays or pictures"
        )
    n = len(given.images)
    if n == 0:
        raise VestigeError("images: there are none; expected at least one")
    if not isinstance(given.name, str) or not given.name:
        raise VestigeError(f"name: is {given.name!r}; expected a word")
    for name in ("keypoints", "visible", "boxes", "masks", "categories", "scenes", "groups"):
        _check_rows(name, getattr(given, name), n)
    spec = data_spec_text("memory", given.name, {})
    pictures = [_picture(image, f"images[{i}]", spec) for i, image in enumerate(given.images)]
    points, visible = _points(given, n)
    attributes = _attributes(given.attributes, n)
    examples = []
    for i, (picture, size) in enumerate(pictures):
        box = None if given.boxes is None else _box(given.boxes[i], size, f"boxes[{i}]")
        if points is not None and visible is not None:
            _check_points(points[i], visible[i], whole_picture(*size) if box is None else box, size, i)
        name = f"{i:06d}"
        examples.append(
            Example(
                id=name,
                group=name if given.groups is None else _word(given.groups[i], f"groups[{i}]"),
                image=picture,
                box=box,
                keypoints=None if points is None else points[i],
                visible=None if visible is None else visible[i],
                mask=None if given.masks is None else _mask(given, i, size),
                category="" if given.categories is None else _word(given.categories[i], f"categories[{i}]"),
                scene="" if given.scenes is None else _word(given.scenes[i], f"scenes[{i}]"),
                attributes=attributes[i],
                source=spec,
            )
        )
    markup = None if points is None else _markup(given.markup, points.shape[1])
    classes = tuple(given.classes) or _classes(examples, given.void)
    return Dataset(spec, tuple(examples), markup, classes=classes, void=given.void)


def _check_rows(name: str, values: Any, n: int) -> None:
    if values is None:
        return
    if isinstance(values, (str, Mapping)) or not hasattr(values, "__len__"):
        raise VestigeError(f"{name}: is {type(values).__name__}; expected a sequence with an entry for each image")
    if len(values) != n:
        raise VestigeError(f"{name}: has {len(values)} rows for {n} images; expected as many")


def _picture(image: Any, where: str, spec: str) -> tuple[Picture, tuple[int, int]]:
    """A picture with its width and height."""
    if isinstance(image, (str, Path)):
        try:
            checked = checked_picture(Path(image), DataSpec(spec, "memory", spec))
        except BadFileError as error:
            raise VestigeError(f"{where}: {error}") from error
        return checked.image, checked.size
    held = picture_of(image, where)
    return held, (held.pixels.shape[1], held.pixels.shape[0])


def picture_of(image: Any, where: str) -> HeldPicture:
    """An array or a PIL picture as a picture.

    Raises:
        VestigeError: where it is none, saying where it was given.
    """
    if isinstance(image, Image.Image):
        if image.mode not in _MODES:
            raise VestigeError(f'{where}: is a picture of mode {image.mode}; expected RGB: picture.convert("RGB")')
        try:
            image = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:  # Pillow reads a file's pixels only now
            raise VestigeError(f"{where}: cannot be read: {error}") from error
    if not isinstance(image, np.ndarray):
        raise VestigeError(f"{where}: is {type(image).__name__}; expected a path, a uint8 array or a PIL picture")
    shape_fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not shape_fits or 0 in image.shape:
        raise VestigeError(f"{where}: is {image.dtype} {image.shape}; expected uint8 (H, W, 3) or (H, W)")
    return _held(np.stack([image] * 3, axis=2) if image.ndim == 2 else image)


def _held(pixels: NDArray[np.uint8]) -> HeldPicture:
    own = np.array(pixels, order="C")  # a copy, so that nobody's writing changes what features are stored under
    own.flags.writeable = False
    return HeldPicture(own)


def _numbers(values: Any, where: str, expected: str) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise VestigeError(f"{where}: expected {expected}") from error


def _box(box: Any, size: tuple[int, int], where: str) -> Box | None:
    if box is None:
        return None
    found = box_of(box, where)
    geometry.check_box(found, size, where)
    return found


def box_of(box: Any, where: str) -> Box:
    """Four numbers as a box; whether it lies in its picture is not looked at.

    Raises:
        VestigeError: where they are something else, saying where they were given.
    """
    found = _numbers(box, where, "x0, y0, x1, y1 in pixels")
    if found.shape != (4,):
        raise VestigeError(f"{where}: has shape {found.shape}; expected (4,): x0, y0, x1, y1 in pixels")
    return found


def _points(given: Given, n: int) -> tuple[Points | None, NDArray[np.bool_] | None]:
    if given.keypoints is None:
        for name in ("visible", "markup"):
            if getattr(given, name) is not None:
                raise VestigeError(f"{name}: is given without keypoints, which it is about")
        return None, None
    points = _numbers(given.keypoints, "keypoints", "numbers (N, K, 2), as many points for each image")
    if points.ndim != 3 or points.shape[1] == 0 or points.shape[2] != 2:
        raise VestigeError(f"keypoints: has shape {points.shape}; expected ({n}, K, 2)")
    visible = np.ones(points.shape[:2], dtype=bool)
    if given.visible is not None:
        seen = np.asarray(_numbers(given.visible, "visible", "True or False for each keypoint"))
        if seen.shape != points.shape[:2] or not np.isin(seen, (0, 1)).all():
            raise VestigeError(f"visible: has shape {seen.shape}; expected {points.shape[:2]} of True and False")
        visible = seen.astype(bool)
    for i, k in np.argwhere(visible & ~np.isfinite(points).all(axis=2))[:1]:
        x, y = points[i, k]
        raise VestigeError(f"keypoints[{i}]: point {k} is ({x:g}, {y:g}); expected finite numbers, or not visible")
    points[~visible] = 0
    return points, visible


def _check_points(points: Points, visible: NDArray[np.bool_], box: Box, size: tuple[int, int], row: int) -> None:
    picture = Checked(ImageFile(Path(f"images[{row}]")), size)  # of which only the size is looked at
    try:
        check_keypoints(Path(f"keypoints[{row}]"), "row", points, visible, box, picture)
    except BadFileError as error:
        raise VestigeError(str(error)) from error


def _markup(markup: Markup | str | Sequence[str] | None, count: int) -> Markup:
    if isinstance(markup, str):
        found = shipped_markup(markup)
    elif isinstance(markup, Markup):
        found = markup
    elif markup is None:
        found = unknown_markup(count)
    elif isinstance(markup, Sequence) and all(isinstance(point, str) for point in markup):
        found = markup_of_names("memory", list(markup))
    else:
        raise VestigeError(f"markup: is {type(markup).__name__}; expected a Markup, its name, or the points' names")
    if len(found.points) != count:
        raise VestigeError(f"markup: is for {len(found.points)} points; keypoints has {count}")
    return found


def _mask(given: Given, row: int, size: tuple[int, int]) -> Picture | None:
    assert given.masks is not None
    mask, where = given.masks[row], f"masks[{row}]"
    if mask is None:
        return None
    if isinstance(mask, Image.Image) and mask.mode in ("L", "P"):
        mask = np.asarray(mask)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != (size[1], size[0]):
        found = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise VestigeError(f"{where}: is {found}; expected class indices, uint8 {(size[1], size[0])} as its image")
    values = np.unique(mask)
    wrong = [int(v) for v in values if given.classes and v >= len(given.classes) and v != given.void]
    if wrong:
        raise VestigeError(f"{where}: holds {wrong[0]}; expected indices of the {len(given.classes)} classes, or void")
    return _held(mask)


def _classes(examples: Sequence[Example], void: int | None) -> tuple[str, ...]:
    """Names for the classes of masks, or those of the categories, where none are given."""
    masks = [example.mask.read() for example in examples if example.mask is not None]
    if masks:
        top = max((int(v) for mask in masks for v in np.unique(mask) if v != void), default=-1)
        return tuple(str(k) for k in range(top + 1))
    return tuple(sorted({example.category for example in examples if example.category}))


def _attributes(attributes: Any, n: int) -> list[dict[str, float]]:
    if attributes is None:
        return [{} for _ in range(n)]
    if not isinstance(attributes, Mapping):
        raise VestigeError(f"attributes: is {type(attributes).__name__}; expected a mapping from names to {n} numbers")
    rows: list[dict[str, float]] = [{} for _ in range(n)]
    for name, given in attributes.items():
        where = f"attributes[{name!r}]"
        values = _numbers(given, where, f"{n} numbers, NaN for those that are missing")
        _word(name, "attributes")
        if values.shape != (n,):
            raise VestigeError(f"{where}: has shape {values.shape}; expected ({n},)")
        for i, value in enumerate(values.tolist()):
            if np.isinf(value):
                raise VestigeError(f"{where}[{i}]: is {value:g}; expected a finite number, or NaN where it is missing")
            if not np.isnan(value):
                rows[i][name] = value
    return rows


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise VestigeError(f"{where}: is {value!r}; expected a name")
    return str(value)
