"""Options that several commands share, written once.

Commands import what they run when they run, so that ``--help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestige import bounds as b
from vestige.bounds import Bounds
from vestige.errors import VestigeError
from vestige.spec import EVEN_LAYERS
from vestige.spec import Precision as PrecisionName
from vestige.spec import StoreDtype as StoreDtypeName

if TYPE_CHECKING:
    from vestige.cli.console import Listener
    from vestige.features.reader import Reader
    from vestige.markup import Markup


def number(bounds: Bounds, name: str, metavar: str, text: str) -> Any:
    """An option that takes a number, or numbers where it is repeated; anything else is refused in one line.

    Args:
        bounds: of the number.
        name: of the option, with its dashes.
        metavar: what help calls the number.
        text: what help says of it.
    """
    told = f"{text} [{bounds.brief}]"
    return typer.Option(name, parser=lambda word: bounds.parse(name, word), metavar=metavar, help=told)


Train = Annotated[
    str,
    typer.Argument(
        metavar="TRAIN",
        help="Data to train on, as kind:PATH[,key=value]: 300w:DIR, cub:DIR, coco:FILE, synthetic:faces,n=200.",
    ),
]
Test = Annotated[
    str | None,
    typer.Option("--test", metavar="DATA", help="Data to test on; may be left out where TRAIN has its own split."),
]


def path_of(text: str | Path) -> Path:
    """What ``-o`` names.

    Raises:
        VestigeError: where it is empty.
    """
    if not str(text).strip():
        raise VestigeError("-o: is empty; name a folder or a file")
    return Path(text)


Out = Annotated[
    Path, typer.Option("-o", "--output", metavar="RUN", help="Folder of the run; it is made.", parser=path_of)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a finished run in the folder.")]
Replace = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]
Backbone = Annotated[
    str,
    typer.Option(
        "--backbone",
        metavar="SPEC",
        help="The network: efficientnet_lite0, torchvision:NAME, timm:NAME, hf:NAME, caffe:NAME@FILE, "
        "python:MODULE:FUNCTION.",
    ),
]
Seed = Annotated[int, number(b.SEED, "--seed", "N", "Random seed of the folds and the bootstrap.")]
Strict = Annotated[bool, typer.Option("--strict/--skip-bad", help="Stop where files are bad, or go on without them.")]
MarkupFile = Annotated[
    Path | None,
    typer.Option(
        "--markup", metavar="FILE", help="What the points mean (JSON), for points that vestige does not know."
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")]
Precision = Annotated[PrecisionName, typer.Option("--precision", help="What the network computes in.")]
Compile = Annotated[bool, typer.Option("--compile/--no-compile", help="Run the network through torch.compile.")]
StoreDtype = Annotated[StoreDtypeName, typer.Option("--store-dtype", help="What features are kept as.")]
BatchSize = Annotated[int, number(b.BATCH, "--batch-size", "N", "Pictures per forward pass.")]


def reader_for(
    listener: Listener,
    device: str,
    precision: PrecisionName,
    compiled: bool,
    store_dtype: StoreDtypeName,
    batch_size: int,
) -> Reader:
    """The Reader that a command's options ask for."""
    from vestige.extraction import ExtractOptions
    from vestige.features.reader import Reader

    options = ExtractOptions(
        device=device, precision=precision, store_dtype=store_dtype, compile=compiled, batch=batch_size
    )
    options.torch_device()  # refuses one that is not there before anything is read
    return Reader(options=options, progress=listener.count)


def layers_of(named: list[str] | None) -> tuple[str, ...]:
    """The layers of ``--layer``, or those that are read where none is named."""
    return tuple(named or (EVEN_LAYERS,))


def markup_of(path: Path | None) -> Markup | None:
    """The markup of ``--markup``."""
    from vestige.markup import read_markup

    return None if path is None else read_markup(path)


def parse_box(text: str) -> tuple[float, ...]:
    """``x0,y0,x1,y1`` in pixels.

    Raises:
        VestigeError: where the text is no box.
    """
    return parse_finite("--box", text, 4, "x0,y0,x1,y1 in pixels, as in --box 40,30,180,190")


def parse_finite(option: str, text: str, n: int, expected: str) -> tuple[float, ...]:
    """The ``n`` finite numbers between commas that an option is given.

    Raises:
        VestigeError: where there are others, saying what was expected.
    """
    with suppress(ValueError):
        numbers = tuple(float(part) for part in text.split(","))
        if len(numbers) == n and all(math.isfinite(number) for number in numbers):
            return numbers
    raise VestigeError(f"{option} {text}: expected {expected}")
