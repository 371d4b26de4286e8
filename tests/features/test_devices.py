"""What goes to a GPU and what comes back, on a stand-in for one: torch's device without memory.

Its tensors refuse to be mixed with others, to be read number by number and to become arrays; but for numbers, they
behave as a GPU's. What comes back from it, by ``cpu``, is zeros.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from vestige.backbones import Backbone
from vestige.devices import sent
from vestige.extraction import ExtractOptions
from vestige.features.extract import extract
from vestige.features.readout import parse_readout


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the tensors that came back from the device, in order; options ask for it whatever they say."""
    came: list[tuple[int, ...]] = []
    cpu = Tensor.cpu

    def arrive(tensor: Tensor) -> Tensor:
        if tensor.device.type != "meta":
            return cpu(tensor)
        came.append(tuple(tensor.shape))
        return torch.zeros(tensor.shape, dtype=tensor.dtype)

    monkeypatch.setattr(Tensor, "cpu", arrive)
    monkeypatch.setattr(ExtractOptions, "torch_device", lambda _options: torch.device("meta"))
    return came


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_layer_comes_back_once_a_batch_and_nothing_else(tiny, back, precision) -> None:
    backbone: Backbone = tiny.backbone()
    reads = [("early", parse_readout("grid:3")), ("late", parse_readout("gap")), ("scores", parse_readout("vector"))]
    options = ExtractOptions(batch=4, precision=precision)
    found = extract(backbone, tiny.crops(10), reads, options=options, keep=False)
    assert back == [(n, d) for n in (4, 4, 2) for d in (54, 10, 7)]
    assert [each.read().shape for each in found] == [(10, 54), (10, 10), (10, 7)]
    assert all(each.device.type == "cpu" for each in backbone.module.parameters())


def test_pictures_wait_for_a_gpu_in_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[object] = []

    def pinned(tensor: Tensor) -> Tensor:
        steps.append("pinned")
        return tensor

    def to(tensor: Tensor, device: object, non_blocking: bool = False) -> Tensor:
        steps.append((str(device), non_blocking))
        return tensor

    monkeypatch.setattr(Tensor, "pin_memory", pinned)
    monkeypatch.setattr(Tensor, "to", to)
    pixels = torch.from_numpy(np.zeros((1, 2, 2, 3), np.uint8))
    for device in ("cpu", "mps", "cuda:1", torch.device("cuda")):
        sent(pixels, device)
    assert steps == [("cpu", False), ("mps", False), "pinned", ("cuda:1", True), "pinned", ("cuda", True)]
