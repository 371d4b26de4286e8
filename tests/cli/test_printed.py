"""What is printed below a table: what concerns these numbers, and of the paper only that the report says more."""

from rich.table import Table

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
