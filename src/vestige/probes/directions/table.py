"""What ``vestige directions`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from vestige.results import Results, Row


def direction_tables(results: Results) -> list[Table]:
    """What moved."""
    return [direction_table(results)]


def direction_table(results: Results) -> Table:
    """How each attribute's own reading and the others change along its direction."""
    read = "{layer} ({readout}) of {spec}".format_map(results.backbone)
    title = f"directions: change from end to end in standard deviations, test n = {results.data['test']['n']}\n{read}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    columns = ("own", "other half", "re-encoded", "95 % CI", "leak", "leak, other half", "leak, re-encoded")
    for name in ("attribute", "direction", *columns):
        table.add_column(name, justify="left" if name in ("attribute", "direction") else "right")
    found = {(row.method, row.subset, row.metric): row for row in results.rows}
    for method, subset in dict.fromkeys((row.method, row.subset) for row in results.rows if row.metric == "change"):
        again = found.get((method, subset, "change_reencoded"))
        interval = "" if again is None or again.ci95 is None else f"{again.ci95[0]:.2f} to {again.ci95[1]:.2f}"
        cells = [_number(found.get((method, subset, f"change{kind}"))) for kind in ("", "_other_half", "_reencoded")]
        leaks = [_leak(results, method, subset, f"leak{kind}") for kind in ("", "_other_half", "_reencoded")]
        table.add_row(subset, "plain" if method == "ridge" else method, *cells, interval, *leaks)
    return table


def _number(row: Row | None) -> str:
    return "" if row is None else f"{row.value:.2f}"


def _leak(results: Results, method: str, subset: str, metric: str) -> str:
    """The mean size of the leaks into other readings."""
    rows = [row for row in results.rows if (row.method, row.metric) == (method, metric)]
    own = [abs(row.value) for row in rows if row.subset.startswith(f"{subset} > ")]
    if subset == "all":
        return _number(next((row for row in rows if row.subset == "all"), None))
    return f"{sum(own) / len(own):.2f}" if own else ""
