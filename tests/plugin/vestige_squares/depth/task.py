"""What a probe of depth may be asked to do."""

from dataclasses import dataclass

from vestige.bounds import check_bounds, whole
from vestige.contract.task import Task
from vestige.datasets.given import TrainTest
from vestige.options import option
from vestige.probes.engine.options import VectorOptions


@dataclass(frozen=True)
class DepthOptions:
    """What is read.

    Attributes:
        grid: cells a side of the map of depths.
    """

    grid: int = option(4, "Cells a side of the map of depths.", bounds=whole(1, 64))

    def __post_init__(self):
        check_bounds(self)


DEPTH = Task(
    name="depth",
    question="How far away is it? Ridge from one layer to the depth of every cell of the picture.",
    data=TrainTest,
    options=(DepthOptions, VectorOptions),
    checked_by="vestige_squares.depth.measure:check_depth",
    measured_by="vestige_squares.depth.measure:measure_depth",
    paged_by="vestige_squares.depth.page:depth_parts",
    loaded_by="vestige_squares.depth.measure:load_depth",
    bench_by="vestige_squares.depth.measure:bench_depth",
    example="vestige probe depth scenes:plain,n=80,seed=1 --test scenes:plain,n=30,seed=2 --layer block7 -o runs/depth",
)
