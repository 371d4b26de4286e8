"""Pictures with a part occluded, run through a network by computing again only what the occluder can reach.

An occluder changes a rectangle of the picture. Of every layer's output it then changes at most a rectangle, too: that
of the places whose reads touch the one before. Outside of it the output is that of the picture without the occluder,
which is computed once. And of what it changes, only what the cells that are asked for can see is needed. So for a batch
of occluders these rectangles are gathered, with the rim of unchanged values that they read, into one batch of windows
of the same size, and the layer is run on that.

PyTorch's tracing gives the network as a graph of elementary operations. Those of :mod:`vestige.units.windows` run on
windows; behind any other (attention, squeeze-and-excite, flattening) the whole output is computed again, and so it is
from the first sliding operation on whose windows would cover most of the map. A network that cannot be traced is run
whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functionalize
from torch.fx import Graph, Node
from torch.fx.experimental.proxy_tensor import make_fx

from vestige.backbones import Backbone
from vestige.errors import VestigeError
from vestige.features.extract import exact_arithmetic
from vestige.spelling import spelled
from vestige.units.windows import MOVED, Places, Sliding, Step, run_node, sides_of, step_of, work_of

MOST = 0.7
"""The share of a map that windows may cover on average: beyond, computing all of it is faster than gathering them."""

WORTH = 0.75
"""The share of the naive loop's work from which on that is done instead: what the work is, is only estimated."""

_HANDLED = 1e7  # multiplications that could be done while a batch's windows of one operation are looked up

_PLANNED = 5e6  # and while an operation is planned

_PLANNING = 0.1
"""The share of the naive loop's work that planning may take: with more to plan than that, nothing is."""

BATCH = 32
"""Occluded pictures at a time; of windows, which are smaller, twice as many."""


_ASKED = "it was asked for"

_TRIED = 12  # occluders, by which a network is checked

_ROUNDING = 1000  # steps of the arithmetic, of the largest activation, that are no more than rounding


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
        if self.stride > min(self.size):
            raise VestigeError(
                f"{spelled('stride', self.stride)}: is beyond the picture, which the network sees at "
                f"{self.size[1]} x {self.size[0]} pixels; expected at most {min(self.size)}, and few for a fine map"
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
class Cells:
    """Units of a layer, each at a place of its map: ``(Q,)`` each."""

    units: Places
    y: Places
    x: Places


@dataclass(frozen=True)
class _Region:
    """Rectangles of a map, each from ``low`` up to ``high``: ``(P, 2)``, or one ``(2,)``, (y, x)."""

    low: Places
    high: Places

    def covered(self, size: Sequence[int]) -> float:
        """The mean share of a map of a size."""
        return float((np.maximum(self.high - self.low, 1) / np.array(size)).prod(axis=1).mean())

    def window(self, rows: Places, size: Sequence[int]) -> tuple[Places, tuple[int, int]]:
        """Windows of one size that hold some of the rectangles: their first places ``(b, 2)``, and (h, w)."""
        low, high = self.low[rows], self.high[rows]
        h, w = np.maximum(high - low, 1).max(axis=0).tolist()
        return np.clip(low, 0, np.array(size) - (h, w)), (h, w)

    def hull(self, other: _Region | None) -> _Region:
        """The least rectangles that hold both."""
        if other is None:
            return self
        return _Region(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def within(self, other: _Region) -> _Region:
        """The common part."""
        return _Region(np.maximum(self.low, other.low), np.minimum(self.high, other.high))


@dataclass(frozen=True)
class _Window:
    """Windows of a node's output, which is known outside of them.

    Attributes:
        values: ``(b, C, h, w)``, or whatever else ends in (h, w); several in a tuple.
        start: ``(b, 2)``: (y, x) of each one's first place.
    """

    values: Any
    start: Places


class Incremental:
    """A network that is run on one picture with occluders in it.

    Args:
        backbone: made ready by :func:`vestige.backbones.prepared`.
        layers: grids or tokens, that are read.
        occluders: that there may be.
        batch: occluded pictures at a time; of windows, which are smaller, twice as many.
        whole: run everything whole: the loop that the rest is measured against.

    Attributes:
        untraced: why the network is run whole; "" where it is not.
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
        self.untraced = _ASKED if whole else ""
        self.graph: _Traced | None = None
        if not whole:
            try:
                self.graph = _Traced(self.maps, backbone.blank(batch=2 * batch), self.layers)
            except Exception as error:  # networks are untraceable in as many ways as there are networks
                self.untraced = _said(error)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The layers' activation maps ``(N, C, h, w)`` of pictures."""
        outputs = self.backbone.run(x, self.layers)
        return [self.backbone.patches(n, o) if o.ndim == 3 else o for n, o in outputs.items()]

    def checked(self, x: Tensor, patches: Tensor, cells: Mapping[str, Cells]) -> Incremental:
        """Itself, or where it does not give what the network gives, one that runs the network whole.

        Args:
            x, patches, cells: as of :meth:`run`; ``patches`` of all occluders, of which a few are tried.
        """
        which = np.unique(np.linspace(0, len(self.occluders) - 1, _TRIED).round().astype(np.int64))
        whole = Incremental(self.backbone, self.layers, self.occluders, batch=self.batch, whole=True)
        some = patches[torch.from_numpy(which).to(patches.device)]
        expected = whole.run(x, some, which, cells)
        rounding = min(_ROUNDING * torch.finfo(self.backbone.blank((1, 1)).dtype).eps, 0.05)
        try:
            found = self.run(x, some, which, cells, always=True)
            for name, each in expected.items():
                if not np.abs(found[name] - each).max() <= rounding * np.abs(each).max():
                    whole.untraced = f"its operations, one by one, give other numbers in layer {name}"
        except Exception as error:  # of an operation that was traced for other pictures
            whole.untraced = _said(error)
        return self if whole.untraced == _ASKED else whole

    @torch.inference_mode()
    def run(
        self,
        x: Tensor,
        patches: Tensor,
        which: Places,
        cells: Mapping[str, Cells],
        progress: Callable[[int], None] | None = None,
        *,
        always: bool = False,
    ) -> dict[str, NDArray[np.float32]]:
        """The activations of units in a picture with an occluder in it.

        Args:
            x: ``(1, 3, h, w)``: the picture, preprocessed.
            patches: ``(P, 3, side, side)``: what the occluders hold, likewise.
            which: ``(P,)``: which of the occluders.
            cells: by layer: the units that are read, and where; one or more.
            progress: told how many occluders are done.
            always: run on windows whether or not that saves anything.

        Returns:
            By layer ``(P, Q)``.
        """
        found = {name: np.empty((len(which), len(each.units)), np.float32) for name, each in cells.items()}
        places, like = self.occluders.places[which], self.backbone.blank((1, 1))
        x, patches = x.to(like), patches.to(like)
        with exact_arithmetic():
            pass_ = None
            if self.graph is not None and (always or self.graph.worth_planning(len(which))):
                plan = self.graph.plan(places, self.occluders.side, cells)
                if always or self.graph.share(plan) < WORTH:
                    pass_ = _Pass(self.graph, plan, x)
            for rows in _batches(len(which), self.batch, pass_):
                given = patches[torch.from_numpy(rows).to(patches.device)]
                if pass_ is None:
                    outputs: Mapping[str, Any] = dict(
                        zip(self.layers, self.maps(pasted(x, given, places[rows])), strict=True)
                    )
                else:
                    outputs = pass_.outputs(given, places, rows)
                for name, each in cells.items():
                    found[name][rows] = _read(outputs[name], each)[: len(rows)]
                if progress is not None:
                    progress(len(rows))
        return found


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class _Plan:
    """How the graph is run for some occluders and cells.

    Attributes:
        steps: the nodes that run on windows.
        regions: what each one's windows have to hold, for every occluder.
        needed: all nodes that are run.
    """

    steps: Mapping[Node, Step]
    regions: Mapping[Node, _Region]
    needed: frozenset[Node]


class _Traced:
    """A network's graph of operations.

    Attributes:
        graph: what was traced, at one size of batch.
        input: the picture's node.
        outputs: layer -> its node.
        constants: what no occluder changes.
        steps: the operations that can run on windows.
        last_use: node -> those that are read by it for the last time.
    """

    def __init__(self, maps: Callable[[Tensor], list[Tensor]], blank: Tensor, layers: Sequence[str]) -> None:
        self.batch = len(blank)
        with torch.no_grad():
            make = make_fx(functionalize(lambda x: maps(x)), tracing_mode="fake", _allow_non_fake_inputs=True)
            module = make(blank.contiguous(memory_format=torch.channels_last))
        module.graph.eliminate_dead_code()
        self.graph: Graph = module.graph
        self.constants: dict[Node, Any] = {}
        self._inputs: dict[Node, tuple[Node, ...]] = {}
        self._whole: dict[Node, _Region] = {}
        self.steps: dict[Node, Step] = {}
        self.outputs: dict[str, Node] = {}
        for node in self.graph.nodes:
            if node.op == "placeholder":
                self.input: Node = node
            elif node.op == "output":
                self.outputs = dict(zip(layers, node.args[0], strict=True))
            elif node.op == "get_attr":
                self.constants[node] = getattr(module, str(node.target))
            elif all(each in self.constants for each in node.all_input_nodes):
                self.constants[node] = run_node(node, self.constants)
            elif step := step_of(node, self.inputs(node), self.constants):
                self.steps[node] = step

    def inputs(self, node: Node) -> tuple[Node, ...]:
        """What an occluder may change of what a node reads."""
        found = self._inputs.get(node)
        if found is None:
            found = self._inputs[node] = tuple(each for each in node.all_input_nodes if each not in self.constants)
        return found

    @cached_property
    def work(self) -> dict[Node, float]:
        """What every node's output costs for one picture, roughly."""
        return {node: work_of(node) / self.batch for node in self._inputs}

    def worth_planning(self, count: int) -> bool:
        """Whether finding out what to save takes little of the time that so many occluders take without."""
        return _PLANNED * len(self.work) < _PLANNING * count * sum(self.work.values())

    def plan(self, places: Places, side: int, cells: Mapping[str, Cells]) -> _Plan:
        """How to find out what some occluders, at ``(P, 2)``, do to some cells."""
        steps: Mapping[Node, Step] = self.steps
        while True:  # what is run whole needs all of its inputs, and so more may be run whole
            needed = self._needed(cells, steps)
            found, regions = self._reached(places, side, needed, steps)
            if len(found) == len(steps):
                return _Plan(found, regions, frozenset(needed))
            steps = found

    def _needed(self, cells: Mapping[str, Cells], steps: Mapping[Node, Step]) -> dict[Node, _Region]:
        """What of every node's output has a say in the cells; nodes that have none are left out."""
        found: dict[Node, _Region] = {}
        for name, each in cells.items():
            low, high = ((f(each.y), f(each.x)) for f in (np.min, np.max))
            node = self.outputs[name]
            found[node] = _Region(np.array(low), np.array(high) + 1).hull(found.get(node))
        for node in reversed(self.graph.nodes):
            step = steps.get(node)
            for source in self.inputs(node) if node in found else ():
                if step is None:
                    found[source] = self._all(source)
                else:
                    found[source] = _of_inputs(step, found[node], source).hull(found.get(source))
        return found

    def _all(self, node: Node) -> _Region:
        """All of a node's output."""
        if node not in self._whole:
            self._whole[node] = _Region(np.zeros(2, np.int64), np.array(sides_of(node)))
        return self._whole[node]

    def _reached(
        self, places: Places, side: int, needed: Mapping[Node, _Region], candidates: Mapping[Node, Step]
    ) -> tuple[dict[Node, Step], dict[Node, _Region]]:
        """The nodes that run on windows, and what occluders change of them."""
        regions = {self.input: _Region(places, places + side)}
        reached, steps = dict(regions), {}
        for node, step in candidates.items():
            if node not in needed or not all(each in reached for each in step.inputs):
                continue
            whole = _of_outputs(step, [reached[each] for each in step.inputs])
            wanted = whole.within(needed[node])
            if step.reads is not None and wanted.covered(sides_of(node)) > MOST:
                continue
            reached[node], regions[node], steps[node] = whole, wanted, step
        return steps, regions

    def share(self, plan: _Plan) -> float:
        """The share of the naive loop's work that a plan takes, roughly."""
        count = len(plan.regions[self.input].low)
        batches = -(-count // self.batch)
        filled = batches * self.batch / count  # of what is run whole, all batches are full ones
        handled = _HANDLED * (batches + 1) / count  # the picture without an occluder is run first
        ours = naive = 0.0
        for node in plan.needed:
            if node is self.input:
                continue
            work = self.work[node]
            naive += work
            step = plan.steps.get(node)
            if step is None:
                ours += work * filled
                pasted_ = [n for n in self.inputs(node) if n in plan.steps or n is self.input]
                ours += MOVED * filled * sum(_depth(n) * np.prod(sides_of(n)) for n in pasted_)
                continue
            ours += work * plan.regions[node].covered(sides_of(node))
            if step.reads is not None or len(step.inputs) > 1:
                ours += handled + MOVED * sum(self._gathered(node, step, each, plan) for each in step.inputs)
        return ours / naive if naive else 1.0

    def _gathered(self, node: Node, step: Step, source: Node, plan: _Plan) -> float:
        """How many numbers are gathered of a node's input, for one occluder."""
        region, start = plan.regions[node], np.zeros(1, np.int64)
        counts = np.maximum(region.high - region.low, 1).mean(axis=0).round().astype(int).tolist()
        reads = step.reads or (Sliding(1, 1, 0, 1, 0),) * 2
        return float(np.prod([r.of(start, n).shape[1] for r, n in zip(reads, counts, strict=True)]) * _depth(source))

    @property
    def unknown(self) -> str:
        """The first operation that does not run on windows, "" where all do."""
        found = (n for n in self.graph.nodes if n.op == "call_function")
        return next((str(n.target) for n in found if n not in self.steps and n not in self.constants), "")


def _depth(node: Node) -> int:
    """How many numbers a node has at each place of its map."""
    value = node.meta["val"]
    shape = (value[0] if isinstance(value, (tuple, list)) else value).shape
    return int(np.prod(shape[1:-2]))


def _of_inputs(step: Step, needed: _Region, source: Node) -> _Region:
    """What is needed of a node's input for some of its output."""
    if step.reads is None:
        return needed
    size = np.array(sides_of(source))
    counts = np.maximum(needed.high - needed.low, 1)
    read = [reads.of(needed.low[a : a + 1], int(counts[a])) for a, reads in enumerate(step.reads)]
    low, high = np.array([each.min() for each in read]), np.array([each.max() + 1 for each in read])
    return _Region(np.clip(low, 0, size - 1), np.clip(high, 1, size))


def _of_outputs(step: Step, given: Sequence[_Region]) -> _Region:
    """What of a node's output reads any of some regions of its inputs."""
    both = given[0]
    for each in given[1:]:
        both = both.hull(each)
    if step.reads is None:
        return both
    ends = [reads.reach(both.low[:, axis], both.high[:, axis]) for axis, reads in enumerate(step.reads)]
    return _Region(np.stack([e[0] for e in ends], axis=1), np.stack([e[1] for e in ends], axis=1))


class _Pass:
    """One picture: what is known of it without occluders, and the outputs of batches with them."""

    def __init__(self, traced: _Traced, plan: _Plan, x: Tensor) -> None:
        self.traced, self.plan, self.batch = traced, plan, traced.batch
        self.known: dict[Node, Any] = {traced.input: x}
        for node, step in plan.steps.items():
            given = {each: self.known[each] for each in step.inputs}
            if step.reads is None:
                self.known[node] = step.apply(list(given.values()), np.zeros((1, 2), np.int64))
            else:
                self.known[node] = run_node(node, {**traced.constants, **given})
        self.tables: dict[Node, Tensor] = {}
        self.nodes = [n for n in traced.graph.nodes if n.op == "call_function" and n in plan.needed]
        last = {each: node for node in self.nodes for each in traced.inputs(node)}
        self.last_use: dict[Node, list[Node]] = {}
        for each, node in last.items():
            if each not in traced.outputs.values():
                self.last_use.setdefault(node, []).append(each)

    def outputs(self, patches: Tensor, places: Places, rows: Places) -> dict[str, Any]:
        """The layers' outputs for some of the occluders: whole, or windows with what is around them."""
        values: dict[Node, Any] = {self.traced.input: _Window(patches, places[rows])}
        for node in self.nodes:
            if node in self.plan.steps:
                values[node] = self._windows(node, self.plan.steps[node], values, rows)
            else:
                values[node] = self._whole(node, values)
            for each in self.last_use.get(node, ()):
                del values[each]
        found = {}
        for name, node in self.traced.outputs.items():
            value = values.get(node)
            found[name] = (value, self.known[node]) if isinstance(value, _Window) else value
        return found

    def _windows(self, node: Node, step: Step, values: Mapping[Node, Any], rows: Places) -> _Window:
        given: list[_Window] = [values[each] for each in step.inputs]
        if step.reads is None and _alike(given):
            return _Window(step.apply([each.values for each in given], given[0].start), given[0].start)
        start, (h, w) = self.plan.regions[node].window(rows, sides_of(node))
        reads = step.reads or (Sliding(1, 1, 0, 1, 0),) * 2
        y, x = reads[0].of(start[:, 0], h), reads[1].of(start[:, 1], w)
        patches = [self._patches(n, each, y, x, step.fill) for n, each in zip(step.inputs, given, strict=True)]
        return _Window(step.apply(patches, start), start)

    def _patches(self, node: Node, window: _Window, y: Places, x: Places, fill: float) -> Tensor:
        """What is at the rows ``y`` ``(b, n)`` and columns ``x`` ``(b, m)`` of a node's output: ``(b, C, n, m)``.

        One table holds the output without occluders, a row that stands for its padding, and the windows; one gather
        takes from it.
        """
        h, w = window.values.shape[-2:]
        if (h, w) == (y.shape[1], x.shape[1]) and np.array_equal(window.start, np.stack((y[:, 0], x[:, 0]), axis=1)):
            return window.values  # type: ignore[no-any-return]
        height, width = self.known[node].shape[-2:]
        outside = height * width
        table = self._table(node, outside + 1 + len(y) * h * w)
        table[outside] = fill
        table[outside + 1 : outside + 1 + len(y) * h * w] = _rows(window.values)
        device = table.device
        rows, columns = torch.from_numpy(y).to(device), torch.from_numpy(x).to(device)
        top, left = torch.from_numpy(window.start).to(device).T[:, :, None]
        inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None]
        place = torch.where(inside, (rows * width)[:, :, None] + columns[:, None], outside)
        changed = _within(rows - top, h)[:, :, None] & _within(columns - left, w)[:, None]
        first = outside + 1 + torch.arange(len(y), device=device)[:, None] * (h * w)
        ours = (first + (rows - top) * w)[:, :, None] + (columns - left)[:, None]
        taken = table.index_select(0, torch.where(changed, ours, place).flatten())
        return taken.view(len(y), y.shape[1], x.shape[1], -1).permute(0, 3, 1, 2)

    def _table(self, node: Node, length: int) -> Tensor:
        table = self.tables.get(node)
        if table is None or len(table) < length:
            base = _rows(self.known[node])
            table = base.new_empty(length, base.shape[1])
            table[: len(base)] = base
            self.tables[node] = table
        return table

    def _whole(self, node: Node, values: dict[Node, Any]) -> Any:
        """A node's whole output, of a batch filled up to the size that it was traced with."""
        known = dict(self.traced.constants)
        for each in self.traced.inputs(node):
            if isinstance(values[each], _Window):
                values[each] = self._filled(each, values[each])
            known[each] = values[each]
        return run_node(node, known)

    def _filled(self, node: Node, window: _Window) -> Any:
        if isinstance(window.values, tuple):
            parts = zip(window.values, self.known[node], strict=True)
            return tuple(self._pasted(part, base, window.start) for part, base in parts)
        return self._pasted(window.values, self.known[node], window.start)

    def _pasted(self, values: Tensor, base: Tensor, start: Places) -> Tensor:
        whole = pasted(base, values, start)
        missing = self.batch - len(whole)
        return torch.cat([whole, whole[-1:].expand(missing, *whole.shape[1:])]) if missing else whole


def pasted(base: Tensor, patches: Tensor, start: Places) -> Tensor:
    """Copies of a map ``(1, C, H, W)`` with patches ``(b, C, h, w)`` in them, whose first places are ``(b, 2)``."""
    whole = base.repeat(len(patches), *(1,) * (base.ndim - 1))
    if base.ndim == 4:
        whole = whole.contiguous(memory_format=torch.channels_last)
    h, w = patches.shape[-2:]
    for each, patch, (y, x) in zip(whole, patches, start.tolist(), strict=True):
        each[..., y : y + h, x : x + w] = patch
    return whole


def _batches(count: int, size: int, windows: _Pass | None) -> Iterator[Places]:
    """Numbers below ``count`` in batches; of windows, those together that are of about the same size."""
    order = np.arange(count)
    if windows is not None:
        size, plan = windows.batch, windows.plan
        region = plan.regions[list(plan.regions)[-1]]
        h, w = (region.high - region.low).T
        order = np.lexsort((np.where(h % 2, w, -w), h))
    for start in range(0, count, size):
        yield order[start : start + size]


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
