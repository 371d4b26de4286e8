"""Hugging Face's vision networks: ``hf:NAME`` from the hub or its cache, ``hf:DIRECTORY`` from disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import nn

from vestige.backbones.adapting import adapt, build, byte_scale, import_library, misfit, token_counts
from vestige.backbones.backbone import Backbone
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.weights import read_state, seeded
from vestige.errors import VestigeError
from vestige.spec import BackboneSpec, check_options

_RESAMPLE: dict[int, Literal["bilinear", "bicubic", "lanczos"]] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers for its filters, as preprocessor_config.json has them."""


def open_huggingface(spec: BackboneSpec) -> Backbone:
    """``hf:NAME_OR_DIRECTORY`` with its weights, ``@PATH`` or ``@random:SEED``.

    The network comes from ``config.json``, its preprocessing from ``preprocessor_config.json``; of a network of images
    and texts the vision tower is taken. With ``,classifier`` it has its head, whose categories ``config.json`` names.
    No code from a repository is run.

    Raises:
        VestigeError: where transformers is missing, or a configuration is missing or of no vision network.
    """
    check_options(spec.text, spec.options, ("classifier",))
    transformers = import_library("transformers", spec)
    processing = import_library("transformers.image_processing_base", spec)
    try:
        config = transformers.AutoConfig.from_pretrained(spec.name, trust_remote_code=False)
        described, _ = processing.ImageProcessingMixin.get_image_processor_dict(spec.name)
    except (OSError, ValueError) as error:
        raise VestigeError(
            f"{spec.text!r}: needs config.json and preprocessor_config.json, from the hub, its cache or a directory of "
            f"yours as in hf:DIRECTORY@random:0 ({_first_line(error)})"
        ) from error
    try:
        classifier = "classifier" in spec.options
        auto = transformers.AutoModelForImageClassification if classifier else transformers.AutoModel
    except RuntimeError as error:  # transformers imports torchvision late
        raise misfit(spec, error) from error
    if spec.weights is not None:
        module = _from_file(auto, config, Path(spec.weights))
    else:
        module = build(
            spec,
            lambda: auto.from_config(config, trust_remote_code=False),
            lambda: auto.from_pretrained(spec.name, trust_remote_code=False),
        )
    module = _vision(module)
    prefix, registers = token_counts(module)
    names = _categories(config) if classifier else ()
    preprocessing = _preprocessing(described, spec)
    return adapt(spec, module, preprocessing, prefix=prefix, registers=registers, categories=names)


def _categories(config: Any) -> tuple[str, ...]:
    """The names in a configuration; none where they only number the categories, as transformers' own default does."""
    names = tuple(str(name) for _, name in sorted((int(key), name) for key, name in config.id2label.items()))
    return () if all(name == f"LABEL_{number}" for number, name in enumerate(names)) else names


def _from_file(auto: Any, config: Any, path: Path) -> nn.Module:
    """A network with the weights of a file, whose names transformers translates (they change between its versions).

    The pooler, which checkpoints of classifiers lack, may be missing, and heads may be over; nothing else.
    """
    state = read_state(path)
    try:
        with seeded(0):
            network_class = type(auto.from_config(config, trust_remote_code=False))
            module, told = network_class.from_pretrained(
                None, config=config, state_dict=state, output_loading_info=True
            )
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise VestigeError(f"{path}: these are not the weights of this network ({_first_line(error)})") from error
    missing = [name for name in told["missing_keys"] if "pooler." not in name]
    wrong = [str(name[0] if isinstance(name, tuple) else name) for name in told.get("mismatched_keys", ())]
    for what, names in (("missing", missing), ("of the wrong shape", wrong)):
        if names:
            listed = ", ".join(sorted(names)[:3])
            raise VestigeError(f"{path}: these are not the weights of this network: {len(names)} {what} ({listed})")
    network: nn.Module = module
    return network


def _vision(module: nn.Module) -> nn.Module:
    tower = getattr(module, "vision_model", module)
    return tower if isinstance(tower, nn.Module) else module


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _preprocessing(described: Mapping[str, Any], spec: BackboneSpec) -> Preprocessing:
    """Preprocessing from a processor's description.

    ``crop_size`` is what the network sees where there is a centre crop, else ``size``. A ``shortest_edge`` alone is the
    side of a square, which ConvNeXt's processor crops from a picture larger by ``1 / crop_pct``.
    """
    resized = _sides(described.get("size"))
    cropped = _sides(described.get("crop_size")) if described.get("do_center_crop") else None
    size = cropped or resized
    if size is None:
        raise VestigeError(f"{spec.text!r}: its preprocessor_config.json gives no size or crop_size in pixels")
    fraction = float(described.get("crop_pct") or 1.0)
    if cropped and resized and described.get("do_resize", True):
        fraction = min(1.0, cropped[0] / resized[0])
    normalised = described.get("do_normalize", True)
    unit = float(described.get("rescale_factor", 1 / 255)) * 255.0 if described.get("do_rescale", True) else 255.0
    mean = byte_scale(described.get("image_mean", 0.5) if normalised else 0.0)
    std = byte_scale(described.get("image_std", 0.5) if normalised else 1.0)
    return Preprocessing(
        size,
        (mean[0] / unit, mean[1] / unit, mean[2] / unit),
        (std[0] / unit, std[1] / unit, std[2] / unit),
        interpolation=_RESAMPLE.get(int(described.get("resample") or 2), "bilinear"),
        crop_fraction=fraction,
    )


def _sides(size: Any) -> tuple[int, int] | None:
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping):
        height, width = size.get("height"), size.get("width")
        edge = size.get("shortest_edge")
        if isinstance(height, int) and isinstance(width, int):
            return height, width
        if isinstance(edge, int):
            return edge, edge
    return None
