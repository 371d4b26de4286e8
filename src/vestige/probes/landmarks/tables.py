"""The tables of a landmark report: errors beside the published ones, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.intervals import Bootstrap, paired_difference
from vestige.published import PublishedTable, paper
from vestige.report.blocks import NONE, Cell, RowGroup, Table
from vestige.report.differences import difference_cells
from vestige.report.point_run import PointRun
from vestige.results import resampled
from vestige.text import percent, signed, value_range

SCORES = ("auc@0.08", "auc@0.10", "failure@0.08", "failure@0.10")
"""The scores beside the error, in the order of the table's columns."""


@dataclass(frozen=True)
class Published:
    """The published column that stands beside a run: of its own data set where the paper has it, else Helen's."""

    table: PublishedTable
    column: int
    short: str

    @property
    def heading(self) -> str:
        """What the column is called: always with the data set, and the points where the paper says them."""
        column = self.table.columns[self.column]
        return f"Published, on {column.name}" + (f" ({column.note})" if column.note else "")

    def value(self, method: str) -> float | None:
        """The published error of one of vestige's methods."""
        for row in self.table.rows:
            if row.method == method:
                return row.values[self.column]
        return None


def published_for(run: PointRun) -> Published | None:
    """The published numbers to show beside a run; None where its errors are a share of something else."""
    source = paper("persistent-evidence")
    table = source.table("landmarks")
    if run.metric != table.metric:
        return None
    column = table.column_for(str(run.results.data.get("test", {}).get("spec", "")))
    helen = table.column_for("helen")
    assert helen is not None  # the data file has it
    return Published(table, helen if column is None else column, source.short)


def error_table(run: PointRun, *, named: bool, others: bool = True) -> Table:
    """The paper's Table 1 with what was measured: error with its interval, area under the curve, failures.

    Args:
        run: the run.
        named: whether the caption says which run it is.
        others: whether methods that were only published have rows, too.
    """
    published = published_for(run)
    columns = ["Method", "Error", "AUC 0.08", "AUC 0.10", "Failed 0.08", "Failed 0.10"]
    groups = [RowGroup(tuple(_measured(run, method, published) for method in run.methods), heading="Measured here")]
    if published is not None:
        columns.append(published.heading)
        if others:
            groups.append(RowGroup(_published_only(published), heading=f"Published only, in {published.short}"))
    n = len(run.examples.ids)
    return Table(
        caption=(f"{run.name}: e" if named else "E") + f"rror / {run.unit}, mean over {n:,} test pictures",
        columns=tuple(columns),
        groups=tuple(groups),
        note=_note(published, resampled(run.results.data)),
    )


def _note(published: Published | None, over: str) -> str:
    note = (
        f"Small figures: 95 % bootstrap interval over {over}. "
        "AUC: area under the cumulative error curve up to "
        "that error, 1 is best. Failed: share of pictures with a larger error."
    )
    if published is None:
        return note + " The paper’s numbers are shares of the inter-ocular distance, so they are not set beside these."
    return (
        f"{note} Published: {published.table.number} of {published.short}, measured by others on other crops and "
        f"annotations; it was not measured here. {published.table.columns[published.column].remark}".strip()
    )


def _measured(run: PointRun, method: str, published: Published | None) -> tuple[Cell, ...]:
    row = run.find(method)
    assert row is not None  # methods come from the rows
    tone = "strong" if method == run.best else ""
    cells = [Cell(run.label(method), tone=tone), Cell(signed(row.value), value_range(row.ci95), tone)]
    cells += [_score(run, method, score) for score in SCORES]
    if published is not None:
        cells.append(_published(published.value(method)))
    return tuple(cells)


def _score(run: PointRun, method: str, metric: str) -> Cell:
    row, known = run.find(method, metric), run.results.metrics.get(metric)
    if row is None:
        return NONE
    return Cell(percent(row.value) if known and known.shown == "percent" else signed(row.value))


def _published(value: float | None) -> Cell:
    return NONE if value is None else Cell(signed(value), tone="published")


def _published_only(published: Published) -> tuple[tuple[Cell, ...], ...]:
    rows = [row for row in published.table.rows if not row.method and row.values[published.column] is not None]
    rows.sort(key=lambda row: -(row.values[published.column] or 0.0))
    blank = (Cell(""),) * (1 + len(SCORES))
    return tuple((Cell(row.label, row.reference), *blank, _published(row.values[published.column])) for row in rows)


def run_table(runs: Sequence[PointRun]) -> Table:
    """The error of every method in every run, side by side."""
    methods = list(dict.fromkeys(method for run in runs for method in run.methods))
    rows = [(Cell(runs[0].label(method)), *(_error(run, method) for run in runs)) for method in methods]
    units = list(dict.fromkeys(run.unit for run in runs))
    return Table(
        caption="Error / " + " or ".join(units) + ", run by run",
        columns=("Method", *(run.name for run in runs)),
        groups=(RowGroup(tuple(rows)),),
    )


def _error(run: PointRun, method: str) -> Cell:
    row = run.find(method)
    if row is None:
        return NONE
    return Cell(signed(row.value), value_range(row.ci95), "strong" if method == run.best else "")


def run_differences(runs: Sequence[PointRun]) -> Table | None:
    """How every other run's methods differ from the first run's, where both measured the same pictures alike."""
    first, *others = runs
    rows = []
    for run in others:
        if run.metric != first.metric or not np.array_equal(run.examples.ids, first.examples.ids):
            continue
        for method in ("ridge", "look-back"):
            a, b = run.examples.errors.get(method), first.examples.errors.get(method)
            if a is not None and b is not None:
                difference = paired_difference(a, b, Bootstrap.draw(first.groups))
                if difference is not None:
                    rows.append(difference_cells(run.label(method), f"{run.name} − {first.name}", difference))
    if not rows:
        return None
    return Table(
        caption=f"Paired differences from {first.name}, on the same test pictures",
        columns=("", "Difference of error", "95 % interval", "p"),
        groups=(RowGroup(tuple(rows)),),
        note=f"Below nought: better than {first.name}.",
    )
