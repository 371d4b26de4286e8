"""Which cells of a raster a ring of corners surrounds, by scan lines.

Beside :mod:`vestige.regions`, whose rule it is, since what compiles it takes a while to import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ROUNDING = 1e-9  # cells within which a centre counts as on an edge


@njit(cache=True, nogil=True)
def fill_ring(ring: Any, top: int, found: NDArray[np.bool_]) -> None:
    """Set the whole numbers that a ring surrounds an odd number of times, or that lie on it.

    Args:
        ring: ``(n, 2)`` corners, x and y in cells, whose centres are on whole numbers.
        top: the y of the first row.
        found: ``(H, W)``, set in place.
    """
    corners = len(ring)
    crossings = np.empty(corners, np.float64)
    for row in range(len(found)):
        y = top + row
        for lower in (False, True):  # edges with their upper ends, then with their lower ends
            n = 0
            for i in range(corners):
                x0, y0 = ring[i]
                x1, y1 = ring[i + 1 if i + 1 < corners else 0]
                crossed = (y0 >= y) != (y1 >= y) if lower else (y0 > y) != (y1 > y)
                if crossed:
                    crossings[n] = x0 + (y - y0) * ((x1 - x0) / (y1 - y0))
                    n += 1
            ordered = np.sort(crossings[:n])
            for k in range(0, n - 1, 2):
                _fill(found[row], ordered[k], ordered[k + 1])
        for i in range(corners):
            x0, y0 = ring[i]
            x1, y1 = ring[i + 1 if i + 1 < corners else 0]
            if y0 == y1 == y:
                _fill(found[row], min(x0, x1), max(x0, x1))


@njit(cache=True, nogil=True)
def _fill(cells: Any, left: float, right: float) -> None:
    """Set the cells from left to right, ends included."""
    first = max(np.ceil(left - _ROUNDING), 0.0)
    last = min(np.floor(right + _ROUNDING), len(cells) - 1.0)
    for x in range(int(first), int(last) + 1):
        cells[x] = True
