"""Alignment through the command line, on drawn objects of several categories."""

import numpy as np
import pytest

from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:objects,n=40,seed=1,size=64", "synthetic:objects,n=6,seed=2,size=64"
OPTIONS = ["--layer", "block12", "--layer", "block13", "--neighbours", 3, "--first", 2, "--queries", 2]
METHODS = ("mean", "nearest-neighbour", "unaligned", "flow:block12", "flow:block13", "flow:sift")


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("align") / "run"
    vestige("correspond", "align", TRAIN, "--test", TEST, *OPTIONS, "--beta", 0.01, "--beta", 0.1, "-o", output)
    return output


def test_results_hold_every_method_at_every_alpha(run):
    results = read_results(run / "results.json")
    assert results.task == "align"
    assert results.measured == METHODS
    for method in METHODS:
        values = [results.row(method, f"pck@{alpha}").value for alpha in (0.025, 0.05, 0.1)]
        assert values == sorted(values)
        row = results.row(method, "pck@0.1")
        assert row.ci95[0] <= row.value <= row.ci95[1]
    assert results.config["chosen"] in METHODS
    assert set(results.config["beta"]) == {method for method in METHODS if method.startswith("flow:")}


def test_betas_are_those_that_are_best_on_training_instances(run):
    results = read_results(run / "results.json")
    tried = {}
    for row in results.sweep:
        if row.metric == "train_pck@0.1":
            tried.setdefault(row.method, {})[float(row.subset.removeprefix("beta="))] = row.value
    assert set(tried) == set(results.config["beta"])
    for method, beta in results.config["beta"].items():
        assert tried[method][beta] == max(tried[method].values())
    best = {method: max(values.values()) for method, values in tried.items() if method != "flow:sift"}
    assert best[results.config["chosen"]] == max(best.values())


def test_differences_are_paired_on_the_same_instances(run):
    results = read_results(run / "results.json")
    chosen = results.config["chosen"]
    rows = {(row.method, row.metric): row for row in results.sweep}
    found = rows[chosen, "pck@0.1 - nearest-neighbour"]
    expected = results.row(chosen, "pck@0.1").value - results.row("nearest-neighbour", "pck@0.1").value
    assert found.value == pytest.approx(expected)
    assert 0 <= rows[chosen, "p of pck@0.1 - nearest-neighbour"].value <= 1
    assert any(chosen in note and "nearest-neighbour" in note for note in results.notes)


def test_examples_are_enough_to_measure_again(run):
    examples, results = Run(run).examples(), read_results(run / "results.json")
    for method in METHODS:
        distances = np.linalg.norm(examples[f"prediction/{method}"] - examples["truth"], axis=-1)
        hits = distances <= 0.1 * examples["normaliser"][:, None]
        shares = [np.mean(hits[i, seen]) for i, seen in enumerate(examples["visible"]) if seen.any()]
        assert results.row(method, "pck_image@0.1").value == pytest.approx(np.mean(shares))
    names = examples["train_ids"][examples["neighbours"]]
    assert examples["neighbours"].shape == (6, 3)
    assert set(names.ravel()).isdisjoint(examples["ids"])
    falls = np.diff(examples["similarity"], axis=1)
    assert np.all((falls <= 0) | np.isnan(falls))  # NaN: a class with fewer neighbours


def test_the_same_command_gives_the_same_rows_and_a_killed_run_leaves_nothing_behind(vestige, run):
    words = ["correspond", "align", TRAIN, "--test", TEST, *OPTIONS, "--beta", 0.01, "--beta", 0.1]
    (run.parent / "again" / "partial").mkdir(parents=True)
    vestige(*words, "-o", run.parent / "again", page=False)
    assert read_results(run.parent / "again" / "results.json").rows == read_results(run / "results.json").rows
    assert not (run.parent / "again" / "partial").exists()


def test_there_is_a_page_with_figures(run):
    page = (run / "report.html").read_text()
    assert 'id="pictures"' in page
    assert "conv4 flow" in page
    assert {path.name for path in (run / "figures").iterdir()} == {
        "warped-neighbours.png",
        "pck-against-alpha.png",
        "betas.png",
    }


def test_one_layer_and_one_beta_need_no_trial(vestige, tmp_path):
    options = ["--layer", "block12", "--beta", 0.02, "--no-sift", "--neighbours", 2]
    vestige("correspond", "align", TRAIN, "--test", TEST, *options, "-o", tmp_path / "run", page=False)
    results = read_results(tmp_path / "run" / "results.json")
    assert results.measured == ("mean", "nearest-neighbour", "unaligned", "flow:block12")
    assert not any(row.metric.startswith("train_") for row in results.sweep)


@pytest.mark.parametrize("command", [["evaluate"], ["predict"]])
def test_it_leaves_no_probe_to_use_again(vestige, run, tmp_path, command):
    other = TEST if command == ["evaluate"] else tmp_path / "picture.png"
    _, error = vestige(*command, run, other, "-o", tmp_path / "out", status=2)
    assert "align" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TRAIN, "--test", TEST, "--layer", "scores"], "has no layer"),
        ([TRAIN, "--test", TEST, "--beta", 0], "--beta 0: expected"),
        ([TRAIN, "--test", TEST, "--alpha", 2], "--alpha 2: expected"),
        ([TRAIN, "--test", TEST, "--tolerance", 0], "--tolerance"),
        ([TRAIN, "--test", TEST, "--neighbour-layer", "block*"], "name one"),
        ([TRAIN, "--test", "synthetic:faces,n=3,size=64"], "keypoints are not those"),
        ([TRAIN], "--test"),
        (["synthetic:objects,category=car,n=4,size=64", "--test", TEST], "keypoints are not those"),
    ],
)
def test_mistakes_end_in_one_message(vestige, tmp_path, arguments, message):
    _, error = vestige("correspond", "align", *arguments, "-o", tmp_path / "run", status=2)
    assert message in error
