"""``vestige evaluate``: a trained run measured on other data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli import options as o
from vestige.cli.console import Listener, command_line
from vestige.cli.help import EVALUATION, FACES_RUN, examples
from vestige.cli.measuring import measure_into
from vestige.errors import VestigeError

if TYPE_CHECKING:
    from vestige.results import Results
    from vestige.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples(FACES_RUN, EVALUATION))(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="Other data, as kind:PATH[,key=value].")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="RUN2", help="The new run's folder.", parser=o.path_of)
    ],
    strict: o.Strict = False,
    device: o.Device = "auto",
    overwrite: o.Overwrite = False,
) -> None:
    """Measure a trained run on other data: the same results.json, the same rows."""
    from vestige.datasets.opening import open_dataset
    from vestige.run import Run
    from vestige.trained_run import check_trained, evaluate_run, reader_of

    source = Run(run)
    check_trained(source)  # before anything is made
    if run.resolve() == output.resolve():
        raise VestigeError(f"-o {output}: is the trained run itself; choose another folder")

    def measure(made: Run, listener: Listener) -> Results:
        reader = reader_of(source, device, listener.count)
        test = open_dataset(data, strict=strict)
        listener.say(f"{run} on {data}")
        return evaluate_run(source, test, reader).record(made, command_line())

    measure_into(output, overwrite, measure)
