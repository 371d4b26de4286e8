"""``vestige predict``: what a trained run reads out of new photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vestige.cli import options as o
from vestige.cli.console import console, listening
from vestige.cli.help import FACES_RUN, PHOTOGRAPH, examples
from vestige.errors import VestigeError

Format = Literal["vestige", "coco"]

_LISTED = 20  # failures that are printed before they are only counted


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    prediction = "vestige predict runs/faces face.png --box 170,50,280,190 -o predictions"
    app.command(epilog=examples(FACES_RUN, PHOTOGRAPH, prediction))(predict)


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Photographs, folders of them, or data as kind:PATH.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where pictures and JSON go.", parser=o.path_of)
    ],
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X0,Y0,X1,Y1", help="The object's box in pixels: one for all, or one per image."),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Boxes, several for a picture where it shows several objects: "
            "a CSV with image,x0,y0,x1,y1 or a COCO .json.",
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole-picture", help="The object fills the picture where no box is given.")
    ] = False,
    category: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="The object's class, where the run has several.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="Of predictions.json: vestige's own, or COCO's.")
    ] = "vestige",
    store: Annotated[bool, typer.Option("--store", help="Keep the pictures' features in the cache.")] = False,
    device: o.Device = "auto",
    overwrite: o.Replace = False,
) -> None:
    """Read a run's points, colours, classes or attributes out of photographs: pictures, and a JSON with coordinates in
    image pixels.

    Pictures that cannot be read are listed and the others done; the exit status is then 1.
    """
    from dataclasses import replace

    import numpy as np

    from vestige.probes.engine.photographs import open_photographs, with_boxes, with_boxes_of
    from vestige.probes.engine.prediction_files import check_prediction_folder, write_predictions
    from vestige.run import Run
    from vestige.text import count
    from vestige.trained_run import predict_run, reader_of

    source = Run(run)
    source.results()  # refuses what is no finished run
    if box and boxes is not None:
        raise VestigeError("--box and --boxes: give one of them")
    check_prediction_folder(output, overwrite=overwrite)
    found, failures = open_photographs(images)
    if box:
        found = with_boxes(found, [np.array(o.parse_box(text)) for text in box])
    if boxes is not None:
        found, without = with_boxes_of(found, boxes)
        failures += without
    with listening() as listener:
        reader = replace(reader_of(source, device, listener.count), keep=store)
        predicted = predict_run(source, found, reader, category=category, whole=whole, say=listener.say)
        predicted = replace(predicted, failures=(*failures, *predicted.failures))
        if predicted.predictions:
            listener.say("drawing")
            write_predictions(predicted, output, coco=form == "coco", overwrite=overwrite, progress=listener.count)
    for failure in predicted.failures[:_LISTED]:
        console.print(f"not done: {failure}", markup=False, highlight=False, soft_wrap=True)
    if len(predicted.failures) > _LISTED:
        console.print(f"and {len(predicted.failures) - _LISTED} more, listed in predictions.json")
    if not predicted.predictions:
        raise VestigeError("nothing could be predicted; nothing was written")
    typer.echo(f"{count(len(predicted.predictions), 'picture')} and predictions.json in {output}")
    if predicted.failures:
        raise typer.Exit(1)
