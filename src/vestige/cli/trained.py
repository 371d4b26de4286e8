"""``vestige evaluate`` and ``vestige predict``: what a trained run does with other pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from vestige.cli import options as o
from vestige.cli.console import command_line, console, listening, print_results
from vestige.cli.help import EVALUATION, FACES_RUN, PHOTOGRAPH, examples
from vestige.errors import VestigeError

if TYPE_CHECKING:
    from vestige.geometry import Box


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=examples(FACES_RUN, EVALUATION))(evaluate)
    prediction = "vestige predict runs/faces face.png --box 170,50,280,190 -o predictions"
    app.command(epilog=examples(FACES_RUN, PHOTOGRAPH, prediction))(predict)


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="Other data, as kind:PATH[,key=value].")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN2", help="The new run's folder.")],
    strict: o.Strict = False,
    device: o.Device = "auto",
    overwrite: o.Overwrite = False,
) -> None:
    """Measure a trained run on other data: the same results.json, the same rows."""
    from vestige.datasets.opening import open_dataset
    from vestige.probes.record import check_probe, evaluate_run, reader_of, record_evaluation
    from vestige.report import show
    from vestige.run import Run, check_run_folder, start_run

    started = time.monotonic()
    source = Run(run)
    check_probe(source)  # before anything is made
    if run.resolve() == output.resolve():
        raise VestigeError(f"-o {output}: is the trained run itself; choose another folder")
    check_run_folder(output, overwrite=overwrite)
    test = open_dataset(data, strict=strict)
    with listening() as listener:
        reader = reader_of(source, device, listener.count)
        listener.say(f"{run} on {data}")
        evaluation = evaluate_run(source, test, reader)
    made = start_run(output, overwrite=overwrite)
    results = record_evaluation(source, made, test, evaluation, time.monotonic() - started, command_line())
    print_results(results, str(results.config["metric"]))
    show(made)
    typer.echo(f"report: {made.report_path}")


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where pictures and JSON go.")],
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X0,Y0,X1,Y1", help="The object's box in pixels: one for all, or one per image."),
    ] = None,
    category: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="The object's class, where the run has several.")
    ] = None,
    device: o.Device = "auto",
) -> None:
    """Read a run's points, colours, classes or attributes out of photographs: pictures, and a JSON with coordinates in
    image pixels."""
    from vestige.files import write_json
    from vestige.images import ImageFile, save_image
    from vestige.probes.record import check_weights, load_predictor, reader_of
    from vestige.report.text import count
    from vestige.run import Run

    Run(run).results()  # refuses what is no finished run
    predictor = load_predictor(Run(run), category)
    boxes: list[Box | None] = [np.array(o.parse_box(text)) for text in box or []]
    if len(boxes) not in (0, 1, len(images)):
        raise VestigeError(f"--box is given {len(boxes)} times for {len(images)} images; give one, or one per image")
    if not boxes:
        console.print("no --box: taking the whole picture (or the middle, where the run does), squashed to a square")
    each = boxes * len(images) if len(boxes) == 1 else boxes or [None] * len(images)
    with listening() as listener:
        reader = reader_of(Run(run), device, listener.count)
        listener.say("predicting")
        check_weights([predictor.method], reader)
        predictions = predictor.predict(images, each, reader)
    for prediction in predictions:
        name = prediction.path.stem
        save_image(prediction.picture(ImageFile(prediction.path).read()), output / f"{name}.png", overwrite=True)
    write_json(output / "predictions.json", {"predictions": [p.to_json() for p in predictions]}, overwrite=True)
    typer.echo(f"{count(len(predictions), 'picture')} and predictions.json in {output}")
