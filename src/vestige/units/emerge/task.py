"""What the study of which objects emerge may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import strict_option
from vestige.errors import VestigeError, choice
from vestige.options import needed, option, seed_option
from vestige.spelling import spelled
from vestige.units.labels import Source
from vestige.units.segment.task import DISSECTION, least_iou_option, run_backbone_option

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset
    from vestige.units.labels import Labels


@dataclass(frozen=True)
class LabelsAndData:
    """Units with labels, and pictures whose scenes and objects are annotated.

    Attributes:
        run: the folder of a dissection, or of annotations by people.
        data: a spec, or from Python the data set itself.
        labels: who gives them; None for whom the run is of.
        strict: stop where files are bad.
    """

    run: Path = needed(
        "A finished run of `vestige units dissect`, or of `vestige units annotations`.", metavar="RUN", argument=True
    )
    data: str | Dataset = needed(
        "Pictures with scenes and objects: miniplaces:DIR,train, ade20k:DIR, synthetic:scenes,n=1000.",
        metavar="SPEC",
        typed_as=str,
    )
    labels: Source | None = option(
        None,
        "Whose labels count: masks, or people who named the units of a dissection.",
        default_text="whose the run is of",
    )
    strict: bool = strict_option()

    def __post_init__(self) -> None:
        if self.labels is not None and self.labels not in get_args(Source):
            raise VestigeError(f"{spelled('labels', self.labels)}: {choice(self.labels, get_args(Source))}")

    def open(self) -> tuple[Labels, Dataset]:
        """What the run says of its units, and the pictures."""
        from vestige.datasets.opening import open_given
        from vestige.run import Run
        from vestige.units.labels import read_labels

        return read_labels(Run(self.run), self.labels), open_given(self.data, strict=self.strict)


@dataclass(frozen=True)
class EmergeOptions:
    """Which units count for which objects, and how these are measured.

    Attributes:
        layers: of the run; () for its last.
        least_iou: overlap from which on a unit counts for its object, where masks gave it.
        least_precision: precision from which on it does, where people named it.
        groups: of people's concepts that count; () for objects.
        words: a file that says which object of the data a word is.
        top: objects, the most frequent ones, that are shown and correlated by themselves.
        least: pictures that an object must be in.
        folds: that pictures are dealt into, to measure how well an object tells a scene.
        backbone: spec of the run's network; "" for that of the run.
        seed: of the folds and the bootstrap.
    """

    layers: tuple[str, ...] = option(
        (), "A layer of the run; repeat for several.", names=("--layer",), metavar="NAME", default_text="its last"
    )
    least_iou: float = least_iou_option()
    least_precision: float = option(0.0, "Precision from which on a unit that people named counts.", bounds=b.QUANTILE)
    groups: tuple[str, ...] = option(
        (),
        "A group of people's concepts that counts; repeat for several.",
        names=("--group",),
        metavar="NAME",
        default_text="object",
    )
    words: Path | None = option(
        None, "CSV: which object of the data a word is, as words.csv of an earlier run.", metavar="FILE"
    )
    top: int = option(50, "Most frequent objects that are shown, and correlated by themselves.", bounds=b.COUNT)
    least: int = option(10, "Pictures that an object must be in.", bounds=b.COUNT, last=True)
    folds: int = option(5, "Folds that pictures are dealt into, scene by scene.", bounds=b.FOLDS, last=True)
    backbone: str = run_backbone_option()
    seed: int = seed_option("the folds and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)


EMERGE = Task(
    name="emerge",
    question=(
        "Which objects do units detect: the frequent ones, or those that tell scenes apart? Units per object beside "
        "how often it is there and for how many scenes it is the most informative."
    ),
    group="units",
    data=LabelsAndData,
    options=(EmergeOptions,),
    measured_by="vestige.units.emerge.measure:measure_emerge",
    checked_by="vestige.units.emerge.measure:check_emerge",
    planned_by="vestige.units.emerge.measure:plan_emerge",
    paged_by="vestige.units.emerge.page:emerge_parts",
    tables_by="vestige.units.emerge.table:emerge_tables",
    example="\n".join(
        (DISSECTION, "vestige units emerge runs/units --data synthetic:scenes,n=400,seed=2 -o runs/emerge")
    ),
    without=frozenset({"store_dtype"}),
)
