"""A backbone: a network with its own preprocessing, whose named layers can be read."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vestige.errors import VestigeError

Kind = Literal["vector", "grid", "tokens"]


@dataclass(frozen=True)
class Preprocessing:
    """What a network wants of its input.

    Attributes:
        size: height and width of the input in pixels.
        mean: subtracted from each channel, in units of 0..255, in the network's channel order.
        std: divided by, likewise.
        channels: the network's channel order.
        interpolation: how pictures are resized to ``size``: ``bilinear``, ``bicubic``, ``lanczos`` (all anti-aliased).
        crop_fraction: the share of the resized picture that the network's authors keep (a centre crop). It is told
            and never applied: a probe's coordinates cover the whole crop.
        mean_image: ``(3, h, w)`` subtracted instead of ``mean``, where the network has one.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: Literal["rgb", "bgr"] = "rgb"
    interpolation: Literal["bilinear", "bicubic", "lanczos"] = "bilinear"
    crop_fraction: float = 1.0
    mean_image: NDArray[np.float32] | None = None

    def __call__(self, images: NDArray[np.uint8] | Tensor, device: torch.device | str = "cpu") -> Tensor:
        """``(N, h, w, 3)`` RGB of 0..255 to the network's input ``(N, 3, h, w)``, float32, channels-last in memory."""
        x = torch.as_tensor(images).to(device).permute(0, 3, 1, 2).float()
        if self.channels == "bgr":
            x = x.flip(1)
        if self.mean_image is None:
            x -= torch.tensor(self.mean, device=x.device).view(1, 3, 1, 1)
        else:
            x -= torch.as_tensor(self.mean_image, device=x.device)
        x /= torch.tensor(self.std, device=x.device).view(1, 3, 1, 1)
        return x.contiguous(memory_format=torch.channels_last)

    def fingerprint(self) -> str:
        """A text that changes whenever the network's input would."""
        mean = self.mean if self.mean_image is None else hashlib.sha256(self.mean_image.tobytes()).hexdigest()
        return repr((self.size, mean, self.std, self.channels, self.interpolation))


@dataclass(frozen=True)
class Layer:
    """A named layer of a backbone, at the network's own input size.

    Attributes:
        name: as the user writes it.
        kind: ``vector`` (C,), ``grid`` (C, h, w) or ``tokens`` (T, C).
        shape: of the output for one picture, in the order that ``kind`` says.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers the layer puts out for one picture."""
        return int(np.prod(self.shape))


class _Reached(Exception):  # noqa: N818 - no error: it ends a forward pass at the last layer asked for
    """Raised inside a forward pass once every layer asked for has been seen."""


class Backbone:
    """A network in evaluation mode with its preprocessing and its layers by name.

    Args:
        spec: the text that opened it.
        module: the network; put into evaluation mode, its parameters need no gradient from here on.
        preprocessing: what its input is.
        paths: layer name -> path of the module in ``module`` whose output is the layer, in the order of depth.
        channels_last_layers: names of layers that put out ``(N, h, w, C)`` grids (Swin and its kind).
        prefix_tokens: how many tokens before the patches (class token, registers) the ``(N, T, C)`` layers have.
    """

    def __init__(
        self,
        spec: str,
        module: nn.Module,
        preprocessing: Preprocessing,
        paths: Mapping[str, str],
        *,
        channels_last_layers: Iterable[str] = (),
        prefix_tokens: int = 0,
    ) -> None:
        self.spec = spec
        self.module = module.eval().requires_grad_(False)
        self.preprocessing = preprocessing
        self.paths = dict(paths)
        self.channels_last_layers = frozenset(channels_last_layers)
        self.prefix_tokens = prefix_tokens

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of every parameter and buffer by name: the same weights give the same text, from whatever file."""
        return hash_state(self.module.state_dict())

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the features could: weights, architecture and preprocessing."""
        text = f"{self.weights_sha256}\n{self.module!r}\n{self.preprocessing.fingerprint()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def select(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The layers that names and globs mean, in the order of depth; ``all`` means every one.

        Raises:
            VestigeError: where a pattern matches none, with the nearest names.
        """
        chosen: set[str] = set()
        for pattern in patterns:
            found = list(self.paths) if pattern == "all" else fnmatch.filter(self.paths, pattern)
            if not found:
                near = get_close_matches(pattern, self.paths, n=3, cutoff=0.4)
                hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(self.paths)}"
                raise VestigeError(f"{self.spec} has no layer {pattern!r}; {hint}")
            chosen.update(found)
        return tuple(name for name in self.paths if name in chosen)

    @torch.inference_mode()
    def layers(self, names: Sequence[str] | None = None) -> tuple[Layer, ...]:
        """Kind and shape of layers (of all, where none are named), read off one forward pass of a blank picture."""
        names = tuple(self.paths) if names is None else tuple(names)
        height, width = self.preprocessing.size
        parameter = next(self.module.parameters())
        blank = torch.zeros(1, 3, height, width, device=parameter.device, dtype=parameter.dtype)
        outputs = self.run(blank, names)
        return tuple(Layer(name, _kind(outputs[name]), tuple(outputs[name].shape[1:])) for name in names)

    def run(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """The outputs of layers; the pass ends at the last of them.

        Args:
            x: ``(N, 3, h, w)``, preprocessed.
            names: of layers.

        Returns:
            name -> ``(N, C)``, ``(N, C, h, w)`` or ``(N, T, C)``.
        """
        outputs: dict[str, Tensor] = {}
        missing = set(names)

        def keep(name: str) -> Any:
            def hook(_module: nn.Module, _args: Any, output: Any) -> None:
                outputs[name] = self._canonical(name, output)
                missing.discard(name)
                if not missing:
                    raise _Reached

            return hook

        handles = [self.module.get_submodule(self.paths[name]).register_forward_hook(keep(name)) for name in names]
        try:
            self.module(x)
        except _Reached:
            pass
        finally:
            for handle in handles:
                handle.remove()
        if missing:
            raise VestigeError(f"{self.spec}: layer {sorted(missing)[0]!r} takes no part in the forward pass")
        return outputs

    def _canonical(self, name: str, output: Any) -> Tensor:
        """A layer's output as a ``(N, C)``, ``(N, C, h, w)`` or ``(N, T, C)`` tensor."""
        if isinstance(output, (tuple, list)):
            output = output[0]
        if not isinstance(output, Tensor) or output.ndim not in (2, 3, 4):
            raise VestigeError(f"{self.spec}: layer {name!r} puts out no vector, grid or tokens and cannot be read")
        tensor: Tensor = output
        if tensor.ndim == 4 and name in self.channels_last_layers:
            tensor = tensor.permute(0, 3, 1, 2)
        return tensor.flatten(1) if tensor.shape[2:] == (1, 1) else tensor


def hash_state(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and values of a state dict."""
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _kind(output: Tensor) -> Kind:
    kinds: dict[int, Kind] = {2: "vector", 3: "tokens", 4: "grid"}
    return kinds[output.ndim]
