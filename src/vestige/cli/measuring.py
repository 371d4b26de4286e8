"""The road that every measurement takes into a run's folder, and the commands that take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import (
    Listener,
    command_line,
    console,
    listening,
    print_json,
    print_report,
    print_results,
    print_tables,
    quietly,
)
from vestige.cli.help import examples
from vestige.cli.parts import Printing, Trial, Where
from vestige.cli.stopping import keeping
from vestige.contract.task import Task
from vestige.extraction import ExtractOptions
from vestige.stopwatch import Stopwatch, as_csv, timing

if TYPE_CHECKING:
    from vestige.contract.plan import Plan
    from vestige.contract.session import Session
    from vestige.features.reader import Reader
    from vestige.results import Results
    from vestige.run import Run


def add_task(app: typer.Typer, task: Task) -> None:
    """Add the command of a task: the described fields of its data and its options, and those that all have."""

    def run(data: Any, *given: Any) -> None:
        *options, extraction, where, printing, trial = given
        perform_task(task, data, options, extraction, where, printing, trial)

    kinds = (task.data, *task.options, ExtractOptions, Where, Printing, Trial)
    command = command_of(run, kinds, task.question, task.without)
    app.command(task.command, epilog=examples(*task.example.splitlines()))(command)


def perform_task(
    task: Task,
    data: Any,
    options: Sequence[Any],
    extraction: ExtractOptions,
    where: Where,
    printing: Printing,
    trial: Trial,
) -> None:
    """Measure a task into a run's folder, or print what that would do."""

    def rehearse() -> Plan:
        from vestige.contract.plan import plan_of

        return plan_of(task, reader_of(extraction), data.open(), options)

    def measure(run: Run, listener: Listener) -> Results:
        with timing("open"):
            reader = reader_of(extraction, listener)
            opened = data.open()
        return task.measure(session_of(run, reader, listener), opened, *options).record(run, command_line())

    if trial.dry_run:
        rehearse_into(where, printing, rehearse)
    else:
        measure_into(where, measure, printing)


def reader_of(extraction: ExtractOptions, listener: Listener | None = None) -> Reader:
    """A reader of features; a device that is not there is refused before anything is read."""
    from vestige.features.reader import Reader
    from vestige.features.spread import device_of

    reader = Reader(options=extraction, progress=None if listener is None else listener.count)
    device_of(extraction, reader.cluster)
    return reader


def session_of(run: Run, reader: Reader, listener: Listener) -> Session:
    """The session of a measurement into a run's folder."""
    from vestige.contract.session import Session
    from vestige.partial_work import PartialWork

    return Session(reader, listener.say, PartialWork(run.kept), tell=listener.tell)


_LOUD = Printing()

PROFILE = "profile.csv"
"""Where a run's folder says where its time went, figures and page included."""


def rehearse_into(where: Where, printing: Printing, rehearse: Callable[[], Plan]) -> None:
    """Print what a command would do, on standard output; its folder is looked at, and nothing stays there."""
    from vestige.run_folders import check_run_folder

    check_run_folder(where.output, overwrite=where.overwrite, command=command_line())
    print_plan(rehearse(), printing)


def print_plan(plan: Plan, printing: Printing) -> None:
    """What would be done, on standard output."""
    if printing.json:
        print_json(plan.to_json())
    else:
        print(*plan.lines(), sep="\n")


def print_found(results: Results, printing: Printing) -> None:
    """Print what was found: the document, the task's own tables, or that of methods and that of what was tried."""
    from vestige.tasks import task_named, task_names

    if printing.json:
        print_json(results.to_json())
    elif results.task in task_names() and (task := task_named(results.task)).tables_by:
        print_tables(task.tables(results), results)
    else:
        print_results(results, str(results.config["metric"]))


def measure_into(where: Where, measure: Callable[[Run, Listener], Results], printing: Printing = _LOUD) -> None:
    """Measure, print what was found, and make the figures and the page; the run's folder is there when all of it is.

    Args:
        where: the run's folder.
        measure: measures and records; not called where the same command has measured and was killed before its page.
        printing: what is printed.
    """
    from vestige.pages import show
    from vestige.run import Run, run_folder

    with quietly(printing.quiet), keeping(), Stopwatch() as watch:
        with run_folder(where.output, overwrite=where.overwrite, command=command_line()) as run:
            if run.finished:
                console.print("measured before; what is missing are its figures and its page", highlight=False)
                results = run.results()
            else:
                with listening() as listener:
                    results = measure(run, listener)
            print_found(results, printing)
            show(run)
            if where.profile:
                run.write_text(PROFILE, as_csv(watch.spent()))
        print_report(Run(where.output).report_path, printing)
