"""What a keypoint detection may be asked to do; the defaults are the paper's where it says (section 5)."""

from __future__ import annotations

from dataclasses import dataclass

from vestige.errors import VestigeError

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
    size: int = 500
    reach: int = 1
    closest: int = 10
    negative_distance: float | None = None
    sift_bin: int = 8
    cs: tuple[float, ...] = (1.0,)
    rounds: int = 20
    batch: int = 5000
    folds: int = 3
    eta: float = 0.1
    sigma: float = 22.0
    etas: tuple[float, ...] = ETAS
    sigmas: tuple[float, ...] = SIGMAS
    neighbour_layer: str = ""
    neighbour_readout: str = ""
    alphas: tuple[float, ...] = (0.1, 0.05, 0.025)
    seed: int = 0

    def __post_init__(self) -> None:
        _check("--alpha", self.alphas, all(0 < each <= 1 for each in self.alphas), "shares above 0, up to 1")
        _check("-C", self.cs, all(0 < each < 1e9 for each in self.cs), "numbers above 0")
        _check("--eta", (self.eta, *self.etas), all(0 <= e <= 1 for e in (self.eta, *self.etas)), "numbers in [0, 1]")
        sigmas = (self.sigma, *self.sigmas)
        _check("--sigma", sigmas, all(0 < each < 1e6 for each in sigmas), "pixels above 0")
        for option, value, least in (
            ("--size", self.size, 32),
            ("--closest", self.closest, 1),
            ("--rounds", self.rounds, 1),
            ("--batch", self.batch, 1),
            ("--folds", self.folds, 2),
            ("--reach", self.reach, 0),
            ("--sift-bin", self.sift_bin, 0),
        ):
            _check(option, (value,), value >= least, f"at least {least}")
        _check("--sift-bin", (self.sift_bin,), self.sift_bin <= self.size, f"at most --size, {self.size}")
        if self.negative_distance is not None:
            _check("--negative-distance", (self.negative_distance,), self.negative_distance > 0, "pixels above 0")

    @property
    def settings(self) -> tuple[tuple[float, float], ...]:
        """(eta, sigma): without the prior, with the given one, and all that training folds choose of."""
        given = ((0.0, self.sigma), (self.eta, self.sigma))
        tried = [(eta, sigma) for eta in self.etas for sigma in self.sigmas]
        return tuple(dict.fromkeys((*given, *tried)))


def _check(option: str, values: tuple[float, ...], fine: bool, expected: str) -> None:
    if not values or not fine:
        said = ", ".join(f"{value:g}" for value in values) or "(none)"
        raise VestigeError(f"{option} {said}: expected {expected}")
