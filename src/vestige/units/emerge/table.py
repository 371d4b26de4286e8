"""What ``vestige units emerge`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from vestige.results import Results, Row

_WITH = {"frequency": "frequency", "informativeness": "times best", "gain": "AP gain"}

_GIVEN = {
    "frequency_given": "frequency, best fixed",
    "informativeness_given": "best, frequency fixed",
    "frequency_given_gain": "frequency, gain fixed",
    "gain_given": "gain, frequency fixed",
}


def emerge_tables(results: Results) -> list[Table]:
    """The correlations of each layer, also with another held fixed, and what else is measured."""
    run = results.config["labels"]
    title = f"units per object of the run {run}, correlated with how frequent and informative it is"
    given = "the same, each with another held fixed"
    return [_correlations(results, title, _WITH), _correlations(results, given, _GIVEN), _others(results)]


def _correlations(results: Results, title: str, columns: dict[str, str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    table = RichTable(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("layer", "over"):
        table.add_column(name)
    for name in columns.values():
        table.add_column(name, justify="right")
    found = {(row.method, row.metric, row.subset): row for row in results.rows}
    for metric in (name for name in results.metrics if name.partition("@")[0] in ("pearson", "spearman")):
        for layer in dict.fromkeys(row.subset for row in results.rows if row.metric == metric):
            rows = [found.get((method, metric, layer)) for method in columns]
            over = f"top {metric.partition('@')[2]}" if "@" in metric else "all"
            ranks = ", ranks" if metric.startswith("spearman") else ""
            table.add_row(layer, f"{over}{ranks}", *map(_cell, rows))
    table.caption = "in brackets: 95 % intervals over units and pictures"
    return table


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row.value:.2f}" + ("" if row.ci95 is None else f" ({row.ci95[0]:.2f}, {row.ci95[1]:.2f})")


def _others(results: Results) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    table = RichTable(box=SIMPLE_HEAD)
    table.add_column("of")
    table.add_column("what")
    table.add_column("value", justify="right")
    for row in results.rows:
        metric = results.metrics[row.metric]
        of = row.subset if row.method == "units" else "" if row.method == "data" else results.methods[row.method].label
        if row.subset == "all" or row.method == "units":
            value = f"{100 * row.value:.0f} %" if metric.shown == "percent" else f"{row.value:.4g}"
            table.add_row(of, metric.label, value)
    return table
