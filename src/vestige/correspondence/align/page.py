"""The report on an alignment: carried keypoints beside the published, what flow is worth, and warped neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from vestige.distances import longer_side
from vestige.geometry import Points, to_unit
from vestige.images import Pixels
from vestige.published import PublishedTable, paper
from vestige.report.blocks import NONE, Block, Cell, Chart, Gallery, Opening, RowGroup, Section, Table, Tile
from vestige.report.cells import percent_cell, published_by_class, published_cell
from vestige.report.differences import difference_cells
from vestige.report.instance_run import InstanceRun, ReadBy
from vestige.report.key_numbers import key_numbers
from vestige.report.measured_run import check_whole
from vestige.report.pck import PckPanel, draw_pck_curves
from vestige.report.point_run import read_point_run
from vestige.report.style import (
    LIGHT,
    Theme,
    decimal_axis,
    figure_pixels,
    keypoint_mark,
    label_right,
    panels,
    themed,
    write_on_photograph,
)
from vestige.results import Row, resampled
from vestige.run import Run
from vestige.text import count, listed, percent

_ARRAYS = {
    "ids": "text N",
    "boxes": "number N 4",
    "classes": "text N",
    "picture_rows": "row:N M",
    "pictures": "number M S S 3",
    "neighbour_rows": "index M J",
    "neighbour_pictures": "number M J S S 3",
    "neighbour_points": "number M J K 2",
    "warped/*": "number M J S S 3",
    "landed/*": "number M J K 2",
}

PAPER = "do-convnets-learn-correspondence"

GAP = 5
"""Pixels between panels."""

HEAD = 22
"""Pixels of the strip above, with the columns' names."""


class _Config(TypedDict):
    alphas: list[float]
    chosen: str
    beta: dict[str, float]
    neighbours: int
    first: int
    neighbours_by: ReadBy
    classes: list[str]


@dataclass(frozen=True)
class AlignRun(InstanceRun):
    """An alignment with its results and examples."""

    @property
    def chosen(self) -> str:
        """The network's flow that is best on training instances."""
        return str(self.results.config["chosen"])

    @property
    def layer(self) -> str:
        """The layer of that flow."""
        return self.chosen.removeprefix("flow:")

    @property
    def best(self) -> str:
        """The same: what pictures and curves are about."""
        return self.chosen

    @cached_property
    def main_methods(self) -> tuple[str, ...]:
        """The chosen flow, SIFT's on its grid, and what does without flow."""
        return tuple(
            m for m in (self.chosen, "flow:sift", "unaligned", "nearest-neighbour", "mean") if m in self.methods
        )

    @cached_property
    def tried(self) -> Mapping[str, Mapping[float, float]]:
        """By flow: PCK on training instances by beta."""
        found: dict[str, dict[float, float]] = {}
        for row in self.results.sweep:
            if row.metric == f"train_{self.metric}" and row.subset.startswith("beta="):
                found.setdefault(row.method, {})[float(row.subset.removeprefix("beta="))] = row.value
        return found

    def at_beta(self, method: str, beta: float, metric: str, subset: str = "all") -> Row | None:
        """A flow's row at a beta that it was measured at beside its own; None where it was not."""
        return self.swept(method, metric, f"beta={beta:g}" if subset == "all" else f"beta={beta:g} {subset}")

    def beta(self, method: str) -> str:
        """``beta 0.003``; empty for what is no flow."""
        beta = self.results.config["beta"].get(method)
        return "" if beta is None else f"beta {beta:g}"


def read_align_run(run: Run) -> AlignRun:
    """Read an alignment's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read, arrays = read_point_run(run), run.examples()
    check_whole(run, read.results, arrays, _Config, _ARRAYS)
    return AlignRun(read.name, read.results, read.examples, read.parts, arrays)


def align_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_align_run(run) for run in runs]
    worth = tuple(table for run in read if (table := difference_table(run, named=len(read) > 1)) is not None)
    sections = [
        Section("Keypoints carried over", "pck", tuple(table for run in read for table in pck_tables(run))),
        Section("What flow is worth", "worth", worth),
        Section("Aligned neighbours", "pictures", tuple(block for run in read for block in sheets(run))),
        Section("How far off the others are", "curve", (_curve_chart(read),)),
        Section("Betas", "betas", _beta_blocks(read)),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section.blocks)


def _opening(run: AlignRun) -> Opening:
    best, copied = run.row(run.chosen), run.row("nearest-neighbour")
    config = run.results.config
    alpha = run.metric.removeprefix("pck@")
    headline = (
        f"Flow in {run.layer} of {run.results.backbone.get('spec')} carries {percent(best.value)} of the keypoints to "
        f"within {alpha} of the longer side of the box; copying the nearest neighbour’s, {percent(copied.value)}."
    )
    said = (
        f"Mean over keypoint types and classes, on {count(best.n, 'test instance')}. Each takes its keypoints from "
        f"{config['neighbours']} training instances of its class, the most similar by "
        f"{config['neighbours_by']['layer']} ({config['neighbours_by']['readout']}): the median of the "
        f"{config['first']} least deformed."
    )
    return Opening(run.name, headline, said, key_numbers(run, run.main_methods, run.chosen))


def pck_tables(run: AlignRun) -> tuple[Table, ...]:
    """Table 2: all methods at every alpha beside the published, then by class, or by keypoint of a single class."""
    metrics = [f"pck@{alpha:g}" for alpha in run.results.config["alphas"]]
    rows = tuple(
        (Cell(run.label(method), run.beta(method)), *(_measured(run, method, metric) for metric in metrics))
        for method in run.methods
    )
    classes, over = run.classes, count(len(run.classes), "class", "classes")
    groups = [RowGroup(rows, heading="Measured here")]
    groups += _given_betas(run, metrics)
    strict = paper(PAPER).table("keypoint-transfer-alpha")
    means = _published_means(strict, metrics)
    groups += [means] if means is not None else []
    tables = [
        Table(
            caption=f"{run.name}: PCK over keypoint types, mean of {over}, in percent",
            columns=("Method", *metrics),
            groups=tuple(groups),
            note="Small figures: beta, and 95 % bootstrap intervals over "
            f"{resampled(run.results.data, what='test instances')}. Flows compare cells by features divided by their "
            "length, so a beta is not the paper’s. "
            f"Published: {strict.number} of {paper(PAPER).short}, twenty classes of PASCAL VOC 2011 with AlexNet.",
        )
    ]
    if len(classes) > 1:
        tables.append(_table_of(run, f"{run.name}: {run.metric} by class, percent", "Class", classes))
    tables += (
        [table] if (table := published_by_class(PAPER, "keypoint-transfer", run.metric, classes)) is not None else []
    )
    points = [name for name in run.subsets if name not in (*classes, "all")]
    if points:
        tables.append(_table_of(run, f"{run.name}: {run.metric} by keypoint, percent", "Keypoint", points))
    return tuple(tables)


def _given_betas(run: AlignRun, metrics: Sequence[str]) -> list[RowGroup]:
    """The flows at every beta that was asked for beside what training instances chose."""
    flows = [method for method in run.methods if method in run.results.config["beta"]]
    groups = []
    for beta in run.results.config.get("beside", ()):
        rows = tuple(
            (Cell(run.label(method)), *(percent_cell(run.at_beta(method, beta, metric)) for metric in metrics))
            for method in flows
        )
        groups.append(RowGroup(rows, heading=f"Measured here, beta {beta:g}"))
    return groups


def _table_of(run: AlignRun, caption: str, what: str, subsets: Sequence[str]) -> Table:
    rows = tuple(
        (Cell(subset), *(_measured(run, method, run.metric, subset) for method in run.main_methods))
        for subset in subsets
    )
    return Table(caption, (what, *map(run.label, run.main_methods)), (RowGroup(rows),))


def _published_means(table: PublishedTable, metrics: Sequence[str]) -> RowGroup | None:
    columns = {column.match: k for k, column in enumerate(table.columns)}
    if not set(metrics) & set(columns):
        return None
    rows = tuple(
        (
            Cell(row.label, f"{table.classes} classes"),
            *(published_cell(row.values[columns[metric]]) if metric in columns else NONE for metric in metrics),
        )
        for row in table.rows
    )
    return RowGroup(rows, heading="Published, on other pictures")


def _measured(run: AlignRun, method: str, metric: str, subset: str = "all") -> Cell:
    return percent_cell(run.find(method, metric, subset), "strong" if method == run.chosen else "")


def difference_table(run: AlignRun, *, named: bool) -> Table | None:
    """Paired differences at the main alpha, from the sweep."""
    words = {
        "nearest-neighbour": "What flow adds to copying the nearest neighbour’s",
        "unaligned": "What it adds to the same median without flow",
        "flow:sift": "What the network’s features add to SIFT’s",
    }
    rows = []
    for method in run.methods:
        for other, said in words.items():
            found = run.swept_difference(method, other)
            if found is not None:
                rows.append(difference_cells(said, f"{run.label(method)} − {run.label(other)}", found))
    if not rows:
        return None
    return Table(
        caption=(f"{run.name}: d" if named else "D") + f"ifferences of {run.metric}, on the same test instances",
        columns=("", "Difference", "95 % interval", "p"),
        groups=(RowGroup(tuple(rows)),),
        note="Above zero: the first of the two is better. Paired bootstrap over "
        f"{resampled(run.results.data, what='test instances')}, two-sided.",
    )


def _curve_chart(runs: Sequence[AlignRun]) -> Chart:
    return Chart(
        "pck-against-alpha",
        partial(draw_pck_curves, [_pck_panel(run) for run in runs], to=0.3),
        "PCK against alpha for " + listed([runs[0].label(method) for method in runs[0].methods]),
        "The share of keypoints that land within alpha of the longer side of the box, mean over keypoint types and "
        "classes.",
    )


def _beta_blocks(runs: Sequence[AlignRun]) -> tuple[Block, ...]:
    tried = [run for run in runs if any(len(betas) > 1 for betas in run.tried.values())]
    if not tried:
        return ()
    tried_on = next(row.n for row in tried[0].results.sweep if row.subset.startswith("beta="))
    return (
        Chart(
            "betas",
            partial(draw_betas, tried),
            "PCK on training instances against beta",
            f"{tried[0].metric} on {tried_on} training instances, their neighbours from the others: each kind "
            "of feature takes its best beta (ringed) to the test instances, which are not looked at here.",
        ),
    )


def draw_betas(runs: Sequence[AlignRun], theme: Theme) -> Figure:
    """PCK on training instances against beta, a line for each flow."""
    figure, axes = panels(len(runs), 3.6)
    for run, ax in zip(runs, axes, strict=True):
        ax.set_xscale("log")
        lines = {method: betas for method, betas in run.tried.items() if len(betas) > 1}
        ax.set_xlim(*(_span([beta for betas in lines.values() for beta in betas])))
        ends = []
        for method, betas in lines.items():
            colour = run.colour(method, theme)
            values = [100 * value for value in betas.values()]
            ax.plot(list(betas), values, color=colour, linestyle=run.dashes(method), marker="o", markersize=4)
            best = max(betas, key=lambda beta: betas[beta])
            ax.plot([best], [100 * betas[best]], "o", markersize=10, markerfacecolor="none", markeredgecolor=colour)
            ends.append((max(betas), values[-1], run.label(method), colour))
        ax.set_ylim(0, None)
        label_right(ax, ends, gap=0.09)
        ax.set_xlabel("beta, per squared cell")
        ax.set_xticks(sorted({beta for betas in lines.values() for beta in betas}))
        ax.minorticks_off()
        decimal_axis(ax.xaxis)
        ax.grid(axis="y")
        if len(runs) > 1:
            ax.set_title(run.name, pad=14)
    axes[0].set_ylabel(f"{runs[0].metric} on training instances, %")
    return figure


def _span(betas: Sequence[float]) -> tuple[float, float]:
    return min(betas) / 1.3, max(betas) * 1.3


def _pck_panel(run: AlignRun) -> PckPanel:
    return PckPanel(run, run.methods, longer_side(run.boxes), run.class_names, run.results.config["alphas"])


def sheets(run: AlignRun) -> tuple[Gallery, ...]:
    """One sheet for every kept instance."""
    methods = [name.removeprefix("warped/") for name in run.arrays if name.startswith("warped/")]
    rows = run.examples.picture_rows
    tiles = tuple(_sheet(run, k, methods) for k in range(len(rows)))
    if not tiles:
        return ()
    shown = "; ".join(f"{run.label(method)}, its prediction on the left" for method in methods)
    caption = (
        "Left: the test instance, its box squashed to a square. Right: its nearest training instances, first as they "
        f"are, then as the flow lays them on it ({shown}), each with its keypoints, a colour and a shape each. "
        "White lines lead from a prediction to where the keypoint is. Taken at even steps of the error, from small to "
        "large; not picked by hand."
    )
    return (Gallery("warped-neighbours", tiles, caption, columns=1),)


def _sheet(run: AlignRun, k: int, methods: Sequence[str]) -> Tile:
    arrays = run.arrays
    row = int(run.examples.picture_rows[k])
    near = np.flatnonzero(arrays["neighbour_rows"][k] >= 0).tolist()
    truth = to_unit(run.examples.truth[row], run.boxes[row])
    seen = run.examples.visible[row]
    picture = arrays["pictures"][k]
    sheet = _Sheet(len(methods) + 1, len(near) + 1, picture.shape[0])
    sheet.put(0, 0, picture, np.where(seen[:, None], truth, np.nan), "ground truth")
    for j in near:
        sheet.put(0, j + 1, arrays["neighbour_pictures"][k, j], arrays["neighbour_points"][k, j])
    for i, method in enumerate(methods, start=1):
        predicted = np.where(seen[:, None], to_unit(run.examples.predictions[method][row], run.boxes[row]), np.nan)
        sheet.put(i, 0, picture, predicted, run.label(method))
        sheet.join(i, 0, truth, predicted)
        for j in near:
            sheet.put(i, j + 1, arrays[f"warped/{method}"][k, j], arrays[f"landed/{method}"][k, j])
    heads = ["test instance", *(f"neighbour {j + 1}" for j in near)]
    name = str(run.examples.ids[row])
    off = ", ".join(f"{run.label(method)} {run.examples.errors[method][row]:.3f}" for method in methods)
    alt = f"{name}, its nearest neighbours, and these warped by " + " and by ".join(map(run.label, methods))
    return Tile(sheet.drawn(heads), f"{name}: mean distance in longer sides of the box, {off}", alt)


class _Sheet:
    """Pictures side by side, with keypoints in colours and shapes of their own.

    Args:
        rows, columns: of pictures.
        side: of each in pixels.
    """

    def __init__(self, rows: int, columns: int, side: int) -> None:
        self._step = side + GAP
        self._side = side
        height, width = HEAD + rows * self._step - GAP, columns * self._step - GAP
        self._pixels = np.full((height, width, 3), 255, dtype=np.uint8)
        self._points: list[Points] = []
        self._lines: list[Points] = []
        self._words: list[tuple[float, float, str]] = []

    def put(self, row: int, column: int, picture: Pixels, points: Points, words: str = "") -> None:
        """One picture; points ``(K, 2)`` in unit coordinates, NaN where there is none; words at its lower edge."""
        left, top = self._corner(row, column)
        self._pixels[top : top + self._side, left : left + self._side] = picture
        self._points.append(points * self._side + (left, top))
        if words:
            self._words.append((left + 0.03 * self._side, top + 0.965 * self._side, words))

    def join(self, row: int, column: int, first: Points, second: Points) -> None:
        """Lines between points ``(K, 2)`` of one picture."""
        segments = np.stack([first, second], axis=1) * self._side + self._corner(row, column)
        self._lines += list(segments[np.isfinite(segments).all(axis=(1, 2))])

    def drawn(self, heads: Sequence[str]) -> Pixels:
        """The sheet as pixels, with the columns' names above."""
        height, width = self._pixels.shape[:2]
        with themed(LIGHT):
            figure = Figure(figsize=(width / 100, height / 100), dpi=100)
            ax = figure.add_axes((0, 0, 1, 1))
            ax.imshow(self._pixels, extent=(0, width, height, 0), interpolation="none")
            ax.axis("off")
            ax.add_collection(LineCollection(self._lines, colors="#ffffff", linewidths=1.1, alpha=0.9))
            self._mark(ax)
            for x, y, text in self._words:
                write_on_photograph(ax, x, y, text, 9.5)
            for column, text in enumerate(heads):
                ax.text(column * self._step, HEAD / 2, text, fontsize=9.5, va="center", ha="left")
            return figure_pixels(figure)

    def _mark(self, ax: Axes) -> None:
        """Every keypoint that is somewhere on the sheet in a colour and shape of its own."""
        points = np.stack(self._points)
        places = np.flatnonzero(np.isfinite(points).all(axis=-1).any(axis=0)).tolist()
        for place, k in enumerate(places):
            ax.plot(points[:, k, 0], points[:, k, 1], **keypoint_mark(place, len(places), 5.2))

    def _corner(self, row: int, column: int) -> tuple[int, int]:
        return column * self._step, HEAD + row * self._step
