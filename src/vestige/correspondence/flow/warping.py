"""From a field on the grid to pixels: interpolation, warping, and the transfer of keypoints.

Pixels are vestige's: pixel i covers ``[i, i + 1)``, its centre is at ``i + 0.5``. ``stride`` and ``centre`` are those
of :class:`vestige.backbones.ReceptiveField`, ``(y, x)``: cell (i, j) stands at ``centre + stride * (i, j)``. Points and
displacements are ``(x, y)``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import label, map_coordinates

from vestige.errors import VestigeError

_DEGREE = 3

_SLACK = 1 / 64
"""Of the picture's longer side: pixels that land by so much farther from a keypoint than the nearest may be its."""

_ABOUT = 1 / 4
"""Of the picture's sides: the standard deviation of the Gaussian within which displacements are to agree."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int8)


def interpolate(
    field: npt.ArrayLike, stride: tuple[float, float], centre: tuple[float, float], size: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """The displacement of every pixel of the source, by a bicubic spline through those of the grid's cells.

    Both pictures are read on the same grid of pixels. Beyond the outermost cells the field goes on as it is at the
    edge. A grid with fewer than four cells along an axis gets the highest degree that these allow.

    Args:
        field: ``(H, W, 2)``, (dx, dy) in grid cells.
        stride: ``(y, x)`` pixels from one cell to the next.
        centre: ``(y, x)`` of cell (0, 0) in the picture.
        size: ``(height, width)`` of the picture.

    Returns:
        ``(height, width, 2)``, (dx, dy) in pixels at each pixel's centre.

    Raises:
        VestigeError: where the field is no ``(H, W, 2)`` of finite numbers, or stride or size are not positive.
    """
    values = _finite(field, "field")
    if min(stride) <= 0 or min(size) < 1:
        raise VestigeError(f"stride {stride}, size {size}: expected positive numbers")
    for axis in (0, 1):
        if values.shape[axis] == 1:  # a spline needs two knots
            values = np.repeat(values, 2, axis=axis)
    cells = [
        np.clip((np.arange(size[axis]) + 0.5 - centre[axis]) / stride[axis], 0, values.shape[axis] - 1)
        for axis in (0, 1)
    ]
    rows, columns = values.shape[:2]
    degrees = {"kx": min(_DEGREE, rows - 1), "ky": min(_DEGREE, columns - 1)}
    splines = [RectBivariateSpline(np.arange(rows), np.arange(columns), values[..., k], **degrees) for k in (0, 1)]
    return np.stack([splines[0](*cells) * stride[1], splines[1](*cells) * stride[0]], axis=-1)


def transfer(displacement: npt.ArrayLike, keypoints: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Where the target's keypoints land in the source: k lands on the pixel p with ``p + w(p) = k``, or nearly.

    Where a field folds or tears, pixels of several places are displaced to k. Those that come about as near to it as
    the nearest fall into connected regions; k lands in the region whose displacement agrees best with the field about
    it, on the pixel that minimises ``|p + w(p) - k|``. How well is the mean distance of the displacement of that pixel
    from those of all others, which count the less the farther off they are (by a Gaussian a quarter of the picture
    wide).

    Args:
        displacement: w, ``(height, width, 2)`` in pixels, of every pixel of the source: from :func:`interpolate`.
        keypoints: ``(K, 2)``, (x, y) in the target.

    Returns:
        ``(K, 2)``, the centres of those pixels; of equal ones, the first in the order of reading.

    Raises:
        VestigeError: where an argument is not of this form or holds numbers that are not finite.
    """
    values = _finite(displacement, "displacement")
    points = np.asarray(keypoints, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise VestigeError(f"keypoints of shape {points.shape}: expected finite numbers (K, 2)")
    y, x = np.indices(values.shape[:2]) + 0.5
    landing_x, landing_y = x + values[..., 0], y + values[..., 1]
    chosen = [_landing(values, np.hypot(landing_x - k[0], landing_y - k[1])) for k in points]
    return np.array([(column + 0.5, row + 0.5) for row, column in chosen], dtype=np.float64).reshape(-1, 2)


def _landing(values: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]) -> tuple[int, int]:
    """(row, column) of the pixel that a keypoint lands on, from how far off each lands ``(height, width)``."""
    width = int(distances.shape[1])
    nearest: tuple[int, int] = divmod(int(np.argmin(distances)), width)
    within = distances[nearest] + _SLACK * max(distances.shape)
    pixels = np.flatnonzero(distances <= within)
    rows, columns = np.divmod(pixels, width)
    top, left = rows.min(), columns.min()
    window = distances[top : rows.max() + 1, left : columns.max() + 1]
    regions, count = label(window <= within, _EIGHT_NEIGHBOURS)
    if count == 1:
        return nearest
    found: list[tuple[float, float, tuple[int, int]]] = []
    for region in range(1, count + 1):
        own = pixels[regions[rows - top, columns - left] == region]
        at = divmod(int(own[np.argmin(distances.flat[own])]), width)
        found.append((round(_disagreement(values, at), 6), float(distances[at]), at))  # rounded: ties are ties
    return min(found)[2]


def _disagreement(values: npt.NDArray[np.float64], at: tuple[int, int]) -> float:
    """The mean distance, in pixels, of the displacement at (row, column) from those about it."""
    rows, columns = (
        np.exp(-(((np.arange(length) - place) / (_ABOUT * length)) ** 2) / 2)
        for length, place in zip(values.shape, at, strict=False)
    )
    apart = np.hypot(*np.moveaxis(values - values[at], -1, 0))
    return float(rows @ apart @ columns / (rows.sum() * columns.sum()))


def warp(picture: npt.ArrayLike, displacement: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The target seen through the field: pixel p of the result is the target at ``p + w(p)``, bilinear, edges repeated.

    Args:
        picture: the target, ``(h, w)`` or ``(h, w, channels)``.
        displacement: w, ``(height, width, 2)`` in pixels, of every pixel of the source.

    Returns:
        ``(height, width)`` or ``(height, width, channels)``.

    Raises:
        VestigeError: where an argument is not of this form.
    """
    values, pixels = _finite(displacement, "displacement"), np.asarray(picture, dtype=np.float64)
    if pixels.ndim not in (2, 3):
        raise VestigeError(f"picture of shape {pixels.shape}: expected (h, w) or (h, w, channels)")
    y, x = np.indices(values.shape[:2])
    at = np.stack([y + values[..., 1], x + values[..., 0]])  # of samples, whose centres SciPy counts from 0
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    seen = np.stack(
        [map_coordinates(planes[..., k], at, order=1, mode="nearest") for k in range(planes.shape[2])], axis=-1
    )
    return seen.reshape(*values.shape[:2], *pixels.shape[2:])


def _finite(field: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    values = np.asarray(field, dtype=np.float64)
    if values.ndim != 3 or values.shape[2] != 2 or values.size == 0 or not np.isfinite(values).all():
        raise VestigeError(f"{name} of shape {values.shape}: expected finite numbers (H, W, 2)")
    return values
