"""What ``vestige compare`` prints."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from vestige.probes.compare.run import Comparison, comparison_of
from vestige.results import Results

MARK = "*"
"""Before the layers that training folds chose."""


def ranking_tables(results: Results) -> list[Table]:
    """The ranking."""
    return [ranking_table(comparison_of("", results))]


def ranking_table(comparison: Comparison) -> Table:
    """Everything that was compared, the best first, with its cost; the layers that training folds chose are marked."""
    n = comparison.results.data["test"]["n"]
    title = f"{comparison.task}: {comparison.metric}, test n = {n} ({MARK} chosen on training folds)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    picked = comparison.picked()
    for heading in ("", "backbone", "layer", "readout"):
        table.add_column(heading, overflow="fold")
    for heading in ("folds", "test", "95 % CI", "ms", "kB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in comparison.ordered(comparison.entries):
        cost = (f"{one.ms_per_image:.1f}", f"{one.bytes_per_image / 1000:.1f}")
        mark, test = MARK if one in picked else "", f"{one.value:.4f}"
        read = (one.backbone, one.layer, one.readout)
        table.add_row(mark, *read, f"{one.selection:.4f}", test, _range(one.ci95), *cost)
    for baseline in comparison.baselines:
        table.add_row("", baseline.method, "", "", "", f"{baseline.value:.4f}", _range(baseline.ci95), "", "")
    return table


def _range(ci95: tuple[float, float] | None) -> str:
    if ci95 is None:
        return ""
    low, high = ci95
    return f"{low:.4f}{' to ' if low < 0 else '-'}{high:.4f}"
