"""Pictures to activation maps: one pass through a network that gives the maps of several layers, batch by batch.

A unit is one channel of a grid or tokens layer; its activations over a picture are a map. Maps are handed out as they
are computed and nothing is kept, so memory does not grow with the pictures.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vestige.backbones import Backbone, Layer, ReceptiveField, prepared
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.decode import PixelBatch, read_batches
from vestige.features.extract import exact_arithmetic, not_finite
from vestige.features.kept_fields import receptive_fields
from vestige.images import Crop
from vestige.text import listed


@dataclass(frozen=True)
class Activations:
    """What some pictures of a pass make of layers.

    Attributes:
        rows: which of the crops, in order; those that could not be read are left out.
        maps: layer -> ``(len(rows), C, h, w)`` float32 on the CPU.
        pixels: ``(len(rows), H, W, 3)`` uint8 RGB: what the network was shown, before its preprocessing.
        problems: row -> why a crop of the batch is left out.
    """

    rows: tuple[int, ...]
    maps: Mapping[str, Tensor]
    pixels: Tensor
    problems: Mapping[int, str]


class ActivationReader:
    """A network made ready to give the activation maps of some of its layers.

    Args:
        backbone: the network.
        layers: names and globs of grid or tokens layers, as :meth:`Backbone.select` takes them; a glob that means other
            layers as well means those alone.
        options: device, batch, precision and decoding threads.

    Attributes:
        layers: name -> the layer, in the order of depth.
        left_out: layers that a glob means, too, whose units have no place in the picture.
        shapes: name -> ``(C, h, w)`` of its maps.

    Raises:
        VestigeError: where there is no such layer, or its units have no places in the picture.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str], options: ExtractOptions | None = None) -> None:
        self.backbone = backbone
        self.options = options or ExtractOptions()
        self.device = self.options.torch_device()
        found = backbone.layers(backbone.select(layers))
        meant = [layer for layer in found if layer.kind != "vector" or layer.name in layers]
        self.layers: dict[str, Layer] = {layer.name: layer for layer in meant or found}
        self.left_out = tuple(layer.name for layer in found if layer.name not in self.layers)
        self.shapes = {name: map_shape(backbone, layer) for name, layer in self.layers.items()}

    def __getstate__(self) -> dict[str, Any]:
        """Another process makes the network ready by itself."""
        return {name: value for name, value in self.__dict__.items() if name != "network"}

    @cached_property
    def network(self) -> Backbone:
        """The copy that computes."""
        options = self.options
        return prepared(
            self.backbone,
            self.device,
            dtype=getattr(torch, options.precision),
            compile=options.compile,
            keep=tuple(self.layers),
        )

    @cached_property
    def fields(self) -> dict[str, ReceptiveField]:
        """The receptive fields of the layers; a tokens layer's are its patches, without a field of their own."""
        grids = [name for name, layer in self.layers.items() if layer.kind == "grid"]
        found = receptive_fields(self.backbone, grids) if grids else {}
        return {name: found.get(name) or _patch_field(self.backbone, self.shapes[name]) for name in self.layers}

    def read(self, crops: Sequence[Crop], rows: Sequence[int] | None = None) -> Generator[Activations]:
        """The maps of crops, batch by batch, in order.

        Args:
            crops: what the network is shown.
            rows: which of them, in the order in which they are asked for; None for all.

        Raises:
            VestigeError: where the device has no memory for a batch.
        """
        asked = range(len(crops)) if rows is None else rows
        wanted = [crops[row] for row in asked]
        size = self.options.batch
        batches = [range(i, min(i + size, len(wanted))) for i in range(0, len(wanted), size)]
        expected = self.backbone.preprocessing
        pixels = read_batches(wanted, batches, expected.size, expected.interpolation, workers=self.options.workers)
        with closing(pixels) as decoded:
            for batch in decoded:
                yield self._activations(batch, [asked[i] for i in batch.rows])

    def notes(self) -> Iterator[str]:
        """What a reader of the numbers must know of the layers."""
        if self.left_out:
            yield f"Layers whose units have no place in the picture are left out: {listed(self.left_out)}."

    def maps(self, pixels: Tensor) -> dict[str, Tensor]:
        """The maps ``(N, C, h, w)`` of pictures ``(N, H, W, 3)`` uint8 RGB of the network's own size, on the CPU."""
        return self.maps_of(self.backbone.preprocessing(pixels, self.device))

    def maps_of(self, x: Tensor) -> dict[str, Tensor]:
        """The maps ``(N, C, h, w)`` of the network's input ``(N, 3, H, W)``, on the CPU.

        Raises:
            VestigeError: where the device has no memory for so many.
        """
        try:
            with torch.inference_mode(), exact_arithmetic():
                outputs = self.network.run(x, tuple(self.layers))
        except torch.OutOfMemoryError as error:
            raise VestigeError(f"{self.device} has no memory for a batch of {len(x)}: ask for less") from error
        return {
            name: (self.network.patches(name, output) if output.ndim == 3 else output).cpu()
            for name, output in outputs.items()
        }

    def _activations(self, batch: PixelBatch, rows: Sequence[int]) -> Activations:
        pixels = torch.from_numpy(batch.pixels)
        maps = self.maps(pixels)
        problems = {rows[i - batch.rows.start]: message for i, message in batch.problems.items()}
        for name, each in maps.items():
            if bool(torch.isfinite(each.sum())):  # infinities and NaN stay in a sum
                continue
            finite = torch.isfinite(each).flatten(1).all(dim=1).tolist()
            problems |= {row: not_finite(name) for row, good in zip(rows, finite, strict=True) if not good}
        if problems:
            good_ones = [i for i, row in enumerate(rows) if row not in problems]
            rows = [rows[i] for i in good_ones]
            maps, pixels = {name: each[good_ones] for name, each in maps.items()}, pixels[good_ones]
        return Activations(tuple(rows), maps, pixels, problems)


def check_pictures(data: Dataset, *_options: object) -> None:
    """Refuse data without pictures.

    Raises:
        VestigeError: naming the data set.
    """
    if not len(data):
        raise VestigeError(f"{data.spec}: holds no pictures")


def map_shape(backbone: Backbone, layer: Layer) -> tuple[int, int, int]:
    """``(C, h, w)`` of a layer's activation maps.

    Raises:
        VestigeError: where its units have no places in the picture.
    """
    if layer.kind == "grid":
        channels, height, width = layer.shape
        return channels, height, width
    if layer.kind == "tokens" and (layout := backbone.token_grid(layer.shape[0])) is not None:
        return (layer.shape[1], *layout[1])
    grids = [each.name for each in backbone.layers() if each.kind != "vector"]
    hint = f"choose among {', '.join(grids)}" if grids else "it lists no layer of grids or tokens"
    raise VestigeError(
        f"{backbone.spec}: layer {layer.name!r} puts out a {layer.kind}: its units have no place in the picture; {hint}"
    )


def _patch_field(backbone: Backbone, shape: tuple[int, int, int]) -> ReceptiveField:
    """Where the patches of a tokens layer lie; what each attends to is the whole picture."""
    height, width = (side / n for side, n in zip(backbone.preprocessing.size, shape[1:], strict=True))
    stride = (round(height), round(width))
    return ReceptiveField(stride, None, (height / 2, width / 2), whole_image=True)
