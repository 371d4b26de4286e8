"""What a keypoint detection may be asked to do; the defaults are the paper's where it says (section 5)."""

from __future__ import annotations

from dataclasses import MISSING, dataclass

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
from vestige.errors import VestigeError
from vestige.options import Switch, backbone_option, option, pck_alphas_option, seed_option
from vestige.spelling import spelled

ETAS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
SIGMAS = (11.0, 22.0, 44.0, 66.0, 100.0)
"""What training folds choose of, for the prior by cross-validation; in pixels of a square of 500."""

SIFT = "sift"
"""The feature that is no layer's."""

PRIOR, CHOSEN = "+prior", "+prior-cv"
"""What is added to a method's name: the prior with the given eta and sigma, and with those of training folds."""


@dataclass(frozen=True)
class DetectOptions:
    """How keypoints are detected.

    Attributes:
        backbone: its spec.
        layers: grid layers, names and globs.
        size: pixels of the square that boxes are resized to.
        reach: neighbours on every side of a cell that belong to a candidate: 1 for 3 x 3.
        closest: candidates of a layer that are positive examples of a keypoint.
        negative_distance: candidates of a layer are negative from this many pixels on; None: where the keypoint lies
            outside the candidate's receptive field.
        sift_bin: pixels of a bin of dense SIFT, and from one descriptor to the next; 0 for no SIFT. Positive up to
            two bins from the keypoint, negative from four on.
        cs: C of the SVMs; of several, training folds choose for each feature.
        rounds: of hard-negative mining.
        negatives: that a detector begins with; a round adds as many, or as many as the detector has.
        folds: of the training data, for calibration and choices.
        eta, sigma: of the prior; sigma in pixels of the square.
        etas, sigmas: of which training folds choose for the prior by cross-validation.
        neighbour_layer, neighbour_readout: by which the neighbour that gives the prior is found; "" for the last
            grid layer, and for its places kept apart.
        alphas: of PCK, in longer sides of the box; choices are made by the first.
        seed: of the first negatives, and of the bootstrap.
    """

    backbone: str = backbone_option()
    layers: tuple[str, ...] = grid_layers_option(typed=MISSING)
    size: int = option(500, "Side of the square that boxes are resized to.", bounds=b.SQUARE, metavar="PX")
    reach: int = option(1, "Neighbours on every side of a cell that a detector sees; 1: 3 x 3.", bounds=b.REACH)
    closest: int = option(10, "Cells of a layer that show a keypoint.", bounds=b.COUNT)
    negative_distance: float | None = option(
        None,
        "How far from a keypoint cells of a layer are negative.",
        bounds=b.DISTANCE,
        metavar="PX",
        default_text="where their receptive fields do not hold it",
    )
    sift_bin: int = option(
        8,
        "Side of a bin of dense SIFT, and its step.",
        bounds=b.SIFT_BIN,
        metavar="PX",
        switch=Switch("--sift/--no-sift", "Detect by dense SIFT, too.", off=0),
    )
    cs: tuple[float, ...] = option(
        (1.0,),
        "C of the SVMs; repeat for several, training folds choose.",
        names=("-C",),
        bounds=b.SVM_C,
        metavar="C",
    )
    rounds: int = option(20, "Rounds of hard-negative mining, at most.", bounds=b.ROUNDS)
    negatives: int = option(
        5000,
        "Negatives a detector begins with; a round adds as many, or as many as it has.",
        names=("--batch",),
        bounds=b.COUNT,
    )
    folds: int = option(3, bounds=b.FOLDS)
    eta: float = option(0.1, "Weight of the prior.", bounds=b.ETA)
    sigma: float = option(22.0, "Width of the prior, in pixels of the square.", bounds=b.SIGMA, metavar="PX")
    etas: tuple[float, ...] = option(ETAS, bounds=b.ETA)
    sigmas: tuple[float, ...] = option(SIGMAS, bounds=b.SIGMA)
    neighbour_layer: str = neighbour_layer_option("the prior's neighbour", "the last grid")
    neighbour_readout: str = neighbour_readout_option("auto, flat but pooled to at most 25,000 numbers")
    alphas: tuple[float, ...] = pck_alphas_option(ALPHAS, "choices are made")
    seed: int = seed_option("the first negatives, and of the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.sift_bin > self.size:
            raise VestigeError(f"{spelled('sift_bin', self.sift_bin)}: expected at most {spelled('size', self.size)}")

    @property
    def settings(self) -> tuple[tuple[float, float], ...]:
        """(eta, sigma): without the prior, with the given one, and all that training folds choose of."""
        given = ((0.0, self.sigma), (self.eta, self.sigma))
        tried = [(eta, sigma) for eta in self.etas for sigma in self.sigmas]
        return tuple(dict.fromkeys((*given, *tried)))


DETECT = Task(
    name="detect",
    question=(
        "Which cells look like a keypoint? A linear SVM for each, with hard negatives and a prior from a neighbour."
    ),
    group="correspond",
    data=PointTrainTest,
    options=(DetectOptions,),
    checked_by="vestige.correspondence.detect.measure:check_detection",
    measured_by="vestige.correspondence.detect.measure:measure_detection",
    planned_by="vestige.correspondence.detect.plan:plan_detection",
    paged_by="vestige.correspondence.detect.page:detect_parts",
    example=(
        "vestige correspond detect synthetic:objects,n=60,seed=1,category=bird "
        "--test synthetic:objects,n=30,seed=2,category=bird --layer block7 --size 224 -o runs/parts"
    ),
    without=frozenset({"compile", "store_dtype", "batch"}),
)
