"""The attribute probe through the command line, on drawn faces."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, roc_auc_score

from vestige.bounds import FACE_MARGIN
from vestige.datasets.opening import open_dataset
from vestige.features.reader import Reader
from vestige.probes.engine.linear import l2_normalise
from vestige.probes.engine.views import example_views
from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:faces,n=48,seed=1,size=96", "synthetic:faces,n=30,seed=2,size=96"
NAMES = ("glasses", "yaw")


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("attributes") / "run"
    wanted = [word for name in NAMES for word in ("--attribute", name)]
    layers = ["--layer", "block4", "--layer", "block10", "--untrained", 1]
    vestige("probe", "attributes", TRAIN, "--test", TEST, *wanted, *layers, "-o", output)
    return output


def test_rows_and_sweep(run):
    results = read_results(run / "results.json")
    assert results.task == "attributes"
    assert results.config["metric"] == "skill"
    assert results.measured == ("mean", "rgb", "untrained", "ridge")
    measured = {(row.metric, row.subset) for row in results.rows if row.method == "ridge"}
    assert measured == {("skill", "all"), ("auc", "all"), ("auc", "glasses"), ("r2", "all"), ("r2", "yaw")}
    assert results.row("mean", "auc").value == 0.5
    assert results.row("mean", "r2").value <= 0
    assert results.row("ridge", "skill").value > results.row("mean", "skill").value
    difference = results.row("ridge", "skill").value - results.row("rgb", "skill").value
    assert results.row("rgb", "skill_difference").value == pytest.approx(difference)
    out_of_fold = {row.layer: row.value for row in results.sweep if (row.method, row.metric) == ("ridge", "oof_skill")}
    assert results.backbone["layer"] == max(out_of_fold, key=out_of_fold.get)


def test_rows_are_those_of_scikit_learn_on_the_kept_predictions(run):
    results, examples = read_results(run / "results.json"), Run(run).examples()
    truth = np.array([[example.attributes[name] for name in NAMES] for example in open_dataset(TEST)])
    assert examples["truth"] == pytest.approx(truth, rel=1e-6)
    read = examples["prediction/ridge"].astype(np.float64)
    expected = roc_auc_score(truth[:, 0], read[:, 0]), r2_score(truth[:, 1], read[:, 1])
    found = results.row("ridge", "auc", "glasses").value, results.row("ridge", "r2", "yaw").value
    assert found == pytest.approx(expected, abs=5e-3)  # kept as float16


@pytest.mark.filterwarnings("ignore:Singular matrix", "ignore:An ill-conditioned")
def test_predictions_are_those_of_another_ridge_at_the_chosen_layer(run):
    results, examples = read_results(run / "results.json"), Run(run).examples()
    reader = Reader()
    reads = reader.reads("efficientnet_lite0", [results.backbone["layer"]], [results.backbone["readout"]])
    x = [
        l2_normalise(reader.features("efficientnet_lite0", example_views(data, FACE_MARGIN).crops(), reads)[0][:])
        for data in (open_dataset(TRAIN), open_dataset(TEST))
    ]
    y = np.array([[example.attributes[name] for name in NAMES] for example in open_dataset(TRAIN)])
    read = examples["prediction/ridge"]
    off = [
        np.abs(Ridge(alpha=alpha).fit(x[0], y).predict(x[1]) - read).max(axis=0) for alpha in results.ridge["alphas"]
    ]
    assert (np.min(off, axis=0) < [2e-3, 3e-2]).all()  # some alpha of the grid; yaw is in degrees, kept as float16


def test_evaluate_gives_the_same_rows(vestige, run):
    vestige("evaluate", run, TEST, "-o", run.parent / "evaluated", page=False)
    assert read_results(run.parent / "evaluated" / "results.json").rows == read_results(run / "results.json").rows


def test_predict_reads_a_photograph(vestige, run, tmp_path):
    example = open_dataset(TEST)[0]
    photograph = tmp_path / "face.png"
    Image.fromarray(example.image.read()).save(photograph)
    box = ",".join(f"{value:.4f}" for value in example.box)
    vestige("predict", run, photograph, "--box", box, "-o", tmp_path / "out")
    (prediction,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["predictions"]
    assert [entry["name"] for entry in prediction["attributes"]] == list(NAMES)
    read = [entry["reading"] for entry in prediction["attributes"]]
    assert read == pytest.approx(Run(run).examples()["prediction/ridge"][0].astype(float), rel=5e-3, abs=5e-3)
    assert Image.open(tmp_path / "out" / "face.png").width > 360


def test_the_report_shows_each_attribute(run):
    page = (run / "report.html").read_text()
    assert 'id="attributes"' in page
    assert "R² of continuous attributes" in page
    assert (run / "figures" / "metric-against-layer.png").is_file()
    assert (run / "figures" / "extremes-run.png").is_file()


@pytest.fixture(scope="module")
def lfw(tmp_path_factory):
    """Drawn faces as a folder of people with a table: a person's label with gaps, a model's score, a rare label."""
    folder = tmp_path_factory.mktemp("lfw")
    lines = ["image,beard,glasses_score,bald"]
    for k, example in enumerate(open_dataset("synthetic:faces,n=60,seed=3,size=64")):
        name = f"Person{k}_0001.jpg"
        (folder / "images" / f"Person{k}").mkdir(parents=True)
        Image.fromarray(example.image.read()).save(folder / "images" / f"Person{k}" / name)
        beard = "" if k % 7 == 0 else f"{example.attributes['beard']:.0f}"
        lines.append(f"{name},{beard},{0.1 + 0.8 * example.attributes['glasses']},{int(k == 5)}")
    (folder / "attributes.csv").write_text("\n".join(lines))
    return folder


def test_model_labels_are_called_so_and_rare_attributes_left_out(vestige, lfw, tmp_path):
    parts = [f"lfw:{lfw},fold=1-3/5", "--test", f"lfw:{lfw},fold=4-5/5"]
    options = ["--layer", "block4", "--untrained", 0, "--least", 2, "--crop", 0.8]
    vestige("probe", "attributes", *parts, *options, "-o", tmp_path / "run")
    results, page = read_results(tmp_path / "run" / "results.json"), (tmp_path / "run" / "report.html").read_text()
    assert results.config["metric"] == "auc"
    assert any(note.startswith("Attributes left out: bald (") for note in results.notes)
    assert any(note.startswith("Model labels: glasses.") for note in results.notes)
    assert "model label" in page
    known = sum("beard" in example.attributes for example in open_dataset(parts[2]))
    assert results.row("ridge", "auc", "beard").n == known < results.row("ridge", "auc", "glasses").n
    examples = Run(tmp_path / "run").examples()
    assert np.isnan(examples["truth"][:, 0]).sum() == len(examples["truth"]) - known
    assert examples["crops"][0].tolist() == pytest.approx([6.4, 6.4, 57.6, 57.6])


MISTAKES = {
    "name": (["--attribute", "glases"], "did you mean glasses?"),
    "crop": (["--crop", 0], "--crop 0: expected a number above 0, up to 1"),
    "least": (["--least", 500], "no attribute can be read"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(vestige, tmp_path, name):
    options, message = MISTAKES[name]
    said = vestige("probe", "attributes", TRAIN, "--test", TEST, *options, "-o", tmp_path / "run", status=2)
    assert message in " ".join("".join(said).split())


def test_data_without_attributes_are_refused(vestige, tmp_path):
    for k in range(4):
        Image.new("RGB", (40, 40), (k, 0, 0)).save(tmp_path / f"{k}.png")
    said = vestige("probe", "attributes", TRAIN, "--test", f"folder:{tmp_path}", "-o", tmp_path / "run", status=2)
    assert "nothing can be measured" in " ".join("".join(said).split())
