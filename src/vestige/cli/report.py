"""``vestige report``: the page again, from run folders alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vestige.cli.help import EVALUATION, FACES_RUN, examples


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples(FACES_RUN, EVALUATION, "vestige report runs/faces runs/other -o both.html"))(report)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The page. [default: RUN/report.html; report.html for several]"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")] = False,
) -> None:
    """Write report.html again from run folders alone; several runs side by side."""
    from vestige.files import refuse_existing
    from vestige.manifest import may_replace
    from vestige.pages import write_report
    from vestige.run import Run
    from vestige.run_folders import is_own

    opened = [Run(folder) for folder in runs]
    path = output or (opened[0].report_path if len(opened) == 1 else Path("report.html"))
    if not (is_own(path.parent) and may_replace(path)):  # a run's page is made again as often as one likes
        refuse_existing(path, overwrite=overwrite)
    write_report(opened, path)
    typer.echo(f"report: {path}")
