"""Dense correspondence between two grids of features: which cell of the target each cell of the source corresponds to.

*Do Convnets Learn Correspondence?* (Long, Zhang and Darrell, 2014), section 3: the field w minimises

    E(w) = sum_p |f_s(p) - f_t(p + w(p))| + beta sum_(p,q) |w(p) - w(q)|^2

over the edges of the 4-neighbourhood; every cell of the target is a label of every cell of the source. beta is in
units of feature distance per squared cell, so it goes with the scale of the features.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import label, map_coordinates

from vestige.correspondence.flow.propagation import Labelling, minimise
from vestige.errors import VestigeError

__all__ = ["Labelling", "align", "deformation", "distances", "interpolate", "solve", "transfer", "warp"]

LARGEST_BETA = 1e12
"""Above it float32 messages hold nothing of the features."""

Field = npt.NDArray[np.int64]
"""``(H, W, 2)``, the displacement (dx, dy) in grid cells of each cell of the source into the target."""

_DEGREE = 3

_SLACK = 1 / 64
"""Of the picture's longer side: pixels that land by so much farther from a keypoint than the nearest may be its."""

_ABOUT = 1 / 4
"""Of the picture's sides: the standard deviation of the Gaussian within which displacements are to agree."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int8)


def align(
    source: npt.ArrayLike,
    target: npt.ArrayLike,
    beta: float = 3e-3,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> tuple[Field, float]:
    """The field of lowest energy that belief propagation finds from one grid of features to another.

    Args:
        source: ``(H, W, C)``, finite.
        target: ``(H2, W2, C)``, finite.
        beta: weight of the deformation, at least 0; 0 gives every cell its nearest neighbour. The paper's, for conv4
            and SIFT, is 3e-3.
        max_iterations: of belief propagation, each of two passes over the grid.
        tolerance: of the energy; see :func:`vestige.correspondence.flow.propagation.minimise`.

    Returns:
        the field ``(H, W, 2)`` of whole (dx, dy) in grid cells, and its energy E(w).

    Raises:
        VestigeError: where shapes, numbers or options do not fit.
    """
    found = solve(source, target, beta, max_iterations=max_iterations, tolerance=tolerance)
    return _field(found.labels, np.shape(target)[1]), found.energy


def solve(
    source: npt.ArrayLike,
    target: npt.ArrayLike,
    beta: float = 3e-3,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> Labelling:
    """As :func:`align`, with what belief propagation gives beside the labels: bound, iterations, convergence."""
    _check_beta(beta)
    if max_iterations < 1:
        raise VestigeError(f"max_iterations {max_iterations}: expected 1 or more")
    if not tolerance >= 0:
        raise VestigeError(f"tolerance {tolerance}: expected a number, 0 or above")
    unary = distances(source, target)
    coupling = np.full((2, *unary.shape[:2]), float(beta))
    return minimise(unary, coupling, max_iterations=max_iterations, tolerance=tolerance)


def distances(source: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """``|f_s(p) - f_t(t)|`` of every cell p of the source and t of the target, by one product of matrices.

    |a - b|^2 = |a|^2 + |b|^2 - 2 a.b cancels where a is near b; hence float64, about the mean of the target.

    Args:
        source: ``(H, W, C)``, finite.
        target: ``(H2, W2, C)``, finite.

    Returns:
        ``(H, W, H2, W2)``.

    Raises:
        VestigeError: where a grid is not of this form or the channels differ.
    """
    first, second = _features(source, "source"), _features(target, "target")
    if first.shape[2] != second.shape[2]:
        raise VestigeError(
            f"source has {first.shape[2]} channels, target {second.shape[2]}: read both from the same layer"
        )
    centre = second.mean(axis=(0, 1))
    a, b = (first - centre).reshape(-1, centre.size), (second - centre).reshape(-1, centre.size)
    squared = a @ b.T
    squared *= -2
    squared += np.einsum("ic,ic->i", a, a)[:, None]
    squared += np.einsum("ic,ic->i", b, b)
    np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
    unary: npt.NDArray[np.float32] = squared.astype(np.float32).reshape(*first.shape[:2], *second.shape[:2])
    return unary


def deformation(field: npt.ArrayLike, beta: float) -> npt.NDArray[np.float64]:
    """The smoothness term of E: ``beta sum_(p,q) |w(p) - w(q)|^2`` over the edges of the 4-neighbourhood.

    Args:
        field: ``(..., H, W, 2)``.
        beta: at least 0.

    Returns:
        ``(...)``; of a single field, a number.

    Raises:
        VestigeError: where the field is not of this form or beta is negative.
    """
    _check_beta(beta)
    values = np.asarray(field, dtype=np.float64)
    if values.ndim < 3 or values.shape[-1] != 2:
        raise VestigeError(f"field of shape {values.shape}: expected (..., H, W, 2)")
    across, down = np.diff(values, axis=-2), np.diff(values, axis=-3)
    total: npt.NDArray[np.float64] = beta * ((across**2).sum(axis=(-3, -2, -1)) + (down**2).sum(axis=(-3, -2, -1)))
    return total


def _field(labels: npt.NDArray[np.int64], target_width: int) -> Field:
    y, x = np.indices(labels.shape)
    return np.stack([labels % target_width - x, labels // target_width - y], axis=-1)


def _features(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    try:
        grid = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise VestigeError(f"{name}: expected an array (H, W, C) of real numbers ({error})") from error
    if grid.ndim != 3 or grid.size == 0:
        raise VestigeError(f"{name} of shape {grid.shape}: expected a grid of features (H, W, C)")
    if not np.isfinite(grid).all():
        raise VestigeError(f"{name} holds numbers that are not finite: look at the layer's output for this picture")
    return grid


def _check_beta(beta: float) -> None:
    if not 0 <= beta <= LARGEST_BETA:
        raise VestigeError(f"beta {beta}: expected a number from 0 to {LARGEST_BETA:g}")


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
