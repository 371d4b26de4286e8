"""The attribute task's part of a report: AUC and R^2 by attribute, layers, and who is read highest and lowest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.images import Pixels, crop_resize
from vestige.intervals import Floats
from vestige.probes.attributes.attribute import BEYOND, Reading
from vestige.probes.engine.vector_run import (
    VectorRun,
    layers_section,
    methods_table,
    number,
    read_vector_run,
    vector_opening,
)
from vestige.report.blocks import NONE, Cell, Gallery, Opening, RowGroup, Section, Table, Tile
from vestige.report.rivals import rivals_sentence
from vestige.report.style import LIGHT, Theme, figure_pixels, themed
from vestige.results import resampled
from vestige.run import Run
from vestige.text import count, read_from, signed

METRICS = {"skill": "Skill", "auc": "AUC", "r2": "R²"}
AXES = {
    "skill": "skill, mean over attributes",
    "auc": "AUC, mean over attributes",
    "r2": "R², mean over attributes",
}
SAID = {
    "skill": "Skill is the mean over attributes of 2 AUC − 1 (binary) and R² (continuous): 0 for the mean reading, 1 "
    "for a perfect one.",
    "auc": "AUC is the chance that a picture with the attribute is read higher than one without: 0.5 by chance.",
    "r2": "R² is about the test pictures’ own mean: 0 or a little less for the mean reading, 1 for a perfect one.",
}

EXTREMES = 5
"""Pictures with the highest readings, and as many with the lowest."""

ALIKE = 0.05
"""Standard deviations of the training values within which readings are all the same to the eye."""

SIDE = 150
"""Pixels of a picture's side in a strip."""

_HEIGHT = 360  # pixels of a photograph beside its readings

_DPI = 100


@dataclass(frozen=True)
class AttributeRun(VectorRun):
    """A run of attributes."""

    @property
    def axis(self) -> str:
        """The main metric, as an axis is labelled."""
        return AXES.get(self.metric, self.metric)

    @property
    def lowest(self) -> float:
        """A little below chance for AUC."""
        return 0.45 if self.metric == "auc" else 0.0

    @property
    def attributes(self) -> Sequence[Mapping[str, Any]]:
        """Each attribute's ``name``, ``binary``, ``model_label``, ``mean`` and ``deviation``."""
        found: Sequence[Mapping[str, Any]] = self.results.config["made_of"]["attributes"]
        return found


class _Attribute(TypedDict):
    name: str
    binary: bool
    model_label: bool
    mean: float
    deviation: float


class _MadeOf(TypedDict):
    attributes: list[_Attribute]


class _Config(TypedDict):
    made_of: _MadeOf


def attribute_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [_read(run) for run in runs]
    tables = [table for run in read for table in _tables(run, named=len(read) > 1)]
    galleries = tuple(gallery for run in read if (gallery := _gallery(run)).tiles)
    sections = [
        Section("Attribute by attribute", "attributes", tuple(tables)),
        layers_section(read, "the attributes"),
        Section("Who is read highest and lowest", "pictures", galleries) if galleries else None,
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section is not None)


def _read(run: Run) -> AttributeRun:
    read = read_vector_run(
        run, _Config, {"truth": "number N A", "attributes": "text A", "prediction/ridge": "number N T"}
    )
    return AttributeRun(read.name, read.results, read.arrays)


def _opening(run: AttributeRun) -> Opening:
    ridge = run.find("ridge")
    assert ridge is not None  # the methods come from the rows
    headline = (
        f"A linear map reads {count(len(run.attributes), 'attribute')} from "
        f"{read_from(run.results.backbone)}: {METRICS[run.metric]} {signed(ridge.value)}."
    )
    detail = f"{SAID[run.metric]} Over {count(ridge.n, 'test picture')}.{rivals_sentence(run.results, signed)}"
    return vector_opening(run, headline, detail)


def _tables(run: AttributeRun, *, named: bool) -> list[Table]:
    prefix = f"{run.name}: " if named else ""
    tables = [table for binary in (True, False) if (table := _by_attribute(run, prefix, binary)) is not None]
    present = {row.metric for row in run.results.rows if row.subset == "all"}
    columns = {metric: name for metric, name in METRICS.items() if metric in present}
    main = {run.metric: METRICS[run.metric], **columns}
    difference = f"{run.metric}_difference"
    if difference in present:
        main[difference] = f"{METRICS[run.metric]}: the network above it"
    note = "The last column is on the same resamples for both methods." if difference in present else ""
    return [*tables, methods_table(run, main, f"{prefix}Mean over attributes", note)]


def _by_attribute(run: AttributeRun, prefix: str, binary: bool) -> Table | None:
    """A table of AUC or of R², a row for each attribute; None where the run has none of that kind."""
    metric = "auc" if binary else "r2"
    own = [a for a in run.attributes if a["binary"] is binary and run.find("ridge", metric, a["name"]) is not None]
    if not own:
        return None
    rows = [(Cell(a["name"], _small(a)), *_cells(run, metric, a["name"])) for a in own]
    rows.append((Cell("mean"), *_cells(run, metric, "all")))
    what = "AUC of binary attributes" if binary else "R² of continuous attributes"
    note = f"{SAID[metric]} Small figures: 95 % bootstrap interval over {resampled(run.results.data)}."
    if any(a["model_label"] for a in own):
        note += " Model label: a model and not a person says who has the attribute."
    return Table(f"{prefix}{what}", ("Attribute", *map(run.label, run.methods)), (RowGroup(tuple(rows)),), note)


def _small(attribute: Mapping[str, Any]) -> str:
    share = f"{100 * attribute['mean']:.0f} % of training pictures" if attribute["binary"] else ""
    return ", ".join(part for part in ("model label" if attribute["model_label"] else "", share) if part)


def _cells(run: AttributeRun, metric: str, subset: str) -> list[Cell]:
    rows = [(method, run.find(method, metric, subset)) for method in run.methods]
    return [NONE if row is None else number(row, strong=method == run.best) for method, row in rows]


def _gallery(run: AttributeRun) -> Gallery:
    """A strip for each attribute whose extremes have pictures."""
    tiles = []
    places = {int(row): k for k, row in enumerate(run.arrays["picture_rows"])}
    readings = run.predictions("ridge")
    for k, attribute in enumerate(run.attributes):
        order = np.argsort(readings[:, k], kind="stable")
        low, high = order[:EXTREMES].tolist(), order[: -EXTREMES - 1 : -1].tolist()
        alike = float(np.ptp(readings[:, k])) < ALIKE * attribute["deviation"]
        if alike or not {*low, *high} <= places.keys():
            continue  # nothing was read, or only the first attributes' extremes are kept
        pixels = _strip(run, k, [high, low], places, readings[:, k])
        label = " (model label)" if attribute["model_label"] else ""
        alt = f"Test pictures with the highest and the lowest reading of {attribute['name']}"
        tiles.append(Tile(pixels, f"{attribute['name']}{label}", alt))
    caption = (
        "Above the five test pictures read highest, below the five read lowest. Numbers: the reading, then the label; "
        "orange where a binary label is against it."
    )
    return Gallery(f"extremes-{run.name}", tuple(tiles), caption)


def _strip(
    run: AttributeRun, k: int, rows: Sequence[Sequence[int]], places: Mapping[int, int], readings: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Two rows of pictures, each with its reading and its label."""
    truth: Floats = run.arrays["truth"][:, k].astype(np.float64)
    binary = run.attributes[k]["binary"]
    n = max(len(row) for row in rows)
    with themed(LIGHT):
        figure = Figure(figsize=(n * SIDE / 100, len(rows) * SIDE / 100), dpi=100)
        grid = figure.subplots(len(rows), n, squeeze=False)
        figure.subplots_adjust(0, 0, 1, 1, 0.02, 0.02)
        for high, (axes, own) in enumerate(zip(grid, rows, strict=True)):
            for ax in axes:
                ax.axis("off")
            for ax, row in zip(axes, own, strict=False):
                ax.imshow(run.arrays["pictures"][places[row]], interpolation="bicubic")
                against = binary and np.isfinite(truth[row]) and truth[row] != float(high == 0)
                _say(ax, readings[row], truth[row], binary=binary, against=bool(against))
        return figure_pixels(figure)


def _say(ax: Axes, reading: float, truth: float, *, binary: bool, against: bool) -> None:
    label = "?" if not np.isfinite(truth) else f"{truth:.0f}" if binary else signed(truth, 2)
    words = ax.text(
        0.03,
        0.96,
        f"{signed(float(reading), 2)} · {label}",
        transform=ax.transAxes,
        color="#ffb07c" if against else "#ffffff",
        fontsize=10,
        va="top",
    )
    words.set_path_effects([effects.withStroke(linewidth=2.4, foreground="#101010")])


def draw_readings(ax: Axes, readings: Sequence[Reading], theme: Theme) -> None:
    """A line for each attribute: a dot at the reading, a tick at the training mean, the number at the right."""
    n = len(readings)
    ax.set(xlim=(-BEYOND - 0.02, 1 + BEYOND + 0.02), ylim=(n - 0.4, -0.6))
    for k, reading in enumerate(readings):
        ax.plot([0, 1], [k, k], color=theme.faint, linewidth=5, solid_capstyle="round", zorder=0)
        mean, value = reading.place(reading.mean), reading.place(reading.value)
        ax.plot([mean, mean], [k - 0.22, k + 0.22], color=theme.muted, linewidth=1.5)
        ax.plot([mean, value], [k, k], color=theme.colour("blue"), linewidth=2)
        ax.plot([value], [k], "o", color=theme.colour("blue"), markersize=7)
        place = ax.get_yaxis_transform()  # x in axes, y in data
        ax.text(1.02, k, signed(reading.value, 2), transform=place, va="center", color=theme.ink)
    ax.set_yticks(range(n), [reading.label for reading in readings])
    ax.set_xticks([])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlabel("dot: reading; tick: training mean", loc="left", fontsize=8, color=theme.muted)


def read_photograph(pixels: Pixels, readings: Sequence[Reading]) -> Pixels:
    """A photograph ``(H, W, 3)`` beside its readings; as high as the readings need, at least 360 pixels."""
    height = max(_HEIGHT, 60 + 26 * len(readings))
    width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
    photograph = crop_resize(pixels, None, (height, width), "bicubic")
    with themed(LIGHT):
        figure = Figure(figsize=(5.2, height / _DPI), dpi=_DPI, layout="constrained", facecolor=LIGHT.paper)
        ax = figure.subplots()
        draw_readings(ax, readings, LIGHT)
        drawn = figure_pixels(figure)
    return np.concatenate([photograph, drawn], axis=1)
