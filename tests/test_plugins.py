"""A package of somebody else's brings a kind of data and a family of networks, without a line changed in vestige."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is installed, as installers leave it: the module, and a dist-info beside it."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copy(PLUGIN / "vestige_squares.py", folder)
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def run(site: Path):
    """``run(*words, status=0) -> (standard output, standard error)`` of the command line beside the package."""

    def run(*words: object, status: int = 0) -> tuple[str, str]:
        path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "vestige", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    return run


def warnings(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("warning: ")]


def test_a_plug_ins_kind_opens_and_those_that_cannot_be_used_are_named_in_a_line_each(run, tmp_path: Path) -> None:
    out, said = run("data", "check", "squares:plain,n=7", "-o", tmp_path / "sheet.png")
    assert "7" in out
    named = {name: [line for line in warnings(said) if repr(name) in line] for name in ("broken", "wrong", "folder")}
    assert [len(lines) for lines in named.values()] == [1, 1, 1]
    assert len(warnings(said)) == 3
    assert "ModuleNotFoundError" in named["broken"][0]
    assert "vestige-squares" in named["broken"][0]


def test_vestiges_own_kinds_go_on_and_are_not_replaced(run, tmp_path: Path) -> None:
    _, said = run("data", "check", f"folder:{tmp_path}", status=2)
    assert "no usable examples" in said  # of an empty folder: the plug-in's kind of that name would have twenty
    out, _ = run("layers", "rgb:8")
    assert "rgb" in out
    _, said = run("layers", "tiny:two@random:0", "--json")
    assert [line for line in warnings(said) if "'rgb'" in line] == warnings(said)


def test_a_plug_ins_family_opens(run) -> None:
    out, _ = run("layers", "tiny:two@random:0", "--json")
    shapes = {each["name"]: each["shape"] for each in json.loads(out)["layers"]}
    assert shapes["0"] == [8, 16, 16]
    assert shapes["2"] == [8, 8, 8]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("data", "check", "squres:plain"), "did you mean squares?"),
        (("data", "check", "squares:plain,m=3"), "unknown option 'm'"),
        (("data", "check", "squares:crash"), "ZeroDivisionError"),
        (("data", "check", "broken:plain"), "vestige_squares_that_is_missing"),
        (("layers", "tny:two"), "tiny:two"),
        (("layers", "tiny:three"), "expected tiny:two"),
    ],
)
def test_mistakes_are_errors_that_name_them(run, words, told) -> None:
    _, said = run(*words, status=2)
    assert told in said


def test_a_probe_runs_over_both_and_is_evaluated(run, tmp_path: Path) -> None:
    train, test, other = (f"squares:plain,n={n},seed={seed}" for n, seed in ((24, 1), (12, 2), (10, 3)))
    network = ("--backbone", "tiny:two@random:0", "--layer", "2", "--untrained", 0)
    run("probe", "landmarks", train, "--test", test, *network, "-o", tmp_path / "run")
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    errors = {row["method"]: row["value"] for row in rows if row["metric"].startswith("nme")}
    assert errors["ridge"] < errors["mean"]
    run("evaluate", tmp_path / "run", other, "-o", tmp_path / "other")
    assert (tmp_path / "other" / "report.html").exists()
