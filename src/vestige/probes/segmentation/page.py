"""The segmentation task's part of a report: accuracy beside the published, classes, layers, and maps (Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vestige.probes.engine.vector_run import layers_section
from vestige.probes.segmentation.pictures import draw_key, paper_tile, response_top, tile
from vestige.probes.segmentation.run import SegmentationRun, read_segmentation_run
from vestige.published import PublishedTable, paper
from vestige.report.ahead import ahead_sentence, rivals
from vestige.report.blocks import NONE, Block, Cell, Chart, Gallery, Opening, RowGroup, Section, Table
from vestige.report.cells import percent_cell, published_cell
from vestige.report.choosing import typical
from vestige.report.key_numbers import key_numbers
from vestige.results import Row, resampled
from vestige.run import Run
from vestige.text import count, listed, percent, read_from, signed

METRICS = {"miou": "Mean IoU", "pixel_ap": "Average precision", "pixel_accuracy": "Pixel accuracy"}
"""The metrics over all classes, as the tables' columns call them."""

PICTURES = 6


def segmentation_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_segmentation_run(run) for run in runs]
    several = len(read) > 1
    accuracy: list[Block | None] = []
    for run in read:
        accuracy += [accuracy_table(run, named=several), difference_table(run, named=several)]
    sections = (
        Section("Accuracy of every method", "accuracy", tuple(block for block in accuracy if block is not None)),
        Section("Class by class", "classes", tuple(class_table(run, named=several) for run in read)),
        layers_section(read, "classes"),
        Section("What it looks like", "pictures", tuple(block for run in read for block in _pictures(run))),
    )
    return tuple(map(_opening, read)), tuple(s for s in sections if s is not None and s.blocks)


def _opening(run: SegmentationRun) -> Opening:
    best, mean = run.find(run.best), run.find("mean")
    assert best is not None  # the methods come from the rows
    maps = "Two linear maps segment" if run.best.endswith("+M") else "A linear map segments"
    headline = f"{maps} pictures from {read_from(run.results.backbone)} with a mean IoU of {percent(best.value)}."
    detail = (
        f"Intersection over union, mean over {len(run.shown_classes)} classes, of all labelled pixels of "
        f"{count(best.n, 'test picture')}."
    )
    if mean is not None:
        detail += f" The class prior of each cell alone reaches {percent(mean.value)}."
    detail += ahead_sentence(run.results, percent)
    shown = ("mean", *reversed(rivals(run.results)), run.best)
    return Opening(run.name, headline, detail, key_numbers(run, shown))


def accuracy_table(run: SegmentationRun, *, named: bool) -> Table:
    """Every method with its metrics over all classes, percent."""
    rows = tuple(
        (
            Cell(run.label(method), tone="strong" if method == run.best else ""),
            *(percent_cell(run.find(method, metric), "strong" if method == run.best else "") for metric in METRICS),
        )
        for method in run.methods
    )
    return Table(
        (f"{run.name}: a" if named else "A") + "ll labelled pixels of the test pictures, percent",
        ("Method", *METRICS.values()),
        (RowGroup(rows),),
        f"Small figures: 95 % bootstrap interval over {resampled(run.results.data)}. "
        "Mean IoU is what PASCAL VOC calls its segmentation "
        "accuracy; average precision ranks all pixels by their response to a class; both are means over classes. Pixel "
        "accuracy is the share of pixels whose class is right. M: the second linear map, from a cell’s responses to "
        "its class. " + _copies(run),
    )


def _copies(run: SegmentationRun) -> str:
    copies = run.augment
    if copies == 1:
        return "Trained on the pictures alone."
    return f"Trained on {copies} copies of each picture, itself and crops of it, but where “no crops” is said."


def difference_table(run: SegmentationRun, *, named: bool) -> Table | None:
    """By how much the full method is above every other, on the same resamples; None where there is no other."""
    metrics = [m for m in METRICS if any(run.find(method, f"{m}_difference") for method in run.methods)]
    if not metrics:
        return None
    rows = tuple(
        (Cell(run.label(method)), *(_difference(run.find(method, f"{metric}_difference")) for metric in metrics))
        for method in run.methods
        if method != run.best
    )
    full = run.label(run.best)
    return Table(
        (f"{run.name}: p" if named else "P")
        + f"aired differences, in percentage points: {full} less each other method",
        ("Other method", *(METRICS[metric] for metric in metrics)),
        (RowGroup(rows),),
        f"Above nought: {full} is better. Small figures: 95 % interval over the same resamples of "
        f"{resampled(run.results.data)}; bold where it does not hold nought.",
    )


def _difference(row: Row | None) -> Cell:
    if row is None or row.ci95 is None:
        return NONE
    low, high = (100 * end for end in row.ci95)
    tone = "strong" if low > 0 or high < 0 else "quiet"
    return Cell(signed(100 * row.value, 1), f"{signed(low, 1)} to {signed(high, 1)}", tone)


def class_table(run: SegmentationRun, *, named: bool) -> Table:
    """IoU of each class by the main methods, average precision of the full one, and what the paper prints."""
    methods = [m for m in ("mean", "rgb", "untrained", "ridge", "ridge+M") if m in run.methods]
    table = paper("persistent-evidence").table("segmentation")
    places = {column.match: k for k, column in enumerate(table.columns)}
    published = [name for name in run.shown_classes if name in places]
    if set(places) - {"all"} <= set(published):
        published.append("all")
    rows = []
    for name in (*run.shown_classes, "all"):
        cells = [_iou(run, method, name) for method in methods]
        cells.append(percent_cell(run.find(run.best, "pixel_ap", name), interval_digits=None))
        if published:
            cells.append(_published(table, places[name]) if name in published else NONE)
        rows.append((Cell("mean of classes" if name == "all" else name), *cells))
    columns = ["Class", *(f"IoU, {run.short(m)}" for m in methods), f"AP, {run.short(run.best)}"]
    return Table(
        (f"{run.name}: p" if named else "P") + "ercent, by class",
        (*columns, *([f"Published, {table.number}"] if published else [])),
        (RowGroup(tuple(rows)),),
        _published_note(table) if published else "",
    )


def _iou(run: SegmentationRun, method: str, name: str) -> Cell:
    tone, digits = ("strong", 1) if method == run.best else ("", None)
    return percent_cell(run.find(method, subset=name), tone, interval_digits=digits)


def _published(table: PublishedTable, place: int) -> Cell:
    value = next(row for row in table.rows if row.method == "ridge+M").values[place]
    return published_cell(value)


def _published_note(table: PublishedTable) -> str:
    return (
        f"Published: {table.number} of {paper('persistent-evidence').short}, by others, on PASCAL VOC 2012’s "
        "validation set; it was not measured here. The paper calls its figures average precision. They stand here "
        "beside IoU because the 47.5 that it compares itself with is VOC’s segmentation accuracy, and because an "
        "average precision as low as its 0.02 for bicycles would be worse than guessing."
    )


def _pictures(run: SegmentationRun) -> tuple[Block, ...]:
    """Test pictures at even steps of the error, with their maps and every class's responses."""
    chosen = typical(run.errors[run.best], run.picture_rows, PICTURES)
    if not len(chosen):
        return ()
    key = Chart(
        f"class-colours-{run.name}",
        partial(draw_key, run.class_names, run.colours),
        "The colours of the classes: " + listed(list(run.class_names)),
        "The colours of the classes in the maps below.",
    )
    top = response_top(run)
    panels = ["the picture", "its labels", *(f"the map of {run.short(m)}" for m in run.map_methods)]
    caption = (
        f"From left to right: {listed(panels)}. Below: the network’s response to each class, all on one scale, black "
        f"for 0 or less and white for {top:.2f} or more (the first paper’s Fig. 5 calls them probabilities). Numbers: "
        "the share of labelled pixels that the last map gets wrong. Taken at even steps of it, from small to large; "
        "nobody chose them."
    )
    tiles = tuple(tile(run, int(k), top) for k in chosen)
    maps = Gallery(f"class-maps-{run.name}", tiles, caption, columns=1)
    paper_tiles = tuple(paper_tile(run, int(k), top) for k in chosen)
    first, others = run.class_names[0], count(len(run.class_names) - 1, "class", "classes")
    said = (
        f"In the layout of the first paper’s Fig. 5: the picture, to its right the response to {first}, below those to "
        f"the other {others}, all on one scale: black for 0 or less, white for {top:.2f} or more. The same pictures."
    )
    return (key, maps, Gallery(f"probabilities-{run.name}", paper_tiles, said, columns=2))
