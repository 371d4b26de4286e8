"""How ``--help`` is written: nothing is cut off at 80 columns, and examples can be copied as they stand."""

from __future__ import annotations

import re
from typing import Any

import typer.core

from vestige.cli.stopping import Stopped

_WIDTH = 76  # of a line of an example, without its indent: 80 columns hold it

FACES_RUN = (
    "vestige probe landmarks synthetic:faces,n=200,seed=1 --test synthetic:faces,n=60,seed=2 --layer block7 "
    "--untrained 1 -o runs/faces"
)
"""Makes the run that examples of other commands go on with."""

EVALUATION = "vestige evaluate runs/faces synthetic:faces,n=50,seed=9 -o runs/other"
"""Makes a second run of it."""


def examples(*commands: str) -> str:
    """The end of a command's help: commands to copy, one after another, long ones over several lines.

    Args:
        commands: as they are typed, on one line each.
    """
    lines = [line for command in commands for line in _broken(command)]
    return "\n".join(("\b", "Examples:" if len(commands) > 1 else "Example:", *(f"  {line}" for line in lines)))


ENVIRONMENT = "\n".join(
    (
        "\b",
        "Environment:",
        "  VESTIGE_CACHE    where features are kept: a folder, or a place in an object",
        "                   store (s3://bucket/path) [default: ~/.cache/vestige]",
        "  VESTIGE_COPIES   the folder of what is copied from object stores",
        "                   [default: that of the cache]",
    )
)
"""The end of a command's help: what it takes from the environment."""


def _broken(command: str) -> list[str]:
    """A command over lines that end in backslashes; an option and its value stay together."""
    parts = re.split(r" (?=--?[a-zA-Z])", command)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) <= _WIDTH - 2:
            lines[-1] += f" {part}"
        else:
            lines.append(f"  {part}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


class Group(typer.core.TyperGroup):
    """A group of commands whose list tells of each in full; stopping one tells how to go on."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list, as typer would but for the dots that end long lines."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(1000)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; typer would end it without a word where it is stopped."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise Stopped from stop
