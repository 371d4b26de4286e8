"""``vestige layers``: what a backbone has to read."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vestige.backbones import open_backbone


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: vestige layers efficientnet_lite0")(layers)


def layers(
    backbone: Annotated[str, typer.Argument(metavar="BACKBONE", help="As in --backbone.")],
) -> None:
    """The layers of a network: name, kind, shape, stride."""
    opened = open_backbone(backbone)
    height = opened.preprocessing.size[0]
    table = Table(title=f"{backbone}, input {opened.preprocessing.size}", title_justify="left")
    for name in ("name", "kind", "shape", "stride"):
        table.add_column(name)
    for layer in opened.layers():
        stride = f"{height / layer.shape[1]:g}" if layer.kind == "grid" else ""
        table.add_row(layer.name, layer.kind, " x ".join(map(str, layer.shape)), stride)
    Console().print(table)
