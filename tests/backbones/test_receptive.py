"""Receptive fields against brute force: change every row and every column of a picture and see which units change."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.backbones import Backbone, Preprocessing, open_backbone
from vestige.backbones.receptive import ReceptiveField, find_receptive_fields
from vestige.backbones.watching import is_channels_last, run_order


class Residual(nn.Module):
    """A strided shortcut beside two convolutions, then an identity one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.short, self.norm = nn.Conv2d(3, 8, 1, stride=2), nn.BatchNorm2d(8)
        self.c = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.mid, self.out = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(functional.relu(self.norm(self.b(self.a(x).relu())) + self.short(x)))
        return self.out(x + self.c(x))


class Dense(nn.Module):
    """Concatenations of maps with different fields."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(7, 4, 3, padding=1)
        self.down, self.out = nn.Conv2d(11, 4, 1), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat((x, self.a(x).relu()), 1)
        return self.out(functional.avg_pool2d(self.down(torch.cat((y, self.b(y)), 1)), 2))


class Inception(nn.Module):
    """Branches with one-sided and long thin kernels, and a functional pooling branch."""

    def __init__(self) -> None:
        super().__init__()
        self.tall, self.wide = nn.Conv2d(3, 4, (7, 1), padding=(3, 0)), nn.Conv2d(3, 4, (1, 5), padding=(0, 2))
        self.out = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.max_pool2d(x, 3, stride=1, padding=1)
        return self.out(torch.cat((self.tall(x), self.wide(x), pooled), 1))


class Asymmetric(nn.Module):
    """'Same' padding on one side only, as TensorFlow's on even sides, and a shift by slicing."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3, stride=2), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(functional.pad(x, (0, 1, 0, 1))).relu()
        x = self.b(functional.pad(x, (0, 1, 0, 1)))
        return self.out(x[:, :, 1:, :] + 0.5 * x[:, :, :-1, :])


class Gated(nn.Module):
    """Squeeze-and-excite behind a strided convolution."""

    def __init__(self, by_mean: bool) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.Conv2d(8, 8, 1)
        self.by_mean, self.out = by_mean, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        pooled = x.mean(dim=(2, 3), keepdim=True) if self.by_mean else functional.adaptive_avg_pool2d(x, 1)
        return self.out(x * self.gate(pooled).sigmoid())


class Turned(nn.Module):
    """Layer normalisation and a linear layer on a channels-last map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8), nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.conv(x).permute(0, 2, 3, 1)))


CUSTOM: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "plain": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(6, 6, 3)),
        ("0", "2", "3"),
    ),
    "dilated": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3, dilation=3, padding=3), nn.Conv2d(6, 6, (2, 3), dilation=2)),
        ("0", "1"),
    ),
    "ceil": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 4, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2)),
        ("1", "2"),
    ),
    "response": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.LocalResponseNorm(5), nn.Conv2d(8, 8, 3, groups=2)),
        ("1", "2"),
    ),
    "reflected": (
        lambda: nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 6, 5, 2), nn.Hardswish(), nn.Conv2d(6, 6, 3)),
        ("1", "3"),
    ),
    "residual": (Residual, ("mid", "out")),
    "dense": (Dense, ("b", "out")),
    "inception": (Inception, ("tall", "out")),
    "asymmetric": (Asymmetric, ("a", "b", "out")),
    "turned": (Turned, ("conv", "out")),
}

REAL = {
    "resnet18": ("conv1", "maxpool", "layer1.0", "layer2.0"),
    "squeezenet1_1": ("features.2", "features.4", "features.7"),
    "mobilenet_v2": ("features.2", "features.4", "features.5"),
    "densenet121": ("features.pool0", "features.denseblock1.denselayer3", "features.denseblock1"),
    "googlenet": ("maxpool2", "inception3a", "inception3b"),
}


def _backbone(module: nn.Module, names: tuple[str, ...], size: tuple[int, int]) -> Backbone:
    module.eval()
    shapes = run_order(module, torch.zeros(1, 3, *size))
    turned = [path for path, shape in shapes.items() if is_channels_last(shape or (), size)]
    return Backbone(
        "net", module, Preprocessing(size, (0.0,) * 3, (1.0,) * 3), {name: name for name in names},
        channels_last_layers=turned,
    )  # fmt: skip


def _reads(backbone: Backbone, names: tuple[str, ...], axis: int) -> dict[str, Tensor]:
    """name -> (units, pixels) along an axis: which pixels change which units, tried one row or column at a time."""
    x = backbone.blank().normal_(generator=torch.Generator().manual_seed(0))
    count = x.shape[2 + axis]
    changed = x.repeat(count, 1, 1, 1)
    for i in range(count):
        row = changed[i].select(1 + axis, i)
        row.copy_(1e3 * torch.randn(row.shape, generator=torch.Generator().manual_seed(i)))
    reads = {}
    with torch.no_grad():
        before, after = backbone.run(x.repeat(count, 1, 1, 1), names), backbone.run(changed, names)
    for name in names:
        differs = (before[name] != after[name]).any(dim=1).any(dim=2 - axis)
        reads[name] = differs.T
    return reads


def _check(field: ReceptiveField, reads: Tensor, axis: int) -> None:
    """Every unit reads from the first to the last pixel of its field, as far as that lies in the picture."""
    assert field.stride is not None
    assert field.receptive_field is not None
    assert field.centre is not None
    pixels, whole = reads.shape[1], 0
    for unit, row in enumerate(reads):
        low = round(field.centre[axis] + field.stride[axis] * unit - field.receptive_field[axis] / 2)
        high = low + field.receptive_field[axis] - 1
        found = row.nonzero().flatten()
        if low >= 0:
            assert int(found[0]) == low
        if high < pixels:
            assert int(found[-1]) == high
        whole += low >= 0 and high < pixels
    assert whole > 0


@pytest.mark.parametrize("name", CUSTOM)
def test_small_networks_agree_with_brute_force(name: str) -> None:
    torch.manual_seed(0)
    build, names = CUSTOM[name]
    backbone = _backbone(build(), names, (60, 52))
    fields = find_receptive_fields(backbone, names)
    for axis in (0, 1):
        reads = _reads(backbone, names, axis)
        for layer in names:
            _check(fields[layer], reads[layer], axis)


@pytest.mark.parametrize("name", REAL)
def test_real_networks_agree_with_brute_force(name: str, torchvision: ModuleType) -> None:
    torch.manual_seed(0)
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    names = REAL[name]
    backbone = _backbone(torchvision.models.get_model(name, weights=None, **options), names, (160, 32))
    reads = _reads(backbone, names, 0)
    for layer, field in find_receptive_fields(backbone, names).items():
        _check(field, reads[layer], 0)


def test_known_fields_of_the_embedded_network() -> None:
    fields = find_receptive_fields(open_backbone("efficientnet_lite0@random:0"), ("stem", "block4", "block10", "head"))
    assert fields["stem"] == ReceptiveField((2, 2), (3, 3), (1.5, 1.5), False)  # 'same' padding below and right only
    assert fields["block4"] == ReceptiveField((8, 8), (67, 67), (7.5, 7.5), False)
    assert fields["block10"] == ReceptiveField((16, 16), (339, 339), (15.5, 15.5), True)
    assert fields["head"] == ReceptiveField((32, 32), (851, 851), (31.5, 31.5), True)


def test_fields_larger_than_the_input_are_found_unclipped() -> None:
    module = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=d, dilation=d) for d in (1, 2, 4, 8, 16, 32)))
    backbone = _backbone(module, ("2", "5"), (24, 24))
    fields = find_receptive_fields(backbone, ("2", "5"))
    assert fields["2"] == ReceptiveField((1, 1), (15, 15), (0.5, 0.5), False)
    assert fields["5"] == ReceptiveField((1, 1), (127, 127), (0.5, 0.5), True)


@pytest.mark.parametrize("by_mean", [True, False])
def test_squeeze_and_excite_sees_the_whole_image_but_keeps_its_place(by_mean: bool) -> None:
    fields = find_receptive_fields(_backbone(Gated(by_mean), ("conv", "out"), (32, 48)), ("conv", "out"))
    assert fields["conv"] == ReceptiveField((2, 2), (5, 5), (0.5, 0.5), False)
    assert fields["out"] == ReceptiveField((2, 2), None, (0.5, 0.5), True)


def test_vectors_have_no_field_but_may_see_everything() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    fields = find_receptive_fields(_backbone(module, ("1", "3"), (24, 24)), ("1", "3"))
    assert fields["1"] == fields["3"] == ReceptiveField(None, None, None, True)


def test_attention_has_neither_field_nor_stride() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.mix = nn.Conv2d(3, 8, 8, stride=8), nn.MultiheadAttention(8, 2, batch_first=True)
            self.tokens, self.grid = nn.Identity(), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.patches(x)
            tokens = self.tokens(x.flatten(2).transpose(1, 2))
            mixed = self.mix(tokens, tokens, tokens)[0]
            return self.grid(mixed.transpose(1, 2).unflatten(2, x.shape[2:]))

    names = ("patches", "tokens", "grid")
    fields = find_receptive_fields(_backbone(Attention(), names, (64, 64)), names)
    assert fields["patches"] == ReceptiveField((8, 8), (8, 8), (4.0, 4.0), False)
    assert fields["tokens"] == ReceptiveField(None, None, None, False)
    assert fields["grid"] == ReceptiveField(None, None, None, True)


def test_windowed_attention_and_resampling_have_no_stride(torchvision: ModuleType) -> None:
    swin = torchvision.models.get_model("swin_t", weights=None)
    names = ("features.0", "features.1")
    fields = find_receptive_fields(_backbone(swin, names, (112, 112)), names)
    assert fields["features.0"] == ReceptiveField((4, 4), (4, 4), (2.0, 2.0), False)
    assert fields["features.1"] == ReceptiveField(None, None, None, False)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2, mode="bilinear"))
    assert find_receptive_fields(_backbone(module, ("1",), (40, 40)), ("1",))["1"].stride is None


def test_a_cyclic_shift_has_no_stride_and_is_told_without_ever_larger_inputs() -> None:
    class Rolled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            sizes.append(x.shape[2])
            x = self.conv(x)
            return self.out(x + x.roll(-3, dims=2) + x.roll(3, dims=2))

    sizes: list[int] = []
    assert find_receptive_fields(_backbone(Rolled(), ("out",), (48, 48)), ("out",))["out"].stride is None
    assert max(sizes) < 300


def test_adaptive_pooling_holds_at_the_networks_own_size_only() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(8))
    assert find_receptive_fields(_backbone(module, ("1",), (32, 32)), ("1",))["1"] == ReceptiveField(
        (4, 4), (6, 6), (2.0, 2.0), False
    )
    deep = nn.Sequential(nn.Conv2d(3, 4, 63, padding=31), nn.AdaptiveAvgPool2d(8))
    assert find_receptive_fields(_backbone(deep, ("1",), (32, 32)), ("1",))["1"].stride is None


def test_a_network_that_takes_its_own_size_only_is_measured_there() -> None:
    class Strict(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.Conv2d(4, 4, 47, padding=23)

        def forward(self, x: Tensor) -> Tensor:
            if x.shape[2:] != (48, 48):
                raise ValueError("48 x 48 only")
            return self.large(self.small(x))

    fields = find_receptive_fields(_backbone(Strict(), ("small", "large"), (48, 48)), ("small", "large"))
    assert fields["small"] == ReceptiveField((2, 2), (5, 5), (0.5, 0.5), False)
    assert fields["large"] == ReceptiveField(None, None, None, True)
