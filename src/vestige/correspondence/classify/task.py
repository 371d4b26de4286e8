"""What a keypoint classification may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.correspondence.shared_options import Centres, centres_option, check_centres, grid_layers_option
from vestige.datasets.given import PointTrainTest
from vestige.options import Switch, backbone_option, option, seed_option

CS = tuple(10.0**power for power in range(-8, 2))
"""What is tried of the SVM's C where none is given."""

PAPER_C = 1e-6
"""The paper's, for raw activations of the Caffe network and for SIFT."""

RADII = (10.0, 20.0, 40.0, 80.0, 160.0)
"""The paper's, of SIFT."""

REACH = 10
"""Pixels on every side of a keypoint: squares of 21 x 21, as the paper's."""


@dataclass(frozen=True)
class ClassifyOptions:
    """What a keypoint classification does; the defaults are the paper's where it says.

    Attributes:
        backbone: its spec.
        layers: grid layers, names and globs; () for the last of every stride up to 16.
        radii: of SIFT, in pixels of the pictures as they are seen; () for no SIFT.
        cs: of the SVM; of several, each feature takes the best by cross-validation on training pictures.
        short_side: of the pictures, in pixels; 0 for their own size.
        localise: test pictures in which responses are computed at every pixel about the keypoints; 0 for none.
        localise_c: of the classifiers whose responses these are; None for the chosen of each.
        centres: what a cell's place is: the centre of its receptive ``field``, or of its ``response`` to a few
            training pictures (see `vestige.features.cell_places`).
        seed: of the bootstrap and of the pictures that are localised in, or looked at for responses.
    """

    backbone: str = backbone_option()
    layers: tuple[str, ...] = grid_layers_option("the last of every stride up to 16")
    radii: tuple[float, ...] = option(
        RADII,
        "Half the side of SIFT's 4 x 4 bins, in pixels of the pictures; repeat for several.",
        names=("--sift-radius",),
        bounds=b.SIFT_RADIUS,
        metavar="PX",
        switch=Switch("--sift/--no-sift", "Classify by SIFT, too.", off=()),
    )
    cs: tuple[float, ...] = option(
        CS,
        "C of the SVMs; repeat for several, of which five-fold cross-validation chooses.",
        names=("-C",),
        bounds=b.SVM_C,
        metavar="C",
        default_text="powers of ten from 1e-8 to 10",
    )
    short_side: int = option(0, "Pixels of every picture's shorter side; 0: as it is.", bounds=b.SHORT_SIDE_OR_OWN)
    localise: int = option(0, "Test pictures in which to look for responses at every pixel.", bounds=b.LOCALISED)
    localise_c: float | None = option(None, bounds=b.SVM_C)
    centres: Centres = centres_option()
    seed: int = seed_option("the bootstrap, and of the pictures that are localised in")

    def __post_init__(self) -> None:
        check_bounds(self)
        check_centres(self.centres)


CLASSIFY = Task(
    name="classify",
    question=(
        "Which keypoint is it? Linear SVMs within each class on the feature at a keypoint, the network's and SIFT's."
    ),
    group="correspond",
    data=PointTrainTest,
    options=(ClassifyOptions,),
    checked_by="vestige.correspondence.classify.measure:check_classification",
    measured_by="vestige.correspondence.classify.measure:measure_classification",
    planned_by="vestige.correspondence.classify.plan:plan_classification",
    paged_by="vestige.correspondence.classify.page:classify_parts",
    example=(
        "vestige correspond classify synthetic:objects,n=60,seed=1 --test synthetic:objects,n=30,seed=2 "
        "--layer block4 --layer block10 --localise 4 -o runs/named"
    ),
    without=frozenset({"compile", "batch"}),
)
