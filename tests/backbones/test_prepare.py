"""A prepared copy gives what the original gives."""

import pytest
import torch
from torch import Tensor, nn

from vestige.backbones import Backbone, Preprocessing, open_backbone
from vestige.backbones.prepare import prepared
from vestige.errors import VestigeError

SMALL = Preprocessing((32, 32), (127.0,) * 3, (64.0,) * 3)


def _lively(module: nn.Module) -> nn.Module:
    """Batch normalisations with statistics and scales that a wrong folding would show."""
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2.0)
            if part.affine:
                part.weight.data.normal_()
                part.bias.data.normal_()
    return module


class Branching(nn.Module):
    """A convolution whose output is used beside its batch normalisation too, which must not be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8, affine=False)
        self.free, self.act = nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.out = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        raw = self.conv2(x)
        return self.out(self.free(raw + self.bn2(raw)))


@pytest.fixture
def branching() -> Backbone:
    return Backbone("branching", _lively(Branching()), SMALL, {"conv1": "conv1", "bn1": "bn1", "out": "out"})


def test_embedded_network_folds_everywhere_and_agrees() -> None:
    backbone = open_backbone("efficientnet_lite0")
    keep = ("stem", "block4", "block10", "head")
    ready = prepared(backbone, keep=keep)
    assert ready.folded == sum(isinstance(part, nn.BatchNorm2d) for part in backbone.module.modules()) == 49
    assert not any(isinstance(part, nn.BatchNorm2d) for part in ready.module.modules())
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        got, wanted = ready.run(x, keep), backbone.run(x, keep)
    for name in keep:
        torch.testing.assert_close(got[name], wanted[name], rtol=0, atol=1e-4 * float(wanted[name].abs().max()))
    assert ready.fingerprint == backbone.fingerprint == open_backbone("efficientnet_lite0").fingerprint


def test_a_convolution_that_feeds_more_than_its_normalisation_is_left(branching: Backbone) -> None:
    ready = prepared(branching, keep=["out"])
    assert ready.folded == 1
    assert isinstance(ready.module.bn2, nn.BatchNorm2d)
    assert isinstance(ready.module.bn1, nn.Identity)
    _agree(ready, branching, ["out", "bn1"])


def test_a_convolution_that_is_asked_for_is_left(branching: Backbone) -> None:
    ready = prepared(branching, keep=["conv1", "out"])
    assert ready.folded == 0
    _agree(ready, branching, ["conv1", "bn1", "out"])


def test_a_container_that_ends_in_a_convolution_is_left() -> None:
    module = _lively(nn.Sequential(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)))
    backbone = Backbone("container", module, SMALL, {"first": "0", "second": "1"})
    assert prepared(backbone, keep=["first", "second"]).folded == 0
    assert prepared(backbone, keep=["second"]).folded == 1


def test_an_activation_inside_the_normalisation_stays() -> None:
    class NormAct(nn.BatchNorm2d):
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            self.drop, self.act = nn.Identity(), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.drop(super().forward(x)))

    module = _lively(nn.Sequential(nn.Conv2d(3, 6, 5, groups=3), NormAct(6)))
    backbone = Backbone("act", module, SMALL, {"out": "1"})
    ready = prepared(backbone, keep=["out"])
    assert ready.folded == 1
    _agree(ready, backbone, ["out"])
    assert ready.run(torch.randn(1, 3, 32, 32), ["out"])["out"].min() == 0


def test_a_network_that_looks_into_its_normalisation_is_left() -> None:
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.bn(self.conv(x)) * self.bn.weight.mean()

    backbone = Backbone("looking", nn.Sequential(_lively(Looking()), nn.Identity()), SMALL, {"out": "1"})
    assert prepared(backbone, keep=["out"]).folded == 0


def test_the_original_is_left_as_it_is(branching: Backbone) -> None:
    before = branching.weights_sha256
    prepared(branching, keep=["out"], dtype=torch.bfloat16)
    del branching.weights_sha256
    assert branching.weights_sha256 == before


def test_bfloat16_is_near_and_comes_back_as_float32(branching: Backbone) -> None:
    ready = prepared(branching, keep=["out"], dtype=torch.bfloat16)
    x = torch.randn(2, 3, 32, 32)
    got, wanted = ready.run(x, ["out"])["out"], branching.run(x, ["out"])["out"]
    assert got.dtype == torch.float32
    assert 0 < float((got - wanted).abs().max()) < 0.05 * float(wanted.abs().max())


def test_preparing_inside_inference_mode_works(branching: Backbone) -> None:
    with torch.inference_mode():
        ready = prepared(branching, keep=["out"])
    _agree(ready, branching, ["out"])


def test_a_dead_layer_is_refused(branching: Backbone) -> None:
    branching.module.idle = nn.Linear(2, 2)
    with pytest.raises(VestigeError, match="'idle'"):
        prepared(branching, keep=["idle"])


def test_compiled_reading_agrees_on_every_batch(branching: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def counting(module: nn.Module, **options: object) -> object:
        def backend(graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> object:
            compiled.append(graph)
            return graph.forward

        return original(module, backend=backend, **options)

    original = torch.compile
    monkeypatch.setattr(torch, "compile", counting)
    keep = ["bn1", "out"]
    ready = prepared(branching, keep=keep, compile=True)
    for count in (4, 2, 4):
        x = torch.randn(count, 3, 32, 32)
        for name, wanted in branching.run(x, keep).items():
            torch.testing.assert_close(ready.run(x, keep)[name], wanted, rtol=1e-4, atol=1e-4)
    assert len(compiled) == 1  # one graph, unbroken, for every batch
    assert ready.run(x, ["conv2"])["conv2"].shape == x.new_empty(4, 8, 32, 32).shape  # not kept: read without it


def _agree(ready: Backbone, original: Backbone, names: list[str]) -> None:
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    got, wanted = ready.run(x, names), original.run(x, names)
    for name in names:
        torch.testing.assert_close(got[name], wanted[name], rtol=1e-4, atol=1e-4)


class Skipping(nn.Module):
    """An activation whose input is needed again, and one whose input is not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.last = nn.Conv2d(3, 4, 1), nn.ReLU(), nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        raw = self.conv(x)
        return self.last(self.act(raw) - raw)


def _reads_the_same(backbone: Backbone, names: tuple[str, ...], size: int, **options: bool) -> int:
    ready = prepared(backbone, channels_last=False, fold_batch_norm=False, keep=names, **options)
    x = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(5))
    given = x.clone()
    expected, found = backbone.run(x, names), ready.run(x, names)
    assert all(torch.equal(found[name], expected[name]) for name in names)
    assert torch.equal(x, given)
    return ready.spared


def test_the_embedded_network_copies_less_to_the_same_bits() -> None:
    backbone = open_backbone("efficientnet_lite0")
    paddings = [part.static_padding for part in backbone.module.modules() if hasattr(part, "static_padding")]
    even = [p for p in paddings if isinstance(p, nn.ZeroPad2d) and p.padding[::2] == p.padding[1::2]]
    activations = [part for part in backbone.module.modules() if isinstance(part, nn.ReLU6)]
    assert _reads_the_same(backbone, ("block3", "block10", "head"), 224) == len(even) + len(activations) > 20


def test_nothing_that_is_needed_is_overwritten() -> None:
    skipping = Backbone("test", Skipping(), SMALL, {"out": "last"})
    assert _reads_the_same(skipping, ("out",), 32) == 0
    first = Backbone("test", nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 1)), SMALL, {"out": "1"})
    assert _reads_the_same(first, ("out",), 32) == 0  # the input is the caller's
    read = Backbone("test", nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), SMALL, {"conv": "0", "out": "1"})
    assert _reads_the_same(read, ("conv", "out"), 32) == 1  # what is read is copied first
    assert _reads_the_same(read, ("out",), 32) == 1
