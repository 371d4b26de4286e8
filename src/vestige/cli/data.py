"""``vestige data``: look at data before anything is measured on them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from vestige.cli import options as o
from vestige.cli.console import listening
from vestige.cli.help import examples

_SHEET = "contact sheet"
"""What a sheet's mark says, by which the next one may take its place."""

app = typer.Typer(help="Look at data sets.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `data` a group while it has one command."""


@app.command(name="check", epilog=examples("vestige data check synthetic:faces,n=24 -o sheet.png"))
def check_command(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="Data, as kind:PATH[,key=value].")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where the contact sheet goes.", parser=o.path_of)
    ] = Path("contact-sheet.png"),
    markup: o.MarkupFile = None,
    strict: o.Strict = False,
    overwrite: o.Replace = False,
) -> None:
    """Counts, sizes, problems, and a contact sheet, which takes the place of an earlier one."""
    from vestige.datasets.check import check, contact_sheet
    from vestige.datasets.opening import open_dataset
    from vestige.files import refuse_existing
    from vestige.images import check_image_path, save_image
    from vestige.picture_files import drawn_as

    dataset = open_dataset(spec, strict=strict, markup=o.markup_of(markup))
    check_image_path(output)
    overwrite = overwrite or (drawn_as(output) == _SHEET and not output.is_symlink())
    refuse_existing(output, overwrite=overwrite, inputs=dataset.files())
    seen = itertools.count(1)
    with listening() as listener:
        found = check(dataset, lambda: listener.count("pictures", next(seen), len(dataset)))
    typer.echo(str(found))
    save_image(contact_sheet(dataset), output, overwrite=overwrite, what=_SHEET)
    typer.echo(f"contact sheet: {output}")
