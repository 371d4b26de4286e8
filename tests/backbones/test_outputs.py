"""Modules that put out several tensors: each can be named; one alone, or ``out``, is read by the module's name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vestige.backbones import open_backbone
from vestige.backbones.prepare import prepared
from vestige.errors import VestigeError

SPEC = f"python:{__name__}:build@random:0,size=16"
KINDS = ("mapping", "tuple", "other", "none", "pair", "loss", "inner")


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
            "other": {"a": out, "b.c": 2 * out, "loss": out.mean()},
            "none": {"aux": None, "other": out},
            "pair": (None, out),
            "loss": [out, out.mean()],
            "inner": {"convolution": 2 * out, "second": out},
        }
        return made[self.kind]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for kind in KINDS:
            setattr(self, kind, Several(kind))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        for kind in KINDS[1:]:
            getattr(self, kind)(x)
        return self.head(self.mapping(x)["out"].mean((2, 3)))


def build() -> nn.Module:
    return Network()


def test_each_tensor_of_several_is_listed_and_the_only_one_by_its_modules_name() -> None:
    backbone = open_backbone(SPEC)
    listed = {name for name in backbone.paths if not name.startswith("head")}
    assert listed == {
        *("mapping", "mapping.aux", "mapping.out", "tuple.0", "tuple.1", "other.a", "other.b.c", "none", "pair"),
        *("loss.0", "inner.second"),
    }
    assert {layer.name for layer in backbone.layers()} == set(backbone.paths)


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("tuple", "tuple.0, tuple.1"),
        ("other", "other.a, other.b.c"),
        ("loss", "loss.0"),
        ("inner", "inner.second"),  # inner.convolution is a module, which puts out something else
    ],
)
def test_of_several_none_is_chosen_silently(name: str, choice: str) -> None:
    backbone = open_backbone(SPEC)
    expected = rf"{name!r} cannot be read: it puts out several tensors; choose from {choice}$"
    with pytest.raises(VestigeError, match=expected):
        backbone.select([name])
    with pytest.raises(VestigeError, match=expected):
        backbone.run(torch.rand(1, 3, 16, 16), [name])
    with pytest.raises(VestigeError, match=expected):
        prepared(backbone, keep=[name])


def test_a_named_tensor_is_read() -> None:
    backbone = open_backbone(SPEC)
    ready = prepared(backbone, keep=["tuple.1", "mapping.aux"])
    x = torch.rand(2, 3, 16, 16)
    for network in (backbone, ready):
        read = network.run(x, [name for name in backbone.paths if name != "head"] + ["none.other", "pair.1"])
        for whole, part, factor in (
            *(("tuple.0", "tuple.1", 2), ("other.a", "other.b.c", 2), ("mapping", "mapping.aux", 2)),
            *(("mapping", "mapping.out", 1), ("none", "none.other", 1), ("pair", "pair.1", 1)),
        ):
            torch.testing.assert_close(read[part], factor * read[whole])
        inner = network.run(x, ["inner.convolution", "inner.second"])
        torch.testing.assert_close(inner["inner.convolution"], inner["inner.second"])  # the module, not the tensor
        assert read["none"].shape == (2, 4, 16, 16)


def test_names_and_globs_choose_among_them() -> None:
    backbone = open_backbone(SPEC)
    assert backbone.select(["none.other"]) == ("none.other",)
    assert backbone.select(["mapping.*"]) == ("mapping.aux", "mapping.out")
    assert set(backbone.select(["*.convolution"])) == {f"{kind}.convolution" for kind in KINDS}
    with pytest.raises(VestigeError, match=r"'mapping\.other'"):
        backbone.select(["mapping.other"])
    with pytest.raises(VestigeError, match=r"'none\.aux'"):
        backbone.select(["none.aux"])
