"""Batch normalisation folded into the convolution before it.

In evaluation mode ``BN(conv(x)) = g (W x + b - m) / s + c`` with ``s = sqrt(var + eps)`` is one convolution with
weights ``W g / s`` and bias ``(b - m) g / s + c``. Pairs are found by watching one forward pass (the batch
normalisation is given the very tensor that the convolution put out), not by names or by tracing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

TOLERANCE = 1e-4
"""Largest difference that folding may make to a layer, relative to the layer's largest value."""

Read = Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True)
class _Pair:
    """A convolution and the batch normalisation (at a module path) that takes its output."""

    conv: nn.Conv2d
    norm: nn.Module
    norm_path: str

    def fold(self, module: nn.Module) -> Callable[[], None]:
        """Fold in place; the result undoes it."""
        weight, bias = self.conv.weight, self.conv.bias
        self.conv.weight, self.conv.bias = _folded(self.conv, self.norm)
        _replace(module, self.norm_path, _after(self.norm))

        def undo() -> None:
            self.conv.weight, self.conv.bias = weight, bias
            _replace(module, self.norm_path, self.norm)

        return undo


def fold_batch_norm(module: nn.Module, keep: Sequence[str], x: Tensor, read: Read) -> int:
    """Fold, in place, every pair of convolution and batch normalisation whose folding changes none of some layers.

    Args:
        module: a network in evaluation mode; changed.
        keep: module paths that will be read; a convolution that is one of them is left alone.
        x: an input to watch and to check with.
        read: the outputs of the layers that will be read, for an input.

    Returns:
        How many pairs were folded.
    """
    pairs = _find_pairs(module, keep, x)
    expected = read(x)
    undo = [pair.fold(module) for pair in pairs]
    if _agrees(read, x, expected):
        return len(pairs)
    for step in undo:
        step()
    return sum(_fold_checked(pair, module, x, expected, read) for pair in pairs)


def _fold_checked(pair: _Pair, module: nn.Module, x: Tensor, expected: Mapping[str, Tensor], read: Read) -> bool:
    undo = pair.fold(module)
    if _agrees(read, x, expected):
        return True
    undo()
    return False


def _agrees(read: Read, x: Tensor, expected: Mapping[str, Tensor]) -> bool:
    try:
        found = read(x)
    except (AttributeError, TypeError):  # the network looks into the batch normalisation that is gone
        return False
    return all(
        bool((found[name] - wanted).abs().max() <= TOLERANCE * wanted.abs().max()) for name, wanted in expected.items()
    )


def _find_pairs(module: nn.Module, keep: Sequence[str], x: Tensor) -> list[_Pair]:
    paths = {part: path for path, part in module.named_modules() if path}
    made: list[tuple[Any, nn.Module]] = []  # holds the tensors, so that no identity is used twice
    taken: list[tuple[Any, nn.Module]] = []

    def after(part: nn.Module, _args: Any, output: Any) -> None:
        made.append((output, part))

    def before(part: nn.Module, args: Any) -> None:
        taken.append((args[0] if args else None, part))

    watched = {module.get_submodule(path) for path in keep}
    handles = [part.register_forward_hook(after) for part in paths if isinstance(part, nn.Conv2d) or part in watched]
    handles += [part.register_forward_pre_hook(before) for part in paths if _is_foldable(part)]
    try:
        module(x)
    finally:
        for handle in handles:
            handle.remove()
    makers = [part for _, part in made]
    takers = [part for _, part in taken]
    kept = {id(output) for output, part in made if part in watched}
    pairs = []
    for value, norm in taken:
        convs = [part for output, part in made if output is value and isinstance(part, nn.Conv2d)]
        if len(convs) == 1 and id(value) not in kept and makers.count(convs[0]) == takers.count(norm) == 1:
            pairs.append(_Pair(convs[0], norm, paths[norm]))
    return pairs


def _is_foldable(part: nn.Module) -> bool:
    return isinstance(part, nn.BatchNorm2d) and part.running_mean is not None and part.running_var is not None


def _folded(conv: nn.Conv2d, norm: Any) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of the one convolution, computed in double precision."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double()
    if conv.bias is not None:
        shift = shift + conv.bias.double()
    shift = shift * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    weight = conv.weight.double() * scale.view(-1, 1, 1, 1)
    return tuple(nn.Parameter(value.to(conv.weight.dtype), requires_grad=False) for value in (weight, shift))  # type: ignore[return-value]


def _after(norm: nn.Module) -> nn.Module:
    """What is left of a batch normalisation: nothing, or the activation that timm's kind carries."""
    if type(norm) is nn.BatchNorm2d:
        return nn.Identity()
    left = [getattr(norm, name) for name in ("drop", "act") if isinstance(getattr(norm, name, None), nn.Module)]
    return nn.Sequential(*left).eval()


def _replace(module: nn.Module, path: str, part: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, part)
