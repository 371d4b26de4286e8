"""Paired differences of a run's methods: what each step is worth."""

from __future__ import annotations

from vestige.intervals import Difference
from vestige.report.blocks import Cell, RowGroup, Table
from vestige.report.measured_run import MeasuredRun
from vestige.results import resampled
from vestige.text import p_value, signed


def difference_table(run: MeasuredRun, *, named: bool) -> Table | None:
    """Paired differences that say what each step is worth; None where the run has no pair."""
    pairs = [
        ("ridge", "rgb", "What the network adds to its pixels"),
        ("ridge", "untrained", "What its training adds"),
        ("look-back", "ridge", "What looking back adds"),
        ("look-back-2", "look-back", "What looking back again adds"),
    ]
    rows = tuple(
        difference_cells(words, f"{run.label(a)} − {run.label(b)}", difference)
        for a, b, words in pairs
        if (difference := run.difference(a, b)) is not None
    )
    if not rows:
        return None
    return Table(
        caption=(f"{run.name}: w" if named else "W") + "hat each step is worth: paired differences, picture by picture",
        columns=("", "Difference of error", "95 % interval", "p"),
        groups=(RowGroup(rows),),
        note=f"Below zero: the first of the two is better. Bootstrap over {resampled(run.results.data)}, two-sided.",
    )


def difference_cells(words: str, small: str, difference: Difference) -> tuple[Cell, ...]:
    """A row of such a table: what is compared, the mean difference, its interval, p."""
    low, high = difference.ci95
    clear = "strong" if low > 0 or high < 0 else "quiet"
    return (
        Cell(words, small),
        Cell(signed(difference.mean, 4), tone=clear),
        Cell(f"{signed(low, 4)} to {signed(high, 4)}"),
        Cell(p_value(difference.p)),
    )
