"""``vestige data``: look at data before anything is measured on them."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import listening, print_json, quietly
from vestige.cli.help import examples
from vestige.cli.options import markup_of, path_of
from vestige.cli.parts import Printing, Replacing
from vestige.datasets.given import markup_option, strict_option
from vestige.options import needed, option

_SHEET = "contact sheet"
"""What a sheet's mark says, by which the next one may take its place."""

_QUESTION = "Counts, sizes, problems, and a contact sheet, which takes the place of an earlier one."

app = typer.Typer(help="Look at data sets.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `data` a group while it has one command."""


@dataclass(frozen=True)
class Checked:
    """What is looked over.

    Attributes:
        spec: of the data.
        output: where the contact sheet goes.
        markup: a file that says what the points mean.
        strict: stop where files are bad.
    """

    spec: str = needed("Data, as kind:PATH[,key=value].", metavar="SPEC", argument=True)
    output: Path = option(
        Path("contact-sheet.png"),
        "Where the contact sheet goes.",
        names=("-o", "--output"),
        metavar="FILE",
        parser=path_of,
    )
    markup: Path | None = markup_option()
    strict: bool = strict_option()


def check_command(asked: Checked, replacing: Replacing, printing: Printing) -> None:
    """Look data over, and draw them."""
    from vestige.datasets.check import check, contact_sheet
    from vestige.datasets.opening import open_dataset
    from vestige.files import refuse_existing
    from vestige.images import check_image_path, save_image
    from vestige.picture_files import drawn_as

    dataset = open_dataset(asked.spec, strict=asked.strict, markup=markup_of(asked.markup))
    check_image_path(asked.output)
    overwrite = replacing.overwrite or (drawn_as(asked.output) == _SHEET and not asked.output.is_symlink())
    refuse_existing(asked.output, overwrite=overwrite, inputs=dataset.files())
    seen = itertools.count(1)
    with quietly(printing.quiet), listening() as listener:
        found = check(dataset, lambda: listener.count("pictures", next(seen), len(dataset)))
    if printing.json:
        print_json({**asdict(found), "contact_sheet": str(asked.output)})
    else:
        typer.echo(str(found))
    save_image(contact_sheet(dataset), asked.output, overwrite=overwrite, what=_SHEET)
    if not printing.json:
        typer.echo(f"contact sheet: {asked.output}")


app.command(name="check", epilog=examples("vestige data check synthetic:faces,n=24 -o sheet.png"))(
    command_of(check_command, (Checked, Replacing, Printing), _QUESTION)
)
