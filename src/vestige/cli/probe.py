"""``vestige probe``: train linear probes and measure them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN
from vestige.cli import options as o
from vestige.cli.console import Listener, command_line
from vestige.cli.help import examples
from vestige.cli.measuring import Session, measure_into, measures
from vestige.cli.parts import PointData
from vestige.probes.keypoints.options import KeypointOptions
from vestige.probes.landmarks.options import LandmarkOptions

if TYPE_CHECKING:
    from vestige.probes.engine.options import VectorOptions
    from vestige.results import Results
    from vestige.run import Run

app = typer.Typer(help="Train linear probes on a network's features and measure them.", no_args_is_help=True)


BoxMargin = Annotated[float, o.number(b.BOX_MARGIN, "--box-margin", "X", "Share of a box's side added on every side.")]
ReconstructionSide = Annotated[
    int, o.number(b.RECONSTRUCTION, "--size", "N", "Side of the reconstruction in pixels (the paper: 46).")
]
Untrained = Annotated[
    int, o.number(b.UNTRAINED, "--untrained", "N", "How many networks with random weights to compare with.")
]


@measures(
    app,
    examples(
        "vestige probe landmarks synthetic:faces,n=200,seed=1 --test synthetic:faces,n=60,seed=2 "
        "--layer block7 --layer block10 -o runs/faces"
    ),
)
def landmarks(session: Session, data: PointData, options: LandmarkOptions) -> Results:
    """Where are a face's parts? Ridge from one layer to the landmarks, look-back, and the baselines beside it."""
    from vestige.probes.engine.record import record
    from vestige.probes.landmarks.measure import probe_landmarks

    probe = probe_landmarks(*data.open(), options, session.reader, session.listener.say)
    return record(session.run, probe, session.command)


@measures(
    app,
    examples(
        "vestige probe keypoints synthetic:objects,n=400,seed=1 --test synthetic:objects,n=150,seed=2 "
        "--layer block7 --layer block10 -o runs/objects"
    ),
)
def keypoints(session: Session, data: PointData, options: KeypointOptions) -> Results:
    """Where are an object's parts? One set of regressors per class, measured by the share of keypoints found (PCK)."""
    from vestige.probes.engine.record import record
    from vestige.probes.keypoints.measure import probe_keypoints

    probe = probe_keypoints(*data.open(), options, session.reader, session.listener.say)
    return record(session.run, probe, session.command)


@app.command(
    epilog=examples(
        "vestige probe pixels synthetic:faces,n=300,seed=1 --test synthetic:faces,n=100,seed=2 "
        "--layer block4 --layer block10 -o runs/pixels"
    )
)
def pixels(
    train: o.Train,
    output: o.Out,
    test: o.Test = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: o.Layers = None,
    readout: o.VectorReadouts = None,
    size: ReconstructionSide = 46,
    mirror: Annotated[bool, typer.Option("--mirror/--no-mirror", help="Train on mirrored copies, too.")] = False,
    crops: Annotated[
        bool, typer.Option("--crops", help="See the square about each example's box, not the whole picture squashed.")
    ] = False,
    box_margin: Annotated[
        float,
        o.number(b.BOX_MARGIN, "--box-margin", "X", "With --crops: share of a box's side added on every side."),
    ] = FACE_MARGIN,
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
    """What colours does it remember? Ridge from one layer to every pixel of the picture, made small."""
    from vestige.datasets.opening import open_train_test
    from vestige.probes.engine.record import record
    from vestige.probes.engine.vector_probe import probe_vectors
    from vestige.probes.pixels.measure import Pixelwise

    task = Pixelwise(size, mirror, crops, box_margin if crops else 0.0)

    def measure(run: Run, listener: Listener) -> Results:
        reader = o.reader_for(listener, device, precision, compiled, store_dtype, batch_size)
        data = open_train_test(train, test, strict=strict)
        chosen = vector_options(backbone, layer, readout, untrained, seed, alpha_shared=alpha_shared)
        probe = probe_vectors(task, *data, chosen, reader, listener.say)
        return record(run, probe, command_line())

    measure_into(output, overwrite, measure)


def vector_options(
    backbone: str,
    layers: list[str] | None,
    readouts: list[str] | None,
    untrained: int,
    seed: int,
    *,
    alpha_shared: bool,
) -> VectorOptions:
    """What the options that all vector tasks have come to."""
    from vestige.probes.engine.options import VectorOptions

    return VectorOptions(
        backbone,
        o.layers_of(layers),
        tuple(readouts or ("auto:4096",)),
        untrained_seeds=untrained,
        seed=seed,
        alpha_shared=alpha_shared,
    )
