import numpy as np
import pytest

from vestige.pages import write_figures, write_report
from vestige.probes.engine.points import METHODS
from vestige.probes.keypoints.page import draw_class_curves, pck_curve, pck_tables
from vestige.report.point_run import read_point_run
from vestige.report.style import LIGHT
from vestige.results import Results, Row, described
from vestige.run import start_run
from vestige.scores import PCK_METRICS

NAMES = ("bird/eye", "bird/tail", "cat/ear", "cat/nose")
COLUMNS = {"bird": [0, 1], "cat": [2, 3]}


def make_run(folder, n=24, classes=("bird", "cat")):
    """A finished keypoint run of some classes; of a single one with rows for its keypoints."""
    generator = np.random.default_rng(0)
    own = np.array([classes[i % len(classes)] for i in range(n)])
    visible = np.zeros((n, 4), bool)
    for row, name in enumerate(own):
        visible[row, COLUMNS[name]] = generator.random(2) < 0.8
    boxes = np.tile([0.0, 0, 80, 50], (n, 1))
    truth = generator.uniform(5, 45, (n, 4, 2))
    arrays = {
        "ids": np.array([f"picture {i}" for i in range(n)]),
        "classes": own,
        "truth": truth,
        "visible": visible,
        "boxes": boxes,
        "crops": np.tile([-8.0, -23, 88, 73], (n, 1)),
        "normaliser": np.full(n, 80.0),
        "picture_rows": np.arange(4),
        "pictures": generator.integers(0, 255, (4, 32, 32, 3), dtype=np.uint8),
    }
    rows = []
    for method, off in {"mean": 12.0, "rgb": 9.0, "untrained": 8.0, "ridge": 4.0}.items():
        for suffix in ("@0", "@1") if method == "untrained" else ("",):
            predicted = truth + generator.normal(0, off, truth.shape)
            predicted[~np.isin(np.arange(4), [*COLUMNS["bird"]])[None] & (own == "bird")[:, None]] = np.nan
            arrays[f"prediction/{method}{suffix}"] = predicted
        arrays[f"error/{method}"] = generator.random(n)
        subsets = ["all", *classes, *(NAMES[:2] if len(classes) == 1 else ())]
        rows += [Row(method, "pck@0.1", subset, 0.5, (0.4, 0.6), n) for subset in subsets]
    sweep = [
        Row("ridge", metric, "all", 0.4, None, n, layer, "flat")
        for layer in "ab"
        for metric in ("pck@0.1", "oof_pck@0.1")
    ]
    run = start_run(folder)
    config = {
        "metric": "pck@0.1",
        "classes": {name: COLUMNS[name] for name in classes},
        "markup": {"name": "two", "points": list(NAMES), "parts": {}},
    }
    data = {role: {"spec": f"cub:DIR,{role}", "fingerprint": role, "n": n, "skipped": 0} for role in ("train", "test")}
    run.write_config(config)
    run.write_examples(arrays)
    backbone = {"spec": "efficientnet_lite0", "layer": "a", "readout": "flat", "dim": 10}
    metrics, methods = described((*rows, *sweep), PCK_METRICS, METHODS)
    results = Results(
        "keypoints", config, data, backbone, {}, tuple(rows), tuple(sweep), metrics=metrics, methods=methods
    )
    run.write_results(results)
    return run


def test_the_curve_is_that_of_plain_loops(tmp_path):
    run = make_run(tmp_path / "run")
    arrays, read = run.examples(), read_point_run(run)
    at = np.array([0.0, 0.05, 0.1, 0.3])
    found = pck_curve(read, "ridge", np.full(24, 80.0), arrays["classes"], at)
    for alpha, share in zip(at, found, strict=True):
        by_class = []
        for name, columns in COLUMNS.items():
            rates = []
            for k in columns:
                rows = [i for i in range(24) if arrays["classes"][i] == name and arrays["visible"][i, k]]
                off = [np.hypot(*(arrays["prediction/ridge"][i, k] - arrays["truth"][i, k])) for i in rows]
                rates.append(np.mean([distance <= alpha * 80 for distance in off]))
            by_class.append(np.mean(rates))
        assert share == pytest.approx(np.mean(by_class))


def test_every_class_has_a_curve_of_its_own_up_to_alpha_1(tmp_path):
    run = make_run(tmp_path / "run")
    arrays, read, sides = run.examples(), read_point_run(run), np.full(24, 80.0)
    (ax,) = draw_class_curves(read, "ridge", sides, arrays["classes"], LIGHT).axes
    drawn = [line.get_xydata() for line in ax.lines]
    assert len(drawn) == 2
    assert all((line[0, 0], line[-1, 0]) == (0, 1) for line in drawn)
    mean = 100 * pck_curve(read, "ridge", sides, arrays["classes"], drawn[0][:, 0])
    np.testing.assert_allclose((drawn[0][:, 1] + drawn[1][:, 1]) / 2, mean)


def test_seeds_make_one_curve(tmp_path):
    run = make_run(tmp_path / "run")
    arrays, read = run.examples(), read_point_run(run)
    at, sides = np.array([0.1]), np.full(24, 80.0)
    mean = pck_curve(read, "untrained", sides, arrays["classes"], at)
    both = []
    for k in range(2):
        predictions = {"untrained": read.examples.predictions[f"untrained@{k}"]}
        one = type(read)(
            read.name, read.results, type(read.examples)(**{**vars(read.examples), "predictions": predictions}), {}
        )
        both.append(pck_curve(one, "untrained", sides, arrays["classes"], at))
    assert mean == pytest.approx(np.mean(both))


def test_published_numbers_stand_beside_their_class_alone(tmp_path):
    measured, published = pck_tables(read_point_run(make_run(tmp_path / "run")))
    rows = {row[0].text: [cell.text for cell in row] for row in published.groups[0].rows}
    assert rows["bird"][published.columns.index("ConvNet + ridge")] == "22.7"
    assert rows["cat"][published.columns.index("SIFT+prior")] == "22.1"
    assert set(rows) == {"bird", "cat"}  # the published mean is over twenty classes
    assert [row[0].text for row in measured.groups[0].rows] == ["bird", "cat", "mean of classes"]
    assert measured.groups[0].rows[0][measured.columns.index("Network + ridge")].text == "50.0"


def test_a_single_class_has_a_table_of_its_keypoints(tmp_path):
    run = make_run(tmp_path / "run", classes=("bird",))
    by_class, _, by_point = pck_tables(read_point_run(run))
    assert [row[0].text for row in by_point.groups[0].rows] == list(NAMES[:2])
    assert [row[0].text for row in by_class.groups[0].rows] == ["bird", "mean of classes"]


def test_page_and_figures_are_written(tmp_path):
    runs = [make_run(tmp_path / "one"), make_run(tmp_path / "two", classes=("bird",))]
    write_report(runs, tmp_path / "both.html")
    page = (tmp_path / "both.html").read_text()
    assert "50.0" in page
    write_figures(runs[0])
    assert (runs[0].figures_folder / "pck-against-alpha.png").stat().st_size > 1000
