"""Modules that put out several tensors: each can be named, and one is read where none is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vestige.backbones import open_backbone
from vestige.backbones.prepare import prepared
from vestige.errors import VestigeError

SPEC = f"python:{__name__}:build@random:0,size=16"


class Several(nn.Module):
    """Puts out a convolution and twice that, as a mapping or a tuple, or one of them behind None."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> object:
        out = self.convolution(x)
        made = {
            "mapping": {"aux": 2 * out, "out": out},
            "tuple": (out, 2 * out),
            "none": {"aux": None, "out": out},
        }
        return made[self.kind]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mapping, self.tuple, self.none = Several("mapping"), Several("tuple"), Several("none")
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.tuple(x), self.none(x)
        return self.head(self.mapping(x)["out"].mean((2, 3)))


def build() -> nn.Module:
    return Network()


def test_each_tensor_of_several_is_listed_and_the_only_one_is_not() -> None:
    listed = open_backbone(SPEC).paths
    assert {name for name in listed if not name.startswith("head")} == {
        *("mapping", "mapping.aux", "mapping.out", "tuple", "tuple.0", "tuple.1", "none")
    }


def test_a_named_tensor_is_read() -> None:
    backbone = open_backbone(SPEC)
    ready = prepared(backbone, keep=["tuple.1", "mapping.aux"])
    x = torch.rand(2, 3, 16, 16)
    for network in (backbone, ready):
        read = network.run(x, ["tuple", "tuple.0", "tuple.1", "mapping", "mapping.aux", "mapping.out", "none.out"])
        for whole, part, factor in (("tuple", "tuple.1", 2), ("tuple", "tuple.0", 1), ("mapping", "mapping.aux", 2)):
            torch.testing.assert_close(read[part], factor * read[whole])
        torch.testing.assert_close(read["mapping.out"], read["mapping"])
        assert read["none.out"].shape == (2, 4, 16, 16)


def test_names_and_globs_choose_among_them() -> None:
    backbone = open_backbone(SPEC)
    assert backbone.select(["none.out"]) == ("none.out",)
    assert backbone.select(["mapping.*"]) == ("mapping.aux", "mapping.out")
    assert backbone.select(["*.convolution"]) == ("tuple.convolution", "none.convolution", "mapping.convolution")
    with pytest.raises(VestigeError, match=r"no layer 'mapping\.other'"):
        backbone.select(["mapping.other"])
    with pytest.raises(VestigeError, match=r"no layer 'none\.aux'"):
        backbone.select(["none.aux"])
