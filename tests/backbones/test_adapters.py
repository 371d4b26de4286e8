"""Networks of torchvision, timm, transformers and one's own, read against what those libraries say themselves."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vestige.backbones import Backbone, open_backbone
from vestige.backbones.adapting import adapt
from vestige.backbones.preprocessing import Preprocessing
from vestige.errors import VestigeError
from vestige.spec import parse_backbone_spec


@pytest.fixture(scope="session")
def timm(torchvision: ModuleType) -> ModuleType:  # noqa: ARG001 - timm imports torchvision
    import timm

    return timm


@pytest.fixture(scope="session")
def transformers(torchvision: ModuleType) -> ModuleType:  # noqa: ARG001 - transformers imports torchvision
    import transformers

    return transformers


def _shapes(backbone: Backbone) -> dict[str, tuple[int, ...]]:
    return {layer.name: layer.shape for layer in backbone.layers()}


TORCHVISION: dict[str, tuple[int, dict[str, tuple[int, ...]]]] = {
    "alexnet": (19, {"features.0": (64, 55, 55), "features.12": (256, 6, 6), "classifier.5": (4096,)}),
    "vgg16": (37, {"features.0": (64, 224, 224), "features.29": (512, 14, 14), "classifier.6": (1000,)}),
    "resnet50": (22, {"conv1": (64, 112, 112), "layer3.5": (1024, 14, 14), "avgpool": (2048,)}),
    "densenet121": (13, {"features.denseblock3": (1024, 14, 14), "features.norm5": (1024, 7, 7)}),
    "convnext_tiny": (28, {"features.0": (96, 56, 56), "features.5.8": (384, 14, 14), "avgpool": (768,)}),
    "efficientnet_b0": (20, {"features.1.0": (16, 112, 112), "features.8": (1280, 7, 7)}),
    "swin_t": (22, {"features.1.1": (96, 56, 56), "features.6": (768, 7, 7), "norm": (768, 7, 7)}),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_layers(name: str, torchvision: ModuleType) -> None:
    backbone = open_backbone(f"torchvision:{name}@random:0")
    count, wanted = TORCHVISION[name]
    shapes = _shapes(backbone)
    assert len(shapes) == count
    assert wanted.items() <= shapes.items()
    transforms = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    assert backbone.preprocessing.interpolation == transforms.interpolation.value
    image = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    normalise = torchvision.transforms.Normalize(transforms.mean, transforms.std)
    theirs = normalise(torch.from_numpy(image).permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(backbone.preprocessing(image), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("torchvision")
def test_swin_grids_are_the_networks_own_turned() -> None:
    backbone = open_backbone("torchvision:swin_t@random:0")
    x = torch.randn(1, 3, 224, 224)
    kept: list[torch.Tensor] = []
    backbone.module.norm.register_forward_hook(lambda _m, _a, output: kept.append(output))
    with torch.no_grad():
        backbone.module(x)
        found = backbone.run(x, ["norm", "permute", "features.3.0.attn"])
    assert found["features.3.0.attn"].shape == (1, 192, 28, 28)
    torch.testing.assert_close(found["norm"], kept[0].permute(0, 3, 1, 2))
    torch.testing.assert_close(found["norm"], found["permute"])


def test_torchvision_vision_transformer_has_a_class_token(torchvision: ModuleType) -> None:
    module = torchvision.models.VisionTransformer(64, 16, 2, 2, 32, 64)
    backbone = adapt(parse_backbone_spec("vit"), module, Preprocessing((64, 64), (0.0,) * 3, (1.0,) * 3), prefix=1)
    layers = {layer.name: layer for layer in backbone.layers()}
    assert layers["conv_proj"].shape == (32, 4, 4)
    assert layers["encoder.layers.encoder_layer_1"].shape == (17, 32)
    assert layers["encoder.layers.encoder_layer_1"].prefix_tokens == 1


def test_weights_of_another_size_and_from_parallel_training(torchvision: ModuleType, tmp_path: Path) -> None:
    module = torchvision.models.get_model("squeezenet1_1", weights=None, num_classes=365)
    state = {f"module.{name}": value for name, value in module.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 90}, tmp_path / "places.pth")
    backbone = open_backbone(f"torchvision:squeezenet1_1@{tmp_path}/places.pth,classes=365")
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in backbone.module.state_dict().items())
    with pytest.raises(VestigeError, match=r"places.pth: .*'classifier.1.weight'.*365, .*1000"):
        open_backbone(f"torchvision:squeezenet1_1@{tmp_path}/places.pth")


def test_weights_that_cannot_be_downloaded(torchvision: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_args: Any, **_options: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    with pytest.raises(VestigeError, match=r"torchvision:alexnet@PATH.*@random:0"):
        open_backbone("torchvision:alexnet")


@pytest.mark.usefixtures("timm")
def test_timm_resnet() -> None:
    backbone = open_backbone("timm:resnet18@random:0")
    assert _shapes(backbone)["layer4.1"] == (512, 7, 7)
    assert backbone.preprocessing.interpolation == "bicubic"
    assert backbone.preprocessing.crop_fraction == 0.95
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        theirs = backbone.module.forward_intermediates(x, indices=[1, 3], intermediates_only=True)
        found = backbone.run(x, ["layer1.1", "layer3.1"])
    for name, wanted in zip(("layer1.1", "layer3.1"), theirs, strict=True):
        torch.testing.assert_close(found[name], wanted)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("name", "prefix", "registers", "side"),
    [
        ("vit_tiny_patch16_224", 1, 0, 14),
        ("vit_wee_patch16_reg1_gap_256", 0, 1, 16),
        ("deit_tiny_distilled_patch16_224", 1, 1, 14),
    ],
)
def test_timm_vision_transformers(name: str, prefix: int, registers: int, side: int) -> None:
    backbone = open_backbone(f"timm:{name}@random:0")
    assert (backbone.prefix_tokens, backbone.register_tokens) == (prefix, registers)
    layers = {layer.name: layer for layer in backbone.layers(["patch_embed", "blocks.2"])}
    assert layers["blocks.2"].shape[0] == prefix + side**2
    assert layers["blocks.2"].prefix_tokens == prefix
    assert layers["patch_embed"].prefix_tokens == 0
    x = torch.randn(2, 3, *backbone.preprocessing.size)
    with torch.no_grad():
        tokens = backbone.run(x, ["blocks.2"])["blocks.2"]
        theirs, before = backbone.module.forward_intermediates(
            x, indices=[2], intermediates_only=True, return_prefix_tokens=True
        )[0]
    torch.testing.assert_close(backbone.patches("blocks.2", tokens), theirs)
    torch.testing.assert_close(tokens[:, :prefix], before[:, :prefix])


@pytest.mark.usefixtures("timm")
def test_timm_swin_and_convnext_grids() -> None:
    swin, convnext = (
        open_backbone(f"timm:{name}@random:0") for name in ("swin_tiny_patch4_window7_224", "convnext_atto")
    )
    x = torch.randn(1, 3, 224, 224)
    for backbone, layer in ((swin, "layers.2.blocks.5"), (convnext, "stages.2.blocks.5")):
        with torch.no_grad():
            theirs = backbone.module.forward_intermediates(x, indices=[2], intermediates_only=True)[0]
            torch.testing.assert_close(backbone.run(x, [layer])[layer], theirs)


HF: dict[str, tuple[Callable[[Any], Any], dict[str, Any], int, int]] = {
    "vit": (lambda t: t.ViTConfig(image_size=32, patch_size=8, **_TINY), {"size": {"height": 32, "width": 32}}, 1, 0),
    "dinov2": (
        lambda t: t.Dinov2Config(image_size=56, patch_size=14, **_TINY),
        {
            "size": {"shortest_edge": 64},
            "crop_size": {"height": 56, "width": 56},
            "do_center_crop": True,
            "resample": 3,
        },
        1,
        0,
    ),
    "registers": (
        lambda t: t.Dinov2WithRegistersConfig(image_size=56, patch_size=14, num_register_tokens=4, **_TINY),
        {"size": 64, "crop_size": 56, "do_center_crop": True},
        1,
        4,
    ),
    "convnext": (
        lambda t: t.ConvNextConfig(hidden_sizes=[8, 16, 24, 40], depths=[1, 1, 2, 1]),
        {"size": {"shortest_edge": 64}, "crop_pct": 0.875, "image_mean": [0.485, 0.456, 0.406], "resample": 3},
        0,
        0,
    ),
}
_TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def _hf_directory(name: str, transformers: ModuleType, folder: Path) -> Path:
    make, processor, _, _ = HF[name]
    make(transformers).save_pretrained(folder)
    described = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "resample": 2, "rescale_factor": 1 / 255} | processor
    (folder / "preprocessor_config.json").write_text(json.dumps(described))
    return folder


@pytest.mark.parametrize("name", HF)
def test_hugging_face_networks_from_a_directory(name: str, transformers: ModuleType, tmp_path: Path) -> None:
    backbone = open_backbone(f"hf:{_hf_directory(name, transformers, tmp_path)}@random:0")
    assert (backbone.prefix_tokens, backbone.register_tokens) == HF[name][2:]
    x = torch.randn(2, 3, *backbone.preprocessing.size)
    layer = {"vit": "layers.0", "convnext": "encoder.stages.2"}.get(name, "encoder.layer.0")
    assert any(path.startswith(layer) for path in backbone.paths)
    with torch.no_grad():
        theirs = backbone.module(x, output_hidden_states=True).hidden_states[3 if name == "convnext" else 1]
        found = backbone.run(x, [layer])[layer]
    if HF[name][3]:
        theirs = torch.cat((theirs[:, :1], theirs[:, 5:]), dim=1)
    torch.testing.assert_close(found, theirs)
    if found.ndim == 3:
        grid = backbone.patches(layer, found)
        torch.testing.assert_close(grid.flatten(2).transpose(1, 2), theirs[:, 1:])


def test_hugging_face_preprocessing(transformers: ModuleType, tmp_path: Path) -> None:
    opened = {}
    for name in HF:
        (tmp_path / name).mkdir()
        opened[name] = open_backbone(f"hf:{_hf_directory(name, transformers, tmp_path / name)}@random:0").preprocessing
    assert opened["vit"] == Preprocessing((32, 32), (127.5,) * 3, (63.75,) * 3)
    assert (opened["dinov2"].size, opened["dinov2"].crop_fraction) == ((56, 56), 56 / 64)
    assert opened["dinov2"].interpolation == "bicubic"
    assert opened["registers"].size == (56, 56)
    assert (opened["convnext"].size, opened["convnext"].crop_fraction) == ((64, 64), 0.875)
    np.testing.assert_allclose(opened["convnext"].mean, (123.675, 116.28, 103.53))


def test_hugging_face_weights_and_seeds(transformers: ModuleType, tmp_path: Path) -> None:
    folder = _hf_directory("vit", transformers, tmp_path)
    first, again, other = (open_backbone(f"hf:{folder}@random:{seed}") for seed in (1, 1, 2))
    assert first.weights_sha256 == again.weights_sha256 != other.weights_sha256
    first.module.save_pretrained(folder)
    assert open_backbone(f"hf:{folder}").weights_sha256 == first.weights_sha256
    assert open_backbone(f"hf:{folder}@{folder}/model.safetensors").weights_sha256 == first.weights_sha256
    state = first.module.state_dict()
    del state["layers.1.mlp.fc1.weight"]
    torch.save(state, folder / "cut.pth")
    with pytest.raises(VestigeError, match=r"cut.pth: .*fc1"):
        open_backbone(f"hf:{folder}@{folder}/cut.pth")
    torch.save(first.module.state_dict() | {"layernorm.weight": torch.ones(5)}, folder / "odd.pth")
    with pytest.raises(VestigeError, match=r"odd.pth: "):
        open_backbone(f"hf:{folder}@{folder}/odd.pth")


def test_hugging_face_directories_that_lack_a_file(transformers: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(VestigeError, match=r"config.json.*preprocessor_config.json"):
        open_backbone(f"hf:{tmp_path}@random:0")
    folder = _hf_directory("vit", transformers, tmp_path)
    (folder / "preprocessor_config.json").write_text('{"do_resize": false}')
    with pytest.raises(VestigeError, match=r"size.*crop_size"):
        open_backbone(f"hf:{folder}@random:0")


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("torchvision:alexnett@random:0", "did you mean alexnet"),
        ("timm:resnet1@random:0", "did you mean resnet"),
        ("timm:resnet18@random:0,classes=x", "expected a whole number"),
        ("timm:resnet18@random:0,size=3", "unknown option 'size'"),
    ],
)
def test_mistakes_in_specs_are_told(spec: str, match: str) -> None:
    with pytest.raises(VestigeError, match=match):
        open_backbone(spec)


@pytest.mark.parametrize("spec", ["torchvision:alexnet", "timm:resnet18", "hf:facebook/dinov2-small"])
def test_a_torchvision_that_does_not_fit_torch_is_told_in_one_sentence(
    spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misfit(_name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", misfit)
    with pytest.raises(VestigeError, match=r"torch \S+.*torchvision \S+.*nms") as caught:
        open_backbone(f"{spec}@random:0")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("spec", "extra"), [("torchvision:x", "torchvision"), ("timm:x", "timm"), ("hf:x", "hf")])
def test_a_missing_library_is_told_with_its_extra(spec: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(VestigeError, match=rf"is not installed; .* 'vestige\[{extra}\]'"):
        open_backbone(spec)


OWN = """
import torch
from torch import nn
from vestige.backbones import Preprocessing

number = 3

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))

def with_preprocessing():
    return plain(), Preprocessing((32, 48), (0.0,) * 3, (255.0,) * 3)

def failing():
    raise KeyError("weights")

def wrong():
    return [1]

def loading():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1))
    net.load_state_dict({name: each.clone().fill_(2) for name, each in net.state_dict().items()})
    return net

def picky():
    return nn.Sequential(nn.Linear(7, 7))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_networks.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    return "python:own_networks"


def test_ones_own_network(own: str, tmp_path: Path) -> None:
    backbone = open_backbone(f"{own}:plain,size=40")
    assert _shapes(backbone) == {"0": (4, 38, 38), "1": (4, 38, 38), "2": (4,)}
    np.testing.assert_allclose(backbone.preprocessing.mean, (123.675, 116.28, 103.53))
    assert open_backbone(f"{own}:with_preprocessing").preprocessing.size == (32, 48)
    seeds = [open_backbone(f"{own}:plain@random:{seed}").weights_sha256 for seed in (1, 1, 2)]
    assert seeds[0] == seeds[1] != seeds[2]
    trained, *seeds = [open_backbone(f"{own}:loading{what}") for what in ("", "@random:1", "@random:1", "@random:2")]
    assert (trained.module[0].weight == 2).all()
    assert trained.weights_sha256 != seeds[0].weights_sha256 == seeds[1].weights_sha256 != seeds[2].weights_sha256
    torch.save(backbone.module.state_dict(), tmp_path / "w.pth")
    assert open_backbone(f"{own}:plain@{tmp_path}/w.pth").weights_sha256 == backbone.weights_sha256


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (":nothing", "has no function 'nothing'"),
        (":number", "has no function 'number'"),
        (":failing", r"the function failed \(KeyError: 'weights'\)"),
        (":wrong", "returned list; expected a torch.nn.Module"),
        (":picky", r"does not run on pictures of \(224, 224\)"),
        ("", "expected python:MODULE:FUNCTION"),
        (":with_preprocessing,size=3", "leave out size="),
    ],
)
def test_ones_own_mistakes_are_told(own: str, function: str, match: str) -> None:
    with pytest.raises(VestigeError, match=match):
        open_backbone(own + function)
    with pytest.raises(VestigeError, match="'no_such_module'"):
        open_backbone("python:no_such_module:f")


@pytest.mark.parametrize(
    ("spec", "near"),
    [
        ("cafenet@random:0", "caffe:caffenet"),
        ("tim:resnet18", "timm:resnet18"),
        ("facebook/dinov2-small", "hf:facebook/dinov2-small"),
        ("resnett18", "torchvision:resnet18 or timm:resnet18"),
        ("vit_b", "torchvision:vit_b_16"),
    ],
)
def test_a_network_that_lacks_its_kind_is_recognised(spec: str, near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = {
        "torchvision.models": SimpleNamespace(list_models=lambda module: ["alexnet", "resnet18", "vit_b_16"]),  # noqa: ARG005
        "timm": SimpleNamespace(list_models=lambda: ["resnet18", "vit_small_patch16_224"]),
    }
    monkeypatch.setattr("vestige.backbones.opening.import_library", lambda name, _: libraries[name])
    with pytest.raises(VestigeError) as said:
        open_backbone(spec)
    assert f"did you mean {near}?" in str(said.value)


def test_libraries_name_the_categories_of_their_own_heads(torchvision: ModuleType, timm: ModuleType) -> None:
    theirs = torchvision.models.get_model_weights("squeezenet1_1").DEFAULT.meta["categories"]
    backbone = open_backbone("torchvision:squeezenet1_1@random:0")
    assert backbone.categories == tuple(theirs)
    assert backbone.scores(backbone.blank(batch=2)).shape == (2, 1000)
    assert open_backbone("torchvision:squeezenet1_1@random:0,classes=365").categories == ()
    names = open_backbone("timm:resnet18@random:0").categories
    assert names == tuple(timm.data.ImageNetInfo("imagenet-1k").label_descriptions())


def test_a_hugging_face_classifier_has_scores_and_names(transformers: ModuleType, tmp_path: Path) -> None:
    folder = _hf_directory("vit", transformers, tmp_path)
    bare = open_backbone(f"hf:{folder}@random:0")
    with pytest.raises(VestigeError, match=r"puts out no vector of scores.*hf:NAME,classifier"):
        bare.scores(bare.blank())
    config = json.loads((folder / "config.json").read_text())
    assert open_backbone(f"hf:{folder}@random:0,classifier").categories == ()
    config |= {"id2label": {"1": "dog", "0": "cat", "2": "cow"}, "label2id": {"cat": 0, "dog": 1, "cow": 2}}
    (folder / "config.json").write_text(json.dumps(config))
    backbone = open_backbone(f"hf:{folder}@random:0,classifier")
    assert backbone.categories == ("cat", "dog", "cow")
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(backbone.scores(x), backbone.module(x).logits)
