"""The page over several tasks."""

import shutil
from dataclasses import replace

import pytest

from vestige.errors import VestigeError
from vestige.methods import PROBES, describe_methods
from vestige.metrics import Metric
from vestige.overview import overview_page, write_overview
from vestige.report.blocks import Gallery, Link, Table
from vestige.report.rivals import better_rivals, rivals_sentence
from vestige.results import Results, Row
from vestige.run import Run, start_run

LOWER = ("mae", "nme_box", "abs_rel")

VALUES = {"mean": 0.5, "ridge": 0.75}


def plain_run(folder, metric="score", values=VALUES, at_boundary=0.0):
    run = start_run(folder)
    rows = tuple(Row(method, metric, "all", value, (value - 0.1, value + 0.1), 9) for method, value in values.items())
    measured = {
        "task": "sounds",
        "config": {"metric": metric},
        "backbone": {"spec": "a-network"},
        "ridge": {"at_boundary": at_boundary},
        "metrics": {metric: Metric(metric, lower_is_better=metric in LOWER)},
        "methods": describe_methods(values, PROBES),
    }
    run.write_results(Results(**measured, data={}, rows=rows, seconds=30.0))
    return run


def test_every_run_has_its_numbers_its_pictures_and_the_way_to_its_report(reported_run, tmp_path):
    landmarks, sounds = reported_run, plain_run(tmp_path / "sounds")
    page = overview_page([landmarks, sounds], tmp_path)
    assert len(page.sections) == 2
    first, second = (section.blocks for section in page.sections)
    assert any(isinstance(block, Gallery) for block in first)
    (table,) = (block for block in first if isinstance(block, Table))
    assert len(table.columns) == len(landmarks.results().measured) + 1
    link = second[-1]
    assert isinstance(link, Link)
    assert link.address == "sounds/report.html"


def test_the_page_is_written_beside_the_runs(tmp_path):
    write_overview([plain_run(tmp_path / "sounds")], tmp_path / "report.html")
    assert 'href="sounds/report.html"' in (tmp_path / "report.html").read_text()


def test_nothing_to_tell_is_refused(tmp_path):
    with pytest.raises(VestigeError, match="no run"):
        write_overview([], tmp_path / "report.html")


@pytest.mark.parametrize(
    ("metric", "values", "expected"),
    [
        ("auc", {"ridge": 0.8, "rgb": 0.7, "untrained": 0.9}, ["untrained"]),
        ("mae", {"ridge": 0.8, "rgb": 0.7, "untrained": 0.9}, ["rgb"]),
        ("abs_rel", {"ridge": 0.1, "untrained": 0.2}, []),
        ("nme_box", {"ridge": 0.8, "look-back": 0.5, "untrained": 0.7, "rgb": 0.6}, ["untrained", "rgb"]),
        ("miou", {"ridge": 0.3, "ridge+M": 0.5, "untrained": 0.4, "untrained+M": 0.45, "rgb": 0.6}, []),
        ("miou", {"ridge": 0.6, "ridge+M": 0.5, "untrained": 0.4, "untrained+M": 0.55}, ["untrained+M"]),
        ("auc", {"flow:block7": 0.6, "untrained": 0.7}, []),
    ],
)
def test_like_is_compared_with_like(tmp_path, metric, values, expected):
    assert [row.method for row in better_rivals(plain_run(tmp_path / "run", metric, values).results())] == expected


def test_the_page_names_what_is_ahead_without_training_and_alphas_at_the_edge(tmp_path):
    behind = plain_run(tmp_path / "sounds", "mae", {"ridge": 0.3, "untrained": 0.2}, at_boundary=0.4)
    page = overview_page([behind, plain_run(tmp_path / "others")], tmp_path)
    (opening,) = page.openings
    assert "sounds" in opening.detail
    assert len(page.notes) == 1
    assert page.notes[0].startswith("sounds: 40")
    assert rivals_sentence(behind.results(), str) == (
        " Better without this training: the same network with random weights reaches 0.2."
    )


def test_what_is_ahead_stands_beside_the_number(reported_run, tmp_path):
    shutil.copytree(reported_run.folder, tmp_path / "landmarks")
    run = Run(tmp_path / "landmarks")
    results = run.results()
    better = [replace(row, value=0.01) if row.method == "untrained" else row for row in results.rows]
    run.write_results(replace(results, rows=tuple(better)))
    (opening,) = overview_page([run], tmp_path).openings
    (number,) = opening.numbers
    assert number.label.startswith("landmarks, nme_inter_ocular; ahead of it: Untrained network 1.0")


def test_runs_without_one_metric_are_told_by_their_own_numbers(tmp_path):
    run = plain_run(tmp_path / "sounds")
    run.write_results(replace(run.results(), config={}))
    page = overview_page([run], tmp_path)
    (table,) = (block for block in page.sections[0].blocks if isinstance(block, Table))
    assert "None" not in table.caption
    assert "None" not in " ".join(number.label for number in page.openings[0].numbers)
