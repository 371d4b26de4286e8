"""``vestige correspond``: does what a network sees in one picture answer to what it sees in another?"""

from __future__ import annotations

import typer

from vestige.cli import correspond_align, correspond_classify, correspond_detect, correspond_patches

app = typer.Typer(
    help="Measure whether a network's features match the same part in other pictures.", no_args_is_help=True
)

correspond_patches.add_to(app)
correspond_align.add_to(app)
correspond_classify.add_to(app)
correspond_detect.add_to(app)
