"""No number of the command line goes without bounds: every command is walked, every number is tried."""

import types
import typing

import pytest

from vestige.cli.main import app

ABSURD = ("nan", "inf", "-inf", "-1", "1e300", str(10**19), "1" * 5000, "abc", "", "1e", "0x10")


def _commands(group, path=()):
    for command in group.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        yield (*path, name), command.callback
    for inner in group.registered_groups:
        yield from _commands(inner.typer_instance, (*path, inner.name))


def _numbers():
    """(words of a command, option) for every option that takes numbers."""
    for path, callback in _commands(app):
        hints = typing.get_type_hints(callback, include_extras=True)
        for hint in hints.values():
            kind, *metadata = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
            if {int, float} & _inner(kind):
                (info,) = metadata
                yield path, info.default  # typer's place of the name in an Annotated


def _inner(kind):
    if typing.get_origin(kind) in (typing.Union, types.UnionType, list):
        return set().union(*(_inner(each) for each in typing.get_args(kind)))
    return {kind}


NUMBERS = list(_numbers())


def test_every_command_is_walked():
    assert len({path for path, _ in NUMBERS}) >= 14
    assert len(NUMBERS) >= 60
    names = {option for _, option in NUMBERS}
    assert {"--seed", "--box-margin", "--older-than", "--larger-than", "--margin-quantile", "-k"} <= names


@pytest.mark.parametrize(("path", "option"), NUMBERS, ids=[" ".join((*path, option)) for path, option in NUMBERS])
def test_absurd_numbers_are_refused_in_one_line(vestige, path, option):
    for text in ABSURD:
        _, told = vestige(*path, option, text, status=2)
        assert told.startswith(f"error: {option} {text[:30]}"), told
        assert told.count("\n") == 1
        assert "number" in told
        assert len(told) < 200


def test_no_absurd_number_removes_a_store(vestige, tmp_path, monkeypatch):
    store = tmp_path / "ab" / "store"
    store.mkdir(parents=True)
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path))
    for words in (("--older-than", "nan"), ("--older-than", "-1"), ("--larger-than", "-5"), ("--larger-than", "nan")):
        vestige("cache", "--prune", *words, status=2)
    assert store.is_dir()


@pytest.mark.parametrize("name", ["a:bomb:b", "x[/b]", "y[bold]z", "[red]", "p:smile:.png"])
def test_paths_are_printed_as_they_are(vestige, tmp_path, name):
    for arguments in (("report", tmp_path / name, "-o", tmp_path / "x.html"), ("data", "check", f"folder:{name}")):
        out, said = vestige(*arguments, status=2)
        assert name in out + said
