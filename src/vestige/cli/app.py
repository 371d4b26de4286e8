"""The commands of ``vestige``, put together."""

from __future__ import annotations

import typer

from vestige.cli import (
    cache,
    data,
    demo,
    layers,
    portrait,
    predict,
    report,
    reproduce,
    trained,
)
from vestige.cli.brought import add_brought_task
from vestige.cli.help import FACES_RUN, Group, examples
from vestige.cli.measuring import add_task
from vestige.tasks import TASKS, task_named, task_names
from vestige.version import __version__

app = typer.Typer(
    name="vestige",
    help="Measure what a vision network's representation still knows about where things are.",
    epilog=examples("vestige demo"),
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # its tables cut long names off
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


groups: dict[str, typer.Typer] = {
    "": app,
    "probe": typer.Typer(help="Train linear probes on a network's features and measure them.", no_args_is_help=True),
    "correspond": typer.Typer(
        help="Measure whether a network's features match the same part in other pictures.", no_args_is_help=True
    ),
    "units": typer.Typer(
        help="Measure what single units of a network detect, and where they look.", no_args_is_help=True
    ),
}
for group in (demo, layers, trained, predict, portrait, report, cache):
    group.add_to(app)
for name in task_names():
    if name in TASKS:
        add_task(groups[task_named(name).group], task_named(name))
    else:
        add_brought_task(groups, task_named(name))
for name, commands, example in (
    ("probe", groups["probe"], FACES_RUN),
    ("correspond", groups["correspond"], task_named("fields").example),
    (
        "units",
        groups["units"],
        next((task_named(each).example for each in TASKS if task_named(each).group == "units"), ""),
    ),
    ("data", data.app, "vestige data check synthetic:faces,n=24 -o sheet.png"),
    ("reproduce", reproduce.app, "vestige reproduce persistent-evidence --dry-run"),
):
    if commands.registered_commands:
        app.add_typer(commands, name=name, cls=Group, epilog=examples(example))
