"""How an option is written: with dashes on the command line, as a parameter in Python.

Messages and notes name options by :func:`spelled`, so that each reader reads what works where they are.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_on_command_line = False

_DASHED = {
    "backbones": "--backbone",
    "categories": "--class",
    "category": "--class",
    "data": "--data",
    "databases": "--database",
    "folder": "-o",
    "groups": "--group",
    "images": "--image",
    "imported": "--import",
    "layers": "--layer",
    "moved": "--attribute",
    "names": "--attribute",
    "readouts": "--readout",
    "runs": "--run",
    "scene_names": "--names",
    "scenes": "--scene",
    "settings": "--set",
    "untrained_seeds": "--untrained",
    "whole": "--whole-picture",
}
"""Parameters whose option is not their name with dashes."""


@contextmanager
def on_command_line() -> Iterator[None]:
    """While the block runs, options are written as on the command line and not as parameters of functions."""
    global _on_command_line  # of the process, for messages are made in its threads, too
    before, _on_command_line = _on_command_line, True
    try:
        yield
    finally:
        _on_command_line = before


def is_on_command_line() -> bool:
    """Whether options are written as on the command line."""
    return _on_command_line


def either(on_the_line: str, from_python: str) -> str:
    """What a message says, where the two differ by more than the name of an option."""
    return on_the_line if _on_command_line else from_python


def spelled(name: str, value: Any = None, *, word: str = "") -> str:
    """An option as the reader writes it: ``--layer block7`` or ``layers='block7'``.

    Args:
        name: of the parameter.
        value: that it is given, or is to be given; None for the option alone.
        word: what stands in place of a value, such as ``FILE``.
    """
    if word:
        return either(f"{dashed(name)} {word}", f"{name}={word}")
    return either(shlex.join(command_words(name, value)), name if value is None else f"{name}={value!r}")


def dashed(name: str) -> str:
    """A parameter as an option of the command line: ``box_margin`` as ``--box-margin``."""
    return _DASHED.get(name, f"--{name.replace('_', '-')}")


def command_words(name: str, value: Any) -> list[str]:
    """The words that give a parameter's value on the command line; an option that takes several is repeated.

    Args:
        name: of the parameter.
        value: a number, a text or several; True and False switch the option on and off; None is the option alone.
    """
    option = dashed(name)
    if value is None or value is True:
        return [option]
    if value is False:
        return [option.replace("--", "--no-", 1)]
    if name == "look_backs" and not value:
        return ["--no-look-back"]
    values = value if isinstance(value, list | tuple) else [value]
    return [word for each in values for word in (option, str(each))]
