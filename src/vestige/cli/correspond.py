"""``vestige correspond``: does what a network sees in one picture answer to what it sees in another?"""

from __future__ import annotations

import typer

from vestige.cli import correspond_patches

app = typer.Typer(help="Measure whether a network's features correspond.", no_args_is_help=True)

correspond_patches.add_to(app)
