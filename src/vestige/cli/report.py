"""``vestige report``: the page again, from run folders alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import print_json
from vestige.cli.help import EVALUATION, FACES_RUN, examples
from vestige.cli.options import path_of
from vestige.cli.parts import Printing, Replacing
from vestige.options import needed, option


@dataclass(frozen=True)
class Reported:
    """Which runs a page is on.

    Attributes:
        runs: their folders.
        output: the page; None for that of the run, or ``report.html`` for several.
    """

    runs: tuple[Path, ...] = needed("Finished runs of one task.", metavar="RUN...", argument=True, repeats=True)
    output: Path | None = option(
        None,
        "The page.",
        names=("-o", "--output"),
        metavar="FILE",
        parser=path_of,
        default_text="RUN/report.html; report.html for several",
    )


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    doc = "Write report.html again from run folders alone; several runs side by side."
    shown = examples(FACES_RUN, EVALUATION, "vestige report runs/faces runs/other -o both.html")
    app.command("report", epilog=shown)(command_of(report, (Reported, Replacing, Printing), doc))


def report(asked: Reported, replacing: Replacing, printing: Printing) -> None:
    """Write the page."""
    from vestige.files import refuse_existing
    from vestige.manifest import may_replace
    from vestige.pages import write_report
    from vestige.run import Run
    from vestige.run_folders import is_own

    opened = [Run(folder) for folder in asked.runs]
    path = asked.output or (opened[0].report_path if len(opened) == 1 else Path("report.html"))
    if not (is_own(path.parent) and may_replace(path)):  # a run's page is made again as often as one likes
        refuse_existing(path, overwrite=replacing.overwrite)
    write_report(opened, path)
    if printing.json:
        print_json({"report": str(path)})
    else:
        typer.echo(f"report: {path}")
