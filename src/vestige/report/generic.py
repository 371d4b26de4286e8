"""The report of a task that has no charts of its own: its rows."""

from __future__ import annotations

from collections.abc import Sequence

from vestige.report.blocks import Cell, Opening, RowGroup, Section, Table
from vestige.results import Results, Row
from vestige.run import Run
from vestige.text import network_name, signed, value_range


def generic_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report of any task opens with, and its table of rows."""
    results = [(run.name, run.results()) for run in runs]
    tables = tuple(_table(name, found, named=len(runs) > 1) for name, found in results)
    return tuple(_opening(name, found) for name, found in results), (Section("Results", "results", tables),)


def _opening(name: str, results: Results) -> Opening:
    network = network_name(str(results.backbone.get("spec", "a network")))
    return Opening(name, f"{results.task.capitalize()} read out of {network}.", f"{len(results.rows)} numbers.")


def _table(name: str, results: Results, *, named: bool) -> Table:
    subsets = dict.fromkeys(row.subset for row in results.rows)
    groups = [
        RowGroup(
            tuple(_cells(row) for row in results.rows if row.subset == subset),
            heading="" if len(subsets) == 1 else subset,
        )
        for subset in subsets
    ]
    return Table(
        caption=f"Every number of {name}" if named else "Every number of the run",
        columns=("Method", "Metric", "Value", "95 % interval", "Examples"),
        groups=tuple(groups),
    )


def _cells(row: Row) -> tuple[Cell, ...]:
    return (
        Cell(row.method),
        Cell(row.metric),
        Cell(signed(row.value, 4)),
        Cell(value_range(row.ci95, 4)),
        Cell(f"{row.n:,}"),
    )
