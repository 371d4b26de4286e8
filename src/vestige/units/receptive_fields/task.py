"""What the search for receptive fields may be asked to do."""

from __future__ import annotations

from dataclasses import MISSING, dataclass

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import Pictures
from vestige.options import backbone_option, option, seed_option


@dataclass(frozen=True)
class FieldsOptions:
    """Whose receptive fields are found, and how.

    Attributes:
        backbone: spec of the network.
        layers: names and globs of grid or tokens layers.
        units: of each layer, drawn; those of a smaller layer are all taken.
        pictures: of each unit: those with its largest activations.
        occluder: side of the square that hides a part of the picture, in pixels of the network's input.
        stride: from one square to the next.
        fresh: fill every square with noise of its own; else with the same.
        weighted: weight a unit's pictures by its largest activation in each; else they count alike.
        fraction: of the field's peak, above which its area is its size.
        seed: of the units, the noise and the bootstrap.
    """

    backbone: str = backbone_option()
    layers: tuple[str, ...] = option(
        (), "A layer's name or a glob; repeat for several.", names=("--layer",), metavar="NAME", typed=MISSING
    )
    units: int = option(20, "Units of each layer, drawn at random.", bounds=b.COUNT, paper="all")
    pictures: int = option(10, "Pictures of each unit: those with its largest activations.", bounds=b.COUNT)
    occluder: int = option(11, "Side of the occluders in pixels.", bounds=b.SHORT_SIDE, paper=11)
    stride: int = option(3, "Pixels from one occluder to the next.", bounds=b.SHORT_SIDE, paper=3)
    fresh: bool = option(False, "Fill every occluder with noise of its own, not all with the same.", names=("--fresh",))
    weighted: bool = option(
        False, "Weight a unit's pictures by its activation in each, not all alike.", names=("--weighted",)
    )
    fraction: float = option(0.5, "Fraction of the peak above which a field's area is its size.", bounds=b.FRACTION)
    seed: int = seed_option("the units drawn, the noise and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)


RECEPTIVE_FIELDS = Task(
    name="receptive-fields",
    question=(
        "Where does a unit look? Its top pictures are occluded square by square; where that changes its activation is "
        "its receptive field, which may be much smaller than the theoretical one.\n\n"
        "Killed at any moment, it goes on where it was when it is started again."
    ),
    group="units",
    data=Pictures,
    options=(FieldsOptions,),
    measured_by="vestige.units.receptive_fields.measure:measure_fields",
    checked_by="vestige.units.activations:check_pictures",
    planned_by="vestige.units.receptive_fields.measure:plan_fields",
    paged_by="vestige.units.receptive_fields.page:field_parts",
    tables_by="vestige.units.receptive_fields.table:field_tables",
    example=(
        "vestige units receptive-fields synthetic:scenes,n=60,seed=7 --backbone scene_cnn --layer pool1 --layer conv3 "
        "--units 5 --pictures 3 -o runs/receptive-fields"
    ),
    without=frozenset({"store_dtype", "compile"}),
)
