"""Networks at other sizes than their own, and those whose cells move with the size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from vestige.backbones import Backbone, Preprocessing, open_backbone, receptive_fields
from vestige.errors import VestigeError
from vestige.features.other_sizes import at_size, fields_at_every_size


class Same(nn.Conv2d):
    """Pads as TensorFlow's "same" does: by what the side leaves over, more of it below and on the right."""

    def forward(self, x):
        short = [max((-(-n // 2) - 1) * 2 + 3 - n, 0) for n in x.shape[2:]]
        (top, left), (bottom, right) = [n // 2 for n in short], [n - n // 2 for n in short]
        return super().forward(functional.pad(x, (left, right, top, bottom)))


def network(kind, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(*(kind(3, 3, 3, 2, **options) for _ in range(3)))
    return Backbone("drawn", module, Preprocessing((64, 64), (0.0,) * 3, (1.0,) * 3), {"layer": "2"})


def test_cells_that_move_with_the_size_are_refused():
    moving = network(Same)
    centres = [receptive_fields(at_size(moving, (n, n)), ["layer"])["layer"].centre[0] for n in (64, 65)]
    assert centres == [7.5, 0.5]
    with pytest.raises(VestigeError, match=r"'layer' pads by the size .* \(7.5 and 0.5 pixels"):
        fields_at_every_size(moving, ["layer"])


@pytest.mark.parametrize("backbone", [network(nn.Conv2d, padding=1), network(nn.Conv2d)])
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
