"""MeasuredRow numbers below the published ones, as a page and a CSV have them."""

import csv
import io

import pytest

from vestige.papers.reproduction import (
    CSV_COLUMNS,
    WIDEST,
    Exhibit,
    MeasuredRow,
    as_csv,
    beside_published,
    for_page,
    write_reproduction,
)
from vestige.published import paper
from vestige.results import Row

TABLE = paper("do-convnets-learn-correspondence").table("keypoint-prediction")


def of_classes(*classes):
    """A table whose measured row knows some columns."""

    def find(column):
        return Row("m", "pck@0.1", column.match, 0.5, (0.4, 0.625), 9) if column.match in classes else None

    rows = [MeasuredRow("ours", find, 100), MeasuredRow("tuned", find, 100, "C = 1", "Measured here, tuned")]
    return beside_published(TABLE, rows, 1, "A note.")


def numbers(table):
    return list(csv.DictReader(io.StringIO(as_csv(table))))


def test_the_csv_has_a_line_for_every_number_with_its_parts_in_columns_of_their_own():
    table = of_classes("bird", "all")
    assert [group.heading for group in table.groups] == ["Published", "Measured here", "Measured here, tuned"]
    lines = numbers(table)
    assert tuple(lines[0]) == CSV_COLUMNS
    assert sum(line["group"] == "Published" for line in lines) == 4 * 21
    ours = [line for line in lines if line["row"] == "ours"]
    assert [line["column"] for line in ours] == ["bird", "mean"]
    assert [float(ours[0][name]) for name in ("value", "lo", "hi", "n")] == [50, 40, 62.5, 9]
    assert all("percent" in line["units"] for line in lines)
    tuned = next(line for line in lines if line["row"] == "tuned")
    assert tuned["detail"] == "C = 1"
    published = next(line for line in lines if (line["row"], line["column"]) == ("SIFT", "bird"))
    assert (published["value"], published["lo"], published["n"], published["published"]) == ("", "", "", "15.3")


def test_the_papers_number_of_the_same_method_stands_beside_the_measured_one():
    table = paper("persistent-evidence").table("landmarks")
    rows = [MeasuredRow(m, lambda _: Row("m", "nme", "all", 0.07, None, 9), method=m) for m in ("ridge", "untrained")]
    lines = [line for line in numbers(beside_published(table, rows, 3, "")) if line["value"]]
    assert [line["column"] for line in lines[:3]] == ["Helen (194 points)", "LFPW", "IBUG"]
    assert [line["published"] for line in lines] == ["0.065", "0.056", "0.096", "", "", ""]
    assert all(line["lo"] == line["hi"] == "" for line in lines)
    assert "29 points" in beside_published(table, rows, 3, "").note  # LFPW's are of another mark-up


@pytest.mark.parametrize(
    ("name", "n", "said"),
    [
        ("keypoint-prediction", 3, {"mean": "3 classes"}),
        ("keypoint-prediction", 1, {"mean": "1 class"}),
        ("keypoint-prediction", 20, {}),
        ("keypoint-transfer-alpha", 3, dict.fromkeys(("alpha = 0.1", "alpha = 0.05", "alpha = 0.025"), "3 classes")),
        ("keypoint-transfer-alpha", 20, {}),
        ("receptive-fields", 3, {}),
    ],
)
def test_a_mean_of_other_classes_than_the_papers_says_of_how_many(name, n, said):
    source = paper("do-convnets-learn-correspondence").table(name)
    table = beside_published(
        source, [MeasuredRow("ours", lambda _: Row("m", "x", "all", 1, None, 9), classes=n)], 1, ""
    )
    (row,) = table.groups[-1].rows
    assert {c: cell.small for c, cell in zip(table.columns, row, strict=True) if cell.small} == said
    assert ("20 classes" in table.note) == bool(said)


def test_a_page_shows_the_columns_that_were_measured():
    (table,) = for_page(of_classes("bird", "all"))
    assert table.columns == ("", "bird", "mean")
    assert [cell.text for cell in table.groups[0].rows[0]] == ["SIFT", "15.3", "15.7"]
    assert "CSV" in table.note


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
        paper("do-convnets-learn-correspondence").table(name), [MeasuredRow("ours", lambda _: None)], 1, "A note."
    )
    assert for_page(table) == (table,)


def test_where_nothing_was_measured_the_published_columns_stay():
    assert sum(len(part.columns) - 1 for part in for_page(of_classes())) == 21


def test_every_table_of_an_exhibit_has_a_file_however_many_there_are(tmp_path):
    exhibit = Exhibit("figure 9", "a figure", (), lambda _: (of_classes("bird"),) * 29)
    write_reproduction(paper("do-convnets-learn-correspondence"), [exhibit], {}, [], tmp_path / "report.html")
    names = {path.name for path in tmp_path.glob("*.csv")}
    assert len(names) == 29
    assert {"figure-9-a.csv", "figure-9-z.csv", "figure-9-aa.csv", "figure-9-ac.csv"} <= names
