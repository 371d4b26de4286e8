"""A backbone: a network with its own preprocessing, whose named layers can be read."""

from __future__ import annotations

import fnmatch
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.watching import module_of, read_outputs, run_order
from vestige.errors import VestigeError, near_names
from vestige.spec import EVEN_LAYERS, HELD

LayerKind = Literal["vector", "grid", "tokens"]

WHOLE = ""
"""The path of the network itself, whose output is its scores."""

_EVEN = "even:"
_CLASSIFIER = "expected a classifier (of Hugging Face's networks hf:NAME,classifier)"


@dataclass(frozen=True)
class Layer:
    """A named layer of a backbone, at the network's own input size.

    Attributes:
        name: as the user writes it.
        kind: ``vector`` (C,), ``grid`` (C, h, w) or ``tokens`` (T, C).
        shape: of the output for one picture, in the order that ``kind`` says.
        prefix_tokens: how many of a tokens layer's T stand before the patches (1 for a class token, else 0).
    """

    name: str
    kind: LayerKind
    shape: tuple[int, ...]
    prefix_tokens: int = 0

    @property
    def size(self) -> int:
        """How many numbers the layer puts out for one picture."""
        return int(np.prod(self.shape))


class Backbone:
    """A network in evaluation mode with its preprocessing and its layers by name.

    Layers are the names of ``paths``, in the order of depth; any other module path of the network is a layer too
    where it is asked for by that path, and so is each tensor of a module that puts out several, as ``PATH.KEY``. A
    module that runs several times in a pass is read at its first run.

    Args:
        spec: the text that opened it.
        module: the network; put into evaluation mode, its parameters need no gradient from here on.
        preprocessing: what its input is.
        paths: layer name -> path of the module in ``module`` whose output is the layer, in the order of depth.
        channels_last_layers: layers and module paths that put out ``(N, h, w, C)`` grids (Swin and its kind).
        prefix_tokens: how many tokens stand before the patches in the ``(N, T, C)`` that :meth:`run` gives: 1 with a
            class token, else 0.
        register_tokens: how many further tokens the network puts between those and the patches; dropped by
            :meth:`run`.
        structure: what tells the network from others of the same weights, where its ``repr`` does not.
        categories: the names of what it tells apart, in the order of its scores; none where they are not known.
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
        register_tokens: int = 0,
        structure: str = "",
        categories: Iterable[str] = (),
    ) -> None:
        self.spec = spec
        self.module = module.eval().requires_grad_(False)
        self.preprocessing = preprocessing
        self.paths = dict(paths)
        self.channels_last_layers = frozenset(channels_last_layers)
        self.prefix_tokens = prefix_tokens
        self.register_tokens = register_tokens
        self.structure = structure
        self.categories = tuple(categories)

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        preprocessing: Preprocessing,
        *,
        name: str = "network",
        categories: Sequence[str] = (),
    ) -> Backbone:
        """A network that a program holds::

            network = vestige.Backbone.from_module(module, vestige.Preprocessing((64, 64), (127.5,) * 3, (127.5,) * 3))
            found = vestige.measure("landmarks", train, test, backbone=network, layers=["layer3"])

        The module is copied. Equal ones share stored features: they are known by a digest of weights, structure and
        preprocessing.

        Args:
            module: takes ``(N, 3, h, w)``; its layers are listed by module path.
            preprocessing: what its input is.
            name: for people to read.
            categories: the names of what it tells apart, in the order of its scores.

        Raises:
            VestigeError: where it is no network, or does not run on its input's size.
        """
        from vestige.backbones.own_networks import held_backbone

        return held_backbone(module, preprocessing, name, categories)

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of every parameter and buffer by name: the same weights give the same text, from whatever file."""
        return hash_state(self.module.state_dict())

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the features could: weights, architecture and preprocessing."""
        text = f"{self.weights_sha256}\n{self.module!r}\n{self.preprocessing.fingerprint()}{self.structure}"
        return hashlib.sha256(text.encode()).hexdigest()

    def blank(self, size: tuple[int, int] | None = None, batch: int = 1) -> Tensor:
        """Zeros ``(batch, 3, h, w)`` of the network's type and place, at its own input size where none is given."""
        parameter = next(self.module.parameters(), torch.zeros(()))
        height, width = size or self.preprocessing.size
        return torch.zeros(batch, 3, height, width, device=parameter.device, dtype=parameter.dtype)

    def select(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The layers that names, globs and module paths mean, in the order of depth.

        ``all`` means every listed one, ``even:N`` N of them at even steps from the first to the last. A glob is
        matched against the listed layers, and against all module paths where it fits none of those.

        Raises:
            VestigeError: where a pattern matches none, with the nearest names.
        """
        chosen = {name for pattern in patterns for name in self._matching(pattern)}
        if chosen <= self.paths.keys():
            return tuple(name for name in self.paths if name in chosen)
        rank = {path: i for i, path in enumerate(self._readable)}
        return tuple(sorted(chosen, key=lambda name: (rank[self.path(name)], name)))

    def _matching(self, pattern: str) -> list[str]:
        if pattern.startswith(_EVEN):
            return self._even(pattern)
        listed = list(self.paths) if pattern == "all" else fnmatch.filter(self.paths, pattern)
        if listed:
            return listed
        modules = dict(self.module.named_modules())
        found = [path for path in fnmatch.filter(self._readable, pattern) if path in modules or path == pattern]
        if found:
            return found
        raise self._unknown(pattern)

    def _even(self, pattern: str) -> list[str]:
        number, names = pattern.removeprefix(_EVEN), list(self.paths)
        if not (number.isascii() and number.isdecimal() and int(number[:9]) > 1):
            raise VestigeError(f"layer {pattern!r}: expected {_EVEN}N with N from 2 on, as in {EVEN_LAYERS}")
        steps = np.linspace(0, len(names) - 1, min(int(number[:9]), len(names))).round().astype(int)
        return [names[step] for step in steps]

    def _unknown(self, pattern: str) -> VestigeError:
        if pattern in dict(self.module.named_modules()):
            return self._unreadable(pattern, "takes no part in the forward pass, or puts out no vector, grid or tokens")
        near = near_names(pattern, self.paths, n=3) or near_names(pattern, self._readable, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(self.paths)}"
        return VestigeError(f"{self.spec} has no layer {pattern!r}; {hint}")

    def _unreadable(self, name: str, why: str) -> VestigeError:
        """What is wrong with a layer whose output is none: ``why``, or that it is several tensors, with their names."""
        if name == WHOLE:
            return VestigeError(f"{self.spec}: puts out no vector of scores; {_CLASSIFIER}")
        path = self.path(name)
        several = [each for each in self._readable if each != path and module_of(self.module, each)[0] == path]
        why = f"puts out several tensors; choose from {', '.join(several)}" if several else why
        return VestigeError(f"{self.spec}: layer {name!r} cannot be read: it {why}")

    def path(self, name: str) -> str:
        """The module path of a layer."""
        return self.paths.get(name, name)

    @cached_property
    def _readable(self) -> tuple[str, ...]:
        """Every module path whose output can be read, in the order of depth."""
        shapes = run_order(self.module, self.blank())
        return tuple(path for path, shape in shapes.items() if shape is not None and len(shape) in (2, 3, 4))

    @torch.inference_mode()
    def layers(self, names: Sequence[str] | None = None) -> tuple[Layer, ...]:
        """Kind and shape of layers (of all, where none are named), read off one forward pass of a blank picture."""
        names = tuple(self.paths) if names is None else tuple(names)
        outputs = self.run(self.blank(), names)
        return tuple(self._layer(name, outputs[name]) for name in names)

    def _layer(self, name: str, output: Tensor) -> Layer:
        shape = tuple(output.shape[1:])
        layout = self.token_grid(shape[0]) if output.ndim == 3 else None
        prefix = (layout[0] if layout else self.prefix_tokens) if output.ndim == 3 else 0
        return Layer(name, _kind(output), shape, prefix)

    def run(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """The outputs of layers; the pass ends at the last of them.

        Args:
            x: ``(N, 3, h, w)``, preprocessed.
            names: of layers.

        Returns:
            name -> ``(N, C)``, ``(N, C, h, w)`` or ``(N, T, C)``.

        Raises:
            VestigeError: where a layer does not run or cannot be read.
        """
        outputs = read_outputs(self.module, {name: self.path(name) for name in names}, x)
        for name in names:
            if name not in outputs:
                raise VestigeError(f"{self.spec}: layer {name!r} takes no part in the forward pass")
        return {name: self.canonical(name, outputs[name]) for name in names}

    def scores(self, x: Tensor) -> Tensor:
        """What the whole network puts out: a score for each of its categories, before or after a softmax.

        Args:
            x: ``(N, 3, h, w)``, preprocessed.

        Returns:
            ``(N, n)``. A copy that :func:`prepared` made keeps :data:`WHOLE` exact where ``keep`` names it.

        Raises:
            VestigeError: where the network puts out no vector, or its categories are of another number.
        """
        scores = self.run(x, (WHOLE,))[WHOLE]
        if scores.ndim != 2:
            raise self._unreadable(WHOLE, "")
        if self.categories and scores.shape[1] != len(self.categories):
            raise VestigeError(
                f"{self.spec}: puts out {scores.shape[1]} scores, and its categories are {len(self.categories)}; "
                "expected one name for each, in the order of the scores"
            )
        return scores

    def named_categories(self) -> tuple[str, ...]:
        """The names of its categories, for callers that need them.

        Raises:
            VestigeError: where they are not known, with how to give them.
        """
        if not self.categories:
            raise VestigeError(
                f"{self.spec}: the names of its categories are not known; give them as "
                f"{self.spec},categories=FILE, one a line in the order of its scores"
                if not self.spec.startswith(f"{HELD}:")
                else f"{self.spec}: the names of its categories are not known; give them as "
                "vestige.Backbone.from_module(module, preprocessing, categories=[...])"
            )
        return self.categories

    def canonical(self, name: str, tensor: Tensor | None) -> Tensor:
        """A layer's output as a ``(N, C)``, ``(N, C, h, w)`` or ``(N, T, C)`` tensor, without register tokens.

        Raises:
            VestigeError: where it is none of these.
        """
        if tensor is None or tensor.ndim not in (2, 3, 4):
            raise self._unreadable(name, "puts out no vector, grid or tokens")
        if tensor.ndim == 4 and (name in self.channels_last_layers or self.path(name) in self.channels_last_layers):
            tensor = tensor.permute(0, 3, 1, 2)
        if tensor.ndim == 3 and self.register_tokens:
            tensor = self._without_registers(tensor)
        return tensor.flatten(1) if tensor.shape[2:] == (1, 1) else tensor

    def _without_registers(self, tokens: Tensor) -> Tensor:
        start = self.prefix_tokens + self.register_tokens
        if _grid_sides(tokens.shape[1] - start, self.preprocessing.size) is None:
            return tokens
        return torch.cat((tokens[:, : self.prefix_tokens], tokens[:, start:]), dim=1)

    def token_grid(self, tokens: int) -> tuple[int, tuple[int, int]] | None:
        """How ``(N, T, C)`` tokens lie on the picture.

        Args:
            tokens: their number T, as :meth:`run` gives them.

        Returns:
            How many tokens stand before the patches, and the ``(h, w)`` grid of the patches that follow, row by row;
            None where T fits no grid of the input's aspect.
        """
        for prefix in dict.fromkeys((self.prefix_tokens, 0)):
            sides = _grid_sides(tokens - prefix, self.preprocessing.size)
            if sides is not None:
                return prefix, sides
        return None

    def patches(self, name: str, tokens: Tensor) -> Tensor:
        """The patch tokens of a layer back on their grid: ``(N, T, C)`` to ``(N, C, h, w)``.

        Raises:
            VestigeError: where their number fits no grid of the input's aspect.
        """
        layout = self.token_grid(tokens.shape[1])
        if layout is None:
            raise VestigeError(f"{self.spec}: the {tokens.shape[1]} tokens of layer {name!r} are no grid of patches")
        prefix, (height, width) = layout
        return tokens[:, prefix:].transpose(1, 2).reshape(len(tokens), -1, height, width)


def _grid_sides(count: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Sides ``(h, w)`` with ``h * w = count`` and the aspect of ``size``, or None."""
    if count <= 0:
        return None
    height = round(math.sqrt(count * size[0] / size[1]))
    width = round(math.sqrt(count * size[1] / size[0]))
    return (height, width) if height * width == count else None


def hash_state(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and values of a state dict."""
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _kind(output: Tensor) -> LayerKind:
    kinds: dict[int, LayerKind] = {2: "vector", 3: "tokens", 4: "grid"}
    return kinds[output.ndim]
