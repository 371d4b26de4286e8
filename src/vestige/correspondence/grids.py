"""Grids of features: what stands at each of a layer's receptive-field centres, of a network or of SIFT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import Backbone, Layer
from vestige.correspondence.sift import sift
from vestige.errors import VestigeError
from vestige.features.extract import keys_of
from vestige.features.kept_fields import receptive_fields
from vestige.features.layout import pictures_sha256
from vestige.features.reader import Read, Reader
from vestige.features.store import Features
from vestige.geometry import Points
from vestige.images import Crop

Grid = NDArray[np.float32]
"""``(H, W, C)``, each cell of length 1 (a cell of zeros stays so)."""


@dataclass(frozen=True)
class Cells:
    """Where the cells of a grid stand in the network's input.

    Attributes:
        shape: H and W.
        stride: ``(y, x)`` pixels from one cell to the next.
        centre: ``(y, x)`` of cell (0, 0).
        size: ``(height, width)`` of the input.
    """

    shape: tuple[int, int]
    stride: tuple[float, float]
    centre: tuple[float, float]
    size: tuple[int, int]

    def places(self) -> Points:
        """``(H, W, 2)``: each cell's (x, y) in pixels of the input."""
        y, x = np.indices(self.shape)
        return np.stack([self.centre[1] + self.stride[1] * x, self.centre[0] + self.stride[0] * y], axis=-1)

    def nearest(self, points: Points) -> NDArray[np.intp]:
        """The cells ``(..., 2)``, each (x, y), whose centres are nearest to points ``(..., 2)`` in pixels."""
        cells = np.rint((points - np.array(self.centre[::-1])) / np.array(self.stride[::-1]))
        limits: NDArray[np.intp] = np.clip(cells, 0, np.array(self.shape[::-1]) - 1).astype(np.intp)
        return limits


class Grids(Protocol):
    """The grids of a series of instances."""

    @property
    def cells(self) -> Cells:
        """Where they stand."""
        ...

    @property
    def key(self) -> str:
        """A text that changes whenever the numbers would."""
        ...

    def read(self, row: int) -> Grid:
        """The grid of one instance."""
        ...


@dataclass(frozen=True)
class NetworkGrids:
    """A layer's grids, from its stored features ``(N, C H W)`` or, of tokens, ``(N, H W C)``."""

    cells: Cells
    features: Features
    channels_first: bool

    @property
    def key(self) -> str:
        """That of the store."""
        return self.features.description.key

    def read(self, row: int) -> Grid:
        """The grid of one instance."""
        values = self.features[row]
        height, width = self.cells.shape
        if self.channels_first:
            return unit_cells(values.reshape(-1, height, width).transpose(1, 2, 0))
        return unit_cells(values.reshape(height, width, -1))


@dataclass(frozen=True)
class SiftGrids:
    """SIFT at the places of a layer's cells, in the picture that the network sees; computed when first read.

    Attributes:
        cells: the places.
        crops: the instances.
        radius: of the descriptors, in pixels of the network's input.
        interpolation: by which pictures are resized to it.
    """

    cells: Cells
    crops: Sequence[Crop]
    radius: float
    interpolation: str
    _kept: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def key(self) -> str:
        """Of the pictures, the places and the radius."""
        return f"sift {self.radius!r} {self.cells!r} {self.interpolation} {pictures_sha256(keys_of(self.crops))}"

    def read(self, row: int) -> Grid:
        """The grid of one instance; its descriptors (a byte a number) are kept."""
        if row not in self._kept:
            picture = self.crops[row].pixels(self.cells.size, self.interpolation)
            self._kept[row] = sift(picture, self.cells.places(), self.radius)
        return unit_cells(self._kept[row].astype(np.float32))


def unit_cells(grid: NDArray[np.float32]) -> Grid:
    """Each cell of ``(H, W, C)`` divided by its length."""
    length = np.linalg.norm(grid, axis=-1, keepdims=True)
    unit: Grid = np.divide(grid, length, out=np.zeros(grid.shape, np.float32), where=length > 0)
    return unit


def layer_cells(backbone: Backbone, layers: Sequence[Layer]) -> tuple[dict[str, Cells], tuple[str, ...]]:
    """Where the cells of grid and token layers stand, and what is only nearly so.

    A grid's cells stand at the centres of their receptive fields. Where these are not regular (attention, tokens,
    resampling), the picture is divided evenly among the cells, and a cell stands in the middle of its part.

    Raises:
        VestigeError: where a layer is no grid.
    """
    fields = receptive_fields(backbone, [layer.name for layer in layers if layer.kind == "grid"])
    size = backbone.preprocessing.size
    found: dict[str, Cells] = {}
    notes = []
    for layer in layers:
        shape = _shape(backbone, layer)
        receptive = fields.get(layer.name)
        if receptive is not None and receptive.stride is not None and receptive.centre is not None:
            found[layer.name] = Cells(shape, receptive.stride, receptive.centre, size)
            continue
        stride = (size[0] / shape[0], size[1] / shape[1])
        found[layer.name] = Cells(shape, stride, (stride[0] / 2, stride[1] / 2), size)
        notes.append(
            f"Cells of {layer.name} have no receptive field of their own: they are taken to stand in the middle of "
            "their share of the picture."
        )
    return found, tuple(notes)


def _shape(backbone: Backbone, layer: Layer) -> tuple[int, int]:
    if layer.kind == "grid":
        return layer.shape[1], layer.shape[2]
    layout = backbone.token_grid(layer.shape[0]) if layer.kind == "tokens" else None
    if layout is None:
        raise VestigeError(
            f"layer {layer.name!r} of {backbone.spec} is no grid, so it has no cells to align; "
            f"vestige layers {backbone.spec} lists them"
        )
    return layout[1]


def network_grids(reader: Reader, spec: str, cells: dict[str, Cells], crops: Sequence[Crop]) -> dict[str, NetworkGrids]:
    """The grids of layers for crops, all layers in one pass, from the cache where they are there."""
    kinds = {layer.name: layer.kind for layer in reader.backbone(spec).layers(list(cells))}
    reads: list[Read] = []
    for name in cells:
        reads += reader.reads(spec, [name], ["tokens" if kinds[name] == "tokens" else "flat"])
    stored = reader.features(spec, crops, reads)
    return {
        name: NetworkGrids(cells[name], features, kinds[name] == "grid")
        for name, features in zip(cells, stored, strict=True)
    }
