"""What the search for minimal pictures may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import Pictures
from vestige.errors import VestigeError, choice
from vestige.options import backbone_option, option, seed_option
from vestige.spelling import spelled

Kind = Literal["objects", "regions"]
"""What is taken away: annotated objects, or edges and regions of one colour."""

Fill = Literal["gradient", "mean", "blur", "noise"]
"""What takes the place of it."""


@dataclass(frozen=True)
class MinimalOptions:
    """How pictures are made minimal.

    Attributes:
        backbone: spec of a network that names pictures.
        segments: what is taken away.
        fill: what takes its place: nothing, where gradients are set to zero and integrated again; else a colour.
        stretch: stretch every picture that the network is shown so that it goes from black to white.
        scenes: those whose pictures are made minimal; () for all.
        pictures: of each scene, at most; drawn, of those that are named right.
        least: pictures that an object has to be in, of a scene, to be listed.
        draws: random removals of each picture, for the chance level.
        scene_names: a file that says what the network calls the data's scenes, where it is another name.
        seed: of all draws, and of the bootstrap.
    """

    backbone: str = backbone_option()
    segments: Kind = option("objects", "What is taken away: annotated objects, or edges and regions of one colour.")
    fill: Fill = option("gradient", "What is left of a segment: nothing (its gradients are 0), or a colour.")
    stretch: bool = option(
        False, "Stretch every picture that is shown to the network from black to white.", names=("--stretch",)
    )
    scenes: tuple[str, ...] = option(
        (), "A scene; repeat for several.", names=("--scene",), metavar="NAME", default_text="all"
    )
    pictures: int = option(
        100, "Pictures of each scene at most, of those that are named right.", bounds=b.COUNT, paper="all"
    )
    least: int = option(5, "Pictures of a scene that an object must be in to be listed.", bounds=b.COUNT, last=True)
    draws: int = option(500, "Random removals of each picture, for the chance level.", bounds=b.DRAWS, last=True)
    scene_names: Path | None = option(
        None,
        'JSON: what the network calls a scene of the data, as {"temple/east_asia": "temple/asia"}.',
        names=("--names",),
        metavar="FILE",
        last=True,
    )
    seed: int = seed_option("the draws and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)
        for name, value, known in (
            ("segments", self.segments, get_args(Kind)),
            ("fill", self.fill, get_args(Fill)),
        ):
            if value not in known:
                raise VestigeError(f"{spelled(name, value)}: {choice(value, known)}")


MINIMAL = Task(
    name="minimal",
    question=(
        "What does a network need to see to name a picture right? Segments are taken away one by one, always the one "
        "that costs least, until the name changes; which objects are kept to the last, and how often by chance.\n\n"
        "Killed at any moment, it goes on where it was when it is started again."
    ),
    group="units",
    data=Pictures,
    options=(MinimalOptions,),
    measured_by="vestige.units.minimal.measure:measure_minimal",
    checked_by="vestige.units.minimal.measure:check_minimal",
    planned_by="vestige.units.minimal.measure:plan_minimal",
    paged_by="vestige.units.minimal.page:minimal_parts",
    tables_by="vestige.units.minimal.table:minimal_tables",
    example="vestige units minimal synthetic:scenes,n=40,seed=7 --backbone scene_cnn --pictures 4 -o runs/minimal",
    without=frozenset({"store_dtype", "compile"}),
)
