"""A backbone made ready for reading many pictures quickly: folded, with fewer copies, on its device, compiled.

Each step is tried on an input and undone where a layer that will be read changes.
"""

from __future__ import annotations

import copy
import ctypes
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from vestige.backbones.backbone import Backbone
from vestige.backbones.watching import module_of, tensor_of
from vestige.errors import VestigeError

ReadLayers = Callable[[Tensor], Mapping[str, Tensor]]
Undo = Callable[[], None]


class PreparedBackbone(Backbone):
    """A deep copy of a backbone on its device, in its type, folded and compiled as asked; see :func:`prepared`.

    Attributes:
        folded: how many batch normalisations were folded into convolutions.
        spared: how many modules copy less than the original's, to the same bits.
    """

    def __init__(self, original: Backbone, module: nn.Module, keep: Sequence[str], folded: int) -> None:
        super().__init__(
            original.spec,
            module,
            original.preprocessing,
            original.paths,
            channels_last_layers=original.channels_last_layers,
            prefix_tokens=original.prefix_tokens,
            register_tokens=original.register_tokens,
            structure=original.structure,
            categories=original.categories,
        )
        self.keep = tuple(keep)
        self.folded = folded
        self.spared = 0
        self._original = original
        self._like = self.blank((1, 1))
        self._compiled: Any = None
        self._batch = 0

    @cached_property
    def weights_sha256(self) -> str:
        """The original's: the copy's own weights may be folded or rounded."""
        return self._original.weights_sha256

    @cached_property
    def fingerprint(self) -> str:
        """The original's. It does not tell the type that the copy computes in."""
        return self._original.fingerprint

    def compile(self) -> None:
        """Compile the reading of the kept layers at the first run; what lies behind the last of them is not computed.

        The copy's modules carry hooks from here on.
        """
        reading = _Reading(self.module, {name: self.path(name) for name in self.keep})
        self._compiled = torch.compile(reading, dynamic=False)

    def run(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """As :meth:`Backbone.run`, from input of any float type and place to float32 outputs."""
        x = x.to(device=self._like.device, dtype=self._like.dtype)
        with torch.no_grad():
            if self._compiled is not None and set(names) <= set(self.keep):
                outputs = self._run_compiled(x, names)
            else:
                outputs = super().run(x, names)
        return {name: output.float() for name, output in outputs.items()}

    def _run_compiled(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """A batch smaller than the one compiled for is filled up with zeros, which is cheaper than compiling again."""
        count = len(x)
        self._batch = max(self._batch, count)
        if count < self._batch:
            filler = x.new_zeros(self._batch - count, *x.shape[1:]).contiguous(memory_format=torch.channels_last)
            x = torch.cat((x, filler))
        try:
            outputs = self._compiled(x)
        except Exception as error:  # the compiler's own kinds are private, and many
            reason = str(error).strip().splitlines()
            raise VestigeError(
                f"{self.spec}: torch.compile failed ({reason[0] if reason else type(error).__name__}); "
                "run without compiling"
            ) from error
        for name in names:
            if name not in outputs:
                raise VestigeError(f"{self.spec}: layer {name!r} takes no part in the forward pass")
        return {name: self.canonical(name, outputs[name])[:count] for name in names}


class _Reading(nn.Module):
    """A network whose output is the outputs of some of its modules. The compiler drops what they do not need."""

    def __init__(self, module: nn.Module, paths: dict[str, str]) -> None:
        super().__init__()
        self.module = module
        self._outputs: dict[str, Any] | None = None  # None outside a pass of this module's own
        for name, path in paths.items():
            own_path, tensor = module_of(module, path)
            module.get_submodule(own_path).register_forward_hook(self._keep(name, tensor))

    def _keep(self, name: str, tensor_name: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if self._outputs is not None and name not in self._outputs:
                tensor = tensor_of(output, tensor_name)
                self._outputs[name] = None if tensor is None else tensor.clone()

        return hook

    def forward(self, x: Tensor) -> dict[str, Any]:
        """name -> output of its first run."""
        outputs: dict[str, Any] = {}
        self._outputs = outputs
        self.module(x)
        self._outputs = None
        return outputs


@torch.inference_mode(False)
@torch.no_grad()
def prepared(
    backbone: Backbone,
    device: torch.device | str = "cpu",
    *,
    dtype: torch.dtype = torch.float32,
    channels_last: bool = True,
    fold_batch_norm: bool = True,
    compile: bool = False,
    keep: Sequence[str],
) -> PreparedBackbone:
    """A copy of a backbone that gives the same outputs faster.

    Args:
        backbone: left as it is.
        device: where the copy runs.
        dtype: what it computes in; outputs are float32 all the same.
        channels_last: lay weights out as ``(out, h, w, in)``, which convolutions on CPUs and tensor cores like best.
        fold_batch_norm: fold batch normalisations into the convolutions before them, wherever a check on a random
            input finds every kept layer within 1e-4 of its largest value.
        compile: through ``torch.compile``: the first run takes a minute; later ones with at most as many pictures
            use the same code.
        keep: names of the layers that will be read. Others may be read too, but a folded copy's may differ, and they
            are not compiled.

    Returns:
        The copy, under the original's fingerprint.

    Raises:
        VestigeError: where a layer takes no part in the forward pass.
    """
    if torch.device(device).type == "cpu":
        keep_freed_memory()
    module = copy.deepcopy(backbone.module)
    ready = PreparedBackbone(backbone, module, keep, 0)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, *backbone.preprocessing.size, generator=generator).to(backbone.blank((1, 1)))

    def read(x: Tensor) -> dict[str, Tensor]:
        return Backbone.run(ready, x, keep)

    if fold_batch_norm:
        ready.folded = fold_batch_norms(module, [module_of(module, ready.path(name))[0] for name in keep], x, read)
    ready.spared = spare_copies(module, x, read)
    module.to(device=device, dtype=dtype)
    if channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ready._like = ready.blank((1, 1))
    if compile:
        ready.compile()
    return ready


_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 2**30


def keep_freed_memory() -> None:
    """Have glibc keep freed memory, up to 1 GiB, instead of giving every large block back to the system.

    By default each activation of more than 32 MB is mapped anew for every batch, and the system clears it page by
    page: a third of the time of a forward pass on the CPU was seen to go there. Does nothing where the C library is
    another.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


def spare_copies(module: nn.Module, x: Tensor, read: ReadLayers) -> int:
    """Change a network, in place, so that it copies less; left as it is where the layers read would differ at all.

    An activation may overwrite its input; a convolution may pad its input with zeros itself, where the same number
    belongs on either side. Whether somebody else still needs the overwritten tensor (a skip connection, a layer that is
    read) is not worked out but tried.

    Args:
        module: a network in evaluation mode.
        x: an input to try.
        read: the outputs of the layers that will be read, for an input.

    Returns:
        How many modules were changed.
    """
    given = x.clone()
    expected = {name: output.clone() for name, output in read(x).items()}
    changed = 0
    for change in (_pad_inside, _overwrite):
        undone = [undo for part in list(module.modules()) if (undo := change(part)) is not None]
        found = read(x)
        if torch.equal(x, given) and all(torch.equal(found[name], output) for name, output in expected.items()):
            changed += len(undone)
            continue
        for undo in undone:
            undo()
        x = given.clone()
    return changed


def _pad_inside(part: nn.Module) -> Undo | None:
    """A convolution of TensorFlow's kind in PyTorch pads first: a module of its own, and a copy of the whole input."""
    padding = getattr(part, "static_padding", None)
    if not isinstance(part, nn.Conv2d) or not isinstance(padding, nn.ZeroPad2d) or part.padding != (0, 0):
        return None
    left, right, top, bottom = padding.padding
    if left != right or top != bottom:
        return None
    part.padding, part.static_padding = (top, left), nn.Identity()

    def undo() -> None:
        part.padding, part.static_padding = (0, 0), padding

    return undo


def _overwrite(part: nn.Module) -> Undo | None:
    if getattr(part, "inplace", None) is not False or type(part).__module__ != "torch.nn.modules.activation":
        return None
    part.inplace = True  # type: ignore[assignment]

    def undo() -> None:
        part.inplace = False  # type: ignore[assignment]

    return undo


TOLERANCE = 1e-4
"""Largest difference that folding may make to a layer, relative to the layer's largest value."""


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


def fold_batch_norms(module: nn.Module, keep: Sequence[str], x: Tensor, read: ReadLayers) -> int:
    """Fold, in place, every pair of convolution and batch normalisation whose folding changes none of some layers.

    In evaluation mode ``BN(conv(x)) = g (W x + b - m) / s + c`` with ``s = sqrt(var + eps)`` is one convolution with
    weights ``W g / s`` and bias ``(b - m) g / s + c``. Pairs are found by watching one forward pass (the batch
    normalisation is given the very tensor that the convolution put out), not by names or by tracing.

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


def _fold_checked(pair: _Pair, module: nn.Module, x: Tensor, expected: Mapping[str, Tensor], read: ReadLayers) -> bool:
    undo = pair.fold(module)
    if _agrees(read, x, expected):
        return True
    undo()
    return False


def _agrees(read: ReadLayers, x: Tensor, expected: Mapping[str, Tensor]) -> bool:
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
