"""What every measuring command says before and while it works, and what it prints: one road for all of them."""

import json
import os
import signal
import sys

import pytest
from PIL import Image

from vestige.cli.main import main
from vestige.tasks import TASKS, task_named

FACES = ["synthetic:faces,n=12,seed=1,size=64", "--test", "synthetic:faces,n=6,seed=2,size=64"]
OBJECTS = ["synthetic:objects,n=16,seed=1,size=64", "--test", "synthetic:objects,n=6,seed=2,size=64"]
FEW = ["--backbone", "rgb:8", "--layer", "all", "--untrained", "0"]
PROBES = {
    "landmarks": [*FACES, *FEW],
    "keypoints": [*OBJECTS, *FEW],
    "pixels": [*FACES, *FEW, "--size", "8"],
    "segmentation": [*OBJECTS, *FEW, "--grid", "4", "--augment", "3"],
    "attributes": [*FACES, *FEW, "--attribute", "yaw"],
    "directions": [*FACES, *FEW[:4], "--attribute", "yaw", "--size", "8", "--reencode", "2", "--faces", "1"],
}


def write_no_page(run):
    """In place of figures and a page, which take longest."""
    run.report_path.write_text("<html>")


@pytest.fixture
def pageless(monkeypatch):
    """Commands that make no figures."""
    monkeypatch.setattr("vestige.pages.show", write_no_page)


def words_of(name, folder, *more):
    group = task_named(name).group
    return [*([group] if group else []), name, *PROBES[name], *more, "-o", str(folder)]


@pytest.mark.parametrize("name", PROBES)
def test_a_dry_run_tells_the_plan_and_leaves_nothing(vestige, tmp_path, monkeypatch, name):
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path / "cache"))
    out, err = vestige(*words_of(name, tmp_path / "runs" / "a", "--dry-run"))
    document, _ = vestige(*words_of(name, tmp_path / "runs" / "a", "--dry-run", "--json"))
    plan = json.loads(document)
    assert err == ""
    assert f"plan: {name}" in out
    assert "rgb:8" in out
    assert list(tmp_path.iterdir()) == []
    n, views = (part["n"] for part in plan["data"]), [part["views"] for part in plan["data"]]
    copies = {"landmarks": 2, "keypoints": 2, "segmentation": 3}.get(name, 1)
    assert tuple(n) == ((16, 6) if PROBES[name][0] == OBJECTS[0] else (12, 6))
    assert views == [plan["data"][0]["n"] * copies, 6]
    assert plan["networks"] == ["rgb:8"]
    assert [layer["numbers"] for layer in plan["layers"]] == [192]
    assert plan["bytes"] >= 4 * 192 * sum(views)
    assert plan["fits"] >= 1


def test_a_dry_run_stops_where_the_run_would_at_once(vestige, tmp_path):
    _, err = vestige("probe", "landmarks", *FACES, "--layer", "none", "--dry-run", "-o", tmp_path / "a", status=2)
    assert "none" in err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    _, err = vestige(*words_of("landmarks", tmp_path / "mine", "--dry-run"), status=2)
    assert "did not write" in err


@pytest.mark.usefixtures("pageless")
@pytest.mark.parametrize("name", PROBES)
def test_piped_output_holds_the_plan_and_how_long_it_takes_once_each(vestige, tmp_path, name):
    out, err = vestige(*words_of(name, tmp_path / "a"))
    lines = err.splitlines()
    assert lines[0] == f"plan: {name}"
    assert sum(line.startswith("plan: ") for line in lines) == 1
    assert sum("all of it will take about" in line for line in lines) <= 1
    steps = [line for line in lines if line.startswith("· ")]
    assert len(steps) >= 3
    assert len(set(steps)) == len(steps)
    assert out.splitlines()[-1] == f"report: {tmp_path / 'a' / 'report.html'}"


@pytest.mark.usefixtures("pageless")
def test_how_long_it_takes_is_told_after_the_first_pictures(vestige, tmp_path, monkeypatch):
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path / "cache"))
    _, err = vestige(*words_of("landmarks", tmp_path / "a"))
    lines = err.splitlines()
    (told,) = [index for index, line in enumerate(lines) if "all of it will take about" in line]
    assert told < lines.index("· test")


@pytest.mark.usefixtures("pageless")
@pytest.mark.parametrize("name", ["landmarks", "directions"])
def test_quiet_prints_results_alone_and_json_the_document_alone(vestige, tmp_path, name):
    loud, _ = vestige(*words_of(name, tmp_path / "a"))
    out, err = vestige(*words_of(name, tmp_path / "a", "--quiet", "--overwrite"))
    assert err == ""
    assert out == loud
    out, err = vestige(*words_of(name, tmp_path / "a", "--json", "--overwrite"))
    assert out == (tmp_path / "a" / "results.json").read_text()
    assert "plan: " in err
    out, err = vestige(*words_of(name, tmp_path / "a", "--json", "--quiet", "--overwrite"))
    assert json.loads(out)["task"] == name
    assert err == ""


def test_quiet_still_tells_of_errors(vestige, tmp_path):
    _, err = vestige(*words_of("landmarks", tmp_path / "a", "--quiet", "--layer", "none"), status=2)
    assert err.startswith("error:")


def test_bad_files_are_left_out_unless_they_are_to_stop(vestige, tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "bad.pts").write_text("version: 1\n")
    Image.new("RGB", (64, 64)).save(tmp_path / "faces" / "bad.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "faces" / "good.png")
    points = "\n".join(f"{x} {x}" for x in range(1, 61))
    (tmp_path / "faces" / "good.pts").write_text(f"version: 1\nn_points: 60\n{{\n{points}\n}}\n")
    words = ["data", "check", f"300w:{tmp_path}/faces", "--overwrite", "-o", tmp_path / "sheet.png"]
    out, _ = vestige(*words)
    assert vestige(*words, "--skip-bad")[0] == out
    _, err = vestige(*words, "--strict", status=2)
    assert "bad" in err


@pytest.mark.usefixtures("pageless")
@pytest.mark.parametrize("place", ["vestige.contract.plan.plan_of", "vestige.pages.show"])
def test_a_command_stopped_at_its_plan_or_its_page_tells_how_to_go_on_and_does(
    vestige, tmp_path, monkeypatch, capsys, place
):
    words = words_of("landmarks", tmp_path / "a")

    def stopped(*_args, **_options):
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()

    with monkeypatch.context() as patch:
        patch.setattr(place, stopped)
        patch.setattr(sys, "argv", ["vestige", *words])
        with pytest.raises(SystemExit) as stop:
            main()
    assert stop.value.code == 130
    said = capsys.readouterr().err
    assert said.splitlines()[-1].strip() == f"vestige {' '.join(words)}"
    assert "is kept" in said
    _, err = vestige(*words, "--quiet")
    assert err == ""
    assert (tmp_path / "a" / "report.html").is_file()


@pytest.fixture(scope="module")
def trained(vestige, tmp_path_factory):
    """A run, and a photograph."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vestige.pages.show", write_no_page)
        vestige(*words_of("landmarks", folder / "run"))
    Image.new("RGB", (64, 64), (90, 120, 30)).save(folder / "photo.png")
    return folder


@pytest.mark.usefixtures("pageless")
def test_an_evaluation_is_planned_and_prints_as_a_run_does(vestige, trained, tmp_path):
    words = ["evaluate", trained / "run", "synthetic:faces,n=5,seed=3,size=64", "-o", tmp_path / "a"]
    plan = json.loads(vestige(*words, "--dry-run", "--json")[0])
    assert (plan["task"], plan["data"][0]["n"], plan["networks"]) == ("evaluate landmarks", 5, ["rgb:8"])
    assert list(tmp_path.iterdir()) == []
    out, err = vestige(*words, "--json")
    assert out == (tmp_path / "a" / "results.json").read_text()
    assert err.splitlines()[0] == "plan: evaluate landmarks"
    assert vestige(*words, "--overwrite", "--quiet")[1] == ""


def test_a_prediction_is_planned_and_prints_its_document(vestige, trained, tmp_path):
    words = ["predict", trained / "run", trained / "photo.png", "--box", "8,8,56,56", "-o", tmp_path / "a"]
    out, _ = vestige(*words, "--dry-run")
    assert out.splitlines()[:2] == ["plan: predict landmarks", "  data: 1 picture of photographs"]
    assert list(tmp_path.iterdir()) == []
    out, err = vestige(*words, "--json", "--quiet")
    assert out == (tmp_path / "a" / "predictions.json").read_text()
    assert err == ""


def test_a_box_is_of_its_image_even_where_both_come_twice(vestige, trained, tmp_path):
    images = [trained / "photo.png"] * 3
    boxes = [word for box in ("8,8,56,56", "8,8,56,56", "0,0,64,64") for word in ("--box", box)]
    out, _ = vestige("predict", trained / "run", *images, *boxes, "-o", tmp_path / "a")
    assert out.startswith("3 pictures")


def test_data_that_are_checked_are_printed_as_json(vestige, tmp_path):
    words = ["data", "check", "synthetic:faces,n=3,seed=1,size=64", "--json", "-o", tmp_path / "sheet.png"]
    found = json.loads(vestige(*words)[0])
    assert (found["n"], found["problems"], found["contact_sheet"]) == (3, [], str(tmp_path / "sheet.png"))


def test_a_demo_plans_every_task_and_leaves_nothing(vestige, tmp_path):
    plans = json.loads(vestige("demo", "--dry-run", "--json", "-o", tmp_path / "demo")[0])["plans"]
    assert [plan["task"] for plan in plans] == ["landmarks", "keypoints", "pixels", "segmentation", "attributes"]
    assert list(tmp_path.iterdir()) == []


def test_every_task_of_the_command_line_is_among_these():
    assert {name for name in TASKS if not TASKS[name].startswith(("correspondence.", "units."))} <= {*PROBES, "compare"}
