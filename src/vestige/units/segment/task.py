"""What a segmentation by units may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.errors import VestigeError, choice
from vestige.options import option
from vestige.spelling import spelled
from vestige.units.dissected import RunAndPictures
from vestige.units.rules import RULES, Rule


def run_backbone_option() -> str:
    """Of the run's network, where its spec no longer opens it."""
    return option(
        "",
        "The run's network, where it is to be opened by another spec.",
        metavar="SPEC",
        default_text="the run's",
        last=True,
    )


def least_iou_option() -> float:
    """Of the overlap from which on a unit is looked at."""
    return option(0.04, "Overlap with its object from which on a unit is looked at.", bounds=b.QUANTILE)


@dataclass(frozen=True)
class SegmentOptions:
    """Which units show what of a picture, by which rule.

    Attributes:
        units: ``LAYER:NUMBER``; () for those most active in each picture.
        rule: by which a map becomes a mask.
        top: units that are shown of a picture, where none are named.
        least_iou: of units that are looked at, where none are named.
        disc: diameter of the discs of the rule ``fields`` in pixels of the network's input; None for two strides.
        fields: a run of ``vestige units receptive-fields``, whose estimated fields the rule ``fields`` shows instead of
            discs.
        backbone: spec of the run's network; "" for that of the run.
    """

    units: tuple[str, ...] = option(
        (), "A unit; repeat for several.", names=("--unit",), metavar="LAYER:NUMBER", default_text="the most active"
    )
    rule: Rule = option("quantile", "What a unit's picture shows: quantile, relative, smooth or fields.")
    top: int = option(6, "Units of each picture, where none are named.", bounds=b.COUNT)
    least_iou: float = least_iou_option()
    disc: float | None = option(
        None,
        "Diameter of the discs of fields, in pixels of the network's input.",
        bounds=b.DISTANCE,
        default_text="2 strides",
    )
    fields: Path | None = option(
        None,
        "A run of `vestige units receptive-fields` of the same network, whose fields are shown instead of discs.",
        metavar="RUN",
        last=True,
    )
    backbone: str = run_backbone_option()

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.rule not in RULES:
            raise VestigeError(f"{spelled('rule', self.rule)}: {choice(self.rule, tuple(RULES))}")
        for name, value in (("disc", self.disc), ("fields", self.fields)):
            if value is not None and self.rule != "fields":
                raise VestigeError(
                    f"{spelled(name, value)}: only the rule fields draws these; add {spelled('rule', 'fields')}"
                )
        if self.disc is not None and self.fields is not None:
            raise VestigeError(
                f"{spelled('disc', self.disc)}: discs or fields; leave out {spelled('fields', self.fields)}"
            )


DISSECTION = (
    "vestige units dissect synthetic:scenes,n=300,seed=1 --backbone scene_cnn --layer conv5 --chance shuffled "
    "-o runs/units"
)
"""Makes the run that examples go on with."""

STREET = (
    'python -c "import vestige, skimage.io; '
    "street = vestige.open_dataset('synthetic:scenes,n=1,seed=2')[0]; "
    "skimage.io.imsave('street.png', street.image.read())\""
)
"""An example's command that writes a picture of what the run's network knows."""

SEGMENT = Task(
    name="unit-segments",
    word="segment",
    question="What does a unit's picture show? Photographs, dark where a unit of a dissection is not active.",
    group="units",
    data=RunAndPictures,
    options=(SegmentOptions,),
    measured_by="vestige.units.segment.measure:measure_segments",
    checked_by="vestige.units.segment.measure:check_segments",
    paged_by="vestige.units.segment.page:segment_parts",
    planned_by="vestige.units.segment.measure:plan_segments",
    tables_by="vestige.units.tables:photograph_tables",
    example="\n".join((DISSECTION, STREET, "vestige units segment runs/units street.png -o runs/segments")),
    without=frozenset({"store_dtype"}),
)
