"""Networks of one's own: that of a function, ``python:MODULE:FUNCTION``, and one that a Python program holds.

The latter is known by a digest of weights, structure and preprocessing.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
from collections.abc import Sequence
from types import CodeType
from typing import Any

import torch
from torch import nn

from vestige.backbones.adapting import adapt, build, byte_scale, token_counts, whole_number
from vestige.backbones.backbone import Backbone, hash_state
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.weights import draw_weights, seeded
from vestige.errors import VestigeError
from vestige.spec import HELD, BackboneSpec, check_options, parse_backbone_spec
from vestige.trust import note_opened

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_DIGITS = 16  # of the digest that stands in a spec


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
    except Exception as error:  # the user's own function, too
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


def held_backbone(
    module: nn.Module, preprocessing: Preprocessing, name: str = "network", categories: Sequence[str] = ()
) -> Backbone:
    """A copy of a network as a Backbone, whose spec is ``module:NAME,sha256=DIGEST``.

    Raises:
        VestigeError: where it is no network, does not run on its input's size, or cannot be copied.
    """
    if not isinstance(module, nn.Module):
        raise VestigeError(f"module: is {type(module).__name__}; expected a torch.nn.Module")
    if not isinstance(preprocessing, Preprocessing):
        raise VestigeError(f"preprocessing: is {type(preprocessing).__name__}; expected a vestige.Preprocessing")
    if not isinstance(name, str) or not name or set(name) & set(",@:\\"):
        raise VestigeError(f"name: is {name!r}; expected a word without commas, colons, @ and backslashes")
    module = _copied(module)
    structure = describe_structure(module)
    parts = (hash_state(module.state_dict()), structure, preprocessing.fingerprint())
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]
    backbone = _adapted(f"{HELD}:{name},sha256={digest}", module, preprocessing, structure)
    backbone.categories = tuple(categories)
    return backbone


def untrained_twin(backbone: Backbone, spec: str) -> Backbone:
    """The same network with the random weights of a spec's seed, drawn by its modules' own ``reset_parameters``.

    Raises:
        VestigeError: where some of its parameters are of modules that have no such method.
    """
    module = copy.deepcopy(backbone.module)
    draw_weights(module, parse_backbone_spec(spec).seed or 0, backbone.spec)
    twin = _adapted(spec, module, backbone.preprocessing, backbone.structure)
    twin.categories = backbone.categories
    return twin


def describe_structure(module: nn.Module) -> str:
    """What tells a network from others of the same weights: its modules' classes, their settings and their code."""
    lines = [repr(module)]
    for path, part in module.named_modules():
        kind = type(part)
        settings = {**dict(part.named_buffers(recurse=False)), **vars(part)}
        own = [f"{key}={said}" for key, value in sorted(settings.items()) if (said := _setting(value)) is not None]
        lines.append(f"{path} {kind.__module__}.{kind.__qualname__} {own!r}")
        if not kind.__module__.startswith("torch."):
            lines += [_code(each) for each in kind.__mro__ if each not in nn.Module.__mro__]
    return "\n".join(lines)


def _setting(value: Any) -> str | None:
    """The same text for the same number, text, tensor or function, or several of them; None for anything else."""
    if value is None or isinstance(value, bool | int | float | str | torch.dtype):
        return repr(value)
    if isinstance(value, torch.Tensor):
        return hash_state({"": value})
    if isinstance(value, tuple | list):
        return repr([_setting(one) for one in value])
    if isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
        return repr([(key, _setting(one)) for key, one in value.items()])
    if (code := _code_of(value)) is not None:
        return _said(code)
    return getattr(value, "__qualname__", None)


def _code(kind: type) -> str:
    """A digest of what a class's functions do."""
    found = [f"{name} {_said(code)}" for name, value in sorted(vars(kind).items()) if (code := _code_of(value))]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _code_of(value: Any) -> CodeType | None:
    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _said(code: CodeType) -> str:
    """Instructions, names and constants, those of inner functions too; not where in a file they stand."""
    constants = [_constant(each) for each in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names!r} {constants!r}"


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _said(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _copied(module: nn.Module) -> nn.Module:
    """A copy, so that training the network further changes nothing that is known under its digest."""
    try:
        return copy.deepcopy(module)
    except Exception as error:  # whatever somebody else's module holds
        raise VestigeError(f"module: {type(module).__name__} cannot be copied ({type(error).__name__})") from error


def _adapted(spec: str, module: nn.Module, preprocessing: Preprocessing, structure: str) -> Backbone:
    prefix, registers = token_counts(module)
    backbone = adapt(parse_backbone_spec(spec), module, preprocessing, prefix=prefix, registers=registers)
    backbone.structure = structure
    return backbone
