"""What ``vestige units receptive-fields`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from vestige.results import Results


def field_tables(results: Results) -> list[Table]:
    """Theoretical and actual sizes by layer (Table 2)."""
    config = results.config
    title = f"receptive fields of {results.backbone['spec']}, pixels at {config['fraction']:g} of the peak"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("layer")
    for heading in ("theoretical", "actual", "95 % CI", "std over units", "units"):
        table.add_column(heading, justify="right")
    found = {(row.method, row.metric, row.subset): row for row in results.rows}
    for layer in config["layers"]:
        theory, actual = (found.get((method, "size", layer)) for method in ("theoretical", "actual"))
        spread = found.get(("actual", "spread", layer))
        table.add_row(
            layer,
            "" if theory is None else f"{theory.value:.0f}",
            "" if actual is None else f"{actual.value:.1f}",
            "" if actual is None or actual.ci95 is None else f"{actual.ci95[0]:.1f} to {actual.ci95[1]:.1f}",
            "" if spread is None else f"{spread.value:.1f}",
            "0" if actual is None else f"{actual.n}",
        )
    return [table]
