"""One pass of activation maps, and the pictures in which units are most active, against plain numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from vestige.backbones import Backbone, Preprocessing, open_backbone
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.images import Crop, ImageFile
from vestige.units.activations import ActivationReader
from vestige.units.top import TopPictures, top_pictures


class Two(nn.Module):
    """A strided convolution, another one behind it, and a score."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, 2, 1)
        self.second = nn.Conv2d(5, 7, 3, 2, 1)
        self.score = nn.Linear(7, 2)

    def forward(self, x):
        return self.score(self.second(torch.relu(self.first(x))).mean((2, 3)))


def network(seed=0):
    torch.manual_seed(seed)
    return Backbone.from_module(Two(), Preprocessing((16, 16), (120.0,) * 3, (60.0,) * 3), name="two")


def pictures(n=11, seed=0):
    drawn = np.random.default_rng(seed).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)
    return [Crop(example) for example in Dataset.from_arrays(list(drawn))]


def expected(backbone, crops, name):
    x = backbone.preprocessing(np.stack([crop.pixels((16, 16)) for crop in crops]))
    with torch.no_grad():
        first = backbone.module.first(x)
        return (first if name == "first" else backbone.module.second(torch.relu(first))).numpy()


@pytest.mark.parametrize("batch", [1, 4, 32])
def test_maps_are_the_layers_outputs(batch):
    backbone, crops = network(), pictures()
    reader = ActivationReader(backbone, ["first", "second"], ExtractOptions(batch=batch))
    read = list(reader.read(crops))
    assert reader.shapes == {"first": (5, 8, 8), "second": (7, 4, 4)}
    assert [row for each in read for row in each.rows] == list(range(11))
    for name in ("first", "second"):
        maps = torch.cat([each.maps[name] for each in read]).numpy()
        np.testing.assert_allclose(maps, expected(backbone, crops, name), atol=1e-5)
    assert reader.fields["first"].stride == (2, 2)


def test_rows_in_any_order_and_pictures_that_cannot_be_read(tmp_path):
    backbone, crops = network(), pictures()
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n")
    crops[3] = Crop(Example("cut", "cut", ImageFile(tmp_path / "cut.png")))
    reader = ActivationReader(backbone, ["second"], ExtractOptions(batch=4))
    (batch,) = reader.read(crops, [7, 3, 1])
    assert batch.rows == (7, 1)
    assert list(batch.problems) == [3]
    whole = [crops[7], crops[1]]
    np.testing.assert_allclose(batch.maps["second"].numpy(), expected(backbone, whole, "second"), atol=1e-5)
    np.testing.assert_array_equal(batch.pixels.numpy(), np.stack([crop.pixels((16, 16)) for crop in whole]))


def test_a_layer_without_places_is_refused():
    with pytest.raises(VestigeError, match="first, second"):
        ActivationReader(network(), ["score"])
    assert list(ActivationReader(network(), ["all"]).layers) == ["first", "second"]
    with pytest.raises(VestigeError, match="no layer"):
        ActivationReader(network(), ["third"])


def test_a_glob_passes_over_layers_without_places():
    network = open_backbone("scene_cnn")
    reader = ActivationReader(network, ["pool5", "f*"])
    assert (list(reader.layers), reader.left_out) == (["pool5"], ("fc6", "fc7"))
    assert "fc6 and fc7" in " ".join(reader.notes())
    for layers in (["f*"], ["pool5", "fc6"]):
        with pytest.raises(VestigeError, match=r"'fc6'.*pool5"):
            ActivationReader(network, layers)


@pytest.mark.parametrize("batch", [1, 4])
def test_top_pictures(batch):
    backbone, crops = network(), pictures(23)
    crops[20] = crops[2]  # ties
    found = top_pictures(ActivationReader(backbone, ["second"], ExtractOptions(batch=batch)), crops, 5)["second"]
    maps = expected(backbone, crops, "second").reshape(23, 7, -1)
    largest = maps.max(axis=2)
    largest[20] = largest[2]
    for unit in range(7):
        order = np.argsort(-largest[:, unit], kind="stable")[:5]
        assert found.rows[unit].tolist() == order.tolist()
        np.testing.assert_allclose(found.values[unit], largest[order, unit], atol=1e-5)
        assert found.places[unit].tolist() == maps[order, unit].argmax(axis=1).tolist()


def test_fewer_pictures_than_asked_for_and_merging():
    draw = np.random.default_rng(1)
    values, places = draw.integers(0, 4, (12, 3)).astype(np.float32), draw.integers(0, 9, (12, 3)).astype(np.int32)
    whole = TopPictures.none(3).with_batch(range(12), values, places, 20)
    assert whole.rows.shape == (3, 12)
    one = TopPictures.none(3).with_batch(range(6, 12), values[6:], places[6:], 4)
    two = TopPictures.none(3).with_batch(range(6), values[:6], places[:6], 4)
    np.testing.assert_array_equal(one.merged(two, 4).rows, whole.rows[:, :4])
