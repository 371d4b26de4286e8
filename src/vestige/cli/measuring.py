"""The road that every measurement takes into a run's folder, and the commands that take it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import Listener, command_line, console, listening, print_results
from vestige.cli.parts import Where
from vestige.extraction import ExtractOptions

if TYPE_CHECKING:
    from vestige.features.reader import Reader
    from vestige.results import Results
    from vestige.run import Run

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Session:
    """What a measurement is made with, whatever it is of.

    Attributes:
        run: the started run that it is recorded in.
        listener: told of every step.
        reader: of features, as they are to be computed.
        command: the words of the command line.
    """

    run: Run
    listener: Listener
    reader: Reader
    command: list[str]


def measures(
    app: typer.Typer,
    example: str,
    tell: Callable[[Results], None] | None = None,
    without: Collection[str] = (),
) -> Callable[[F], F]:
    """Make a command of a function that takes a session and dataclasses, whose described fields are its options.

    Args:
        app: what the command is added to.
        example: the end of its help.
        tell: prints the results; None for the table of methods.
        without: fields of :class:`vestige.extraction.ExtractOptions` that it has no use for.
    """

    def add(measure: F) -> F:
        hints = get_type_hints(measure, localns={"Results": Any})
        kinds = [kind for name, kind in hints.items() if name not in ("session", "return")]

        def run(*given: Any) -> None:
            *options, extraction, where = given

            def start(run: Run, listener: Listener) -> Results:
                session = Session(run, listener, reader_of(extraction, listener), command_line())
                found: Results = measure(session, *options)
                return found

            measure_into(where.output, where.overwrite, start, tell)

        command = command_of(run, (*kinds, ExtractOptions, Where), measure.__doc__ or "", without)
        app.command(measure.__name__, epilog=example)(command)
        return measure

    return add


def reader_of(extraction: ExtractOptions, listener: Listener) -> Reader:
    """A reader of features; a device that is not there is refused before anything is read."""
    from vestige.features.reader import Reader

    extraction.torch_device()
    return Reader(options=extraction, progress=listener.count)


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
