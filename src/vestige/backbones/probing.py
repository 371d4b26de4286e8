"""Which units of a network's layers a strip of its input reaches, found by letting NaN flow through the network.

NaN is never lost on its way: a unit is NaN exactly where one of the pixels that it reads is, whatever the weights and
activations are, through additions, concatenations, dilation, pooling and padding alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vestige.backbones.backbone import Backbone

Side = Literal["low", "high"]
Strip = tuple[Side, int]
Reached = NDArray[np.bool_]

_PIXELS_A_BATCH = 16 * 224 * 224


class StripProbe:
    """What strips along one axis of an input of one size reach, remembered strip by strip.

    Args:
        backbone: whose layers are looked at.
        names: of layers that put out grids.
        size: ``(h, w)`` of the input.
        axis: 0 for strips of rows, 1 for strips of columns.
        local: let no NaN through where a whole side of a map is reduced to one number (squeeze-and-excite), so that
            what is left are the reads that move with the unit.
    """

    def __init__(
        self, backbone: Backbone, names: Sequence[str], size: tuple[int, int], axis: Literal[0, 1], local: bool
    ) -> None:
        self.backbone, self.names, self.size, self.axis, self.local = backbone, tuple(names), size, axis, local
        self._reached: dict[str, dict[Strip, Reached]] = {name: {} for name in names}

    def run(self, strips: Iterable[Strip]) -> None:
        """Probe strips: ``("low", r)`` are the r rows at the top, ``("high", r)`` those at the bottom."""
        known = self._reached[self.names[0]]
        todo = sorted({strip for strip in strips if strip not in known})
        at_once = max(1, _PIXELS_A_BATCH // (self.size[0] * self.size[1]))
        for start in range(0, len(todo), at_once):
            self._run_batch(todo[start : start + at_once])

    def _run_batch(self, strips: Sequence[Strip]) -> None:
        x = self.backbone.blank(self.size, len(strips))
        along = x.transpose(2, 2 + self.axis)
        for sample, (side, width) in zip(along, strips, strict=True):
            (sample[:, :width] if side == "low" else sample[:, -width:]).fill_(torch.nan)
        with torch.no_grad(), _LocalReads(self.axis) if self.local else nullcontext():
            outputs = self.backbone.run(x, self.names)
        for name, output in outputs.items():
            units = output.isnan().any(dim=1).any(dim=2 - self.axis).cpu().numpy()
            self._reached[name].update(zip(strips, units, strict=True))

    def reached(self, name: str, side: Side) -> Mapping[int, Reached]:
        """Strip width -> for every unit along the axis, whether the strip reaches it."""
        return {width: units for (which, width), units in self._reached[name].items() if which == side}


class _LocalReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Stops NaN wherever an operation takes a map with many places along an axis to one with a single place there.

    Args:
        axis: 0 for rows, 1 for columns; either of the layouts ``(N, C, h, w)`` and ``(N, h, w, C)`` is understood.
    """

    def __init__(self, axis: Literal[0, 1]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.axis = axis

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        given = args[0] if args else None
        if isinstance(given, Tensor) and isinstance(output, Tensor) and self._reduces(given, output):
            return torch.nan_to_num(output, nan=0.0)
        return output

    def _reduces(self, given: Tensor, output: Tensor) -> bool:
        if given.ndim != 4 or not output.is_floating_point() or output.numel() >= given.numel():
            return False
        if output.ndim == 2:  # both sides reduced and dropped
            return output.shape[1] in (given.shape[1], given.shape[3])
        sides = (2 + self.axis, 1 + self.axis)
        return output.ndim == 4 and any(
            given.shape[side] > 1 == output.shape[side] and given.numel() == output.numel() * _others(given, output)
            for side in sides
        )


def _others(given: Tensor, output: Tensor) -> int:
    """By how much a reduction that keeps every other extent shrinks a tensor; 0 where it changes some extent."""
    shrunk = 1
    for before, after in zip(given.shape, output.shape, strict=True):
        if after not in (before, 1):
            return 0
        shrunk *= before // after
    return shrunk


def edges_reach_middle(backbone: Backbone, names: Sequence[str], thickness: float = 0.0) -> dict[str, bool]:
    """Whether each layer's middle unit (a vector's only one) reads all four edges of the network's own input.

    Args:
        backbone: whose layers are looked at.
        names: of layers of any kind.
        thickness: of the edges, as a share of the input's sides; at least one row or column.
    """
    x = backbone.blank(batch=4)
    rows, columns = (max(1, round(thickness * side)) for side in x.shape[2:])
    x[0, :, :rows], x[1, :, -rows:] = torch.nan, torch.nan
    x[2, :, :, :columns], x[3, :, :, -columns:] = torch.nan, torch.nan
    with torch.no_grad():
        outputs = backbone.run(x, names)
    return {name: bool(_middle(output).isnan().flatten(1).any(dim=1).all()) for name, output in outputs.items()}


def _middle(output: Tensor) -> Tensor:
    if output.ndim == 4:
        return output[:, :, output.shape[2] // 2, output.shape[3] // 2]
    return output[:, output.shape[1] // 2] if output.ndim == 3 else output
