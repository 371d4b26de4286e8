"""What a measurement found, as a run's folder holds it."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from vestige import Dataset
from vestige.api import FinishedRun
from vestige.contract.found import Found
from vestige.contract.task import Task
from vestige.datasets.given import TrainTest
from vestige.extraction import ExtractOptions
from vestige.methods import RIDGE, Method
from vestige.metrics import Metric
from vestige.options import option
from vestige.results import Row
from vestige.run import Run, run_folder


@dataclass(frozen=True)
class Given:
    """Options of a task."""

    size: int = option(3, paper=4)
    name: str = "a"


@dataclass(frozen=True)
class Weights:
    """What was trained."""

    written: list

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.txt").write_text("1 2 3")
        self.written.append(sorted(path.name for path in folder.parent.iterdir()))


TASK = Task("sounds", "What is heard?", TrainTest, (Given,), "", "")


def found(**changes):
    rows = tuple(Row(method, "abs_rel", "all", value, None, 3) for method, value in (("ridge", 0.1), ("echo", 0.3)))
    whole = Found(
        task=TASK,
        options=(Given(size=5),),
        config={"metric": "abs_rel"},
        data={"train": {"spec": "x", "n": 9}, "test": {"spec": "y", "n": 3}},
        backbone={"spec": "a-network", "layer": "last"},
        rows=rows,
        arrays={"ids": np.array(["a", "b", "c"])},
        metrics={"abs_rel": Metric("error", lower_is_better=True, paper=False)},
        methods={"ridge": RIDGE, "echo": Method("An echo", "green", trained=False)},
        extraction=ExtractOptions(),
        seconds=1.26,
        sweep=(Row("ridge", "oof_abs_rel", "all", 0.2, None, 9, layer="last"),),
        notes=("as told",),
    )
    return replace(whole, **changes)


def test_it_is_told_in_a_line_and_so_is_what_is_made_of_it(tmp_path):
    told = repr(found(texts={"long.csv": "x" * 10_000}))
    assert len(told) < 100
    assert all(each in told for each in ("sounds", "a-network", "2 rows"))
    data = Dataset.from_arrays(list(np.zeros((40, 8, 8, 3), np.uint8)), name="black")
    assert len(repr(data)) < 100
    assert "40 examples" in repr(data)
    assert len(repr(FinishedRun(Run(tmp_path), found().results()))) < 100 + len(str(tmp_path))


def test_a_run_holds_it_and_results_are_written_last(tmp_path):
    written = []
    with run_folder(tmp_path / "run") as run:
        found(fitted=Weights(written)).record(run, ["vestige", "probe"])
    folder = tmp_path / "run"
    assert "results.json" not in written[0]
    document = json.loads((folder / "results.json").read_text())
    assert document["schema"] == 2
    assert document["config"]["size"] == 5
    assert document["config"]["command"] == ["vestige", "probe"]
    assert document["metrics"]["abs_rel"]["lower_is_better"] is True
    assert document["methods"]["echo"] | {"trained": False, "label": "An echo"} == document["methods"]["echo"]
    assert json.loads((folder / "config.json").read_text()) == document["config"]
    assert {"probe/weights.txt", "results.json", "examples.npz"} <= json.loads((folder / "files.json").read_text())[
        "files"
    ].keys()
    assert Run(folder).results().rows == found().rows
    assert Run(folder).examples()["ids"].tolist() == ["a", "b", "c"]


def test_what_departs_from_the_paper_is_noted():
    notes = found().results().notes
    assert notes[0] == "as told"
    assert any("size = 5 (there 4)" in note for note in notes)
    assert any("abs_rel" in note for note in notes)
    assert found(options=(Given(size=4),), metrics={"abs_rel": Metric("error")}).results().notes == ("as told",)


def test_the_metric_on_folds_follows_from_the_metric():
    metrics = found().results().metrics
    assert metrics["oof_abs_rel"].lower_is_better is True
    with pytest.raises(ValueError, match="'loudness': "):
        found(rows=(Row("ridge", "loudness", "all", 1.0, None, 3),)).results()
