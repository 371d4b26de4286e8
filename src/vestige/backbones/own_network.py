"""A network of one's own: ``python:MODULE:FUNCTION``."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from vestige.backbones.adapting import adapt, build, byte_scale, token_counts, whole_number
from vestige.backbones.backbone import Backbone
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.weights import draw_weights, seeded
from vestige.errors import VestigeError
from vestige.spec import BackboneSpec, check_options
from vestige.trust import note_opened

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def open_own_network(spec: BackboneSpec) -> Backbone:
    """``python:MODULE:FUNCTION``, with ``@PATH`` or ``@random:SEED``.

    The function takes nothing and returns a network, or a network and its :class:`Preprocessing`. A network alone is
    given ImageNet's mean and standard deviation, and 224 pixels or ``,size=N``. Where it loads weights of its own,
    random ones are drawn by its modules' ``reset_parameters``. ``,registers=N`` says how many tokens
    stand between class token and patches, where the parameters' names do not tell (``register_tokens``).

    Raises:
        VestigeError: where module or function is missing, or the function fails or returns something else.
    """
    check_options(spec.text, spec.options, ("size", "registers"))
    function = _function(spec)
    found: list[Preprocessing] = []

    def make() -> nn.Module:
        with seeded(spec.seed or 0):
            module, preprocessing = _made(spec, function)
        found.append(preprocessing)
        return module

    module = make() if spec.weights is None else build(spec, make, make)
    if spec.seed is not None and _has_weights_of_its_own(spec, function, module):
        draw_weights(module, spec.seed, spec.network)
    prefix, registers = token_counts(module)
    return adapt(spec, module, found[0], prefix=prefix, registers=whole_number(spec, "registers", registers))


def _has_weights_of_its_own(spec: BackboneSpec, function: Any, module: nn.Module) -> bool:
    """Whether the function gives the same weights whatever the seed: it loads them."""
    assert spec.seed is not None
    with seeded(spec.seed + 1):
        other, _ = _made(spec, function)
    state = dict(module.named_parameters())
    return all(torch.equal(state[name], each) for name, each in other.named_parameters())


def _function(spec: BackboneSpec) -> Any:
    module_name, colon, name = spec.name.partition(":")
    if not colon or not module_name or not name:
        raise VestigeError(f"{spec.text!r}: expected python:MODULE:FUNCTION, as in python:mynetworks:build")
    note_opened(spec.network)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the user's own module may raise anything
        raise VestigeError(
            f"{spec.text!r}: module {module_name!r} cannot be imported ({type(error).__name__}: {error}); its folder "
            "must be on PYTHONPATH"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise VestigeError(f"{spec.text!r}: module {module_name!r} has no function {name!r}")
    return function


def _made(spec: BackboneSpec, function: Any) -> tuple[nn.Module, Preprocessing]:
    try:
        made = function()
    except Exception as error:  # likewise
        raise VestigeError(f"{spec.text!r}: the function failed ({type(error).__name__}: {error})") from error
    if isinstance(made, nn.Module):
        side = whole_number(spec, "size", 224)
        return made, Preprocessing((side, side), byte_scale(IMAGENET_MEAN), byte_scale(IMAGENET_STD))
    match made:
        case (nn.Module() as module, Preprocessing() as preprocessing):
            if "size" in spec.options:
                raise VestigeError(f"{spec.text!r}: the function gives its own preprocessing; leave out size=")
            return module, preprocessing
    raise VestigeError(
        f"{spec.text!r}: the function returned {type(made).__name__}; expected a torch.nn.Module, or that and a "
        "vestige.backbones.Preprocessing"
    )
