"""Everything that a set of trained runs reads out of one photograph (Fig. 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vestige.contract.task import Predictor
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Box, Points, check_box, to_unit
from vestige.images import ImageFile, Pixels, crop_resize, picture_size
from vestige.probes.attributes.attribute import Reading
from vestige.probes.attributes.measure import Attributes
from vestige.probes.attributes.page import draw_readings
from vestige.probes.engine.linear import Source, check_weights
from vestige.probes.engine.trained_vectors import Prediction
from vestige.probes.pixels.measure import Pixelwise
from vestige.probes.segmentation.class_maps import Colours, map_of, over, resized
from vestige.probes.segmentation.measure import Segmentation
from vestige.report.style import LIGHT, figure_pixels, themed
from vestige.run import Run
from vestige.spelling import spelled

Readers = Callable[[Run], Reader]
"""A Reader that computes features as a run did."""


@dataclass(frozen=True)
class Part:
    """What one run reads.

    Attributes:
        run: its folder.
        task: its name.
        source: backbone, layer and readout of its regressors.
        prediction: of the photograph.
    """

    run: Path
    task: str
    source: Source
    prediction: Prediction

    @property
    def layer(self) -> str:
        """The layer as readers meet it."""
        return f"{self.source.layer} ({self.source.readout}) of {self.source.backbone}"

    def descriptor(self) -> tuple[Source, tuple[float, ...]]:
        """What makes the descriptor that the run reads: two runs with the same read the same numbers."""
        return self.source, tuple(np.round(self.prediction.looked.seen, 3).tolist())

    def to_json(self) -> dict[str, Any]:
        """The prediction, and what it was read from."""
        said = self.prediction.to_json()
        own = {key: value for key, value in said.items() if key not in ("image", "size", "box", "seen")}
        source = {"backbone": self.source.backbone, "layer": self.source.layer, "readout": self.source.readout}
        return {"run": str(self.run), "task": self.task, **source, "seen": self.prediction.looked.seen.tolist(), **own}

    def panel(self, pixels: Pixels) -> Panel:
        """How it is drawn; of a plug-in's task, as the task itself draws it on the photograph ``(H, W, 3)``."""
        found, seen = self.prediction, self.prediction.looked.seen
        if found.names:
            return PointsPanel(f"{len(found.points)} {self.task}", self.layer, seen, found.points)
        codec, values = found.codec, found.values
        if isinstance(codec, Pixelwise):
            return ColoursPanel(f"colours, {codec.size} × {codec.size}", self.layer, seen, codec.as_pixels(values))
        if isinstance(codec, Segmentation):
            maps = codec.cells(values[None])[0]
            title = f"classes, {codec.grid} × {codec.grid}; brighter: higher response, one scale"
            return MapsPanel(title, self.layer, seen, maps, codec.table.names, codec.colours)
        if isinstance(codec, Attributes):
            return ReadingsPanel("attributes", self.layer, seen, tuple(codec.readings(values)))
        return OwnPanel(self.task, self.layer, seen, found.picture(pixels))


@dataclass(frozen=True)
class Portrait:
    """A photograph and what all runs read of it.

    Attributes:
        path: of the photograph.
        box: ``(4,)`` of the object in pixels, or None: the whole picture.
        parts: of each run.
    """

    path: Path
    box: Box | None
    parts: tuple[Part, ...]

    @property
    def shared(self) -> str:
        """The one descriptor that all parts were read from; "" where there are several."""
        return self.parts[0].layer if len({part.descriptor() for part in self.parts}) == 1 else ""

    def to_json(self) -> dict[str, Any]:
        """All predictions, and whether they were read from one descriptor."""
        return {
            "image": str(self.path),
            "size": list(self.parts[0].prediction.looked.size),
            "box": None if self.box is None else self.box.tolist(),
            "one_descriptor": bool(self.shared),
            "readings": [part.to_json() for part in self.parts],
        }

    def picture(self) -> Pixels:
        """The photograph and a panel for each run."""
        pixels = ImageFile(self.path).read()
        return draw_portrait(pixels, [part.panel(pixels) for part in self.parts], self.box, self.shared)


def read_portrait(
    path: Path, runs: Sequence[tuple[Run, Predictor]], readers: Readers, box: Box | None = None
) -> Portrait:
    """Read a photograph by every run's regressors, without looking back: one descriptor each.

    Args:
        path: of the photograph.
        runs: finished runs of probes, and what each predicts with at its first look.
        readers: the Reader of each.
        box: ``(4,)`` of the object in pixels, or None: the whole picture.

    Raises:
        VestigeError: where the photograph or a run cannot be read.
    """
    if not runs:
        raise VestigeError(f"no run to make a portrait with: name at least one, by {spelled('runs')}")
    example = Example(str(path), str(path), ImageFile(path), box)
    if box is not None:
        check_box(box, picture_size(example.image), f"{path}: {spelled('box')}")
    parts = []
    for run, predictor in runs:
        reader = readers(run)
        check_weights(predictor.probes, reader)
        (prediction,) = predictor.predict([example], reader)
        parts.append(Part(run.folder, run.results().task, _source_of(predictor, run), prediction))
    return Portrait(path, box, tuple(parts))


def _source_of(predictor: Predictor, run: Run) -> Source:
    source: Source | None = predictor.probes[0].source
    if source is None:
        raise VestigeError(f"{run.folder}: its regressors look at nothing; run the probe again")
    return source


SIDE = 3.4
"""Inches of a panel's side; a map with its classes takes two."""

HEAD = 0.5
"""Inches of the line above the panels."""

COLUMNS = 4
STRIPS = 9
"""Classes of which a map's responses are shown, those with the highest."""

_PIXELS = 480  # of a photograph's side in a panel
_DPI = 130


@dataclass(frozen=True)
class Panel:
    """Something that was read.

    Attributes:
        title: what it is.
        source: the layer that it was read from.
        seen: ``(4,)`` in pixels: what the network saw of the photograph.
    """

    title: str
    source: str
    seen: Box


@dataclass(frozen=True)
class PointsPanel(Panel):
    """Landmarks or keypoints: ``(K, 2)`` in pixels of the photograph."""

    points: Points


@dataclass(frozen=True)
class ColoursPanel(Panel):
    """A reconstruction ``(h, w, 3)``."""

    colours: Pixels


@dataclass(frozen=True)
class MapsPanel(Panel):
    """Class responses ``(G, G, C)`` with the classes' names and colours ``(C, 3)``."""

    responses: NDArray[np.floating[Any]]
    names: tuple[str, ...]
    colours: Colours


@dataclass(frozen=True)
class OwnPanel(Panel):
    """A picture ``(h, w, 3)`` that the task draws itself."""

    picture: Pixels


@dataclass(frozen=True)
class ReadingsPanel(Panel):
    """Attributes."""

    readings: tuple[Reading, ...]


def draw_portrait(pixels: Pixels, panels: Sequence[Panel], box: Box | None, shared: str) -> Pixels:
    """The photograph and its panels.

    Args:
        pixels: ``(H, W, 3)`` of the photograph.
        panels: what was read, in order.
        box: ``(4,)`` of the object, where one was given.
        shared: the one descriptor that all of it was read from, or "": then every panel says its own.
    """
    places, n_rows, n_columns = _places(panels)
    with themed(LIGHT):
        figure = Figure(figsize=(n_columns * SIDE, n_rows * SIDE + HEAD), dpi=_DPI, facecolor=LIGHT.paper)
        halves: Any = figure.subfigures(2, 1, height_ratios=[HEAD, n_rows * SIDE], hspace=0)
        head, body = halves
        words = f"All of it read from one descriptor: {shared}" if shared else "Read from several descriptors"
        head.text(0.04 / n_columns, 0.45, words, fontsize=13, color=LIGHT.ink, va="center")
        grid = body.add_gridspec(n_rows, n_columns, wspace=0, hspace=0)
        _photograph(body.add_subfigure(grid[0, 0]), pixels, box)
        for panel, (row, column, span) in zip(panels, places, strict=True):
            part = body.add_subfigure(grid[row, column : column + span])
            title = panel.title if shared else f"{panel.title}\n{panel.source}"
            _DRAW[type(panel)](part, panel, pixels, title)
        return figure_pixels(figure)


def _places(panels: Sequence[Panel]) -> tuple[list[tuple[int, int, int]], int, int]:
    """Row, column and width of each panel, after the photograph's; how many rows and columns there are."""
    spans = [2 if isinstance(panel, MapsPanel) else 1 for panel in panels]
    n_columns = 3 if COLUMNS < 1 + sum(spans) <= 6 else COLUMNS  # two rows of three rather than four and the rest
    places, row, column = [], 0, 1
    for span in spans:
        if column + span > n_columns:
            row, column = row + 1, 0
        places.append((row, column, span))
        column += span
    return places, row + 1, max(column + span for _, column, span in places)


def _axes(part: SubFigure, title: str) -> Axes:
    ax = part.add_axes((0.04, 0.03, 0.92, 0.82), anchor="NW")
    _title(part, title)
    ax.axis("off")
    return ax


def _title(part: SubFigure, title: str, left: float = 0.04) -> None:
    head, _, source = title.partition("\n")
    part.text(left, 0.945, head, fontsize=11, color=LIGHT.ink, va="center")
    part.text(left, 0.885, source, fontsize=8, color=LIGHT.muted, va="center")


def _photograph(part: SubFigure, pixels: Pixels, box: Box | None) -> None:
    ax = _axes(part, "photograph")
    ax.imshow(pixels, interpolation="bicubic", extent=(0, pixels.shape[1], pixels.shape[0], 0))
    if box is not None:
        x0, y0, x1, y1 = box
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="#ffd43b", linewidth=1.6))
        ax.set(xlim=(0, pixels.shape[1]), ylim=(pixels.shape[0], 0))


def _seen(pixels: Pixels, panel: Panel) -> Pixels:
    """What the network saw, in its own proportions."""
    x0, y0, x1, y1 = panel.seen
    scale = _PIXELS / max(x1 - x0, y1 - y0)
    size = max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))
    return crop_resize(pixels, panel.seen, size, "bicubic")


def _draw_points(part: SubFigure, panel: PointsPanel, pixels: Pixels, title: str) -> None:
    ax, seen = _axes(part, title), _seen(pixels, panel)
    height, width = seen.shape[:2]
    ax.imshow(seen, interpolation="bicubic", extent=(0, width, height, 0))
    x, y = (to_unit(panel.points, panel.seen) * (width, height)).T
    ax.scatter(x, y, s=15, c="#00e676", edgecolors="#101010", linewidths=0.5)
    ax.set(xlim=(0, width), ylim=(height, 0))


def _draw_colours(part: SubFigure, panel: ColoursPanel, pixels: Pixels, title: str) -> None:
    height, width = _seen(pixels, panel).shape[:2]
    _axes(part, title).imshow(panel.colours, interpolation="bicubic", extent=(0, width, height, 0))


def _draw_own(part: SubFigure, panel: OwnPanel, _pixels: Pixels, title: str) -> None:
    _axes(part, title).imshow(panel.picture, interpolation="bicubic")


def _draw_maps(part: SubFigure, panel: MapsPanel, pixels: Pixels, title: str) -> None:
    """The map over the photograph, and the responses of the strongest classes on one scale."""
    _title(part, title, 0.02)
    seen = _seen(pixels, panel)
    size = seen.shape[0], seen.shape[1]
    ax = part.add_axes((0.02, 0.03, 0.46, 0.82), anchor="NW")
    ax.axis("off")
    ax.imshow(over(seen, map_of(panel.responses, size), panel.colours), interpolation="bicubic")
    strongest = panel.responses.max(axis=(0, 1))
    chosen = np.argsort(-strongest, kind="stable")[:STRIPS]
    high = float(max(strongest.max(), 1e-6))
    responses = resized(panel.responses, (size[0] // 4 or 1, size[1] // 4 or 1))
    for k, c in enumerate(chosen):
        strip = part.add_axes((0.51 + 0.16 * (k % 3), 0.03 + 0.275 * (2 - k // 3), 0.15, 0.225))
        strip.imshow(responses[..., c], cmap="gray", vmin=0, vmax=high)
        strip.set_title(panel.names[c], fontsize=8, pad=3, color=LIGHT.ink)
        strip.set(xticks=[], yticks=[])
        for spine in strip.spines.values():
            spine.set(visible=True, color=panel.colours[c] / 255, linewidth=2)


def _draw_readings(part: SubFigure, panel: ReadingsPanel, pixels: Pixels, title: str) -> None:  # noqa: ARG001
    _title(part, title)
    height = min(0.72, 0.11 * len(panel.readings))
    draw_readings(part.add_axes((0.45, 0.84 - height, 0.4, height)), panel.readings, LIGHT)


_DRAW: dict[type[Panel], Any] = {
    PointsPanel: _draw_points,
    ColoursPanel: _draw_colours,
    MapsPanel: _draw_maps,
    ReadingsPanel: _draw_readings,
    OwnPanel: _draw_own,
}
