"""The report on what a feature's neighbours have in common: mean receptive fields (Fig. 2 of the second paper)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

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
from vestige.images import Pixels
from vestige.report import style
from vestige.report.blocks import Block, Cell, Chart, Gallery, KeyNumber, Opening, RowGroup, Section, Table, Tile
from vestige.report.style import LIGHT, PAGE_WIDTH, Theme, figure_pixels, panels, themed
from vestige.run import Run
from vestige.text import count, listed, signed

QUANTILES = (0.01, 0.99)
"""Of a mean picture's colour values: they become black and white where its contrast is expanded."""

SHOWN = 6
"""Seeds on a sheet."""

MARK = "#ffd43b"


def field_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_search_run(run, _needed) for run in runs]
    sections = (
        Section("Mean receptive fields", "fields", tuple(gallery(run, layer) for run in read for layer in run.views)),
        Section("Where they agree", "agreement", tuple(block for run in read for block in agreement(run))),
        Section("Databases", "databases", tuple(database_table(run) for run in read)),
    )
    return tuple(map(_opening, read)), sections


def expanded(mean: NDArray[np.floating]) -> Pixels:
    """A mean picture ``(h, w, 3)`` in [0, 1] with its contrast expanded, all channels alike; NaN becomes middle grey.

    Values go linearly from :data:`QUANTILES` of all to black and white; a picture of one value stays in the middle.
    """
    known = mean[np.isfinite(mean)].astype(np.float64)
    low, high = np.quantile(known, QUANTILES) if len(known) else (0.0, 0.0)
    scaled = (mean.astype(np.float64) - low) / (high - low) if high > low else np.full(mean.shape, 0.5)
    return np.rint(255 * np.clip(np.nan_to_num(scaled, nan=0.5), 0, 1)).astype(np.uint8)


def _needed(run: SearchRun) -> dict[str, str]:
    layers = list(run.views)
    errors = [
        f"error/{m}:{layer}/{e}@{k}"
        for m in ("neighbours", "random")
        for layer in layers
        for e in ("middle", "around")
        for k in run.ks
    ]
    means = [f"mean/{layer}/{k}" for layer in layers for k in run.ks]
    return {
        "ids": "text P",
        "groups?": "text N",
        "seed_pictures": "row:P N",
        **{f"field/{layer}": "byte N _ _ 3" for layer in layers},
        **dict.fromkeys(means, "number N _ _ 3"),
        **dict.fromkeys(errors, "number N"),
    }


def _measured_k(run: SearchRun) -> int | None:
    """The least k that has a deviation; None where all is over single neighbours."""
    return next((k for k in run.ks if k > 1), None)


def _deviations(run: SearchRun, method: str, k: int) -> dict[str, tuple[float, float]]:
    """By layer: in the middle and around it."""
    found = {}
    for layer in run.views:
        middle, around = (run.find(method, layer, f"{where}@{k}") for where in ("middle", "around"))
        if middle is not None and around is not None:
            found[layer] = middle.value, around.value
    return found


def _gap(deviations: tuple[float, float]) -> float:
    middle, around = deviations
    return around - middle


def _opening(run: SearchRun) -> Opening:
    k, layers = _measured_k(run), list(run.views)
    seeds = len(run.arrays["seed_pictures"])
    if k is None:
        return Opening(run.name, f"The nearest neighbours of {count(seeds, 'feature')} and what they look at.", "")
    known, by_chance = _deviations(run, "neighbours", k), _deviations(run, "random", k)
    centred = [layer for layer, each in known.items() if _gap(each) > max(0.0, _gap(by_chance.get(layer, (0.0, 0.0))))]
    where = listed(centred) if len(centred) < len(known) else f"{'every layer' if len(known) > 1 else layers[0]}"
    headline = (
        f"In {where}, features that are alike look at what is alike in the middle of their receptive fields, more than "
        "around it, and more so than random ones."
        if centred
        else "Features that are alike look at nothing that is more alike in the middle of their receptive fields."
    )
    detail = (
        f"The {k:,} nearest neighbours of each of {count(seeds, 'feature')} in other pictures: the standard "
        "deviation of their colour values in [0, 1], in the patch in the middle of the field and around it."
    )
    numbers = tuple(
        KeyNumber(layer, signed(middle), f"{signed(around)} around it") for layer, (middle, around) in known.items()
    )
    return Opening(run.name, headline, detail, numbers)


def gallery(run: SearchRun, layer: str) -> Gallery:
    """One layer's sheet: a seed a column, its own field above, the means of its neighbours' below."""
    view = run.views[layer]
    seeds = len(run.arrays["seed_pictures"])
    shown = f"The first {SHOWN} of {seeds} seeds. " if seeds > SHOWN else ""
    caption = (
        f"{layer}: fields of {by(view['field'])} pixels. Above, the field of a feature, with the patch in the middle "
        f"(yellow, {by(view['stride'])}); below, the mean of the fields of its nearest neighbours in other pictures, "
        f"contrast expanded. {shown}"
    ).strip()
    names = [str(run.arrays["ids"][p]) for p in run.arrays["seed_pictures"][:SHOWN]]
    similarity = ", ".join(f"{run.row('neighbours', layer, f'similarity@{k}').value:.2f} ({k:,})" for k in run.ks)
    tile = Tile(
        sheet(run, layer),
        f"Seeds in {listed(names)}. Mean similarity of the neighbours: {similarity}",
        f"Receptive fields of features of {layer}, and the means of their neighbours’",
    )
    return Gallery(f"fields-{layer}", (tile,), caption, 1)


def sheet(run: SearchRun, layer: str) -> Pixels:
    """One layer ``(H, W, 3)``: a seed a column; the seed's field and a row for each k."""
    fields = run.arrays[f"field/{layer}"][:SHOWN]
    columns = max(len(fields), 4)
    label, gap = 0.22, 0.06  # inches
    width = (PAGE_WIDTH - label - gap * columns) / columns
    tall = width * fields.shape[1] / fields.shape[2]
    total = (1 + len(run.ks)) * (tall + gap)
    with themed(LIGHT):
        figure = Figure(figsize=(PAGE_WIDTH, total), dpi=style.FIGURE_DPI)
        for row, (name, pictures) in enumerate(_rows(run, layer, fields)):
            for column, pixels in enumerate(pictures):
                x, y = label + gap + column * (width + gap), row * (tall + gap)
                ax = figure.add_axes((x / PAGE_WIDTH, 1 - (y + tall) / total, width / PAGE_WIDTH, tall / total))
                ax.imshow(pixels, interpolation="lanczos", aspect="auto", extent=(0, *pixels.shape[1::-1], 0))
                ax.set(xticks=[], yticks=[])
                for side in ax.spines.values():
                    side.set_visible(False)
                if column == 0:
                    ax.set_ylabel(name, fontsize=8.5)
                if row == 0:
                    _mark(ax, run, layer)
        return figure_pixels(figure)


def _rows(run: SearchRun, layer: str, fields: NDArray[np.uint8]) -> list[tuple[str, list[Pixels]]]:
    means = [(of_neighbours(k), [expanded(m) for m in run.arrays[f"mean/{layer}/{k}"][: len(fields)]]) for k in run.ks]
    return [("the feature", list(fields)), *means]


def _mark(ax: Axes, run: SearchRun, layer: str) -> None:
    """The patch that a field's cell stands for."""
    view = run.views[layer]
    field, patch = np.array(view["field"]), np.array(view["stride"])
    y, x = (field - patch) / 2 + np.array(run.place(layer)) - view["centre"]
    for edge, width in (("#101010", 2.2), (MARK, 1.1)):
        ax.add_patch(Rectangle((x, y), patch[1], patch[0], fill=False, edgecolor=edge, linewidth=width))


def agreement(run: SearchRun) -> tuple[Block, ...]:
    """How far neighbours agree in the middle of their fields and around it: a table, and a chart of several layers."""
    ks = [k for k in run.ks if k > 1]
    if not ks:
        return ()
    table = agreement_table(run, ks)
    if len(run.views) < 2:
        return (table,)
    chart = Chart(
        f"agreement-{run.name}",
        partial(draw_agreement, run, ks),
        "Standard deviation over neighbours’ fields by layer, in the middle and around it",
        "Solid: nearest neighbours; dashed: as many cells drawn at random from the same database. The lower, the more "
        "the fields are alike. Lines: 95 % bootstrap intervals over seeds.",
    )
    return chart, table


def agreement_table(run: SearchRun, ks: Sequence[int]) -> Table:
    """Every layer and k: deviation in the middle and around it, neighbours and random cells."""
    groups = []
    for k in ks:
        rows = []
        for layer in run.views:
            cells = [number(run.find("neighbours", layer, f"similarity@{k}"))]
            for method in ("neighbours", "random"):
                cells += [number(run.find(method, layer, f"{metric}@{k}")) for metric in ("middle", "around")]
            cells.append(_difference(run, layer, k))
            rows.append((Cell(layer), *cells))
        groups.append(RowGroup(tuple(rows), of_neighbours(k).capitalize()))
    return Table(
        caption=f"{run.name}: standard deviation of colour values over the fields of k cells",
        columns=("Layer", "Similarity", "Middle", "Around", "Middle, random", "Around, random", "Middle − around"),
        groups=tuple(groups),
        note="Random: as many cells drawn from the same database. Middle − around: of the neighbours, paired; below "
        "zero where they are more alike in the middle. Small figures: 95 % bootstrap intervals over seeds.",
    )


def _difference(run: SearchRun, layer: str, k: int) -> Cell:
    middle, around = (("neighbours", layer, f"{metric}@{k}") for metric in ("middle", "around"))
    return difference_cell(run.difference(middle, around))


def draw_agreement(run: SearchRun, ks: Sequence[int], theme: Theme) -> Figure:
    """Deviation in the middle and around it by layer."""
    figure, axes = panels(2, 3.3)
    for ax, metric, title in zip(axes, ("middle", "around"), ("in the middle", "around it"), strict=True):
        draw_lines(ax, run, theme, metric, {"neighbours": "{} nearest", "random": "{} random"}, ks)
        ax.set_title(title)
    axes[0].set_ylabel("standard deviation")
    return figure
