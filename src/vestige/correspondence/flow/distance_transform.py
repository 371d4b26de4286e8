"""The squared Euclidean distance transform of a sampled function, in time linear in its samples.

P. F. Felzenszwalb and D. P. Huttenlocher, *Distance Transforms of Sampled Functions*, Theory of Computing 8 (2012).
The transform along one axis is the lower envelope of one parabola per sample; that of a grid is one axis after
the other. Envelopes are computed in float64, samples are float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vestige.errors import VestigeError

_FAR = 1 << 40
"""Farther than any cell."""

SMALLEST_BETA = float(np.finfo(np.float64).tiny)
"""Below this, parabolas are taken as flat (1 / beta would not be finite)."""


def squared_distance_transform(
    costs: npt.ArrayLike, beta: float, shift: tuple[int, int] = (0, 0)
) -> npt.NDArray[np.float32]:
    """``out[t] = min over s of costs[s] + beta |t - shift - s|^2``.

    Args:
        costs: ``(H, W)``, finite; held as float32.
        beta: above 0, per squared cell.
        shift: ``(dx, dy)`` in cells; the envelope is read at ``t - shift``, which may lie off the grid.

    Returns:
        ``(H, W)``.

    Raises:
        VestigeError: where the costs are no finite grid or beta is not positive.
    """
    costs = np.ascontiguousarray(costs, dtype=np.float32)
    if costs.ndim != 2 or costs.size == 0 or not np.isfinite(costs).all():
        raise VestigeError(f"costs of shape {costs.shape}: expected a grid (H, W) of finite numbers")
    if not SMALLEST_BETA <= beta < np.inf:
        raise VestigeError(f"beta {beta}: expected a number above 0")
    height, width = costs.shape
    out = np.empty(costs.size, np.float32)
    transform_into(costs.ravel(), height, width, float(beta), shift[0], shift[1], new_scratch(height, width), out)
    return out.reshape(height, width)


@njit(nogil=True, cache=True)
def new_scratch(height: int, width: int) -> Any:
    """Room to work in, for grids of this size: the half-transformed grid, and the parabolas of an envelope.

    Of each: where it is centred, its height, and where it begins to be the lowest. Then 1 / (2 n) for every n.
    """
    longest = max(height, width)
    half_inverse = np.empty(longest, np.float64)
    half_inverse[0] = np.inf
    half_inverse[1:] = 0.5 / np.arange(1, longest)
    envelope = (
        np.empty(longest, np.int64),
        np.empty(longest, np.float64),
        np.empty(longest + 1, np.int64),
        half_inverse,
    )
    return np.empty(height * width, np.float32), envelope


@njit(nogil=True, cache=True)
def transform_into(costs: Any, height: int, width: int, beta: float, dx: int, dy: int, scratch: Any, out: Any) -> Any:
    """Writes the transform of ``costs (height * width,)`` to ``out``, and gives its least value.

    Each axis reads lines of neighbouring numbers and writes them across, so that the other finds the same.
    """
    half, envelope = scratch
    for y in range(height):
        _line(costs[y * width : (y + 1) * width], beta, dx, half, y, height, envelope)
    least = np.float32(np.inf)
    for x in range(width):
        low = _line(half[x * height : (x + 1) * height], beta, dy, out, x, width, envelope)
        least = min(least, low)
    return least


@njit(nogil=True, cache=True)
def _line(f: Any, beta: float, shift: int, out: Any, start: int, step: int, envelope: Any) -> Any:
    """Along one axis: ``out[start + step * x] = min over q of f[q] + beta (x - shift - q)^2``; gives their least.

    The parabolas of q and v < q meet at ``((f(q)/beta + q^2) - (f(v)/beta + v^2)) / (2 (q - v))``. The envelope is read
    at whole numbers only, so a parabola begins at the next of them, and one that is the lowest at none is dropped:
    the reading then moves on by at most one parabola a sample, without a branch to mispredict.
    """
    where, heights, begins, half_inverse = envelope
    inverse = 1.0 / beta
    first, end = float(-shift), float(f.size - shift)
    last = 0
    where[0] = 0
    heights[0] = f[0] * inverse
    begins[0] = -_FAR
    for q in range(1, f.size):
        high = f[q] * inverse + q * q
        meet = (high - heights[last]) * half_inverse[q - where[last]]
        begin = int(np.ceil(min(max(meet, first), end)))
        while begin <= begins[last]:
            last -= 1
            meet = (high - heights[last]) * half_inverse[q - where[last]]
            begin = int(np.ceil(min(max(meet, first), end)))
        last += 1
        where[last] = q
        heights[last] = high
        begins[last] = begin
    begins[last + 1] = _FAR
    least = np.float32(np.inf)
    current = 0
    for x in range(f.size):
        at = x - shift
        current += begins[current + 1] <= at
        distance = at - where[current]
        value = np.float32(f[where[current]] + beta * (distance * distance))
        out[start + step * x] = value
        least = min(least, value)
    return least
