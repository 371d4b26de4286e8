"""Backbone specs to Backbones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache

from torch import Tensor, nn

from vestige.backbones.adapting import import_library
from vestige.backbones.backbone import Backbone
from vestige.backbones.caffe import open_caffe
from vestige.backbones.categories import with_categories
from vestige.backbones.drawn_networks import open_drawn_network
from vestige.backbones.efficientnet_lite import open_efficientnet_lite0
from vestige.backbones.huggingface import open_huggingface
from vestige.backbones.own_networks import open_own_network
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.timm_networks import open_timm
from vestige.backbones.torchvision_networks import open_torchvision
from vestige.errors import VestigeError, near_names
from vestige.plugins import Plugins, guarded, plugins
from vestige.spec import HELD, BackboneSpec, check_options, parse_backbone_spec, whole_number
from vestige.spelling import either

_RGB = "rgb"
_LARGEST_RGB = 1024  # pixels a side: three million values a picture


class _Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rgb = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        pixels: Tensor = self.rgb(x)
        return pixels


def open_rgb(spec: BackboneSpec) -> Backbone:
    """``rgb:SIZE``: the picture resized to SIZE x SIZE, values in [0, 1], as the one layer ``rgb``.

    ``rgb:46`` is the baseline of the papers.

    Raises:
        VestigeError: where SIZE is no number of pixels.
    """
    check_options(spec.text, spec.options, ())
    if spec.weights is not None or spec.seed is not None:
        raise VestigeError(f"{spec.text!r}: rgb has no weights; write rgb:46")
    size = whole_number(spec.text, f"rgb:SIZE is {spec.name!r}", spec.name, 1, _LARGEST_RGB)
    preprocessing = Preprocessing((size, size), mean=(0.0,) * 3, std=(255.0,) * 3)
    return Backbone(spec.text, _Pixels(), preprocessing, {_RGB: "rgb"})


Opener = Callable[[BackboneSpec], Backbone]

_OPENERS: dict[str, Opener] = {
    "efficientnet_lite0": open_efficientnet_lite0,
    "scene_cnn": open_drawn_network,
    "object_cnn": open_drawn_network,
    "rgb:": open_rgb,
    "caffe:": open_caffe,
    "torchvision:": open_torchvision,
    "timm:": open_timm,
    "hf:": open_huggingface,
    "python:": open_own_network,
}
"""What opens a network: one without a kind by its name, any other by its kind with a colon."""


GROUP = "vestige.backbones"
"""The entry points by which other packages bring families: each names a function that opens a BackboneSpec."""


def open_backbone(spec: str) -> Backbone:
    """The backbone that a spec names.

    Raises:
        VestigeError: where there is no such backbone, or its weights cannot be read.
    """
    parsed = parse_backbone_spec(spec)
    if parsed.kind == HELD:
        raise VestigeError(
            f"{spec!r}: is a network that a Python program held, and opens from no file; "
            + either(
                "use it from Python: vestige.open_run(RUN).evaluate(DATA, backbone=(module, preprocessing))",
                "give the same network again: backbone=(module, preprocessing)",
            )
        )
    plugged = _from_plugins()  # for vestige's own backbones, too, so that a plug-in that cannot be used is named
    if parsed.kind in plugged.failed:
        raise VestigeError(f"{spec!r}: the plug-in {parsed.kind!r} {plugged.failed[parsed.kind]}")
    opener = _OPENERS.get(f"{parsed.kind}:" if parsed.kind else parsed.name) or plugged.found.get(parsed.kind)
    if opener is None:
        near = _near(parsed)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        kinds = ", ".join(_families())
        raise VestigeError(
            f"{spec!r}: no such backbone; {hint}expected efficientnet_lite0, scene_cnn, object_cnn, or a name after "
            f"one of {kinds} as in torchvision:resnet50"
        )
    return with_categories(parsed, opener)


def _families() -> list[str]:
    """The kinds of backbones with their colons: vestige's own, and those of plug-ins."""
    return [*(key for key in _OPENERS if key.endswith(":")), *(f"{name}:" for name in _from_plugins().found)]


@cache
def _from_plugins() -> Plugins[Opener]:
    own = {HELD, *(key.removesuffix(":") for key in _OPENERS)}
    return plugins(GROUP, own, "a function from a vestige.spec.BackboneSpec to a Backbone", _opener)


def _opener(_name: str, loaded: object) -> Opener | None:
    """A plug-in's function; whatever else it raises or returns is an error that names it."""
    if not callable(loaded):
        return None

    def opened(spec: BackboneSpec) -> Backbone:
        with guarded(f"{spec.text!r}: the plug-in {spec.kind!r}"):
            backbone: object = loaded(spec)
        if isinstance(backbone, Backbone):
            return backbone
        raise VestigeError(
            f"{spec.text!r}: the plug-in {spec.kind!r} returned {type(backbone).__name__}; expected a "
            "vestige.backbones.Backbone, as vestige.backbones.adapting.adapt makes it"
        )

    return opened


def _near(spec: BackboneSpec) -> list[str]:
    """Backbones that an unknown name or kind may stand for."""
    if spec.kind:
        return [f"{key}{spec.name}" for key in near_names(f"{spec.kind}:", _families())]
    if "/" in spec.name:
        return [f"hf:{spec.name}"]
    own = near_names(spec.name, (key for key in _OPENERS if not key.endswith(":")))
    return own or [f"{kind}:{name}" for kind, names in _named(spec) for name in _alike(spec.name, names)]


def _alike(name: str, names: Sequence[str]) -> Sequence[str]:
    """The first network whose name begins with this one, or one of nearly the same spelling."""
    return [each for each in names if each.startswith(name)][:1] or near_names(name, names, alike=0.8)


def _named(spec: BackboneSpec) -> Iterator[tuple[str, Sequence[str]]]:
    """The networks that have names, by kind; of the libraries that can be imported here."""
    yield "caffe", ("caffenet", "alexnet")
    with suppress(VestigeError):
        models = import_library("torchvision.models", spec)
        yield "torchvision", models.list_models(module=models)
    with suppress(VestigeError):
        yield "timm", import_library("timm", spec).list_models()
