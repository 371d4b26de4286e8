"""The report on keypoint detectors: PCK beside the published (Table 4), the prior, and pictures (Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.correspondence.detect.task import PRIOR
from vestige.distances import longer_side
from vestige.geometry import to_unit
from vestige.images import Pixels
from vestige.intervals import Difference
from vestige.report.blocks import NONE, Cell, Chart, Gallery, Opening, RowGroup, Section, Table, Tile
from vestige.report.cells import percent_cell, published_by_class
from vestige.report.differences import difference_cells
from vestige.report.instance_run import InstanceRun, ReadBy
from vestige.report.key_numbers import key_numbers
from vestige.report.measured_run import check_whole
from vestige.report.pck import PckPanel, draw_pck_curves
from vestige.report.point_run import read_point_run
from vestige.report.style import LIGHT, figure_pixels, keypoint_mark, themed, write_on_photograph
from vestige.results import resampled
from vestige.run import Run
from vestige.text import count, listed, percent

_ARRAYS = {"ids": "text N", "boxes": "number N 4", "classes": "text N"}

PAPER = "do-convnets-learn-correspondence"

PANEL = 300
"""Pixels of a panel's side."""


class _Feature(TypedDict):
    c: float
    eta: float
    sigma: float
    stable: int
    detectors: int
    positives: int
    negatives: int
    left: int


class _Config(TypedDict):
    alphas: list[float]
    chosen: str
    kinds: dict[str, _Feature]
    neighbours_by: ReadBy
    classes: list[str]
    eta: float
    sigma: float
    size: int
    reach: int


@dataclass(frozen=True)
class DetectRun(InstanceRun):
    """A detection with its results and examples."""

    @property
    def layer(self) -> str:
        """The layer that is best on training folds."""
        return str(self.results.config["chosen"])

    @property
    def best(self) -> str:
        """That layer's detectors with the prior: what pictures and headlines are about."""
        return f"detect:{self.layer}{PRIOR}"

    @property
    def kinds(self) -> Mapping[str, Mapping[str, Any]]:
        """By kind of feature: C, eta and sigma of training folds, and how the mining ended."""
        kinds: Mapping[str, Mapping[str, Any]] = self.results.config["kinds"]
        return kinds

    @cached_property
    def main_methods(self) -> tuple[str, ...]:
        """The paper's four, and where the nearest neighbour has the keypoint."""
        own = [f"detect:{kind}{end}" for kind in ("sift", self.layer) for end in ("", PRIOR)]
        return tuple(method for method in (*own, "nearest-neighbour") if method in self.methods)

    @cached_property
    def tried(self) -> Mapping[str, Mapping[tuple[float, float], float]]:
        """By kind of feature: PCK on training folds by (eta, sigma); eta 0 with sigma 0."""
        found: dict[str, dict[tuple[float, float], float]] = {}
        for row in self.results.sweep:
            if row.metric == f"train_{self.metric}" and row.subset.startswith("eta="):
                words = dict(word.split("=") for word in row.subset.split())
                setting = float(words["eta"]), float(words.get("sigma", 0))
                found.setdefault(row.method.removeprefix("detect:"), {})[setting] = row.value
        return found

    def pairs(self) -> list[tuple[str, str, Difference]]:
        """The paired differences of methods at the main metric, from the sweep."""
        start = f"{self.metric} - "
        named = [(r.method, r.metric.removeprefix(start)) for r in self.results.sweep if r.metric.startswith(start)]
        found = [(a, b, self.swept_difference(a, b)) for a, b in named]
        return [(a, b, difference) for a, b, difference in found if difference is not None]


def read_detect_run(run: Run) -> DetectRun:
    """Read a detection's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read, arrays = read_point_run(run), run.examples()
    check_whole(run, read.results, arrays, _Config, _ARRAYS)
    return DetectRun(read.name, read.results, read.examples, read.parts, arrays)


def detect_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_detect_run(run) for run in runs]
    sections = [
        Section("Keypoints found", "pck", tuple(table for run in read for table in pck_tables(run))),
        Section("What each part is worth", "worth", tuple(difference_table(run) for run in read if run.pairs())),
        Section("What it looks like", "pictures", tuple(block for run in read for block in pictures(run))),
        Section("At every tolerance", "curve", (_curve_chart(read),)),
        Section("Prior and detectors", "prior", tuple(table for run in read for table in choice_tables(run))),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section.blocks)


def _opening(run: DetectRun) -> Opening:
    best, config = run.row(run.best), run.results.config
    alpha = run.metric.removeprefix("pck@")
    sift = run.find(f"detect:sift{PRIOR}")
    beside = f"; dense SIFT, {percent(sift.value)}" if sift is not None else ""
    headline = (
        f"Detectors on {run.layer} of {run.results.backbone.get('spec')} find {percent(best.value)} of the keypoints "
        f"to within {alpha} of the longer side of the box{beside}."
    )
    side = 2 * int(config["reach"]) + 1
    said = (
        f"Mean over keypoint types and classes, on {count(best.n, 'test instance')}, each box resized to "
        f"{config['size']} x {config['size']} pixels: a linear SVM for each keypoint on windows of {side} x {side} "
        f"cells, with a prior (eta {config['eta']:g}, sigma {config['sigma']:g} pixels) about where the nearest "
        f"training instance has it."
    )
    return Opening(run.name, headline, said, key_numbers(run, run.main_methods))


def pck_tables(run: DetectRun) -> tuple[Table, ...]:
    """All methods at every alpha; then Table 4 by class beside the published, or by keypoint of a single class."""
    metrics = [f"pck@{alpha:g}" for alpha in run.results.config["alphas"]]
    rows = tuple(
        (Cell(run.label(method)), *(_measured(run, method, metric) for metric in metrics)) for method in run.methods
    )
    tables = [
        Table(
            caption=f"{run.name}: PCK over keypoint types, mean of classes, in percent",
            columns=("Method", *metrics),
            groups=(RowGroup(rows),),
            note="Tuned: eta and sigma of the prior chosen on training folds. Small figures: 95 % bootstrap intervals "
            f"over {resampled(run.results.data, what='test instances')}.{unstable_note(run)}",
        )
    ]
    if len(run.classes) > 1:
        tables.append(_table_of(run, f"{run.name}: {run.metric} by class, percent", "Class", run.classes))
    published = published_by_class(PAPER, "keypoint-prediction", run.metric, run.classes, "mean of twenty classes")
    tables += [published] if published is not None else []
    points = [name for name in run.subsets if name not in (*run.classes, "all")]
    if points:
        tables.append(_table_of(run, f"{run.name}: {run.metric} by keypoint, percent", "Keypoint", points))
    return tuple(tables)


def unstable_note(run: DetectRun) -> str:
    """A sentence, after a space, on the detectors that hard negatives would still change; "" where there are none."""
    said = [
        f"{run.label(f'detect:{kind}')} {found['detectors'] - found['stable']} of {found['detectors']} "
        f"({found['left']:,} negatives)"
        for kind, found in run.kinds.items()
        if found["stable"] < found["detectors"]
    ]
    return f" Detectors that negatives left out would still change: {listed(said)}." if said else ""


def _table_of(run: DetectRun, caption: str, what: str, subsets: Sequence[str]) -> Table:
    rows = []
    for subset in subsets:
        found = [run.find(method, run.metric, subset) for method in run.main_methods]
        best = max((row.value for row in found if row), default=0.0)
        rows.append(
            (Cell(subset), *(percent_cell(row, "strong" if row and row.value == best else "") for row in found))
        )
    heads = (what, *map(run.label, run.main_methods))
    return Table(caption, heads, (RowGroup(tuple(rows)),), "The best of each row stands out.")


def _measured(run: DetectRun, method: str, metric: str) -> Cell:
    return percent_cell(run.find(method, metric), "strong" if method == run.best else "")


def difference_table(run: DetectRun) -> Table:
    """Paired differences at the main alpha."""
    rows = tuple(
        difference_cells(f"{run.label(a)} − {run.label(b)}", "", difference) for a, b, difference in run.pairs()
    )
    return Table(
        caption=f"{run.name}: differences of {run.metric}, on the same test instances",
        columns=("", "Difference", "95 % interval", "p"),
        groups=(RowGroup(rows),),
        note="Above zero: the first of the two is better. Paired bootstrap over test instances, two-sided.",
    )


def choice_tables(run: DetectRun) -> tuple[Table, ...]:
    """What training folds chose, and how the mining of hard negatives ended."""
    tables = [_tried_table(run, kind) for kind in run.tried if kind in ("sift", run.layer)]
    rows = tuple(
        (
            Cell(run.label(f"detect:{kind}")),
            Cell(f"{found['c']:g}"),
            Cell(f"{found['eta']:g}"),
            Cell(f"{found['sigma']:g}" if found["eta"] else "–"),
            Cell(f"{found['stable']} of {found['detectors']}"),
            Cell(f"{found['positives']:,}"),
            Cell(f"{found['negatives']:,}"),
            Cell(f"{found['left']:,}"),
        )
        for kind, found in run.kinds.items()
    )
    mining = Table(
        caption=f"{run.name}: what training folds chose, and how the mining of hard negatives ended",
        columns=("Features", "C", "eta", "sigma", "Stable", "Positives", "Negatives", "Left"),
        groups=(RowGroup(rows),),
        note="Settled: detectors that no further negative would change. Negatives: those inside the margin of the last "
        "fits, all detectors together; left: further ones inside it that the rounds did not come to.",
    )
    return (*tables, mining)


def _tried_table(run: DetectRun, kind: str) -> Table:
    tried = run.tried[kind]
    etas, sigmas = (sorted({setting[axis] for setting in tried if setting[0]}) for axis in (0, 1))
    best = max(tried, key=lambda setting: tried[setting])

    def cell(setting: tuple[float, float]) -> Cell:
        value = tried.get(setting)
        return NONE if value is None else Cell(f"{100 * value:.1f}", tone="strong" if setting == best else "")

    rows = tuple((Cell(f"eta {eta:g}"), *(cell((eta, sigma)) for sigma in sigmas)) for eta in etas)
    none = tried.get((0.0, 0.0))
    without = "" if none is None else f" Without the prior: {100 * none:.1f}."
    return Table(
        caption=f"{run.name}, {run.label(f'detect:{kind}')}: {run.metric} on training folds by the prior, percent",
        columns=("", *(f"sigma {sigma:g}" for sigma in sigmas)),
        groups=(RowGroup(rows),),
        note=f"Each training instance by detectors and neighbours of the other folds.{without}",
    )


def _curve_chart(runs: Sequence[DetectRun]) -> Chart:
    return Chart(
        "pck-against-alpha",
        partial(draw_pck_curves, [_pck_panel(run) for run in runs], to=0.3),
        "PCK against alpha for " + listed([runs[0].label(method) for method in _drawn(runs[0])]),
        "The share of keypoints found to within alpha of the longer side of the box, mean over keypoint types and "
        "classes.",
    )


def _drawn(run: DetectRun) -> list[str]:
    return [method for method in run.methods if method in (*run.main_methods, "mean")]


def pictures(run: DetectRun) -> tuple[Gallery, ...]:
    """Fig. 6: ground truth, SIFT with the prior and the layer with it, a sheet for each kept instance."""
    methods = [method for method in (f"detect:sift{PRIOR}", run.best) if method in run.examples.predictions]
    tiles = tuple(_tile(run, k, methods) for k in range(len(run.examples.picture_rows)))
    if not tiles:
        return ()
    put = "put" if len(methods) > 1 else "puts"
    caption = (
        "The test instance, its box squashed to a square, with its visible keypoints, a colour and a shape each: where "
        f"they are, and where {listed([run.label(method) for method in methods])} {put} them. Taken at even steps of "
        "the error, from small to large; not picked by hand."
    )
    return (Gallery("detections", tiles, caption, columns=1 if len(methods) > 1 else 2),)


def _tile(run: DetectRun, k: int, methods: Sequence[str]) -> Tile:
    row = int(run.examples.picture_rows[k])
    points = {"ground truth": run.examples.truth[row]}
    points |= {run.label(method): run.examples.predictions[method][row] for method in methods}
    name = str(run.examples.ids[row])
    off = ", ".join(f"{run.label(method)} {run.examples.errors[method][row]:.3f}" for method in methods)
    with themed(LIGHT):
        figure = Figure(figsize=(len(points) * PANEL / 100, PANEL / 100), dpi=100, facecolor="white")
        for column, (heading, placed) in enumerate(points.items()):
            left, width = column / len(points), (PANEL - 4) / PANEL / len(points)
            ax = figure.add_axes((left, 0, width, 1))
            unit = to_unit(placed, run.boxes[row])
            _panel(ax, run.examples.pictures[k], unit, run.examples.visible[row], heading)
        pixels = figure_pixels(figure)
    alt = f"{name} with keypoints: {', '.join(points)}"
    return Tile(pixels, f"{name}: mean distance in longer sides of the box, {off}", alt)


def _panel(ax: Axes, picture: Pixels, unit: NDArray[np.float64], seen: NDArray[np.bool_], heading: str) -> None:
    ax.imshow(picture, extent=(0, 1, 1, 0), interpolation="bicubic", aspect="auto")
    ax.set(xlim=(0, 1), ylim=(1, 0))
    ax.axis("off")
    shown = np.flatnonzero(seen)
    for place, k in enumerate(shown):
        ax.plot(*unit[k], **keypoint_mark(place, len(shown), 6.5))
    write_on_photograph(ax, 0.03, 0.965, heading, 10.5)


def _pck_panel(run: DetectRun) -> PckPanel:
    return PckPanel(run, _drawn(run), longer_side(run.boxes), run.class_names, run.results.config["alphas"])
