import json

import numpy as np
import pytest

from vestige.correspondence.detect.measure import METRICS as RUN_METRICS
from vestige.correspondence.detect.measure import detector_methods
from vestige.correspondence.detect.page import detect_parts, pck_tables, read_detect_run
from vestige.errors import VestigeError
from vestige.papers.learn_correspondence.exhibits import EXHIBITS
from vestige.report.blocks import Gallery
from vestige.report.page import figure_png
from vestige.results import Results, Row, described
from vestige.run import start_run

KEYPOINTS = ("bird/eye", "bird/tail", "cat/ear", "cat/nose")
KINDS = ("block4", "block7", "sift")
METHODS = ("mean", "nearest-neighbour", *(f"detect:{k}{end}" for k in KINDS for end in ("", "+prior", "+prior-cv")))


def make_run(folder, classes=("bird", "cat"), kinds=KINDS, n=20):
    """A finished detection."""
    rng = np.random.default_rng(0)
    own = np.array([classes[i % len(classes)] for i in range(n)])
    visible = np.array([[name.startswith(each) for name in KEYPOINTS] for each in own])
    boxes = np.tile([10.0, 20, 90, 70], (n, 1))
    truth = rng.uniform((15, 25), (85, 65), (n, 4, 2))
    arrays = {
        "ids": np.array([f"picture {i}" for i in range(n)]),
        "classes": own,
        "truth": truth,
        "visible": visible,
        "boxes": boxes,
        "crops": boxes,
        "normaliser": np.full(n, 80.0),
        "picture_rows": np.array([2, 5]),
        "pictures": rng.integers(0, 255, (2, 32, 32, 3), dtype=np.uint8),
    }
    methods = [m for m in METHODS if not m.startswith("detect:") or m.split(":")[1].split("+")[0] in kinds]
    rows = []
    for rank, method in enumerate(methods):
        arrays[f"prediction/{method}"] = truth + rng.normal(0, 12 - rank, truth.shape)
        arrays[f"error/{method}"] = rng.random(n)
        subsets = ["all", *classes, *(KEYPOINTS[:2] if len(classes) == 1 else ())]
        for alpha in (0.1, 0.05):
            rows += [Row(method, f"pck@{alpha:g}", s, 0.3 + rank / 50, (0.2, 0.7), n) for s in subsets]
    sweep = [Row("detect:block7+prior", "pck@0.1 - detect:sift+prior", "all", 0.1, (0.05, 0.15), n)]
    sweep.append(Row("detect:block7+prior", "p of pck@0.1 - detect:sift+prior", "all", 0.0, None, n))
    for kind in kinds:
        for subset, value in (("eta=0", 0.2), ("eta=0.1 sigma=22", 0.3), ("eta=0.3 sigma=22", 0.4)):
            sweep.append(Row(f"detect:{kind}", "train_pck@0.1", subset, value, None, n))
    mined = {"c": 1.0, "eta": 0.3, "sigma": 22.0, "detectors": 4, "stable": 3, "positives": 40, "negatives": 900}
    config = {
        "metric": "pck@0.1",
        "alphas": [0.1, 0.05],
        "chosen": "block7",
        "kinds": {kind: {**mined, "left": 17} for kind in kinds},
        "neighbours_by": {"layer": "head", "readout": "grid:4"},
        "classes": list(classes),
        "eta": 0.1,
        "sigma": 22.0,
        "size": 500,
        "reach": 1,
    }
    run = start_run(folder)
    data = {role: {"spec": f"voc:DIR,{role}", "fingerprint": role, "n": n, "skipped": 0} for role in ("train", "test")}
    run.write_config(config)
    run.write_examples(arrays)
    backbone = {"spec": "efficientnet_lite0", "layer": "block7", "readout": "cells, 3 x 3"}
    known = detector_methods(config["kinds"], config["chosen"])
    metrics, methods = described((*rows, *sweep), RUN_METRICS, known)
    results = Results("detect", config, data, backbone, {}, tuple(rows), tuple(sweep), metrics=metrics, methods=methods)
    run.write_results(results)
    return run


def texts(table):
    return [[cell.text for cell in row] for group in table.groups for row in group.rows]


def test_classes_stand_beside_the_published(tmp_path):
    run = read_detect_run(make_run(tmp_path / "run"))
    overall, by_class, published = pck_tables(run)
    assert len(texts(overall)) == len(METHODS)
    assert by_class.columns == ("Class", "SIFT", "SIFT + prior", "block7", "block7 + prior", "Nearest neighbour")
    assert [row[0] for row in texts(by_class)] == ["bird", "cat"]
    assert published.columns == ("Class", "SIFT", "SIFT+prior", "conv5", "conv5+prior")
    *by_published, mean = texts(published)
    assert by_published == [["bird", "15.3", "22.7", "29.6", "35.1"], ["cat", "12.6", "22.1", "31.5", "34.2"]]
    assert mean == ["mean of twenty classes", "15.7", "28.4", "33.3", "42.5"]
    assert "SIFT 1 of 4 (17 negatives)" in overall.note
    strong = [cell.tone == "strong" for cell in by_class.groups[0].rows[0][1:]]
    values = [float(cell) for cell in texts(by_class)[0][1:]]
    assert strong == [value == max(values) for value in values]


def test_a_single_class_has_its_keypoints(tmp_path):
    tables = pck_tables(read_detect_run(make_run(tmp_path / "run", classes=("bird",))))
    assert [row[0] for row in texts(tables[-1])] == ["bird/eye", "bird/tail"]


def test_methods_have_names_colours_and_lines_of_their_own(tmp_path):
    from vestige.report.style import DARK, LIGHT

    run = read_detect_run(make_run(tmp_path / "run"))
    assert run.label("detect:block4+prior-cv") == "block4 + prior, tuned"
    for theme in (LIGHT, DARK):
        looks = {(run.colour(method, theme), str(run.dashes(method))) for method in run.methods}
        assert len(looks) == len(run.methods)


@pytest.mark.parametrize("kinds", [KINDS, ("block7",)])
def test_the_page_says_what_was_found_and_shows_it(tmp_path, kinds):
    run = make_run(tmp_path / "run", kinds=kinds)
    (opening,), sections = detect_parts([run])
    assert "block7 of efficientnet_lite0" in opening.headline
    assert ("dense SIFT" in opening.headline) == ("sift" in kinds)
    figures = {block.name: block for section in sections for block in section.blocks if hasattr(block, "name")}
    assert set(figures) == {"pck-against-alpha", "detections"}
    gallery = figures["detections"]
    assert isinstance(gallery, Gallery)
    assert [tile.pixels.shape for tile in gallery.tiles] == [(300, 300 * (3 if "sift" in kinds else 2), 3)] * 2
    for figure in figures.values():
        assert figure_png(figure).startswith(b"\x89PNG")
    anchors = {section.anchor for section in sections}
    assert {"worth", "prior"} <= anchors


def test_table_4_and_figure_6_are_in_the_papers_layout(tmp_path):
    run = make_run(tmp_path / "run")
    exhibits = {exhibit.name: exhibit for exhibit in EXHIBITS}
    (table,) = exhibits["table 4"].blocks({"detect": run})
    published, measured = table.groups
    assert [row[0].text for row in published.rows] == ["SIFT", "SIFT+prior", "conv5", "conv5+prior"]
    assert [row[0].text for row in measured.rows] == [
        *("SIFT", "SIFT + prior", "SIFT + prior, tuned"),
        *("block4", "block4 + prior", "block4 + prior, tuned"),
        *("block7", "block7 + prior", "block7 + prior, tuned"),
        *("nearest-neighbour transfer", "mean of the class"),
    ]
    bird, boat, mean = (table.columns.index(name) for name in ("bird", "boat", "mean"))
    sift = measured.rows[0]
    value = run.results().row("detect:sift", "pck@0.1").value
    assert (sift[bird].text, sift[boat].text, sift[mean].text) == (f"{100 * value:.1f}", "–", f"{100 * value:.1f}")
    assert sift[mean].small == "2 classes; 20.0–70.0"
    (gallery,) = exhibits["figure 6"].blocks({"detect": run})
    assert gallery.name == "detections"


def test_what_folds_tried_is_told(tmp_path):
    _, sections = detect_parts([make_run(tmp_path / "run")])
    (section,) = (section for section in sections if section.anchor == "prior")
    layer, _, mining = section.blocks
    assert texts(layer) == [["eta 0.1", "30.0"], ["eta 0.3", "40.0"]]
    assert "Without the prior: 20.0" in layer.note
    assert texts(mining)[0] == ["block4", "1", "0.3", "22", "3 of 4", "40", "900", "17"]


def test_what_is_missing_is_told(tmp_path):
    run = make_run(tmp_path / "run")
    document = json.loads(run.results_path.read_text())
    del document["config"]["kinds"]
    run.results_path.write_text(json.dumps(document))
    with pytest.raises(VestigeError, match="config: lacks kinds"):
        read_detect_run(run)
    run = make_run(tmp_path / "other")
    arrays = run.examples()
    del arrays["boxes"]
    run.write_examples(arrays)
    with pytest.raises(VestigeError, match="no array 'boxes'"):
        read_detect_run(run)
