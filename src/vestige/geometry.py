"""Points and boxes in vestige's one coordinate convention.

x to the right, y down, in pixels, continuous: pixel ``i`` covers ``[i, i + 1)``, so its centre is at ``i + 0.5``
and resizing is a pure scaling. Boxes are ``(x0, y0, x1, y1)``. Unit coordinates are in ``[0, 1]`` of a box.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.errors import VestigeError

Points = NDArray[np.float64]
"""``(..., 2)``, each ``(x, y)``."""

Box = NDArray[np.float64]
"""``(..., 4)``, each ``(x0, y0, x1, y1)``."""

OVERHANG = 1.0
"""How far a box may reach beyond an edge of its picture, in longer sides of the picture: room for an object that the
edge cuts. What reaches farther is in other units, or of another picture."""


def check_box(box: ArrayLike, size: tuple[int, int], what: str = "the box") -> None:
    """Refuse a box that no object in its picture can have.

    Args:
        box: ``(4,)`` in pixels.
        size: width and height of the picture.
        what: the box's name in messages, such as ``--box``.

    Raises:
        VestigeError: where the box is not finite, empty, smaller than a pixel, wholly outside the picture, or reaches
            farther beyond an edge than :data:`OVERHANG`.
    """
    x0, y0, x1, y1 = (float(v) for v in np.asarray(box, dtype=np.float64))
    said = f"{what} ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
    if not (x0 < x1 and y0 < y1):  # which NaN is not either
        raise VestigeError(f"{said} is empty; expected x0 < x1 and y0 < y1")
    if max(x1 - x0, y1 - y0) < 1:
        raise VestigeError(f"{said} is smaller than a pixel; expected pixels, not shares of the picture")
    width, height = size
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise VestigeError(f"{said} lies outside its picture of {width}x{height} pixels")
    most = OVERHANG * max(size)
    beyond = max(-x0, -y0, x1 - width, y1 - height)
    if beyond > most:
        raise VestigeError(
            f"{said} reaches {beyond:g} pixels beyond its picture of {width}x{height} pixels; expected at most "
            f"{most:g}, the picture's longer side"
        )


def whole_picture(width: int, height: int) -> Box:
    """The box of a whole picture, ``(4,)``."""
    return np.array([0.0, 0.0, width, height])


def bounding_box(points: Points) -> Box:
    """The tight box ``(..., 4)`` of points ``(..., K, 2)``."""
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)


def square_about(box: ArrayLike, margin: float = 0.0) -> Box:
    """The square about a box's centre with side ``max(w, h) * (1 + 2 * margin)``; ``(..., 4) -> (..., 4)``."""
    box = np.asarray(box, dtype=np.float64)
    low, high = box[..., :2], box[..., 2:]
    centre = (low + high) / 2
    half = (high - low).max(axis=-1, keepdims=True) * (0.5 + margin)
    return np.concatenate([centre - half, centre + half], axis=-1)


def scaled_about_centre(box: ArrayLike, share: float) -> Box:
    """The box about the same centre with ``share`` of the sides: ``(..., 4) -> (..., 4)``."""
    box = np.asarray(box, dtype=np.float64)
    centre = (box[..., :2] + box[..., 2:]) / 2
    half = (box[..., 2:] - box[..., :2]) * (share / 2)
    return np.concatenate([centre - half, centre + half], axis=-1)


def to_unit(points: ArrayLike, box: ArrayLike) -> Points:
    """Points ``(..., K, 2)`` in pixels to unit coordinates of a box ``(..., 4)``."""
    low, size = _corner_and_size(box)
    return (np.asarray(points, dtype=np.float64) - low) / size


def from_unit(points: ArrayLike, box: ArrayLike) -> Points:
    """Unit coordinates ``(..., K, 2)`` of a box ``(..., 4)`` back to pixels: the inverse of :func:`to_unit`."""
    low, size = _corner_and_size(box)
    return np.asarray(points, dtype=np.float64) * size + low


def mirror_unit(points: ArrayLike) -> Points:
    """Unit coordinates ``(..., K, 2)`` in the picture mirrored left to right (names are not exchanged here)."""
    points = np.array(points, dtype=np.float64)
    points[..., 0] = 1.0 - points[..., 0]
    return points


def _corner_and_size(box: ArrayLike) -> tuple[Points, Points]:
    box = np.asarray(box, dtype=np.float64)
    return box[..., None, :2], (box[..., 2:] - box[..., :2])[..., None, :]
