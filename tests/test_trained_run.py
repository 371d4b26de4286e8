"""Finished runs, measured on other data."""

import pytest

from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.probes.engine.options import VectorOptions
from vestige.probes.pixels.task import PixelOptions
from vestige.progress import print_nothing
from vestige.run import Run, run_folder
from vestige.tasks import task_named
from vestige.trained_run import check_trained, evaluate_run, reader_of

TRAIN, TEST = "synthetic:faces,n=16,seed=1,size=48", "synthetic:faces,n=6,seed=2,size=48"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pixels"
    options = VectorOptions(backbone="rgb:4", layers=("all",), rgb_size=3, untrained_seeds=0)
    data = (open_dataset(TRAIN), open_dataset(TEST))
    found = task_named("pixels").measure(Session(Reader(keep=False), print_nothing), data, PixelOptions(8), options)
    with run_folder(folder) as made:
        found.record(made)
    return Run(folder)


def test_the_same_data_give_the_same_rows(run, tmp_path):
    reader = reader_of(run, "cpu")
    found = evaluate_run(run, open_dataset(TEST), reader)
    trained = run.results()
    assert found.rows == trained.rows
    with run_folder(tmp_path / "other") as made:
        results = found.record(made)
    assert results.config["evaluated_run"] == str(run.folder)
    assert results.data["train"] == trained.data["train"]
    assert (results.metrics, results.methods, results.sweep) == (
        {name: each for name, each in trained.metrics.items() if not name.startswith("oof_")},
        trained.methods,
        (),
    )
    assert not any((tmp_path / "other" / "probe").glob("*"))


def test_the_data_that_it_was_trained_on_are_refused(run):
    with pytest.raises(VestigeError, match="was trained on"):
        evaluate_run(run, open_dataset(TRAIN), reader_of(run, "cpu"))


def test_a_run_that_leaves_nothing_is_refused(run, tmp_path):
    import json
    import shutil

    shutil.copytree(run.folder, tmp_path / "run")
    path = tmp_path / "run" / "results.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "task": "directions"}))
    with pytest.raises(VestigeError, match="leaves no probe"):
        check_trained(Run(tmp_path / "run"))
    path.write_text(json.dumps({**document, "task": "pixel"}))
    with pytest.raises(VestigeError, match="pixels"):
        check_trained(Run(tmp_path / "run"))
