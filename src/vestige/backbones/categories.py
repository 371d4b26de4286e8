"""The names of what a network tells apart, in the order of its scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vestige.backbones.backbone import Backbone
from vestige.documents import decode_text
from vestige.errors import VestigeError
from vestige.files import what_is
from vestige.spec import BackboneSpec

OPTION = "categories"

_PLACES = re.compile(r"/\w/(\S+)\s+\d+")
"""A line of the Places releases' own files: ``/a/airport_terminal 1``."""


def with_categories(spec: BackboneSpec, opener: Callable[[BackboneSpec], Backbone]) -> Backbone:
    """Open a backbone, whose categories ``,categories=FILE`` may name, whatever its kind.

    Raises:
        VestigeError: where the file holds no names; and what ``opener`` raises.
    """
    if OPTION not in spec.options:
        return opener(spec)
    if not spec.options[OPTION]:
        raise VestigeError(f"{spec.text!r}: expected categories=FILE, a text file with one name a line")
    names = read_categories(Path(spec.options[OPTION]))
    others = {key: value for key, value in spec.options.items() if key != OPTION}
    backbone = opener(replace(spec, options=others))
    backbone.categories = names
    return backbone


def read_categories(path: Path) -> tuple[str, ...]:
    """The names of a text file, one a line; of ``/a/airport_terminal 1``, the Places releases' form, the name alone.

    Raises:
        VestigeError: where the file is missing, no text, or holds an empty line among its names.
    """
    if what_is(path) != "file":
        raise VestigeError(f"{path}: no such file; expected the names of categories, one a line")
    try:
        text = decode_text(path.read_bytes())
    except OSError as error:
        raise VestigeError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise VestigeError(f"{path}: {error}, one name a line") from error
    lines = [line.strip() for line in text.rstrip().split("\n")]
    empty = next((number for number, line in enumerate(lines, 1) if not line), None)
    if empty is not None:
        raise VestigeError(f"{path}, line {empty}: holds no name; expected one category a line")
    return tuple(places[1] if (places := _PLACES.fullmatch(line)) else line for line in lines)


def library_categories(spec: BackboneSpec, names: Iterable[Any]) -> tuple[str, ...]:
    """A library's names for its own head; none where ``,classes=N`` gave the network another head."""
    return () if "classes" in spec.options else tuple(map(str, names))
