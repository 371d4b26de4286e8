"""What a probe of attributes may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN, check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import TrainTest
from vestige.options import option
from vestige.probes.engine.options import VectorOptions, box_margin_option

LEAST = 10
"""How many training examples of each value an attribute needs to be taken unasked; with fewer test examples a reader is
told that its numbers are uncertain."""


def names_option() -> tuple[str, ...]:
    """Of attributes."""
    return option(
        (),
        "An attribute; repeat for several.",
        names=("--attribute",),
        metavar="NAME",
        default_text="all that can be measured",
    )


def least_option() -> int:
    """Of how many examples an attribute needs that nobody names."""
    return option(LEAST, "Training examples of each value that an unnamed attribute needs.", bounds=b.COUNT)


def crop_option(default: float) -> float:
    """Of the central share of a picture without box."""
    return option(
        default,
        "The central share of width and height that is seen of a picture without box; 1: all of it.",
        bounds=b.SHARE,
    )


@dataclass(frozen=True)
class AttributeOptions:
    """Which attributes are read, and how pictures are seen; as :func:`vestige.probes.attributes.measure.attributes_of`
    takes them.

    Attributes:
        names: of the attributes; () for all that can be measured.
        least: training examples of each value that an attribute needs to be taken unasked.
        mirror: train on mirrored copies, too.
        crop: the central share of a picture without box, by width and by height.
        box_margin: the share of a box's longer side that the crop adds on every side.
    """

    names: tuple[str, ...] = names_option()
    least: int = least_option()
    mirror: bool = option(
        False, "Train on mirrored copies, too: wrong for attributes that change sign when mirrored, such as yaw."
    )
    crop: float = crop_option(1.0)
    box_margin: float = box_margin_option(FACE_MARGIN)

    def __post_init__(self) -> None:
        check_bounds(self)


ATTRIBUTES = Task(
    name="attributes",
    question="Does it wear glasses, which way does it look? Ridge from one layer to named numbers: "
    "AUC for those that are 0 or 1, R^2 for the others.",
    data=TrainTest,
    options=(AttributeOptions, VectorOptions),
    checked_by="vestige.probes.attributes.measure:check_attributes",
    measured_by="vestige.probes.attributes.measure:measure_attributes",
    paged_by="vestige.probes.attributes.page:attribute_parts",
    loaded_by="vestige.probes.attributes.measure:load_attributes",
    bench_by="vestige.probes.attributes.measure:bench_attributes",
    example=(
        "vestige probe attributes synthetic:faces,n=400,seed=1 --test synthetic:faces,n=150,seed=2 "
        "--attribute glasses --attribute beard --attribute yaw --layer block7 --layer block10 -o runs/attributes"
    ),
)
