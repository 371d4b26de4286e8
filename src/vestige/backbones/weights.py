"""Weights from files, as data: no file that is read here can execute code."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vestige.errors import VestigeError
from vestige.files import what_is

State = dict[str, Tensor]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, networks are initialised from a seed on the CPU; afterwards no random generator has moved."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def draw_weights(module: nn.Module, seed: int, spec: str) -> None:
    """Give a network the random weights of a seed, drawn by its modules' own ``reset_parameters``.

    Args:
        module: is changed.
        seed: of the draws.
        spec: of the network, for messages.

    Raises:
        VestigeError: where some of its parameters are of modules that have no such method.
    """
    with seeded(seed), torch.no_grad():
        for path, part in module.named_modules():
            reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
            if callable(reset):
                reset()
            elif own := [name for name, _ in part.named_parameters(recurse=False)]:
                named = ".".join(filter(None, (path, own[0])))
                raise VestigeError(
                    f"{spec}: parameter {named!r} has no random weights: {type(part).__name__} has no "
                    "reset_parameters(); give it one, or compare with no untrained network (untrained_seeds=0)"
                )


def load_weights(module: nn.Module, path: str | Path, rename: Callable[[State], State] = lambda state: state) -> None:
    """Load a state dict (``.safetensors``, or PyTorch's own format with ``weights_only=True``) into a network.

    Args:
        module: the network; left as it was where anything is wrong.
        path: the file.
        rename: turns the file's names into the network's.

    Raises:
        VestigeError: naming the file and what is missing, extra or of the wrong shape.
    """
    put_state(module, rename(read_state(Path(path))), Path(path))


def read_state(path: Path) -> State:
    """The tensors of a weights file by name.

    Raises:
        VestigeError: where the file is missing, truncated, no state dict, or would have to execute code.
    """
    if what_is(path) != "file":
        raise VestigeError(f"{path}: no such weights file; without @PATH the spec opens its default weights")
    try:
        if path.suffix == ".safetensors":
            state: Any = dict(load_file(path))
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's, of old formats
                state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for a bad file
        raise VestigeError(f"{path}: cannot be read as weights ({_reason(error)})") from error
    while isinstance(state, Mapping) and (inner := _inside(state)) is not None:
        state = inner
    if not isinstance(state, Mapping) or not state or not all(map(_is_entry, state.items())):
        raise VestigeError(f"{path}: holds no state dict; expected a mapping of names to tensors")
    for name, tensor in state.items():
        if odd := _odd(tensor):
            raise VestigeError(f"{path}: tensor {name!r} is {odd}; expected plain numbers of 16 bits or more")
    return without_prefixes(dict(state))


WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "module", "network", "net"),
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema", "teacher", "student", "backbone", "encoder"),
)
"""What training scripts put a state dict under, the likelier first."""

PREFIXES = tuple(f"{name}." for name in ("_orig_mod", "module", "model", "network", "net", "ema_model"))
"""What compiling, parallel training and Lightning put before the names of all tensors."""


def without_prefixes(state: State) -> State:
    """A state without what wrappers put before all its names, however many there are."""
    state.pop("n_averaged", None)  # of torch's AveragedModel
    while prefix := next((p for p in PREFIXES if state and all(name.startswith(p) for name in state)), ""):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _inside(state: Mapping[Any, Any]) -> Any:
    """The state dict that a mapping wraps; None where it wraps none."""
    return next((state[name] for name in WRAPPERS if isinstance(state.get(name), Mapping)), None)


def _reason(error: Exception) -> str:
    """Why weights cannot be read: torch's own words are left out, as they advise to switch safety off."""
    said = str(error)
    if "weights_only" in said or "Weights only" in said:
        found = re.search(r"GLOBAL ([\w.]+)", said)
        what = f"the object {found[1]}" if found else "objects that are no tensors"
        return (
            f"it holds {what}, and building it could run code. Where you trust it, open it with the program that wrote "
            "it and save the tensors alone: safetensors.torch.save_file(network.state_dict(), 'weights.safetensors')"
        )
    line = re.sub(r"\x1b\[[0-9;]*m", "", said.strip().partition("\n")[0])
    sentence = line.partition(". ")[0].rstrip(".") or type(error).__name__
    told = shorten(sentence, 200, placeholder="...")
    return f"{told}; expected a complete .safetensors file or a PyTorch state dict that holds tensors alone"


def _odd(tensor: Tensor) -> str:
    """What a tensor is that no network's parameter can be copied from; "" where it is plain numbers."""
    if tensor.is_nested or tensor.layout != torch.strided:
        return "nested" if tensor.is_nested else f"sparse ({str(tensor.layout).removeprefix('torch.')})"
    if tensor.is_meta:
        return "empty (on the device meta)"
    if tensor.is_quantized or tensor.is_complex() or (tensor.is_floating_point() and tensor.element_size() < 2):
        return f"of {str(tensor.dtype).removeprefix('torch.')}"
    return ""


def _is_entry(entry: tuple[object, object]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def put_state(module: nn.Module, state: State, path: Path) -> None:
    """Copy a state into a network, all or nothing; ``num_batches_tracked`` may be absent, nothing else may differ."""
    own = module.state_dict()
    state = _fitted(state, own)
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    extra = [name for name in state if name not in own]
    if missing or extra:
        told = [
            f"{what} {len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            for what, names in (("missing", missing), ("unknown", extra))
            if names
        ]
        raise VestigeError(f"{path}: these are not the weights of this network: tensors {' and '.join(told)}")
    for name, tensor in state.items():
        if own[name].shape != tensor.shape:
            raise VestigeError(
                f"{path}: tensor {name!r} has shape {tuple(tensor.shape)}; expected {tuple(own[name].shape)}"
            )
        if tensor.is_floating_point() != own[name].is_floating_point():
            expected, found = (str(each.dtype).removeprefix("torch.") for each in (own[name], tensor))
            raise VestigeError(f"{path}: tensor {name!r} is of {found}; expected {expected}")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise VestigeError(f"{path}: tensor {name!r} holds values that are not finite; the file is damaged")
    module.load_state_dict(state, strict=False)


def _fitted(state: State, own: Mapping[str, Tensor]) -> State:
    """A state under a network's own names, where only wrappers' prefixes or what is beside the network tell them apart.

    A network's own names may begin as a wrapper's; and a file may hold more than the network, as a teacher's head.
    """
    needed = {name for name in own if not name.endswith("num_batches_tracked")}
    plain = {re.sub(r"(^|\.)_orig_mod\.", r"\1", name): tensor for name, tensor in state.items()}
    for names in (state, plain):
        for prefix in dict.fromkeys(("", *(name[: name.index(".") + 1] for name in (*names, *own) if "." in name))):
            shorter = {name.removeprefix(prefix): t for name, t in names.items() if name.startswith(prefix)}
            longer = {prefix + name: t for name, t in names.items()}
            for tried in (shorter, longer) if prefix else (names,):
                if needed <= tried.keys() and (prefix or tried.keys() <= own.keys()):
                    return {name: tensor for name, tensor in tried.items() if name in own}
    return state
