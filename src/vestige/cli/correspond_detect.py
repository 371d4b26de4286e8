"""``vestige correspond detect``: keypoints found by sliding-window detectors."""

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
            "vestige correspond detect synthetic:objects,n=60,seed=1,category=bird "
            "--test synthetic:objects,n=30,seed=2,category=bird --layer block7 --size 224 -o runs/parts"
        )
    )(detect)


def detect(
    train: o.Train,
    output: o.Out,
    layer: Annotated[
        list[str], typer.Option("--layer", metavar="NAME", help="A grid layer's name or a glob; repeat for several.")
    ],
    test: o.Test = None,
    backbone: o.Backbone = "efficientnet_lite0",
    size: Annotated[int, o.number(b.SQUARE, "--size", "PX", "Side of the square that boxes are resized to.")] = 500,
    reach: Annotated[
        int, o.number(b.REACH, "--reach", "N", "Neighbours on every side of a cell that a detector sees; 1: 3 x 3.")
    ] = 1,
    closest: Annotated[int, o.number(b.COUNT, "--closest", "N", "Cells of a layer that show a keypoint.")] = 10,
    negative_distance: Annotated[
        float | None,
        o.number(
            b.DISTANCE,
            "--negative-distance",
            "PX",
            "How far from a keypoint cells of a layer are negative. "
            "[default: where their receptive fields do not hold it]",
        ),
    ] = None,
    c: Annotated[
        list[float] | None,
        o.number(b.SVM_C, "-C", "C", "C of the SVMs; repeat for several, training folds choose. [default: 1]"),
    ] = None,
    rounds: Annotated[int, o.number(b.ROUNDS, "--rounds", "N", "Rounds of hard-negative mining, at most.")] = 20,
    batch: Annotated[
        int,
        o.number(
            b.COUNT,
            "--batch",
            "N",
            "Negatives a detector begins with; a round adds as many, or as many as it has.",
        ),
    ] = 5000,
    eta: Annotated[float, o.number(b.ETA, "--eta", "X", "Weight of the prior.")] = 0.1,
    sigma: Annotated[float, o.number(b.SIGMA, "--sigma", "PX", "Width of the prior, in pixels of the square.")] = 22.0,
    neighbour_layer: Annotated[
        str, typer.Option(metavar="NAME", help="The layer that finds the prior's neighbour. [default: the last grid]")
    ] = "",
    neighbour_readout: Annotated[
        str, typer.Option(metavar="R", help="Its readout. [default: auto, flat but pooled to at most 25,000 numbers]")
    ] = "",
    alpha: Annotated[
        list[float] | None,
        o.number(
            b.PCK_ALPHA,
            "--alpha",
            "A",
            "Distance within which a keypoint counts as found, in longer sides of the box; repeat for several, "
            "choices are made by the first. "
            "[default: 0.1, 0.05, 0.025]",
        ),
    ] = None,
    sift: Annotated[bool, typer.Option("--sift/--no-sift", help="Detect by dense SIFT, too.")] = True,
    sift_bin: Annotated[
        int, o.number(b.SIFT_BIN, "--sift-bin", "PX", "Side of a bin of dense SIFT, and its step.")
    ] = 8,
    markup: o.MarkupFile = None,
    seed: Annotated[
        int, o.number(b.SEED, "--seed", "N", "Random seed of the first negatives, and of the bootstrap.")
    ] = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    overwrite: o.Overwrite = False,
) -> None:
    """Which cells look like a keypoint? A linear SVM for each, with hard negatives and a prior from a neighbour."""
    from vestige.correspondence.detect.measure import detect_keypoints
    from vestige.correspondence.detect.options import DetectOptions
    from vestige.correspondence.record import kept_in, record_detection
    from vestige.datasets.opening import open_train_test

    chosen = DetectOptions(
        backbone=backbone,
        layers=tuple(layer),
        size=size,
        reach=reach,
        closest=closest,
        negative_distance=negative_distance,
        sift_bin=sift_bin if sift else 0,
        cs=tuple(dict.fromkeys(c or (1.0,))),
        rounds=rounds,
        batch=batch,
        eta=eta,
        sigma=sigma,
        neighbour_layer=neighbour_layer,
        neighbour_readout=neighbour_readout,
        alphas=tuple(dict.fromkeys(alpha or (0.1, 0.05, 0.025))),
        seed=seed,
    )

    def measure(run: Run, listener: Listener) -> Results:
        reader = o.reader_for(listener, device, precision, False, "float32", 32)
        data = open_train_test(train, test, strict=strict, markup=o.markup_of(markup))
        found = detect_keypoints(*data, chosen, reader, say=listener.say, progress=listener.parts, kept=kept_in(run))
        return record_detection(run, found, command_line())

    measure_into(output, overwrite, measure)
