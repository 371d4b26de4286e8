"""What was tried is printed at the end, with what was chosen marked."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from vestige.cli.sweeps import sweep_table, tried
from vestige.metrics import Metric
from vestige.probes.compare.run import ranking_tables
from vestige.results import Results, Row

BACKBONE = {"spec": "net", "layer": "b", "readout": "flat"}


def results(sweep, metric="m", backbone=BACKBONE):
    row = Row("ridge", metric, "all", 0.5, None, 9)
    return Results("landmarks", {"metric": metric}, {}, backbone, {}, (row,), tuple(sweep))


def layers(method, seed=None):
    values = {("a", "flat"): (0.4, 0.5), ("b", "flat"): (0.2, 0.3), ("b", "gap"): (0.6, 0.7)}
    for (layer, readout), (folds, test) in values.items():
        row = Row(method, "m", "all", test + (seed or 0), None, 9, layer, readout, "net", seed)
        yield row
        yield replace(row, metric="oof_m", value=folds + (seed or 0))
        yield replace(row, subset="nose", value=9.0)  # of a part: not what layers are chosen by


def printed(table):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return [line.split() for line in capture.get().splitlines() if line.strip()]


def test_layers_stand_with_both_scores_and_untrained_seeds_as_their_mean():
    metric, entries = tried(results([*layers("untrained", 0), *layers("untrained", 1), *layers("ridge")]))
    assert metric == "m"
    assert [(one.method, one.layer, one.readout) for one in entries] == [
        (method, *read) for method in ("ridge", "untrained") for read in (("a", "flat"), ("b", "flat"), ("b", "gap"))
    ]
    assert [one.chosen for one in entries] == [False, True, False, False, False, False]
    assert [np.mean(one.folds) for one in entries] == pytest.approx([0.4, 0.2, 0.6, 0.9, 0.7, 1.1])
    assert [np.mean(one.test) for one in entries] == pytest.approx([0.5, 0.3, 0.7, 1.0, 0.8, 1.2])


def test_the_table_marks_the_chosen_layer():
    lines = printed(sweep_table(results([*layers("ridge")])))
    assert ["*", "ridge", "b", "flat", "0.2000", "0.3000"] in lines
    assert ["ridge", "a", "flat", "0.4000", "0.5000"] in lines
    assert sum(line[0] == "*" for line in lines) == 1


def test_what_is_made_for_the_chosen_layer_was_not_tried():
    looks = [Row(f"look-back{k}", "oof_m", "all", 0.1, None, 9, "b", "flat", "net") for k in ("", "-2")]
    known = results([*layers("ridge")])
    assert printed(sweep_table(replace(known, sweep=(*known.sweep, *looks)))) == printed(sweep_table(known))
    alone = [row for row in layers("ridge") if (row.layer, row.readout) == ("b", "flat")]
    assert sweep_table(results([*alone, *looks])) is None


def test_settings_that_were_tried_are_marked_by_method():
    sweep = [
        Row(method, "train_pck@0.1", f"beta={beta}", value, None, 9, layer=layer)
        for method, layer, values in (("flow:a", "a", (0.1, 0.4, 0.3)), ("flow:sift", None, (0.2, 0.1, 0.0)))
        for beta, value in zip((1, 2, 3), values, strict=True)
    ]
    sweep.append(Row("flow:a", "pck@0.1 - nearest", "all", 0.3, (0.2, 0.4), 9))
    metric, entries = tried(results(sweep, "pck@0.1"))
    assert metric == "pck@0.1"
    assert len(entries) == 6
    assert [(one.method, one.setting) for one in entries if one.chosen] == [
        ("flow:a", "beta=2"),
        ("flow:sift", "beta=1"),
    ]


def test_nothing_is_printed_where_there_was_nothing_to_choose():
    assert sweep_table(results([])) is None
    rows = (*layers("ridge"), *layers("untrained", 0), *layers("untrained", 1))
    assert sweep_table(results(row for row in rows if row.layer == "a" and row.subset == "all")) is None


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_a_comparison_is_ranked_by_its_test_value_with_the_folds_choice_marked(lower_is_better):
    def entry(backbone, layer, folds, test):
        row = Row(backbone, "m", "all", test, (test, test), 1, layer, "gap", backbone)
        told = {"oof_m": folds, "depth": 0.0, "ms_per_image": 1.25, "bytes_per_image": 4096.0}
        return [row, *(replace(row, metric=metric, value=value, ci95=None) for metric, value in told.items())]

    sweep = (*entry("x", "l1", 0.2, 0.5), *entry("x", "l2", 0.3, 0.1), *entry("y", "l1", 0.1, 0.3))
    mean = Row("mean", "m", "all", 0.9, None, 1)
    config = {"task": "landmarks", "metric": "m", "skipped": []}
    known = {"m": Metric("m", lower_is_better=lower_is_better)}
    found = Results("compare", config, {"test": {"n": 1}}, {}, {}, (mean,), sweep, metrics=known)
    (table,) = ranking_tables(found)
    marks = {("x", "l1"): lower_is_better, ("x", "l2"): not lower_is_better, ("y", "l1"): True}
    ranked = [
        ["x", "l2", "gap", "0.3000", "0.1000", "0.1000-0.1000", "1.2", "4.1"],
        ["y", "l1", "gap", "0.1000", "0.3000", "0.3000-0.3000", "1.2", "4.1"],
        ["x", "l1", "gap", "0.2000", "0.5000", "0.5000-0.5000", "1.2", "4.1"],
    ]
    expected = [["*", *line] if marks[line[0], line[1]] else line for line in ranked]
    assert printed(table)[-4:] == [*(expected if lower_is_better else expected[::-1]), ["mean", "0.9000"]]
