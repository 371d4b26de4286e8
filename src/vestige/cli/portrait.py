"""``vestige portrait``: everything that trained runs read out of one photograph, in one picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import console, listening, print_json, quietly
from vestige.cli.help import FACES_RUN, examples
from vestige.cli.options import parse_box, path_of
from vestige.cli.parts import DEVICE_ALONE, Printing, Replacing, class_option
from vestige.contract.task import PHOTOGRAPH
from vestige.extraction import ExtractOptions
from vestige.options import needed, option


@dataclass(frozen=True)
class Photograph:
    """What is looked at, by what, and where the picture goes.

    Attributes:
        image: the photograph.
        run: finished runs of probes.
        output: the picture; its numbers go beside it.
        box: of the object; None for the whole picture.
        category: the object's class, where a run has several.
    """

    image: Path = needed("A photograph.", metavar="IMAGE", argument=True)
    run: tuple[Path, ...] = needed("A finished run of a probe; repeat for several.", names=("--run",), metavar="RUN")
    output: Path = option(
        Path("portrait.png"),
        "The picture; its numbers go beside it as .json.",
        names=("-o", "--output"),
        metavar="FILE",
        parser=path_of,
    )
    box: str | None = option(
        None, "The object's box in pixels.", metavar="X0,Y0,X1,Y1", default_text="the whole picture"
    )
    category: str | None = class_option()


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    doc = """What does one descriptor hold? Landmarks, classes, colours and attributes of one photograph in one picture.

    Runs that were trained at the same layer and see the same square read the same numbers; the picture says whether
    they do. Points are read without looking back.
    """
    shown = examples(
        FACES_RUN,
        "vestige probe attributes synthetic:faces,n=200,seed=1 --test synthetic:faces,n=60,seed=2 "
        "--attribute glasses --attribute yaw --layer block7 --untrained 1 -o runs/attributes",
        PHOTOGRAPH,
        "vestige portrait face.png --run runs/faces --run runs/attributes --box 170,50,280,190 -o portrait.png",
    )
    kinds = (Photograph, ExtractOptions, Replacing, Printing)
    app.command("portrait", epilog=shown)(command_of(portrait, kinds, doc, DEVICE_ALONE | {"ray"}))


def portrait(asked: Photograph, extraction: ExtractOptions, replacing: Replacing, printing: Printing) -> None:
    """Read everything, and draw it."""
    import numpy as np

    from vestige.files import refuse_existing, write_json
    from vestige.images import check_image_path, save_image
    from vestige.probes.portrait.read import read_portrait
    from vestige.run import Run
    from vestige.trained_run import portrait_predictors, reader_of

    check_image_path(asked.output)
    numbers = asked.output.with_suffix(".json")
    for path in (asked.output, numbers):
        refuse_existing(path, overwrite=replacing.overwrite, inputs=[asked.image])
    box = None if asked.box is None else np.array(parse_box(asked.box))
    with quietly(printing.quiet):
        with listening() as listener:
            listener.say(f"reading {asked.image}")
            found = read_portrait(
                asked.image,
                portrait_predictors([Run(folder) for folder in asked.run], asked.category),
                lambda source: replace(reader_of(source, extraction.device, listener.count), keep=False),
                box,
            )
        save_image(found.picture(), asked.output, overwrite=replacing.overwrite)
        write_json(numbers, found.to_json(), overwrite=replacing.overwrite)
        if not found.shared:
            console.print("the runs read different descriptors; the picture says which layer each one read")
    if printing.json:
        print_json(found.to_json())
    else:
        typer.echo(f"{asked.output} and {numbers}")
