"""The commands of ``vestige``, put together: as few of them as a command line needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import typer

from vestige.cli.help import ENVIRONMENT, FACES_RUN, Group, examples
from vestige.version import __version__

if TYPE_CHECKING:
    from vestige.contract.task import Task

_OWN_MODULES: Mapping[str, str] = {
    "demo": "demo",
    "layers": "layers",
    "evaluate": "trained",
    "predict": "predict",
    "portrait": "portrait",
    "report": "report",
    "cache": "cache",
    "cluster": "cluster",
}
"""The commands that are made by a module of their own."""

_GROUPS: Mapping[str, str] = {
    "probe": "Train linear probes on a network's features and measure them.",
    "correspond": "Measure whether a network's features match the same part in other pictures.",
    "units": "Measure what single units of a network detect, and where they look.",
}
"""The groups of tasks' commands."""


def app_for(words: Sequence[str] = ()) -> typer.Typer:
    """The commands that a command line may mean.

    Args:
        words: of the command line. Where the first name a command with a module of its own, or that of one of
            vestige's tasks, that is all there is: the others are not imported, or their options not made.
    """
    app = typer.Typer(
        name="vestige",
        help="Measure what a vision network's representation still knows about where things are.",
        epilog=f"{examples('vestige demo')}\n\n{ENVIRONMENT}",
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # its tables cut long names off
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    if words and words[0] in _OWN_MODULES:
        _add_own(app, words[0])
    else:
        _add_tasks(app, words)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"vestige {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    del version  # its callback has done it


def _add_own(app: typer.Typer, name: str) -> None:
    import_module(f"vestige.cli.{_OWN_MODULES[name]}").add_to(app)


def _add_tasks(app: typer.Typer, words: Sequence[str]) -> None:
    """Add the command of the task that words name, or, where they name none, all commands that there are."""
    from vestige.cli.measuring import add_task
    from vestige.tasks import TASKS, task_named

    groups = {name: typer.Typer(help=text, no_args_is_help=True) for name, text in _GROUPS.items()}
    tasks = [task_named(name) for name in TASKS]
    meant = [task for task in tasks if _is_named(task, words)]
    for task in meant:
        add_task({"": app, **groups}[task.group], task)
    if not meant:
        _add_all(app, groups)
    shown = {"probe": FACES_RUN, "correspond": task_named("fields").example}
    for name, group in groups.items():
        if group.registered_commands:
            example = shown.get(name) or next((task.example for task in tasks if task.group == name), "")
            app.add_typer(group, name=name, cls=Group, epilog=examples(example))
    if not meant:
        _add_other_groups(app)


def _is_named(task: Task, words: Sequence[str]) -> bool:
    """Whether a command line begins with the command of a task; that of people's answers is made by its own module."""
    name = (task.group, task.command) if task.group else (task.command,)
    return task.name != "annotations" and tuple(words[: len(name)]) == name


def _add_all(app: typer.Typer, groups: Mapping[str, typer.Typer]) -> None:
    """Add every command of no group, and to the groups all of theirs."""
    from vestige.cli import annotate, annotations
    from vestige.cli.measuring import add_task
    from vestige.cli.plugin_tasks import add_plugin_task
    from vestige.tasks import TASKS, task_named, task_names

    for name in _OWN_MODULES:
        _add_own(app, name)
    for name in task_names():
        if name == "annotations":
            annotate.add_to(groups["units"])
            annotations.add_to(groups["units"])
        elif name in TASKS:
            add_task({"": app, **groups}[task_named(name).group], task_named(name))
        else:
            add_plugin_task({"": app, **groups}, task_named(name))


def _add_other_groups(app: typer.Typer) -> None:
    """Add the groups that are no tasks'."""
    from vestige.cli import data, reproduce

    for name, group, example in (
        ("data", data.app, "vestige data check synthetic:faces,n=24 -o sheet.png"),
        ("reproduce", reproduce.app, "vestige reproduce persistent-evidence --dry-run"),
    ):
        app.add_typer(group, name=name, cls=Group, epilog=examples(example))
