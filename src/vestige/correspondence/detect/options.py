"""What a keypoint detection may be asked to do; the defaults are the paper's where it says (section 5)."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.errors import VestigeError
from vestige.options import option
from vestige.spelling import spelled

ETAS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
SIGMAS = (11.0, 22.0, 44.0, 66.0, 100.0)
"""What training folds choose of, for the prior by cross-validation; in pixels of a square of 500."""

SIFT = "sift"


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
        cs: C of the SVMs; of several, training folds choose for each kind of feature.
        rounds: of hard-negative mining.
        batch: negatives that a detector begins with; a round adds as many, or as many as the detector has.
        folds: of the training data, for calibration and choices.
        eta, sigma: of the prior; sigma in pixels of the square.
        etas, sigmas: of which training folds choose for the prior by cross-validation.
        neighbour_layer, neighbour_readout: by which the neighbour that gives the prior is found; "" for the last
            grid layer, and for its places kept apart.
        alphas: of PCK, in longer sides of the box; choices are made by the first.
        seed: of the first negatives, and of the bootstrap.
    """

    backbone: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ()
    size: int = option(500, bounds=b.SQUARE)
    reach: int = option(1, bounds=b.REACH)
    closest: int = option(10, bounds=b.COUNT)
    negative_distance: float | None = option(None, bounds=b.DISTANCE)
    sift_bin: int = option(8, bounds=b.SIFT_BIN_OR_NONE)
    cs: tuple[float, ...] = option((1.0,), bounds=b.SVM_C)
    rounds: int = option(20, bounds=b.ROUNDS)
    batch: int = option(5000, bounds=b.COUNT)
    folds: int = option(3, bounds=b.FOLDS)
    eta: float = option(0.1, bounds=b.ETA)
    sigma: float = option(22.0, bounds=b.SIGMA)
    etas: tuple[float, ...] = option(ETAS, bounds=b.ETA)
    sigmas: tuple[float, ...] = option(SIGMAS, bounds=b.SIGMA)
    neighbour_layer: str = ""
    neighbour_readout: str = ""
    alphas: tuple[float, ...] = option((0.1, 0.05, 0.025), bounds=b.PCK_ALPHA)
    seed: int = option(0, bounds=b.SEED)

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
