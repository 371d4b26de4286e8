"""``vestige correspond classify``: keypoints named by linear classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vestige import bounds as b
from vestige.cli import options as o
from vestige.cli.console import Listener, command_line
from vestige.cli.correspond_patches import CellCentres
from vestige.cli.help import examples
from vestige.cli.measuring import measure_into

if TYPE_CHECKING:
    from vestige.results import Results
    from vestige.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vestige correspond classify synthetic:objects,n=60,seed=1 --test synthetic:objects,n=30,seed=2 "
            "--layer block4 --layer block10 --localise 4 -o runs/named"
        )
    )(classify)


def classify(
    train: o.Train,
    output: o.Out,
    test: o.Test = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            help="A grid layer's name or a glob; repeat for several. [default: the last of every stride up to 16]",
        ),
    ] = None,
    c: Annotated[
        list[float] | None,
        o.number(
            b.SVM_C,
            "-C",
            "C",
            "C of the SVMs; repeat for several, of which five-fold cross-validation chooses. "
            "[default: powers of ten from 1e-8 to 10]",
        ),
    ] = None,
    radius: Annotated[
        list[float] | None,
        o.number(
            b.SIFT_RADIUS,
            "--sift-radius",
            "PX",
            "Half the side of SIFT's 4 x 4 bins, in pixels of the pictures; repeat for several. "
            "[default: 10, 20, 40, 80, 160]",
        ),
    ] = None,
    sift: Annotated[bool, typer.Option("--sift/--no-sift", help="Classify by SIFT, too.")] = True,
    short_side: Annotated[
        int, o.number(b.SHORT_SIDE_OR_NONE, "--short-side", "N", "Pixels of every picture's shorter side; 0: as it is.")
    ] = 0,
    localise: Annotated[
        int,
        o.number(b.LOCALISED, "--localise", "N", "Test pictures in which to look for responses at every pixel."),
    ] = 0,
    centres: CellCentres = "field",
    markup: o.MarkupFile = None,
    seed: Annotated[
        int, o.number(b.SEED, "--seed", "N", "Random seed of the bootstrap, and of the pictures that are localised in.")
    ] = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    store_dtype: o.StoreDtype = "float32",
    overwrite: o.Overwrite = False,
) -> None:
    """Which keypoint is it? Linear SVMs within each class on the feature at a keypoint, the network's and SIFT's."""
    from vestige.correspondence.classify.measure import classify_keypoints
    from vestige.correspondence.options import CS, RADII, ClassifyOptions
    from vestige.correspondence.record import kept_in, record_classification
    from vestige.datasets.opening import open_train_test

    chosen = ClassifyOptions(
        backbone=backbone,
        layers=tuple(layer or ()),
        radii=tuple(dict.fromkeys(radius or RADII)) if sift else (),
        cs=tuple(dict.fromkeys(c or CS)),
        short_side=short_side,
        localise=localise,
        centres=centres,
        seed=seed,
    )

    def measure(run: Run, listener: Listener) -> Results:
        reader = o.reader_for(listener, device, precision, False, store_dtype, 1)
        data = open_train_test(train, test, strict=strict, markup=o.markup_of(markup))
        found = classify_keypoints(*data, chosen, reader, say=listener.say, progress=listener.parts, kept=kept_in(run))
        return record_classification(run, found, command_line())

    measure_into(output, overwrite, measure)
