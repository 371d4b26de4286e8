"""Weights from files, as data: no file that is read here can execute code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vestige.errors import VestigeError

State = dict[str, Tensor]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, networks are initialised from a seed on the CPU; afterwards no random generator has moved."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


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
    if not path.is_file():
        raise VestigeError(f"{path}: no such weights file; without @PATH the spec opens its default weights")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for a bad file
        reason = str(error).strip().splitlines()
        raise VestigeError(
            f"{path}: cannot be read as weights ({reason[0] if reason else type(error).__name__}); expected a "
            "complete .safetensors file or a PyTorch state dict that holds tensors alone"
        ) from error
    for wrapper in ("state_dict", "model"):  # what training scripts wrap a state dict in
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not state or not all(map(_is_entry, state.items())):
        raise VestigeError(f"{path}: holds no state dict; expected a mapping of names to tensors")
    return state


def _is_entry(entry: tuple[object, object]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def put_state(module: nn.Module, state: State, path: Path) -> None:
    """Copy a state into a network, all or nothing; ``num_batches_tracked`` may be absent, nothing else may differ."""
    own = module.state_dict()
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
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise VestigeError(f"{path}: tensor {name!r} holds values that are not finite; the file is damaged")
    module.load_state_dict(state, strict=False)
