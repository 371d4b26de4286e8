"""What is printed of photographs that a dissection's units looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from vestige.results import Results


def photograph_tables(results: Results) -> list[Table]:
    """A line a number."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    title = f"{results.task}: {results.backbone['layer']} of {results.backbone['spec']}"
    table = RichTable(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("picture")
    table.add_column("what")
    table.add_column("value", justify="right")
    for row in results.rows:
        metric = results.metrics[row.metric]
        value = f"{100 * row.value:.1f} %" if metric.shown == "percent" else f"{row.value:.3g}"
        table.add_row(row.subset, metric.label, value)
    return [table]
