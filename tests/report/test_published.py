"""The papers' numbers are those that the papers print."""

from __future__ import annotations

import pytest

from vestige.published import PAPERS, paper


def value(name: str, table: str, row: str, column: str) -> float | None:
    found = paper(name).table(table)
    index = [entry.name for entry in found.columns].index(column)
    return next(entry for entry in found.rows if entry.label == row).values[index]


@pytest.mark.parametrize(
    ("name", "table", "row", "column", "expected"),
    [
        ("persistent-evidence", "landmarks", "Dataset Bias", "Helen", 0.501),
        ("persistent-evidence", "landmarks", "ConvNet + look-back", "IBUG", 0.074),
        ("persistent-evidence", "landmarks", "STASM", "LFPW", None),
        ("persistent-evidence", "keypoints", "ConvNet + ridge", "mean", 27.8),
        ("persistent-evidence", "segmentation", "ConvNet", "background", 79.12),
        ("do-convnets-learn-correspondence", "receptive-fields", "pool5", "rf size", 195.0),
        ("do-convnets-learn-correspondence", "keypoint-transfer", "conv4 flow", "mean", 24.9),
        ("do-convnets-learn-correspondence", "keypoint-transfer-alpha", "NN transfer", "alpha = 0.025", 2.35),
        ("do-convnets-learn-correspondence", "keypoint-classification", "SIFT, radius 160 px", "tv", 76.0),
        ("do-convnets-learn-correspondence", "keypoint-classification", "conv4", "mean", 56.0),
        ("do-convnets-learn-correspondence", "keypoint-prediction", "conv5+prior", "aero", 50.9),
        ("object-detectors-emerge", "receptive-fields", "Places-CNN actual size", "conv4", 60.0),
    ],
)
def test_numbers(name: str, table: str, row: str, column: str, expected: float | None) -> None:
    assert value(name, table, row, column) == expected


@pytest.mark.parametrize("name", PAPERS)
def test_every_row_is_as_wide_as_its_table(name: str) -> None:
    for table in paper(name).tables:
        assert all(len(row.values) == len(table.columns) for row in table.rows)
        assert all(len(row.spread) in (0, len(table.columns)) for row in table.rows)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("persistent-evidence", "keypoints"),
        ("do-convnets-learn-correspondence", "keypoint-transfer"),
        ("do-convnets-learn-correspondence", "keypoint-classification"),
        ("do-convnets-learn-correspondence", "keypoint-prediction"),
    ],
)
def test_class_means_agree_with_the_classes(name: str, table: str) -> None:
    """The printed mean is that of the printed classes: a slip in copying would show."""
    found = paper(name).table(table)
    tolerance = 0.6 if table == "keypoint-classification" else 0.06
    for row in found.rows:
        *classes, mean = [number for number in row.values if number is not None]
        assert sum(classes) / 20 == pytest.approx(mean, abs=tolerance), row.label


def test_column_is_found_in_a_spec() -> None:
    table = paper("persistent-evidence").table("landmarks")
    assert table.column_for("300w:/data/LFPW/testset") == 1
    assert table.column_for("300w:/data/ibug") == 2
    assert table.column_for("synthetic:faces,n=80") is None


def test_unknown_table() -> None:
    with pytest.raises(KeyError):
        paper("persistent-evidence").table("table 9")
