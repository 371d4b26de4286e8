"""``vestige evaluate``: a trained run measured on other data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import Listener, command_line
from vestige.cli.help import EVALUATION, FACES_RUN, examples
from vestige.cli.measuring import measure_into, rehearse_into
from vestige.cli.parts import DEVICE_ALONE, Printing, Source, Trial, Where
from vestige.datasets.given import strict_option
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.options import needed

if TYPE_CHECKING:
    from vestige.contract.plan import Plan
    from vestige.datasets.dataset import Dataset
    from vestige.features.reader import Reader
    from vestige.results import Results
    from vestige.run import Run


@dataclass(frozen=True)
class OtherData:
    """What a run is measured on.

    Attributes:
        data: its spec.
        strict: stop where files are bad.
    """

    data: str = needed("Other data, as kind:PATH[,key=value].", metavar="DATA", argument=True)
    strict: bool = strict_option()

    def open(self) -> Dataset:
        """The data."""
        from vestige.datasets.opening import open_dataset

        return open_dataset(self.data, strict=self.strict)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    kinds = (Source, OtherData, ExtractOptions, Where, Printing, Trial)
    question = "Measure a trained run on other data: the same results.json, the same rows."
    command = command_of(evaluate, kinds, question, DEVICE_ALONE)
    app.command("evaluate", epilog=examples(FACES_RUN, EVALUATION))(command)


def evaluate(
    given: Source, other: OtherData, extraction: ExtractOptions, where: Where, printing: Printing, trial: Trial
) -> None:
    """Measure a trained run on other data."""
    from vestige.run import Run
    from vestige.trained_run import check_trained, evaluate_run, plan_evaluation, reader_of

    source = Run(given.run)
    check_trained(source)  # before anything is made
    if given.run.resolve() == where.output.resolve():
        raise VestigeError(f"-o {where.output}: is the trained run itself; choose another folder")

    def planned() -> tuple[Reader, Dataset, Plan]:
        reader = reader_of(source, extraction.device)
        test = other.open()
        return reader, test, plan_evaluation(source, test, reader)

    def measure(made: Run, listener: Listener) -> Results:
        from vestige.contract.forecast import watched

        reader, test, plan = planned()
        reader = watched(replace(reader, progress=listener.count), plan, listener.tell)
        listener.say(f"{given.run} on {other.data}")
        return evaluate_run(source, test, reader).record(made, command_line())

    if trial.dry_run:
        rehearse_into(where, printing, lambda: planned()[-1])
    else:
        measure_into(where, measure, printing)
