"""What the measurements of this wing may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.errors import VestigeError
from vestige.options import option
from vestige.spelling import spelled

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

    backbone: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ()
    neighbour_layer: str = ""
    neighbour_readout: str = ""
    neighbours: int = option(25, bounds=b.COUNT)
    first: int = option(5, bounds=b.COUNT)
    betas: tuple[float, ...] = option(BETAS, bounds=b.BETA)
    beside: tuple[float, ...] = option((), bounds=b.BETA, empty=True)
    queries: int = option(40, bounds=b.COUNT)
    alphas: tuple[float, ...] = option((0.1, 0.05, 0.025), bounds=b.PCK_ALPHA)
    sift_radius: float = option(20.0, bounds=b.SIFT_RADIUS_OR_NONE)
    tolerance: float = option(1e-3, bounds=b.TOLERANCE)
    seed: int = option(0, bounds=b.SEED)

    def __post_init__(self) -> None:
        check_bounds(self)


CS = tuple(10.0**power for power in range(-8, 2))
"""What is tried of the SVM's C where none is given."""

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
        localise_c: of the classifiers whose responses these are; None for the chosen of each.
        centres: what a cell's place is: the centre of its receptive ``field``, or of its ``response`` to a few
            training pictures (see `vestige.features.response_centres`).
        seed: of the bootstrap and of the pictures that are localised in, or looked at for responses.
    """

    backbone: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ()
    radii: tuple[float, ...] = option(RADII, bounds=b.SIFT_RADIUS, empty=True)
    cs: tuple[float, ...] = option(CS, bounds=b.SVM_C)
    short_side: int = option(0, bounds=b.SHORT_SIDE_OR_NONE)
    localise: int = option(0, bounds=b.LOCALISED)
    localise_c: float | None = option(None, bounds=b.SVM_C)
    centres: Centres = "field"
    seed: int = option(0, bounds=b.SEED)

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.centres not in get_args(Centres):
            raise VestigeError(f"{spelled('centres', self.centres)}: expected {' or '.join(get_args(Centres))}")
