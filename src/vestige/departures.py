"""What is not as in the papers: options whose default is another, and metrics and methods that they do not have.

An option says so in its field (``paper`` of :func:`vestige.options.option`), a metric or a method in its ``paper``.
What a run has of them stands in its notes, and so in results.json and on its page; below its table the command line
says only that there are some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row

_SAID = {
    "options": "Options that are not the paper's",
    "metrics": "Metrics that the paper does not report",
    "methods": "Methods that the paper does not have",
}
"""How the notes begin."""


def departures(
    options: Iterable[Any], rows: Iterable[Row], metrics: Mapping[str, Metric], methods: Mapping[str, Method]
) -> tuple[str, ...]:
    """What of a run is not its paper's, as notes.

    Args:
        options: the dataclasses that it was made with.
        rows: that it measured.
        metrics: what their metrics are.
        methods: what their methods are.
    """
    rows = list(rows)
    changed = [
        f"{each.name} = {getattr(own, each.name)} (there {each.metadata['paper']})"
        for own in options
        for each in fields(own)
        if "paper" in each.metadata and getattr(own, each.name) != each.metadata["paper"]
    ]
    found = {
        "options": changed,
        "metrics": [n for n in _names(rows, "metric") if not metrics[n].paper],
        "methods": [n for n in _names(rows, "method") if not methods[n].paper],
    }
    return tuple(f"{_SAID[what]}: {', '.join(names)}." for what, names in found.items() if names)


def in_short(notes: Iterable[str]) -> tuple[str, ...]:
    """Notes with those on departures as one line, the last, that says where to read them."""
    notes = tuple(notes)
    kinds = [kind for kind, said in _SAID.items() if any(note.startswith(said) for note in notes)]
    rest = tuple(note for note in notes if not note.startswith(tuple(_SAID.values())))
    return (*rest, f"Not all as in the paper ({', '.join(kinds)}): the report says what.") if kinds else rest


def _names(rows: Iterable[Row], of: str) -> list[str]:
    return list(dict.fromkeys(getattr(row, of) for row in rows))
