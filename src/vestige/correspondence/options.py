"""What the measurements of this wing may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vestige.errors import VestigeError

BETAS = (0.003, 0.01, 0.03, 0.1)
"""What is tried where no beta is given; the first is the paper's."""

LARGEST_BETA = 1e6


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
        queries: how many training instances betas and layers are tried on.
        alphas: of PCK, in longer sides of the box; betas and layers are chosen by the first.
        sift_radius: of SIFT, in pixels of the network's input; 0 for no SIFT.
        tolerance: of a flow's energy.
        seed: of the training instances that are tried, and of the bootstrap.
    """

    backbone: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ()
    neighbour_layer: str = ""
    neighbour_readout: str = ""
    neighbours: int = 25
    first: int = 5
    betas: tuple[float, ...] = BETAS
    queries: int = 40
    alphas: tuple[float, ...] = (0.1, 0.05, 0.025)
    sift_radius: float = 20.0
    tolerance: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.alphas or not all(0 < alpha <= 1 for alpha in self.alphas):
            raise VestigeError(f"--alpha {_listed(self.alphas)}: expected shares above 0, up to 1")
        if not self.betas or not all(0 < beta <= LARGEST_BETA for beta in self.betas):
            raise VestigeError(f"--beta {_listed(self.betas)}: expected numbers above 0, up to {LARGEST_BETA:g}")
        for option, value in (("neighbours", self.neighbours), ("first", self.first), ("queries", self.queries)):
            if value < 1:
                raise VestigeError(f"--{option} {value}: expected at least 1")
        if not 0 < self.tolerance < 1:
            raise VestigeError(f"--tolerance {self.tolerance}: expected a number above 0, below 1")


CS = tuple(10.0**power for power in range(-8, 2))
"""What is tried of the SVM's C where none is given."""

LARGEST_C = 1e6

RADII = (10.0, 20.0, 40.0, 80.0, 160.0)
"""The paper's, of SIFT."""

Centres = Literal["field", "response"]

PAPER_C = 1e-6
"""The paper's, for raw activations of the Caffe network and for SIFT."""


@dataclass(frozen=True)
class ClassifyOptions:
    """What a keypoint classification does; the defaults are the paper's where it says.

    Attributes:
        backbone: its spec.
        layers: grid layers, names and globs; () for the last of every stride up to 16.
        radii: of SIFT, in pixels of the pictures as they are seen; () for no SIFT.
        cs: of the SVM; of several, each kind of feature takes the best by cross-validation on training pictures.
        short_side: of the pictures, in pixels; 0 for their own size.
        localise: test pictures in which responses are computed at every pixel about the keypoints; 0 for none.
        centres: what a cell's place is: the centre of its receptive ``field``, or of its ``response`` to a few
            training pictures (see `vestige.correspondence.response_centres`).
        seed: of the bootstrap and of the pictures that are localised in, or looked at for responses.
    """

    backbone: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ()
    radii: tuple[float, ...] = RADII
    cs: tuple[float, ...] = CS
    short_side: int = 0
    localise: int = 0
    centres: Centres = "field"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.cs or not all(0 < c <= LARGEST_C for c in self.cs):
            raise VestigeError(f"-C {_listed(self.cs)}: expected numbers above 0, up to {LARGEST_C:g}")
        if self.short_side < 0 or self.localise < 0:
            raise VestigeError("--short-side and --localise: expected 0 or more")
        if self.centres not in get_args(Centres):
            raise VestigeError(f"--centres {self.centres}: expected {' or '.join(get_args(Centres))}")


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
