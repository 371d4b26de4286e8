"""What the comparison of the pictures that layers prefer may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import strict_option
from vestige.errors import VestigeError
from vestige.options import needed, option, seed_option
from vestige.spelling import spelled

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset


@dataclass(frozen=True)
class NamedSets:
    """Sets of pictures that are told apart by name.

    Attributes:
        data: as ``NAME=SPEC``; from Python a data set, too, which goes by its own spec.
        strict: stop where files are bad.
    """

    data: tuple[str | Dataset, ...] = needed(
        "A set of pictures with a name: scenes=miniplaces:DIR; repeat for two or more.",
        names=("--data",),
        metavar="NAME=SPEC",
        typed_as=tuple[str, ...],
    )
    strict: bool = strict_option()

    def open(self) -> tuple[tuple[str, Dataset], ...]:
        """The sets by name.

        Raises:
            VestigeError: where there are fewer than two, two of one name, or one cannot be opened.
        """
        from vestige.datasets.opening import open_given
        from vestige.spec import parse_named

        opened = []
        for each in self.data:
            name, spec = parse_named(each) if isinstance(each, str) else (each.spec, each)
            opened.append((name, open_given(spec, strict=self.strict)))
        if len(opened) < 2 or len(dict(opened)) < len(opened):
            names = ", ".join(name for name, _ in opened)
            raise VestigeError(
                f"{spelled('data')}: expected two sets or more, each of a name of its own, got {names or 'none'}; "
                "as scenes=miniplaces:DIR and objects=folder:DIR"
            )
        return tuple(opened)


@dataclass(frozen=True)
class PreferOptions:
    """Which layers of which networks are asked.

    Attributes:
        backbones: their specs.
        layers: names and globs, each read in the networks that have it; ``all`` and ``even:N``.
        top: pictures of the largest mean activation.
        seed: of the draw that makes the sets equal in size, and of the bootstrap.
    """

    backbones: tuple[str, ...] = option(
        ("efficientnet_lite0",),
        "A network; repeat for several, which stand side by side.",
        names=("--backbone",),
        metavar="SPEC",
    )
    layers: tuple[str, ...] = option(
        ("all",),
        "A layer's name or a glob, read in the networks that have it; all, even:N. Repeat for several.",
        names=("--layer",),
        metavar="NAME",
    )
    top: int = option(100, "Pictures with the largest mean activation.", bounds=b.COUNT)
    seed: int = seed_option("the draw and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.backbones:
            raise VestigeError(f"{spelled('backbones')}: names none; name at least one network")


PREFER = Task(
    name="prefer",
    question=(
        "Which pictures does a layer respond to most? The pictures with the largest mean activation of each layer, how "
        "many are of each set, networks side by side."
    ),
    group="units",
    data=NamedSets,
    options=(PreferOptions,),
    measured_by="vestige.units.prefer.measure:measure_preferences",
    checked_by="vestige.units.prefer.measure:check_preferences",
    planned_by="vestige.units.prefer.measure:plan_preferences",
    paged_by="vestige.units.prefer.page:prefer_parts",
    tables_by="vestige.units.prefer.table:prefer_tables",
    example=(
        "vestige units prefer --data scenes=synthetic:scenes,n=200,seed=7 "
        "--data objects=synthetic:objects-alone,n=200,seed=7 --backbone scene_cnn --backbone object_cnn "
        "--layer pool2 --layer fc7 --top 50 -o runs/prefer"
    ),
)
