"""``vestige probe attributes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN
from vestige.cli import options as o
from vestige.cli.console import Listener, command_line
from vestige.cli.help import examples
from vestige.cli.measuring import measure_into
from vestige.cli.probe import BoxMargin, Untrained, vector_options

if TYPE_CHECKING:
    from vestige.results import Results
    from vestige.run import Run

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute", metavar="NAME", help="An attribute; repeat for several. [default: all that can be measured]"
    ),
]
Least = Annotated[
    int,
    o.number(
        b.COUNT,
        "--least",
        "N",
        "Training examples of each value that an unnamed attribute needs.",
    ),
]
CentralShare = Annotated[
    float,
    o.number(
        b.SHARE,
        "--crop",
        "X",
        "The central share of width and height that is seen of a picture without box; 1: all of it.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vestige probe attributes synthetic:faces,n=400,seed=1 --test synthetic:faces,n=150,seed=2 "
            "--attribute glasses --attribute beard --attribute yaw --layer block7 --layer block10 -o runs/attributes"
        )
    )(attributes)


def attributes(
    train: o.Train,
    output: o.Out,
    test: o.Test = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: o.Layers = None,
    readout: o.VectorReadouts = None,
    attribute: Names = None,
    least: Least = 10,
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror/--no-mirror",
            help="Train on mirrored copies, too: wrong for attributes that change sign when mirrored, such as yaw.",
        ),
    ] = False,
    crop: CentralShare = 1.0,
    box_margin: BoxMargin = FACE_MARGIN,
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
    """Does it wear glasses, which way does it look? Ridge from one layer to named numbers: AUC for those that are 0 or
    1, R^2 for the others."""
    from vestige.datasets.opening import open_train_test
    from vestige.probes.attributes.measure import attributes_of
    from vestige.probes.engine.record import record
    from vestige.probes.engine.vector_probe import probe_vectors

    def measure(run: Run, listener: Listener) -> Results:
        reader = o.reader_for(listener, device, precision, compiled, store_dtype, batch_size)
        data = open_train_test(train, test, strict=strict)
        task, notes = attributes_of(
            data[0], attribute or (), least=least, mirror=mirror, box_margin=box_margin, crop=crop
        )
        chosen = vector_options(backbone, layer, readout, untrained, seed, alpha_shared=alpha_shared)
        probe = probe_vectors(task, *data, chosen, reader, listener.say, notes)
        return record(run, probe, command_line())

    measure_into(output, overwrite, measure)
