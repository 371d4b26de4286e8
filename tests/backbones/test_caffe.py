"""The papers' networks against OpenCV's own reading of Caffe's files, and their files in every form."""

import io
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vestige.backbones import ReceptiveField, open_backbone
from vestige.backbones.caffe import CaffeNet, read_caffe_weights
from vestige.backbones.caffe_files import message_class
from vestige.backbones.receptive import find_receptive_fields
from vestige.errors import VestigeError

CLASSES = 7
_CONV = {
    "conv1": "num_output: 96 kernel_size: 11 stride: 4",
    "conv2": "num_output: 256 kernel_size: 5 pad: 2 group: 2",
    "conv3": "num_output: 384 kernel_size: 3 pad: 1",
    "conv4": "num_output: 384 kernel_size: 3 pad: 1 group: 2",
    "conv5": "num_output: 256 kernel_size: 3 pad: 1 group: 2",
}
_FC = {"fc6": 4096, "fc7": 4096, "fc8": CLASSES}


def _prototxt(order: tuple[str, ...]) -> str:
    """Caffe's description of a network. Every ReLU has its own top, so that values before and after it can be read."""
    text = ['input: "data" input_dim: 1 input_dim: 3 input_dim: 227 input_dim: 227']
    bottom = "data"
    for layer in order:
        if layer in _CONV:
            kind = f'type: "Convolution" convolution_param {{ {_CONV[layer]} }}'
        elif layer in _FC:
            kind = f'type: "InnerProduct" inner_product_param {{ num_output: {_FC[layer]} }}'
        elif layer.startswith("pool"):
            kind = 'type: "Pooling" pooling_param { pool: MAX kernel_size: 3 stride: 2 }'
        else:
            kind = 'type: "LRN" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }'
        text.append(f'layer {{ name: "{layer}" bottom: "{bottom}" top: "{layer}" {kind} }}')
        bottom = layer
        if layer in _CONV or layer in ("fc6", "fc7"):
            bottom = f"relu{layer[-1]}"
            text.append(f'layer {{ name: "{bottom}" type: "ReLU" bottom: "{layer}" top: "{bottom}" }}')
    return "\n".join(text)


Weights = dict[str, np.ndarray[Any, Any]]


def _weights() -> Weights:
    """Random weights that keep activations of a lively size through the whole depth."""
    random = np.random.default_rng(0)
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in CaffeNet("caffenet", CLASSES).state_dict().items()}
    return {
        name.replace(".0.", "."): random.standard_normal(shape, np.float32)
        * np.float32((2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1)
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Arrays of the right names, too small for any network: for tests of reading alone."""
    random = np.random.default_rng(1)
    shapes = {layer: (6, 2, 3, 3) if layer in _CONV else (5, 4) for layer in [*_CONV, *_FC]}
    arrays = {f"{layer}.weight": random.standard_normal(shape, np.float32) for layer, shape in shapes.items()}
    return arrays | {f"{layer}.bias": random.standard_normal(shape[0], np.float32) for layer, shape in shapes.items()}


def _caffemodel(weights: Weights, encoding: str, fc8: str = "fc8") -> bytes:
    net = message_class("Net")()
    for layer in [*_CONV, *_FC]:
        if encoding == "current":
            target = net.layer.add(name=layer)
        elif encoding == "V1":
            target = net.layers.add(name=layer)
        else:
            target = net.layers.add().layer
            target.name = layer
        if layer == "fc8":
            target.name = fc8
        for kind in ("weight", "bias"):
            values = weights[f"{layer}.{kind}"].astype("<f4")
            blob = target.blobs.add(data=values.tobytes())
            if encoding == "current":
                blob.shape.dim.extend(values.shape)
            else:
                blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - values.ndim) + values.shape
    return net.SerializeToString()


def _with_v1_types(content: bytes) -> bytes:
    """OpenCV wants the layers' types too: V1's enumeration, field 5."""
    net = message_class("Net").FromString(content)
    typed = b""
    for layer in net.layers:
        number = 4 if layer.name.startswith("conv") else 14  # CONVOLUTION, INNER_PRODUCT
        body = layer.SerializeToString() + bytes([5 << 3, number])
        typed += bytes([2 << 3 | 2]) + _varint(len(body)) + body
    return typed


def _varint(value: int) -> bytes:
    out = []
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.parametrize(("name", "encoding"), [("caffenet", "V1"), ("alexnet", "current")])
def test_every_layer_agrees_with_opencv(name: str, encoding: str, tmp_path: Path) -> None:
    model = tmp_path / "random.caffemodel"
    content = _caffemodel(_weights(), encoding)
    model.write_bytes(_with_v1_types(content) if encoding == "V1" else content)
    backbone = open_backbone(f"caffe:{name}@{model}")
    order = tuple(backbone.paths)
    (tmp_path / "net.prototxt").write_text(_prototxt(order))
    oracle = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(model))
    image = np.random.default_rng(0).integers(0, 256, (1, 227, 227, 3), dtype=np.uint8)
    blob = cv2.dnn.blobFromImage(image[0, ..., ::-1], 1.0, (227, 227), (104, 117, 123))
    oracle.setInput(blob)
    theirs = {layer: layer for layer in order}
    theirs |= {layer: f"relu{layer[-1]}" for layer in order if layer in _CONV or layer in ("fc6", "fc7")}
    theirs |= {f"{layer}.0": layer for layer in [*_CONV, *_FC]}
    wanted = dict(zip(theirs, oracle.forward(list(theirs.values())), strict=True))
    with torch.inference_mode():
        found = backbone.run(backbone.preprocessing(image), list(theirs))
    for layer, values in wanted.items():
        scale = np.abs(values).max()
        assert scale > 1e-3
        np.testing.assert_allclose(found[layer].numpy() / scale, values / scale, rtol=0, atol=1e-4, err_msg=layer)


def test_the_two_networks_order_pooling_and_normalisation_their_own_way() -> None:
    caffenet, alexnet = (open_backbone(f"caffe:{name}@random:0") for name in ("caffenet", "alexnet"))
    assert list(caffenet.paths)[:6] == ["conv1", "pool1", "norm1", "conv2", "pool2", "norm2"]
    assert list(alexnet.paths)[:6] == ["conv1", "norm1", "pool1", "conv2", "norm2", "pool2"]
    shapes = {layer.name: layer.shape for layer in caffenet.layers()}
    assert shapes["conv1"] == (96, 55, 55)
    assert shapes["conv5"] == (256, 13, 13)
    assert shapes["pool5"] == (256, 6, 6)
    assert shapes["fc6"] == (4096,)
    assert shapes["fc8"] == (1000,)


@pytest.mark.parametrize("name", ["caffenet", "alexnet"])
def test_table_1_of_the_correspondence_paper(name: str) -> None:
    backbone = open_backbone(f"caffe:{name}@random:0")
    fields = find_receptive_fields(backbone, tuple(backbone.paths))
    table = {
        "conv1": (11, 4),
        "conv2": (51, 8),
        "conv3": (99, 16),
        "conv4": (131, 16),
        "conv5": (163, 16),
        "pool5": (195, 32),
    }
    centres = {"conv1": 5.5, "conv2": 9.5, "conv3": 17.5, "conv4": 17.5, "conv5": 17.5, "pool5": 33.5}
    for layer, (extent, stride) in table.items():
        centre = centres[layer]
        assert fields[layer] == ReceptiveField((stride,) * 2, (extent,) * 2, (centre,) * 2, False)
    assert fields["fc6"] == fields["fc8"] == ReceptiveField(None, None, None, True)


def _same(path: Path, weights: Weights) -> None:
    state = read_caffe_weights(path)
    assert len(state) == len(weights)
    for name, tensor in state.items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name.replace(".0.", ".")], err_msg=name)


@pytest.mark.parametrize("encoding", ["current", "V1", "V0"])
def test_every_encoding_of_a_caffemodel_is_read(encoding: str, weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(_caffemodel(weights, encoding, fc8="fc8-places"))
    _same(path, weights)


@pytest.mark.parametrize("form", ["{}.{}", "{}_{}", "{}/{}s", "{}.0.{}"])
def test_named_arrays_and_state_dicts_are_read(form: str, weights: Weights, tmp_path: Path) -> None:
    named = {form.format(*name.split(".")).replace("biass", "biases"): values for name, values in weights.items()}
    tensors = {name: torch.from_numpy(values) for name, values in named.items()}
    np.savez(tmp_path / "w.npz", **named)
    torch.save(tensors, tmp_path / "w.pth")
    save_file(tensors, tmp_path / "w.safetensors")
    for suffix in ("npz", "pth", "safetensors"):
        _same(tmp_path / f"w.{suffix}", weights)


def test_a_structured_npy_is_read(weights: Weights, tmp_path: Path) -> None:
    record = np.zeros((), [(name, values.dtype, values.shape) for name, values in weights.items()])
    for name, values in weights.items():
        record[name] = values
    np.save(tmp_path / "w.npy", record)
    _same(tmp_path / "w.npy", weights)


def test_a_pickled_dictionary_is_refused_with_the_way_out(tmp_path: Path) -> None:
    np.save(tmp_path / "bvlc_alexnet.npy", np.array({"conv1": [np.zeros(3)]}), allow_pickle=True)
    with pytest.raises(VestigeError, match=r"numpy\.savez"):
        open_backbone(f"caffe:alexnet@{tmp_path}/bvlc_alexnet.npy")


def _claims(shape: tuple[int, ...]) -> bytes:
    """A .npy file of a few bytes whose header claims a shape."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return content.getvalue() + bytes(16)


@pytest.mark.parametrize("content", [b"", b"PK no archive", b"\x93NUMPY", _claims((1 << 40, 8)), _claims((-1,))])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_damaged_arrays_are_refused_before_memory_is_asked_for(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"net.{suffix}"
    if suffix == "npz" and content[:1] == b"\x93":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("conv1.weight.npy", content)
    else:
        path.write_bytes(content)
    with pytest.raises(VestigeError, match=rf"net\.{suffix}: cannot be read"):
        open_backbone(f"caffe:alexnet@{path}")


def test_arrays_of_objects_in_an_archive_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"conv1.weight": np.array([{}], dtype=object)})  # type: ignore[arg-type]
    with pytest.raises(VestigeError, match=r"w\.npz: .*'conv1.weight'"):
        open_backbone(f"caffe:alexnet@{tmp_path}/w.npz")


@pytest.mark.parametrize("cut", [100, 900, -5])
def test_a_truncated_caffemodel_is_refused(cut: int, weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(_caffemodel(weights, "current")[:cut])
    with pytest.raises(VestigeError, match=r"net.caffemodel: "):
        open_backbone(f"caffe:caffenet@{path}")


def test_caffemodels_that_are_not_this_network_are_refused(weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    cases = {
        b"": "holds no layers with weights",
        b"these are not the weights": "net.caffemodel: ",
        _caffemodel(weights, "V1"): r"'conv1.0.weight' has shape \(6, 2, 3, 3\); expected \(96, 3, 11, 11\)",
        _caffemodel(weights, "current", fc8="score"): "missing 2 .* and unknown 2 .score.weight",
    }
    for content, message in cases.items():
        path.write_bytes(content)
        with pytest.raises(VestigeError, match=message):
            open_backbone(f"caffe:caffenet@{path}")


def test_a_blob_whose_shape_lies_is_refused(tmp_path: Path) -> None:
    net = message_class("Net")()
    blob = net.layer.add(name="conv1").blobs.add(data=b"\0" * 40)
    blob.shape.dim.extend([96, 3, 11, 11])
    (tmp_path / "net.caffemodel").write_bytes(net.SerializeToString())
    with pytest.raises(VestigeError, match=r"'conv1' .*\(96, 3, 11, 11\).* 40 bytes"):
        open_backbone(f"caffe:caffenet@{tmp_path}/net.caffemodel")


def test_means_are_read_from_every_form(tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (3, 256, 256)).astype(np.float32)
    blob = message_class("Blob")(num=1, channels=3, height=256, width=256, data=image.tobytes())
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    np.save(tmp_path / "mean.npy", image.astype(np.float64))
    np.save(tmp_path / "three.npy", np.array([1.0, 2.0, 3.0]))
    for name in ("mean.binaryproto", "mean.npy"):
        preprocessing = open_backbone(f"caffe:alexnet@random:0,mean={tmp_path}/{name}").preprocessing
        np.testing.assert_array_equal(preprocessing.mean_image, image[:, 14:241, 14:241])
        black = preprocessing(np.zeros((1, 227, 227, 3), np.uint8))
        np.testing.assert_array_equal(black[0], -image[:, 14:241, 14:241])
    assert open_backbone(f"caffe:alexnet@random:0,mean={tmp_path}/three.npy").preprocessing.mean == (1.0, 2.0, 3.0)
    assert open_backbone("caffe:alexnet@random:0,mean=99/98.5/97").preprocessing.mean == (99.0, 98.5, 97.0)
    default = open_backbone("caffe:alexnet@random:0").preprocessing
    assert (default.mean, default.channels, default.size) == ((104.0, 117.0, 123.0), "bgr", (227, 227))


def test_bad_means_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", np.zeros((3, 100, 100)))
    np.save(tmp_path / "nan.npy", np.full(3, np.nan))
    (tmp_path / "cut.binaryproto").write_bytes(b"\x08\x01\x2a\xff")
    cases = {
        "small.npy": r"shape \(3, 100, 100\)",
        "nan.npy": "no array of finite numbers",
        "cut.binaryproto": "cut.binaryproto: cannot be read",
        "none.npy": "no such mean file",
    }
    for name, message in cases.items():
        with pytest.raises(VestigeError, match=message):
            open_backbone(f"caffe:alexnet@random:0,mean={tmp_path}/{name}")
    with pytest.raises(VestigeError, match="expected numbers"):
        open_backbone("caffe:alexnet@random:0,mean=1.2.3/4/5")


def test_without_weights_the_user_is_told_where_they_are() -> None:
    with pytest.raises(VestigeError, match=r"@random:0.*bvlc_reference_caffenet.caffemodel .*4c8d77de"):
        open_backbone("caffe:caffenet")
    with pytest.raises(VestigeError, match=r"caffe:caffenet.*caffe:alexnet"):
        open_backbone("caffe:vgg")
    assert open_backbone("caffe:caffenet@random:0,classes=205").layers(["fc8"])[0].shape == (205,)
    with pytest.raises(VestigeError, match="number of classes"):
        open_backbone("caffe:caffenet@random:0,classes=many")
