"""``vestige compare``: which layer of which network, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN
from vestige.cli import options as o
from vestige.cli.console import command_line, listening, print_ranking
from vestige.cli.help import examples
from vestige.spec import EVEN_LAYERS


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vestige compare synthetic:faces,n=120,seed=1 --test synthetic:faces,n=60,seed=2 "
            "--backbone efficientnet_lite0 --backbone efficientnet_lite0@random:0 --layer block4 --layer block10 "
            "-o runs/compare"
        )
    )(compare)


def compare(
    train: o.Train,
    output: o.Out,
    test: o.Test = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="A network, as in probe; repeat for several. NAME@random:SEED is untrained. "
            "[default: efficientnet_lite0 and efficientnet_lite0@random:0]",
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="[NETWORK=]NAME",
            help="A layer's name or a glob, read in the networks that have it; with NETWORK=, in the one whose SPEC "
            f"begins so. Repeat for several; even:N and all as in probe. [default: {EVEN_LAYERS}]",
        ),
    ] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option(metavar="R", help="As in probe; repeat for several. [default: auto and gap]"),
    ] = None,
    mirror: Annotated[bool, typer.Option(help="Train on mirrored copies, too.")] = True,
    box_margin: Annotated[
        float, o.number(b.BOX_MARGIN, "--box-margin", "X", "Share of a box's side added on every side.")
    ] = FACE_MARGIN,
    normaliser: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="inter-ocular, inter-pupil, eye-corners, box or longer-side. [default: inter-ocular, else box]",
        ),
    ] = None,
    markup: o.MarkupFile = None,
    seed: o.Seed = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    compiled: o.Compile = False,
    store_dtype: o.StoreDtype = "float32",
    batch_size: o.BatchSize = 32,
    overwrite: o.Overwrite = False,
) -> None:
    """Measure backbones x layers x readouts on landmarks, on the same crops; one report ranks them and tells the cost.

    Killed at any moment, it goes on where it was when it is started again.
    """
    from vestige.datasets.opening import open_train_test
    from vestige.probes.compare.comparison import DOCUMENT, read_comparison, save_comparison
    from vestige.probes.compare.measure import CompareOptions, compare_landmarks, keep_measured
    from vestige.probes.compare.page import write_comparison, write_comparison_figures
    from vestige.probes.landmarks.task import LandmarkOptions
    from vestige.run_folders import building

    probe = LandmarkOptions(box_margin=box_margin, mirror=mirror, normaliser=normaliser, seed=seed)
    options = CompareOptions(
        tuple(backbone or ("efficientnet_lite0", "efficientnet_lite0@random:0")),
        o.layers_of(layer),
        tuple(readout or ("auto", "gap")),
        probe,
    )
    with building(output, overwrite=overwrite, command=command_line()) as place:
        if not (place.new / DOCUMENT).is_file():
            with listening() as listener:
                reader = o.reader_for(listener, device, precision, compiled, store_dtype, batch_size)
                data = open_train_test(train, test, strict=strict, markup=o.markup_of(markup))
                keep_measured(output, place.kept)  # by an earlier comparison that is replaced
                comparison = compare_landmarks(*data, options, reader, place.kept, listener.say)
            keep_measured(place.kept, place.new)
            save_comparison(replace(comparison, config={**comparison.config, "command": command_line()}), place.new)
        comparison = read_comparison(place.new)
        print_ranking(comparison)
        write_comparison_figures(place.new, place.new / "figures")
        write_comparison(place.new, place.new / "report.html")
    typer.echo(f"report: {output / 'report.html'}")
