"""The report on a keypoint classification: Table 3 beside the published, Fig. 5, what is taken for what, and Fig. 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from msgspec import Meta
from numpy.typing import NDArray

from vestige.arrays import Arrays, check_arrays
from vestige.correspondence.classify.task import PAPER_C, REACH
from vestige.intervals import Difference, Floats
from vestige.published import paper
from vestige.report.blocks import NONE, Block, Cell, Chart, Opening, RowGroup, Section, Table
from vestige.report.cells import percent_cell, published_cell
from vestige.report.differences import difference_cells
from vestige.report.key_numbers import key_numbers
from vestige.report.measured_run import MeasuredRun, check_whole
from vestige.report.style import PAGE_WIDTH, Theme, label_right, panels
from vestige.results import Row, mend
from vestige.run import Run
from vestige.text import count, percent, percent_range, value_range

_ARRAYS = {
    "keypoint": "index M",
    "example": "index M",
    "classes": "text _",
    "prediction/*": "number M",
    "peak_marks?": "row:M P",
    "peak/*": "index P 2",
}

PAPER = "do-convnets-learn-correspondence"

SHOWN_TYPES = 3

SHOWN_METHODS = 6

MOST_CONFUSED = 24
"""Keypoint types up to which confusions can be read."""


class _Config(TypedDict):
    best: Annotated[list[str], Meta(min_length=1, max_length=2)]
    c: dict[str, float]
    classes: list[str]
    keypoints: list[str]


@dataclass(frozen=True)
class ClassifyRun(MeasuredRun):
    """A classification with its results and examples.

    Attributes:
        arrays: ``examples.npz``.
    """

    arrays: Arrays

    @property
    def layers(self) -> tuple[str, ...]:
        """The network's methods."""
        return tuple(method for method in self.methods if method.startswith("cell:"))

    @property
    def sifts(self) -> tuple[str, ...]:
        """SIFT's methods."""
        return tuple(method for method in self.methods if method.startswith("sift:"))

    @property
    def best_layer(self) -> str:
        """The network's method that is best by cross-validation."""
        return str(self.results.config["best"][0])

    @property
    def best_sift(self) -> str | None:
        """SIFT's; None where there is none."""
        best = self.results.config["best"]
        return str(best[1]) if len(best) > 1 else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(self.results.config["classes"])

    @property
    def keypoints(self) -> tuple[str, ...]:
        """The names of the markup's points."""
        return tuple(self.results.config["keypoints"])

    @property
    def tried(self) -> Mapping[str, Mapping[float, float]]:
        """By method: accuracy by cross-validation by C."""
        found: dict[str, dict[float, float]] = {}
        for row in self.results.sweep:
            if row.metric == "cv_accuracy" and row.subset.startswith("C="):
                found.setdefault(row.method, {})[float(row.subset.removeprefix("C="))] = row.value
        return found

    def peak_row(self, method: str, metric: str) -> Row | None:
        """``peaks_inside`` or ``peak_distance`` of a method; None where it has no such peaks."""
        rows = (row for row in self.results.sweep if (row.method, row.metric) == (method, metric))
        return next(rows, None)

    @property
    def peaks(self) -> Mapping[str, NDArray[np.int8]]:
        """By method ``(m, 2)``: the offsets of the highest responses; empty where there was no search."""
        return {name.removeprefix("peak/"): array for name, array in self.arrays.items() if name.startswith("peak/")}

    @property
    def difference_from_sift(self) -> Difference | None:
        """The paired difference of the network's best and SIFT's best; None where there is no SIFT."""
        return None if self.best_sift is None else self.swept_difference(self.best_layer, self.best_sift)


def read_classify_run(run: Run) -> ClassifyRun:
    """Read a classification's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read = ClassifyRun(run.name, run.results(), run.examples())
    check_whole(run, read.results, read.arrays, _Config, _ARRAYS)
    check_arrays(run.examples_path, read.arrays, {f"prediction/{read.best_layer}": "index _"}, mend=mend())
    return read


def classify_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_classify_run(run) for run in runs]
    sections = [
        Section("Keypoints named", "accuracy", tuple(table for run in read for table in accuracy_tables(run))),
        Section("The network against SIFT", "worth", tuple(t for run in read if (t := difference_table(run)))),
        Section("The SVMs’ C", "c", tuple(chart for run in read if (chart := c_chart(run)))),
        Section("Confusions", "confusions", tuple(c for run in read if (c := _confusion_chart(run)))),
        Section("Where the responses are highest", "peaks", tuple(b for run in read for b in _peak_blocks(run))),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section.blocks)


def _opening(run: ClassifyRun) -> Opening:
    best = run.results.row(run.best_layer, run.metric)
    sift = run.results.row(run.best_sift, run.metric) if run.best_sift else None
    shown = [method for method in (run.best_layer, run.best_sift, "majority") if method is not None]
    against = f"; from {run.label(sift.method)}, {percent(sift.value)}" if sift else ""
    headline = (
        f"A linear classifier names {percent(best.value)} of the keypoints from {run.label(best.method)} of "
        f"{run.results.backbone.get('spec')}{against}."
    )
    said = (
        f"Accuracy over keypoint instances, mean of classes, on {count(best.n, 'test example')}: one-vs-all "
        "linear SVMs within each class, on the cell that is centred nearest to a keypoint. Layer, radius and C "
        "were chosen by cross-validation on training pictures."
    )
    return Opening(run.name, headline, said, key_numbers(run, shown, run.best_layer))


def accuracy_tables(run: ClassifyRun) -> tuple[Table, ...]:
    """Table 3: every method, beside the published; by class where there are several, by keypoint of a single one."""
    groups = [
        RowGroup(tuple(_cells(run, method) for method in methods), heading=heading)
        for heading, methods in (
            ("Network", run.layers),
            ("SIFT", run.sifts),
            ("Without features", tuple(m for m in run.methods if m not in (*run.layers, *run.sifts))),
        )
        if methods
    ]
    tables = [
        Table(
            caption=f"{run.name}: accuracy over keypoint instances, mean of classes, in percent",
            columns=("Feature", "Test", "Cross-validation", "C", "Test at C = 1e-6"),
            groups=tuple(groups),
            note="Small figures: 95 % bootstrap intervals over test examples. C = 1e-6 is the paper’s, for raw "
            "activations of another network; the scale of the features decides what it means.",
        ),
        published_table(run),
    ]
    subsets = list(dict.fromkeys(row.subset for row in run.results.rows if row.subset != "all"))
    if len(run.classes) > 1:
        tables.append(_by_subset(run, "class", [name for name in subsets if name in run.classes]))
    points = [name for name in subsets if name not in run.classes]
    if points:
        tables.append(_by_subset(run, "keypoint", points))
    return tuple(tables)


def _cells(run: ClassifyRun, method: str) -> tuple[Cell, ...]:
    row, paper_c = run.results.row(method, run.metric), run.swept(method, run.metric, "C=1e-06")
    tried, c = run.tried.get(method, {}), run.results.config["c"].get(method)
    strong = "strong" if method in run.results.config["best"] else ""
    return (
        Cell(run.label(method)),
        percent_cell(row, strong),
        Cell(f"{100 * tried[c]:.1f}") if c in tried else NONE,
        NONE if c is None else Cell(f"{c:g}"),
        NONE if paper_c is None else Cell(f"{100 * paper_c.value:.1f}"),
    )


def published_table(run: ClassifyRun) -> Table:
    """The paper's Table 3: the mean, and the run's classes that it has."""
    source = paper(PAPER)
    table = source.table("keypoint-classification")
    columns = {column.match: k for k, column in enumerate(table.columns)}
    known = [name for name in run.classes if name in columns][:8]
    shown = [*known, "all"]
    rows = tuple(
        (Cell(row.label), *(published_cell(row.values[columns[name]], 0) for name in shown)) for row in table.rows
    )
    return Table(
        caption=f"Published: {table.number} of {source.short}, accuracy in percent",
        columns=("Feature", *("mean of twenty classes" if name == "all" else name for name in shown)),
        groups=(RowGroup(rows),),
        note="Measured by others on PASCAL VOC 2011; it was not measured here.",
    )


def _by_subset(run: ClassifyRun, what: str, subsets: Sequence[str]) -> Table:
    methods = [*run.layers, *run.sifts] if what == "class" else list(run.results.config["best"])
    rows = []
    for subset in subsets:
        found = [run.find(method, subset=subset) for method in methods]
        best = max((row.value for row in found if row), default=0.0)
        cells = [percent_cell(row, "strong" if row and row.value == best else "", interval_digits=0) for row in found]
        rows.append((Cell(subset), *cells))
    return Table(
        caption=f"{run.name}: accuracy by {what}, percent",
        columns=(what.capitalize(), *map(run.label, methods)),
        groups=(RowGroup(tuple(rows)),),
        note="The best of each row stands out.",
    )


def difference_table(run: ClassifyRun) -> Table | None:
    """The paired difference of the network's best layer and SIFT's best radius."""
    found = run.difference_from_sift
    if found is None or run.best_sift is None:
        return None
    words = f"{run.label(run.best_layer)} − {run.label(run.best_sift)}"
    return Table(
        caption=f"{run.name}: the difference of accuracy on the same test keypoints",
        columns=("", "Difference", "95 % interval", "p"),
        groups=(RowGroup((difference_cells("What the network’s features add", words, found),)),),
        note="Above zero: the network is better. Paired bootstrap over test examples, two-sided.",
    )


def c_chart(run: ClassifyRun) -> Chart | None:
    """Fig. 5; None where a single C was given."""
    if not run.tried:
        return None
    return Chart(
        "accuracy-against-c",
        partial(draw_cs, run),
        "Accuracy by cross-validation against C",
        "Accuracy by five-fold cross-validation on training pictures against the SVMs’ C (Fig. 5); the chosen one is "
        "ringed, the dashed line is the paper’s C.",
    )


def _confusion_chart(run: ClassifyRun) -> Chart | None:
    if not confused(run):
        return None
    return Chart(
        "confusions",
        partial(draw_confusions, run),
        "What each keypoint is taken for",
        "Rows: what a test keypoint is; columns: what it is taken for; the darker, the larger its share of the row. "
        "Features chosen by cross-validation.",
    )


def peak_chart(run: ClassifyRun, types: Sequence[int] = ()) -> Chart | None:
    """Fig. 4, of some keypoints, or of those that were seen most; None where there are no peaks."""
    shown = tuple(types) or tuple(peak_types(run).tolist())
    if not run.peaks or not shown:
        return None
    which = "" if types else " The keypoints that were seen most."
    return Chart(
        "peaks",
        partial(draw_peaks, run, shown),
        "Where responses are highest about a keypoint",
        "Places of the highest response of a keypoint’s own classifier within 21 x 21 pixels of it, computed at every "
        "pixel (Fig. 4); those on the border are left out, below each panel how many of all remain. Cross: the "
        f"keypoint.{which}",
    )


def _peak_blocks(run: ClassifyRun) -> tuple[Block, ...]:
    chart = peak_chart(run)
    if chart is None:
        return ()
    rows = tuple(_peak_cells(run, method) for method in run.peaks)
    table = Table(
        caption=f"{run.name}: peaks about all keypoints",
        columns=("Feature", "Keypoints", "Not on the border", "Mean distance in pixels"),
        groups=(RowGroup(rows),),
        note=f"{_peaks_at(run)} Peaks at random places would be off the border in 82 %, and those 7.3 pixels from the "
        "keypoint in the mean. Small figures: 95 % bootstrap intervals over test examples.",
    )
    return chart, table


def _peaks_at(run: ClassifyRun) -> str:
    """The C of the classifiers whose responses were looked at."""
    c = run.results.config.get("localise_c")
    return "Classifiers at the C of each feature by folds." if c is None else f"Classifiers at C = {c:g}."


def _peak_cells(run: ClassifyRun, method: str) -> tuple[Cell, ...]:
    share, distance = (run.peak_row(method, metric) for metric in ("peaks_inside", "peak_distance"))
    inside = NONE if share is None else Cell(percent(share.value), percent_range(share.ci95) if share.ci95 else "")
    away = NONE if distance is None else Cell(f"{distance.value:.1f}", value_range(distance.ci95, 1))
    return Cell(run.label(method)), Cell(f"{len(run.peaks[method]):,}"), inside, away


def draw_cs(run: ClassifyRun, theme: Theme) -> Figure:
    """Accuracy by cross-validation against C: the network's layers left, SIFT's radii right."""
    kinds = [kind for kind in (run.layers, run.sifts) if kind]
    figure, axes = panels(len(kinds), 3.9)
    for methods, ax in zip(kinds, axes, strict=True):
        cs = sorted({c for method in methods for c in run.tried[method]})
        ax.set_xscale("log")
        ax.set_xlim(cs[0] / 2, cs[-1] * 2)
        ax.set_ylim(0, 100 * max(max(max(tried.values()) for tried in run.tried.values()) * 1.08, 0.01))
        ends = []
        for method in methods:
            tried, colour = run.tried[method], run.colour(method, theme)
            ax.plot(cs, [100 * tried[c] for c in cs], color=colour, marker="o", markersize=3)
            best = run.results.config["c"][method]
            ax.plot([best], [100 * tried[best]], "o", markersize=9, markerfacecolor="none", markeredgecolor=colour)
            ends.append((cs[-1], 100 * tried[cs[-1]], run.label(method).removeprefix("SIFT, radius "), colour))
        ax.axvline(PAPER_C, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)))
        label_right(ax, ends, gap=0.065)
        ax.set_xlabel("C")
        ax.set_title("the network’s layers" if methods == run.layers else "SIFT, by radius")
        ax.grid(axis="y")
        ax.minorticks_off()
    axes[0].set_ylabel("accuracy by cross-validation, %")
    return figure


def confused(run: ClassifyRun) -> bool:
    """Whether confusions can be drawn: of a single class with not too many keypoints."""
    return len(run.classes) == 1 and 1 < len(np.unique(run.arrays["keypoint"])) <= MOST_CONFUSED


def confusion(run: ClassifyRun, method: str) -> tuple[Floats, list[str]]:
    """The shares ``(t, t)`` of what each keypoint is taken for, and the keypoints' names; rows add up to 1."""
    truth, predicted = run.arrays["keypoint"].astype(int), run.arrays[f"prediction/{method}"].astype(int)
    types = np.unique(truth)
    known = np.isin(predicted, types)
    counts = np.zeros((len(types), len(types)))
    np.add.at(counts, (np.searchsorted(types, truth[known]), np.searchsorted(types, predicted[known])), 1)
    total = np.bincount(np.searchsorted(types, truth), minlength=len(types))
    return counts / total[:, None], [run.keypoints[k] for k in types]


def draw_confusions(run: ClassifyRun, theme: Theme) -> Figure:
    """What the keypoints of a class are taken for, by the best layer and by the best SIFT."""
    methods = list(run.results.config["best"])
    figure, axes = panels(len(methods), 4.9)
    for method, ax in zip(methods, axes, strict=True):
        shares, names = confusion(run, method)
        ax.imshow(shares, cmap=_map(theme), vmin=0, vmax=1)
        for i, j in zip(*np.nonzero(shares >= 0.1), strict=True):
            ink = theme.paper if shares[i, j] > 0.5 else theme.ink
            ax.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=6.5, color=ink)
        ax.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.tick_params(length=0)
        ax.set_title(run.label(method))
        for spine in ax.spines.values():
            spine.set_visible(False)
    return figure


def peak_types(run: ClassifyRun, count: int = SHOWN_TYPES) -> NDArray[np.intp]:
    """The ``count`` keypoints about which most peaks were searched for, the most frequent first; () where none were."""
    if not run.peaks:
        return np.empty(0, np.intp)
    found = run.arrays["keypoint"][run.arrays["peak_marks"].astype(np.intp)]
    types, counts = np.unique(found, return_counts=True)
    return types[np.argsort(-counts, kind="stable")][:count].astype(np.intp)


def peak_methods(run: ClassifyRun) -> Sequence[str]:
    """The layers, the last where there are too many, and SIFT."""
    layers = [method for method in run.peaks if method.startswith("cell:")]
    others = [method for method in run.peaks if method not in layers]
    return [*layers[-(SHOWN_METHODS - len(others)) :], *others]


def draw_peaks(run: ClassifyRun, types: Sequence[int], theme: Theme) -> Figure:
    """A histogram for every keypoint (rows) and feature (columns)."""
    methods = peak_methods(run)
    marks = run.arrays["keypoint"][run.arrays["peak_marks"].astype(np.intp)]
    side = min(2.0, PAGE_WIDTH / len(methods))
    figure = Figure(figsize=(side * len(methods) + 0.4, side * len(types) + 0.3), layout="constrained")
    grid = figure.subplots(len(types), len(methods), squeeze=False)
    for i, keypoint in enumerate(types):
        for j, method in enumerate(methods):
            offsets = run.peaks[method][marks == keypoint]
            _peak_panel(grid[i, j], offsets, theme)
            if i == 0:
                grid[i, j].set_title(run.label(method), fontsize=9)
            if j == 0:
                grid[i, j].set_ylabel(run.keypoints[keypoint], fontsize=9)
    return figure


def _peak_panel(ax: Axes, offsets: NDArray[np.int8], theme: Theme) -> None:
    inside = offsets[(np.abs(offsets) < REACH).all(axis=1)].astype(int)  # the others are on the border
    counts = np.zeros((2 * REACH + 1, 2 * REACH + 1))
    np.add.at(counts, (inside[:, 1] + REACH, inside[:, 0] + REACH), 1)
    edge = REACH + 0.5
    ax.imshow(counts, extent=(-edge, edge, edge, -edge), cmap=_map(theme), vmin=0, vmax=max(counts.max(), 1))
    ax.plot([0], [0], "+", color=theme.colour("orange"), markersize=9, markeredgewidth=1.4)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(visible=True, color=theme.muted, linewidth=0.6)
    ax.set_xlabel(f"{len(inside)} of {len(offsets)}", fontsize=7.5, color=theme.muted)


def _map(theme: Theme) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("shares", [theme.paper, theme.accents[0]])
