"""What was tried, as a table: every layer and setting with its score on training folds, the chosen ones marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from vestige.results import Results

ON_FOLDS = ("oof_", "cv_", "train_")
"""What the names of metrics on training data begin with: they choose, and are never of the test set."""

MARK = "*"
"""Before what was chosen."""


@dataclass
class Tried:
    """One thing that was tried.

    Attributes:
        method, layer, readout, setting: what; empty where they do not vary.
        folds: its scores on training folds, one for each seed.
        test: its scores on the test examples, where it was measured on them.
        chosen: whether it was taken.
    """

    method: str
    layer: str
    readout: str
    setting: str
    folds: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    chosen: bool = False


def tried(results: Results) -> tuple[str, list[Tried]]:
    """The metric that was chosen by, and what was tried, untrained networks last; their seeds are one entry."""
    selection = next((row.metric for row in results.sweep if row.metric.startswith(ON_FOLDS)), "")
    metric = selection.partition("_")[2]
    subsets = {row.subset for row in results.sweep if row.metric == selection}  # parts of the test set choose nothing
    found: dict[tuple[str, ...], Tried] = {}
    for row in sorted(results.sweep, key=lambda row: row.method == "untrained"):
        if row.method.startswith("look-back"):
            continue  # it is made for the layer that was chosen, and chooses none
        if row.metric in (selection, metric) and row.subset in subsets:
            key = (row.method, row.layer or "", row.readout or "", "" if row.subset == "all" else row.subset)
            one = found.setdefault(key, Tried(*key))
            (one.folds if row.metric == selection else one.test).append(row.value)
    _mark(list(found.values()), results.backbone, by_layer=selection.startswith("oof_"))
    return metric, list(found.values())


def _mark(entries: list[Tried], backbone: Mapping[str, object], *, by_layer: bool) -> None:
    """Mark the run's layer, or where settings were tried the highest score of each method."""
    if by_layer:
        for one in entries:
            read = (one.layer, one.readout) == (backbone.get("layer"), backbone.get("readout"))
            one.chosen = read and one.method != "untrained"
        return
    methods = defaultdict(list)
    for one in entries:
        if one.folds:
            methods[one.method].append(one)
    for group in methods.values():
        max(group, key=lambda one: one.folds[0]).chosen = True


def sweep_table(results: Results) -> Table | None:
    """What was tried on the way to the results; None where there was nothing to choose."""
    metric, entries = tried(results)
    if len(entries) == len({one.method for one in entries}):
        return None
    table = Table(title=f"tried: {metric}\nchosen on training folds: {MARK}", title_justify="left", box=SIMPLE_HEAD)
    named = ("method", "layer", "readout", "setting")
    shown = [name for name in named if any(getattr(one, name) for one in entries)]
    for heading in ("", *shown):
        table.add_column(heading, no_wrap=True)
    scores = [name for name in ("folds", "test") if any(getattr(one, name) for one in entries)]
    for heading in scores:
        table.add_column(heading, justify="right")
    for one in entries:
        cells = [str(getattr(one, name)) for name in shown]
        table.add_row(MARK if one.chosen else "", *cells, *(_number(getattr(one, name)) for name in scores))
    return table


def _number(values: list[float]) -> str:
    """The mean of values, and over how many seeds it is where there are several."""
    seeds = f" (mean of {len(values)})" if len(values) > 1 else ""
    return f"{sum(values) / len(values):.4f}{seeds}" if values else ""
