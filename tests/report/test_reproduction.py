"""Measured numbers below the published ones, as a page and a CSV have them."""

import csv
import io

import pytest

from vestige.report.published import paper
from vestige.report.reproduction import WIDEST, Measured, as_csv, beside_published, for_page
from vestige.results import Row

TABLE = paper("do-convnets-learn-correspondence").table("keypoint-prediction")


def of_classes(*classes):
    """A table whose measured row knows some columns."""

    def find(column):
        return Row("m", "pck@0.1", column.match, 0.5, (0.4, 0.625), 9) if column.match in classes else None

    rows = [Measured("ours", find, 100), Measured("tuned", find, 100, "C = 1", "Measured here, tuned")]
    return beside_published(TABLE, rows, 1, "A note.")


def test_all_columns_are_in_the_table_and_its_csv():
    table = of_classes("bird", "all")
    assert [group.heading for group in table.groups] == ["Published", "Measured here", "Measured here, tuned"]
    head, *rows = csv.reader(io.StringIO(as_csv(table)))
    assert len(head) == 2 + 21
    ours = rows[-2]
    assert ours[:2] == ["Measured here", "ours"]
    assert ours[head.index("bird")] == "50.0 (40.0–62.5)"
    assert ours[head.index("boat")] == "–"
    assert rows[-1][1] == "tuned (C = 1)"


def test_a_page_shows_the_columns_that_were_measured():
    (table,) = for_page(of_classes("bird", "all"))
    assert table.columns == ("", "bird", "mean")
    assert [cell.text for cell in table.groups[0].rows[0]] == ["SIFT", "15.3", "15.7"]
    assert "the CSV has all" in table.note


def test_many_measured_columns_are_shown_in_parts():
    matches = [column.match for column in TABLE.columns]
    parts = for_page(of_classes(*matches))
    assert [len(part.columns) for part in parts] == [1 + WIDEST] * 3
    assert [name for part in parts for name in part.columns[1:]] == [column.name for column in TABLE.columns]
    assert parts[0].caption.endswith("(1 of 3)")
    assert [bool(part.note) for part in parts] == [False, False, True]
    assert "left out" not in parts[-1].note
    assert all(len(part.groups) == 3 for part in parts)


@pytest.mark.parametrize("name", ["keypoint-transfer-alpha", "receptive-fields"])
def test_narrow_tables_are_left_alone(name):
    table = beside_published(
        paper("do-convnets-learn-correspondence").table(name), [Measured("ours", lambda _: None)], 1, "A note."
    )
    assert for_page(table) == (table,)


def test_where_nothing_was_measured_the_published_columns_stay():
    assert sum(len(part.columns) - 1 for part in for_page(of_classes())) == 21
