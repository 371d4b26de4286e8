"""Keypoint classification through the command line, on drawn cars."""

import numpy as np
import pytest

from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:objects,category=car,n=24,seed=1,size=96", "synthetic:objects,category=car,n=8,seed=2,size=96"
OPTIONS = ["--layer", "block2", "--layer", "block4", "--sift-radius", 6, "--sift-radius", 12, "--localise", 1]
METHODS = ("majority", "cell:block2", "cell:block4", "sift:6", "sift:12")


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("classify") / "run"
    vestige("correspond", "classify", TRAIN, "--test", TEST, *OPTIONS, "-C", 1e-5, "-C", 1e-2, "-o", output)
    return output


def test_results_hold_every_feature_and_what_was_tried(run):
    results = read_results(run / "results.json")
    assert results.task == "classify"
    assert results.measured == METHODS
    tried = {}
    for row in results.sweep:
        if row.metric == "cv_accuracy":
            tried.setdefault(row.method, {})[float(row.subset.removeprefix("C="))] = row.value
    assert set(tried) == set(METHODS[1:])
    for method, c in results.config["c"].items():
        assert tried[method][c] == max(tried[method].values())
    for kind, best in zip(("cell:", "sift:"), results.config["best"], strict=True):
        own = {method: max(values.values()) for method, values in tried.items() if method.startswith(kind)}
        assert own[best] == max(own.values())
    assert {row.method for row in results.sweep if row.subset == "C=1e-06"} == set(METHODS[1:])
    assert any(row.metric.startswith("accuracy - sift:") for row in results.sweep)


def test_examples_are_enough_to_measure_again(run):
    examples, results = Run(run).examples(), read_results(run / "results.json")
    for method in METHODS[1:]:
        right = examples[f"prediction/{method}"] == examples["keypoint"]
        assert results.row(method, "accuracy").value == pytest.approx(right.mean())
        for k in np.unique(examples["keypoint"]):
            name = results.config["keypoints"][k]
            assert results.row(method, "accuracy", name).value == pytest.approx(right[examples["keypoint"] == k].mean())
    assert results.row("cell:block4", "accuracy").value > results.row("majority", "accuracy").value
    assert {name for name in examples if name.startswith("peak/")} == {
        "peak/cell:block2",
        "peak/cell:block4",
        f"peak/{results.config['best'][1]}",
    }


def test_there_is_a_page_with_figures_and_the_published_numbers(run):
    page = (run / "report.html").read_text()
    assert "Keypoints named" in page
    assert "SIFT, radius 160 px" in page  # the paper's
    assert {path.name for path in (run / "figures").iterdir()} >= {"accuracy-against-c.png", "peaks.png"}


def test_the_same_command_gives_the_same_rows(vestige, run):
    words = ["correspond", "classify", TRAIN, "--test", TEST, *OPTIONS, "-C", 1e-5, "-C", 1e-2]
    vestige(*words, "-o", run.parent / "again", page=False)
    assert read_results(run.parent / "again" / "results.json").rows == read_results(run / "results.json").rows
    assert not (run.parent / "again" / "partial").exists()


def test_one_c_needs_no_trial(vestige, tmp_path):
    options = ["--layer", "block4", "-C", 1e-3, "--no-sift"]
    vestige("correspond", "classify", TRAIN, "--test", TEST, *options, "-o", tmp_path / "run", page=False)
    results = read_results(tmp_path / "run" / "results.json")
    assert results.measured == ("majority", "cell:block4")
    assert not any(row.metric.startswith("cv_") for row in results.sweep)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TRAIN, "--test", TEST, "--layer", "head9"], "has no layer"),
        ([TRAIN, "--test", TEST, "-C", 0], "-C 0: expected"),
        ([TRAIN, "--test", "synthetic:faces,n=3,size=96"], "keypoints are not those"),
        (["synthetic:objects,n=9,size=96", "--test", TEST], "keypoints are not those"),
        ([TRAIN], "--test"),
    ],
)
def test_mistakes_end_in_one_message(vestige, tmp_path, arguments, message):
    words = [*arguments, *([] if "--layer" in arguments else ["--layer", "block2"])]
    _, error = vestige("correspond", "classify", *words, "-o", tmp_path / "run", status=2)
    assert message in error


def test_cells_may_stand_where_they_respond(vestige, run, tmp_path):
    options = ["--layer", "block4", "--no-sift", "--localise", 1, "-C", 1e-2, "--centres", "response"]
    vestige("correspond", "classify", TRAIN, "--test", TEST, *options, "-o", tmp_path / "run", page=False)
    stated, found = (read_results(folder / "results.json") for folder in (run, tmp_path / "run"))
    assert stated.config["centres"] == "field"
    assert found.config["centres"] == "response"
    before, after = (np.array(results.config["cell_centres"]["block4"]) for results in (stated, found))
    assert before.tolist() == [7.5, 7.5]
    assert ((1 < before - after) & (before - after < 6)).all()  # trained with padding below and on the right alone
    assert any(f"{after[1] - before[1]:+.1f}, {after[0] - before[0]:+.1f}" in note for note in found.notes)
