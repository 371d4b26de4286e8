"""``vestige units annotations``: people's answers taken in, checked, written to a file, and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import console, print_json
from vestige.cli.help import examples
from vestige.cli.measuring import perform_task
from vestige.cli.options import path_of
from vestige.cli.parts import Printing, Replacing, Trial, Where
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.options import option
from vestige.spelling import spelled
from vestige.tasks import task_named
from vestige.text import count

if TYPE_CHECKING:
    from vestige.units.annotations.source import Said
    from vestige.units.annotations.task import AnnotationOptions, Answered


@dataclass(frozen=True)
class Wanted:
    """What is done with the answers.

    Attributes:
        output: the folder of a run in which they are measured; None for none.
        export: a file that they are written to; None for none.
        check: whether they are read and told of, and nothing is written.
    """

    output: Path | None = option(
        None,
        "Measure the answers into a run; its folder is made.",
        names=("-o", "--output"),
        metavar="RUN",
        parser=path_of,
    )
    export: Path | None = option(None, "Write the answers to a .csv or .json file.", metavar="FILE")
    check: bool = option(False, "Read the answers, say what there is, and write nothing.", names=("--check",))


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    task = task_named("annotations")
    kinds = (task.data, *task.options, Wanted, Replacing, Printing, Trial)
    app.command(task.command, epilog=examples(*task.example.splitlines()))(command_of(_run, kinds, task.question))


def _run(
    answered: Answered,
    options: AnnotationOptions,
    wanted: Wanted,
    replacing: Replacing,
    printing: Printing,
    trial: Trial,
) -> None:
    from vestige.run import Run
    from vestige.units.annotations.files import check_answers, check_export, write_answers

    if answered.imported is not None:
        check_answers(answered.imported)
    if answered.run is not None:
        Run(answered.run).results()  # refuses what is no finished run
    take_in = answered.imported is not None and answered.run is not None
    _check_asked(wanted, take_in)
    if wanted.export is not None:
        check_export(wanted.export, overwrite=replacing.overwrite)
    if wanted.check or (trial.dry_run and wanted.output is None):
        _tell(answered.open(), printing)
        return
    if take_in and not trial.dry_run:
        _take_in(answered, printing)
        answered = replace(answered, imported=None)
    if wanted.export is not None and not trial.dry_run:
        write_answers(wanted.export, answered.open().answers, overwrite=replacing.overwrite)
        _say(f"answers: {wanted.export}", printing)
    if wanted.output is not None:
        where = Where(wanted.output, replacing.overwrite)
        perform_task(task_named("annotations"), answered, (options,), ExtractOptions(), where, printing, trial)


def _check_asked(wanted: Wanted, take_in: bool) -> None:
    """Refuse a command that asks for nothing, or for what does not go together."""
    if not (wanted.output or wanted.export or wanted.check or take_in):
        raise VestigeError(
            f"nothing is asked for: expected {spelled('folder', word='RUN')} to measure the answers, "
            f"{spelled('export', word='FILE')} to write them to a file, or {spelled('check', True)}"
        )
    if wanted.check and (wanted.output or wanted.export):
        other = spelled("folder" if wanted.output else "export")
        raise VestigeError(f"{spelled('check', True)}: writes nothing; leave it out, or {other}")


def _say(line: str, printing: Printing) -> None:
    """A line on standard output, unless a document is there."""
    if printing.json:
        console.print(line, highlight=False, soft_wrap=True)
    elif not printing.quiet:
        print(line)


def _take_in(answered: Answered, printing: Printing) -> None:
    """Take the answers of a file into the run's store."""
    from vestige.units.annotations.source import take_in

    said = answered.open()
    new = take_in(said, answered.database)
    rest = "" if new == len(said.answers) else "; the others were there already"
    _say(f"taken in: {count(new, 'answer')} of {len(said.answers):,}{rest}", printing)


def _tell(said: Said, printing: Printing) -> None:
    """What answers there are."""
    layers = list(_told(said))
    if printing.json:
        print_json({"source": said.source, "layers": layers})
        return
    print(f"{said.source}: {count(len(said.answers), 'answer')}, all as they should be")
    for each in layers:
        people = "people who are not named" if said.anonymous else count(each["annotators"], "annotator")
        print(
            f"  {each['layer']}: {count(each['answers'], 'answer')} on {count(each['units'], 'unit')} by {people}, "
            f"{each['failed']:,} failed"
        )


def _told(said: Said) -> Iterator[dict[str, Any]]:
    failed = Counter(answer.layer for answer in said.answers if not answer.passed)
    for layer in said.layers:
        own = [answer for answer in said.answers if answer.layer == layer]
        yield {
            "layer": layer,
            "answers": len(own),
            "units": len({answer.unit for answer in own}),
            "annotators": None if said.anonymous else len({answer.annotator for answer in own}),
            "failed": failed[layer],
        }
