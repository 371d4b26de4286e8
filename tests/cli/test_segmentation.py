"""The segmentation probe through the command line, on drawn objects with a rim of void."""

import json

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.opening import open_dataset
from vestige.intervals import interval
from vestige.probes.segmentation.class_areas import VOID, LabelTable
from vestige.probes.segmentation.pixel_counts import count_pixels
from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:objects,n=32,seed=1,size=64,void=1", "synthetic:objects,n=10,seed=2,size=64,void=1"
GRID = 8
METHODS = ("mean", "rgb", "rgb+M", "untrained", "untrained+M", "ridge", "ridge+M")
ABLATION = ("ridge-unaugmented", "ridge-unaugmented+M")


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("segmentation") / "run"
    options = ["--layer", "block4", "--layer", "block10", "--grid", GRID, "--augment", 3, "--untrained", 1]
    vestige("probe", "segmentation", TRAIN, "--test", TEST, *options, "-o", output)
    return output


def test_rows_and_sweep(run):
    results = read_results(run / "results.json")
    assert results.task == "segmentation"
    assert results.measured == (*METHODS, *ABLATION)
    classes = open_dataset(TEST).classes
    shown = {classes[k] for example in open_dataset(TEST) for k in np.unique(example.mask.read()) if k != VOID}
    for metric in ("miou", "pixel_ap"):
        rows = {row.subset: row for row in results.rows if (row.method, row.metric) == ("ridge", metric)}
        assert set(rows) == {"all", *shown}
        assert rows["all"].value == pytest.approx(np.mean([rows[name].value for name in shown]))
        assert rows["all"].n == rows["background"].n == 10
    swept = {(row.method, row.layer) for row in results.sweep if row.metric == "miou"}
    assert swept == {(method, layer) for method in ("untrained", "ridge") for layer in ("block4", "block10")}
    out_of_fold = {row.layer: row.value for row in results.sweep if (row.method, row.metric) == ("ridge", "oof_miou")}
    assert results.backbone["layer"] == max(out_of_fold, key=out_of_fold.get)
    assert results.row("ridge", "pixel_ap").value > results.row("mean", "pixel_ap").value


def test_paired_differences_are_from_the_full_method(run):
    results, examples = read_results(run / "results.json"), Run(run).examples()
    full = results.row("ridge+M", "miou").value
    assert {row.method for row in results.rows if row.metric == "miou_difference"} == {
        method for method in results.measured if method != "ridge+M"
    }
    weights = np.random.default_rng(0).multinomial(10, np.full(10, 1 / 10), size=2000)
    for method in ("mean", "ridge-unaugmented"):
        row = results.row(method, "miou_difference")
        assert row.value == pytest.approx(full - results.row(method, "miou").value)
        differences = [
            _miou(examples["pixels/ridge+M"], drawn) - _miou(examples[f"pixels/{method}"], drawn) for drawn in weights
        ]
        assert row.ci95 == pytest.approx(interval(np.array(differences), 10), abs=1e-6)


def _miou(pixels, drawn):
    hits, called, present = (pixels.transpose(2, 0, 1) * drawn[:, None]).sum(axis=1)
    return np.mean(hits[present > 0] / (called + present - hits)[present > 0])


def test_mean_is_the_prior_of_each_cell(run):
    """The mean over the augmented views, here read back from the run, scores what its rows say."""
    test = open_dataset(TEST)
    prior = Run(run).examples()["prediction/mean"].astype(np.float32)
    assert (prior == prior[0]).all()
    cells = prior.reshape(len(test), GRID, GRID, -1)
    assert cells[0, 3:5, 3:5, 1:].sum() > cells[0, [0, 0, -1, -1], [0, -1, 0, -1], 1:].sum()  # objects are central
    table = LabelTable(test.classes, test.void)
    counts = count_pixels(cells, [table.labels(example) for example in test])
    row = read_results(run / "results.json").row("mean", "pixel_accuracy")
    assert row.value == pytest.approx(float(counts.accuracy()), abs=2e-3)  # kept as float16


def test_evaluate_gives_the_same_rows(vestige, run):
    vestige("evaluate", run, TEST, "-o", run.parent / "evaluated", page=False)
    assert read_results(run.parent / "evaluated" / "results.json").rows == read_results(run / "results.json").rows


def test_predict_draws_the_map_and_tells_the_shares(vestige, run, tmp_path):
    photograph = tmp_path / "object.png"
    Image.fromarray(open_dataset(TEST)[0].image.read()).save(photograph)
    vestige("predict", run, photograph, "-o", tmp_path / "out")
    (prediction,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["predictions"]
    shares = prediction["classes"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    called = Run(run).examples()["pixels/ridge+M"][0, :, 1]
    assert shares["background"] == pytest.approx(called[0] / called.sum(), abs=0.05)  # void is not called anything
    assert Image.open(tmp_path / "out" / "object.png").width == 2 * 640 + 8


def test_without_copies_there_is_no_ablation(vestige, tmp_path):
    options = ["--layer", "block10", "--grid", 4, "--augment", 1, "--untrained", 0, "-o", tmp_path / "run"]
    vestige("probe", "segmentation", TRAIN, "--test", TEST, *options, page=False)
    assert read_results(tmp_path / "run" / "results.json").measured == ("mean", "rgb", "rgb+M", "ridge", "ridge+M")


def test_mistakes(vestige, run, tmp_path):
    output = ["-o", tmp_path / "run"]
    said = vestige("probe", "segmentation", TRAIN, "--test", TEST, "--grid", 1, *output, status=2)
    assert "--grid 1: " in str(said)
    faces = "synthetic:faces,n=8,seed=3,size=96"
    said = vestige("probe", "segmentation", TRAIN, "--test", faces, *output, status=2)
    assert "expected background, aeroplane" in str(said)
    said = vestige("evaluate", run, faces, "-o", tmp_path / "evaluated", status=2)
    assert "which the probe is trained on" in str(said)
