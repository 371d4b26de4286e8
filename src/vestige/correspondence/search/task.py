"""What searches for the neighbours of patches and fields may be asked to do."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import PHOTOGRAPH, Task
from vestige.correspondence.shared_options import Centres, centres_option, check_centres, grid_layers_option
from vestige.datasets.given import strict_option
from vestige.errors import VestigeError
from vestige.options import backbone_option, needed, option, seed_option
from vestige.spelling import spelled

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset
    from vestige.example import Example

MILLION = 1_000_000
"""Patches of a layer at which the paper stops."""

Point = tuple[float, float]
"""(x, y) in pixels of a picture."""

_WITHOUT = frozenset({"compile", "store_dtype", "batch"})


def parse_point(text: str) -> Point:
    """``120,85`` as (x, y).

    Raises:
        VestigeError: where the text is no point.
    """
    with suppress(ValueError):
        x, y = (float(part) for part in text.split(","))
        if math.isfinite(x) and math.isfinite(y):
            return x, y
    raise VestigeError(f"{spelled('at', text)}: expected X,Y in pixels of the picture, as in {spelled('at', '120,85')}")


def databases_option() -> tuple[str | Dataset, ...]:
    """Of the data sets that neighbours are found in."""
    text = "Pictures to find neighbours in, as kind:PATH[,key=value]; repeat for several, the first is taken first."
    made: tuple[str | Dataset, ...] = needed(text, names=("--database",), metavar="DATA", typed_as=tuple[str, ...])
    return made


@dataclass(frozen=True)
class PatchData:
    """Photographs, and the data sets whose patches they are put together of.

    Attributes:
        images: the photographs' files.
        databases: specs, or from Python the data sets themselves; the first is taken first.
        strict: stop where files are bad.
    """

    images: tuple[Path, ...] = needed("Photographs to put together again.", argument=True, metavar="IMAGE...")
    databases: tuple[str | Dataset, ...] = databases_option()
    strict: bool = strict_option()

    def open(self) -> tuple[tuple[Example, ...], list[Dataset]]:
        """The photographs, and the data sets of the database."""
        from vestige.correspondence.search.retrieval import open_databases
        from vestige.datasets.photographs import open_pictures

        return open_pictures(self.images), open_databases(self.databases, strict=self.strict)


@dataclass(frozen=True)
class FieldData:
    """The data sets whose fields are searched, and pictures to have the seeds in.

    Attributes:
        databases: specs, or from Python the data sets themselves; the first is taken first.
        images: the pictures' files; () for the database's.
        strict: stop where files are bad.
    """

    databases: tuple[str | Dataset, ...] = databases_option()
    images: tuple[Path, ...] = option(
        (), "A picture to have the seeds in.", names=("--image",), metavar="IMAGE", default_text="the database's"
    )
    strict: bool = strict_option()

    def open(self) -> tuple[tuple[Example, ...], list[Dataset]]:
        """The pictures of the seeds, and the data sets of the database."""
        from vestige.correspondence.search.retrieval import open_databases
        from vestige.datasets.photographs import open_pictures

        return open_pictures(self.images) if self.images else (), open_databases(self.databases, strict=self.strict)


@dataclass(frozen=True)
class DatabaseOptions:
    """Which network's layers are searched, and in how much.

    Attributes:
        backbone: spec of the network.
        layers: names and globs of grid layers.
        short_side: pixels of the shorter side of every picture; None for its own size.
        patches: of each layer, at least, where the data has so many.
        centres: what a cell's place is, and the middle of its patch: the centre of its receptive ``field``, or of its
            ``response`` to a few pictures of the database (see `vestige.features.cell_places`).
    """

    backbone: str = backbone_option()
    layers: tuple[str, ...] = grid_layers_option(typed=MISSING)
    short_side: int | None = option(
        None, "Pixels of every picture's shorter side.", bounds=b.SHORT_SIDE, default_text="as it is"
    )
    patches: int = option(MILLION, "Patches of each layer at which the database is full.", bounds=b.COUNT)
    centres: Centres = centres_option()

    def __post_init__(self) -> None:
        check_bounds(self)
        check_centres(self.centres)


def neighbours_option(default: tuple[int, ...]) -> tuple[int, ...]:
    """Of how many neighbours are averaged."""
    return option(default, "Neighbours to average; repeat for several.", names=("-k",), bounds=b.COUNT, metavar="K")


@dataclass(frozen=True)
class PatchOptions:
    """How pictures are put together again.

    Attributes:
        ks: of how many neighbours to take the mean.
        seed: of the control's draw, and of the bootstrap.
    """

    ks: tuple[int, ...] = neighbours_option((1, 5))
    seed: int = seed_option("the draws and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class FieldOptions:
    """Which seeds' neighbours are averaged.

    Attributes:
        at: points (x, y) in pixels of the one picture given; () for seeds that are drawn.
        seeds: how many are drawn.
        ks: of how many neighbours to take the mean.
        seed: of all draws, and of the bootstrap.
    """

    at: tuple[Point, ...] = option(
        (),
        "A seed, in pixels of the one --image; repeat for several.",
        metavar="X,Y",
        parser=parse_point,
        typed_as=tuple[str, ...],
    )
    seeds: int = option(6, "Seeds to draw, without --at.", bounds=b.COUNT)
    ks: tuple[int, ...] = neighbours_option((10, 100))
    seed: int = seed_option("the draws and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)


PATCHES = Task(
    name="patches",
    question=(
        "What are a picture's patches taken for? Each is replaced by its neighbours' in a layer's feature space."
    ),
    group="correspond",
    data=PatchData,
    options=(PatchOptions, DatabaseOptions),
    checked_by="vestige.correspondence.search.measure:check_patches",
    measured_by="vestige.correspondence.search.measure:measure_patches",
    planned_by="vestige.correspondence.search.plan:plan_patches",
    paged_by="vestige.correspondence.search.patch_page:patch_parts",
    example="\n".join(
        (
            PHOTOGRAPH,
            "vestige correspond patches face.png --database synthetic:faces,n=100,seed=1 --layer block4 --layer block7 "
            "-k 1 -k 5 -o runs/patches",
        )
    ),
    without=_WITHOUT,
)

FIELDS = Task(
    name="fields",
    question=(
        "What do a feature's neighbours have in common? The mean of their receptive fields, its contrast expanded."
    ),
    group="correspond",
    data=FieldData,
    options=(FieldOptions, DatabaseOptions),
    checked_by="vestige.correspondence.search.measure:check_fields",
    measured_by="vestige.correspondence.search.measure:measure_fields",
    planned_by="vestige.correspondence.search.plan:plan_fields",
    paged_by="vestige.correspondence.search.field_page:field_parts",
    example=(
        "vestige correspond fields --database synthetic:faces,n=100,seed=1 --layer block4 --layer block7 "
        "-k 10 -k 100 -o runs/fields"
    ),
    without=_WITHOUT,
)
