"""What a caller hands in from Python, checked against the types that options have, before anything is done."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vestige.errors import VestigeError, choice

_SHOWN = 60  # characters of a value that a message repeats

_WORDS: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    Path: "a path",
    NoneType: "None",
}


class _MisfitError(Exception):
    """A value is not of a type."""


def as_type(name: str, value: Any, hint: Any) -> Any:
    """A value as a type has it: lists become tuples, texts paths, numbers of NumPy's Python's own.

    Args:
        name: by which the caller gave it.
        value: that was given.
        hint: a plain type, a union, a ``Literal`` or a ``tuple[T, ...]``; values of any other are taken as they are.

    Raises:
        VestigeError: saying what was expected.
    """
    try:
        return _fitted(value, hint)
    except _MisfitError:
        shown = repr(value)
        kind = type(value).__name__
        said = f"{kind} {shown}" if len(shown) <= _SHOWN and "\n" not in shown and value is not None else kind
        if get_origin(hint) is Literal and isinstance(value, str):
            raise VestigeError(f"{name}: is {shown}; {choice(value, map(str, get_args(hint)))}") from None
        raise VestigeError(f"{name}: is {said}; expected {_words(hint)}") from None


def _fitted(value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for each in get_args(hint):
            try:
                return _fitted(value, each)
            except _MisfitError:
                continue
        raise _MisfitError
    if origin is Literal:
        if not any(type(value) is type(each) and value == each for each in get_args(hint)):
            raise _MisfitError
        return value
    if origin is tuple:
        return _fitted_tuple(value, get_args(hint))
    if _is_numpys(value, "generic"):
        value = value.item()
    if hint is int or hint is float:
        if isinstance(value, bool) or not isinstance(value, Integral if hint is int else Real):
            raise _MisfitError
        number: Any = value
        return hint(number)
    if hint is Path:
        if not isinstance(value, str | Path) or not str(value):
            raise _MisfitError
        return Path(value)
    if isinstance(hint, type) and not isinstance(value, hint):
        raise _MisfitError
    return value


def _fitted_tuple(value: Any, inner: tuple[Any, ...]) -> tuple[Any, ...]:
    array = _is_numpys(value, "ndarray")
    if not (array or isinstance(value, list | tuple)) or (array and value.ndim != 1):
        raise _MisfitError
    several = len(inner) == 2 and inner[1] is Ellipsis
    if not several and len(value) != len(inner):
        raise _MisfitError
    kinds = [inner[0]] * len(value) if several else inner
    return tuple(_fitted(one, kind) for one, kind in zip(value, kinds, strict=True))


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_words, inner)))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple:
        of = inner[:1] if len(inner) == 2 and inner[1] is Ellipsis else inner
        return f"a list of {' and '.join(_words(one).removeprefix('a ') for one in of)}"
    name = str(getattr(hint, "__name__", hint))
    return _WORDS.get(hint, f"{'an' if name[0] in 'AEIO' else 'a'} {name}")


def made_of(
    kinds: Sequence[type], given: Mapping[str, Any], types: Mapping[str, Any], of: str, without: Collection[str] = ()
) -> list[Any]:
    """One of each options dataclass, of values by name; a name that several have goes to all of them.

    Args:
        kinds: the dataclasses.
        given: name -> value.
        types: of names that the dataclasses' modules import for type checking alone.
        of: whose options they are, for messages.
        without: names of fields that are no options here.

    Raises:
        VestigeError: for a name that none of them has, a value of another type, and a value that is missing.
    """
    hints = [get_type_hints(kind, localns=dict(types)) for kind in kinds]
    known = {each.name for kind in kinds for each in _given_fields(kind) if each.name not in without}
    for name in given:
        if name not in known:
            raise VestigeError(f"{name}: is no option of {of}; {choice(name, sorted(known))}")
    values = [
        {
            each.name: _option(each, given[each.name], hint[each.name])
            for each in _given_fields(kind)
            if each.name in given
        }
        for kind, hint in zip(kinds, hints, strict=True)
    ]
    for kind, own, hint in zip(kinds, values, hints, strict=True):
        for each in _given_fields(kind):
            if each.name not in own and each.default is MISSING and each.default_factory is MISSING:
                raise VestigeError(f"{each.name}: is missing; expected {_words(hint[each.name])}")
    return [kind(**own) for kind, own in zip(kinds, values, strict=True)]


def _given_fields(kind: type) -> Iterator[Field[Any]]:
    return (each for each in fields(kind) if each.init)


def _option(each: Field[Any], value: Any, hint: Any) -> Any:
    """The value of a field; that which switches it off may be of another type."""
    off = each.metadata.get("off", MISSING)
    return off if type(value) is type(off) and value == off else as_type(each.name, value, hint)


def _is_numpys(value: Any, kind: str) -> bool:
    """Whether a value is of one of numpy's types; numpy itself, which takes long to import, is not imported for it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, kind))
