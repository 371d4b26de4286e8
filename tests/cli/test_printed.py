"""What is printed below a table: what concerns these numbers, and of the paper only that the report says more."""

import re

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from vestige.cli import console
from vestige.cli.console import print_results, print_tables
from vestige.results import Results, Row


def test_notes_on_these_numbers_are_printed_whole_and_departures_as_one_line(capsys):
    data = {"n": 9, "skipped": 1, "problems": ["a.png: is empty"]}
    few = "Intervals over 3 groups are too narrow."
    paper = "Metrics that the paper does not report: auc@0.08, auc@0.10."
    found = Results(
        "landmarks",
        {"metric": "m"},
        {"train": data, "test": {**data, "skipped": 0}},
        {"spec": "net", "layer": "b", "readout": "flat"},
        {"alphas": [0.1, 1.0], "at_boundary": 0.5},
        (Row("ridge", "m", "all", 0.5, None, 9),),
        notes=(few, paper),
    )
    print_results(found, "m")
    out, err = capsys.readouterr()
    assert "0.5000" in out
    said = " ".join(err.split())
    assert "left out of train: 1" in said
    assert few in said
    assert "edge of the grid" in said
    assert "auc@0.08" not in said
    assert sum("paper" in line for line in err.splitlines()) == 1


def test_a_title_is_not_broken_at_the_edge_of_a_narrow_table(capsys):
    title = "units of " + "a-long-spec-of-a-network," * 8
    table = Table(title=title)
    table.add_column("one")
    data = {"n": 9, "skipped": 0, "problems": []}
    print_tables([table], Results("landmarks", {}, {"test": data}, {}, {}, ()))
    out, _ = capsys.readouterr()
    assert out.splitlines()[0] == title


@pytest.mark.parametrize("width", [60, 100, 120, 300])
def test_no_number_is_broken_however_many_columns_a_table_has(monkeypatch, capsys, width):
    monkeypatch.setattr(console, "_out", lambda: Console(width=width, emoji=False, markup=False))
    names, layers = [f"how far {k} of a few words goes" for k in range(9)], ["fire8", "fire9"]
    table = Table(caption="in brackets: chance", box=SIMPLE_HEAD)
    for name in ("layer", "over"):
        table.add_column(name)
    for name in names:
        table.add_column(name, justify="right")
    cells = {layer: [f"{k}.{n}10 (0.010, 0.011, –)" for k in range(9)] for n, layer in enumerate(layers)}
    for layer, own in cells.items():
        table.add_row(layer, "top 50, ranks", *own)
    print_tables([table], Results("emerge", {}, {"test": {"n": 9, "skipped": 0, "problems": []}}, {}, {}, ()))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    for layer, own in cells.items():
        rows = [line for line in lines if line.strip().startswith(f"{layer}   top 50, ranks ")]
        assert re.findall(r"\d\.\d10 \(.*?\)", " ".join(rows)) == own
        assert len(rows) == {60: 9, 100: 5, 120: 3, 300: 1}[width]
    assert sum("layer" in line for line in lines) == len(rows)
    assert sum("in brackets" in line for line in lines) == 1
    said = " ".join(lines).split()
    assert all(said.count(word) >= len(names) for word in ("how", "far", "words", "goes"))
