"""What a method is: how a reader meets it, and how charts draw it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

ACCENTS = ("blue", "orange", "green", "purple", "ochre", "teal", "crimson", "stone")
"""The names of the colours that tell series apart, in the order in which they are taken."""

Dash = Literal["solid", "dotted", "dashed", "dashdot"]


@dataclass(frozen=True)
class Method:
    """A way to a number; ``results.json`` holds those of a run by name, in the order of its tables.

    Attributes:
        label: for readers.
        colour: of the palette (see :mod:`vestige.report.style`).
        dash: of lines, so that none is identified by its colour alone.
        marker: of points, as matplotlib names it.
        trained: whether the network's training has a share in it.
        paper: whether the paper has it; a control that it does not have says so where it is printed.
    """

    label: str
    colour: str = "stone"
    dash: Dash = "solid"
    marker: str = "o"
    trained: bool = True
    paper: bool = True


MEAN = Method("Mean", "grey", "dotted", "|", trained=False)
RGB = Method("Pixels (RGB)", "ochre", "dashed", "s", trained=False)
UNTRAINED = Method("Untrained network", "slate", "dashdot", "^", trained=False, paper=False)
RIDGE = Method("Network + ridge", "blue")
PROBES: Mapping[str, Method] = {"mean": MEAN, "rgb": RGB, "untrained": UNTRAINED, "ridge": RIDGE}
"""The methods of every probe."""


def describe_methods(names: Iterable[str], known: Mapping[str, Method] | Callable[[str], Method]) -> dict[str, Method]:
    """What each method of a run is: those of a table in its order, then others in that of their rows.

    Args:
        names: of the methods in its rows.
        known: the task's table, or what makes a Method of a name.
    """
    found = dict.fromkeys(names)
    if callable(known):
        return {name: known(name) for name in found}
    ordered = [*(name for name in known if name in found), *(name for name in found if name not in known)]
    return {name: known.get(name, Method(name)) for name in ordered}
