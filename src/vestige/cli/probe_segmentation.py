"""``vestige probe segmentation``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from vestige import bounds as b
from vestige.cli import options as o
from vestige.cli.console import Listener, command_line
from vestige.cli.help import examples
from vestige.cli.measuring import measure_into
from vestige.cli.probe import Untrained, vector_options

if TYPE_CHECKING:
    from vestige.results import Results
    from vestige.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vestige probe segmentation synthetic:objects,n=300,seed=1 "
            "--test synthetic:objects,n=100,seed=2 --layer block7 --layer block10 --augment 4 -o runs/segmentation"
        )
    )(segmentation)


def segmentation(
    train: o.Train,
    output: o.Out,
    test: o.Test = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: o.Layers = None,
    readout: o.VectorReadouts = None,
    grid: Annotated[int, o.number(b.SEGMENTS, "--grid", "N", "Cells a side of the map (the paper: 30).")] = 30,
    augment: Annotated[
        int,
        o.number(
            b.COPIES,
            "--augment",
            "N",
            "Copies of each training picture: itself, and crops of it, mirrored or not; 1: none.",
        ),
    ] = 10,
    smallest_crop: Annotated[
        float,
        o.number(b.SHARE, "--smallest-crop", "X", "The least side of such a crop, as a share of the picture's."),
    ] = 0.6,
    targets: Annotated[
        str,
        typer.Option(
            metavar="T",
            help="What is regressed: shares of each cell by class, or binary, as the paper: 1 for the class of most.",
        ),
    ] = "shares",
    untrained: Untrained = 1,
    alpha_shared: o.AlphaShared = False,
    seed: o.Seed = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    compiled: o.Compile = False,
    store_dtype: o.StoreDtype = "float32",
    batch_size: o.BatchSize = 32,
    overwrite: o.Overwrite = False,
) -> None:
    """What is where? Ridge from one layer to every cell's share of each class; a second map on its responses."""
    from vestige.datasets.opening import open_train_test
    from vestige.probes.engine.record import record
    from vestige.probes.engine.vector_probe import probe_vectors
    from vestige.probes.segmentation.measure import Targets, segmentation_of

    def measure(run: Run, listener: Listener) -> Results:
        reader = o.reader_for(listener, device, precision, compiled, store_dtype, batch_size)
        data = open_train_test(train, test, strict=strict)
        task = segmentation_of(data[0], grid, augment, smallest_crop, seed, cast("Targets", targets))
        chosen = vector_options(backbone, layer, readout, untrained, seed, alpha_shared=alpha_shared)
        probe = probe_vectors(task, *data, chosen, reader, listener.say)
        return record(run, probe, command_line())

    measure_into(output, overwrite, measure)
