"""The command that asks which objects emerge."""

from __future__ import annotations

import json

import pytest

DATA = ["--data", "synthetic:scenes,n=60,seed=2"]
FEW = ["--least", "4", "--folds", "3"]


@pytest.fixture(scope="module")
def dissected(vestige, tmp_path_factory):
    """A run of `vestige units dissect`."""
    run = tmp_path_factory.mktemp("runs") / "units"
    words = ["--backbone", "scene_cnn", "--layer", "conv5", "--chance", "shuffled", "--least", "2", "--quiet"]
    vestige("units", "dissect", "synthetic:scenes,n=24,seed=1", *words, "-o", run)
    return run


def test_a_plan_reads_no_picture_through_the_network(vestige, dissected, tmp_path):
    out, _ = vestige("units", "emerge", dissected, *DATA, *FEW, "--dry-run", "--json", "-o", tmp_path / "run")
    plan = json.loads(out)
    assert plan["passes"] == 0
    assert [part["n"] for part in plan["data"]] == [60]
    assert not (tmp_path / "run").exists()


def test_a_run_prints_and_drafts_words(vestige, dissected, tmp_path):
    words = [*DATA, *FEW, "--top", "12", "--quiet", "-o", tmp_path / "run"]
    out, _ = vestige("units", "emerge", dissected, *words, "--json")
    results = json.loads(out)
    assert {"pearson@12", "pearson", "units", "zipf", "deciding_scenes"} <= set(results["metrics"])
    assert results["config"]["source"] == "masks"
    for name in ("report.html", "words.csv", "units.csv", "objects.csv", "scenes.csv"):
        assert (tmp_path / "run" / name).is_file()
    corrected = ["--words", tmp_path / "run" / "words.csv", "--labels", "masks"]
    out, _ = vestige("units", "emerge", dissected, *words, *corrected, "--overwrite")
    assert "conv5" in out
    side_by_side = tmp_path / "both.html"
    vestige("report", tmp_path / "run", tmp_path / "run", "-o", side_by_side)
    assert side_by_side.is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--layer", "conv9"], "--layer conv9"),
        (["--group", "object"], "--group object"),
        (["--labels", "mask"], "--labels"),
        (["--labels", "people"], "nobody has named"),
        (["--least", "900"], "--least"),
        (["--folds", "90"], "--folds"),
        (["--words", "missing.csv"], "missing.csv"),
    ],
)
def test_what_cannot_be_measured_is_refused(vestige, dissected, tmp_path, words, told):
    _, err = vestige("units", "emerge", dissected, *DATA, *FEW, *words, "-o", tmp_path / "run", status=2)
    assert told in err
    assert not (tmp_path / "run").exists()
