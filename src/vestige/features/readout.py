"""How a layer's output becomes one vector per picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vestige.backbones import Layer
from vestige.errors import VestigeError, near_names

Name = Literal["vector", "flat", "gap", "grid", "cls", "tokens"]

LARGEST_DEFAULT = 25_000
"""The default readout of a grid or of tokens keeps at most this many numbers."""

_MOST_CELLS = 1024  # a side: more than any layer has

_EXPECTED = "expected vector, flat, gap, grid:G (as in grid:5), cls or tokens"


@dataclass(frozen=True)
class Readout:
    """How a layer's output becomes one vector.

    ========  ==================================================================================================
    vector    a vector as it is
    flat      every number of the layer: a grid in the order (channel, y, x), tokens in the order (token, channel)
    gap       the mean over a grid or over the patch tokens: C numbers
    grid:G    a grid, or the patch tokens put back on theirs, average-pooled to G x G, in the order (channel, y, x)
    cls       the class token: the first of the tokens that stand before the patches
    tokens    the patch tokens in the order (token, channel), without class token and registers
    ========  ==================================================================================================

    Pooling is adaptive: cell i of G averages the units from ``floor(i h / G)`` up to ``ceil((i + 1) h / G)``, which
    overlap by one where G does not divide h.

    Attributes:
        name: one of the above.
        cells: the G of ``grid:G``; 0 for the others.
    """

    name: Name
    cells: int = 0

    def __str__(self) -> str:
        """As the user writes it; :func:`parse_readout` reads it back."""
        return f"grid:{self.cells}" if self.name == "grid" else self.name

    def size(self, layer: Layer) -> int:
        """How many numbers the readout makes of one picture.

        Raises:
            VestigeError: where the readout does not fit the layer.
        """
        self._check(layer)
        if self.name in ("vector", "flat"):
            return layer.size
        channels = layer.shape[-1] if layer.kind == "tokens" else layer.shape[0]
        if self.name == "grid":
            return channels * self.cells**2
        if self.name == "tokens":
            return channels * (layer.shape[0] - layer.prefix_tokens)
        return channels

    def apply(self, output: Tensor, layer: Layer) -> Tensor:
        """One vector per picture.

        Args:
            output: of the layer for N pictures: ``(N, C)``, ``(N, C, h, w)`` or ``(N, T, C)``, of any float type.
            layer: which layer it is of.

        Returns:
            ``(N, D)`` float32, D = :meth:`size`.

        Raises:
            VestigeError: where the readout does not fit the layer.
        """
        self._check(layer)
        if tuple(output.shape[1:]) != layer.shape:
            raise VestigeError(
                f"layer {layer.name!r} put out {tuple(output.shape[1:])} for a picture; expected {layer.shape}"
            )
        return self._reduced(output.float(), layer).flatten(1)

    def _reduced(self, output: Tensor, layer: Layer) -> Tensor:
        if self.name in ("vector", "flat"):
            return output
        if self.name == "cls":
            return output[:, 0]
        if layer.kind == "tokens":
            output = output[:, layer.prefix_tokens :]
            if self.name == "tokens":
                return output
            if self.name == "gap":
                return output.mean(dim=1)
            side = _patch_side(layer)
            output = output.transpose(1, 2).reshape(len(output), -1, side, side)
        return output.mean(dim=(2, 3)) if self.name == "gap" else adaptive_avg_pool2d(output, self.cells)

    def _check(self, layer: Layer) -> None:
        reason = _misfit(self, layer)
        if reason:
            fitting = ", ".join(_fitting(layer))
            raise VestigeError(
                f"readout {str(self)!r} does not fit layer {layer.name!r}: {reason}; it can be {fitting}"
            )


def parse_readout(text: str) -> Readout:
    """The readout that a text names: ``vector``, ``flat``, ``gap``, ``grid:G``, ``cls`` or ``tokens``.

    Raises:
        VestigeError: where it names none.
    """
    name, colon, cells = text.strip().partition(":")
    if name == "grid" and cells.isascii() and cells.isdecimal() and 0 < int(cells[:5]) <= _MOST_CELLS:
        return Readout("grid", int(cells))
    for known in get_args(Name):
        if name == known != "grid" and not colon:
            return Readout(known)
    hint = "".join(f"did you mean {near}? " for near in near_names(name, get_args(Name)))
    raise VestigeError(f"no readout {text!r}; {hint}{_EXPECTED}")


def default_readout(layer: Layer, largest: int = LARGEST_DEFAULT) -> Readout:
    """The readout that keeps where things are, within reason: the question that vestige asks.

    A vector is read as it is. A grid is read whole (``flat``) where that is at most ``largest`` numbers, else pooled to
    the largest square grid of at most as many. Tokens too: their patches whole (``tokens``) or pooled on their grid.
    The class token alone, or a mean, would throw the places away and is never the default, except for patches that
    make no square grid, which are averaged where they are too many.
    """
    if layer.kind == "vector":
        return Readout("vector")
    whole = Readout("tokens" if layer.kind == "tokens" else "flat")
    if whole.size(layer) <= largest:
        return whole
    if layer.kind == "tokens":
        side = _patch_side(layer)
        if not side:
            return Readout("gap")
        channels = layer.shape[1]
    else:
        channels, side = layer.shape[0], min(layer.shape[1:])
    return Readout("grid", max(1, min(math.isqrt(largest // channels), side)))


def _misfit(readout: Readout, layer: Layer) -> str:
    """Why a readout does not fit a layer; empty where it does."""
    kind = {"vector": "a vector", "grid": "a grid", "tokens": "tokens"}[layer.kind]
    name = readout.name
    if name == "flat":
        return ""
    if name == "vector":
        return "" if layer.kind == "vector" else f"the layer puts out {kind}, {_by(layer.shape)}, no vector"
    if layer.kind == "vector":
        return f"the layer puts out a vector of {layer.shape[0]} numbers, without places"
    if name == "grid":
        return _grid_misfit(readout.cells, layer)
    if name == "gap":
        return ""
    if layer.kind != "tokens":
        return f"the layer puts out a grid, {_by(layer.shape)}, no tokens"
    return "the layer has no class token" if name == "cls" and not layer.prefix_tokens else ""


def _grid_misfit(cells: int, layer: Layer) -> str:
    if layer.kind == "tokens":
        side = _patch_side(layer)
        if not side:
            return f"its {layer.shape[0] - layer.prefix_tokens} patches make no square grid"
        height = width = side
    else:
        height, width = layer.shape[1:]
    return f"its grid is {height} x {width} only" if cells > min(height, width) else ""


def _fitting(layer: Layer) -> list[str]:
    """The readouts that fit a layer, as the user writes them."""
    if layer.kind == "vector":
        return ["vector", "flat"]
    if layer.kind == "grid":
        return ["flat", "gap", f"grid:1 to grid:{min(layer.shape[1:])}"]
    side = _patch_side(layer)
    grids = [f"grid:1 to grid:{side}"] if side else []
    return ["flat", "gap", *grids, *(["cls"] if layer.prefix_tokens else []), "tokens"]


def _patch_side(layer: Layer) -> int:
    """The side of the square grid that a layer's patch tokens make; 0 where they make none."""
    patches = layer.shape[0] - layer.prefix_tokens
    side = math.isqrt(patches)
    return side if side * side == patches else 0


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
