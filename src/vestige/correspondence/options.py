"""What the measurements of this wing may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

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


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
