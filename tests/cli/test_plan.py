"""What every measuring command says before and while it works, and what it prints: one road for all of them."""

import json
import os
import signal
import sys

import pytest
from PIL import Image

from vestige.cli.main import main
from vestige.tasks import TASKS, task_named

FACES = ["synthetic:faces,n=12,seed=1,size=48", "--test", "synthetic:faces,n=6,seed=2,size=48"]
OBJECTS = ["synthetic:objects,n=16,seed=1,size=48", "--test", "synthetic:objects,n=6,seed=2,size=48"]
FEW = ["--backbone", "rgb:8", "--layer", "all", "--untrained", "0"]
PROBES = {
    "landmarks": [*FACES, *FEW],
    "keypoints": [*OBJECTS, *FEW],
    "pixels": [*FACES, *FEW, "--size", "8"],
    "segmentation": [*OBJECTS, *FEW, "--grid", "4", "--augment", "3"],
    "attributes": [*FACES, *FEW, "--attribute", "yaw"],
    "directions": [*FACES, *FEW[:4], "--attribute", "yaw", "--size", "8", "--reencode", "2", "--faces", "1"],
}
CARS = [f"synthetic:objects,n={n},seed={seed},size=48,category=car" for n, seed in ((12, 1), (4, 2))]
OTHERS = {
    "compare": [*FACES, "--backbone", "rgb:8", "--backbone", "rgb:4", "--layer", "all"],
    "align": [CARS[0], "--test", CARS[1], "--layer", "stem", "--neighbours", "3", "--queries", "4"],
    "classify": [CARS[0], "--test", CARS[1], "--layer", "stem", "-C", "1", "-C", "0.1"],
    "detect": [CARS[0], "--test", CARS[1], "--layer", "stem", "--size", "64", "--rounds", "2"],
    "patches": ["photo.png", "--database", CARS[0], "--layer", "stem"],
    "fields": ["--database", CARS[0], "--layer", "stem"],
}
ALL = {**PROBES, **OTHERS}


def words_of(name, folder, *more):
    group = task_named(name).group
    return [*([group] if group else []), name, *ALL[name], *more, "-o", str(folder)]


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """A photograph where commands run, and a cache of their own."""
    (tmp_path / "here").mkdir()
    Image.new("RGB", (64, 64), (90, 120, 30)).save(tmp_path / "here" / "photo.png")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path / "here" / "cache"))


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize("name", ALL)
def test_a_dry_run_tells_the_plan_and_leaves_nothing(vestige, tmp_path, name):
    out, err = vestige(*words_of(name, tmp_path / "runs" / "a", "--dry-run"))
    document, _ = vestige(*words_of(name, tmp_path / "runs" / "a", "--dry-run", "--json"))
    plan = json.loads(document)
    assert err == ""
    assert f"plan: {name}" in out
    assert all(network in out for network in plan["networks"])
    assert all(layer["name"] in out and layer["readout"] in out for layer in plan["layers"])
    assert "  disk: " in out
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert plan["bytes"] > 0
    n = [part["n"] for part in plan["data"]]
    assert n == {"patches": [12], "fields": [12]}.get(name, n)
    if name not in PROBES:
        return
    copies = {"landmarks": 2, "keypoints": 2, "segmentation": 3}.get(name, 1)
    assert n == ([16, 6] if PROBES[name][0] == OBJECTS[0] else [12, 6])
    assert [part["views"] for part in plan["data"]] == [n[0] * copies, 6]
    assert plan["networks"] == ["rgb:8"]
    assert [layer["numbers"] for layer in plan["layers"]] == [192]
    assert plan["bytes"] >= 4 * 192 * plan["pictures"]
    assert plan["fits"] >= 1


@pytest.mark.usefixtures("photo")
def test_a_comparison_plans_each_networks_layers_and_the_pixels_once(vestige, tmp_path):
    plan = json.loads(vestige(*words_of("compare", tmp_path / "a", "--readout", "flat", "--dry-run", "--json"))[0])
    assert plan["networks"] == ["rgb:8", "rgb:4"]
    assert [(layer["network"], layer["numbers"]) for layer in plan["layers"]] == [("rgb:8", 192), ("rgb:4", 48)]
    assert plan["fits"] == 2 + 1
    views, pictures = 2 * 12 + 6, 12 + 6
    assert plan["bytes"] == 4 * (views * (192 + 48) + (views + pictures) * 3 * 46**2)


@pytest.mark.usefixtures("photo")
def test_pairs_svms_and_cells_are_counted_before_they_are_computed(vestige, tmp_path):
    plans = {
        name: json.loads(vestige(*words_of(name, tmp_path / "a", "--dry-run", "--json"))[0])
        for name in ("align", "classify", "detect", "patches")
    }
    work = {name: [(each["what"], each["n"]) for each in plan["work"]] for name, plan in plans.items()}
    # of the layer and of SIFT: 4 betas on 4 instances, then 4 test instances, with 3 neighbours each
    assert work["align"] == [("pairs", 12)] * 8 + [("pairs", 12)] * 2
    # stem and five radii of SIFT: 5 folds of 2 Cs, and 3 classifiers of all
    assert [n for what, n in work["classify"] if what == "SVMs"] == [13] * 6
    # two features: 3 folds and all of them, 2 rounds of each keypoint
    assert len([n for what, n in work["detect"] if what == "SVMs" and n % 2 == 0]) == 2 * 4
    assert plans["detect"]["layers"][1]["numbers"] == 32 * 32 * 32  # 32 channels at half of 64 pixels
    assert work["patches"] == [("patches", 12 * 24 * 24), ("searched patches", 12 * 24 * 24)]


MISTAKES = [
    *((name, "--layer", "stemm") for name in ALL if name != "compare"),
    *((name, "--backbone", "efficientnet_lite9") for name in ALL),
    ("align", "--neighbour-layer", "stemm"),
    ("align", "--neighbour-readout", "gpa"),
    ("detect", "--neighbour-layer", "stemm"),
    ("detect", "--neighbour-readout", "gpa"),
    ("landmarks", "--readout", "gpa"),
    ("compare", "--readout", "gpa"),
    ("compare", "--layer", "stemm"),
    ("attributes", "--attribute", "yow"),
    ("directions", "--attribute", "yow"),
    ("landmarks", "--normaliser", "bix"),
    ("fields", "--at", "3,4"),
]


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize(("name", "option", "word"), MISTAKES)
def test_what_is_mistyped_is_refused_before_anything_starts(vestige, tmp_path, monkeypatch, name, option, word):
    monkeypatch.setattr("vestige.features.extract.extract", None)
    monkeypatch.setattr("vestige.features.reader.extract", None)
    monkeypatch.setattr("vestige.features.dense.extract_dense", None)
    told = {vestige(*words_of(name, tmp_path / "a", *more, option, word), status=2)[1] for more in ((), ("--dry-run",))}
    assert len(told) == 1
    assert word in told.pop() or option == "--at"


def test_a_dry_run_stops_where_the_run_would_at_once(vestige, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    _, err = vestige(*words_of("landmarks", tmp_path / "mine", "--dry-run"), status=2)
    assert "did not write" in err


@pytest.fixture(scope="module")
def measured(vestige, tmp_path_factory):
    """``measured(name) -> (folder, standard output, standard error)`` of each task, measured once, without its page."""
    made = {}

    def run(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name) / "run"
            made[name] = (folder, *vestige(*words_of(name, folder), page=False))
        return made[name]

    return run


@pytest.mark.parametrize("name", PROBES)
def test_piped_output_holds_the_plan_and_how_long_it_takes_once_each(measured, name):
    folder, out, err = measured(name)
    lines = err.splitlines()
    assert lines[0] == f"plan: {name}"
    assert sum(line.startswith("plan: ") for line in lines) == 1
    assert sum("all of it will take about" in line for line in lines) <= 1
    steps = [line for line in lines if line.startswith("· ")]
    assert len(steps) >= 3
    assert len(set(steps)) == len(steps)
    assert out.splitlines()[-1] == f"report: {folder / 'report.html'}"


def test_how_long_it_takes_is_told_after_the_first_pictures(vestige, tmp_path, monkeypatch):
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path / "cache"))
    _, err = vestige(*words_of("pixels", tmp_path / "a"), page=False)
    lines = err.splitlines()
    (told,) = [index for index, line in enumerate(lines) if "all of it will take about" in line]
    assert told < lines.index("· test")


@pytest.mark.parametrize("name", ["pixels", "directions"])
def test_quiet_prints_results_alone_and_json_the_document_alone(vestige, measured, tmp_path, name):
    folder, loud, _ = measured(name)
    out, err = vestige(*words_of(name, tmp_path / "a", "--quiet"), page=False)
    assert err == ""
    assert out == loud.replace(str(folder), str(tmp_path / "a"))
    out, err = vestige(*words_of(name, tmp_path / "a", "--json", "--overwrite"), page=False)
    assert out == (tmp_path / "a" / "results.json").read_text()
    assert "plan: " in err


def test_quiet_and_json_together_print_the_document_and_no_more(vestige, tmp_path):
    out, err = vestige(*words_of("pixels", tmp_path / "a", "--json", "--quiet"), page=False)
    assert json.loads(out)["task"] == "pixels"
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


@pytest.mark.parametrize("place", ["vestige.contract.plan.plan_of", "vestige.pages.show"])
def test_a_command_stopped_at_its_plan_or_its_page_tells_how_to_go_on_and_does(
    vestige, tmp_path, monkeypatch, capsys, place
):
    words = words_of("pixels", tmp_path / "a")

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
    _, err = vestige(*words, "--quiet", page=False)
    assert err == ""
    assert (tmp_path / "a" / "report.html").is_file()


@pytest.fixture(scope="module")
def trained(measured):
    """The folder of a run, and of a photograph."""
    folder = measured("landmarks")[0].parent
    Image.new("RGB", (64, 64), (90, 120, 30)).save(folder / "photo.png")
    return folder


def test_an_evaluation_is_planned_and_prints_as_a_run_does(vestige, trained, tmp_path):
    words = ["evaluate", trained / "run", "synthetic:faces,n=5,seed=3,size=48", "-o", tmp_path / "a"]
    plan = json.loads(vestige(*words, "--dry-run", "--json")[0])
    assert (plan["task"], plan["data"][0]["n"], plan["networks"]) == ("evaluate landmarks", 5, ["rgb:8"])
    assert list(tmp_path.iterdir()) == []
    out, err = vestige(*words, "--json", page=False)
    assert out == (tmp_path / "a" / "results.json").read_text()
    assert err.splitlines()[0] == "plan: evaluate landmarks"
    assert vestige(*words, "--overwrite", "--quiet", page=False)[1] == ""


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
    words = ["data", "check", "synthetic:faces,n=3,seed=1,size=48", "--json", "-o", tmp_path / "sheet.png"]
    found = json.loads(vestige(*words)[0])
    assert (found["n"], found["problems"], found["contact_sheet"]) == (3, [], str(tmp_path / "sheet.png"))


def test_a_demo_plans_every_task_and_leaves_nothing(vestige, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "vestige.cli.demo.FACES", [word for word in FACES if word != "--test"]
    )  # the demo's own take long
    monkeypatch.setattr("vestige.cli.demo.OBJECTS", CARS)
    monkeypatch.setattr("vestige.cli.demo.SCENES", ("synthetic:scenes,n=60,seed=1,size=48",) * 2)
    found = json.loads(vestige("demo", "--dry-run", "--json", "-o", tmp_path / "demo")[0])
    probed = ["landmarks", "keypoints", "pixels", "segmentation", "attributes"]
    assert [plan["task"] for plan in found["plans"]] == [*probed, "dissect", "receptive-fields"]
    assert found["later"] == {"emerge": "dissect"}
    assert list(tmp_path.iterdir()) == []


def test_every_task_of_the_command_line_is_among_these():
    assert {name for name in TASKS if not TASKS[name].startswith("units.")} <= set(ALL)
