"""Two embedded networks of one architecture: ``scene_cnn`` names drawn scenes, ``object_cnn`` drawn objects.

They saw as many pictures for as long, and differ in nothing but what they were asked: ``scene_cnn`` is trained from
scratch on ``synthetic:scenes``, ``object_cnn`` on ``synthetic:objects-alone``. ``tools/train_drawn_networks.py`` makes
their weights. Layers carry AlexNet's names and are rectified, as Caffe's blobs are: conv1, pool1, conv2, pool2, conv3,
conv4, conv5, pool5, fc6, fc7, prob. The values before a ReLU are the module paths ``conv1.0`` .. ``fc7.0``, the scores
before the softmax ``prob.0``.
"""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import resources
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vestige.backbones.backbone import Backbone
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.weights import load_weights, seeded
from vestige.spec import BackboneSpec, check_options

NAMES = ("object_cnn", "scene_cnn")
SIDE = 115
PREPROCESSING = Preprocessing((SIDE, SIDE), mean=(115.0,) * 3, std=(58.0,) * 3)
CATEGORIES = "categories"
"""Where a weights file names the network's categories: a JSON list among its metadata."""

_CONVOLUTIONS = {
    "conv1": (3, 32, 7, 2, 0, 1),
    "conv2": (32, 64, 5, 1, 2, 2),
    "conv3": (64, 96, 3, 1, 1, 1),
    "conv4": (96, 96, 3, 1, 1, 2),
    "conv5": (96, 128, 3, 1, 1, 2),
}
"""Channels in and out, side, stride, padding and groups, as AlexNet has them but for the numbers of channels."""
_HIDDEN = 192


class DrawnNet(nn.Module):
    """AlexNet's chain, small: ``(N, 3, 115, 115)`` to probabilities ``(N, classes)``.

    Args:
        classes: how many it tells apart.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = _convolution("conv1")
        self.pool1 = nn.MaxPool2d(3, 2)
        self.conv2 = _convolution("conv2")
        self.pool2 = nn.MaxPool2d(3, 2)
        self.conv3 = _convolution("conv3")
        self.conv4 = _convolution("conv4")
        self.conv5 = _convolution("conv5")
        self.pool5 = nn.MaxPool2d(3, 2)
        self.fc6 = nn.Sequential(nn.Linear(128 * 6 * 6, _HIDDEN), nn.ReLU())
        self.fc7 = nn.Sequential(nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU())
        self.prob = nn.Sequential(nn.Linear(_HIDDEN, classes), nn.Softmax(1))

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities ``(N, classes)``."""
        for layer in self.children():
            x = layer(x.flatten(1) if layer is self.fc6 else x)
        return x


def _convolution(layer: str) -> nn.Sequential:
    channels, out, side, stride, padding, groups = _CONVOLUTIONS[layer]
    return nn.Sequential(nn.Conv2d(channels, out, side, stride, padding, groups=groups), nn.ReLU())


def open_drawn_network(spec: BackboneSpec) -> Backbone:
    """``scene_cnn`` or ``object_cnn``, with ``@PATH`` or ``@random:SEED``; its categories are known with any weights.

    Raises:
        VestigeError: where the weights of a path do not fit.
    """
    check_options(spec.text, spec.options, ())
    own = weights_file(spec.name)
    weights = Path(spec.weights) if spec.weights else own
    categories = _categories(weights) or _categories(own)
    with seeded(spec.seed or 0):
        module = DrawnNet(len(categories))
    if spec.seed is None:
        load_weights(module, weights)
    paths = {name: name for name, _ in module.named_children()}
    return Backbone(spec.text, module, PREPROCESSING, paths, categories=categories)


def weights_file(name: str) -> Path:
    """Where a network's weights are in the package."""
    return Path(str(resources.files("vestige.backbones") / "drawn" / f"{name}.safetensors"))


def _categories(path: Path) -> tuple[str, ...]:
    """The categories that a weights file names, if any."""
    if path.suffix == ".safetensors" and path.is_file():
        with suppress(SafetensorError, ValueError), safe_open(path, framework="pt") as file:
            named = (file.metadata() or {}).get(CATEGORIES)
            if named:
                return tuple(json.loads(named))
    return ()
