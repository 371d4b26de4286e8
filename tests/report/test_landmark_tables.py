"""The tables hold the rows' numbers, and published ones are marked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vestige.probes.landmarks.page import error_table, published_for, run_differences, run_table
from vestige.report.blocks import Cell, Table
from vestige.report.differences import difference_table
from vestige.report.point_run import read_point_run
from vestige.run import Run

Make = Callable[..., Run]


def row(table: Table, name: str) -> tuple[Cell, ...]:
    return next(cells for group in table.groups for cells in group.rows if cells[0].text == name)


@pytest.mark.parametrize(
    ("test", "heading", "ridge"),
    [
        ("300w:data/helen/testset", "Published, on Helen (194 points)", 0.065),
        ("300w:data/LFPW", "Published, on LFPW", 0.056),
        ("300w:data/ibug", "Published, on IBUG", 0.096),
        ("synthetic:faces,n=80", "Published, on Helen (194 points)", 0.065),
    ],
)
def test_published_column_follows_the_data(landmark_run: Make, test: str, heading: str, ridge: float) -> None:
    published = published_for(read_point_run(landmark_run(test=test)))
    assert published is not None
    assert published.heading == heading
    assert published.value("ridge") == ridge
    assert published.value("untrained") is None


def test_measured_and_published_side_by_side(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    table = error_table(run, named=False)
    ridge = run.results.row("ridge", "nme_inter_ocular")
    cells = row(table, "Network + ridge")
    assert len(cells) == len(table.columns)
    assert cells[1].text == f"{ridge.value:.3f}"
    assert cells[-1] == Cell("0.065", tone="published")
    assert row(table, "ETR")[-1] == Cell("0.049", tone="published")
    assert all(cell.text == "" for cell in row(table, "ETR")[1:-1])
    failed = run.results.row("ridge", "failure@0.08")
    assert cells[4].text == f"{100 * failed.value:.1f}\u202f%"
    assert [group.heading for group in error_table(run, named=False, others=False).groups] == ["Measured here"]


def test_other_normalisation_has_nothing_published(landmark_run: Make) -> None:
    run = read_point_run(landmark_run(metric="nme_box"))
    table = error_table(run, named=True)
    assert published_for(run) is None
    assert len(table.columns) == 6
    assert table.caption.startswith("faces: error / the size of the face box")


def test_differences_are_paired(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    table = difference_table(run, named=False)
    assert table is not None
    expected = np.mean(run.examples.errors["ridge"] - run.examples.errors["untrained"])
    assert row(table, "What its training adds")[1].text == f"{expected:.4f}".replace("-", "−")
    assert difference_table(read_point_run(landmark_run(name="one", methods={"mean": 0.2})), named=False) is None


def test_runs_side_by_side(landmark_run: Make) -> None:
    first, same = read_point_run(landmark_run(name="a")), read_point_run(landmark_run(name="b", seed=1))
    other = read_point_run(landmark_run(name="c", n=30, methods={"ridge": 0.1}))
    table = run_table([first, same, other])
    assert table.columns == ("Method", "a", "b", "c")
    assert row(table, "Mean shape")[3].text == "–"
    differences = run_differences([first, same, other])
    assert differences is not None
    assert [cells[0].small for cells in differences.groups[0].rows] == ["b − a", "b − a"]
    expected = np.mean(same.examples.errors["ridge"] - first.examples.errors["ridge"])
    assert differences.groups[0].rows[0][1].text == f"{expected:.4f}".replace("-", "−")
    assert run_differences([first, other]) is None
