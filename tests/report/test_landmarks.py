"""A landmark run is read back whole or refused; its tables, charts, pictures and sentences hold its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vestige.errors import VestigeError
from vestige.geometry import to_unit
from vestige.markup import shipped_markup
from vestige.probes.landmarks.page import (
    detail,
    draw_ced,
    draw_parts,
    error_table,
    headline,
    part_order,
    published_for,
    run_differences,
    run_table,
)
from vestige.probes.landmarks.pictures import (
    PANEL,
    PART_COLOURS,
    boxed_step,
    miss,
    steps_shown,
    triplet,
    typical_pictures,
    worst_pictures,
)
from vestige.report.beside import GAP
from vestige.report.blocks import Cell, Table
from vestige.report.differences import difference_table
from vestige.report.key_numbers import key_numbers
from vestige.report.layers import draw_layers, has_layers, layer_lines, layer_order
from vestige.report.point_run import PointRun, read_point_run
from vestige.report.style import DARK, LIGHT, themed
from vestige.results import Row
from vestige.run import Run
from vestige.text import count, duration, listed, percent, percent_range, signed, size, value_range

Make = Callable[..., Run]


def test_reads_what_was_written(landmark_run: Make) -> None:
    run = landmark_run()
    read = read_point_run(run)
    arrays = run.examples()
    assert read.methods == ("mean", "rgb", "untrained", "ridge", "look-back")
    assert read.best == "look-back"
    assert read.n_points == 68
    np.testing.assert_array_equal(read.examples.errors["ridge"], arrays["error/ridge"])
    np.testing.assert_array_equal(
        read.examples.part_boxes["mouth"], arrays["part_boxes"][:, list(read.parts).index("mouth")]
    )
    difference = read.difference("look-back", "ridge")
    assert difference is not None
    assert difference.mean == pytest.approx(np.mean(arrays["error/look-back"] - arrays["error/ridge"]))


def test_without_look_back(landmark_run: Make) -> None:
    read = read_point_run(landmark_run(methods={"mean": 0.25, "ridge": 0.08}))
    assert read.best == "ridge"
    assert not read.examples.part_boxes
    assert read.difference("look-back", "ridge") is None
    assert read.find("look-back") is None


@pytest.mark.parametrize("name", ["truth", "crops", "pictures", "picture_rows", "ids", "parts"])
def test_missing_array(landmark_run: Make, name: str) -> None:
    run = landmark_run()
    run.write_examples({key: array for key, array in run.examples().items() if key != name})
    with pytest.raises(VestigeError, match=rf"examples\.npz: .*array '{name}'.*overwrite=True"):
        read_point_run(run)


@pytest.mark.parametrize("name", ["crops", "visible", "prediction/ridge", "error/mean", "part_boxes", "pictures"])
def test_wrong_shape(landmark_run: Make, name: str) -> None:
    run = landmark_run()
    arrays = run.examples()
    run.write_examples({**arrays, name: arrays[name][:-1]})
    with pytest.raises(VestigeError, match=rf"'{name}' has shape \(.*\), expected \("):
        read_point_run(run)


def test_picture_of_an_example_that_is_not_there(landmark_run: Make) -> None:
    run = landmark_run()
    arrays = run.examples()
    run.write_examples({**arrays, "picture_rows": arrays["picture_rows"] + 1000})
    with pytest.raises(VestigeError, match=r"picture_rows. .* 0 to 39"):
        read_point_run(run)


def test_markup_with_a_point_that_is_not_there(landmark_run: Make) -> None:
    run = landmark_run()
    document = json.loads(run.results_path.read_text())
    document["config"]["markup"]["parts"]["jaw"] = [0, 99]
    run.results_path.write_text(json.dumps(document))
    with pytest.raises(VestigeError, match=r"part 'jaw' .* outside 0\.\.67"):
        read_point_run(run)


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


def test_headline_gives_both_errors(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    ridge, last = run.find("ridge"), run.find("look-back")
    assert ridge is not None
    assert last is not None
    text = headline(run)
    assert "block10 of efficientnet_lite0" in text
    assert percent(ridge.value) in text
    assert f"{percent(last.value)} by looking again" in text


@pytest.mark.parametrize(("look_back", "says"), [(0.05, "and to within"), (0.078, "changes little"), (0.2, "worse")])
def test_look_back_is_judged_by_its_paired_difference(landmark_run: Make, look_back: float, says: str) -> None:
    run = landmark_run(methods={"ridge": 0.078, "look-back": look_back})
    if look_back == 0.078:  # the same predictions: no difference at all
        arrays = run.examples()
        run.write_examples({**arrays, "error/look-back": arrays["error/ridge"]})
    assert says in headline(read_point_run(run))


@pytest.mark.parametrize(
    ("untrained", "says"), [(0.3, "it is training"), (0.02, "training took away"), (None, "no difference")]
)
def test_training_is_judged_by_its_paired_difference(landmark_run: Make, untrained: float | None, says: str) -> None:
    run = landmark_run(methods={"ridge": 0.078, "untrained": untrained or 0.078})
    if untrained is None:
        arrays = run.examples()
        run.write_examples({**arrays, "error/untrained": arrays["error/ridge"]})
    assert says in detail(read_point_run(run))


def test_baselines_are_named_with_their_errors(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    text = detail(run)
    for method in ("mean", "rgb", "untrained"):
        row = run.find(method)
        assert row is not None
        assert percent(row.value) in text
    assert [number.tone for number in key_numbers(run)] == ["", "", "", "", "strong"]


def test_run_of_baselines_alone(landmark_run: Make) -> None:
    run = read_point_run(landmark_run(methods={"mean": 0.25}))
    assert headline(run).startswith("Mean shape places 68 landmarks to within")
    assert "40 test pictures" in detail(run)


def test_numbers_in_words() -> None:
    assert percent(0.0784) == "7.8\u202f%"
    assert percent_range((0.0762, 0.08)) == "7.6 to 8.0\u202f%"
    assert value_range((0.0761, 0.08)) == "0.076–0.080"
    assert value_range((-0.02, 0.01)) == "−0.020 to 0.010"
    assert value_range(None) == ""
    assert signed(-0.5, 1) == "−0.5"
    assert count(1, "face") == "1 face"
    assert count(1240, "face") == "1,240 faces"
    assert [duration(s) for s in (4.25, 59, 125, 7260)] == ["4.2 s", "59 s", "2 min 5 s", "2 h 1 min"]
    assert [size(b) for b in (12, 87808, 3.4e6, 5e12)] == [
        "12\u202fB",
        "87.8\u202fkB",
        "3.4\u202fMB",
        "5000.0\u202fGB",
    ]
    assert [listed(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_cumulative_curves(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    with themed(LIGHT):
        (ax,) = draw_ced([run], LIGHT).axes
    drawn = {line.get_color(): line for line in ax.lines if len(line.get_xdata()) > 2}
    assert len(drawn) == 5
    x, y = drawn[LIGHT.colour("blue")].get_data()
    shares = [100 * np.mean(run.examples.errors["ridge"] <= at) for at in x]
    np.testing.assert_allclose(y, shares)


def test_parts_are_in_the_markups_order_with_their_values(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    assert part_order(run) == tuple(shipped_markup("face68").parts)
    with themed(DARK):
        (ax,) = draw_parts([run], DARK).axes
    dots = next(
        line
        for line in ax.lines
        if line.get_color() == DARK.colour("orange") and len(line.get_xdata()) == len(part_order(run))
    )
    expected = [run.results.row("look-back", run.metric, part).value for part in part_order(run)]
    np.testing.assert_allclose(dots.get_xdata(), expected)
    assert [text.get_text() for text in ax.get_yticklabels()] == list(part_order(run))


def test_layers_in_the_runs_order(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    assert layer_order(run)[:2] == ("stem", "block0")
    assert layer_order(run)[-1] == "head"
    lines = layer_lines(run)
    ridge = next(line for line in lines if (line.method, line.metric) == ("ridge", run.metric))
    assert np.nanargmin(ridge.values) == layer_order(run).index("block10")
    seeds = {line.seed for line in lines if line.method == "untrained" and line.metric == run.metric}
    assert seeds == {0, 1, 2}


def test_layer_chart_shows_the_mean_of_the_seeds_and_the_chosen_layer(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    with themed(LIGHT):
        (ax,) = draw_layers([run], LIGHT).axes
    seeds = [line.values for line in layer_lines(run) if line.method == "untrained" and line.metric == run.metric]
    means = [line for line in ax.lines if line.get_marker() == "^"]
    np.testing.assert_allclose(means[0].get_ydata(), np.mean(seeds, axis=0))
    said = [text.get_text() for text in ax.texts]
    assert f"block10, chosen on training folds: {run.results.row('ridge', run.metric).value:.3f}" in said
    assert "Untrained, 3 seeds" in said


def test_several_readouts_are_lines_of_their_own(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    with themed(LIGHT):
        (ax,) = draw_layers([run], LIGHT).axes
    assert "Network + ridge" in [text.get_text() for text in ax.texts]
    pooled = tuple(Row("ridge", run.metric, "all", 0.2, None, 40, layer, "gap") for layer in ("block3", "head"))
    run = replace(run, results=replace(run.results, sweep=(*run.results.sweep, *pooled)))
    with themed(LIGHT):
        (ax,) = draw_layers([run], LIGHT).axes
    said = [text.get_text() for text in ax.texts]
    assert "Network + ridge, flat" in said
    assert "Network + ridge, gap" in said


@pytest.mark.parametrize("n", [2, 4])
def test_several_runs_are_panels_on_one_scale(landmark_run: Make, n: int) -> None:
    runs = [read_point_run(landmark_run(name=f"r{k}", seed=k)) for k in range(n)]
    for draw in (draw_ced, draw_parts, draw_layers):
        with themed(LIGHT):
            axes = draw(runs, LIGHT).axes
        assert [ax.get_title(loc="left") for ax in axes] == [run.name for run in runs]
        assert len({ax.get_ylim() for ax in axes}) == 1


def test_run_without_a_sweep(landmark_run: Make) -> None:
    assert not has_layers(read_point_run(landmark_run(swept=False)))


def test_layers_that_are_read_in_ways_of_their_own_make_one_line(landmark_run: Make) -> None:
    """The last layers of a network are vectors, the others grids: that breaks no line."""
    run = read_point_run(landmark_run())
    sweep = tuple(replace(row, readout="vector") if row.layer == "head" else row for row in run.results.sweep)
    lines = layer_lines(replace(run, results=replace(run.results, sweep=sweep)))
    assert all(np.isfinite(line.values).all() for line in lines)


def test_runs_with_parts_of_their_own(landmark_run: Make) -> None:
    """Side by side, every run keeps the names of its own parts."""
    whole = read_point_run(landmark_run(name="whole"))
    few = read_point_run(landmark_run(name="few"))
    few = replace(few, parts={"mouth": few.parts["mouth"], "nose": few.parts["nose"]})
    with themed(LIGHT):
        axes = draw_parts([whole, few], LIGHT).axes
    labels = [[text.get_text() for text in ax.get_yticklabels()] for ax in axes]
    assert labels == [list(part_order(whole)), ["mouth", "nose"]]


def test_typical_and_worst_pictures(landmark_run: Make) -> None:
    run = read_point_run(landmark_run(n_pictures=12))
    errors = run.examples.errors["look-back"][run.examples.picture_rows]
    typical = typical_pictures(run, 5)
    assert len(set(typical)) == 5
    assert np.all(np.diff(errors[typical]) >= 0)
    np.testing.assert_array_equal(worst_pictures(run, 3), np.argsort(-errors)[:3])


def blank(run: PointRun) -> PointRun:
    pictures = np.zeros_like(run.examples.pictures)
    return replace(run, examples=replace(run.examples, pictures=pictures))


def centre_of_colour(pixels: np.ndarray, colour: str) -> np.ndarray:
    """The mean position (continuous pixels) of the pixels near a colour."""
    near = np.abs(pixels.astype(float) - 255 * np.array(to_rgb(colour))).sum(axis=-1) < 60
    rows, columns = np.nonzero(near)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def test_points_are_drawn_where_they_are(landmark_run: Make) -> None:
    """In every panel the dots of a part are centred on its points, to a third of a pixel."""
    run = blank(read_point_run(landmark_run(methods={"ridge": 0.02})))
    run = replace(run, parts={"one": (30,)})
    row = int(run.examples.picture_rows[2])
    drawn = triplet(run, 2).pixels
    assert drawn.shape == (PANEL, 2 * PANEL + GAP, 3)
    for index, points in enumerate((run.examples.truth[row], run.examples.predictions["ridge"][row])):
        panel = drawn[:, index * (PANEL + GAP) :][:, :PANEL]
        expected = to_unit(points, run.examples.crops[row])[30] * PANEL
        np.testing.assert_allclose(centre_of_colour(panel, PART_COLOURS[0]), expected, atol=0.34)


def test_boxes_stand_on_the_step_before_the_last(landmark_run: Make) -> None:
    once = read_point_run(landmark_run())
    assert steps_shown(once) == ("truth", "ridge", "look-back")
    assert boxed_step(once) == "ridge"
    twice = read_point_run(landmark_run(name="twice", methods={"ridge": 0.08, "look-back": 0.06, "look-back-2": 0.05}))
    assert steps_shown(twice) == ("truth", "ridge", "look-back", "look-back-2")
    assert boxed_step(twice) == "look-back"
    without = replace(once, examples=replace(once.examples, part_boxes={}))
    boxed, plain = triplet(once, 0).pixels, triplet(without, 0).pixels
    different = np.any(boxed != plain, axis=(0, 2))
    assert different[PANEL + GAP : 2 * PANEL + GAP].any()
    assert not different[:PANEL].any()
    assert not different[2 * PANEL + GAP :].any()


def test_captions_name_the_picture_and_its_errors(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    row = int(run.examples.picture_rows[0])
    tile = triplet(run, 0)
    errors = {method: run.examples.errors[method][row] for method in ("ridge", "look-back")}
    assert tile.caption == (
        f"{run.examples.ids[row]}: ridge {errors['ridge']:.3f}, look-back {errors['look-back']:.3f}"
    )
    assert str(run.examples.ids[row]) in tile.alt
    assert f"{errors['look-back']:.3f}" in miss(run, 0).caption
