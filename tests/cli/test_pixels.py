"""The RGB reconstruction through the command line, on drawn faces."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from vestige.datasets.opening import open_dataset
from vestige.features.reader import Reader
from vestige.images import crop_resize
from vestige.probes.engine.linear import l2_normalise
from vestige.probes.engine.views import whole_views
from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:faces,n=40,seed=1,size=96", "synthetic:faces,n=12,seed=2,size=96"
SIZE = 12


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("pixels") / "run"
    options = ["--layer", "block4", "--layer", "block10", "--size", SIZE, "--untrained", 1]
    vestige("probe", "pixels", TRAIN, "--test", TEST, *options, "-o", output)
    return output


def test_rows_and_sweep(run):
    results = read_results(run / "results.json")
    assert results.task == "pixels"
    assert results.measured == ("mean", "rgb", "untrained", "ridge")
    assert {row.metric for row in results.rows} == {"mae", "psnr", "ssim"}
    assert results.row("ridge", "mae").value < results.row("mean", "mae").value
    swept = {(row.method, row.layer) for row in results.sweep if row.metric == "mae"}
    assert swept == {(method, layer) for method in ("untrained", "ridge") for layer in ("block4", "block10")}
    out_of_fold = {row.layer: row.value for row in results.sweep if (row.method, row.metric) == ("ridge", "oof_mae")}
    assert results.backbone["layer"] == min(out_of_fold, key=out_of_fold.get)
    assert results.backbone["dim"] <= 4096


def test_mean_is_the_error_of_the_mean_picture(run):
    def colours(spec):
        return np.stack([crop_resize(e.image.read(), None, (SIZE, SIZE)) / 255 for e in open_dataset(spec)])

    expected = np.abs(colours(TEST) - colours(TRAIN).mean(axis=0)).mean()
    assert read_results(run / "results.json").row("mean", "mae").value == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Singular matrix", "ignore:An ill-conditioned")
def test_predictions_are_those_of_another_ridge_at_the_chosen_layer(run):
    results, examples = read_results(run / "results.json"), Run(run).examples()
    reader = Reader()
    reads = reader.reads("efficientnet_lite0", [results.backbone["layer"]], [results.backbone["readout"]])
    train, test = (open_dataset(spec) for spec in (TRAIN, TEST))
    x = [
        l2_normalise(reader.features("efficientnet_lite0", whole_views(data).crops(), reads)[0][:])
        for data in (train, test)
    ]
    y = np.stack([crop_resize(e.image.read(), None, (SIZE, SIZE)).ravel() / 255 for e in train])
    alphas = np.array(results.ridge["alphas"])
    best = [np.abs(Ridge(alpha=alpha).fit(x[0], y).predict(x[1]) - examples["prediction/ridge"]) for alpha in alphas]
    assert np.min(best, axis=0).max() < 2e-3  # every number is what some alpha of the grid predicts (kept as float16)


def test_evaluate_gives_the_same_rows(vestige, run):
    vestige("evaluate", run, TEST, "-o", run.parent / "evaluated", page=False)
    assert read_results(run.parent / "evaluated" / "results.json").rows == read_results(run / "results.json").rows


def test_predict_draws_the_picture_beside_its_reconstruction(vestige, run, tmp_path):
    photograph = tmp_path / "face.png"
    Image.fromarray(open_dataset(TEST)[0].image.read()).save(photograph)
    vestige("predict", run, photograph, "-o", tmp_path / "out")
    (prediction,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["predictions"]
    made = Run(run).examples()["prediction/ridge"][0].reshape(-1, 3)
    assert prediction["mean_colour"] == pytest.approx(np.clip(made, 0, 1).mean(axis=0), abs=2e-3)
    assert Image.open(tmp_path / "out" / "face.png").size == (8 * SIZE, 4 * SIZE)


@pytest.mark.parametrize("size", [0, 6, 1000])
def test_a_size_without_sense_is_refused(vestige, tmp_path, size):
    said = vestige("probe", "pixels", TRAIN, "--test", TEST, "--size", size, "-o", tmp_path / "run", status=2)
    assert f"--size {size}: expected" in str(said)
