"""Cells and tables that pages of several tasks have: measured shares in percent, and what was only published."""

from __future__ import annotations

from collections.abc import Sequence

from vestige.published import paper
from vestige.report.blocks import NONE, Cell, RowGroup, Table
from vestige.results import Row


def percent_cell(row: Row | None, tone: str = "", *, interval_digits: int | None = 1) -> Cell:
    """A share in percent with its interval beside it; a dash where there is no row.

    Args:
        row: the share, from 0 to 1.
        tone: see :class:`Cell`.
        interval_digits: decimals of the interval; None for no interval.
    """
    if row is None:
        return NONE
    small = ""
    if row.ci95 is not None and interval_digits is not None:
        small = "–".join(f"{100 * end:.{interval_digits}f}" for end in row.ci95)
    return Cell(f"{100 * row.value:.1f}", small, tone)


def published_cell(value: float | None, digits: int = 1) -> Cell:
    """A published number; a dash where the paper prints none."""
    return NONE if value is None else Cell(f"{value:.{digits}f}".replace("-", "−"), tone="published")


def published_by_class(source: str, name: str, metric: str, classes: Sequence[str], mean: str = "") -> Table | None:
    """What a paper's table says of some classes, a class a row.

    Args:
        source: the paper.
        name: of its table, whose columns are classes.
        metric: that was measured.
        classes: that were measured.
        mean: what the row of the paper's mean is called; "" for no such row.

    Returns:
        None where the table has none of the classes, or is of another metric.
    """
    table = paper(source).table(name)
    columns = {column.match: k for k, column in enumerate(table.columns)}
    known = {each: each for each in classes if each in columns}
    if metric != table.metric or not known:
        return None
    if mean:
        known["all"] = mean
    rows = tuple(
        (Cell(shown), *(published_cell(row.values[columns[each]]) for row in table.rows))
        for each, shown in known.items()
    )
    return Table(
        caption=f"Published: {table.number} of {paper(source).short}, {metric} in percent, by class",
        columns=("Class", *(row.label for row in table.rows)),
        groups=(RowGroup(rows),),
        note="Measured by others on PASCAL VOC 2011; it was not measured here.",
    )
