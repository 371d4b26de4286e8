"""What ``vestige units prefer`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from vestige.results import Results


def prefer_tables(results: Results) -> list[Table]:
    """The share of every set in every layer, networks side by side; of two sets the first says it all."""
    sets = list(results.config["sets"])
    return [_shares(results, name) for name in (sets[:1] if len(sets) == 2 else sets)]


def _shares(results: Results, name: str) -> Table:
    networks = list(results.config["layers_by_network"])
    title = f"share of {name} among the {results.config['top']} pictures with the largest mean activation"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("layer", overflow="fold")
    for network in networks:
        table.add_column(network, justify="right", overflow="fold")
        table.add_column("95 % CI", justify="right", no_wrap=True)
    rows = {(row.backbone, row.layer): row for row in results.rows if row.subset == name}
    for layer in dict.fromkeys(layer for layers in results.config["layers_by_network"].values() for layer in layers):
        cells = []
        for network in networks:
            row = rows.get((network, layer))
            cells += [
                "" if row is None else f"{100 * row.value:.0f} %",
                "" if row is None or row.ci95 is None else f"{100 * row.ci95[0]:.0f} to {100 * row.ci95[1]:.0f}",
            ]
        table.add_row(layer, *cells)
    return table
