"""What a reconstruction may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN, check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import TrainTest
from vestige.options import option
from vestige.probes.engine.options import VectorOptions


def size_option() -> int:
    """Of a reconstruction's side."""
    return option(46, "Side of the reconstruction in pixels (the paper: 46).", bounds=b.RECONSTRUCTION)


@dataclass(frozen=True)
class PixelOptions:
    """What is reconstructed.

    Attributes:
        size: side of the reconstruction in pixels; the paper's is 46.
        mirror: train on mirrored copies, too; the paper does not.
        crops: see the square about each example's box instead of the whole picture.
        box_margin: the share of a box's longer side that such a square adds on every side.
    """

    size: int = size_option()
    mirror: bool = option(False, "Train on mirrored copies, too.")
    crops: bool = option(
        False, "See the square about each example's box, not the whole picture squashed.", names=("--crops",)
    )
    box_margin: float = option(
        FACE_MARGIN, "With --crops: share of a box's side added on every side.", bounds=b.BOX_MARGIN
    )

    def __post_init__(self) -> None:
        check_bounds(self)


PIXELS = Task(
    name="pixels",
    question="What colours does it remember? Ridge from one layer to every pixel of the picture, made small.",
    data=TrainTest,
    options=(PixelOptions, VectorOptions),
    checked_by="vestige.probes.pixels.measure:check_pixels",
    measured_by="vestige.probes.pixels.measure:measure_pixels",
    paged_by="vestige.probes.pixels.page:pixel_parts",
    loaded_by="vestige.probes.pixels.measure:load_pixels",
    bench_by="vestige.probes.pixels.measure:bench_pixels",
    example=(
        "vestige probe pixels synthetic:faces,n=300,seed=1 --test synthetic:faces,n=100,seed=2 "
        "--layer block4 --layer block10 -o runs/pixels"
    ),
)
