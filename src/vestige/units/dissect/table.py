"""What a dissection prints, and units.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

    from vestige.results import Results

FIRST = (
    *("layer", "unit", "object", "iou", "average_precision", "threshold", "chance_iou", "p_value", "detector"),
    "detector_fixed",
)
"""The columns of units.csv that always come first; empty where the data have no objects."""

_HEADS = {
    "detectors_fixed": "IoU > 0.04",
    "objects_fixed": "their objects",
    "median_iou": "median IoU",
    "mean_ap": "mean AP",
    "mean_ap_gain": "less prevalence",
}
"""Of the printed columns, where a metric's own name would not do."""


def units_csv(layers: Mapping[str, Mapping[str, Sequence[Any]]]) -> str:
    """One line a unit, from what is known of each layer by column."""
    further = list(dict.fromkeys(key for columns in layers.values() for key in columns if key not in FIRST))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*FIRST, *further])
    for columns in layers.values():
        empty = [""] * len(columns["unit"])
        writer.writerows(
            [_cell(value) for value in line]
            for line in zip(*(columns.get(key, empty) for key in (*FIRST, *further)), strict=True)
        )
    return stream.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{float(value):.6g}"
    return str(value)


def dissect_tables(results: Results) -> list[Table]:
    """Each layer's numbers, chance in brackets."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    title = f"dissect: {results.backbone['spec']}, {results.data['test']['n']:,} pictures"
    table = RichTable(title=title, title_justify="left", caption_justify="left", box=SIMPLE_HEAD)
    found = {(row.method, row.metric, row.subset): row for row in results.rows}
    layers = list(dict.fromkeys(row.subset for row in results.rows))
    shown = [name for name in results.metrics if any(row.metric == name for row in results.rows)]
    methods = [name for name in results.methods if name != "network"]
    table.add_column("layer")
    for name in shown:
        table.add_column(_HEADS.get(name, name), justify="right")
    for layer in layers:
        cells = []
        for metric in shown:
            row = found.get(("network", metric, layer))
            chance = [found.get((method, metric, layer)) for method in methods]
            told = ", ".join("–" if each is None else _number(each.value) for each in chance)
            beside = f" ({told})" if any(chance) else ""
            cells.append("" if row is None else _number(row.value) + beside)
        table.add_row(layer, *cells)
    if len(methods):
        table.caption = f"in brackets, by chance: {', '.join(methods)}"
    return [table]


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.3f}"
