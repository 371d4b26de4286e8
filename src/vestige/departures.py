"""What is not as in the papers: options whose default is another, and metrics and methods that they do not have.

An option says so in its field (``paper`` of :func:`vestige.options.option`), a metric or a method in its ``paper``.
What a run has of them stands in its notes, and so in results.json, on its page and below its table on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row


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
    said = {
        "Options that are not the paper's": changed,
        "Metrics that the paper does not report": [n for n in _names(rows, "metric") if not metrics[n].paper],
        "Methods that the paper does not have": [n for n in _names(rows, "method") if not methods[n].paper],
    }
    return tuple(f"{what}: {', '.join(names)}." for what, names in said.items() if names)


def _names(rows: Iterable[Row], of: str) -> list[str]:
    return list(dict.fromkeys(getattr(row, of) for row in rows))
