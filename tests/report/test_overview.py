"""The page over several tasks."""

import pytest

from vestige.errors import VestigeError
from vestige.report.blocks import Gallery, Link, Table
from vestige.report.overview import overview_page, write_overview
from vestige.results import Results, Row
from vestige.run import start_run


def plain_run(folder):
    run = start_run(folder)
    rows = (Row("mean", "score", "all", 0.5, (0.4, 0.6), 9), Row("ridge", "score", "all", 0.75, (0.7, 0.8), 9))
    run.write_results(Results("sounds", {"metric": "score"}, {}, {"spec": "a-network"}, {}, rows, seconds=30.0))
    return run


def test_every_run_has_its_numbers_its_pictures_and_the_way_to_its_report(reported_run, tmp_path):
    landmarks, sounds = reported_run, plain_run(tmp_path / "sounds")
    page = overview_page([landmarks, sounds], tmp_path)
    assert [section.title for section in page.sections] == ["Where are a face’s parts?", "Sounds"]
    first, second = (section.blocks for section in page.sections)
    assert any(isinstance(block, Gallery) for block in first)
    (table,) = (block for block in first if isinstance(block, Table))
    assert len(table.columns) == len(landmarks.results().methods()) + 1
    link = second[-1]
    assert isinstance(link, Link)
    assert link.address == "sounds/report.html"


def test_the_page_is_written_beside_the_runs(tmp_path):
    write_overview([plain_run(tmp_path / "sounds")], tmp_path / "report.html")
    assert 'href="sounds/report.html"' in (tmp_path / "report.html").read_text()


def test_nothing_to_tell_is_refused(tmp_path):
    with pytest.raises(VestigeError, match="no run"):
        write_overview([], tmp_path / "report.html")
