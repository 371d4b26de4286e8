"""How a network's elementary operations run on windows of their maps: what they read, and how windows are computed.

Operations are those that PyTorch's tracing ends at (``aten``), whatever modules a network is written in. Those that
work place by place take a window as they take a map; those that slide over the map take a window with the rim that they
read, and pad nothing. Any other has no step here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import Node
from torch.fx.node import map_arg
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

Places = NDArray[np.int64]


class Reads(Protocol):
    """What an operation reads along one axis."""

    def reach(self, low: Places, high: Places) -> tuple[Places, Places]:
        """Of the output, what reads anything from ``low`` up to ``high``."""
        ...

    def of(self, start: Places, count: int) -> Places:
        """``(b, n)``: what ``count`` outputs from ``start`` on read; places outside of the map are its padding."""
        ...


@dataclass(frozen=True)
class Sliding:
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
class Repeated:
    """Enlarging by repeating: output i is input ``sources[i]``."""

    sources: Places

    def reach(self, low: Places, high: Places) -> tuple[Places, Places]:
        return np.searchsorted(self.sources, low), np.searchsorted(self.sources, high)

    def of(self, start: Places, count: int) -> Places:
        found: Places = self.sources[start[:, None] + np.arange(count)]
        return found


@dataclass(frozen=True)
class Step:
    """An operation that runs on windows.

    Attributes:
        inputs: the nodes that it reads windows of.
        apply: from what is read of the inputs, and the windows' first places, to the output in the windows.
        reads: along y and x; None where it works place by place.
        fill: what it reads outside of the map.
    """

    inputs: tuple[Node, ...]
    apply: Callable[[Sequence[Tensor], Places], Any]
    reads: tuple[Reads, Reads] | None = None
    fill: float = 0.0


def run_node(node: Node, known: Mapping[Node, Any]) -> Any:
    """A node's operation, as it was traced; views are copied where a tensor lies otherwise in memory."""
    target: Any = torch.ops.aten.reshape.default if _name(node) in _VIEWS else node.target
    return target(*map_arg(node.args, known.__getitem__), **map_arg(node.kwargs, known.__getitem__))


def sides_of(node: Node) -> tuple[int, int]:
    """The last two sides of a node's output: height and width, where it is a map."""
    h, w = ((1, 1, *_shape(node)))[-2:]
    return h, w


MOVED = 30.0
"""What reading or writing a number costs, in multiplications (measured on a CPU)."""


def work_of(node: Node) -> float:
    """What a node's output costs for one picture, roughly, in multiplications."""
    shape, name = _shape(node), _name(node)
    each = 0.0
    if name == "convolution":
        weight: Any = node.args[1]
        each = float(np.prod(weight.meta["val"].shape[1:]))
    elif name in ("mm", "bmm", "addmm", "baddbmm"):
        factor: Any = node.args[-2]
        each = float(_shape(factor)[-1])
    return float(np.prod(shape)) * (MOVED + each)


def step_of(node: Node, inputs: Sequence[Node], constants: Mapping[Node, Any]) -> Step | None:
    """How a node runs on windows; None where it cannot.

    Args:
        node: an operation; its own and its inputs' shapes are in its ``meta``.
        inputs: those of the nodes that it reads which an occluder can change.
        constants: the others' values.
    """
    return _pointwise(node, inputs, constants) or _sliding(node, inputs, constants)


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


def _pointwise(node: Node, inputs: Sequence[Node], constants: Mapping[Node, Any]) -> Step | None:
    """How an operation that works place by place runs on windows; None for any other."""
    name = _name(node)
    apply = partial(_apply, node, tuple(inputs), constants)
    step = Step(tuple(inputs), apply)
    if name == "getitem" or (name in _NORMS and len(_shape(node)) == 4):
        return step
    if len({_shape(each)[-2:] for each in (*inputs, node)}) > 1 or any(len(_shape(each)) < 4 for each in inputs):
        return None
    if name in _POINTWISE:
        return step if all(_spread(constants[e]) for e in node.all_input_nodes if e in constants) else None
    if name in _VIEWS:
        return Step(tuple(inputs), partial(_viewed, _shape(node))) if _shape(node)[0] == _shape(inputs[0])[0] else None
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
    return run_node(node, {each: known[each] if each in known else constants[each] for each in node.all_input_nodes})


def _viewed(shape: Sequence[int], given: Sequence[Tensor], _start: Places) -> Tensor:
    x = given[0]
    return x.reshape(len(x), *shape[1:-2], *x.shape[-2:])


def _sliding(node: Node, inputs: Sequence[Node], constants: Mapping[Node, Any]) -> Step | None:
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


def _axes(node: Node, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> tuple[Reads, Reads]:
    kernel, stride, padding, dilation = (
        _pair(kernel), _pair(stride, kernel), _pair(padding), _pair(dilation)
    )  # fmt: skip
    y, x = (Sliding(kernel[a], stride[a], padding[a], dilation[a], sides_of(node)[a]) for a in (0, 1))
    return y, x


def _convolution(node: Node, source: Node, constants: Mapping[Node, Any]) -> Step | None:
    args: Any = node.args
    _, weight, bias, stride, padding, dilation, transposed, _, groups = args
    if transposed:
        return None
    weight, bias = constants[weight], constants.get(bias)

    def apply(given: Sequence[Tensor], _start: Places) -> Tensor:
        return torch.ops.aten.convolution.default(  # type: ignore[no-any-return]
            given[0], weight, bias, stride, (0, 0), dilation, False, (0, 0), groups
        )

    return Step((source,), apply, _axes(node, weight.shape[-2:], stride, padding, dilation))


def _max_pool(node: Node, source: Node, _constants: Mapping[Node, Any]) -> Step | None:
    kernel, stride, padding, dilation = _given(node, None, 0, 1)[:4]
    if any(user.target is not operator.getitem or user.args[1] != 0 for user in node.users):
        return None  # the places of the maxima are asked for

    def apply(given: Sequence[Tensor], _start: Places) -> tuple[Tensor]:
        return (F.max_pool2d(given[0], kernel, stride or kernel, 0, dilation),)

    return Step((source,), apply, _axes(node, kernel, stride, padding, dilation), -torch.inf)


def _avg_pool(node: Node, source: Node, _constants: Mapping[Node, Any]) -> Step | None:
    kernel, stride, padding, ceil, counted, divisor = _given(node, None, 0, False, True, None)
    ones = torch.ones(1, 1, *sides_of(source), dtype=torch.float64)
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

    return Step((source,), apply, _axes(node, kernel, stride, padding))


def _padding(node: Node, source: Node, _constants: Mapping[Node, Any]) -> Step | None:
    args: Any = node.args
    pads, value = args[1], (*args, 0.0)[2]
    if any(pads[4:]):
        return None
    left, top = pads[0], pads[2]
    return Step((source,), lambda given, _start: given[0], _axes(node, 1, 1, (top, left)), float(value))


def _enlarging(node: Node, source: Node, _constants: Mapping[Node, Any]) -> Step | None:
    """Output places are traced back by enlarging the places' own numbers."""
    args: Any = node.args
    height, width = sides_of(source)
    ramps = (
        torch.arange(height).double()[:, None].expand(height, width),
        torch.arange(width).double().expand(height, width),
    )
    target: Any = node.target
    y, x = (target(ramp[None, None].contiguous(), *args[1:], **node.kwargs)[0, 0].long().numpy() for ramp in ramps)
    return Step((source,), lambda given, _start: given[0], (Repeated(y[:, 0]), Repeated(x[0])))
