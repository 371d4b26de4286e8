"""``vestige``: the command line."""

from __future__ import annotations

import errno
import sys

import typer

from vestige.cli import (
    cache,
    compare,
    correspond,
    data,
    demo,
    directions,
    layers,
    portrait,
    probe,
    probe_attributes,
    probe_segmentation,
    report,
    reproduce,
    trained,
)
from vestige.cli.console import console
from vestige.errors import VestigeError
from vestige.version import __version__

app = typer.Typer(
    name="vestige",
    help="Measure what a vision network's representation still knows about where things are.",
    epilog="Start with: vestige demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"vestige {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    del version  # its callback has done it


for group in (demo, layers, directions, compare, trained, portrait, report, cache):
    group.add_to(app)
probe_segmentation.add_to(probe.app)
probe_attributes.add_to(probe.app)
app.add_typer(probe.app, name="probe")
app.add_typer(correspond.app, name="correspond")
app.add_typer(data.app, name="data")
app.add_typer(reproduce.app, name="reproduce")


def main() -> None:
    """Run the command line; a user's mistake and a full or closed disk end in one message and status 2."""
    try:
        app()
    except VestigeError as error:
        _stop(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        _stop(f"{error.filename or 'output'}: {error.strerror}; what was finished is kept, run the command again")


def _stop(message: str) -> None:
    console.print("[bold red]error:[/]", end=" ")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)
