"""The keypoint probe through the command line, on drawn objects of several categories."""

import json

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.opening import open_dataset
from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:objects,n=42,seed=12,size=64", "synthetic:objects,n=12,seed=2,size=64"


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("keypoints") / "run"
    options = ["--layer", "block4", "--alpha", 0.1, "--alpha", 0.2, "--untrained", 1]
    vestige("probe", "keypoints", TRAIN, "--test", TEST, *options, "-o", output)
    return output


def test_results_hold_both_averages_for_every_class(run):
    results = read_results(run / "results.json")
    assert results.measured == ("mean", "rgb", "untrained", "ridge")
    assert results.config["metric"] == "pck@0.1"
    classes = {example.category for example in open_dataset(TEST)}
    for metric in ("pck@0.1", "pck@0.2", "pck_image@0.1", "pck_image@0.2"):
        rows = {row.subset: row for row in results.rows if (row.method, row.metric) == ("ridge", metric)}
        assert set(rows) == {"all", *classes}
        assert rows["all"].ci95[0] <= rows["all"].value <= rows["all"].ci95[1]
    assert results.row("ridge", "pck@0.1").value <= results.row("ridge", "pck@0.2").value
    by_class = [results.row("ridge", "pck@0.1", name).value for name in classes]
    assert results.row("ridge", "pck@0.1").value == pytest.approx(np.mean(by_class))
    assert {row.metric for row in results.sweep} == {"pck@0.1", "oof_pck@0.1"}


def test_examples_have_the_keypoints_of_their_own_class(run):
    examples, classes = Run(run).examples(), read_results(run / "results.json").config["classes"]
    for row, name in enumerate(examples["classes"]):
        predicted = np.isfinite(examples["prediction/ridge"][row]).all(axis=1)
        assert np.flatnonzero(predicted).tolist() == classes[name]
        assert not (examples["visible"][row] & ~predicted).any()
    near = np.linalg.norm(examples["prediction/ridge"] - examples["truth"], axis=-1) / examples["normaliser"][:, None]
    shares = [np.mean(near[i, seen] <= 0.1) for i, seen in enumerate(examples["visible"]) if seen.any()]
    value = read_results(run / "results.json").row("ridge", "pck_image@0.1").value
    assert value == pytest.approx(np.mean(shares))


def test_evaluate_gives_the_same_rows_and_a_report(vestige, run):
    vestige("evaluate", run, TEST, "-o", run.parent / "evaluated")
    evaluated = read_results(run.parent / "evaluated" / "results.json")
    assert evaluated.rows == read_results(run / "results.json").rows
    assert (run / "report.html").is_file()
    assert (run.parent / "evaluated" / "report.html").is_file()


def test_predict_agrees_with_the_run(vestige, run, tmp_path):
    examples = Run(run).examples()
    row = 0
    name = str(examples["classes"][row])
    picture = next(e for e in open_dataset(TEST) if e.id == examples["ids"][row])
    Image.fromarray(picture.image.read()).save(tmp_path / "it.png")
    box = ",".join(map(repr, examples["boxes"][row].tolist()))
    arguments = ["predict", run, tmp_path / "it.png", "--box", box, "-o"]
    vestige(*arguments, tmp_path / "predicted", "--class", name)
    (said,) = json.loads((tmp_path / "predicted" / "predictions.json").read_text())["predictions"]
    expected = examples["prediction/ridge"][row][np.isfinite(examples["prediction/ridge"][row]).all(axis=1)]
    np.testing.assert_allclose([[p["x"], p["y"]] for p in said["points"]], expected, atol=0.01)
    assert all(point["name"].startswith(f"{name}/") for point in said["points"])
    _, error = vestige(*arguments, tmp_path / "another", status=2)
    assert "regressors for" in error


def test_one_class_has_rows_for_its_parts_and_looks_back(vestige, tmp_path):
    markup = tmp_path / "car.json"
    names = open_dataset("synthetic:objects,category=car,n=1,size=64").markup.points
    markup.write_text(json.dumps({"name": "car", "points": list(names), "parts": {"first": list(names[:3])}}))
    options = ["--layer", "block4", "--untrained", 0, "--markup", markup, "--no-mirror"]
    data = "synthetic:objects,category=car,size=64"
    output = tmp_path / "run"
    test = ["--test", f"{data},n=6,seed=2"]
    vestige("probe", "keypoints", f"{data},n=20,seed=1", *test, *options, "-o", output, page=False)
    results = read_results(output / "results.json")
    assert results.measured == ("mean", "rgb", "ridge", "look-back")
    parts = {row.subset for row in results.rows if (row.method, row.metric) == ("ridge", "pck@0.1")}
    assert parts <= {"all", "car", *names}
    assert len(parts) > 5
    examples = Run(output).examples()
    changed = np.abs(examples["prediction/look-back"] - examples["prediction/ridge"]).max(axis=(0, 2)) > 0
    assert changed.tolist() == [k < 3 for k in range(len(names))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TRAIN, "--test", TEST, "--alpha", 0], "above 0, up to 1"),
        (["synthetic:objects,n=3,size=64", "--test", TEST], "more training data"),
        ([TRAIN, "--test", "synthetic:faces,n=3,size=64"], "has 68 points"),
        ([TRAIN], "--test"),
    ],
)
def test_mistakes_end_in_one_message(vestige, tmp_path, arguments, message):
    _, error = vestige("probe", "keypoints", *arguments, "--layer", "block4", "-o", tmp_path / "run", status=2)
    assert message in error
