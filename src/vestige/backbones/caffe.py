"""The papers' own networks: Caffe's reference network (CaffeNet) and its AlexNet, native.

Both take 227 x 227 BGR minus a mean. CaffeNet pools before it normalises, AlexNet after. Layers carry Caffe's names
and hold what Caffe's blobs of these names hold after a pass: ``conv1`` .. ``conv5``, ``fc6`` and ``fc7`` are
*rectified*, as their ReLU works in place there; ``fc8`` is the scores. The values before a ReLU are the module paths
``conv1.0`` .. ``fc7.0``. Places205-CNN and Hybrid-CNN are CaffeNet with another ``fc8``.

Source: the ``deploy.prototxt`` and ``train_val.prototxt`` of Caffe's ``bvlc_reference_caffenet`` and ``bvlc_alexnet``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vestige.arrays import read_npz
from vestige.backbones.backbone import Backbone
from vestige.backbones.caffe_files import read_binaryproto, read_caffemodel
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.weights import State, put_state, read_state, seeded
from vestige.errors import VestigeError
from vestige.files import what_is
from vestige.spec import BackboneSpec, check_options

SIDE = 227
MEAN = (104.0, 117.0, 123.0)
"""Blue, green, red: the usual constants in place of ILSVRC's mean image."""

_LAYERS = {
    "caffenet": ("conv1", "pool1", "norm1", "conv2", "pool2", "norm2"),
    "alexnet": ("conv1", "norm1", "pool1", "conv2", "norm2", "pool2"),
}
_TAIL = ("conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "fc8")
_BIAS = {"caffenet": 1.0, "alexnet": 0.1}
_SHA1 = {
    "caffenet": "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
    "alexnet": "9116a64c0fbe4459d18f4bb6b56d647b63920377",
}
_FILES = {"caffenet": "bvlc_reference_caffenet.caffemodel", "alexnet": "bvlc_alexnet.caffemodel"}
_TENSOR = re.compile(r"(conv[1-5]|fc[678])(?:(?<=fc8)[_-][\w-]+?)??[._/](?:0\.)?(weights?|w|bias|biases|b)")


class CaffeNet(nn.Module):
    """Caffe's reference network or its AlexNet: a chain, ``(N, 3, 227, 227)`` to scores ``(N, classes)``.

    Args:
        name: ``caffenet`` or ``alexnet``.
        classes: how many scores ``fc8`` puts out.
    """

    def __init__(self, name: str, classes: int = 1000) -> None:
        super().__init__()
        self.order = (*_LAYERS[name], *_TAIL)
        parts: dict[str, nn.Module] = {
            "conv1": _conv(3, 96, 11, stride=4),
            "conv2": _conv(96, 256, 5, padding=2, groups=2),
            "conv3": _conv(256, 384, 3, padding=1),
            "conv4": _conv(384, 384, 3, padding=1, groups=2),
            "conv5": _conv(384, 256, 3, padding=1, groups=2),
            "fc6": nn.Sequential(nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            "fc7": nn.Sequential(nn.Linear(4096, 4096), nn.ReLU()),
            "fc8": nn.Sequential(nn.Linear(4096, classes)),
        }
        parts |= {layer: nn.MaxPool2d(3, stride=2, ceil_mode=True) for layer in ("pool1", "pool2", "pool5")}
        parts |= {layer: nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0) for layer in ("norm1", "norm2")}
        for layer in self.order:
            self.add_module(layer, parts[layer])
            _fill(layer, parts[layer], _BIAS[name])

    def forward(self, x: Tensor) -> Tensor:
        """Scores before the softmax."""
        for layer in self.order:
            x = self.get_submodule(layer)(x.flatten(1) if layer == "fc6" else x)
        return x


def _conv(channels: int, out: int, side: int, stride: int = 1, padding: int = 0, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, side, stride, padding, groups=groups), nn.ReLU())


def _fill(layer: str, part: nn.Module, bias: float) -> None:
    """Caffe's own initialisation: Gaussian weights; biases of ``bias`` where the prototxt wants them above zero."""
    for weighted in part.children():
        if isinstance(weighted, (nn.Conv2d, nn.Linear)) and weighted.bias is not None:
            nn.init.normal_(weighted.weight, std=0.005 if layer in ("fc6", "fc7") else 0.01)
            nn.init.constant_(weighted.bias, bias if layer in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0)


def open_caffe(spec: BackboneSpec) -> Backbone:
    """``caffe:caffenet@FILE``, ``caffe:alexnet@FILE``, with ``,mean=FILE`` or ``,mean=B/G/R``; or ``@random:SEED``.

    Weights are a ``.caffemodel``, an ``.npz`` (or a structured ``.npy``) of arrays, ``.safetensors`` or a PyTorch state
    dict, with tensors named ``conv1.weight``, ``conv1.bias``, ...; a mean is a ``.binaryproto`` or an ``.npy``. With
    random weights, ``,classes=N`` sets the size of ``fc8``.

    Raises:
        VestigeError: where the network is unknown or a file is not what it should be.
    """
    if spec.name not in _LAYERS:
        raise VestigeError(f"{spec.text!r}: Caffe networks are {' and '.join(f'caffe:{name}' for name in _LAYERS)}")
    check_options(spec.text, spec.options, ("mean", "classes") if spec.seed is not None else ("mean",))
    mean, image = _mean(spec)
    module = _module(spec)
    preprocessing = Preprocessing(
        (SIDE, SIDE), mean, (1.0,) * 3, channels="bgr", crop_fraction=SIDE / 256, mean_image=image
    )
    return Backbone(spec.text, module, preprocessing, {layer: layer for layer in module.order})


def _module(spec: BackboneSpec) -> CaffeNet:
    if spec.seed is not None:
        with seeded(spec.seed):
            return CaffeNet(spec.name, _option_classes(spec))
    if spec.weights is None:
        raise VestigeError(_where_to_get(spec))
    state = read_caffe_weights(Path(spec.weights))
    scores = state.get("fc8.0.bias")
    with torch.device("meta"):  # all of it comes from the file; filling 61 million numbers first takes a second
        module = CaffeNet(spec.name, len(scores) if scores is not None and scores.ndim == 1 else 1000)
    put_state(module.to_empty(device="cpu"), state, Path(spec.weights))
    return module


def _where_to_get(spec: BackboneSpec) -> str:
    return (
        f"{spec.text!r}: give weights as {spec.network}@FILE, or {spec.network}@random:0 for an untrained network. "
        f"The trained ones are {_FILES[spec.name]} (sha1 {_SHA1[spec.name]}) from "
        f"http://dl.caffe.berkeleyvision.org/{_FILES[spec.name]}, and for scenes placesCNN and hybridCNN from "
        "http://places.csail.mit.edu/downloadCNN.html"
    )


def _option_classes(spec: BackboneSpec) -> int:
    text = spec.options.get("classes", "1000")
    if not text.isdecimal() or not 1 <= int(text[:7]) <= 999_999:
        raise VestigeError(f"{spec.text!r}: option classes={text!r}: expected a number of classes, as in classes=205")
    return int(text)


def read_caffe_weights(path: Path) -> State:
    """The tensors of a file of any of the forms that :func:`open_caffe` takes, named as those of :class:`CaffeNet`.

    Raises:
        VestigeError: where the file is missing, damaged or of another kind.
    """
    readers: dict[str, Callable[[Path], State]] = {
        ".caffemodel": read_caffemodel,
        ".npz": _read_npz,
        ".npy": _read_npy,
    }
    if what_is(path) != "file":
        raise VestigeError(f"{path}: no such weights file")
    return _own_names(readers.get(path.suffix, read_state)(path))


def _read_npz(path: Path) -> State:
    expected = "expected a complete .npz of arrays named conv1.weight, ..."
    return _state(path, read_npz(path, what="weights", mend=expected))


def _read_npy(path: Path) -> State:
    record = _load_npy(path)
    if not record.dtype.names:
        raise VestigeError(f"{path}: is one array without names; expected an .npz of arrays named conv1.weight, ...")
    return _state(path, {name: record[name] for name in record.dtype.names})


def _state(path: Path, arrays: Mapping[str, NDArray[Any]]) -> State:
    if any(array.dtype.kind not in "fiu" for array in arrays.values()):
        raise VestigeError(f"{path}: holds arrays that are not numbers; expected weights named conv1.weight, ...")
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}


def _load_npy(path: Path) -> NDArray[Any]:
    """The array of a file, which is mapped: so its header cannot ask for more memory than the file has bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of headers that Python 2 wrote
            return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # header, shape and end-of-file errors alike
        raise VestigeError(f"{path}: {_numpy_remedy(error)}") from error


def _numpy_remedy(error: Exception) -> str:
    if "Python objects" in str(error):
        return (
            "is a pickled dictionary, which could run code when it is read, and is therefore refused; the classic "
            "bvlc_alexnet.npy is one. Convert it where you trust it: numpy.savez of arrays named conv1.weight, "
            "conv1.bias, ... in Caffe's order (docs/backbones.md has the lines)"
        )
    return f"cannot be read ({error}); expected a complete .npy file"


def _own_names(state: State) -> State:
    """``conv1.weight``, ``conv1_w``, ``fc8_places/bias``, ... as the names of :class:`CaffeNet`; others stay."""
    own = {}
    for name, tensor in state.items():
        match = _TENSOR.fullmatch(name)
        own[f"{match[1]}.0.{'weight' if match[2][0] == 'w' else 'bias'}" if match else name] = tensor
    return own


def _mean(spec: BackboneSpec) -> tuple[tuple[float, float, float], NDArray[np.float32] | None]:
    """The mean as constants and, where the option names a file of one, as an image ``(3, 227, 227)``."""
    text = spec.options.get("mean")
    if text is None:
        return MEAN, None
    numbers = re.fullmatch(r"([\d.]+)/([\d.]+)/([\d.]+)", text)
    if numbers:
        try:
            blue, green, red = map(float, numbers.groups())
        except ValueError as error:
            raise VestigeError(f"{spec.text!r}: mean={text!r}: expected numbers, as in mean=104/117/123") from error
        return (blue, green, red), None
    return _mean_file(Path(text))


def _mean_file(path: Path) -> tuple[tuple[float, float, float], NDArray[np.float32] | None]:
    expected = f"expected 3 numbers, or a BGR image of 3 x h x w with sides of at least {SIDE}"
    if what_is(path) != "file":
        raise VestigeError(f"{path}: no such mean file; expected a .binaryproto or .npy file, or B/G/R")
    mean = read_binaryproto(path) if path.suffix == ".binaryproto" else _load_npy(path)
    if mean.dtype.kind not in "fiu" or not np.isfinite(mean).all():
        raise VestigeError(f"{path}: holds no array of finite numbers; {expected}")
    if mean.ndim == 4 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.size == 3:
        blue, green, red = (float(value) for value in mean.ravel())
        return (blue, green, red), None
    if mean.ndim != 3 or mean.shape[0] != 3 or min(mean.shape[1:]) < SIDE:
        raise VestigeError(f"{path}: has shape {mean.shape}; {expected}")
    top, left = ((side - SIDE) // 2 for side in mean.shape[1:])
    image = mean[:, top : top + SIDE, left : left + SIDE].astype(np.float32)
    return MEAN, np.ascontiguousarray(image)
