"""Where cells stand: of networks that look to one side by construction, and at other sizes than a network's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from vestige.backbones import Backbone, Preprocessing, open_backbone
from vestige.errors import VestigeError
from vestige.features.cell_places import at_size, fields_at_every_size, response_centred
from vestige.features.kept_fields import receptive_fields

CPU = torch.device("cpu")


def pictures(n=6, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (*generator.integers(60, 90, 2), 3), dtype=np.uint8) for _ in range(n)]


def network(module, **paths):
    return Backbone("drawn", module, Preprocessing((64, 64), (120.0,) * 3, (60.0,) * 3), paths)


@pytest.mark.parametrize(("tap", "centre"), [((0, 0), (0.5, 0.5)), ((1, 2), (1.5, 2.5)), ((2, 1), (2.5, 1.5))])
def test_a_network_with_a_single_tap_responds_there(tap, centre):
    layer = nn.Conv2d(3, 2, 3, 2)
    with torch.no_grad():
        layer.weight.zero_()[:, :, tap[0], tap[1]] = 1.0
    backbone = network(nn.Sequential(layer), layer="0")
    fields = receptive_fields(backbone, ["layer"])
    assert fields["layer"].centre == (1.5, 1.5)  # zeros are part of what it can see
    found = response_centred(backbone, fields, pictures(), CPU, seed=1)["layer"]
    assert found.centre == pytest.approx(centre, abs=0.15)
    assert (found.stride, found.receptive_field) == (fields["layer"].stride, fields["layer"].receptive_field)


class Gated(nn.Module):
    """A convolution whose output also goes with the mean of the whole picture."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x):
        seen = self.conv(x)
        return seen * (1 + 5 * seen.mean(dim=(2, 3), keepdim=True))


def test_what_changes_everywhere_cancels_out():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(Gated())
    with torch.no_grad():
        weight = module[0].conv.weight
        weight += weight.flip(2) + weight.flip(3) + weight.flip(2, 3)  # even: it looks to no side
    backbone = network(module, layer="0")
    fields = receptive_fields(backbone, ["layer"])
    found = response_centred(backbone, fields, pictures(40), CPU, seed=0)["layer"]
    assert found.centre == pytest.approx(fields["layer"].centre, abs=0.3)


def test_the_middle_of_a_large_picture_is_enough():
    backbone = network(nn.Sequential(nn.Conv2d(3, 2, 3, 2)), layer="0")
    fields = receptive_fields(backbone, ["layer"])
    large = np.random.default_rng(0).integers(0, 256, (700, 520, 3), dtype=np.uint8)
    found = [response_centred(backbone, fields, [each], CPU, seed=0) for each in (large, large[94:606, 4:516])]
    assert found[0] == found[1] != fields


def test_a_layer_that_responds_nowhere_keeps_its_centre():
    layer = nn.Conv2d(3, 2, 3, 2)
    nn.init.zeros_(layer.weight)
    backbone = network(nn.Sequential(layer), layer="0")
    fields = receptive_fields(backbone, ["layer"])
    assert response_centred(backbone, fields, pictures(2), CPU, seed=0) == fields


class Same(nn.Conv2d):
    """Pads as TensorFlow's "same" does: by what the side leaves over, more of it below and on the right."""

    def forward(self, x):
        short = [max((-(-n // 2) - 1) * 2 + 3 - n, 0) for n in x.shape[2:]]
        (top, left), (bottom, right) = [n // 2 for n in short], [n - n // 2 for n in short]
        return super().forward(functional.pad(x, (left, right, top, bottom)))


def three_layers(kind, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(*(kind(3, 3, 3, 2, **options) for _ in range(3)))
    return Backbone("drawn", module, Preprocessing((64, 64), (0.0,) * 3, (1.0,) * 3), {"layer": "2"})


def test_cells_that_move_with_the_size_are_refused():
    moving = three_layers(Same)
    centres = [receptive_fields(at_size(moving, (n, n)), ["layer"])["layer"].centre[0] for n in (64, 65)]
    assert centres == [7.5, 0.5]
    with pytest.raises(VestigeError, match=r"'layer' pads by the size .* \(7.5 and 0.5 pixels"):
        fields_at_every_size(moving, ["layer"])


@pytest.mark.parametrize("backbone", [three_layers(nn.Conv2d, padding=1), three_layers(nn.Conv2d)])
def test_cells_that_stay_are_as_at_the_network_s_own_size(backbone):
    assert fields_at_every_size(backbone, ["layer"]) == receptive_fields(backbone, ["layer"])


def test_a_mean_image_becomes_its_mean_colour():
    backbone = open_backbone("efficientnet_lite0")
    image = np.stack([np.full((224, 224), each, dtype=np.float32) for each in (10, 20, 30)])
    backbone.preprocessing = replace(backbone.preprocessing, mean_image=image)
    small = at_size(backbone, (96, 96))
    assert small.preprocessing.mean == (10, 20, 30)
    assert small.preprocessing.size == (96, 96)
    assert small.preprocessing.mean_image is None
    assert backbone.preprocessing.size == (224, 224)
    assert small.fingerprint != backbone.fingerprint
