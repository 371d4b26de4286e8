"""The two embedded networks of the drawn world, and the script that trains them."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vestige.backbones import open_backbone
from vestige.backbones.drawn_networks import NAMES, SIDE, weights_file
from vestige.backbones.receptive import find_receptive_fields
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.images import crop_resize
from vestige.synthetic.world import KINDS, SCENES

LAYERS = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "prob")
CATEGORIES = {"scene_cnn": SCENES, "object_cnn": tuple(sorted(KINDS))}
DATA = {"scene_cnn": "synthetic:scenes", "object_cnn": "synthetic:objects-alone"}


@pytest.mark.parametrize("name", NAMES)
def test_layers_categories_and_size(name: str) -> None:
    backbone = open_backbone(name)
    assert tuple(backbone.paths) == LAYERS
    assert backbone.categories == CATEGORIES[name] == open_backbone(f"{name}@random:1").categories
    shapes = {layer.name: layer.shape for layer in backbone.layers()}
    assert shapes["pool1"] == (32, 27, 27)
    assert shapes["pool2"] == (64, 13, 13)
    assert shapes["conv5"] == (128, 13, 13)
    assert shapes["pool5"] == (128, 6, 6)
    assert shapes["prob"] == (len(CATEGORIES[name]),)
    fields = find_receptive_fields(backbone, ["conv1", "conv2", "pool5"])
    assert [fields[layer].receptive_field[0] for layer in ("conv1", "conv2", "pool5")] == [7, 27, 99]
    assert weights_file(name).stat().st_size < 3_000_000
    assert backbone.weights_sha256 != open_backbone(f"{name}@random:1").weights_sha256


@pytest.mark.parametrize("name", NAMES)
def test_fresh_pictures_are_named(name: str) -> None:
    backbone = open_backbone(name)
    data = open_dataset(f"{DATA[name]},n=64,seed=90")
    pixels = np.stack([crop_resize(example.image.read(), None, (SIDE, SIDE)) for example in data])
    scores = backbone.scores(backbone.preprocessing(pixels))
    torch.testing.assert_close(scores.sum(1), torch.ones(64))
    named = [backbone.categories[number] for number in scores.argmax(1).tolist()]
    assert np.mean([found == example.scene for found, example in zip(named, data, strict=True)]) >= 0.9
    twin = open_backbone(f"{name}@random:0").scores(backbone.preprocessing(pixels)).argmax(1).tolist()
    assert np.mean([backbone.categories[n] == example.scene for n, example in zip(twin, data, strict=True)]) < 0.4


def test_both_networks_differ_in_their_last_layer_alone() -> None:
    states = [load_file(weights_file(name)) for name in NAMES]
    assert states[0].keys() == states[1].keys()
    other = {key for key in states[0] if states[0][key].shape != states[1][key].shape}
    assert other == {"prob.0.weight", "prob.0.bias"}


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VestigeError, match="not the weights of this network"):
        _saved(tmp_path, {"conv1.0.weight": torch.zeros(32, 3, 7, 7)})
    state = dict(load_file(weights_file("scene_cnn")))
    backbone = _saved(tmp_path, state)
    assert backbone.categories == SCENES
    assert backbone.weights_sha256 == open_backbone("scene_cnn").weights_sha256


def _saved(folder: Path, state: dict[str, torch.Tensor]):
    torch.save(state, folder / "own.pth")
    return open_backbone(f"scene_cnn@{folder}/own.pth")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "train_drawn_networks.py"
    spec = importlib.util.spec_from_file_location("train_drawn_networks", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_what_training_normalised_is_folded(tool: ModuleType) -> None:
    torch.manual_seed(0)
    network = tool.Training(5, 0.3)
    for norm in network.norms.values():
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 2)
    network.eval()
    x = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        wanted = network(x).softmax(1)
        torch.testing.assert_close(network.folded()(x), wanted, rtol=1e-4, atol=1e-6)


def test_a_killed_training_goes_on_as_if_it_had_not_been(tool: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (16, SIDE, SIDE, 3), dtype=np.uint8), rng.integers(0, 8, 16)

    def trained(folder: str) -> dict[str, torch.Tensor]:
        (tmp_path / folder).mkdir(exist_ok=True)
        options = argparse.Namespace(
            work=tmp_path / folder, epochs=2, batch=8, rate=0.05, decay=5e-4, dropout=0.3, device="cpu"
        )
        return tool.train("scene_cnn", pictures, options).state_dict()

    whole = trained("whole")
    killed = pytest.MonkeyPatch()
    with killed.context() as patch:
        save = torch.save

        def save_then_die(state: dict[str, object], path: Path) -> None:
            save(state, path)
            Path(path).replace(Path(path).with_suffix(".pth"))
            raise KeyboardInterrupt

        patch.setattr(torch, "save", save_then_die)
        with pytest.raises(KeyboardInterrupt):
            trained("killed")
    went_on = trained("killed")
    for name, value in whole.items():
        torch.testing.assert_close(went_on[name], value, rtol=0, atol=0)


def test_weights_are_saved_with_their_categories(tool: ModuleType, tmp_path: Path) -> None:
    tool.save(tool.DrawnNet(3), ("a", "b", "c"), tmp_path / "three.safetensors")
    backbone = open_backbone(f"object_cnn@{tmp_path}/three.safetensors")
    assert backbone.categories == ("a", "b", "c")
