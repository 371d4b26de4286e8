"""What a dissection may be asked to do."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Literal, get_args

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import Pictures
from vestige.errors import VestigeError, choice
from vestige.options import backbone_option, option, seed_option
from vestige.spelling import spelled

Chance = Literal["rotated", "untrained", "shuffled"]
"""What chance is measured by: the layer turned at random, random weights, masks of other pictures of the same scene."""

Anchor = Literal["field", "plain"]

Threshold = Literal["quantile", "relative"]
"""What a unit's threshold is: what a share of all points is above, or 0.2 of its largest activation."""


@dataclass(frozen=True)
class DissectOptions:
    """How a network's units are looked at.

    Attributes:
        backbone: spec of the network.
        layers: names and globs of layers of grids or tokens.
        threshold: what a unit's threshold is: ``quantile`` or ``relative``.
        quantile: the share of points above a unit's threshold, where that is ``quantile``.
        chance: what chance levels are measured; () for none.
        points: a picture is looked at on a grid of so many points squared.
        least: pictures that an object must be in.
        anchor: what maps are laid over pictures by.
        seed: of all draws.
    """

    backbone: str = backbone_option()
    layers: tuple[str, ...] = option(
        ("all",),
        "A layer of grids or tokens: a name or a glob; repeat for several.",
        names=("--layer",),
        metavar="NAME",
        typed=MISSING,
    )
    threshold: Threshold = option(
        "quantile", "A unit's threshold: quantile (its top share) or relative (0.2 of its largest activation)."
    )
    quantile: float = option(0.005, "Share of activations above a unit's threshold.", bounds=b.TOLERANCE)
    chance: tuple[str, ...] = option(
        get_args(Chance),
        "A chance level: rotated, untrained or shuffled; repeat for several.",
        names=("--chance",),
        metavar="NAME",
        empty=True,
    )
    points: int = option(
        16, "Points in a row, and in a column, that a picture is looked at.", bounds=b.POINTS_A_SIDE, last=True
    )
    least: int = option(10, "Pictures that an object must be in.", bounds=b.COUNT, last=True)
    anchor: Anchor = option(
        "field", "What maps are laid over pictures by: field (receptive fields' centres) or plain.", last=True
    )
    seed: int = seed_option("the halves, the draws and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)
        for name, values, known in (
            ("chance", self.chance, get_args(Chance)),
            ("threshold", (self.threshold,), get_args(Threshold)),
            ("anchor", (self.anchor,), get_args(Anchor)),
        ):
            for value in values:
                if value not in known:
                    raise VestigeError(f"{spelled(name, value)}: {choice(value, known)}")


DISSECT = Task(
    name="dissect",
    question=(
        "Which single units detect objects? Every unit's strongest pictures, thresholds, and how well its map overlaps "
        "each object, beside what chance gives."
    ),
    group="units",
    data=Pictures,
    options=(DissectOptions,),
    measured_by="vestige.units.dissect.measure:measure_dissect",
    checked_by="vestige.units.dissect.measure:check_dissect",
    planned_by="vestige.units.dissect.measure:plan_dissect",
    paged_by="vestige.units.dissect.page:dissect_parts",
    tables_by="vestige.units.dissect.table:dissect_tables",
    example=(
        "vestige units dissect synthetic:scenes,n=60,seed=1 --backbone scene_cnn --layer conv4 --layer conv5 "
        "-o runs/units"
    ),
    used_by=(
        "vestige units segment RUN IMAGE... -o OUT",
        "vestige units detect RUN IMAGE... -o OUT",
        "vestige units emerge RUN --data SPEC -o OUT",
    ),
    without=frozenset({"store_dtype"}),
)
