"""What a segmentation may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import TrainTest
from vestige.errors import VestigeError
from vestige.options import option
from vestige.probes.engine.options import VectorOptions
from vestige.spelling import spelled

Targets = Literal["shares", "binary"]


@dataclass(frozen=True)
class SegmentationOptions:
    """What is regressed, and from which copies of the pictures.

    Attributes:
        grid: cells a side; the paper's is 30.
        augment: copies of each training picture: itself, and crops of it, mirrored or not; the paper's is 10.
        smallest_crop: the least side of such a crop, as a share of the picture's.
        seed: by which crops are drawn; on the command line the probe's.
        targets: ``shares``, or ``binary`` as the paper's.
    """

    grid: int = option(30, "Cells a side of the map (the paper: 30).", bounds=b.SEGMENTS)
    augment: int = option(
        10, "Copies of each training picture: itself, and crops of it, mirrored or not; 1: none.", bounds=b.COPIES
    )
    smallest_crop: float = option(0.6, "The least side of such a crop, as a share of the picture's.", bounds=b.SHARE)
    seed: int = option(0, bounds=b.SEED)
    targets: Targets = option(
        "shares",
        "What is regressed: shares of each cell by class, or binary, as the paper: 1 for the class of most.",
    )

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.targets not in get_args(Targets):
            raise VestigeError(f"{spelled('targets', self.targets)}: expected {' or '.join(get_args(Targets))}")


SEGMENTATION = Task(
    name="segmentation",
    question="What is where? Ridge from one layer to every cell's share of each class; a second map on its responses.",
    data=TrainTest,
    options=(SegmentationOptions, VectorOptions),
    checked_by="vestige.probes.segmentation.measure:check_segmentation",
    measured_by="vestige.probes.segmentation.measure:measure_segmentation",
    paged_by="vestige.probes.segmentation.page:segmentation_parts",
    loaded_by="vestige.probes.segmentation.measure:load_segmentation",
    bench_by="vestige.probes.segmentation.measure:bench_segmentation",
    example=(
        "vestige probe segmentation synthetic:objects,n=300,seed=1 "
        "--test synthetic:objects,n=100,seed=2 --layer block7 --layer block10 --augment 4 -o runs/segmentation"
    ),
)
