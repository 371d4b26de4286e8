"""A backbone made ready for reading many pictures quickly."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from vestige.backbones.allocation import keep_freed_memory
from vestige.backbones.backbone import Backbone
from vestige.backbones.folding import fold_batch_norm as fold
from vestige.backbones.sparing import spare_copies
from vestige.backbones.watching import module_of, tensor_of
from vestige.errors import VestigeError


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
        ready.folded = fold(module, [module_of(module, ready.path(name))[0] for name in keep], x, read)
    ready.spared = spare_copies(module, x, read)
    module.to(device=device, dtype=dtype)
    if channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ready._like = ready.blank((1, 1))
    if compile:
        ready.compile()
    return ready
