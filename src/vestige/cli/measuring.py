"""The road that every measurement takes into a run's folder, and the commands that take it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import Listener, command_line, console, listening, print_results, print_table
from vestige.cli.direction_table import direction_table
from vestige.cli.help import examples
from vestige.cli.parts import Where
from vestige.contract.task import Task
from vestige.extraction import ExtractOptions

if TYPE_CHECKING:
    from vestige.features.reader import Reader
    from vestige.results import Results
    from vestige.run import Run


def add_task(app: typer.Typer, task: Task) -> None:
    """Add the command of a task: the described fields of its data and its options, and those that all have."""

    def run(data: Any, *given: Any) -> None:
        *options, extraction, where = given

        def measure(run: Run, listener: Listener) -> Results:
            from vestige.contract.session import Session
            from vestige.kept import Kept

            session = Session(reader_of(extraction, listener), listener.say, Kept(run.kept))
            return task.measure(session, data.open(), *options).record(run, command_line())

        measure_into(where.output, where.overwrite, measure)

    kinds = (task.data, *task.options, ExtractOptions, Where)
    command = command_of(run, kinds, task.question, task.without)
    app.command(task.name, epilog=examples(task.example))(command)


def reader_of(extraction: ExtractOptions, listener: Listener) -> Reader:
    """A reader of features; a device that is not there is refused before anything is read."""
    from vestige.features.reader import Reader

    extraction.torch_device()
    return Reader(options=extraction, progress=listener.count)


def tell(results: Results) -> None:
    """Print what was found: the table of methods, or that of directions."""
    if results.task == "directions":
        print_table(direction_table(results), results)
    else:
        print_results(results, str(results.config["metric"]))


def measure_into(
    output: Path,
    overwrite: bool,
    measure: Callable[[Run, Listener], Results],
) -> None:
    """Measure, print what was found, and make the figures and the page; the run's folder is there when all of it is.

    Args:
        output: the run's folder.
        overwrite: whether a finished run in it is replaced.
        measure: measures and records; not called where the same command has measured and was killed before its page.
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
        tell(results)
        show(run)
    typer.echo(f"report: {Run(output).report_path}")
