"""The keypoint task's part of a report: PCK by class beside the published, PCK against alpha, layers, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.distances import longer_side
from vestige.intervals import Floats
from vestige.probes.engine.vector_run import layers_chart
from vestige.probes.landmarks.pictures import triplet, typical_pictures
from vestige.published import paper
from vestige.report.blocks import NONE, Block, Cell, Chart, Gallery, Opening, RowGroup, Section, Table
from vestige.report.cells import percent_cell, published_by_class
from vestige.report.key_numbers import key_numbers
from vestige.report.pck import PckPanel, draw_pck_curves, pck_curve
from vestige.report.point_run import PointRun, read_point_run
from vestige.report.rivals import rivals_sentence
from vestige.report.style import Theme, decimal_axis, label_right, panels
from vestige.results import resampled
from vestige.run import Run
from vestige.text import count, listed, percent, read_from

PAPER = "persistent-evidence"


def keypoint_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What a keypoint report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_point_run(run) for run in runs]
    boxes = [run.examples()["boxes"].astype(np.float64) for run in runs]
    classes = [run.examples()["classes"].astype(str) for run in runs]
    curves = [
        PckPanel(run, run.methods, longer_side(box), own, (float(run.metric.removeprefix("pck@")),))
        for run, box, own in zip(read, boxes, classes, strict=True)
    ]
    curve = Chart(
        "pck-against-alpha",
        partial(draw_pck_curves, curves),
        "PCK against alpha for " + listed([read[0].label(method) for method in read[0].methods]),
        "The share of keypoints found to within alpha of the longer side of the box, mean over keypoint types and "
        "classes.",
    )
    by_class = tuple(
        _class_chart(run, longer_side(box), own, named=len(read) > 1)
        for run, box, own in zip(read, boxes, classes, strict=True)
    )
    chart = layers_chart(read, "keypoints", "pck-against-layer")
    layers: list[Block] = [chart] if chart is not None else []
    layers += [layer_table(run) for run in read if run.results.sweep]
    sections = [
        Section("Keypoints found", "pck", tuple(table for run in read for table in pck_tables(run))),
        Section("How far off the others are", "curve", (curve, *by_class)),
        Section("Layers", "layers", tuple(layers)) if layers else None,
        Section("What it looks like", "pictures", tuple(block for run in read for block in _pictures(run))),
    ]
    return tuple(map(_opening, read)), tuple(s for s in sections if s is not None and s.blocks)


def _class_chart(run: PointRun, sides: Floats, classes: NDArray[np.str_], *, named: bool) -> Chart:
    """The paper's Fig. 2b: a curve for each class."""
    method = "ridge" if "ridge" in run.methods else run.best
    return Chart(
        f"pck-by-class{f'-{run.name}' if named else ''}",
        partial(draw_class_curves, run, method, sides, classes),
        "PCK against alpha for " + listed(np.unique(classes).tolist()),
        f"{run.name + ': ' if named else ''}{run.label(method)}, a curve for each class, mean over its keypoint types "
        "(the first paper’s Fig. 2b).",
    )


def _opening(run: PointRun) -> Opening:
    best, mean = run.find("ridge") or run.find(run.best), run.find("mean")
    assert best is not None  # methods come from the rows
    alpha = run.metric.removeprefix("pck@")
    headline = (
        f"A linear map finds {percent(best.value)} of the keypoints in "
        f"{read_from(run.results.backbone)}, to within {alpha} of the longer side of the box."
    )
    said = f"Mean over keypoint types and classes, on {count(best.n, 'test example')}."
    if mean is not None:
        said += f" The mean shape alone finds {percent(mean.value)}."
    said += rivals_sentence(run.results, percent)
    return Opening(run.name, headline, said, key_numbers(run))


def pck_tables(run: PointRun) -> tuple[Table, ...]:
    """The paper's Table 2 with what was measured, a class a row; of a single class its keypoints, too."""
    classes = [name for name in run.results.config.get("classes", {}) if run.find("ridge", subset=name) is not None]
    subsets = [*classes, "all"]
    rows = tuple(
        (Cell(_class_name(subset)), *(_measured(run, method, subset) for method in run.methods)) for subset in subsets
    )
    tables = [
        Table(
            caption=f"{run.name}: {run.metric} over keypoint types, percent, by class",
            columns=("Class", *map(run.label, run.methods)),
            groups=(RowGroup(rows),),
            note=f"Small figures: 95 % bootstrap interval over {resampled(run.results.data, what='test examples')}.",
        )
    ]
    published = published_table(run, classes)
    tables += [published] if published is not None else []
    measured = dict.fromkeys(row.subset for row in run.results.rows if row.metric == run.metric)
    points = [subset for subset in measured if subset not in subsets]
    if points:
        rows = tuple((Cell(point), *(_measured(run, method, point) for method in run.methods)) for point in points)
        caption = f"{run.name}: {run.metric}, percent, by keypoint"
        tables.append(Table(caption, ("Keypoint", *map(run.label, run.methods)), (RowGroup(rows),)))
    return tuple(tables)


def published_table(run: PointRun, classes: Sequence[str]) -> Table | None:
    """What the paper's Table 2 says of the run's classes; None where it has none of them, or of another alpha.

    The published mean stands there where the run has all the classes that it is over.
    """
    of_the_mean = {column.match for column in paper(PAPER).table("keypoints").columns} - {"all"}
    mean = _class_name("all") if of_the_mean <= set(classes) else ""
    return published_by_class(PAPER, "keypoints", run.metric, classes, mean)


def _class_name(subset: str) -> str:
    return "mean of classes" if subset == "all" else subset


def _measured(run: PointRun, method: str, subset: str) -> Cell:
    return percent_cell(run.find(method, subset=subset), "strong" if method == run.best else "")


def layer_table(run: PointRun) -> Table:
    """PCK of every layer and readout, on training folds and on the test examples."""
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in run.results.sweep:
        key = (row.method, row.layer or "", row.readout or "")
        found.setdefault(key, {}).setdefault(row.metric, []).append(row.value)
    rows = tuple(
        (
            Cell(f"{run.label(method)}, {layer}", readout),
            *(Cell(percent(float(np.mean(values[m])))) if m in values else NONE for m in _columns(run)),
        )
        for (method, layer, readout), values in found.items()
    )
    return Table(
        caption=f"{run.name}: {run.metric} of every layer; the layer is chosen on training folds",
        columns=("Layer", "On training folds", "On test examples"),
        groups=(RowGroup(rows),),
        folded=True,
    )


def _columns(run: PointRun) -> tuple[str, str]:
    return f"oof_{run.metric}", run.metric


def draw_class_curves(run: PointRun, method: str, sides: Floats, classes: NDArray[np.str_], theme: Theme) -> Figure:
    """PCK of one method against alpha from 0 to 1, a line for each class."""
    at, names = np.linspace(0.0, 1.0, 101), np.unique(classes).tolist()
    figure, (ax,) = panels(1, max(4.3, 0.24 * len(names)))
    ax.set(xlim=(0, 1), ylim=(0, 102))
    ends = []
    for k, name in enumerate(names):
        shares = 100 * pck_curve(run, method, sides, classes, at, of=name)
        colour = theme.accents[k % len(theme.accents)]
        dashes = ("-", (0, (5, 2)), (0, (1, 1.6)))[k // len(theme.accents) % 3]
        ax.plot(at, shares, color=colour, linestyle=dashes, linewidth=1.5)
        ends.append((1.0, float(shares[-1]), name, colour))
    label_right(ax, ends, gap=min(0.07, 1 / max(len(names), 1)))
    ax.set(xlabel="alpha, in longer sides of the box", ylabel="keypoints found, %")
    decimal_axis(ax.xaxis)
    ax.grid(axis="y")
    return figure


def _pictures(run: PointRun) -> tuple[Block, ...]:
    """Test examples at even steps of the error; only keypoints that can be seen are drawn."""
    examples = run.examples
    shown = {m: np.where(examples.visible[..., None], p, np.nan) for m, p in examples.predictions.items()}
    drawn = replace(run, examples=replace(examples, predictions=shown))
    chosen = typical_pictures(drawn)
    if not len(chosen):
        return ()
    caption = (
        "Ground truth and readings, only the keypoints that can be seen. Numbers: the mean distance in longer sides of "
        "the box. Taken at even steps of the error, from small to large; not picked by hand."
    )
    return (Gallery("keypoints", tuple(triplet(drawn, int(k)) for k in chosen), caption),)
