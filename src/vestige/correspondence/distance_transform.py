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

Scratch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Room that the kernels work in: the half-transformed grid, and the parabolas of an envelope: where each is centred,
its height, and where it begins to be the lowest."""

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
    """The :data:`Scratch` for grids of this size."""
    longest = max(height, width)
    return (
        np.empty(height * width, np.float32),
        np.empty(longest, np.int64),
        np.empty(longest, np.float64),
        np.empty(longest + 1, np.float64),
    )


@njit(nogil=True, cache=True)
def transform_into(costs: Any, height: int, width: int, beta: float, dx: int, dy: int, scratch: Any, out: Any) -> float:
    """Writes the transform of ``costs (height * width,)`` to ``out``, and gives its least value.

    Each axis reads lines of neighbouring numbers and writes them across, so that the other finds the same.
    """
    half, where, heights, begins = scratch
    for y in range(height):
        _line(costs[y * width : (y + 1) * width], beta, dx, half, y, height, where, heights, begins)
    least = np.inf
    for x in range(width):
        low = _line(half[x * height : (x + 1) * height], beta, dy, out, x, width, where, heights, begins)
        least = min(least, low)
    return least


@njit(nogil=True, cache=True)
def _line(
    f: Any, beta: float, shift: int, out: Any, start: int, step: int, where: Any, heights: Any, begins: Any
) -> float:
    """Along one axis: ``out[start + step * x] = min over q of f[q] + beta (x - shift - q)^2``; gives their least.

    The parabolas of q and v < q meet at ``((f(q)/beta + q^2) - (f(v)/beta + v^2)) / (2 (q - v))``.
    """
    inverse = 1.0 / beta
    last = 0
    where[0] = 0
    heights[0] = f[0] * inverse
    begins[0] = -np.inf
    for q in range(1, f.size):
        high = f[q] * inverse + q * q
        meet = (high - heights[last]) / (2 * (q - where[last]))
        while meet <= begins[last]:
            last -= 1
            meet = (high - heights[last]) / (2 * (q - where[last]))
        last += 1
        where[last] = q
        heights[last] = high
        begins[last] = meet
    begins[last + 1] = np.inf
    least = np.inf
    current = 0
    for x in range(f.size):
        at = x - shift
        while begins[current + 1] < at:
            current += 1
        distance = at - where[current]
        value = f[where[current]] + beta * (distance * distance)
        out[start + step * x] = value
        least = min(least, value)
    return least
