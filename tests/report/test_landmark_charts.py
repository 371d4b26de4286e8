"""The charts draw the run's numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vestige.markup import shipped_markup
from vestige.probes.landmarks.page import draw_ced, draw_parts, part_order
from vestige.report.layers import draw_layers, has_layers, layer_lines, layer_order
from vestige.report.point_run import read_point_run
from vestige.report.style import DARK, LIGHT, themed
from vestige.results import Row
from vestige.run import Run

Make = Callable[..., Run]


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
