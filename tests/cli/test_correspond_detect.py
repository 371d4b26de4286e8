"""Keypoint detection through the command line, on drawn objects of two kinds of use: one class, and several."""

import numpy as np
import pytest

from vestige.datasets.opening import open_dataset
from vestige.results import read_results
from vestige.run import Run

DATA = "synthetic:objects,category=bird,size=96"
TRAIN, TEST = f"{DATA},n=24,seed=1", f"{DATA},n=8,seed=2"
OPTIONS = ["--layer", "block1", "--layer", "block2", "--size", 96, "--closest", 3, "--rounds", 2, "--batch", 200]


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("detect") / "run"
    out, _ = vestige("correspond", "detect", TRAIN, "--test", TEST, *OPTIONS, "--alpha", 0.1, "-o", output)
    return output, out


def test_a_run_has_the_papers_rows_with_and_without_prior(run):
    output, out = run
    results = read_results(output / "results.json")
    kinds = ("block1", "block2", "sift")
    ends = ("", "+prior", "+prior-cv")
    assert set(results.measured) == {
        "mean",
        "nearest-neighbour",
        *(f"detect:{kind}{end}" for kind in kinds for end in ends),
    }
    assert results.task == "detect"
    assert results.config["chosen"] in ("block1", "block2")
    for method in results.measured:
        row = results.row(method, "pck@0.1")
        assert row.ci95[0] <= row.value <= row.ci95[1]
        assert method in out
    points = open_dataset(TEST).markup.points
    assert {row.subset for row in results.rows if row.metric == "pck@0.1"} <= {"all", "bird", *points}
    assert any("paired bootstrap" in note for note in results.notes)
    assert (output / "report.html").is_file()
    assert {path.name for path in (output / "figures").iterdir()} == {"pck-against-alpha.png", "detections.png"}


def test_rows_are_those_of_the_examples(vestige, run, tmp_path):
    arrays, results = Run(run[0]).examples(), Run(run[0]).results()
    visible = arrays["visible"]
    for method in ("detect:block2", "detect:sift+prior-cv", "nearest-neighbour"):
        off = np.linalg.norm(arrays[f"prediction/{method}"] - arrays["truth"], axis=-1)
        near = off <= 0.1 * arrays["normaliser"][:, None]
        rates = [near[seen, k].mean() for k, seen in enumerate(visible.T) if seen.any()]
        assert results.row(method, "pck@0.1").value == pytest.approx(np.mean(rates))
    (run[0] / "report.html").unlink()
    vestige("report", run[0], "-o", tmp_path / "again.html")
    assert "block2 + prior" in (tmp_path / "again.html").read_text()


def test_several_classes_without_sift(vestige, tmp_path):
    data = "synthetic:objects,size=64"
    options = ["--layer", "block1", "--size", 64, "--no-sift", "--rounds", 1, "--batch", 100, "-C", 0.1]
    vestige(
        *("correspond", "detect", f"{data},n=40,seed=1", "--test", f"{data},n=12,seed=2"),
        *(*options, "--reach", 0, "--negative-distance", 12, "-o", tmp_path / "run"),
        page=False,
    )
    results = read_results(tmp_path / "run" / "results.json")
    classes = {example.category for example in open_dataset(f"{data},n=12,seed=2")}
    rows = {row.subset for row in results.rows if (row.method, row.metric) == ("detect:block1+prior", "pck@0.1")}
    assert rows == {"all", *classes}
    assert results.config["kinds"]["block1"]["c"] == 0.1
    assert not any(method.startswith("detect:sift") for method in results.measured)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layer", "block99"], "has no layer 'block99'"),
        (["--layer", "block10", "--size", 96], "--negative-distance"),
        (["--layer", "block1", "--size", 5], "--size 5: expected a whole number from 32"),
        (["--layer", "block1", "--alpha", 0], "--alpha 0"),
        (["--layer", "block1", "--neighbour-layer", "block*"], "name one"),
    ],
)
def test_mistakes_end_in_one_message(vestige, tmp_path, options, message):
    _, error = vestige("correspond", "detect", TRAIN, "--test", TEST, *options, "-o", tmp_path / "run", status=2)
    assert message in error
