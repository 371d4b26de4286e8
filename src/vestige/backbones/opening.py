"""Backbone specs to Backbones."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from vestige.backbones.backbone import Backbone
from vestige.backbones.caffe import open_caffe
from vestige.backbones.efficientnet_lite import open_efficientnet_lite0
from vestige.backbones.huggingface import open_huggingface
from vestige.backbones.own_network import open_own_network
from vestige.backbones.rgb import open_rgb
from vestige.backbones.timm_networks import open_timm
from vestige.backbones.torchvision_networks import open_torchvision
from vestige.errors import VestigeError
from vestige.spec import BackboneSpec, parse_backbone_spec

_OPENERS: dict[str, Callable[[BackboneSpec], Backbone]] = {
    "efficientnet_lite0": open_efficientnet_lite0,
    "rgb:": open_rgb,
    "caffe:": open_caffe,
    "torchvision:": open_torchvision,
    "timm:": open_timm,
    "hf:": open_huggingface,
    "python:": open_own_network,
}
"""Who opens what: a network without a kind by its name, any other by its kind with a colon."""


def open_backbone(spec: str) -> Backbone:
    """The backbone that a spec names.

    Raises:
        VestigeError: where there is no such backbone, or its weights cannot be read.
    """
    parsed = parse_backbone_spec(spec)
    key = f"{parsed.kind}:" if parsed.kind else parsed.name
    opener = _OPENERS.get(key)
    if opener is None:
        near = get_close_matches(key, _OPENERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_OPENERS)}"
        raise VestigeError(f"{spec!r}: no such backbone; {hint}")
    return opener(parsed)
