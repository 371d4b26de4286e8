"""What moving along directions may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN, check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import TrainTest
from vestige.options import backbone_option, option, seed_option
from vestige.probes.attributes.task import crop_option, least_option, names_option
from vestige.probes.engine.options import box_margin_option, layers_option, vector_readouts_option
from vestige.probes.pixels.task import size_option


@dataclass(frozen=True)
class DirectionOptions:
    """What is moved along which directions; how faces are seen is in the task.

    Attributes:
        moved: the attributes that directions are made of; () for all of the task's.
        orthogonal_to: attributes to whose regressors each direction is made orthogonal, beside the plain one.
        backbone: its spec.
        layers: names, globs, ``even:N`` and ``all``; of several, training folds choose the one that attributes are read
            from best.
        readouts: of every layer.
        size: side of the reconstruction in pixels; the paper's is 46.
        steps: pictures along a direction.
        quantile: of the training projections, where lambda begins; it ends at 1 less it.
        stretch: by which that range is widened about its middle.
        faces: test faces shown for each direction.
        reencoded: test faces whose reconstructions are read again through the network; 0 for none.
        seed: of folds, halves and bootstrap.
    """

    moved: tuple[str, ...] = names_option()
    orthogonal_to: tuple[str, ...] = option(
        (),
        "Make each direction once more, orthogonal to this attribute's; repeat for several.",
        names=("--orthogonal-to",),
        metavar="NAME",
    )
    backbone: str = backbone_option()
    layers: tuple[str, ...] = layers_option()
    readouts: tuple[str, ...] = vector_readouts_option()
    size: int = size_option()
    steps: int = option(7, "Pictures along each direction.", bounds=b.STEPS)
    quantile: float = option(
        0.01,
        "Quantile of the training pictures' projections at which lambda begins; it ends at 1 less it.",
        bounds=b.TAIL,
    )
    stretch: float = option(1.0, "Widen that range about its middle.", bounds=b.STRETCH)
    faces: int = option(4, "Test faces shown for each direction.", bounds=b.FACES)
    reencoded: int = option(
        48,
        "Test faces whose reconstructions are read through the network again.",
        bounds=b.REENCODED,
        names=("--reencode",),
    )
    seed: int = seed_option("the folds and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class FaceOptions:
    """How faces are seen, and which attributes are taken unasked.

    Attributes:
        least: training examples of each value that an attribute needs to be taken unasked.
        crop: the central share of a picture without box, by width and by height.
        box_margin: the share of a box's longer side that the crop adds on every side.
    """

    least: int = least_option()
    crop: float = crop_option(0.6)
    box_margin: float = box_margin_option(FACE_MARGIN)

    def __post_init__(self) -> None:
        check_bounds(self)


DIRECTIONS = Task(
    name="directions",
    question="What happens to a face if its representation is moved along an attribute? "
    "Regressors give the directions, colours are regressed back, and what moves is measured.",
    data=TrainTest,
    options=(DirectionOptions, FaceOptions),
    checked_by="vestige.probes.directions.measure:check_directions",
    measured_by="vestige.probes.directions.measure:measure_directions",
    planned_by="vestige.probes.directions.plan:plan_directions",
    paged_by="vestige.probes.directions.page:direction_parts",
    tables_by="vestige.probes.directions.table:direction_tables",
    group="",
    example=(
        "vestige directions synthetic:faces,n=600,seed=1 --test synthetic:faces,n=100,seed=2 "
        "--attribute glasses --attribute beard --attribute yaw --layer block10 -o runs/directions"
    ),
)
