"""What holds for every command."""

import shlex
import subprocess
import sys

import click
import pytest
import typer.main

from vestige.cli.main import app


def commands(group, words=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group) or hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_ends_in_an_example_whose_options_there_are(vestige, words):
    out, _ = vestige(*words, "--help")
    assert "Example: vestige" in " ".join(out.split())
    command = COMMANDS[words]
    example = shlex.split(command.epilog.removeprefix("Example: vestige "))
    assert tuple(example[: len(words)]) == words
    command.make_context("vestige", example[len(words) :])  # raises where an option or an argument does not fit


def test_the_command_line_starts_without_the_libraries_that_it_works_with():
    heavy = {"torch", "sklearn", "matplotlib", "zarr", "numba", "skimage"}
    code = f"import sys, vestige.cli.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_of_the_package_can_be_imported():
    import vestige

    assert all(getattr(vestige, name) is not None for name in vestige.__all__)
    assert set(vestige.__all__) <= set(dir(vestige))
    with pytest.raises(AttributeError, match="no attribute 'probe_everything'"):
        _ = vestige.probe_everything
