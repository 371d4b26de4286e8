"""Backbone specs to Backbones."""

from __future__ import annotations

from collections.abc import Callable

from vestige.backbones.backbone import Backbone
from vestige.backbones.efficientnet_lite import open_efficientnet_lite0
from vestige.errors import VestigeError
from vestige.spec import BackboneSpec, parse_backbone_spec

_OPENERS: dict[tuple[str, str], Callable[[BackboneSpec], Backbone]] = {
    ("", "efficientnet_lite0"): open_efficientnet_lite0
}


def open_backbone(spec: str) -> Backbone:
    """The backbone that a spec names.

    Raises:
        VestigeError: where there is no such backbone, or its weights cannot be read.
    """
    parsed = parse_backbone_spec(spec)
    opener = _OPENERS.get((parsed.kind, parsed.name))
    if opener is None:
        raise VestigeError(f"{spec!r}: no such backbone; there is efficientnet_lite0")
    return opener(parsed)
