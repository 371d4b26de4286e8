"""What every adapter to somebody else's networks needs: the library, the layers worth listing, the weights."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vestige.backbones.backbone import Backbone
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.watching import is_channels_last, module_of, run_order
from vestige.backbones.weights import State, put_state, read_state, seeded
from vestige.errors import VestigeError
from vestige.spec import BackboneSpec
from vestige.spec import whole_number as spec_number

_LARGEST_NUMBER = 1_000_000  # of an option: more classes, pixels or registers than any network has
_SILENT = (nn.Identity, nn.Flatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.MultiheadAttention)


def import_library(name: str, spec: BackboneSpec) -> Any:
    """An optional library, imported when a spec first asks for it.

    Raises:
        VestigeError: where it is not installed, or its torchvision does not fit its torch; with what to install.
    """
    extra = {"transformers": "hf"}.get(name, name.split(".")[0])
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise VestigeError(
            f"{spec.text!r}: {error.name} is not installed; install it with: pip install 'vestige[{extra}]'"
        ) from error
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise misfit(spec, error) from error


def misfit(spec: BackboneSpec, error: Exception) -> VestigeError:
    """What to tell where a library cannot be imported: nearly always two builds of torch and torchvision."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    found = " and ".join(f"{package} {_version(package)}" for package in ("torch", "torchvision"))
    return VestigeError(
        f"{spec.text!r}: {found} do not fit each other ({reason}); install both from the same index in one command, "
        "as in: pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cpu"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def adapt(
    spec: BackboneSpec,
    module: nn.Module,
    preprocessing: Preprocessing,
    *,
    prefix: int = 0,
    registers: int = 0,
    categories: Iterable[str] = (),
) -> Backbone:
    """A Backbone of any network, its layers listed by module path in the order in which they run.

    Args:
        spec: as the user wrote it.
        module: takes ``(N, 3, h, w)`` as its first argument.
        preprocessing: of the network.
        prefix: 1 where the first token is a class token, else 0.
        registers: tokens between that and the patches.
        categories: the names of what it tells apart, in the order of its scores.

    Raises:
        VestigeError: where the network does not run on its own input size, or none of its modules can be read.
    """
    backbone = Backbone(spec.text, module, preprocessing, {}, prefix_tokens=prefix, register_tokens=registers)
    try:
        shapes = run_order(backbone.module, backbone.blank())
    except Exception as error:  # whatever somebody else's network raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise VestigeError(
            f"{spec.text!r}: the network does not run on pictures of {preprocessing.size} (height, width): {reason}"
        ) from error
    readable = {path: shape for path, shape in shapes.items() if shape is not None and len(shape) in (2, 3, 4)}
    if not readable:
        raise VestigeError(f"{spec.text!r}: no module of the network puts out a vector, a grid or tokens")
    paths = _listed(module, readable, set(layer_paths(module))) or _listed(module, readable, shapes.keys())
    turned = [path for path, shape in readable.items() if is_channels_last(shape, preprocessing.size)]
    return Backbone(
        spec.text,
        module,
        preprocessing,
        paths,
        channels_last_layers=turned,
        prefix_tokens=prefix,
        register_tokens=registers,
        categories=categories,
    )


def _listed(module: nn.Module, readable: Iterable[str], modules: Collection[str]) -> dict[str, str]:
    """The readable paths of some modules, and of the tensors of those modules that put out several."""
    owners = {path: module_of(module, path) for path in readable}
    tensors = Counter(own for own, name in owners.values() if name)
    alone = {own for own in owners if tensors[own] == 1}  # its only tensor is read by its own name
    return {path: path for path, (own, name) in owners.items() if own in modules and not (name and own in alone)}


def layer_paths(module: nn.Module, path: str = "") -> Iterator[str]:
    """The modules of a network that are worth listing: its stages' blocks, and what stands outside of stages.

    Sequences and lists are entered, and so is whatever holds a sequence of blocks; blocks are not. A block is a module
    in a sequence of its like, with at least two convolutions or linear layers. Identities and dropout are left out.
    """
    for name, child in module.named_children():
        inner = f"{path}.{name}" if path else name
        if type(child) in (nn.Sequential, nn.ModuleList) or _holds_blocks(child):
            yield from layer_paths(child, inner)
        elif not isinstance(child, _SILENT):
            yield inner


def _holds_blocks(module: nn.Module) -> bool:
    return any(_is_stage(part) for part in module.modules())


def _is_stage(part: nn.Module) -> bool:
    if not isinstance(part, (nn.Sequential, nn.ModuleList)) or len(part) == 0:
        return False
    kinds = {type(child) for child in part}
    return len(kinds) == 1 and all(_is_block(child) for child in part)


def _is_block(module: nn.Module) -> bool:
    if isinstance(module, (nn.Sequential, nn.ModuleList)):
        return False
    return sum(isinstance(part, _WEIGHTED) for part in module.modules()) >= 2


def build(spec: BackboneSpec, untrained: Callable[[], nn.Module], trained: Callable[[], nn.Module]) -> nn.Module:
    """The network with the weights that its spec asks for.

    Args:
        spec: with a path, a seed, or neither.
        untrained: makes the network without weights.
        trained: makes it with the library's own, from its cache or its hub.

    Raises:
        VestigeError: where the weights cannot be loaded.
    """
    if spec.weights is None and spec.seed is None:
        try:
            with seeded(0):  # parts that the library's weights leave out (a pooler) come out the same every time
                return trained()
        except Exception as error:  # urllib, requests, the hubs' own kinds, and unknown weights
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise VestigeError(
                f"{spec.text!r}: its pretrained weights cannot be loaded here ({reason}); download them where there is "
                f"a network and give {spec.network}@PATH, or open it untrained: {spec.network}@random:0"
            ) from error
    with seeded(spec.seed or 0):
        module = untrained()
    if spec.weights is not None:
        load_library_weights(module, Path(spec.weights))
    return module


def load_library_weights(module: nn.Module, path: Path) -> None:
    """Load a state dict; the ``module.`` that parallel training leaves in names is taken out where needed.

    Raises:
        VestigeError: where the file is no state dict, or that of another network.
    """
    state = read_state(path)
    if not state.keys() <= module.state_dict().keys():
        state = _unwrapped(state)
    put_state(module, state, path)


def _unwrapped(state: State) -> State:
    return {".".join(part for part in name.split(".") if part != "module"): value for name, value in state.items()}


def whole_number(spec: BackboneSpec, key: str, default: int) -> int:
    """An option as a whole number, or the default.

    Raises:
        VestigeError: where it is none.
    """
    value = spec.options.get(key)
    return default if value is None else spec_number(spec.text, f"{key}={value!r}", value, 0, _LARGEST_NUMBER)


def byte_scale(values: Any) -> tuple[float, float, float]:
    """Three channel values in units of 0..1 as vestige's, in units of 0..255; a single one stands for all."""
    numbers = [float(value) * 255.0 for value in (values if hasattr(values, "__len__") else [values])]
    if len(numbers) == 1:
        numbers *= 3
    red, green, blue = numbers
    return red, green, blue


@torch.no_grad()
def token_counts(module: nn.Module) -> tuple[int, int]:
    """(class tokens, further tokens before the patches) of a network, by the names of its parameters."""
    parameters = dict(module.named_parameters())
    last = {name.rpartition(".")[2]: value for name, value in parameters.items()}
    classes = int(any(name in last for name in ("cls_token", "class_token", "class_embedding")))
    further = sum(last[name].shape[-2] for name in ("register_tokens", "reg_token") if name in last)
    further += sum(name in last for name in ("dist_token", "distillation_token"))
    return classes, int(further)
