"""Grids: where cells stand, and what stands there."""

import numpy as np
import pytest
import torch
from torch import nn

from vestige.backbones import Backbone, Preprocessing, open_backbone
from vestige.correspondence.grids import Cells, SiftGrids, layer_cells, network_grids, unit_cells
from vestige.correspondence.sift import sift
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.images import Crop

CELLS = Cells((3, 4), (16, 8), (7.5, 3.5), (48, 32))


def test_cells_stand_at_their_centres_and_points_find_the_nearest():
    places = CELLS.places()
    assert places.shape == (3, 4, 2)
    np.testing.assert_array_equal(places[2, 1], [3.5 + 8, 7.5 + 32])
    points = np.random.default_rng(0).uniform(-10, 60, (50, 2))
    for point, (x, y) in zip(points, CELLS.nearest(points), strict=True):
        distance = np.linalg.norm(places - point, axis=-1)
        assert distance[y, x] == pytest.approx(distance.min())


def test_every_cell_has_length_one_but_for_zeros():
    grid = np.random.default_rng(1).standard_normal((2, 3, 5)).astype(np.float32)
    grid[1, 2] = 0
    unit = unit_cells(grid)
    lengths = np.linalg.norm(unit, axis=-1)
    assert lengths[1, 2] == 0
    np.testing.assert_allclose(lengths.ravel()[:-1], 1, rtol=1e-6)
    np.testing.assert_allclose(unit[0, 1] * np.linalg.norm(grid[0, 1]), grid[0, 1], rtol=1e-5)


@pytest.fixture(scope="module")
def crops():
    objects = open_dataset("synthetic:objects,n=2,size=64")
    return [Crop(example, tuple(example.box.tolist())) for example in objects]


def test_a_layers_grid_is_what_the_network_puts_out(crops):
    spec = "efficientnet_lite0@random:0"
    reader, backbone = Reader(), open_backbone(spec)
    cells, notes = layer_cells(backbone, backbone.layers(["block4", "block6"]))
    assert not notes
    assert cells["block4"] == Cells((28, 28), (8, 8), (7.5, 7.5), (224, 224))
    assert cells["block6"] == Cells((14, 14), (16, 16), (15.5, 15.5), (224, 224))
    grids = network_grids(reader, spec, cells, crops)
    pixels = np.stack([crop.pixels((224, 224), backbone.preprocessing.interpolation) for crop in crops])
    with torch.inference_mode():
        outputs = backbone.run(backbone.preprocessing(pixels), ["block4", "block6"])
    for name, output in outputs.items():
        for row in range(2):
            expected = unit_cells(output[row].permute(1, 2, 0).numpy())
            np.testing.assert_allclose(grids[name].read(row), expected, atol=1e-4)


def test_sift_stands_at_the_same_places(crops):
    cells = Cells((3, 5), (30, 20), (30.5, 40.5), (120, 140))
    grids = SiftGrids(cells, crops, 12.0, "bilinear")
    picture = crops[1].pixels((120, 140), "bilinear")
    found = grids.read(1)
    assert found.shape == (3, 5, 128)
    expected = sift(picture, (40.5 + 3 * 20, 30.5 + 2 * 30), 12.0).astype(np.float32)
    np.testing.assert_allclose(found[2, 3], expected / np.linalg.norm(expected), rtol=1e-6)
    assert grids.key != SiftGrids(cells, crops, 13.0, "bilinear").key
    assert grids.key != SiftGrids(cells, crops[::-1], 12.0, "bilinear").key


class Patches(nn.Module):
    """Patch tokens behind a class token, and the class token alone."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 5, 8, 8)
        self.tokens, self.scores = nn.Identity(), nn.Linear(5, 2)

    def forward(self, x):
        patches = self.patch(x).flatten(2).transpose(1, 2)
        tokens = self.tokens(torch.cat((patches.mean(1, keepdim=True), patches), 1))
        return self.scores(tokens[:, 0])


def test_tokens_are_a_grid_and_vectors_are_none(crops):
    preprocessing = Preprocessing((32, 40), (120.0,) * 3, (60.0,) * 3)
    paths = {"tokens": "tokens", "scores": "scores"}
    backbone = Backbone("patches", Patches(), preprocessing, paths, prefix_tokens=1)
    cells, notes = layer_cells(backbone, backbone.layers(["tokens"]))
    assert cells["tokens"] == Cells((4, 5), (8.0, 8.0), (4.0, 4.0), (32, 40))
    assert len(notes) == 1
    assert "tokens" in notes[0]
    grid = network_grids(Reader(_open={"patches": backbone}), "patches", cells, crops)["tokens"].read(0)
    pixels = np.stack([crops[0].pixels((32, 40), preprocessing.interpolation)])
    with torch.inference_mode():
        tokens = backbone.run(preprocessing(pixels), ["tokens"])["tokens"]
    expected = backbone.patches("tokens", tokens)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(grid, unit_cells(expected), atol=1e-4)
    with pytest.raises(VestigeError, match="no cells"):
        layer_cells(backbone, backbone.layers(["scores"]))
