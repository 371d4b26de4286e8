"""What the measurement of people's answers may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.options import option, seed_option
from vestige.spelling import either, spelled

if TYPE_CHECKING:
    from vestige.units.annotations.source import Said


@dataclass(frozen=True)
class Answered:
    """Where people's answers are.

    Attributes:
        run: a dissection whose units people named, or a run of this task; None for answers from a file alone.
        imported: a file of answers; None for those that the run has.
        database: where the run's answers are; "" for the run's folder.
    """

    run: Path | None = option(
        None,
        "A finished run of `vestige units dissect` whose units people named.",
        argument=True,
        metavar="RUN",
    )
    imported: Path | None = option(
        None,
        "Take in the answers of a .csv or .json file, or the .mat that the paper's authors released, which needs no "
        "RUN.",
        names=("--import",),
        metavar="FILE",
    )
    database: str = option(
        "",
        "Where the answers are, where that is not RUN: postgresql://...",
        names=("--database",),
        metavar="URL",
        default_text="in RUN",
        last=True,
    )

    def open(self) -> Said:
        """The answers, with the dissection that they are about where there is one.

        Raises:
            VestigeError: where there are none, or they do not belong to the dissection.
        """
        from vestige.units.annotations.source import answers_of_file, answers_of_run

        if self.imported is not None:
            return answers_of_file(self.imported, self.run)
        if self.run is None:
            raise VestigeError(
                f"{either('RUN', 'run')}: is missing; name a dissection whose units people named, or a file of "
                f"answers with {spelled('imported', word='FILE')}"
            )
        return answers_of_run(self.run, self.database)


@dataclass(frozen=True)
class AnnotationOptions:
    """How answers are measured.

    Attributes:
        seed: of the bootstrap.
    """

    seed: int = seed_option("the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)


ANNOTATIONS = Task(
    name="annotations",
    question=(
        "What do people say that units are about? Precision and groups of concepts by layer, how far people agree, and "
        "their words beside the labels by masks."
    ),
    group="units",
    data=Answered,
    options=(AnnotationOptions,),
    measured_by="vestige.units.annotations.measure:measure_annotations",
    planned_by="vestige.units.annotations.measure:plan_annotations",
    paged_by="vestige.units.annotations.page:annotation_parts",
    tables_by="vestige.units.annotations.table:annotation_tables",
    used_by=("vestige units emerge RUN --data SPEC -o OUT",),
    example="\n".join(
        (
            "echo layer,unit,annotator,concept,group,precision > said.csv",
            "echo conv5,7,Ada,lamp,object,0.9 >> said.csv",
            "vestige units annotations --import said.csv -o runs/people",
        )
    ),
    without=frozenset(each.name for each in fields(ExtractOptions)),
)
