"""A network that a Python program holds, as a Backbone: known by a digest of weights, structure and preprocessing."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from types import CodeType
from typing import Any

import torch
from torch import nn

from vestige.backbones.adapting import adapt, token_counts
from vestige.backbones.backbone import Backbone, hash_state
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.weights import draw_weights
from vestige.errors import VestigeError
from vestige.spec import HELD, parse_backbone_spec

_DIGITS = 16  # of the digest that stands in a spec


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
