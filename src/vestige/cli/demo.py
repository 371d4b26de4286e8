"""``vestige demo``: the main job on what ships with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vestige.cli import options as o
from vestige.cli.probe import landmarks

TRAIN = "synthetic:faces,n=600,seed=1"
TEST = "synthetic:faces,n=200,seed=2"
LAYERS = ["block2", "block4", "block7", "block10", "block13", "head"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: vestige demo -o runs/demo")(demo)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="The run's folder.")] = Path(
        "runs/demo"
    ),
    overwrite: o.Overwrite = False,
) -> None:
    """What does a network remember of a face? The landmark probe on drawn faces and the embedded network."""
    landmarks(TRAIN, output, test=TEST, layer=LAYERS, overwrite=overwrite)
