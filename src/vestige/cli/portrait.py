"""``vestige portrait``: everything that trained runs read out of one photograph, in one picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vestige.cli import options as o
from vestige.cli.console import console, listening
from vestige.cli.help import FACES_RUN, PHOTOGRAPH, examples


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            FACES_RUN,
            "vestige probe attributes synthetic:faces,n=200,seed=1 --test synthetic:faces,n=60,seed=2 "
            "--attribute glasses --attribute yaw --layer block7 --untrained 1 -o runs/attributes",
            PHOTOGRAPH,
            "vestige portrait face.png --run runs/faces --run runs/attributes --box 170,50,280,190 -o portrait.png",
        )
    )(portrait)


def portrait(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photograph.")],
    run: Annotated[
        list[Path], typer.Option("--run", metavar="RUN", help="A finished run of a probe; repeat for several.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The picture; its numbers go beside it as .json.", parser=o.path_of
        ),
    ] = Path("portrait.png"),
    box: Annotated[
        str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="The object's box in pixels. [default: the whole picture]")
    ] = None,
    category: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="The object's class, where a run has several.")
    ] = None,
    device: o.Device = "auto",
    overwrite: o.Replace = False,
) -> None:
    """What does one descriptor hold? Landmarks, classes, colours and attributes of one photograph in one picture.

    Runs that were trained at the same layer and see the same square read the same numbers; the picture says whether
    they do. Points are read without looking back.
    """
    import numpy as np

    from vestige.files import refuse_existing, write_json
    from vestige.images import check_image_path, save_image
    from vestige.probes.portrait.read import read_portrait
    from vestige.run import Run
    from vestige.trained_run import portrait_predictors, reader_of

    check_image_path(output)
    numbers = output.with_suffix(".json")
    for path in (output, numbers):
        refuse_existing(path, overwrite=overwrite, inputs=[image])
    found_box = None if box is None else np.array(o.parse_box(box))
    with listening() as listener:
        listener.say(f"reading {image}")
        found = read_portrait(
            image,
            portrait_predictors([Run(folder) for folder in run], category),
            lambda source: replace(reader_of(source, device, listener.count), keep=False),
            found_box,
        )
    save_image(found.picture(), output, overwrite=overwrite)
    write_json(numbers, found.to_json(), overwrite=overwrite)
    if not found.shared:
        console.print("the runs read different descriptors; the picture says which layer each one read")
    typer.echo(f"{output} and {numbers}")
