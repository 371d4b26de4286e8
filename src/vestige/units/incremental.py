"""Pictures with a part occluded, run through a network by computing again only what the occluder can reach.

An occluder changes a rectangle of the picture. Of every layer's output it then changes at most a rectangle, too: that
of the places whose reads touch the one before. Outside of it the output is that of the picture without the occluder,
which is computed once. So for a batch of occluders the rectangles are gathered, with the rim of unchanged values that
they read, into one batch of windows of the same size, and the layer is run on that.

PyTorch's tracing gives the network as a graph of elementary operations, whatever modules it is written in. Those that
are known here to work place by place (:data:`_POINTWISE`) or to slide over the map (:func:`_sliding`) run on windows;
behind any other (attention, squeeze-and-excite, flattening) the whole output is computed again, and so it is from the
first convolution on whose windows would cover most of the map. A network that cannot be traced is run whole.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functionalize
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

from vestige.backbones import Backbone
from vestige.errors import VestigeError
from vestige.features.extract import exact_arithmetic
from vestige.spelling import spelled

Places = NDArray[np.int64]

MOST = 0.7
"""The share of a map that windows may cover on average: beyond, computing all of it is faster than gathering them."""

BATCH = 64
"""Occluders at a time."""


@dataclass(frozen=True)
class Occluders:
    """Squares on a picture, at even steps from its upper left corner, wholly inside.

    Attributes:
        size: height and width of the picture in pixels.
        side: of a square.
        stride: from one to the next.
    """

    size: tuple[int, int]
    side: int = 11
    stride: int = 3

    def __post_init__(self) -> None:
        if self.side > min(self.size):
            raise VestigeError(
                f"{spelled('occluder', self.side)}: is larger than the picture, which the network sees at "
                f"{self.size[1]} x {self.size[0]} pixels; expected at most {min(self.size)}"
            )

    def along(self, axis: int) -> Places:
        """Where squares begin along an axis, 0 for y."""
        return np.arange(0, self.size[axis] - self.side + 1, self.stride)

    @property
    def shape(self) -> tuple[int, int]:
        """How many there are along y and along x."""
        return len(self.along(0)), len(self.along(1))

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]

    @cached_property
    def places(self) -> Places:
        """``(P, 2)``: (y, x) of every square's first pixel, row by row."""
        return np.stack(np.meshgrid(self.along(0), self.along(1), indexing="ij"), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class _Reach:
    """What occluders can change of a map: places from ``low`` up to ``high``, ``(P, 2)`` each, (y, x)."""

    low: Places
    high: Places

    def covered(self, size: Sequence[int]) -> float:
        """The mean share of a map of a size."""
        return float((np.maximum(self.high - self.low, 1) / np.array(size)).prod(axis=1).mean())

    def window(self, rows: Places, size: Sequence[int]) -> tuple[Places, tuple[int, int]]:
        """Windows of one size that hold what some occluders can change: their first places ``(b, 2)``, and (h, w)."""
        low, high = self.low[rows], self.high[rows]
        h, w = np.maximum(high - low, 1).max(axis=0).tolist()
        return np.clip(low, 0, np.array(size) - (h, w)), (h, w)


@dataclass(frozen=True)
class _Window:
    """Windows of a node's output, which is known outside of them.

    Attributes:
        values: ``(b, C, h, w)``, or whatever else ends in (h, w); several in a tuple.
        start: ``(b, 2)``: (y, x) of each one's first place.
    """

    values: Any
    start: Places


class _Reads(Protocol):
    """What an operation reads along one axis."""

    def reach(self, low: Places, high: Places) -> tuple[Places, Places]:
        """Of the output, what reads anything from ``low`` up to ``high``."""
        ...

    def of(self, start: Places, count: int) -> Places:
        """``(b, n)``: what ``count`` outputs from ``start`` on read; places outside of the map are its padding."""
        ...


@dataclass(frozen=True)
class _Sliding:
    """A kernel that slides along an axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int
    outputs: int

    def reach(self, low: Places, high: Places) -> tuple[Places, Places]:
        first = -((self.dilation * (self.kernel - 1) - self.padding - low) // self.stride)
        last = (high - 1 + self.padding) // self.stride
        return np.clip(first, 0, self.outputs), np.clip(last + 1, 0, self.outputs)

    def of(self, start: Places, count: int) -> Places:
        extent = (count - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
        return (start * self.stride - self.padding)[:, None] + np.arange(extent)


@dataclass(frozen=True)
class _Repeated:
    """Enlarging by repeating: output i is input ``sources[i]``."""

    sources: Places

    def reach(self, low: Places, high: Places) -> tuple[Places, Places]:
        return np.searchsorted(self.sources, low), np.searchsorted(self.sources, high)

    def of(self, start: Places, count: int) -> Places:
        found: Places = self.sources[start[:, None] + np.arange(count)]
        return found


@dataclass(frozen=True)
class _Step:
    """An operation that runs on windows.

    Attributes:
        inputs: the nodes that it reads windows of.
        apply: from what is read of the inputs, and the windows' first places, to the output in the windows.
        reads: along y and x; None where it works place by place.
        fill: what it reads outside of the map.
    """

    inputs: tuple[Node, ...]
    apply: Callable[[Sequence[Tensor], Places], Any]
    reads: tuple[_Reads, _Reads] | None = None
    fill: float = 0.0


@dataclass(frozen=True)
class Cells:
    """Units of a layer, each at a place of its map: ``(Q,)`` each."""

    units: Places
    y: Places
    x: Places


class Incremental:
    """A network that is run on one picture with occluders in it.

    Args:
        backbone: made ready by :func:`vestige.backbones.prepared`.
        layers: grids or tokens, that are read.
        occluders: that there may be.
        batch: occluders at a time.
        whole: run everything whole: the loop that the rest is measured against.
    """

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[str],
        occluders: Occluders,
        *,
        batch: int = BATCH,
        whole: bool = False,
    ) -> None:
        self.backbone, self.layers, self.occluders, self.batch = backbone, tuple(layers), occluders, batch
        self.traced: GraphModule | None = None
        self.untraced = ""
        if not whole:
            self._trace()
        self._steps: dict[Node, _Step] = {}
        self._reach: dict[Node, _Reach] = {}
        self._constants: dict[Node, Any] = {}
        self._last_use: dict[Node, list[Node]] = {}
        if self.traced is not None:
            self._plan(self.traced)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The layers' activation maps ``(N, C, h, w)`` of pictures."""
        outputs = self.backbone.run(x, self.layers)
        return [self.backbone.patches(n, o) if o.ndim == 3 else o for n, o in outputs.items()]

    def _trace(self) -> None:
        blank = self.backbone.blank(batch=self.batch)
        try:
            with torch.no_grad():
                make = make_fx(functionalize(lambda x: self.maps(x)), tracing_mode="fake", _allow_non_fake_inputs=True)
                traced = make(blank)
        except Exception as error:  # networks are untraceable in as many ways as there are networks
            self.untraced = (str(error).strip().splitlines() or [type(error).__name__])[0]
            return
        traced.graph.eliminate_dead_code()
        self.traced = traced

    def _plan(self, traced: GraphModule) -> None:
        """Which nodes run on windows."""
        for node in traced.graph.nodes:
            if node.op == "placeholder":
                self._input = node
                places = self.occluders.places
                self._reach[node] = _Reach(places, places + self.occluders.side)
            elif node.op == "get_attr":
                self._constants[node] = getattr(traced, str(node.target))
            elif node.op == "output":
                self._outputs = tuple(node.args[0])
            elif all(each in self._constants for each in node.all_input_nodes):
                self._constants[node] = _run(node, self._constants)
            else:
                step = self._step(node)
                if step is not None:
                    self._steps[node] = step
                    self._reach[node] = self._reached(step)
        last = {each: node for node in traced.graph.nodes for each in node.all_input_nodes}
        for each, node in last.items():
            if each not in self._constants:
                self._last_use.setdefault(node, []).append(each)

    def _step(self, node: Node) -> _Step | None:
        """How a node runs on windows; None where it is run whole."""
        inputs = [each for each in node.all_input_nodes if each not in self._constants]
        if not all(each in self._reach for each in inputs):
            return None
        step = _pointwise(node, inputs, self._constants) or _sliding(node, inputs, self._constants)
        if step is not None and step.reads is not None and self._reached(step).covered(_sides(node)) > MOST:
            return None
        return step

    def _reached(self, step: _Step) -> _Reach:
        given = [self._reach[each] for each in step.inputs]
        low, high = np.min([each.low for each in given], axis=0), np.max([each.high for each in given], axis=0)
        if step.reads is None:
            return _Reach(low, high)
        axes = [reads.reach(low[:, axis], high[:, axis]) for axis, reads in enumerate(step.reads)]
        return _Reach(np.stack([a[0] for a in axes], axis=1), np.stack([a[1] for a in axes], axis=1))

    @property
    def local_layers(self) -> tuple[str, ...]:
        """The layers that are computed on windows all the way."""
        if self.traced is None:
            return ()
        return tuple(name for name, node in zip(self.layers, self._outputs, strict=True) if node in self._reach)

    @property
    def first_whole(self) -> str:
        """The first operation that is run whole, "" where none is."""
        if self.traced is None:
            return "all"
        known = {**self._reach, **self._constants}
        return next((str(n.target) for n in self.traced.graph.nodes if n.op == "call_function" and n not in known), "")

    @torch.inference_mode()
    def run(
        self,
        x: Tensor,
        patches: Tensor,
        which: Places,
        cells: Mapping[str, Cells],
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """The activations of units in a picture with an occluder in it.

        Args:
            x: ``(1, 3, h, w)``: the picture, preprocessed.
            patches: ``(P, 3, side, side)``: what the occluders hold, likewise.
            which: ``(P,)``: which of the occluders.
            cells: by layer: the units that are read, and where.
            progress: told how many occluders are done.

        Returns:
            By layer ``(P, Q)``.
        """
        wanted = {name: cells[name] for name in self.layers if name in cells}
        found = {name: np.empty((len(which), len(each.units)), np.float32) for name, each in wanted.items()}
        with exact_arithmetic():
            base = _Base(self, x) if self.traced is not None else None
            for rows in self._batches(which):
                given = patches[torch.from_numpy(rows).to(patches.device)]
                outputs = self._whole(x, given, which[rows]) if base is None else base.outputs(given, which[rows])
                for name, output in zip(self.layers, outputs, strict=True):
                    if name in wanted:
                        found[name][rows] = _read(output, wanted[name])
                if progress is not None:
                    progress(len(rows))
        return found

    def _whole(self, x: Tensor, patches: Tensor, which: Places) -> Sequence[Tensor]:
        return self.maps(pasted(x, patches, self.occluders.places[which]))

    def _batches(self, which: Places) -> Iterator[Places]:
        """Rows of ``which``, those together whose windows are of the same size."""
        order = np.arange(len(which))
        if self._steps:
            reach = self._reach[next(reversed(self._steps))]
            h, w = (reach.high - reach.low)[which].T
            order = np.lexsort((np.where(h % 2, w, -w), h))
        for start in range(0, len(which), self.batch):
            yield order[start : start + self.batch]


class _Base:
    """What is known of a picture without occluders, and the outputs of a batch with them."""

    def __init__(self, network: Incremental, x: Tensor) -> None:
        self.network = network
        self.values: dict[Node, Any] = {network._input: x}
        for node, step in network._steps.items():
            self.values[node] = self._value(node, step)
        self.tables: dict[Node, Tensor] = {}

    def _value(self, node: Node, step: _Step) -> Any:
        given = [self.values[each] for each in step.inputs]
        if step.reads is None:
            return step.apply(given, np.zeros((1, 2), np.int64))
        return _run(node, {**self.network._constants, **dict(zip(step.inputs, given, strict=True))})

    def outputs(self, patches: Tensor, which: Places) -> Sequence[Tensor | tuple[_Window, Tensor]]:
        """The layers' outputs: whole, or windows with what is around them."""
        network = self.network
        assert network.traced is not None, "there is no graph to run"
        values: dict[Node, Any] = {network._input: _Window(patches, network.occluders.places[which])}
        for node in network.traced.graph.nodes:
            if node in network._steps:
                values[node] = self._windows(node, network._steps[node], values, which)
            elif node.op == "call_function" and node not in network._constants:
                values[node] = self._all(node, values)
            for each in network._last_use.get(node, ()) if node.op != "output" else ():
                del values[each]
        found = []
        for node in network._outputs:
            value = values[node]
            found.append((value, self.values[node]) if isinstance(value, _Window) else value[: len(which)])
        return found

    def _windows(self, node: Node, step: _Step, values: Mapping[Node, Any], which: Places) -> _Window:
        given: list[_Window] = [values[each] for each in step.inputs]
        if step.reads is None and _alike(given):
            return _Window(step.apply([each.values for each in given], given[0].start), given[0].start)
        start, (h, w) = self.network._reach[node].window(which, _sides(node))
        reads = step.reads or (_Sliding(1, 1, 0, 1, 0),) * 2
        y, x = reads[0].of(start[:, 0], h), reads[1].of(start[:, 1], w)
        patches = [self._patches(n, each, y, x, step.fill) for n, each in zip(step.inputs, given, strict=True)]
        return _Window(step.apply(patches, start), start)

    def _patches(self, node: Node, window: _Window, y: Places, x: Places, fill: float) -> Tensor:
        """What is at the rows ``y`` ``(b, n)`` and columns ``x`` ``(b, m)`` of a node's output: ``(b, C, n, m)``.

        One table holds the output without occluders, a row that stands for its padding, and the windows; one gather
        takes from it.
        """
        base, (h, w) = self.values[node], window.values.shape[-2:]
        if (h, w) == (y.shape[1], x.shape[1]) and np.array_equal(window.start, np.stack((y[:, 0], x[:, 0]), axis=1)):
            return window.values  # type: ignore[no-any-return]
        height, width = base.shape[-2:]
        known = height * width
        table = self._table(node, known + 1 + len(y) * h * w)
        table[known] = fill
        table[known + 1 : known + 1 + len(y) * h * w] = _rows(window.values)
        device = table.device
        rows, columns = torch.from_numpy(y).to(device), torch.from_numpy(x).to(device)
        top, left = torch.from_numpy(window.start).to(device).T[:, :, None]
        inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None]
        place = torch.where(inside, (rows * width)[:, :, None] + columns[:, None], known)
        changed = _within(rows - top, h)[:, :, None] & _within(columns - left, w)[:, None]
        first = known + 1 + torch.arange(len(y), device=device)[:, None] * (h * w)
        ours = (first + (rows - top) * w)[:, :, None] + (columns - left)[:, None]
        taken = table.index_select(0, torch.where(changed, ours, place).flatten())
        return taken.view(len(y), y.shape[1], x.shape[1], -1).permute(0, 3, 1, 2)

    def _table(self, node: Node, length: int) -> Tensor:
        table = self.tables.get(node)
        if table is None or len(table) < length:
            base = _rows(self.values[node])
            table = base.new_empty(length, base.shape[1])
            table[: len(base)] = base
            self.tables[node] = table
        return table

    def _all(self, node: Node, values: dict[Node, Any]) -> Any:
        """A node's whole output, of a batch filled up to the size that it was traced with."""
        known = {}
        for each in node.all_input_nodes:
            if isinstance(values.get(each), _Window):
                values[each] = self._filled(each, values[each])
            known[each] = values[each] if each in values else self.network._constants[each]
        return _run(node, known)

    def _filled(self, node: Node, window: _Window) -> Tensor:
        whole = pasted(self.values[node], window.values, window.start)
        missing = self.network.batch - len(whole)
        return torch.cat([whole, whole[-1:].expand(missing, *whole.shape[1:])]) if missing else whole


def pasted(base: Tensor, patches: Tensor, start: Places) -> Tensor:
    """Copies of a map ``(1, C, H, W)`` with patches ``(b, C, h, w)`` in them, whose first places are ``(b, 2)``."""
    whole = base.expand(len(patches), *base.shape[1:]).clone(memory_format=torch.channels_last)
    h, w = patches.shape[-2:]
    for each, patch, (y, x) in zip(whole, patches, start.tolist(), strict=True):
        each[:, y : y + h, x : x + w] = patch
    return whole


def _run(node: Node, known: Mapping[Node, Any]) -> Any:
    """A node's operation, as it was traced."""
    target: Any = node.target
    return target(*map_arg(node.args, known.__getitem__), **map_arg(node.kwargs, known.__getitem__))


def _sides(node: Node) -> tuple[int, int]:
    """Height and width of a node's output."""
    value = node.meta["val"]
    h, w = (value[0] if isinstance(value, (tuple, list)) else value).shape[-2:]
    return int(h), int(w)


def _rows(values: Tensor) -> Tensor:
    """``(b, C, h, w)`` as ``(b * h * w, C)``."""
    return values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])


def _within(places: Tensor, count: int) -> Tensor:
    return (places >= 0) & (places < count)


def _alike(windows: Sequence[_Window]) -> bool:
    """Whether windows are of one size and at the same places."""
    first = windows[0]
    return all(
        each is first or (each.values.shape[-2:] == first.values.shape[-2:] and np.array_equal(each.start, first.start))
        for each in windows[1:]
    )


def _read(output: Tensor | tuple[_Window, Tensor], cells: Cells) -> NDArray[np.float32]:
    """The activations ``(b, Q)`` of cells."""
    units, y, x = (torch.from_numpy(each) for each in (cells.units, cells.y, cells.x))
    if isinstance(output, Tensor):
        return output[:, units, y, x].float().cpu().numpy()
    window, around = output
    (b, _, h, w), start = window.values.shape, torch.from_numpy(window.start)
    rows, columns = y - start[:, :1], x - start[:, 1:]
    changed = _within(rows, h) & _within(columns, w)
    which = torch.arange(b)[:, None].expand_as(rows)
    values = window.values[which, units.expand_as(rows), rows.clamp(0, h - 1), columns.clamp(0, w - 1)]
    known = around[0, units, y, x]
    return torch.where(changed.to(values.device), values, known).float().cpu().numpy()


# The operations


# fmt: off
_POINTWISE = frozenset({
    "relu", "leaky_relu", "hardtanh", "sigmoid", "hardsigmoid", "hardswish", "silu", "gelu", "tanh", "elu", "softplus",
    "mish", "threshold", "clamp", "clamp_min", "clamp_max", "abs", "neg", "exp", "log", "log1p", "sqrt", "rsqrt",
    "square", "reciprocal", "erf", "pow", "add", "sub", "mul", "div", "maximum", "minimum",
    "clone", "detach", "alias", "_to_copy",
})
# fmt: on
"""Operations that work number by number, of one tensor or of several."""

_NORMS = frozenset({"native_batch_norm", "_native_batch_norm_legit_no_training", "batch_norm"})
"""Those that work channel by channel with numbers of their own."""

_VIEWS = frozenset({"view", "_unsafe_view", "reshape"})

_IN_FRONT = frozenset({"unsqueeze", "squeeze", "slice", "split", "split_with_sizes", "transpose", "permute", "cat"})
"""Those that work place by place where they leave the first and the last two dimensions alone."""


def _name(node: Node) -> str:
    """The operation's, without its library and overload."""
    if node.target is operator.getitem:
        return "getitem"
    parts = str(node.target).split(".")
    return parts[1] if parts[0] == "aten" and len(parts) > 1 else ""


def _shape(node: Node) -> tuple[int, ...]:
    value = node.meta["val"]
    return tuple((value[0] if isinstance(value, (tuple, list)) else value).shape)


def _pointwise(node: Node, inputs: Sequence[Node], constants: Mapping[Node, Any]) -> _Step | None:
    """How an operation that works place by place runs on windows; None for any other."""
    name = _name(node)
    apply = partial(_apply, node, tuple(inputs), constants)
    step = _Step(tuple(inputs), apply)
    if name == "getitem" or (name in _NORMS and len(_shape(node)) == 4):
        return step
    if len({_shape(each)[-2:] for each in (*inputs, node)}) > 1 or any(len(_shape(each)) < 4 for each in inputs):
        return None
    if name in _POINTWISE:
        return step if all(_spread(constants[e]) for e in node.all_input_nodes if e in constants) else None
    if name in _VIEWS:
        return _Step(tuple(inputs), partial(_viewed, _shape(node))) if _shape(node)[0] == _shape(inputs[0])[0] else None
    if name in _IN_FRONT:
        return step if len(inputs) == len(node.all_input_nodes) and _in_front(node, name) else None
    if name == "constant_pad_nd":
        pads: Any = node.args[1]
        return step if not any(pads[:4]) and not any(pads[2 * (len(_shape(node)) - 1) :]) else None
    if name == "avg_pool3d":
        return (
            step if all(_last_two(each) in ((1, 1), (0, 0)) for each in node.args[1:4]) and not node.args[4:] else None
        )
    return None


def _last_two(values: Any) -> tuple[int, ...]:
    return tuple(values[-2:])


def _spread(constant: Any) -> bool:
    """Whether a constant is the same at all places of a map."""
    return not isinstance(constant, Tensor) or constant.ndim == 0 or tuple(constant.shape[-2:]) == (1, 1)


def _in_front(node: Node, name: str) -> bool:
    """Whether an operation leaves the first and the last two dimensions alone."""
    source: Any = node.args[0]
    ndim = len(_shape(source[0] if name == "cat" else source))
    after = node.args[1:]
    if name == "permute":
        order = [int(each) % ndim for each in after[0]]  # type: ignore[union-attr, arg-type]
        return order[0] == 0 and order[-2:] == [ndim - 2, ndim - 1]
    if name == "transpose":
        dims = list(after)
    elif name in ("split", "split_with_sizes"):
        dims = list(after[1:]) or [0]
    else:
        dims = list(after[:1]) or [0]
    if name == "unsqueeze":
        ndim += 1
    return all(isinstance(each, int) and 0 < each % ndim < ndim - 2 for each in dims)


def _apply(
    node: Node, inputs: tuple[Node, ...], constants: Mapping[Node, Any], given: Sequence[Tensor], _start: Places
) -> Any:
    known = dict(zip(inputs, given, strict=True))
    return _run(node, {each: known[each] if each in known else constants[each] for each in node.all_input_nodes})


def _viewed(shape: Sequence[int], given: Sequence[Tensor], _start: Places) -> Tensor:
    x = given[0]
    return x.reshape(len(x), *shape[1:-2], *x.shape[-2:])


def _sliding(node: Node, inputs: Sequence[Node], constants: Mapping[Node, Any]) -> _Step | None:
    """How an operation that slides over the map runs on windows; None for any other."""
    if len(inputs) != 1 or len(_shape(inputs[0])) != 4 or node.args[0] is not inputs[0]:
        return None
    makers = {
        "convolution": _convolution,
        "max_pool2d_with_indices": _max_pool,
        "avg_pool2d": _avg_pool,
        "constant_pad_nd": _padding,
        "upsample_nearest2d": _enlarging,
    }
    maker = makers.get(_name(node))
    return maker(node, inputs[0], constants) if maker is not None else None


def _pair(value: Any, default: Any = None) -> tuple[int, int]:
    """What torch takes as one number or two."""
    if isinstance(value, int):
        return value, value
    values = tuple(value) if value else _pair(default)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _given(node: Node, *defaults: Any) -> tuple[Any, ...]:
    """What a pooling node is given behind its input: the kernel, and what has defaults."""
    args: Any = node.args[1:]
    return (*args, *defaults[len(args) - 1 :])


def _axes(node: Node, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> tuple[_Reads, _Reads]:
    kernel, stride, padding, dilation = (
        _pair(kernel), _pair(stride, kernel), _pair(padding), _pair(dilation)
    )  # fmt: skip
    y, x = (_Sliding(kernel[a], stride[a], padding[a], dilation[a], _sides(node)[a]) for a in (0, 1))
    return y, x


def _convolution(node: Node, source: Node, constants: Mapping[Node, Any]) -> _Step | None:
    args: Any = node.args
    _, weight, bias, stride, padding, dilation, transposed, _, groups = args
    if transposed:
        return None
    weight, bias = constants[weight], constants.get(bias)

    def apply(given: Sequence[Tensor], _start: Places) -> Tensor:
        return torch.ops.aten.convolution.default(  # type: ignore[no-any-return]
            given[0], weight, bias, stride, (0, 0), dilation, False, (0, 0), groups
        )

    return _Step((source,), apply, _axes(node, weight.shape[-2:], stride, padding, dilation))


def _max_pool(node: Node, source: Node, _constants: Mapping[Node, Any]) -> _Step | None:
    kernel, stride, padding, dilation = _given(node, None, 0, 1)[:4]
    if any(user.target is not operator.getitem or user.args[1] != 0 for user in node.users):
        return None  # the places of the maxima are asked for

    def apply(given: Sequence[Tensor], _start: Places) -> tuple[Tensor]:
        return (F.max_pool2d(given[0], kernel, stride or kernel, 0, dilation),)

    return _Step((source,), apply, _axes(node, kernel, stride, padding, dilation), -torch.inf)


def _avg_pool(node: Node, source: Node, _constants: Mapping[Node, Any]) -> _Step | None:
    kernel, stride, padding, ceil, counted, divisor = _given(node, None, 0, False, True, None)
    ones = torch.ones(1, 1, *_sides(source), dtype=torch.float64)
    stride = stride or kernel
    here = F.avg_pool2d(ones, kernel, stride, padding, bool(ceil), divisor_override=1)
    shares = F.avg_pool2d(ones, kernel, stride, padding, bool(ceil), bool(counted), divisor)
    by = (here / shares)[0, 0]  # what the sum at each place is divided by; differs at borders

    def apply(given: Sequence[Tensor], start: Places) -> Tensor:
        total = F.avg_pool2d(given[0], kernel, stride, divisor_override=1)
        h, w = total.shape[-2:]
        if (by == by[0, 0]).all():
            return total / float(by[0, 0])
        y, x = (torch.from_numpy(start[:, a])[:, None] + torch.arange(n) for a, n in ((0, h), (1, w)))
        return total / by[y[:, :, None], x[:, None]][:, None].to(total)

    return _Step((source,), apply, _axes(node, kernel, stride, padding))


def _padding(node: Node, source: Node, _constants: Mapping[Node, Any]) -> _Step | None:
    args: Any = node.args
    pads, value = args[1], (*args, 0.0)[2]
    if any(pads[4:]):
        return None
    left, top = pads[0], pads[2]
    return _Step((source,), lambda given, _start: given[0], _axes(node, 1, 1, (top, left)), float(value))


def _enlarging(node: Node, source: Node, _constants: Mapping[Node, Any]) -> _Step | None:
    """Output places are traced back by enlarging the places' own numbers."""
    args: Any = node.args
    height, width = _sides(source)
    ramps = (
        torch.arange(height).double()[:, None].expand(height, width),
        torch.arange(width).double().expand(height, width),
    )
    target: Any = node.target
    y, x = (target(ramp[None, None].contiguous(), *args[1:], **node.kwargs)[0, 0].long().numpy() for ramp in ramps)
    return _Step((source,), lambda given, _start: given[0], (_Repeated(y[:, 0]), _Repeated(x[0])))
