"""What holds for every command."""

import os
import shlex
import subprocess
import sys

import pytest
import typer.main

from vestige.cli.help import examples
from vestige.cli.main import app


def commands(group, words=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def groups(group, words=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield (*words, name), command
            yield from groups(command, (*words, name))


GROUPS = {(): typer.main.get_command(app), **dict(groups(typer.main.get_command(app)))}


def typed(epilog):
    """The words of each vestige command at the end of a help."""
    lines = epilog.replace("\\\n", " ").removeprefix("Example: ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.split()[:1] == ["vestige"]]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_ends_in_an_example_whose_options_there_are(vestige, words):
    out, _ = vestige(*words, "--help")
    *before, last = typed(COMMANDS[words].epilog)
    assert f"vestige {' '.join(words)}" in out
    assert tuple(last[: len(words)]) == words
    for example in (*before, last):
        name = tuple(example[:2]) if tuple(example[:2]) in COMMANDS else tuple(example[:1])
        COMMANDS[name].make_context("vestige", example[len(name) :])  # raises where an option does not fit


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_has_an_example_and_tells_of_its_commands_in_full(vestige, words):
    out, _ = vestige(*words, "--help")
    (example,) = typed(GROUPS[words].epilog)
    assert tuple(example[: len(words)]) == words
    assert f"vestige {' '.join(words)}" in out
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_can_be_read_at_80_columns(vestige, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out, _ = vestige(*words, "--help")
    options = [name for option in COMMANDS[words].params for name in option.opts if name.startswith("-")]
    assert options
    assert [name for name in options if name not in out] == []


def test_a_long_example_goes_over_several_lines_that_a_shell_takes_for_one():
    command = "vestige probe landmarks " + "x" * 40 + " --test " + "y" * 30 + " --layer block7 -o runs/faces"
    told = examples(command)
    assert all(len(line) <= 78 for line in told.splitlines())
    assert typed(told) == [command.split()[1:]]


STARTED = """
import sys
from vestige.cli.main import main
sys.argv = ["vestige", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
sys.stdout.flush()
print("\\n" + " ".join(sorted({name.partition(".")[0] for name in sys.modules})), end="")
"""

HEAVY = {"torch", "numpy", "matplotlib", "jinja2", "scipy", "sklearn", "skimage", "zarr", "numba", "cv2", "skia", "PIL"}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["cache"],
        ["cache", "--json"],
        ["probe", "--help"],
        ["probe", "landmarks", "--mistyped"],
        ["--mistyped"],
    ],
)
def test_what_measures_nothing_starts_without_the_libraries_that_measure(words, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", STARTED, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "VESTIGE_CACHE": str(tmp_path)},
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "vestige" in loaded
    assert HEAVY & loaded == set()


def test_a_command_with_a_module_of_its_own_imports_no_other():
    code = "import sys; from vestige.cli.app import app_for; app_for(['cache']); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("vestige")}
    assert "vestige.cli.cache" in loaded
    assert not {name for name in loaded if name.startswith(("vestige.tasks", "vestige.contract", "vestige.probes"))}


def test_every_name_of_the_package_can_be_imported():
    import vestige

    assert all(getattr(vestige, name) is not None for name in vestige.__all__)
    assert set(vestige.__all__) <= set(dir(vestige))
    with pytest.raises(AttributeError, match="'probe_everything'"):
        _ = vestige.probe_everything


def test_a_word_that_is_none_of_a_few_is_refused_with_those(vestige):
    _, err = vestige("probe", "pixels", "synthetic:faces,n=4", "-o", "run", "--precision", "float3", status=2)
    assert "--precision float3: did you mean float32? expected one of float32, bfloat16, float16" in err
