"""``vestige predict``: what a trained run reads out of new photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import console, listening, quietly
from vestige.cli.help import FACES_RUN, examples
from vestige.cli.measuring import print_plan
from vestige.cli.options import parse_box, path_of
from vestige.cli.parts import DEVICE_ALONE, Printing, Replacing, Source, Trial, class_option
from vestige.cli.stopping import NOTHING, keeping
from vestige.contract.task import PHOTOGRAPH
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.options import needed, option

if TYPE_CHECKING:
    from vestige.example import Example
    from vestige.probes.engine.predict_run import Failure, Predicted
    from vestige.run import Run

Format = Literal["vestige", "coco"]

_LISTED = 20  # failures that are printed before they are only counted


@dataclass(frozen=True)
class Photographs:
    """What is looked at, and where what is seen goes.

    Attributes:
        images: photographs, folders of them, or specs of data.
        output: the folder of pictures and JSON.
        box: one for all, or one for each image.
        boxes: a file of them.
        whole: whether the object fills the picture where no box is given.
        category: the object's class, where the run has several.
        form: of ``predictions.json``.
        store: keep the pictures' features in the cache.
    """

    images: tuple[str, ...] = needed(
        "Photographs, folders of them, or data as kind:PATH.", metavar="IMAGE...", argument=True, repeats=True
    )
    output: Path = needed("Where pictures and JSON go.", names=("-o", "--output"), metavar="DIR", parser=path_of)
    box: tuple[str, ...] = option(
        (), "The object's box in pixels: one for all, or one per image.", metavar="X0,Y0,X1,Y1", repeats=True
    )
    boxes: Path | None = option(
        None,
        "Boxes, several for a picture where it shows several objects: a CSV with image,x0,y0,x1,y1 or a COCO .json.",
        metavar="FILE",
    )
    whole: bool = option(False, "The object fills the picture where no box is given.", names=("--whole-picture",))
    category: str | None = class_option()
    form: Format = option("vestige", "Of predictions.json: vestige's own, or COCO's.", names=("--format",))
    store: bool = option(False, "Keep the pictures' features in the cache, as --ray needs.", names=("--store",))

    def open(self) -> tuple[list[Example], list[Failure]]:
        """The pictures with their boxes, and what cannot be used.

        Raises:
            VestigeError: where boxes are given twice, or are none.
        """
        import numpy as np

        from vestige.probes.engine.photographs import open_photographs, with_boxes, with_boxes_of

        if self.box and self.boxes is not None:
            raise VestigeError("--box and --boxes: give one of them")
        found, failures = open_photographs(self.images)
        if self.box:
            found = with_boxes(found, [np.array(parse_box(text)) for text in self.box])
        if self.boxes is not None:
            found, without = with_boxes_of(found, self.boxes)
            failures += without
        return found, failures


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    doc = """Read a run's points, colours, classes or attributes out of photographs: pictures, and a JSON with
    coordinates in image pixels.

    Pictures that cannot be read are listed and the others done; the exit status is then 1.
    """
    kinds = (Source, Photographs, ExtractOptions, Replacing, Printing, Trial)
    prediction = "vestige predict runs/faces face.png --box 170,50,280,190 -o predictions"
    command = command_of(predict, kinds, doc, DEVICE_ALONE)
    app.command("predict", epilog=examples(FACES_RUN, PHOTOGRAPH, prediction))(command)


def predict(
    given: Source,
    asked: Photographs,
    extraction: ExtractOptions,
    replacing: Replacing,
    printing: Printing,
    trial: Trial,
) -> None:
    """Predict, draw, and say what could not be done."""
    from vestige.cluster.cluster import Cluster
    from vestige.probes.engine.prediction_files import check_prediction_folder
    from vestige.run import Run
    from vestige.trained_run import check_trained, plan_prediction, reader_of

    if Cluster.used() is not None and not asked.store:
        raise VestigeError("--ray: machines share features that are kept, and these are not; add --store")
    source = Run(given.run)
    check_trained(source)  # before anything else is looked at
    check_prediction_folder(asked.output, overwrite=replacing.overwrite)
    found, failures = asked.open()
    if trial.dry_run:
        reader = replace(reader_of(source, extraction.device), keep=asked.store)
        print_plan(plan_prediction(source, found, reader, category=asked.category, whole=asked.whole), printing)
        return
    with quietly(printing.quiet):
        predicted = _predict(source, found, failures, asked, extraction.device, overwrite=replacing.overwrite)
        _tell(predicted, asked.output, printing)
    if predicted.failures:
        raise typer.Exit(1)


def _predict(
    source: Run,
    found: Sequence[Example],
    failures: Sequence[Failure],
    asked: Photographs,
    device: str,
    *,
    overwrite: bool,
) -> Predicted:
    """What is predicted; it is drawn and written, where there is anything."""
    from vestige.contract.forecast import watched
    from vestige.probes.engine.prediction_files import write_predictions
    from vestige.trained_run import plan_prediction, predict_run, reader_of

    with listening() as listener:
        reader = replace(reader_of(source, device, listener.count), keep=asked.store)
        plan = plan_prediction(source, found, reader, category=asked.category, whole=asked.whole)
        reader = watched(reader, plan, listener.tell)
        with keeping("stored features are kept, and the same command goes on" if asked.store else NOTHING):
            predicted = predict_run(source, found, reader, category=asked.category, whole=asked.whole, say=listener.say)
        predicted = replace(predicted, failures=(*failures, *predicted.failures))
        if predicted.predictions:
            listener.say("drawing")
            coco = asked.form == "coco"
            write_predictions(predicted, asked.output, coco=coco, overwrite=overwrite, progress=listener.count)
    return predicted


def _tell(predicted: Predicted, output: Path, printing: Printing) -> None:
    """Say what was done, and what was not.

    Raises:
        VestigeError: where nothing was.
    """
    from vestige.probes.engine.prediction_files import FILE
    from vestige.text import count

    for failure in predicted.failures[:_LISTED]:
        console.print(f"not done: {failure}", markup=False, highlight=False, soft_wrap=True)
    if len(predicted.failures) > _LISTED:
        console.print(f"and {len(predicted.failures) - _LISTED} more, listed in predictions.json")
    if not predicted.predictions:
        raise VestigeError("nothing could be predicted; nothing was written")
    if printing.json:
        typer.echo((output / FILE).read_text(encoding="utf-8"), nl=False)
    else:
        typer.echo(f"{count(len(predicted.predictions), 'picture')} and predictions.json in {output}")
