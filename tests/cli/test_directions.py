"""Directions through the command line, on drawn faces."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from vestige.bounds import FACE_MARGIN
from vestige.datasets.opening import open_dataset
from vestige.features.reader import Reader
from vestige.images import crop_resize
from vestige.probes.directions.directions import Direction, move, pictures_along
from vestige.probes.directions.page import read_direction_run
from vestige.probes.engine.linear import l2_normalise, load_probes
from vestige.probes.engine.views import example_views
from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:faces,n=48,seed=1,size=96", "synthetic:faces,n=20,seed=2,size=96"
STEPS, SIZE = 3, 16
REENCODED = 13  # so many that no other test has as many pictures
DIRECTIONS = ("glasses", "glasses, orthogonal to roll", "yaw", "yaw, orthogonal to roll")


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("directions") / "run"
    wanted = ["--attribute", "glasses", "--attribute", "yaw", "--orthogonal-to", "roll", "--layer", "block7"]
    small = ["--steps", STEPS, "--size", SIZE, "--faces", 2, "--reencode", REENCODED]
    out, _ = vestige("directions", TRAIN, "--test", TEST, *wanted, *small, "-o", output)
    assert "orthogonal" in out
    return output


@pytest.fixture(scope="module")
def laid(run):
    """Arrays, the saved probes, and the test faces' normalised features ``(N, d)``."""
    described = json.loads((run / "probe" / "directions.json").read_text())
    probes = load_probes(run / "probe", "directions", described["probes"])
    reader, source = Reader(), probes["attributes"].source
    reads = reader.reads(source.backbone, [source.layer], [source.readout])
    views = example_views(open_dataset(TEST), FACE_MARGIN)
    features = l2_normalise(reader.features(source.backbone, views.crops(), reads)[0][:]).astype(np.float64)
    return Run(run).examples(), probes, features


def test_directions_are_unit_vectors_along_the_regressors(laid):
    arrays, probes, features = laid
    units, coef = probes["directions"].coef.astype(np.float64), probes["attributes"].coef.astype(np.float64)
    assert tuple(arrays["directions"]) == DIRECTIONS
    assert np.linalg.norm(units, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert units[[0, 2]] == pytest.approx(coef[:2] / np.linalg.norm(coef[:2], axis=1, keepdims=True), abs=1e-6)
    assert units[[1, 3]] @ coef[2] == pytest.approx([0, 0], abs=1e-5 * np.linalg.norm(coef[2]))
    assert arrays["projections"] == pytest.approx(features @ units.T, abs=1e-5)


def test_own_effects_are_those_of_moved_features(laid):
    arrays, probes, features = laid
    coef, units = probes["attributes"].coef.astype(np.float64), probes["directions"].coef.astype(np.float64)
    spread = (features @ coef.T).std(axis=0)
    for unit, lambdas, effect in zip(units, arrays["lambdas"], arrays["effect/own"], strict=True):
        low, high = (move(features, unit, at) @ coef.T for at in lambdas[[0, -1]])
        assert ((high - low) / spread)[0] == pytest.approx(effect, rel=1e-3, abs=1e-4)
    assert np.abs(arrays["effect/own"][[1, 3], 2]).max() < 1e-4  # orthogonal to roll


def test_rows_say_what_the_arrays_hold(run, laid):
    arrays, results = laid[0], read_results(run / "results.json")
    assert results.task == "directions"
    assert results.row("ridge", "change", "yaw").value == pytest.approx(arrays["effect/own"][2, 1])
    assert results.row("orthogonal", "leak_other_half", "yaw > glasses").value == pytest.approx(
        arrays["effect/other_half"][3, 0]
    )
    again = arrays["effect/reencoded"][:, 0, -1, 0] - arrays["effect/reencoded"][:, 0, 0, 0]
    row = results.row("ridge", "change_reencoded", "glasses")
    assert (row.value, row.n) == (pytest.approx(again.mean(), abs=1e-6), REENCODED)
    assert row.ci95[0] <= row.value <= row.ci95[1]
    assert results.row("ridge", "change_other_half").value > 0.5  # other people's regressors see it, too
    assert {row.metric for row in results.rows if row.subset == "all"} >= {"auc", "r2", "mae", "leak"}


def test_the_reconstructions_are_of_the_faces_shown(laid):
    """Nearer to what scikit-learn's ridge makes of them than to what it makes of any other face."""
    arrays, probes, features = laid
    reader, source = Reader(), probes["attributes"].source
    reads = reader.reads(source.backbone, [source.layer], [source.readout])
    views, examples = example_views(open_dataset(TRAIN), FACE_MARGIN), open_dataset(TRAIN)
    train = l2_normalise(reader.features(source.backbone, views.crops(), reads)[0][:])
    colours = np.stack([_colours(example, box) for example, box in zip(examples, views.boxes, strict=True)])
    predicted = Ridge(0.1).fit(train, colours).predict(features)
    rows = np.unique(arrays["shown"])
    assert arrays["picture_rows"].tolist() == rows.tolist()
    expected = predicted - predicted.mean(axis=0)
    for base, row in zip(arrays["reconstructions"], rows, strict=True):
        alike = [np.corrcoef(base - predicted.mean(axis=0), each)[0, 1] for each in expected]
        assert int(np.argmax(alike)) == row
    order = np.argsort(arrays["projections"][:, 0])
    assert [order.tolist().index(row) for row in arrays["shown"][0]] == [1, 18]  # ranks 0.05 and 0.95 of 19


def _colours(example, box):
    return crop_resize(example.image.read(), box, (SIZE, SIZE)).ravel() / 255


def test_the_report_draws_the_same_pictures_as_were_read_again(run, laid):
    arrays, read = laid[0], read_direction_run(Run(run))
    ends = zip(DIRECTIONS, arrays["lambdas"][:, 0], arrays["lambdas"][:, -1], strict=True)
    lambdas = [Direction(name, (), np.ones(1), low, high) for name, low, high in ends]
    rows = arrays["picture_rows"]
    bases, projections = arrays["reconstructions"], arrays["projections"][rows]
    made = pictures_along(lambdas, bases, projections, arrays["changes"], STEPS, SIZE)
    expected = np.stack([picture.read() for picture in made]).astype(int)
    drawn = np.stack([step for row in rows for k in range(len(DIRECTIONS)) for step in read.along(k, int(row))])
    assert np.abs(drawn - expected).max() <= 1
    assert read.plain == [0, 2]


def test_the_report_has_its_figures(vestige, run):
    figures = {path.name for path in (run / "figures").iterdir()}
    assert figures == {"directions.png", "each.png", "readings.png", "leaks.png"}
    vestige("report", run, "-o", run / "again.html")
    page = (run / "again.html").read_text()
    assert "yaw, orthogonal to roll" in page


@pytest.mark.usefixtures("run")
def test_nothing_of_the_reconstructions_stays_in_the_cache(cache):
    rows = {json.loads(path.read_text())["shape"][0] for path in cache.glob("*/zarr.json")}
    assert {48, 20} <= rows
    assert REENCODED * len(DIRECTIONS) * STEPS not in rows


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_other_pictures_are_refused_in_clear_words(vestige, run, tmp_path, command):
    said = vestige(command, run, TEST if command == "evaluate" else "face.png", "-o", tmp_path / "out", status=2)
    assert "directions" in "".join(said)
    assert not (tmp_path / "out").exists()


MISTAKES = {
    "unknown": (["--attribute", "glases"], "did you mean glasses?"),
    "steps": (["--steps", 1], "--steps 1: expected a whole number from 2"),
    "faces": (["--faces", 0], "--faces 0: expected a whole number from 1"),
    "quantile": (["--quantile", 0.5], "--quantile 0.5: expected a number from 0, below 0.5"),
    "stretch": (["--stretch", 0], "--stretch 0: expected a number above 0"),
    "size": (["--size", 3], "--size 3: expected"),
    "orthogonal to what is left out": (
        ["--orthogonal-to", "bald", "--least", 15],
        "attribute bald: is not among those read",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(vestige, tmp_path, name):
    options, message = MISTAKES[name]
    said = vestige("directions", TRAIN, "--test", TEST, *options, "--layer", "block7", "-o", tmp_path / "r", status=2)
    assert message in " ".join("".join(said).split())
