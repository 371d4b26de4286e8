"""Receptive fields: where in the picture a unit of a layer looks.

Coordinates are vestige's: pixel i covers ``[i, i + 1)``. A unit that reads the pixels ``a .. b`` of a row has a field
of ``b - a + 1`` pixels that is centred at ``(a + b + 1) / 2``. A chain of unpadded layers therefore begins at half its
field: unit 0 of an 11 x 11 convolution is centred at 5.5; a ``k`` wide layer with padding ``p`` on a map of stride
``s`` that is centred at ``c`` has its unit 0 at ``c + s ((k - 1) / 2 - p)``. In the Caffe reference network conv5's
unit 0 is centred at 17.5 and pool5's at 33.5.

Fields are *unclipped*: those of a unit far from every edge of a picture that is as large as it needs to be.

They are found by letting NaN flow through the network from strips of its input (`StripProbe`). NaN is never lost on its
way: a unit is NaN exactly where one of the pixels that it reads is, whatever the weights and activations are, through
additions, concatenations, dilation, pooling and padding alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vestige.backbones.backbone import Backbone
from vestige.backbones.watching import DispatchMode
from vestige.progress import Progress, count_nothing
from vestige.threads import one_torch_thread

Side = Literal["low", "high"]
Strip = tuple[Side, int]
Reached = NDArray[np.bool_]

_PIXELS_A_BATCH = 16 * 224 * 224

_UNITS = 3
"""So many units on either side of a layer must agree on its stride."""

_STEP = 64
"""Larger inputs differ by multiples of this from the network's own, so that padding that depends on whether a side
is even comes out the same at every depth."""

_LARGEST = 8192

_SIDES: tuple[Side, Side] = ("low", "high")

_NARROW = 32
_WIDTHS = (1, 8, _NARROW, 64, 128)
"""Widths to try for the side of the input that is not probed: the narrower, the faster."""


@dataclass(frozen=True)
class ReceptiveField:
    """Where the units of a layer look, in pixels of the network's input, ``(y, x)``.

    Attributes:
        stride: from one unit to the next; None for vectors, tokens, and grids without one (attention, resampling).
        receptive_field: height and width of an unclipped unit's field; None without a stride, and where every unit
            reads the whole picture whatever its size (squeeze-and-excite).
        centre: of the field of unit (0, 0), continuous, possibly negative; unit (i, j) is centred at
            ``centre + stride * (i, j)``. Behind squeeze-and-excite: of the reads that move with the unit.
        whole_image: whether the middle unit's field covers the network's own input.
    """

    stride: tuple[int, int] | None
    receptive_field: tuple[int, int] | None
    centre: tuple[float, float] | None
    whole_image: bool


@dataclass(frozen=True)
class _Line:
    """Along one axis: unit i reads from ``low + stride * i`` to ``high + stride * i``, both included."""

    stride: int
    low: int
    high: int


@one_torch_thread()  # strips are narrow: several threads gain little, and beside other work they take ten times as long
def find_receptive_fields(
    backbone: Backbone, names: Sequence[str], progress: Progress = count_nothing
) -> dict[str, ReceptiveField]:
    """The receptive fields of layers, found by probing the network itself (see :mod:`vestige.backbones.receptive`).

    :func:`vestige.features.kept_fields.receptive_fields` keeps what is found here, and is what to call.

    For each axis and each end of it, strips of NaN grow from the edge of the input until they reach a unit: the width
    at which they do tells where the unit's field begins. Units whose field reaches beyond the edge are passed over;
    where too few are left, the input is made larger. The other side of the input is kept narrow, which costs little.

    Args:
        backbone: a network on the CPU.
        names: of layers.
        progress: called with how many layers are done, and how many there are.

    Returns:
        name -> field, in the order of ``names``.

    Raises:
        VestigeError: where a layer does not run or cannot be read.
    """
    grids = [layer.name for layer in backbone.layers(names) if layer.kind == "grid"]
    others = [name for name in names if name not in grids]
    whole = edges_reach_middle(backbone, grids) if grids else {}
    whole |= edges_reach_middle(backbone, others, thickness=1 / 16) if others else {}
    axes = _both_axes(backbone, grids, local=False, progress=progress)
    everywhere = [name for name in grids if all(lines.get(name) == "whole" for lines in axes)]
    local = _both_axes(backbone, everywhere, local=True, progress=progress)
    fields = {}
    for name in names:
        lines, bounded = [found.get(name) for found in axes], True
        if name in everywhere:
            lines, bounded = [found.get(name) for found in local], False
        fields[name] = _field(lines, bounded, whole[name])
    return fields


def typical_inputs(backbone: Backbone) -> Iterator[Tensor]:
    """Inputs on which networks that compute differently differ: of its own size, and long and narrow as strips are."""
    own = backbone.preprocessing.size
    y, x = (_lengths(side)[1] for side in own)
    yield from (backbone.blank(size) for size in (own, (y, min(_NARROW, own[1])), (min(_NARROW, own[0]), x)))


_Found = _Line | Literal["whole", "irregular"]


def _field(lines: Sequence[_Found | None], bounded: bool, whole: bool) -> ReceptiveField:
    y, x = lines
    if not isinstance(y, _Line) or not isinstance(x, _Line):
        return ReceptiveField(None, None, None, whole)
    extent = (y.high - y.low + 1, x.high - x.low + 1) if bounded else None
    centre = ((y.low + y.high + 1) / 2, (x.low + x.high + 1) / 2)
    return ReceptiveField((y.stride, x.stride), extent, centre, whole)


def _both_axes(
    backbone: Backbone, names: Sequence[str], local: bool, progress: Progress
) -> tuple[dict[str, _Found], dict[str, _Found]]:
    """The lines along y and along x; those along x are expected to be like those along y, and checked."""

    def tell(lines: int) -> None:
        progress(lines // 2, len(names))

    if not names:
        return {}, {}
    y = _lines(backbone, names, 0, local, {}, tell)
    regular = [name for name in names if y.get(name, "irregular") != "irregular"]
    passed = 2 * len(names) - len(regular)
    return y, _lines(backbone, regular, 1, local, y, lambda lines: tell(passed + lines))


def _lines(
    backbone: Backbone,
    names: Sequence[str],
    axis: Literal[0, 1],
    local: bool,
    guesses: Mapping[str, _Found],
    tell: Callable[[int], None],
) -> dict[str, _Found]:
    """The line of each layer along an axis, on inputs as large as it takes; tells how many it has found."""
    found: dict[str, _Found] = {}
    units: dict[str, int] = {}
    wrapped: set[str] = set()
    for length in _lengths(backbone.preprocessing.size[axis]):
        open_names = [name for name in names if name not in found]
        tell(len(found))
        if not open_names:
            break
        probe = _probe(backbone, open_names, axis, length, local)
        if probe is None:  # the network takes no other size than its own
            break
        _search(probe, guesses)
        for name in open_names:
            line = _line(probe, name)
            count = _units(probe, name)
            first = units.setdefault(name, count)
            grown = length - backbone.preprocessing.size[axis]
            if isinstance(line, _Line) and abs((count - first) * line.stride - grown) > line.stride:
                line = "irregular"  # the number of units does not follow the input: adaptive pooling
            if line is None and name in wrapped and _wraps(probe, name):
                line = "irregular"
            if line is not None:
                found[name] = line
            elif grown and _wraps(probe, name):
                wrapped.add(name)  # once may be chance: a dilated field whose gap is as long as the input
    else:
        found |= {name: "whole" for name in names if name not in found}
    return found


def _lengths(own: int) -> list[int]:
    """Sides of input to try: the network's own, then about twice as much each time."""
    lengths = [own]
    while lengths[-1] < _LARGEST:
        lengths.append(lengths[-1] + max(1, lengths[-1] // _STEP) * _STEP)
    return lengths


def _probe(
    backbone: Backbone, names: Sequence[str], axis: Literal[0, 1], length: int, local: bool
) -> StripProbe | None:
    """A probe on the narrowest input that the network takes, which has seen its edges; None where it takes none."""
    across = backbone.preprocessing.size[1 - axis]
    for width in [*(width for width in _WIDTHS if width < across), across]:
        size = (length, width) if axis == 0 else (width, length)
        probe = StripProbe(backbone, names, size, axis, local)
        try:
            probe.run([("low", 1)])
        except Exception:  # networks refuse an input's size in as many ways as there are networks
            continue
        if all(units.ndim == 1 for name in names for units in probe.reached(name, "low").values()):
            probe.run((side, _pitch(probe, name)) for side in _SIDES for name in names)
            return probe
    return None


def _search(probe: StripProbe, guesses: Mapping[str, _Found]) -> None:
    """Probe strips until it is known where the fields of the outermost unclipped units begin and end."""
    while True:
        strips: set[Strip] = set()
        for name in probe.names:
            for side in _SIDES:
                units = _unclipped(probe, name, side)
                if len(units) == _UNITS:
                    strips.update((side, width) for width in _next_widths(probe, name, side, units, guesses.get(name)))
        if not strips:
            return
        probe.run(strips)


def _next_widths(probe: StripProbe, name: str, side: Side, units: Sequence[int], guess: _Found | None) -> set[int]:
    """The strips to try next: the outermost unit's by bisection, the others' where its stride puts them.

    A guess (the line along the other axis) is tried first. No strip is left to try once all units are known exactly.
    """
    brackets = [_bracket(probe, name, side, unit) for unit in units]
    length = probe.size[probe.axis]
    stride = _pitch(probe, name)
    first = brackets[0][1] if _known(brackets[0]) else None
    if first is None and isinstance(guess, _Line):
        stride = guess.stride
        end = guess.low + stride * units[0] if side == "low" else length - 1 - guess.high - stride * units[0]
        first = end + 1 if brackets[0][0] < end + 1 <= brackets[0][1] else None
    if first is None:
        return {_bisected(*brackets[0], stride, length)}
    widths: set[int] = set()
    for rank, (missed, hit) in enumerate(brackets):
        if not _known((missed, hit)):
            likely = {first + stride * rank - 1, first + stride * rank}
            inside = {width for width in likely if missed < width < hit and width <= length}
            widths |= inside or {_bisected(missed, hit, stride, length)}
    return widths


def _known(bracket: tuple[int, int]) -> bool:
    return bracket[1] - bracket[0] == 1


def _bisected(missed: int, hit: int, stride: int, length: int) -> int:
    """Halfway between what misses and what hits; where nothing is known to hit, as if one stride further did."""
    upper = hit if hit <= length else min(length, missed + (stride if missed < 4 * stride else missed))
    return (missed + upper + (hit > length)) // 2


def _bracket(probe: StripProbe, name: str, side: Side, unit: int) -> tuple[int, int]:
    """The widest strip known to miss a unit and the narrowest known to reach it (where none is, one too wide to be)."""
    missed, hit = 0, probe.size[probe.axis] + 1
    for width, units in probe.reached(name, side).items():
        if units[unit]:
            hit = min(hit, width)
        else:
            missed = max(missed, width)
    return missed, hit


def _unclipped(probe: StripProbe, name: str, side: Side) -> list[int]:
    """The units nearest an edge whose fields do not reach beyond it, outermost first; at most three.

    They come behind the last unit that an edge strip of one stride reaches. (Not simply any unit that a strip of one
    pixel misses: dilated fields have gaps, and a strided layer may leave the last pixels of a side unread.)
    """
    reached = np.flatnonzero(probe.reached(name, side)[_pitch(probe, name)])
    count = _units(probe, name)
    if side == "low":
        first = int(reached[-1]) + 1 if len(reached) else 0
        return list(range(first, count))[:_UNITS]
    last = int(reached[0]) - 1 if len(reached) else count - 1
    return list(range(last, -1, -1))[:_UNITS]


def _pitch(probe: StripProbe, name: str) -> int:
    """The side of the input over the number of units, rounded up: the stride, as far as the shape tells."""
    return -(-probe.size[probe.axis] // _units(probe, name))


def _wraps(probe: StripProbe, name: str) -> bool:
    """Whether each edge reaches units near both ends but not all between: a cyclic shift, as in Swin's windows."""
    quarter = max(1, _units(probe, name) // 4)
    strips = [probe.reached(name, side)[_pitch(probe, name)] for side in _SIDES]
    return all(
        reached[:quarter].any() and reached[-quarter:].any() and not reached[quarter:-quarter].all()
        for reached in strips
    )


def _units(probe: StripProbe, name: str) -> int:
    return len(next(iter(probe.reached(name, "low").values())))


def _line(probe: StripProbe, name: str) -> _Line | Literal["irregular"] | None:
    """What the probed strips say of a layer; None where the input was too small to say."""
    length = probe.size[probe.axis]
    low_units, high_units = _unclipped(probe, name, "low"), _unclipped(probe, name, "high")
    if min(len(low_units), len(high_units)) < _UNITS:
        return None
    lows = [(unit, _bracket(probe, name, "low", unit)[1] - 1) for unit in low_units]
    highs = [(unit, length - _bracket(probe, name, "high", unit)[1]) for unit in high_units]
    strides = {
        (there - here) / (other - unit) for ends in (lows, highs) for (unit, here), (other, there) in pairwise(ends)
    }
    if len(strides) > 1 or any(stride <= 0 or stride != int(stride) for stride in strides):
        return "irregular"
    stride = int(strides.pop())
    return _Line(stride, lows[0][1] - stride * lows[0][0], highs[0][1] - stride * highs[0][0])


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


class _LocalReads(DispatchMode):
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
