"""What is printed of people's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vestige.text import count, signed, value_range
from vestige.units.annotations.answers import GROUPS, RELEASE_GROUPS, shown_group

if TYPE_CHECKING:
    from rich.table import Table

    from vestige.results import Results, Row

_COLUMNS = {
    "units": "units",
    "precision": "precision",
    "alpha": "alpha of groups",
    "equal_words": "equal words",
    "failed": "failed",
    "same_as_masks": "same as masks",
}


def annotation_tables(results: Results) -> list[Table]:
    """Each layer's precision and agreement, and how many of its units are in each group."""
    found = {(row.metric, row.subset): row for row in results.rows if row.method == "people"}
    layers = tuple(dict.fromkeys(row.subset for row in results.rows))
    source = results.data["answers"]
    title = f"annotations: {count(source['n'], 'answer')}, {source['spec']}"
    numbers = {metric: name for metric, name in _COLUMNS.items() if any((metric, each) in found for each in layers)}
    tables = [_table(title, numbers, layers, found)]
    for six, whose in ((GROUPS, ""), (RELEASE_GROUPS, " of the authors' release, which are not the paper's")):
        if set(six) <= set(results.config["groups"]):
            groups = {f"units@{group}": shown_group(group) for group in six}
            tables.append(_table(f"units of each group{whose}, shared out where people differ", groups, layers, found))
    return tables


def _table(title: str, columns: dict[str, str], layers: Sequence[str], found: dict[tuple[str, str], Row]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    table = RichTable(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("layer")
    for name in columns.values():
        table.add_column(name, justify="right")
    for layer in layers:
        table.add_row(layer, *(_cell(metric, found.get((metric, layer))) for metric in columns))
    return table


def _cell(metric: str, row: Row | None) -> str:
    if row is None:
        return ""
    if metric == "units":
        return f"{row.value:.0f}"
    digits = 1 if "@" in metric else 3
    return signed(row.value, digits) + (f" ({value_range(row.ci95, digits)})" if row.ci95 and digits == 3 else "")
