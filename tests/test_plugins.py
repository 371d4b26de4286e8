"""A package of somebody else's brings data, networks and a task of its own, without a line changed in vestige."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import vestige
from vestige.example import Example

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is installed, as installers leave it: the module, and a dist-info beside it."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(
        PLUGIN / "vestige_squares", folder / "vestige_squares", ignore=shutil.ignore_patterns("__pycache__")
    )
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def beside(site: Path) -> dict[str, str]:
    """The environment in which Python finds the package."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


def python(site: Path, *words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Python beside the package."""
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, env=beside(site)
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


Command = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def run(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """``run(*words, status=0) -> (standard output, standard error)`` of the command line beside the package."""
    script, said = Path(__file__).with_name("forked_commands.py"), tmp_path_factory.mktemp("said")
    files = {name: str(said / name) for name in ("out", "err")}
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=beside(site)
    ) as process:

        def command(*words: object, status: int = 0) -> tuple[str, str]:
            asked = {"words": [*map(str, words)], "environment": beside(site), **files}
            print(json.dumps(asked), file=process.stdin, flush=True)
            found = process.stdout.readline()
            out, err = (Path(file).read_text(encoding="utf-8") for file in files.values())
            assert int(found) == status, out + err
            assert "Traceback" not in err
            return out, err

        yield command
        process.stdin.close()


def warnings(said: str, group: str = "") -> list[str]:
    """The lines about plug-ins of a group."""
    return [line for line in said.splitlines() if line.startswith(f"warning: vestige.{group}")]


def test_a_plug_ins_kind_opens_and_those_that_cannot_be_used_are_named_in_a_line_each(site, tmp_path: Path) -> None:
    done = python(site, "-m", "vestige", "data", "check", "squares:plain,n=7", "-o", tmp_path / "sheet.png")
    assert "7" in done.stdout
    told = warnings(done.stderr, "datasets")
    named = {name: [line for line in told if repr(name) in line] for name in ("broken", "wrong", "folder")}
    assert [len(lines) for lines in named.values()] == [1, 1, 1]
    assert len(told) == 3
    assert "ModuleNotFoundError" in named["broken"][0]
    assert "vestige-squares" in named["broken"][0]


def test_vestiges_own_kinds_go_on_and_are_not_replaced(run, tmp_path: Path) -> None:
    _, said = run("data", "check", f"folder:{tmp_path}", status=2)
    assert "no usable examples" in said  # of an empty folder: the plug-in's kind of that name would have twenty
    out, _ = run("layers", "rgb:8")
    assert "rgb" in out
    _, said = run("layers", "tiny:two@random:0", "--json")
    assert ["'rgb'" in line for line in warnings(said, "backbones")] == [True]


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


NETWORK = ("--backbone", "tiny:two@random:0", "--untrained", 1)
SCENES = tuple(f"scenes:plain,n={n},seed={seed}" for n, seed in ((40, 1), (12, 2), (10, 3)))


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


def main_rows(found: dict[str, Any], metric: str) -> dict[str, float]:
    return {row["method"]: row["value"] for row in found["rows"] if (row["metric"], row["subset"]) == (metric, "all")}


@pytest.fixture(scope="module")
def depth(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the plug-in's probe, over two layers, with their numbers printed."""
    folder = tmp_path_factory.mktemp("depth") / "run"
    words = ("probe", "depth", SCENES[0], "--test", SCENES[1], *NETWORK, "--layer", "0", "--layer", "2", "--grid", 4)
    run(*words, "-o", folder)
    return folder


def test_a_plug_ins_task_is_a_command_with_its_options(run) -> None:
    out, said = run("probe", "--help")
    assert "depth" in out
    told = warnings(said)
    assert {name: sum(repr(name) in line for line in told) for name in ("gone", "side", "width", "pixels", "odd")} == {
        "gone": 1,
        "side": 1,
        "width": 1,
        "pixels": 1,
        "odd": 1,
    }
    assert len(told) == 5
    out, _ = run("probe", "depth", "--help")
    assert {"--grid", "--layer", "--backbone", "--device", "--overwrite"} <= set(out.split())
    assert "scenes:plain" in out


def test_the_command_line_starts_without_torch_or_matplotlib(site: Path) -> None:
    code = "import sys; from vestige.cli.main import app; "
    code += "(probe,) = [g.typer_instance for g in app.registered_groups if g.name == 'probe']; "
    code += "print('depth' in [c.name for c in probe.registered_commands]); "
    code += "print(sorted({'torch', 'matplotlib', 'jinja2'} & sys.modules.keys()))"
    done = python(site, "-c", code)
    assert done.stdout.split("\n")[:2] == ["True", "[]"]


def test_a_plug_ins_task_runs_and_ranks_layers_by_what_its_metric_says(depth: Path) -> None:
    found = results(depth)
    assert {name: each["lower_is_better"] for name, each in found["metrics"].items()} == {
        "abs_rel": True,
        "delta1": False,
        "oof_abs_rel": True,
    }
    errors, shares = main_rows(found, "abs_rel"), main_rows(found, "delta1")
    assert errors["ridge"] < errors["mean"]
    assert shares["ridge"] > shares["mean"]
    on_folds = {
        row["layer"]: row["value"]
        for row in found["sweep"]
        if (row["method"], row["metric"]) == ("ridge", "oof_abs_rel")
    }
    assert len(on_folds) == 2
    assert found["backbone"]["layer"] == min(on_folds, key=on_folds.__getitem__)
    page = (depth / "report.html").read_text(encoding="utf-8")
    assert all(text in page for text in ("Relative error", "Layer by layer"))
    assert {path.suffix for path in (depth / "figures").iterdir()} == {".png"}


def test_a_run_of_it_is_evaluated_predicts_and_is_reported(run, depth: Path, tmp_path: Path) -> None:
    run("evaluate", depth, SCENES[2], "-o", tmp_path / "other")
    other = results(tmp_path / "other")
    assert main_rows(other, "abs_rel").keys() == main_rows(results(depth), "abs_rel").keys()
    _, said = run("evaluate", depth, "squares:plain,n=4", "-o", tmp_path / "none", status=2)
    assert "has no depth" in said
    _, said = run("evaluate", depth, SCENES[0], "-o", tmp_path / "none", status=2)
    assert "trained on" in said
    run("predict", depth, "scenes:plain,n=2,seed=5", "-o", tmp_path / "predicted")
    predicted = json.loads((tmp_path / "predicted" / "predictions.json").read_text())
    assert np.array(predicted["predictions"][0]["depth"]).shape == (4, 4)
    run("report", depth, tmp_path / "other", "-o", tmp_path / "both.html")
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert all(name in page for name in ("run", "other", "Relative error"))


def test_networks_and_layers_are_compared_on_it_by_what_its_metric_says(run, depth: Path, tmp_path: Path) -> None:
    networks = ("--backbone", "tiny:two@random:0", "--backbone", "rgb:6")
    words = ("compare", SCENES[0], "--test", SCENES[1], "--task", "depth", *networks, "--set", "grid=4")
    words = (*words, "--layer", "all", "--readout", "auto:4096")
    plan = json.loads(run(*words, "--dry-run", "--json", "-o", tmp_path / "run")[0])
    assert [layer["network"] for layer in plan["layers"]] == ["tiny:two@random:0"] * 3 + ["rgb:6"]
    assert plan["fits"] == 4 + 1
    run(*words, "-o", tmp_path / "run")
    found, own = results(tmp_path / "run"), results(depth)
    assert found["metrics"]["abs_rel"]["lower_is_better"] is True
    compared, probed = (
        {
            row["layer"]: row["value"]
            for row in each["sweep"]
            if row["metric"] == "abs_rel" and row["backbone"] == "tiny:two@random:0" and row["method"] in methods
        }
        for each, methods in ((found, ("tiny:two@random:0",)), (own, ("ridge",)))
    )
    assert {layer: compared[layer] for layer in probed} == probed
    on_folds = {
        (row["backbone"], row["layer"]): row["value"] for row in found["sweep"] if row["metric"] == "oof_abs_rel"
    }
    best = min(on_folds, key=on_folds.__getitem__)
    assert (found["backbone"]["spec"], found["backbone"]["layer"]) == best
    assert "relative error" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    run("report", tmp_path / "run", "-o", tmp_path / "again.html")


def test_its_plan_says_layers_disk_and_fits_and_refuses_what_is_mistyped(run, tmp_path: Path) -> None:
    words = ("probe", "depth", SCENES[0], "--test", SCENES[1], *NETWORK, "--layer", "0", "--layer", "2", "--dry-run")
    plan = json.loads(run(*words, "--json", "-o", tmp_path / "run")[0])
    assert [(layer["name"], layer["numbers"]) for layer in plan["layers"]] == [("0", 8 * 16 * 16), ("2", 8 * 8 * 8)]
    assert plan["fits"] == 2 * 2 + 1
    for more, told in ((("--layer", "nil"), "nil"), (("--readout", "gpa"), "gpa")):
        assert told in run(*words, *more, "-o", tmp_path / "run", status=2)[1]
    lacking = ("probe", "depth", "squares:plain,n=8", "--test", SCENES[1], *NETWORK, "--dry-run")
    assert "has no depth" in run(*lacking, "-o", tmp_path / "run", status=2)[1]


def test_a_portrait_shows_it_as_it_draws_itself(run, depth: Path, tmp_path: Path) -> None:
    image = np.full((48, 64, 3), 120, np.uint8)
    PIL.Image.fromarray(image).save(tmp_path / "photo.png")
    run("portrait", tmp_path / "photo.png", "--run", depth, "-o", tmp_path / "portrait.png")
    (reading,) = json.loads((tmp_path / "portrait.json").read_text())["readings"]
    assert np.array(reading["depth"]).shape == (4, 4)
    assert PIL.Image.open(tmp_path / "portrait.png").size[0] > 64


def test_from_python_it_is_a_task_as_any_other(site: Path, depth: Path, tmp_path: Path) -> None:
    code = f"""
import vestige
train, test, other = {SCENES!r}
options = dict(backbone="tiny:two@random:0", layers=["0", "2"], untrained_seeds=1, grid=4, device="cpu")
found = vestige.measure("depth", train, test, **options)
run = vestige.open_run(found.save({str(tmp_path / "run")!r}).folder)
run.evaluate(other).save({str(tmp_path / "other")!r})
print(run.predict("scenes:plain,n=1,seed=5").predictions[0].values.shape)
try:
    vestige.measure("faulty", train, test)
except vestige.VestigeError as error:
    print(error)
"""
    said = python(site, "-c", code).stdout.splitlines()
    assert said[0] == "(16,)"
    assert "'faulty'" in said[1]
    assert "ZeroDivisionError" in said[1]
    assert results(tmp_path / "run")["rows"] == results(depth)["rows"]
    assert results(tmp_path / "other")["rows"]


def test_what_fails_in_a_task_is_an_error_that_names_it(run, tmp_path: Path) -> None:
    _, said = run("probe", "faulty", SCENES[0], "--test", SCENES[1], "-o", tmp_path / "run", status=2)
    assert "'faulty'" in said
    assert "ZeroDivisionError" in said
    _, said = run("probe", "odd", SCENES[0], "-o", tmp_path / "run", status=2)
    assert "odd" in said


def test_what_an_example_of_its_own_has_is_part_of_the_datas_fingerprint() -> None:
    @dataclass(frozen=True)
    class Deep(Example):
        depth: object = None

    pictures = vestige.Dataset.from_arrays([np.zeros((4, 4, 3), np.uint8)])
    own = {each.name: getattr(pictures[0], each.name) for each in fields(Example)}
    depths = (None, np.zeros((4, 4)), np.ones((4, 4)), np.ones((2, 8)), pictures[0].image)
    told = [vestige.Dataset("a:b", (Deep(**own, depth=each),)).fingerprint for each in (*depths, np.ones((4, 4)))]
    assert len(set(told)) == len(depths)
    assert told[2] == told[-1]
