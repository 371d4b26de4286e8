"""torchvision's classification networks: ``torchvision:NAME``."""

from __future__ import annotations

from typing import Any

from vestige.backbones.adapting import adapt, build, byte_scale, import_library, token_counts, whole_number
from vestige.backbones.backbone import Backbone
from vestige.backbones.categories import library_categories
from vestige.backbones.preprocessing import Preprocessing
from vestige.errors import VestigeError, near_names
from vestige.spec import BackboneSpec, check_options

_INCEPTION = ("googlenet", "inception_v3")


def open_torchvision(spec: BackboneSpec) -> Backbone:
    """``torchvision:NAME`` with its pretrained weights, ``@PATH`` or ``@random:SEED``; ``,classes=N`` sizes the head.

    Preprocessing is that of the network's default weights.

    Raises:
        VestigeError: where torchvision is missing or does not fit torch, or has no such classification network.
    """
    check_options(spec.text, spec.options, ("classes",))
    models = import_library("torchvision.models", spec)
    names = models.list_models(module=models)
    if spec.name not in names:
        near = near_names(spec.name, names, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "see https://pytorch.org/vision/stable/models.html"
        raise VestigeError(f"{spec.text!r}: torchvision has no classification network {spec.name!r}; {hint}")
    defaults = models.get_model_weights(spec.name).DEFAULT
    options: dict[str, Any] = {"num_classes": whole_number(spec, "classes", 1000)}
    if spec.name in _INCEPTION:  # what its pretrained weights switch on; without, torchvision warns
        options |= {"init_weights": spec.weights is None, "transform_input": True}
    module = build(
        spec,
        lambda: models.get_model(spec.name, weights=None, **options),
        lambda: models.get_model(spec.name, weights=defaults),
    )
    prefix, registers = token_counts(module)
    names = library_categories(spec, defaults.meta.get("categories", ()))
    preprocessing = _preprocessing(defaults.transforms())
    return adapt(spec, module, preprocessing, prefix=prefix, registers=registers, categories=names)


def _preprocessing(transforms: Any) -> Preprocessing:
    side, resized = transforms.crop_size[0], transforms.resize_size[0]
    return Preprocessing(
        (side, side),
        byte_scale(transforms.mean),
        byte_scale(transforms.std),
        interpolation=transforms.interpolation.value,
        crop_fraction=side / resized,
    )
