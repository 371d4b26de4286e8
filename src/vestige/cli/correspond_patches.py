"""``vestige correspond patches`` and ``vestige correspond fields``: what a layer's features take for alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige import bounds as b
from vestige.cli import options as o
from vestige.cli.console import Listener, command_line
from vestige.cli.help import PHOTOGRAPH, examples
from vestige.cli.measuring import measure_into
from vestige.correspondence.options import Centres
from vestige.errors import VestigeError

if TYPE_CHECKING:
    from vestige.correspondence.search.retrieval import DatabaseOptions, Library
    from vestige.extraction import ExtractOptions
    from vestige.results import Results
    from vestige.run import Run

Databases = Annotated[
    list[str],
    typer.Option(
        "--database",
        metavar="DATA",
        help="Pictures to find neighbours in, as kind:PATH[,key=value]; repeat for several, the first is taken first.",
    ),
]
Layers = Annotated[
    list[str], typer.Option("--layer", metavar="NAME", help="A grid layer's name or a glob; repeat for several.")
]
ShortSide = Annotated[
    int | None,
    o.number(b.SHORT_SIDE, "--short-side", "N", "Pixels of every picture's shorter side. [default: as it is]"),
]
PatchCount = Annotated[int, o.number(b.COUNT, "--patches", "N", "Patches of each layer at which the database is full.")]
CellCentres = Annotated[
    Centres,
    typer.Option(
        "--centres", help="Where a cell stands: at the centre of its receptive field, or of its response to pictures."
    ),
]
DrawSeed = Annotated[int, o.number(b.SEED, "--seed", "N", "Random seed of the draws and the bootstrap.")]


_DATA = "--database synthetic:faces,n=100,seed=1 --layer block4 --layer block7"
FIELDS = f"vestige correspond fields {_DATA} -k 10 -k 100 -o runs/fields"
"""The example of ``fields``, and of the group."""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=examples(PHOTOGRAPH, f"vestige correspond patches face.png {_DATA} -k 1 -k 5 -o runs/patches"))(
        patches
    )
    app.command(epilog=examples(FIELDS))(fields)


def patches(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs to put together again.")],
    database: Databases,
    layer: Layers,
    output: o.Out,
    k: Annotated[
        list[int] | None,
        o.number(b.COUNT, "-k", "K", "Neighbours to average; repeat for several. [default: 1, 5]"),
    ] = None,
    short_side: ShortSide = None,
    patch_count: PatchCount = 1_000_000,
    centres: CellCentres = "field",
    backbone: o.Backbone = "efficientnet_lite0",
    seed: DrawSeed = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    overwrite: o.Overwrite = False,
) -> None:
    """What are a picture's patches taken for? Each is replaced by its neighbours' in a layer's feature space."""
    from vestige.correspondence.search.patches import replace_patches
    from vestige.correspondence.search.record import record_patches
    from vestige.correspondence.search.retrieval import DatabaseOptions, open_pictures
    from vestige.extraction import ExtractOptions

    examples = open_pictures(images)

    def measure(run: Run, listener: Listener) -> Results:
        wanted = DatabaseOptions(backbone, tuple(layer), short_side, patch_count, centres)
        library = _library(database, wanted, ExtractOptions(device, precision), strict, listener)
        found = replace_patches(examples, library, k or (1, 5), seed=seed, say=listener.say, progress=listener.parts)
        return record_patches(run, found, command_line())

    measure_into(output, overwrite, measure)


def fields(
    database: Databases,
    layer: Layers,
    output: o.Out,
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="IMAGE", help="A picture to have the seeds in. [default: the database's]"),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="X,Y", help="A seed, in pixels of the one --image; repeat for several."),
    ] = None,
    seeds: Annotated[int, o.number(b.COUNT, "--seeds", "N", "Seeds to draw, without --at.")] = 6,
    k: Annotated[
        list[int] | None,
        o.number(b.COUNT, "-k", "K", "Neighbours to average; repeat for several. [default: 10, 100]"),
    ] = None,
    short_side: ShortSide = None,
    patch_count: PatchCount = 1_000_000,
    centres: CellCentres = "field",
    backbone: o.Backbone = "efficientnet_lite0",
    seed: DrawSeed = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    overwrite: o.Overwrite = False,
) -> None:
    """What do a feature's neighbours have in common? The mean of their receptive fields, its contrast expanded."""
    from vestige.correspondence.search.fields import mean_fields
    from vestige.correspondence.search.record import record_fields
    from vestige.correspondence.search.retrieval import DatabaseOptions, open_pictures
    from vestige.extraction import ExtractOptions

    examples = open_pictures(image) if image else ()
    points = [_point(text) for text in at or ()]
    if points and len(examples) != 1:
        raise VestigeError(f"--at: points are of one picture; name it with --image (got {len(examples)})")

    def measure(run: Run, listener: Listener) -> Results:
        wanted = DatabaseOptions(backbone, tuple(layer), short_side, patch_count, centres)
        library = _library(database, wanted, ExtractOptions(device, precision), strict, listener)
        found = mean_fields(
            library,
            examples,
            k or (10, 100),
            seeds=seeds,
            at=points,
            seed=seed,
            say=listener.say,
            progress=listener.parts,
        )
        return record_fields(run, found, command_line())

    measure_into(output, overwrite, measure)


def _library(
    databases: Sequence[str],
    options: DatabaseOptions,
    extraction: ExtractOptions,
    strict: bool,
    listener: Listener,
) -> Library:
    from vestige.correspondence.search.retrieval import open_library
    from vestige.datasets.opening import open_dataset
    from vestige.text import count

    data = [open_dataset(spec, strict=strict) for spec in dict.fromkeys(databases)]
    told = listener.parts
    library = open_library(
        data, options, extraction, say=listener.say, progress=lambda _layer, done, total: told(done, total)
    )
    for each in library.databases:
        name, of = each.view.layer, f"{count(each.pictures, 'picture')}, {each.bytes / 1e6:,.0f} MB"
        listener.progress.console.print(f"  {name}: {count(each.patches, 'patch', 'patches')} of {of}", highlight=False)
    return library


def _point(text: str) -> tuple[float, float]:
    x, y = o.parse_finite("--at", text, 2, "X,Y in pixels of the picture, as in --at 120,85")
    return x, y
