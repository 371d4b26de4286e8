"""What ``vestige units minimal`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from vestige.results import Results, Row

LISTED = 12
"""Objects of a scene that are printed; the page has all."""


def minimal_tables(results: Results) -> list[Table]:
    """What is left of the pictures, and for each scene which objects are kept."""
    scenes = [row.subset for row in results.rows if row.metric == "area" and row.subset != "all"]
    tables = [_left(results, scenes)]
    return tables + [table for scene in scenes if (table := _kept(results, scene)).row_count]


def _left(results: Results, scenes: list[str]) -> Table:
    title = f"minimal pictures of {results.backbone['spec']}, {results.config['segments']} taken away"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("scene")
    for heading in ("pictures", "named right", "made minimal", "area left", "95 % CI", "segments left"):
        table.add_column(heading, justify="right")
    for scene in (*scenes, "all") if len(scenes) > 1 else scenes:
        right, area, share = (
            results.row(method, metric, scene)
            for method, metric in (("pictures", "right"), ("minimal", "area"), ("minimal", "segments"))
        )
        cells = (f"{right.n}", _percent(right), f"{area.n}", _percent(area), _interval(area), _percent(share))
        table.add_row(scene, *cells)
    return table


def _kept(results: Results, scene: str) -> Table:
    table = Table(title=f"{scene}: objects in minimal pictures", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("object")
    for heading in ("there", "kept", "95 % CI", "at random", "difference", "95 % CI"):
        table.add_column(heading, justify="right")
    differences = {row.subset: row for row in results.sweep if row.metric == "kept - random"}
    for row in [each for each in results.rows if each.metric == "there"]:
        own, _, name = row.subset.partition(": ")
        if own != scene or table.row_count == LISTED:
            continue
        kept, chance = (results.row(method, "kept", row.subset) for method in ("minimal", "random"))
        difference = differences.get(row.subset)
        cells = (_percent(row), _percent(kept), _interval(kept), _percent(chance), _percent(difference))
        table.add_row(name, *cells, _interval(difference))
    return table


def _percent(row: Row | None) -> str:
    return "" if row is None else f"{100 * row.value:.0f} %"


def _interval(row: Row | None) -> str:
    return "" if row is None or row.ci95 is None else f"{100 * row.ci95[0]:.0f} to {100 * row.ci95[1]:.0f}"
