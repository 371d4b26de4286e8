"""What every command does that measures into a run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vestige.cli.console import Listener, command_line, console, listening, print_results

if TYPE_CHECKING:
    from vestige.results import Results
    from vestige.run import Run


def measure_into(
    output: Path,
    overwrite: bool,
    measure: Callable[[Run, Listener], Results],
    tell: Callable[[Results], None] | None = None,
) -> None:
    """Measure, print what was found, and make the figures and the page; the run's folder is there when all of it is.

    Args:
        output: the run's folder.
        overwrite: whether a finished run in it is replaced.
        measure: measures and records; not called where the same command has measured and was killed before its page.
        tell: prints the results; None for the table of methods.
    """
    from vestige.pages import show
    from vestige.run import Run, run_folder

    with run_folder(output, overwrite=overwrite, command=command_line()) as run:
        if run.finished:
            console.print("measured before; what is missing are its figures and its page", highlight=False)
            results = run.results()
        else:
            with listening() as listener:
                results = measure(run, listener)
        if tell is None:
            print_results(results, str(results.config["metric"]))
        else:
            tell(results)
        show(run)
    typer.echo(f"report: {Run(output).report_path}")
