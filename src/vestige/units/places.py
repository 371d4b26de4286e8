"""Where the cells of activation maps stand in pictures, and points of pictures on the maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import ReceptiveField

Floats = NDArray[np.float64]

Anchor = Literal["field", "plain"]
"""What maps are laid over pictures by: the centres of receptive fields, or as if their cells shared the picture out."""


@dataclass(frozen=True)
class Standing:
    """How a layer's map lies on the network's input, each ``(y, x)``.

    Attributes:
        size: of the input in pixels.
        grid: h and w of the map.
        stride: pixels from one cell to the next.
        centre: of the first cell.
        exact: whether the cells have receptive fields that say so; else they are taken to share the input out evenly.
    """

    size: tuple[int, int]
    grid: tuple[int, int]
    stride: tuple[float, float]
    centre: tuple[float, float]
    exact: bool = True

    @classmethod
    def of(cls, size: tuple[int, int], grid: tuple[int, int], field: ReceptiveField, anchor: Anchor) -> Standing:
        """How a map stands by its receptive fields; without a stride, or where ``plain``, as if evenly."""
        if anchor == "field" and field.stride is not None and field.centre is not None:
            return cls(size, grid, (float(field.stride[0]), float(field.stride[1])), field.centre)
        y, x = size[0] / grid[0], size[1] / grid[1]
        return cls(size, grid, (y, x), (y / 2, x / 2), exact=anchor == "plain")

    def on_map(self, shares: Floats, axis: int) -> Floats:
        """Places ``(...)`` along an axis, in shares of the input's side, on the map; beyond its edge cells: at them."""
        pixels = shares * self.size[axis]
        found: Floats = ((pixels - self.centre[axis]) / self.stride[axis]).clip(0, self.grid[axis] - 1)
        return found

    def in_picture(self, cells: Floats, axis: int) -> Floats:
        """The centres of cells along an axis, in shares of the input's side."""
        found: Floats = (self.centre[axis] + cells * self.stride[axis]) / self.size[axis]
        return found

    def laid_over(self, maps: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Maps ``(..., h, w)`` bilinearly at the centres of a raster over the picture: ``(..., H, W)``."""
        down, across = (self._weights(shape[axis], axis) for axis in (0, 1))
        laid: NDArray[np.float32] = np.einsum("yi,...ij,xj->...yx", down, maps, across, optimize=True)
        return laid.astype(np.float32)

    def _weights(self, n: int, axis: int) -> NDArray[np.float32]:
        """What each of n places is made of: ``(n, h)``."""
        at = self.on_map((np.arange(n) + 0.5) / n, axis)
        low = np.floor(at).astype(np.intp)
        weights = np.zeros((n, self.grid[axis]), np.float32)
        weights[np.arange(n), low] = 1 - (at - low)
        inner = low + 1 < self.grid[axis]
        weights[np.flatnonzero(inner), low[inner] + 1] = (at - low)[inner]
        return weights
