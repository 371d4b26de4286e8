"""What an alignment may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.correspondence.shared_options import (
    ALPHAS,
    grid_layers_option,
    neighbour_layer_option,
    neighbour_readout_option,
)
from vestige.datasets.given import PointTrainTest
from vestige.options import Switch, backbone_option, option, pck_alphas_option, seed_option

PAPER_BETA = 0.003
"""The paper's, for features whose lengths are the network's and SIFT's own."""

BETAS = (PAPER_BETA, 0.01, 0.03, 0.1)
"""What is tried where no beta is given."""


@dataclass(frozen=True)
class AlignOptions:
    """What an alignment does; the defaults are the paper's where it says.

    Attributes:
        backbone: its spec.
        layers: grid layers, names and globs; () for the deepest that has at least 12 x 12 cells.
        neighbour_layer: by which neighbours are found; "" for the last of the backbone.
        neighbour_readout: of it; "" for its mean over places where it has places.
        neighbours: how many are aligned with an instance.
        first: of how many neighbours that show a keypoint the median is taken.
        betas: of the deformation term; of several, each kind of feature takes the best on training instances.
        beside: betas at which every flow carries the keypoints once more, whatever was chosen: for comparison.
        queries: how many training instances betas and layers are tried on.
        alphas: of PCK, in longer sides of the box; betas and layers are chosen by the first.
        sift_radius: of SIFT, in pixels of the network's input; 0 for no SIFT.
        tolerance: of a flow's energy.
        seed: of the training instances that are tried, and of the bootstrap.
    """

    backbone: str = backbone_option()
    layers: tuple[str, ...] = grid_layers_option("the deepest of at least 12 x 12 cells")
    neighbour_layer: str = neighbour_layer_option("neighbours", "the last")
    neighbour_readout: str = neighbour_readout_option("its mean over places, or its vector")
    neighbours: int = option(25, "Neighbours that are aligned with each instance.", bounds=b.COUNT)
    first: int = option(5, "How many neighbours, the least deformed first, the median is taken of.", bounds=b.COUNT)
    betas: tuple[float, ...] = option(
        BETAS,
        "Weight of the deformation; repeat for several, of which training instances choose.",
        names=("--beta",),
        bounds=b.BETA,
        metavar="B",
    )
    beside: tuple[float, ...] = option((), bounds=b.BETA, empty=True)
    queries: int = option(40, "Training instances on which betas and layers are tried.", bounds=b.COUNT)
    alphas: tuple[float, ...] = pck_alphas_option(ALPHAS, "betas and layers are chosen")
    sift_radius: float = option(
        20.0,
        "Half the side of a descriptor's 4 x 4 bins, in input pixels.",
        bounds=b.SIFT_RADIUS,
        metavar="PX",
        switch=Switch("--sift/--no-sift", "Align by SIFT at the same places, too.", off=0.0),
    )
    tolerance: float = option(
        1e-3,
        "Change of a flow's energy, as a share of it, at which the search ends.",
        bounds=b.TOLERANCE,
        metavar="T",
    )
    seed: int = seed_option("the training instances tried, and of the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)


ALIGN = Task(
    name="align",
    question=(
        "Do features align instances of a class? Flow from each to its neighbours, which give it their keypoints."
    ),
    group="correspond",
    data=PointTrainTest,
    options=(AlignOptions,),
    checked_by="vestige.correspondence.align.measure:check_alignment",
    measured_by="vestige.correspondence.align.measure:measure_alignment",
    planned_by="vestige.correspondence.align.plan:plan_alignment",
    paged_by="vestige.correspondence.align.page:align_parts",
    example=(
        "vestige correspond align synthetic:objects,n=60,seed=1 --test synthetic:objects,n=30,seed=2 "
        "--layer block7 --queries 10 --no-sift -o runs/aligned"
    ),
)
