"""How features are computed: what a command or a caller may ask of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.errors import VestigeError, choice
from vestige.options import option
from vestige.spec import Precision, StoreDtype

if TYPE_CHECKING:
    import torch


def default_workers() -> int:
    """Threads that decode: one for every two cores. They are idle where the network is slower than they are."""
    return max(1, (os.cpu_count() or 1) // 2)


@dataclass(frozen=True)
class ExtractOptions:
    """How features are computed.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps``, or ``auto``: the best there is.
        precision: of the network's arithmetic.
        store_dtype: of the numbers on disk.
        batch: pictures per forward pass; it may change the last bits, and is therefore part of a store's key.
        workers: threads that decode.
        compile: run the network through ``torch.compile``.
    """

    device: str = option("cpu", "auto, cpu, cuda or mps.", metavar="NAME", typed="auto", last=True)
    precision: Precision = option("float32", "What the network computes in.", last=True)
    store_dtype: StoreDtype = option("float32", "What features are kept as.", last=True)
    batch: int = option(32, "Pictures per forward pass.", bounds=b.BATCH, names=("--batch-size",), last=True)
    workers: int = option(default_workers(), bounds=b.COUNT)
    compile: bool = option(False, "Run the network through torch.compile.", last=True)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("precision", self.precision, get_args(Precision)),
            ("store_dtype", self.store_dtype, get_args(StoreDtype)),
        ):
            if value not in known:
                raise VestigeError(f"{name} {value!r}: {choice(value, known)}")
        check_bounds(self)

    def torch_device(self) -> torch.device:
        """The device.

        Raises:
            VestigeError: where this machine has no such device.
        """
        import torch

        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        if self.device == "auto":
            return torch.device("cuda" if cuda else "mps" if mps else "cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise VestigeError(f"device {self.device!r}: expected cpu, cuda, cuda:N, mps or auto") from error
        there = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
        if not there.get(device.type, False):
            raise VestigeError(f"device {self.device!r}: this machine has none; expected cpu, or auto for the best")
        return device

    def numerics(self, device: torch.device) -> dict[str, Any]:
        """The options that change the bytes of a store."""
        return {
            "device": device.type,
            "precision": self.precision,
            "batch": self.batch,
            "compile": self.compile,
            "channels_last": True,
            "fold_batch_norm": True,
        }
