"""What a detection by labelled units may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.options import option
from vestige.units.dissected import RunAndPictures
from vestige.units.segment.task import DISSECTION, STREET, least_iou_option, run_backbone_option


@dataclass(frozen=True)
class UnitDetectOptions:
    """Which boxes are kept.

    Attributes:
        least_iou: of units that are looked at.
        confidence: of boxes that are kept.
        top: boxes that are kept of a picture.
        overlap: of two boxes of an object, from which on the less confident one goes.
        scenes: names of the scene that are told.
        backbone: spec of the run's network; "" for that of the run.
    """

    least_iou: float = least_iou_option()
    confidence: float = option(0.1, "Confidence from which on a box is kept.", bounds=b.QUANTILE)
    top: int = option(12, "Boxes of each picture, the most confident ones.", bounds=b.COUNT)
    overlap: float = option(
        0.3, "Overlap of two boxes of an object from which on one of them goes.", bounds=b.QUANTILE, last=True
    )
    scenes: int = option(5, "Names of the scene that are told.", bounds=b.COUNT, last=True)
    backbone: str = run_backbone_option()

    def __post_init__(self) -> None:
        check_bounds(self)


UNIT_DETECT = Task(
    name="unit-detections",
    word="detect",
    question=(
        "What is in a picture? The scene that the network names, and boxes of what its labelled units see, in one pass."
    ),
    group="units",
    data=RunAndPictures,
    options=(UnitDetectOptions,),
    measured_by="vestige.units.detect.measure:measure_detections",
    paged_by="vestige.units.detect.page:detection_parts",
    checked_by="vestige.units.detect.measure:check_detections",
    planned_by="vestige.units.detect.measure:plan_detections",
    tables_by="vestige.units.tables:photograph_tables",
    example="\n".join((DISSECTION, STREET, "vestige units detect runs/units street.png -o runs/found")),
    without=frozenset({"store_dtype"}),
)
