"""The commands of tasks that plug-ins bring: one that cannot be made is told of, and stops nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import typer

from vestige.cli.measuring import add_task
from vestige.contract.task import Task
from vestige.plugins import described


def add_plugin_task(groups: Mapping[str, typer.Typer], task: Task) -> None:
    """Add the command of a plug-in's task to its group, or say in a line why there is none.

    Args:
        groups: of commands, by name.
        task: of a plug-in.
    """
    if task.group not in groups:
        _warn(task, f"is in group {task.group!r}; expected one of {', '.join(map(repr, groups))}")
        return
    taken = {each.name or getattr(each.callback, "__name__", "") for each in groups[task.group].registered_commands}
    if task.command in taken | (groups.keys() if not task.group else set()):
        _warn(task, "has the name of another command")
        return
    try:
        tried = typer.Typer()
        add_task(tried, task)
        typer.main.get_command(tried)  # looks at every option, which would fail only as all commands are made
    except Exception as error:  # somebody else's options
        _warn(task, f"cannot be made of its options: {described(error)}")
        return
    add_task(groups[task.group], task)


def _warn(task: Task, reason: str) -> None:
    print(f"warning: vestige.tasks plug-in {task.name!r} has no command: it {reason}", file=sys.stderr)
