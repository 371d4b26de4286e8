"""``vestige units annotations``: answers taken in, checked, written to files and measured."""

from __future__ import annotations

import json

import pytest

from vestige.run import Run
from vestige.units.annotate.store import store_path
from vestige.units.annotations.answers import Answer
from vestige.units.annotations.files import read_answers, write_answers
from vestige.units.dissect.run import read_dissection

LAYER = "conv5"


@pytest.fixture(scope="module")
def dissected(vestige, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "units"
    words = ["--backbone", "scene_cnn", "--layer", LAYER, "--chance", "shuffled", "--least", "2", "--quiet", "--json"]
    vestige("units", "dissect", "synthetic:scenes,n=16,seed=3", *words, "-o", run)
    return run


@pytest.fixture(scope="module")
def answers(dissected):
    """Two people on three units; one of them fails once."""
    run, found = read_dissection(Run(dissected)), []
    for unit in range(3):
        planted = tuple(run.of(LAYER, "negatives")[unit].tolist())
        own = [row for row in run.of(LAYER, "top_rows")[unit].tolist() if row not in planted][:8]
        for name in ("ada", "bob"):
            passed = (unit, name) != (2, "bob")
            marked = (own[0], *(planted if passed else ()))
            when = "2030-01-31T12:00:00+00:00"
            shown = (*own, *planted)
            found.append(Answer(LAYER, unit, name, "lamp", "object", shown, planted, marked, 1, passed, 5.0, when))
    return found


@pytest.fixture
def table(answers, tmp_path):
    write_answers(tmp_path / "answers.csv", answers)
    return tmp_path / "answers.csv"


def by_unit(answers):
    return sorted(answers, key=lambda each: (each.unit, each.annotator))


def test_answers_go_into_the_store_and_out_again(vestige, dissected, answers, table, tmp_path):
    database = f"sqlite:///{tmp_path / 'other.sqlite'}"
    annotations = ("units", "annotations", dissected, "--database", database)
    out, _ = vestige(*annotations, "--import", table)
    assert "6 answers of 6" in out
    out, _ = vestige(*annotations, "--import", table)
    assert "0 answers of 6" in out
    vestige(*annotations, "--export", tmp_path / "back.json")
    assert by_unit(read_answers(tmp_path / "back.json")) == by_unit(answers)
    _, err = vestige(*annotations, "--export", tmp_path / "back.json", status=2)
    assert "is there already" in err
    assert not store_path(dissected).exists()

    out, _ = vestige(*annotations, "--check", "--json")
    assert json.loads(out)["layers"] == [{"layer": LAYER, "answers": 6, "units": 3, "annotators": 2, "failed": 1}]
    out, _ = vestige(*annotations, "--quiet", "--json", "-o", tmp_path / "people")
    results = json.loads(out)
    assert results["task"] == "annotations"
    assert results["backbone"]["spec"] == "scene_cnn"
    precision = next(row for row in results["rows"] if row["metric"] == "precision")
    assert precision["value"] == pytest.approx(7 / 8)
    for command in (("units", "annotate"), ("predict",), ("evaluate",)):
        words = [] if command == ("units", "annotate") else [table, "-o", tmp_path / "other"]
        _, err = vestige(*command, tmp_path / "people", *words, status=2)
        assert "is a run of annotations" in err
    assert not (tmp_path / "people" / "annotate").exists()
    vestige("units", "annotations", tmp_path / "people", "--export", tmp_path / "again.csv")
    assert len(read_answers(tmp_path / "again.csv")) == 6


def test_what_is_missing_is_said(vestige, dissected, table, tmp_path):
    _, err = vestige("units", "annotations", dissected, "-o", tmp_path / "people", status=2)
    assert "vestige units annotate" in err
    assert "--import" in err
    assert not store_path(dissected).exists()
    _, err = vestige("units", "annotations", "-o", tmp_path / "people", status=2)
    assert "--import" in err
    _, err = vestige("units", "annotations", dissected, status=2)
    assert "--export" in err
    _, err = vestige("units", "annotations", "--import", table, status=2)
    assert "--export" in err
    _, err = vestige("units", "annotations", "--import", table, "--check", "-o", tmp_path / "people", status=2)
    assert "--check" in err
    words = ("--database", f"sqlite:///{tmp_path / 'a.sqlite'}", "--import", table, "--export", tmp_path / "a.txt")
    _, err = vestige("units", "annotations", dissected, *words, status=2)
    assert "a.txt" in err
    assert not (tmp_path / "a.sqlite").exists()
    for words in (("--import", tmp_path / "none.csv"), (tmp_path / "none",)):
        _, err = vestige("units", "annotations", *words, status=2)
        assert f"{words[-1]}: " in err  # before what is asked for
    _, err = vestige("units", "annotations", "--import", tmp_path / "none.csv", "--check", status=2)
    assert "none.csv" in err


def test_a_file_alone_is_measured_checked_or_planned(vestige, table, tmp_path):
    out, _ = vestige("units", "annotations", "--import", table, "--check")
    assert "6 answers" in out
    out, _ = vestige("units", "annotations", "--import", table, "--dry-run", "-o", tmp_path / "people")
    assert "plan" in out
    assert not (tmp_path / "people").exists()
    out, err = vestige("units", "annotations", "--import", table, "--export", tmp_path / "same.json", "--json")
    assert out == ""
    assert "same.json" in err
    assert by_unit(read_answers(tmp_path / "same.json")) == by_unit(read_answers(table))
    out, _ = vestige("units", "annotations", "--import", table, "-o", tmp_path / "people", "--quiet")
    assert "report:" in out
