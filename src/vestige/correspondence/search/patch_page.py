"""The report on pictures put together again from their patches' neighbours (Fig. 1 of the second paper)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vestige.correspondence.search.run import (
    SearchRun,
    by,
    database_table,
    difference_cell,
    draw_lines,
    number,
    of_neighbours,
    read_search_run,
)
from vestige.intervals import Floats
from vestige.report import style
from vestige.report.blocks import Block, Cell, Chart, Gallery, KeyNumber, Opening, RowGroup, Section, Table, Tile
from vestige.report.choosing import typical
from vestige.report.style import LIGHT, PAGE_WIDTH, Theme, figure_pixels, panels, themed
from vestige.run import Run
from vestige.text import count, listed, signed

SHOWN = 8
"""Pictures on the page."""

COLUMNS = 5
"""Layers beside each other on one sheet."""

PATCH, FIELD = "#ffd43b", "#ffffff"

LEFT = 1.35
"""Columns of a sheet that the picture itself is wide."""


def patch_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_search_run(run, _needed) for run in runs]
    sections = (
        Section("Pictures put together again", "pictures", tuple(block for run in read for block in galleries(run))),
        Section("How far off", "error", tuple(block for run in read for block in error_blocks(run))),
        Section("Databases", "databases", tuple(database_table(run) for run in read)),
    )
    return tuple(map(_opening, read)), sections


def _needed(run: SearchRun) -> dict[str, str]:
    kept = np.atleast_1d(run.arrays.get("kept", ())).ravel().tolist()
    methods = [f"{method}/{layer}/{k}" for method in ("neighbours", "uniform") for layer in run.views for k in run.ks]
    errors = [
        f"{m}:{layer}/{e}@{k}"
        for m in ("neighbours", "uniform")
        for layer in run.views
        for e in ("mae", "psnr")
        for k in run.ks
    ]
    return {
        "ids": "text N",
        "groups?": "text N",
        "kept": "row:N M",
        "regions": "number N 4",
        **{f"picture/{p}": "byte _ _ 3" for p in kept},
        **{f"{method}/{p}": "byte _ _ 3" for method in methods for p in kept},
        **{f"error/{name}": "number N" for name in errors},
    }


def _opening(run: SearchRun) -> Opening:
    few, layers = run.ks[0], list(run.views)
    off = {layer: run.row("neighbours", layer, f"mae@{few}").value for layer in layers}
    control = {layer: run.row("uniform", layer, f"mae@{few}").value for layer in layers}
    closer = [layer for layer in layers if off[layer] < control[layer]]
    where = "no layer" if not closer else "every layer" if len(closer) == len(layers) else listed(closer)
    where = layers[0] if closer and len(layers) == 1 else where
    headline = (
        f"In {where}, patches of other pictures come nearer to the original than its own patches from anywhere in the "
        "receptive field."
    )
    detail = (
        f"Each patch of {count(run.results.data['test']['n'], 'picture')} is replaced by "
        f"{'its nearest neighbour' if few == 1 else f'the mean of its {few} nearest'} in the feature space of a "
        "layer. The numbers are mean absolute errors of colour values in [0, 1], and those of patches drawn uniformly "
        "from the receptive field in the picture itself."
    )
    numbers = tuple(
        KeyNumber(layer, signed(off[layer]), f"{signed(control[layer])} uniform in the field") for layer in layers
    )
    return Opening(run.name, headline, detail, numbers)


def galleries(run: SearchRun) -> tuple[Gallery, ...]:
    """A sheet for each of some pictures, at even steps of the error of the first layer."""
    layers, kept = list(run.views), run.arrays["kept"]
    errors = run.values("neighbours", layers[0], f"mae@{run.ks[0]}")
    chosen = [int(kept[i]) for i in typical(errors, kept, SHOWN)]
    parts = [layers[i : i + COLUMNS] for i in range(0, len(layers), COLUMNS)]
    rule = "" if len(chosen) == len(run.arrays["ids"]) else "Taken at even steps of the error; not picked by hand. "
    caption = (
        f"Left: the picture, with one patch (yellow) and its receptive fields (white). Right, a layer a column: every "
        f"patch replaced by its neighbours’ in other pictures; last row: by a patch drawn uniformly from its receptive "
        f"field in the picture itself, as good as it gets where a feature says nothing of where in its field it "
        f"looks. {rule}"
    ).strip()
    return tuple(
        Gallery(f"replaced-{p}" + (f"-{i}" if i else ""), (_tile(run, p, part),), caption if not (i or at) else "", 1)
        for at, p in enumerate(chosen)
        for i, part in enumerate(parts)
    )


def _tile(run: SearchRun, picture: int, layers: Sequence[str]) -> Tile:
    name = str(run.arrays["ids"][picture])
    said = ", ".join(
        f"{layer} {run.values('neighbours', layer, f'mae@{run.ks[0]}')[picture]:.3f} "
        f"({run.values('uniform', layer, f'mae@{run.ks[0]}')[picture]:.3f})"
        for layer in layers
    )
    alt = f"{name} and the same put together from neighbours’ patches in {listed(list(layers))}"
    caption = f"{name}: mean absolute error of {of_neighbours(run.ks[0])} (uniform in the field): {said}"
    return Tile(sheet(run, picture, layers), caption, alt)


def sheet(run: SearchRun, picture: int, layers: Sequence[str]) -> NDArray[np.uint8]:
    """One picture and what became of it ``(H, W, 3)``: a layer a column; a row for each k and one for the control."""
    original = run.arrays[f"picture/{picture}"]
    rows = [("neighbours", k) for k in run.ks] + [("uniform", run.ks[0])]
    label, title, gap = 0.22, 0.24, 0.05  # inches
    shape = original.shape[0] / original.shape[1]
    width = (PAGE_WIDTH - label - gap * (len(layers) + 1)) / (LEFT + len(layers))
    tall, total = width * shape, len(rows) * (width * shape + gap) + title
    with themed(LIGHT):
        figure = Figure(figsize=(PAGE_WIDTH, total), dpi=style.FIGURE_DPI)

        def place(x: float, y: float, wide: float) -> Axes:
            """Axes that begin so many inches from the left and from the top."""
            return figure.add_axes(
                (x / PAGE_WIDTH, 1 - (y + wide * shape) / total, wide / PAGE_WIDTH, wide * shape / total)
            )

        _draw_original(place(0, title, LEFT * width), run, picture, layers)
        for j, layer in enumerate(layers):
            for i, (method, k) in enumerate(rows):
                ax = place(LEFT * width + label + gap + j * (width + gap), title + i * (tall + gap), width)
                ax.imshow(run.arrays[f"{method}/{layer}/{k}/{picture}"], interpolation="lanczos", aspect="auto")
                _bare(ax)
                if i == 0:
                    ax.set_title(f"{layer}  ({_view_words(run, layer)})", fontsize=8.5, pad=4)
                if j == 0:
                    text = of_neighbours(k) if method == "neighbours" else "uniform in the field"
                    ax.set_ylabel(text, fontsize=8.5)
        return figure_pixels(figure)


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)


def _view_words(run: SearchRun, layer: str) -> str:
    view = run.views[layer]
    field = "whole picture" if view["field"] is None else by(view["field"])
    return f"patch {by(view['stride'])}, field {field}"


def _draw_original(ax: Axes, run: SearchRun, picture: int, layers: Sequence[str]) -> None:
    """The picture, one patch of the first layer in its middle, and the receptive fields of the nearest cells."""
    original = run.arrays[f"picture/{picture}"]
    height, width = original.shape[:2]
    ax.imshow(original, interpolation="lanczos", extent=(0, width, height, 0))
    x0, y0 = run.arrays["regions"][picture][:2].tolist()
    middle = np.array([y0 + height / 2, x0 + width / 2])
    stride = np.array(run.views[layers[0]]["stride"])
    patch, _ = _nearest_cell(run, layers[0], middle)
    _square(ax, patch - (y0, x0), stride, PATCH)
    for layer in layers:
        view = run.views[layer]
        if view["field"] is not None:
            _, field = _nearest_cell(run, layer, patch)
            _square(ax, field - (y0, x0), np.array(view["field"]), FIELD, layer)
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_title("the picture", fontsize=8.5, pad=4)
    ax.set_anchor("N")
    _bare(ax)


def _nearest_cell(run: SearchRun, layer: str, point: Floats) -> tuple[Floats, Floats]:
    """Of the cell that stands nearest to a point: the middle of its patch and that of its receptive field, (y, x)."""
    centre, stride = (np.array(run.views[layer][key], dtype=np.float64) for key in ("centre", "stride"))
    place = np.array(run.place(layer))
    away = stride * np.rint((point - place) / stride)
    return place + away, centre + away


def _square(ax: Axes, centre: Floats, sides: Floats, colour: str, name: str = "") -> None:
    y, x = centre - sides / 2
    for edge, width in (("#101010", 2.6), (colour, 1.3)):
        ax.add_patch(Rectangle((x, y), sides[1], sides[0], fill=False, edgecolor=edge, linewidth=width))
    if name and y >= 0:
        words = ax.text(x + sides[1] / 2, y, name, color=colour, fontsize=6.5, ha="center", va="bottom", clip_on=True)
        words.set_path_effects([effects.withStroke(linewidth=1.8, foreground="#101010")])


def error_blocks(run: SearchRun) -> tuple[Block, ...]:
    """Error and similarity by layer: a table, and a chart where there are several layers."""
    table = error_table(run)
    if len(run.views) < 2:
        return (table,)
    chart = Chart(
        f"error-by-layer-{run.name}",
        partial(draw_errors, run),
        "Mean absolute error and mean cosine similarity by layer",
        "Left: the error of pictures made of neighbours’ patches (solid), and of patches drawn uniformly from the "
        "receptive field in the picture itself (dashed). Right: how similar the neighbours are to what is asked for. "
        "Lines: 95 % bootstrap intervals over pictures, where there are several.",
    )
    return chart, table


def error_table(run: SearchRun) -> Table:
    """Every layer and k: similarity, errors, and the paired difference from the control."""
    groups = []
    for k in run.ks:
        rows = []
        for layer in run.views:
            cells = [number(run.find("neighbours", layer, f"similarity@{k}"))]
            cells += [number(run.find(m, layer, f"mae@{k}")) for m in ("neighbours", "uniform")]
            nearest, uniform = ((method, layer, f"mae@{k}") for method in ("neighbours", "uniform"))
            cells.append(difference_cell(run.difference(nearest, uniform)))
            cells += [number(run.find(m, layer, f"psnr@{k}"), 2) for m in ("neighbours", "uniform")]
            rows.append((Cell(layer), *cells))
        groups.append(RowGroup(tuple(rows), of_neighbours(k).capitalize()))
    return Table(
        caption=f"{run.name}: how near the neighbours are, and how far off the pictures made of their patches",
        columns=("Layer", "Similarity", "MAE", "MAE, uniform", "Difference", "PSNR, dB", "PSNR, uniform"),
        groups=tuple(groups),
        note="Uniform: patches of the picture itself, as many as there are neighbours, drawn from the receptive field. "
        "All layers are measured on the same part of each picture. Difference: paired, of MAE, below zero where "
        "the neighbours are nearer. Small figures: 95 % bootstrap intervals over pictures.",
    )


def draw_errors(run: SearchRun, theme: Theme) -> Figure:
    """MAE and similarity by layer, a line for each k."""
    figure, (left, right) = panels(2, 3.3, share_y=False)
    draw_lines(left, run, theme, "mae", {"neighbours": "{} nearest", "uniform": "{} uniform"})
    draw_lines(right, run, theme, "similarity", {"neighbours": "{} nearest"})
    left.set_title("mean absolute error")
    right.set_title("cosine similarity")
    return figure
