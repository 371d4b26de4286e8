"""What a network computes, whatever its weights: the operations of its passes, as a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from vestige.backbones.watching import DispatchMode, tensor_of
from vestige.threads import one_torch_thread


@one_torch_thread()
def graph_sha256(module: nn.Module, inputs: Iterable[Tensor]) -> str:
    """A digest of the passes of a network: every operation with its settings, what it is given and what it puts out.

    Networks that differ in their floating-point weights alone have the same. Whole numbers and truth values that a
    network holds count (they may say what goes where). So does the error where a pass ends in one.

    Args:
        module: in evaluation mode.
        inputs: of the passes, each ``(N, 3, h, w)``; networks may compute differently at different sizes.
    """
    watch = _Watch()
    handles = [part.register_forward_hook(watch.ended(path)) for path, part in module.named_modules()]
    try:
        for x in inputs:
            watch.note(f"pass {watch.said(x)}")
            try:
                with torch.no_grad(), watch:
                    module(x)
            except Exception as error:  # networks refuse an input's size in as many ways as there are networks
                watch.note(f"ends in {type(error).__name__}")
    finally:
        for handle in handles:
            handle.remove()
    return watch.digest.hexdigest()


class _Watch(DispatchMode):
    """Takes down the operations that run inside of it; tensors are numbered in the order in which they are seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.digest = hashlib.sha256()
        self._numbers: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = f"{self.said(args)} {self.said(kwargs or {})}"  # before the operation may change them in place
        output = func(*args, **(kwargs or {}))
        self.note(f"{func} {given} -> {self.said(output, made=True)}")
        return output

    def note(self, line: str) -> None:
        self.digest.update(f"{line}\n".encode())

    def ended(self, path: str) -> Any:
        """A hook that takes down what a module puts out."""

        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            self.note(f"{path} = {self.said(tensor_of(output))} of {self.said(output)}")

        return hook

    def said(self, value: Any, made: bool = False) -> str:
        """The same text for the same value, in every process.

        Args:
            value: what an operation is given or puts out.
            made: by an operation; what is not is held by the network.
        """
        if isinstance(value, Tensor):
            return self._tensor(value, made)
        if isinstance(value, tuple | list):
            return f"[{', '.join(self.said(each, made) for each in value)}]"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{key}: {self.said(each, made)}' for key, each in value.items())}}}"
        plain = bool | int | float | complex | str | torch.dtype | torch.device | torch.layout | torch.memory_format
        return repr(value) if value is None or isinstance(value, plain) else type(value).__qualname__

    def _tensor(self, tensor: Tensor, made: bool) -> str:
        if tensor in self._numbers:
            return f"%{self._numbers[tensor]}"
        self._numbers[tensor] = self._seen
        self._seen += 1
        told = f"%{self._numbers[tensor]} {tensor.dtype} {tuple(tensor.shape)}"
        if made or tensor.is_floating_point() or tensor.is_complex():
            return told
        return f"{told} {hashlib.sha256(tensor.cpu().contiguous().numpy().tobytes()).hexdigest()}"
