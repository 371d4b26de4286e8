"""timm's networks: ``timm:NAME`` or ``timm:NAME.TAG``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from vestige.backbones.adapting import adapt, build, byte_scale, import_library, whole_number
from vestige.backbones.backbone import Backbone
from vestige.backbones.categories import library_categories
from vestige.backbones.preprocessing import Preprocessing
from vestige.errors import VestigeError, near_names
from vestige.spec import BackboneSpec, check_options

_INTERPOLATION: dict[str, Literal["bilinear", "bicubic", "lanczos"]] = {"bicubic": "bicubic", "lanczos": "lanczos"}


def open_timm(spec: BackboneSpec) -> Backbone:
    """``timm:NAME`` with its pretrained weights, ``@PATH`` or ``@random:SEED``; ``,classes=N`` sizes the head.

    Preprocessing is that of the network's pretrained configuration.

    Raises:
        VestigeError: where timm is missing, or has no such network.
    """
    check_options(spec.text, spec.options, ("classes",))
    timm = import_library("timm", spec)
    if not timm.is_model(spec.name.split(".")[0]):
        near = near_names(spec.name, timm.list_models(), n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() names them all"
        raise VestigeError(f"{spec.text!r}: timm has no network {spec.name!r}; {hint}")
    options = {"num_classes": whole_number(spec, "classes", 0)} if "classes" in spec.options else {}
    module = build(
        spec,
        lambda: timm.create_model(spec.name, pretrained=False, **options),
        lambda: timm.create_model(spec.name, pretrained=True),
    )
    config = timm.data.resolve_data_config({}, model=module)
    prefix, registers = _tokens(module)
    names = library_categories(spec, _categories(timm.data, module))
    return adapt(spec, module, _preprocessing(config), prefix=prefix, registers=registers, categories=names)


def _categories(data: Any, module: nn.Module) -> Sequence[str]:
    """A network's own names, or those of the part of ImageNet that its configuration or the size of its head tells."""
    named = getattr(module, "pretrained_cfg", {}).get("label_names")
    if named:
        return tuple(named)
    subset = data.infer_imagenet_subset(module) if getattr(module, "num_classes", 0) else None
    return tuple(data.ImageNetInfo(subset).label_descriptions()) if subset else ()


def _tokens(module: nn.Module) -> tuple[int, int]:
    """(class tokens, further tokens before the patches): timm's transformers count both kinds together."""
    total = int(getattr(module, "num_prefix_tokens", 0) or 0)
    prefix = min(total, int(getattr(module, "cls_token", None) is not None))
    return prefix, total - prefix


def _preprocessing(config: dict[str, Any]) -> Preprocessing:
    _, height, width = config["input_size"]
    return Preprocessing(
        (height, width),
        byte_scale(config["mean"]),
        byte_scale(config["std"]),
        interpolation=_INTERPOLATION.get(config["interpolation"], "bilinear"),
        crop_fraction=float(config["crop_pct"]),
    )
