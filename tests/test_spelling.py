"""Messages name options as their reader writes them: with dashes, or as parameters."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer.main

import vestige
from vestige.cli.main import app
from vestige.errors import VestigeError
from vestige.probes.engine.options import NORMALISERS
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.spelling import _DASHED, command_words, dashed, either, on_command_line, spelled

SOURCE = Path(vestige.__file__).parent
SPELLING = {"spelled", "either", "command_words", "dashed"}
DECLARING = {"option", "needed", "Switch"}  # of options, whose help is for the command line


@pytest.mark.parametrize(
    ("given", "typed", "written"),
    [
        (("overwrite", True), "--overwrite", "overwrite=True"),
        (("mirror", False), "--no-mirror", "mirror=False"),
        (("look_backs", 0), "--no-look-back", "look_backs=0"),
        (("normaliser", "box"), "--normaliser box", "normaliser='box'"),
        (("layers", ("a", "b c")), "--layer a --layer 'b c'", "layers=('a', 'b c')"),
        (("category", "bird"), "--class bird", "category='bird'"),
        (("untrained_seeds", 3), "--untrained 3", "untrained_seeds=3"),
        (("negative_distance",), "--negative-distance", "negative_distance"),
        (("folder",), "-o", "folder"),
    ],
)
def test_an_option_is_written_for_its_reader(given, typed, written):
    assert spelled(*given) == written
    with on_command_line():
        assert spelled(*given) == typed
        assert either("typed", "written") == "typed"
    assert spelled(*given) == written


def test_a_word_stands_for_a_value():
    assert spelled("markup", word="FILE") == "markup=FILE"
    with on_command_line():
        assert spelled("markup", word="FILE") == "--markup FILE"
    assert command_words("layers", []) == []


def test_the_same_mistake_is_told_to_both():
    def told():
        with pytest.raises(VestigeError) as error:
            LandmarkOptions(normaliser="eyes")
        return str(error.value)

    assert told() == f"normaliser='eyes': expected one of {', '.join(NORMALISERS)}"
    with on_command_line():
        assert told() == f"--normaliser eyes: expected one of {', '.join(NORMALISERS)}"


def _options(command):
    for child in getattr(command, "commands", {}).values():
        yield from _options(child)
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)


def _spelled_names():
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if called == "spelled" and isinstance(node.args[0], ast.Constant):  # else a name that a caller was given
                yield node.args[0].value


def _commands(command):
    children = getattr(command, "commands", {})
    return [leaf for child in children.values() for leaf in _commands(child)] if children else [command]


def test_a_parameter_is_spelled_as_its_command_has_it():
    """But for two whose messages write both out."""
    spelled_names, by_themselves = set(_spelled_names()), {("segment", "units"), ("detect", "scenes")}
    wrong = {
        (command.name, each.name)
        for command in _commands(typer.main.get_command(app))
        for each in command.params
        if each.param_type_name == "option" and each.name in spelled_names and dashed(each.name) not in each.opts
    }
    assert wrong <= by_themselves


def test_every_option_that_is_named_is_one_of_a_command():
    known = set(_options(typer.main.get_command(app)))
    assert {dashed(name) for name in (*_DASHED, *_spelled_names())} <= known


def _texts(node, spelling=False):
    """The texts of a module that are no documentation and not already written for their reader."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        spelling = spelling or name in SPELLING or name in DECLARING
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and not spelling:
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, spelling)


def test_no_message_of_the_library_spells_an_option_itself():
    found = [
        f"{path.relative_to(SOURCE)}:{text.lineno}: {text.value}"
        for path in SOURCE.rglob("*.py")
        if not path.is_relative_to(SOURCE / "cli")
        for text in _texts(ast.parse(path.read_text()))
        if " " in text.value
        and not text.value.startswith("vestige ")  # a whole command, as an example
        and re.search(r"(?<![\w-])(--[a-z]|-o\b)", text.value)
    ]
    (pip,) = found
    assert "pip install --force-reinstall" in pip
