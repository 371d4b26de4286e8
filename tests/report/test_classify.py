import json

import numpy as np
import pytest

from vestige.correspondence.classify.measure import METRICS as RUN_METRICS
from vestige.correspondence.classify.measure import classifier_methods
from vestige.correspondence.classify.page import (
    accuracy_tables,
    confusion,
    difference_table,
    peak_methods,
    peak_types,
    read_classify_run,
)
from vestige.errors import VestigeError
from vestige.pages import write_figures, write_report
from vestige.papers.learn_correspondence.exhibits import EXHIBITS
from vestige.report.page import figure_png
from vestige.results import Results, Row, described
from vestige.run import start_run

METHODS = {"majority": 0.1, "cell:near": 0.5, "cell:far": 0.6, "sift:10": 0.3, "sift:20": 0.4}
NAMES = ("eye", "tail", "ear", "nose")


def make_run(folder, classes=("bird",), n=60, sift=True, peaks=True):
    """A finished classification."""
    generator = np.random.default_rng(0)
    keypoint = generator.integers(0, 4, n)
    arrays = {
        "ids": np.array([f"picture {i}" for i in range(12)]),
        "example": np.sort(generator.integers(0, 12, n)),
        "classes": np.array([classes[i % len(classes)] for i in range(n)]),
        "keypoint": keypoint,
        "places": generator.uniform(0, 50, (n, 2)),
    }
    methods = {name: value for name, value in METHODS.items() if sift or not name.startswith("sift")}
    rows, sweep, cs = [], [], {}
    for method, value in methods.items():
        subsets = ["all", *classes, *(NAMES if len(classes) == 1 else ())]
        rows += [Row(method, "accuracy", subset, value, (0.01, 0.9), 12) for subset in subsets]
        if method == "majority":
            continue
        arrays[f"prediction/{method}"] = np.where(generator.random(n) < value, keypoint, generator.integers(0, 4, n))
        sweep += [Row(method, "cv_accuracy", f"C={c:g}", value - c, None, 50) for c in (0.001, 0.1)]
        own = [f" {name}" for name in classes]  # as `reproduce` adds them
        sweep += [Row(method, "accuracy", f"C=1e-06{name}", value / 2, (0.01, 0.9), 12) for name in ("", *own)]
        cs[method] = 0.001
        if peaks and method != "sift:10":
            arrays[f"peak/{method}"] = generator.integers(-10, 11, (20, 2)).astype(np.int8)
            sweep += [
                Row(method, "peaks_inside", "all", 0.7, (0.6, 0.8), 20),
                Row(method, "peak_distance", "all", 4.2, (3.9, 4.4), 14),
            ]
    if peaks:
        arrays["peak_marks"] = np.arange(20)
    if sift:
        sweep += [
            Row("cell:far", "accuracy - sift:20", "all", 0.2, (0.1, 0.3), 12),
            Row("cell:far", "p of accuracy - sift:20", "all", 0.0, None, 12),
        ]
    config = {
        "metric": "accuracy",
        "best": ["cell:far", *(["sift:20"] if sift else [])],
        "c": cs,
        "classes": list(classes),
        "keypoints": list(NAMES),
    }
    data = {role: {"spec": f"cub:DIR,{role}", "fingerprint": role, "n": 12, "skipped": 0} for role in ("train", "test")}
    run = start_run(folder)
    run.write_config(config)
    run.write_examples(arrays)
    backbone = {"spec": "efficientnet_lite0", "layer": "near, far", "readout": "cells"}
    metrics, methods = described((*rows, *sweep), RUN_METRICS, classifier_methods(list(config["c"])))
    results = Results(
        "classify", config, data, backbone, {}, tuple(rows), tuple(sweep), metrics=metrics, methods=methods
    )
    run.write_results(results)
    return run


def cells(table):
    return {row[0].text: [cell.text for cell in row[1:]] for group in table.groups for row in group.rows}


def test_published_numbers_stand_beside_the_measured(tmp_path):
    main, published, by_point = accuracy_tables(read_classify_run(make_run(tmp_path / "run")))
    assert cells(main)["far"] == ["60.0", "59.9", "0.001", "30.0"]
    assert cells(main)["Most frequent keypoint"] == ["10.0", "–", "–", "–"]
    assert cells(published)["conv4"] == ["49", "56"]
    assert cells(published)["SIFT, radius 40 px"] == ["37", "51"]
    assert list(cells(by_point)) == list(NAMES)


def test_several_classes_have_a_table_of_theirs(tmp_path):
    tables = accuracy_tables(read_classify_run(make_run(tmp_path / "run", classes=("bird", "cat"))))
    assert list(cells(tables[2])) == ["bird", "cat"]
    assert tables[1].columns == ("Feature", "bird", "cat", "mean of twenty classes")


def test_the_difference_is_from_the_sweep(tmp_path):
    table = difference_table(read_classify_run(make_run(tmp_path / "run")))
    (row,) = table.groups[0].rows
    assert row[0].small == "far − SIFT, radius 20 px"
    assert row[1].text == "0.2000"
    assert difference_table(read_classify_run(make_run(tmp_path / "other", sift=False))) is None


def test_confusions_are_shares_of_what_there_is(tmp_path):
    run = read_classify_run(make_run(tmp_path / "run"))
    shares, names = confusion(run, "cell:far")
    assert names == list(NAMES)
    truth, told = run.arrays["keypoint"], run.arrays["prediction/cell:far"]
    for i in range(4):
        for j in range(4):
            assert shares[i, j] == pytest.approx(np.mean(told[truth == i] == j))


def test_table_3_has_both_cs_below_the_published(tmp_path):
    run = make_run(tmp_path / "run", classes=("bird", "cat"))
    (exhibit,) = (exhibit for exhibit in EXHIBITS if exhibit.name == "table 3")
    (table,) = exhibit.blocks({"classify": run})
    assert table.columns[1] == "aero"
    bird, boat, mean = (table.columns.index(name) for name in ("bird", "boat", "mean"))
    published, at_paper_c, at_own_c, without = table.groups
    assert [group.heading for group in table.groups[1:]] == [
        "Measured here, C = 1e-06",
        "Measured here, C by cross-validation",
        "Measured here, without features",
    ]
    assert [row[0].text for row in at_paper_c.rows] == ["SIFT, radius 10 px", "SIFT, radius 20 px", "near", "far"]
    far = at_paper_c.rows[-1]
    assert (far[bird].text, far[boat].text, far[mean].text) == ("30", "–", "30")
    assert far[bird].small == "1–90"
    assert at_own_c.rows[-1][0].small == "C = 0.001"
    assert at_own_c.rows[-1][mean].text == "60"
    assert [row[0].text for row in without.rows] == ["Most frequent keypoint"]
    assert len(published.rows) == 10


def test_figures_4_and_5_are_the_runs_own(tmp_path):
    run = make_run(tmp_path / "run")
    drawn = {exhibit.name: exhibit.blocks({"classify-cats": run}) for exhibit in EXHIBITS[-3:-1]}
    assert [block.name for blocks in drawn.values() for block in blocks] == ["peaks", "accuracy-against-c"]
    assert all(figure_png(block).startswith(b"\x89PNG") for blocks in drawn.values() for block in blocks)
    without = make_run(tmp_path / "other", peaks=False)
    assert EXHIBITS[-3].blocks({"classify-cats": without}) == ()


def test_peaks_are_of_the_keypoints_that_were_seen_most(tmp_path):
    run = read_classify_run(make_run(tmp_path / "run"))
    counts = np.bincount(run.arrays["keypoint"][:20], minlength=4)
    assert counts[peak_types(run)].tolist() == sorted(counts, reverse=True)[:3]
    assert list(peak_methods(run)) == ["cell:near", "cell:far", "sift:20"]


@pytest.mark.parametrize("options", [{}, {"classes": ("bird", "cat")}, {"sift": False}, {"peaks": False}])
def test_page_and_figures_are_written(tmp_path, options):
    run = make_run(tmp_path / "run", **options)
    write_report([run], run.report_path)
    write_figures(run)
    names = {path.name for path in run.figures_folder.iterdir()}
    assert ("confusions.png" in names) == ("classes" not in options)
    assert ("peaks.png" in names) == options.get("peaks", True)


def test_damaged_runs_are_told(tmp_path):
    run = make_run(tmp_path / "run")
    arrays = run.examples()
    run.write_examples({name: array for name, array in arrays.items() if name != "keypoint"})
    with pytest.raises(VestigeError, match="no array 'keypoint'"):
        read_classify_run(run)
    document = json.loads(run.results_path.read_text())
    del document["config"]["best"]
    run.results_path.write_text(json.dumps(document))
    with pytest.raises(VestigeError, match="config: lacks best"):
        read_classify_run(run)
