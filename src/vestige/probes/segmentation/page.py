"""The segmentation task's part of a report: accuracy beside the published, classes, layers, and maps (Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypedDict

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vestige.documents import Count
from vestige.images import Pixels, crop_resize
from vestige.probes.engine.vector_run import VectorRun, layers_section, read_vector_run
from vestige.probes.segmentation.class_maps import Colours, coloured, map_of, resized
from vestige.published import PublishedTable, paper
from vestige.report.blocks import NONE, Block, Cell, Chart, Gallery, Opening, RowGroup, Section, Table, Tile
from vestige.report.cells import percent_cell, published_cell
from vestige.report.choosing import typical
from vestige.report.key_numbers import key_numbers
from vestige.report.rivals import rivals, rivals_sentence
from vestige.report.style import PAGE_WIDTH, Theme
from vestige.results import Row, resampled
from vestige.run import Run
from vestige.text import count, listed, percent, read_from, signed

SHORT = {"mean": "prior", "rgb": "RGB", "untrained": "untrained", "ridge": "ridge", "ridge+M": "ridge + M"}


_ARRAYS = {"truth": "index N L L", "classes": "text C", "colours": "byte C 3", "prediction/ridge": "number N T"}

METRICS = {"miou": "Mean IoU", "pixel_ap": "Average precision", "pixel_accuracy": "Pixel accuracy"}
"""The metrics over all classes, as the tables' columns call them."""

PICTURES = 6

PANEL = 224
"""Pixels of a panel's side."""

_WIDTH = 4 * PANEL + 3 * 4  # of a tile: four panels

_GAP = 4

_LINE = 17  # pixels of a class's name

_BACK = 255


class _MadeOf(TypedDict):
    augment: int
    grid: Count


class _Config(TypedDict):
    made_of: _MadeOf


@dataclass(frozen=True)
class SegmentationRun(VectorRun):
    """A run with its results and examples.

    Attributes:
        arrays: as in :class:`VectorRun`; ``truth`` ``(N, S, S)`` labels squashed as the pictures are,
            ``classes`` ``(C,)`` names, ``colours`` ``(C, 3)``, ``prediction/METHOD`` ``(N, G * G * C)``.
    """

    def short(self, method: str) -> str:
        """The same where there is little room."""
        return SHORT.get(method, self.label(method))

    @property
    def axis(self) -> str:
        """The main metric, as an axis is labelled."""
        return "mean IoU"

    @property
    def best(self) -> str:
        """The full method: ridge with all its stages."""
        return next((m for m in ("ridge+M", "ridge") if m in self.methods), self.methods[-1])

    @property
    def augment(self) -> int:
        """Copies of each training picture."""
        return int(self.results.config["made_of"]["augment"])

    @property
    def class_names(self) -> tuple[str, ...]:
        """``(C,)``."""
        return tuple(self.arrays["classes"].astype(str).tolist())

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """The classes that the test pictures have."""
        return tuple(name for name in self.class_names if self.find(self.best, subset=name) is not None)

    @property
    def colours(self) -> Colours:
        """``(C, 3)``."""
        return self.arrays["colours"].astype(np.uint8)

    @property
    def picture_rows(self) -> NDArray[np.intp]:
        """``(M,)`` the test examples whose picture was kept."""
        return self.arrays["picture_rows"].astype(np.intp)

    @property
    def map_methods(self) -> tuple[str, ...]:
        """Whose maps are shown: ridge before and after M."""
        return tuple(m for m in ("ridge", "ridge+M") if f"prediction/{m}" in self.arrays)

    def responses(self, method: str, row: int) -> NDArray[np.float32]:
        """What a method says of one test example's cells: ``(G, G, C)``."""
        values: NDArray[np.float32] = self.arrays[f"prediction/{method}"][row].astype(np.float32)
        grid = int(self.results.config["made_of"]["grid"])
        return values.reshape(grid, grid, -1)


def read_segmentation_run(run: Run) -> SegmentationRun:
    """Read a segmentation run's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read = read_vector_run(run, _Config, _ARRAYS)
    return SegmentationRun(read.name, read.results, read.arrays)


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
    detail += rivals_sentence(run.results, percent)
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
        f"Above zero: {full} is better. Small figures: 95 % interval over the same resamples of "
        f"{resampled(run.results.data)}; bold where it does not hold zero.",
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
        "not picked by hand."
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


def response_top(run: SegmentationRun) -> float:
    """The response that is drawn white: the highest of one in a thousand cells and classes of the test pictures.

    The same for all pictures and classes, so that they can be compared.
    """
    return float(np.quantile(run.arrays["prediction/ridge"].astype(np.float32), 0.999))


def tile(run: SegmentationRun, picture: int, top: float) -> Tile:
    """A test picture, its labels and maps, over the response of every class."""
    row = int(run.picture_rows[picture])
    panels = [run.arrays["pictures"][picture], coloured(run.arrays["truth"][row], run.colours)]
    panels += [coloured(map_of(run.responses(m, row), (PANEL, PANEL)), run.colours) for m in run.map_methods]
    upper = _beside([_sized(panel) for panel in panels])
    strips = _strips(run.responses("ridge", row), run.class_names, run.colours, top)
    name, wrong = str(run.arrays["ids"][row]), run.errors[run.best][row]
    gap = np.full((_GAP * 2, _WIDTH, 3), _BACK, np.uint8)
    alt = f"{name}: its labels, its maps, and the responses to {listed(list(run.class_names))}"
    return Tile(np.concatenate([upper, gap, strips]), f"{name}: {percent(wrong, 0)}", alt)


def paper_tile(run: SegmentationRun, picture: int, top: float) -> Tile:
    """A test picture in the layout of the paper's Fig. 5: beside it the first class's map, below all other classes'."""
    row = int(run.picture_rows[picture])
    responses = run.responses("ridge", row)
    grey = np.round(np.clip(resized(responses[..., :1], (PANEL, PANEL)) / top, 0, 1) * 255).astype(np.uint8)
    upper = _beside([_sized(run.arrays["pictures"][picture]), np.repeat(grey, 3, axis=-1)])[:, : 2 * PANEL + _GAP]
    others = _strips(responses[..., 1:], run.class_names[1:], run.colours[1:], top, upper.shape[1], rows=2)
    gap = np.full((_GAP * 2, upper.shape[1], 3), _BACK, np.uint8)
    name, alt = str(run.arrays["ids"][row]), f"the responses to {listed(list(run.class_names))}"
    return Tile(np.concatenate([upper, gap, others]), name, f"{name}: {alt}")


def _sized(panel: Pixels) -> Pixels:
    return panel if panel.shape[:2] == (PANEL, PANEL) else crop_resize(panel, None, (PANEL, PANEL), "bicubic")


def _beside(panels: Sequence[Pixels]) -> Pixels:
    """Panels side by side over the tile's width."""
    canvas = np.full((PANEL, _WIDTH, 3), _BACK, np.uint8)
    for k, panel in enumerate(panels[:4]):
        left = k * (PANEL + _GAP)
        canvas[:, left : left + PANEL] = panel
    return canvas


def _strips(
    responses: NDArray[np.float32],
    names: Sequence[str],
    colours: Colours,
    top: float,
    width: int = _WIDTH,
    rows: int | None = None,
) -> Pixels:
    """Every class's responses as a small grey picture under its name and colour, in rows over a width in pixels."""
    rows = rows or max(1, round(len(names) / 11))
    columns = -(-len(names) // rows)
    pitch = (width + _GAP) / columns
    side = min(int(pitch) - _GAP, PANEL // 2)
    height = _LINE + side + 2 * _GAP
    strip = Image.new("RGB", (width, rows * height), (_BACK, _BACK, _BACK))
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(12)
    grey = np.round(np.clip(resized(responses, (side, side)) / top, 0, 1) * 255).astype(np.uint8)
    for k, name in enumerate(names):
        x, y = round(k % columns * pitch), k // columns * height
        pen.rectangle((x, y + 3, x + 9, y + 12), fill=tuple(colours[k].tolist()), outline=(90, 90, 90))
        pen.text((x + 13, y + 8), _fitting(name, font, side - 13), fill=(28, 33, 38), font=font, anchor="lm")
        strip.paste(Image.fromarray(grey[..., k]), (x, y + _LINE))
    return np.asarray(strip)


def _fitting(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """As much of a name as there is room for."""
    while len(name) > 1 and font.getlength(name) > width:
        name = name[:-1]
    return name


def draw_key(names: Sequence[str], colours: Colours, theme: Theme) -> Figure:
    """The classes with their colours."""
    columns = 6
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(PAGE_WIDTH, 0.3 * rows + 0.1))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, columns), ylim=(rows, 0))
    ax.axis("off")
    for k, name in enumerate(names):
        x, y = k % columns, k // columns
        colour = tuple((colours[k] / 255).tolist())
        ax.add_patch(Rectangle((x + 0.02, y + 0.2), 0.16, 0.6, facecolor=colour, edgecolor=theme.muted, linewidth=0.6))
        ax.text(x + 0.23, y + 0.52, name, va="center", color=theme.ink)
    return figure
