"""Reading the outputs of a network's modules by forward hooks. Nothing is traced and no name is evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.utils._python_dispatch import TorchDispatchMode

from vestige.errors import VestigeError


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode that is never compiled, so that torch need not import its compiler, which takes a second."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class _Reached(Exception):  # noqa: N818 - no error: it ends a forward pass at the last layer asked for
    """Raised inside a forward pass once every layer asked for has been seen."""


def tensor_of(output: Any, name: str = "") -> Tensor | None:
    """The tensor that a module's output stands for, or the one of a name in it; None where there is none.

    Itself; of a mapping, a tuple or a list the only tensor in it, else the one under ``out``. What is no tensor (an
    auxiliary output that is None) is passed over. Of several others none stands for the whole.
    """
    if isinstance(output, Tensor):
        return None if name else output
    tensors = tensors_of(output)
    if not name and len(tensors) == 1:
        return next(iter(tensors.values()))
    return tensors.get(name or "out")


def tensors_of(output: Any) -> dict[str, Tensor]:
    """The tensors in an output that is a mapping, a tuple or a list, by their keys or numbers."""
    named: Iterable[tuple[Any, Any]] = ()
    if isinstance(output, Mapping):
        named = output.items()
    elif isinstance(output, (tuple, list)):
        named = enumerate(output)
    return {str(key): each for key, each in named if isinstance(each, Tensor)}


def module_of(module: nn.Module, path: str) -> tuple[str, str]:
    """The module that a path leads to, and of its output's tensors the one that is meant; "" where none is named.

    ``layer.out`` is the module ``layer.out`` where there is one, else the tensor ``out`` of what ``layer`` puts out.
    """
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        own = ".".join(parts[:end])
        with suppress(AttributeError):
            module.get_submodule(own)
            return own, ".".join(parts[end:])
    return "", path


def read_outputs(module: nn.Module, paths: Mapping[str, str], x: Tensor) -> dict[str, Tensor | None]:
    """The outputs of submodules in one forward pass, which ends at the last of them.

    A submodule that runs several times in a pass (a ReLU shared by a whole block) is read at its first run, wherever
    the pass ends. Outputs are copied, as later modules may work in place; the last one needs no copy.

    Args:
        module: the network.
        paths: name -> module path, or that and the name of a tensor (see :func:`module_of`).
        x: the network's input.

    Returns:
        name -> output, None where no one tensor stands for it; a name whose submodule did not run is absent.
    """
    outputs: dict[str, Tensor | None] = {}
    waiting = set(paths)

    def keep(name: str, tensor_name: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if name not in waiting:
                return
            waiting.discard(name)
            tensor = tensor_of(output, tensor_name)
            outputs[name] = tensor.clone() if waiting and tensor is not None else tensor
            if not waiting:
                raise _Reached

        return hook

    places = {name: module_of(module, path) for name, path in paths.items()}
    handles = [
        module.get_submodule(path).register_forward_hook(keep(name, tensor)) for name, (path, tensor) in places.items()
    ]
    try:
        module(x)
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def run_order(module: nn.Module, x: Tensor) -> dict[str, tuple[int, ...] | None]:
    """Every submodule that takes part in a forward pass, in the order in which they end.

    Returns:
        module path -> the shape of its output, or None where no one tensor stands for that; behind it, where the
        output is a mapping, a tuple or a list, module path and name -> the shape of each tensor in it. A name that is
        also a submodule's means the submodule.

    Raises:
        VestigeError: where the network is of a kind whose layers cannot be read.
    """
    shapes: dict[str, tuple[int, ...] | None] = {}
    scripted = [path or "the network itself" for path, part in module.named_modules() if isinstance(part, ScriptModule)]
    if scripted:
        raise VestigeError(
            f"{scripted[0]} is compiled by torch.jit, whose layers cannot be read; give the network as it was before"
        )

    def note(path: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            tensor = tensor_of(output)
            if path in shapes:
                return
            shapes[path] = None if tensor is None else tuple(tensor.shape)
            named = {f"{path}.{name}": tuple(each.shape) for name, each in tensors_of(output).items()}
            shapes.update({each: shape for each, shape in named.items() if each not in modules})

        return hook

    modules = dict(module.named_modules(remove_duplicate=False))
    handles = [part.register_forward_hook(note(path)) for path, part in module.named_modules() if path]
    try:
        with torch.no_grad():
            module(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def is_channels_last(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether a 4-D output of a network with input ``size`` (h, w) is ``(N, h, w, C)`` rather than ``(N, C, h, w)``.

    A grid keeps the aspect of the input: of the two readings, the one whose sides have it is taken; where both have,
    the usual ``(N, C, h, w)``.
    """
    if len(shape) != 4:
        return False
    first, last = _aspect_error(shape[2:], size), _aspect_error(shape[1:3], size)
    return last < first


def _aspect_error(sides: tuple[int, ...], size: tuple[int, int]) -> float:
    """How far the ratio of two sides is from that of the input: 0 where it is the same."""
    return abs(sides[0] * size[1] / (sides[1] * size[0]) - 1.0)
