"""The tables and figures of "Do Convnets Learn Correspondence?", from runs."""

from __future__ import annotations

from functools import partial

from vestige.backbones import open_backbone
from vestige.backbones.receptive import receptive_fields
from vestige.report.blocks import Block, Cell, RowGroup, Table
from vestige.report.published import Column, paper
from vestige.report.reproduction import Exhibit, Measured, Runs, beside_published, figure_of, row_of
from vestige.results import Row

PAPER = "do-convnets-learn-correspondence"
NETWORK = "caffe:caffenet@random:0"
"""The paper's architecture; receptive fields do not depend on weights."""

METHODS = {"nearest-neighbour": "nearest-neighbour transfer", "mean": "mean of the class"}
"""Measured rows that are no flow."""


def _receptive(_runs: Runs) -> tuple[Block, ...]:
    """Table 1, measured on the network itself."""
    table = paper(PAPER).table("receptive-fields")
    names = [row.label for row in table.rows]
    found = receptive_fields(open_backbone(NETWORK), names)
    rows = []
    for row in table.rows:
        field = found[row.label]
        assert field.receptive_field is not None
        assert field.stride is not None
        numbers = (*row.values, field.receptive_field[0], field.stride[0])
        tones = ("published", "published", "", "")
        cells = (Cell(f"{value:g}", tone=tone) for value, tone in zip(numbers, tones, strict=True) if value is not None)
        rows.append((Cell(row.label), *cells))
    columns = ("", "field, published", "stride, published", "field, measured", "stride, measured")
    return (Table(f"{table.number}: {table.caption}", columns, (RowGroup(tuple(rows)),), "In pixels of the input."),)


def _transfer(runs: Runs) -> tuple[Block, ...]:
    results = next(iter(runs.values())).results()
    names = [name for name in results.methods() if name.startswith("flow:") or name in METHODS]

    def by_class(method: str, column: Column) -> Row | None:
        return row_of(results, method, "pck@0.1", column.match)

    def by_alpha(method: str, column: Column) -> Row | None:
        return row_of(results, method, column.match)

    def measured(find: object) -> list[Measured]:
        assert callable(find)
        return [Measured(METHODS.get(name, name), partial(find, name), 100) for name in names]

    note = "Small figures: 95 % bootstrap interval over test instances."
    return (
        beside_published(paper(PAPER).table("keypoint-transfer"), measured(by_class), 1, note),
        beside_published(paper(PAPER).table("keypoint-transfer-alpha"), measured(by_alpha), 2, note),
    )


def _figure(name: str, runs: Runs) -> tuple[Block, ...]:
    return figure_of(list(runs.values()), name)


EXHIBITS = (
    Exhibit("table 1", "receptive fields and strides", (), _receptive),
    Exhibit("table 2", "keypoint transfer", ("align",), _transfer),
    Exhibit("figure 1", "pictures from their patches’ neighbours", ("patches",), partial(_figure, "replaced")),
    Exhibit("figure 2", "mean receptive fields of neighbours", ("fields",), partial(_figure, "fields")),
    Exhibit("figure 3", "warped neighbours", ("align",), partial(_figure, "warped")),
)
