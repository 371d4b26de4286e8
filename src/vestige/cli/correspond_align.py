"""``vestige correspond align``: keypoints carried from one instance of a class to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vestige import bounds as b
from vestige.cli import options as o
from vestige.cli.console import Listener, command_line
from vestige.cli.help import examples
from vestige.cli.measuring import measure_into

if TYPE_CHECKING:
    from vestige.results import Results
    from vestige.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vestige correspond align synthetic:objects,n=60,seed=1 --test synthetic:objects,n=30,seed=2 "
            "--layer block7 --queries 10 --no-sift -o runs/aligned"
        )
    )(align)


def align(
    train: o.Train,
    output: o.Out,
    test: o.Test = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            help="A grid layer's name or a glob; repeat for several. [default: the deepest of at least 12 x 12 cells]",
        ),
    ] = None,
    beta: Annotated[
        list[float] | None,
        o.number(
            b.BETA,
            "--beta",
            "B",
            "Weight of the deformation; repeat for several, of which training instances choose. "
            "[default: 0.003, 0.01, 0.03, 0.1]",
        ),
    ] = None,
    queries: Annotated[
        int, o.number(b.COUNT, "--queries", "N", "Training instances on which betas and layers are tried.")
    ] = 40,
    neighbours: Annotated[
        int, o.number(b.COUNT, "--neighbours", "N", "Neighbours that are aligned with each instance.")
    ] = 25,
    first: Annotated[
        int,
        o.number(b.COUNT, "--first", "N", "How many neighbours, the least deformed first, the median is taken of."),
    ] = 5,
    neighbour_layer: Annotated[
        str, typer.Option(metavar="NAME", help="The layer that finds neighbours. [default: the last]")
    ] = "",
    neighbour_readout: Annotated[
        str, typer.Option(metavar="R", help="Its readout. [default: its mean over places, or its vector]")
    ] = "",
    alpha: Annotated[
        list[float] | None,
        o.number(
            b.PCK_ALPHA,
            "--alpha",
            "A",
            "Distance within which a keypoint counts as found, in longer sides of the box; repeat for several, "
            "betas and layers are chosen by the first. "
            "[default: 0.1, 0.05, 0.025]",
        ),
    ] = None,
    sift: Annotated[bool, typer.Option("--sift/--no-sift", help="Align by SIFT at the same places, too.")] = True,
    sift_radius: Annotated[
        float,
        o.number(b.SIFT_RADIUS, "--sift-radius", "PX", "Half the side of a descriptor's 4 x 4 bins, in input pixels."),
    ] = 20.0,
    tolerance: Annotated[
        float,
        o.number(
            b.TOLERANCE, "--tolerance", "T", "Change of a flow's energy, as a share of it, at which the search ends."
        ),
    ] = 1e-3,
    markup: o.MarkupFile = None,
    seed: Annotated[
        int, o.number(b.SEED, "--seed", "N", "Random seed of the training instances tried, and of the bootstrap.")
    ] = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    compiled: o.Compile = False,
    store_dtype: o.StoreDtype = "float32",
    batch_size: o.BatchSize = 32,
    overwrite: o.Overwrite = False,
) -> None:
    """Do instances of a class fall into place? Flow from each to its neighbours, whose keypoints it takes over."""
    from vestige.correspondence.align.measure import align_instances
    from vestige.correspondence.options import BETAS, AlignOptions
    from vestige.correspondence.record import kept_in, record_alignment
    from vestige.datasets.opening import open_train_test

    chosen = AlignOptions(
        backbone=backbone,
        layers=tuple(layer or ()),
        neighbour_layer=neighbour_layer,
        neighbour_readout=neighbour_readout,
        neighbours=neighbours,
        first=first,
        betas=tuple(dict.fromkeys(beta or BETAS)),
        queries=queries,
        alphas=tuple(dict.fromkeys(alpha or (0.1, 0.05, 0.025))),
        sift_radius=sift_radius if sift else 0.0,
        tolerance=tolerance,
        seed=seed,
    )

    def measure(run: Run, listener: Listener) -> Results:
        reader = o.reader_for(listener, device, precision, compiled, store_dtype, batch_size)
        data = open_train_test(train, test, strict=strict, markup=o.markup_of(markup))
        found = align_instances(*data, chosen, reader, say=listener.say, progress=listener.pairs, kept=kept_in(run))
        return record_alignment(run, found, command_line())

    measure_into(output, overwrite, measure)
