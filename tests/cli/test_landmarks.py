"""The main job through the real command line, on a folder of drawn faces in the 300-W layout."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.opening import open_dataset
from vestige.results import read_results
from vestige.run import Run

LAYERS = ["--layer", "block4", "--layer", "block7"]
TRAIN, TEST = 30, 12  # pictures


def write_300w(folder, spec):
    """Faces in files, as 300-W has them: 1-based, pixel centres on integers."""
    folder.mkdir(parents=True)
    for i, example in enumerate(open_dataset(spec)):
        Image.fromarray(example.image.read()).save(folder / f"{i:03d}.png")
        points = "\n".join(f"{x + 0.5:.6f} {y + 0.5:.6f}" for x, y in example.keypoints)
        (folder / f"{i:03d}.pts").write_text(f"version: 1\nn_points:  68\n{{\n{points}\n}}\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    write_300w(root / "train", f"synthetic:faces,n={TRAIN},seed=1,size=128")
    write_300w(root / "test", f"synthetic:faces,n={TEST},seed=2,size=128")
    (root / "train" / "empty.png").write_bytes(b"")
    (root / "train" / "empty.pts").write_text("version: 1\n")
    return root


@pytest.fixture(scope="module")
def run(vestige, data):
    output = data / "run"
    vestige(
        "probe",
        "landmarks",
        f"300w:{data}/train",
        "--test",
        f"300w:{data}/test",
        *LAYERS,
        "--untrained",
        1,
        "--profile",
        "-o",
        output,
        process=True,
    )
    return output


def test_results_hold_every_method_once(run):
    results = read_results(run / "results.json")
    assert results.measured == ("mean", "rgb", "untrained", "ridge", "look-back")
    assert results.data["train"]["n"] == TRAIN
    assert results.data["train"]["skipped"] == 1
    assert {row.subset for row in results.rows} == {
        *("all", "left jaw", "right jaw", "left eye and brow", "right eye and brow", "nose", "mouth")
    }
    errors = {method: results.row(method, "nme_inter_ocular") for method in results.measured}
    assert errors["ridge"].value < errors["mean"].value
    assert errors["ridge"].ci95[0] < errors["ridge"].value < errors["ridge"].ci95[1]
    assert {(row.layer, row.method) for row in results.sweep} == {
        *((layer, method) for layer in ("block4", "block7") for method in ("ridge", "untrained")),
        (results.backbone["layer"], "look-back"),
    }


def test_the_run_says_where_its_time_went(run):
    results = read_results(run / "results.json")
    times = {each.kind: each for each in results.times}
    assert {"open", "read", "decode", "forward", "store", "gram", "factor", "score", "solve", "predict"} < times.keys()
    assert {"look-back: forward", "look-back: gram", "look-back: predict", "look-back: other"} < times.keys()
    assert sum(each.seconds for each in results.times) >= results.seconds - 0.1  # which begins after the first imports
    assert min(each.processor_seconds for each in results.times) >= 0
    with (run / "profile.csv").open(newline="") as file:
        profiled = {each["kind"]: float(each["seconds"]) for each in csv.DictReader(file)}
    assert profiled.keys() == times.keys() | {"report"}
    assert profiled["forward"] == times["forward"].seconds
    assert "Where the time went" in (run / "report.html").read_text()


def test_the_layer_is_chosen_on_training_folds(run):
    results = read_results(run / "results.json")
    folds = {r.layer: r.value for r in results.sweep if r.method == "ridge" and r.metric.startswith("oof_")}
    assert results.backbone["layer"] == min(folds, key=folds.get)
    chosen = [
        r.value
        for r in results.sweep
        if (r.method, r.metric, r.layer) == ("ridge", "nme_inter_ocular", results.backbone["layer"])
    ]
    assert chosen == [pytest.approx(results.row("ridge", "nme_inter_ocular").value, abs=1e-9)]


def test_the_run_folder_is_whole(run):
    for name in ("config.json", "results.json", "examples.npz", "report.html", "probe/vectors.json"):
        assert (run / name).stat().st_size > 0
    examples = Run(run).examples()
    assert examples["prediction/look-back"].shape == (TEST, 68, 2)
    assert examples["part_boxes"].shape == (TEST, 6, 4)
    results = read_results(run / "results.json")
    value = results.row("look-back", "nme_inter_ocular").value
    assert examples["error/look-back"].mean() == pytest.approx(value, abs=1e-12)


def test_the_run_repeated_gives_the_same_rows(vestige, run, data):
    again = data / "again"
    arguments = ["probe", "landmarks", f"300w:{data}/train", "--test", f"300w:{data}/test", *LAYERS, "--untrained", 1]
    vestige(*arguments, "-o", again, page=False)
    assert read_results(again / "results.json").rows == read_results(run / "results.json").rows


def test_evaluate_gives_the_same_rows_on_the_same_data(vestige, run, data):
    vestige("evaluate", run, f"300w:{data}/test", "-o", data / "evaluated")
    evaluated = read_results(data / "evaluated" / "results.json")
    assert evaluated.rows == read_results(run / "results.json").rows
    assert (data / "evaluated" / "report.html").is_file()


def test_predict_agrees_with_the_run(vestige, run, data):
    examples = Run(run).examples()
    box = ",".join(f"{value!r}" for value in examples["boxes"][0].tolist())
    output = data / "predicted"
    image = data / "test" / examples["ids"][0]
    image = image if image.suffix == ".png" else image.with_suffix(".png")
    vestige("predict", run, image, "--box", box, "-o", output)
    (prediction,) = json.loads((output / "predictions.json").read_text())["predictions"]
    points = np.array([[point["x"], point["y"]] for point in prediction["points"]])
    np.testing.assert_allclose(points, examples["prediction/look-back"][0], atol=2e-3)
    assert Image.open(output / f"{image.stem}.png").size == (128, 128)


def test_predict_says_when_it_takes_the_whole_picture(vestige, run, data):
    words = ["predict", run, data / "test" / "000.png", "-o", data / "whole"]
    _, said = vestige(*words, status=2)
    assert "--whole-picture" in said
    assert not (data / "whole").exists()
    _, said = vestige(*words, "--whole-picture")
    assert "whole picture" in said


def test_predict_reads_a_data_set_and_says_by_its_status_that_one_was_not_done(vestige, run, data, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    _, said = vestige("predict", run, f"300w:{data}/test", bad, "-o", tmp_path / "out", status=1)
    assert "bad.png" in said
    document = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert len(document["predictions"]) == len(Run(run).examples()["ids"])
    assert [failure["image"] for failure in document["failed"]] == [str(bad)]
    _, said = vestige("predict", run, bad, "--box", "1,2,3,inf", "-o", tmp_path / "none", status=2)
    assert "--box 1,2,3,inf: expected" in said
    vestige("predict", run, bad, "--box", "1,2,30,40", "-o", tmp_path / "none", status=2)
    assert not (tmp_path / "none").exists()


def test_report_is_written_again_from_the_folder_alone(vestige, run, data):
    before = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    vestige("report", run)
    assert (run / "report.html").read_bytes() == before
    vestige("report", run, data / "again", "-o", data / "both.html")
    assert (data / "both.html").stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["probe", "landmarks", "300w:{data}/train", "--test", "300w:{data}/test", "-o", "{data}/run"], "--overwrite"),
        (["probe", "landmarks", "300w:{data}/train", "--test", "300w:{data}/train", "-o", "{data}/x"], "same data"),
        (["probe", "landmarks", "300w:{data}/none", "--test", "300w:{data}/test", "-o", "{data}/x"], "none"),
        (["probe", "landmarks", "300w:{data}/train", "-o", "{data}/x"], "--test"),
        (
            [
                "probe",
                "landmarks",
                "300w:{data}/train",
                "--test",
                "300w:{data}/test",
                "--layer",
                "blok7",
                "-o",
                "{data}/x",
            ],
            "did you mean block7",
        ),
        (
            ["probe", "landmarks", "300w:{data}/train", "--test", "300w:{data}/test", "--strict", "-o", "{data}/x"],
            "empty",
        ),
        (["evaluate", "{data}/nothing", "300w:{data}/test", "-o", "{data}/x"], "no finished run"),
        (["evaluate", "{data}/run", "300w:{data}/train", "-o", "{data}/x"], "trained on"),
        (["predict", "{data}/run", "{data}/test/000.png", "--box", "1,2,3", "-o", "{data}/x"], "x0,y0,x1,y1"),
        (["report", "{data}/train"], "no finished run"),
        (["layers", "efficientnet_lite1"], "efficientnet_lite0"),
        (["compare", "300w:{data}/train", "--normaliser", "pupil", "-o", "{data}/x"], "did you mean inter-pupil?"),
        (["compare", "300w:{data}/train", "--device", "gpu", "-o", "{data}/x"], "expected cpu, cuda"),
        (["evaluate", "{data}/run", "300w:{data}/test", "-o", "{data}/test/000.png"], "cannot be the folder"),
        (["predict", "{data}/run", "{data}/test/000.png", "-o", "{data}/test/000.pts"], "000.pts"),
        (["report", "{data}/run", "-o", "{data}/test/000.png/x.html"], "cannot be written"),
        (["data", "check", "{data}/train"], "folder:{data}/train"),
        (["data", "check", "300w:{data}/train", "-o", "{data}/test"], "expected a picture's name"),
        (["data", "check", "300w:{data}/train", "-o", "{data}/sheet.xyz"], "ends in .png"),
        (["data", "check", "300w:{data}/train", "-o", "{data}/test/000.png/sheet.png"], "cannot be written"),
        (["data", "check", "300v:{data}/train"], "300w"),
    ],
)
@pytest.mark.usefixtures("run")
def test_mistakes_end_in_one_message(vestige, arguments, message, data):
    _, said = vestige(*(argument.format(data=data) for argument in arguments), status=2)
    _, error, told = said.partition("error: ")
    assert error
    assert message.format(data=data) in told
    assert not (data / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["{data}/train/empty.png", "--whole-picture"], "is empty"),
        (["{data}/test/000.png", "--box", "900,900,950,950"], "outside"),
    ],
)
def test_pictures_that_nothing_can_be_read_out_of_are_told_with_the_reason(vestige, arguments, why, data):
    words = (argument.format(data=data) for argument in arguments)
    _, said = vestige("predict", f"{data}/run", *words, "-o", f"{data}/x", status=2)
    told, _, error = said.partition("error: ")
    assert why in told
    assert error
    assert not (data / "x").exists()


def test_check_tells_of_the_bad_file(vestige, data, tmp_path):
    out, _ = vestige("data", "check", f"300w:{data}/train", "-o", tmp_path / "sheet.png")
    assert "empty.pts" in out
    assert Image.open(tmp_path / "sheet.png").size[0] > 300


@pytest.mark.usefixtures("run")
def test_cache_lists_and_prunes(vestige, data, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out, _ = vestige("cache")
    (group,) = (part for part in out.split("\n\n") if part.startswith(f"300w:{data}/test\nthrough rgb:46\n"))
    assert group.split()[-8:-5] == ["rgb", "flat", str(TEST)]
    assert "block4" in out
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    assert max(map(len, lines)) <= 80
    out, _ = vestige("cache", "--prune", "--older-than", 1)
    assert "removed 0 stores" in out
