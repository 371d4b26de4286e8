import json

import numpy as np
import pytest

from vestige.correspondence.align.measure import METRICS as RUN_METRICS
from vestige.correspondence.align.measure import flow_methods
from vestige.correspondence.align.page import difference_table, pck_tables, read_align_run
from vestige.errors import VestigeError
from vestige.pages import write_figures, write_report
from vestige.report.style import LIGHT
from vestige.results import Results, Row, described
from vestige.run import start_run

METHODS = {
    "mean": 0.2,
    "nearest-neighbour": 0.4,
    "unaligned": 0.45,
    "flow:near": 0.7,
    "flow:far": 0.6,
    "flow:sift": 0.5,
}


def make_run(folder, classes=("bird", "cat"), shown=3, beside=()):
    """A finished alignment of some classes, some of whose instances have fewer neighbours than others."""
    generator = np.random.default_rng(0)
    n, k = 12, 4
    arrays = {
        "ids": np.array([f"picture {i}" for i in range(n)]),
        "classes": np.array([classes[i % len(classes)] for i in range(n)]),
        "truth": generator.uniform(5, 45, (n, k, 2)),
        "visible": generator.random((n, k)) < 0.8,
        "boxes": np.tile([0.0, 0, 80, 50], (n, 1)),
        "crops": np.tile([0.0, 0, 80, 50], (n, 1)),
        "normaliser": np.full(n, 80.0),
        "picture_rows": np.arange(shown),
        "pictures": generator.integers(0, 255, (shown, 24, 24, 3), dtype=np.uint8),
        "neighbour_rows": np.where(np.arange(5) < [[5], [5], [2]], np.arange(5), -1)[:shown],
        "neighbour_pictures": generator.integers(0, 255, (shown, 5, 24, 24, 3), dtype=np.uint8),
        "neighbour_points": generator.random((shown, 5, k, 2)),
    }
    rows, sweep = [], []
    for method, value in METHODS.items():
        arrays[f"prediction/{method}"] = arrays["truth"] + generator.normal(0, 5, (n, k, 2))
        arrays[f"error/{method}"] = generator.random(n)
        subsets = ["all", *classes, *(("bird/eye", "bird/tail") if len(classes) == 1 else ())]
        rows += [
            Row(method, f"pck@{alpha:g}", subset, value * alpha * 10, (0.01, 0.9), n)
            for alpha in (0.1, 0.05)
            for subset in subsets
        ]
    for method in ("flow:near", "flow:sift"):
        arrays[f"warped/{method}"], arrays[f"landed/{method}"] = (
            arrays["neighbour_pictures"],
            arrays["neighbour_points"],
        )
        sweep += [Row(method, "train_pck@0.1", f"beta={beta:g}", 0.5 + beta, None, 4) for beta in (0.01, 0.1)]
    sweep += [
        Row("flow:near", "pck@0.1 - nearest-neighbour", "all", 0.3, (0.2, 0.4), n),
        Row("flow:near", "p of pck@0.1 - nearest-neighbour", "all", 0.0, None, n),
        Row("flow:near", "pck@0.1 - flow:sift", "all", 0.2, (-0.1, 0.4), n),
        Row("flow:near", "p of pck@0.1 - flow:sift", "all", 0.21, None, n),
    ]
    config = {
        "metric": "pck@0.1",
        "alphas": [0.1, 0.05],
        "chosen": "flow:near",
        "beta": {"flow:near": 0.1, "flow:far": 0.01, "flow:sift": 0.1},
        "neighbours": 25,
        "first": 5,
        "queries": 4,
        "neighbours_by": {"layer": "head", "readout": "gap"},
        "classes": list(classes),
    }
    if beside:
        config["beside"] = list(beside)
    sweep += [Row("flow:sift", "pck@0.1", f"beta={beta:g}", beta, (0.0, 0.1), n) for beta in beside]
    data = {role: {"spec": f"cub:DIR,{role}", "fingerprint": role, "n": n, "skipped": 0} for role in ("train", "test")}
    run = start_run(folder)
    run.write_config(config)
    run.write_examples(arrays)
    backbone = {"spec": "efficientnet_lite0", "layer": "near, far"}
    known = flow_methods(config["beta"], config["chosen"])
    metrics, methods = described((*rows, *sweep), RUN_METRICS, known)
    results = Results("align", config, data, backbone, {}, tuple(rows), tuple(sweep), metrics=metrics, methods=methods)
    run.write_results(results)
    return run


def cells(table):
    return {row[0].text: [cell.text for cell in row[1:]] for group in table.groups for row in group.rows}


def test_published_numbers_stand_beside_the_measured(tmp_path):
    main, by_class, published = pck_tables(read_align_run(make_run(tmp_path / "run")))
    assert cells(main)["near flow"] == ["70.0", "35.0"]
    assert cells(main)["conv4 flow"] == ["24.9", "11.8"]
    assert cells(main)["NN transfer"] == ["19.9", "7.8"]
    assert len(main.groups) == 2
    assert cells(by_class)["cat"][0] == "70.0"
    assert cells(published) == {"bird": ["20.4", "19.9", "14.5"], "cat": ["19.6", "16.0", "11.1"]}


def test_flows_at_the_betas_asked_for_stand_below_those_at_the_chosen(tmp_path):
    main, *_ = pck_tables(read_align_run(make_run(tmp_path / "run", beside=(0.003,))))
    headings = [group.heading for group in main.groups]
    assert headings == ["Measured here", "Measured here, beta 0.003", "Published, on other pictures"]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in main.groups[1].rows}
    assert rows["SIFT flow"] == ["0.3", "–"]
    assert "mean of 2 classes" in main.caption
    assert {row[0].small for row in main.groups[2].rows} == {"20 classes"}


def test_a_single_class_has_a_table_of_its_keypoints(tmp_path):
    run = read_align_run(make_run(tmp_path / "run", classes=("bird",)))
    tables = pck_tables(run)
    assert list(cells(tables[-1])) == ["bird/eye", "bird/tail"]
    assert not any("by class, percent" in table.caption for table in tables)


def test_differences_come_from_the_sweep(tmp_path):
    table = difference_table(read_align_run(make_run(tmp_path / "run")), named=False)
    (rows,) = (group.rows for group in table.groups)
    assert [row[0].small for row in rows] == ["near flow − Nearest neighbour", "near flow − SIFT flow"]
    assert rows[0][1].tone == "strong"
    assert rows[1][1].tone == "quiet"


def test_no_two_methods_have_one_colour(tmp_path):
    run = read_align_run(make_run(tmp_path / "run"))
    assert len({run.colour(method, LIGHT) for method in METHODS}) == len(METHODS)


def test_page_and_figures_are_written(tmp_path):
    runs = [make_run(tmp_path / "one"), make_run(tmp_path / "two", classes=("bird",))]
    write_report(runs, tmp_path / "both.html")
    write_figures(runs[0])
    for name in ("pck-against-alpha", "betas", "warped-neighbours"):
        assert (runs[0].figures_folder / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize("lost", ["neighbour_pictures", "classes"])
def test_a_damaged_run_is_told(tmp_path, lost):
    run = make_run(tmp_path / "run")
    run.write_examples({name: array for name, array in run.examples().items() if name != lost})
    with pytest.raises(VestigeError, match=lost):
        read_align_run(run)


def test_a_run_without_its_choice_is_told(tmp_path):
    run = make_run(tmp_path / "run")
    document = json.loads(run.results_path.read_text())
    del document["config"]["chosen"]
    run.results_path.write_text(json.dumps(document))
    with pytest.raises(VestigeError, match="config: lacks chosen"):
        read_align_run(run)
