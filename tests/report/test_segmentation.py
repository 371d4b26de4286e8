"""The segmentation report: what its tables say, and that its pictures show what the arrays hold."""

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.pages import write_figures, write_report
from vestige.probes.segmentation.class_maps import VOID_COLOUR, coloured, mapped_photograph
from vestige.probes.segmentation.measure import Segmentation
from vestige.probes.segmentation.page import (
    PANEL,
    accuracy_table,
    class_table,
    difference_table,
    read_segmentation_run,
    response_top,
    segmentation_parts,
    tile,
)
from vestige.results import Results, Row, described
from vestige.run import start_run

GRID = 6
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
METHODS = ("mean", "rgb", "rgb+M", "untrained", "untrained+M", "ridge", "ridge+M", "ridge-unaugmented")


def make_run(folder, names=("sky", "cow", "car"), n=8):
    """A finished run whose classes lie in stripes, the first on top."""
    generator = np.random.default_rng(0)
    stripes = np.arange(PANEL) * len(names) // PANEL
    truth = np.repeat(np.repeat(stripes[:, None], PANEL, 1)[None], n, 0).astype(np.uint8)
    truth[:, :, 0] = 255
    cells = np.zeros((GRID, GRID, len(names)), np.float16)
    cells[np.arange(GRID), :, np.arange(GRID) * len(names) // GRID] = 0.8
    rows = []
    for k, method in enumerate(METHODS):
        for metric in ("miou", "pixel_ap"):
            rows += [Row(method, metric, name, 0.1 * k, (0.1 * k - 0.05, 0.1 * k + 0.05), n) for name in names]
            rows.append(Row(method, metric, "all", 0.1 * k, (0.1 * k - 0.05, 0.1 * k + 0.05), n))
            if method != "ridge+M":
                ends = (-0.012, 0.034) if method == "ridge" else (0.1, 0.2)
                rows.append(Row(method, f"{metric}_difference", "all", 0.011, ends, n))
        rows.append(Row(method, "pixel_accuracy", "all", 0.5, (0.4, 0.6), n))
    sweep = [Row("ridge", m, "all", 0.4, None, n, x, "flat") for x in "ab" for m in ("miou", "oof_miou")]
    run = start_run(folder)
    config = {"metric": "miou", "made_of": {"classes": list(names), "void": 255, "grid": GRID, "augment": 10}}
    arrays = {
        "ids": np.array([f"picture {i}" for i in range(n)]),
        "truth": truth,
        "classes": np.array(names),
        "colours": (np.arange(3 * len(names)).reshape(-1, 3) * 4 + 8).astype(np.uint8),
        "picture_rows": np.arange(4),
        "pictures": generator.integers(0, 255, (4, PANEL, PANEL, 3), dtype=np.uint8),
    }
    for method in METHODS:
        arrays[f"prediction/{method}"] = np.repeat(cells.reshape(1, -1), n, 0)
        arrays[f"error/{method}"] = generator.random(n)
    run.write_config(config)
    run.write_examples(arrays)
    data = {role: {"spec": f"x:DIR,{role}", "fingerprint": role, "n": n, "skipped": 0} for role in ("train", "test")}
    backbone = {"spec": "efficientnet_lite0", "layer": "a", "readout": "flat", "dim": 10}
    metrics, methods = described((*rows, *sweep), Segmentation.metrics, Segmentation.known_methods)
    results = Results(
        "segmentation", config, data, backbone, {}, tuple(rows), tuple(sweep), metrics=metrics, methods=methods
    )
    run.write_results(results)
    return run


def texts(table):
    return [[cell.text for cell in row] for group in table.groups for row in group.rows]


def test_tables_say_the_rows_in_percent(tmp_path):
    run = read_segmentation_run(make_run(tmp_path / "run"))
    assert run.best == "ridge+M"
    rows = texts(accuracy_table(run, named=False))
    assert [row[0] for row in rows][-2:] == ["Network + ridge", "Network + ridge, with M"]
    assert rows[-1][1:] == ["60.0", "60.0", "50.0"]
    assert "no crops" in " ".join(row[0] for row in rows)


def test_differences_are_bold_where_their_interval_leaves_nought_out(tmp_path):
    run = read_segmentation_run(make_run(tmp_path / "run"))
    table = difference_table(run, named=True)
    tones = {row[0].text: row[1].tone for group in table.groups for row in group.rows}
    assert tones["Network + ridge"] == "quiet"
    assert tones["Pixels (RGB)"] == "strong"
    assert "Network + ridge, with M" not in tones
    (row,) = [row for row in table.groups[0].rows if row[0].text == "Network + ridge"]
    assert (row[1].text, row[1].small) == ("1.1", "−1.2 to 3.4")


def test_published_numbers_stand_beside_the_classes_of_the_same_name(tmp_path):
    rows = texts(class_table(read_segmentation_run(make_run(tmp_path / "run")), named=False))
    published = {row[0]: row[-1] for row in rows}
    assert published == {"sky": "–", "cow": "8.6", "car": "33.8", "mean of classes": "–"}
    rows = texts(class_table(read_segmentation_run(make_run(tmp_path / "voc", VOC)), named=False))
    assert {row[0]: row[-1] for row in rows}["mean of classes"] == "20.7"
    assert rows[0][-1] == "79.1"
    table = class_table(read_segmentation_run(make_run(tmp_path / "other", ("a", "b"))), named=False)
    assert not any("Published" in column for column in table.columns)


@pytest.mark.parametrize("names", [("sky", "cow", "car"), VOC])
def test_tile_shows_labels_maps_and_responses(tmp_path, names):
    run = read_segmentation_run(make_run(tmp_path / "run", names))
    made = tile(run, 1, response_top(run))
    upper = made.pixels[:PANEL]
    labels = upper[:, PANEL + 4 : 2 * PANEL + 4]
    assert tuple(labels[PANEL // 2, 0]) == VOID_COLOUR
    np.testing.assert_array_equal(labels[2, PANEL // 2], run.colours[0])
    for k in (2, 3):  # ridge and ridge + M: the responses are the stripes themselves
        panel = upper[:, k * (PANEL + 4) : k * (PANEL + 4) + PANEL]
        np.testing.assert_array_equal(panel[2, PANEL // 2], run.colours[0])
        np.testing.assert_array_equal(panel[-2, PANEL // 2], run.colours[run.responses("ridge", 1)[-1, 0].argmax()])
    first = made.pixels[PANEL + 8 + 17 :, :40].astype(int)  # the first class's responses: bright on top, then dark
    assert first[1, 20].min() > 200
    assert first[70, 20].max() < 60
    assert made.caption.startswith("picture 1: ")


def test_page_and_figures(tmp_path):
    run = make_run(tmp_path / "run", VOC)
    openings, sections = segmentation_parts([run])
    assert "mean IoU of 60.0" in openings[0].headline
    names = [number.label for number in openings[0].numbers]  # like beside like
    assert names == [
        "Class prior of the cell",
        "Pixels (RGB), with M",
        "Untrained network, with M",
        "Network + ridge, with M",
    ]
    assert [section.anchor for section in sections] == ["accuracy", "classes", "layers", "pictures"]
    write_report([run, make_run(tmp_path / "two")], tmp_path / "page.html")
    assert "nan" not in (tmp_path / "page.html").read_text(encoding="utf-8").split()
    write_figures(run)
    assert {path.name for path in run.figures_folder.iterdir()} == {
        "metric-against-layer.png",
        "class-colours-run.png",
        "class-maps-run.png",
        "probabilities-run.png",
    }


def test_a_run_that_lacks_its_maps_says_so(tmp_path):
    run = make_run(tmp_path / "run")
    run.write_examples({name: array for name, array in run.examples().items() if name != "truth"})
    with pytest.raises(VestigeError, match=r"examples.npz: .*'truth'"):
        segmentation_parts([run])


def test_mapped_photograph_has_a_key_of_what_is_in_it():
    colours = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
    responses = np.zeros((4, 4, 3))
    responses[:, :2, 0] = responses[:, 2:, 2] = 1.0
    made = mapped_photograph(np.zeros((100, 200, 3), np.uint8), responses, ("left", "never", "right"), colours)
    assert made.shape[1] == 2 * 640 + 8
    np.testing.assert_array_equal(made[160, 648 + 10], [120, 0, 0])  # 0.6 of the colour over black
    np.testing.assert_array_equal(made[160, -10], [0, 0, 120])
    key = made[320:].reshape(-1, 3)
    assert [bool((key == colour).all(axis=1).any()) for colour in colours] == [True, False, True]


def test_labels_that_are_no_class_have_the_colour_of_void():
    colours = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    assert coloured(np.array([[0, 1, 255]]), colours)[0].tolist() == [[1, 2, 3], [4, 5, 6], list(VOID_COLOUR)]
