"""The picture itself as a backbone: ``rgb:46`` is the 46 x 46 RGB of the papers' baseline."""

from __future__ import annotations

from torch import Tensor, nn

from vestige.backbones.backbone import Backbone
from vestige.backbones.preprocessing import Preprocessing
from vestige.errors import VestigeError
from vestige.spec import BackboneSpec, check_options, whole_number

LAYER = "rgb"
_LARGEST = 1024  # pixels a side: three million values a picture


class _Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rgb = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        pixels: Tensor = self.rgb(x)
        return pixels


def open_rgb(spec: BackboneSpec) -> Backbone:
    """``rgb:SIZE``: the picture resized to SIZE x SIZE, values in [0, 1], as the one layer ``rgb``.

    Raises:
        VestigeError: where SIZE is no number of pixels.
    """
    check_options(spec.text, spec.options, ())
    if spec.weights is not None or spec.seed is not None:
        raise VestigeError(f"{spec.text!r}: rgb has no weights; write rgb:46")
    size = whole_number(spec.text, f"rgb:SIZE is {spec.name!r}", spec.name, 1, _LARGEST)
    preprocessing = Preprocessing((size, size), mean=(0.0,) * 3, std=(255.0,) * 3)
    return Backbone(spec.text, _Pixels(), preprocessing, {LAYER: "rgb"})
