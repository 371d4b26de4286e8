"""The pictures of a landmark report: ground truth, ridge and look-back (Fig. 3), and the worst cases."""

from __future__ import annotations

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vestige.geometry import Box, Points, to_unit
from vestige.report.beside import beside
from vestige.report.blocks import Tile
from vestige.report.choosing import typical, worst
from vestige.report.point_run import PointRun
from vestige.report.style import LIGHT, figure_pixels, themed

PANEL = 320
"""Pixels of a panel's side: twice what it takes on the page, for sharp screens."""

PART_COLOURS = ("#ffd43b", "#4cc9f0", "#7ae582", "#ff6b9d", "#b197fc", "#ff922b", "#63e6be", "#ffffff")
"""Colours that are seen on skin and hair, one for each part."""

HEADINGS = {"truth": "ground truth", "ridge": "ridge", "look-back": "look-back", "look-back-2": "look-back, twice"}

_GREY = 128  # of the gaps between panels
"""Pixels between two panels."""


def typical_pictures(run: PointRun, n: int = 8) -> NDArray[np.intp]:
    """Indices into the run's pictures at even steps of the last method's error (see :func:`typical`)."""
    return typical(run.examples.errors[run.best], run.examples.picture_rows, n)


def worst_pictures(run: PointRun, n: int = 6) -> NDArray[np.intp]:
    """Indices into the run's pictures with the largest errors of the last method, worst first."""
    return worst(run.examples.errors[run.best], run.examples.picture_rows, n)


def steps_shown(run: PointRun) -> tuple[str, ...]:
    """The panels of a triplet: the ground truth, ridge, and every look-back."""
    steps = [m for m in run.methods if m == "ridge" or m.startswith("look-back")]
    return ("truth", *(step for step in steps or [run.best] if step in run.examples.predictions))


def boxed_step(run: PointRun) -> str | None:
    """The step whose points the run's part boxes were drawn about: the one before the last look-back."""
    return steps_shown(run)[-2] if run.examples.part_boxes else None


def triplet(run: PointRun, picture: int) -> Tile:
    """Ground truth, ridge with the boxes that it gives look-back, and look-back, side by side (Fig. 3)."""
    row = int(run.examples.picture_rows[picture])
    panels = [_panel(run, picture, step, boxes=step == boxed_step(run)) for step in steps_shown(run)]
    errors = [
        f"{HEADINGS.get(step, run.label(step))} {run.examples.errors[step][row]:.3f}"
        for step in steps_shown(run)
        if step in run.examples.errors
    ]
    name = str(run.examples.ids[row])
    shown = ", ".join(HEADINGS.get(step, run.label(step)) for step in steps_shown(run))
    return Tile(
        beside(panels, paper=_GREY), f"{name}: {', '.join(errors)}", f"Landmarks on {name}: {shown}, left to right"
    )


def miss(run: PointRun, picture: int) -> Tile:
    """Ground truth, and the last method's landmarks with a line from where each should be."""
    row = int(run.examples.picture_rows[picture])
    panels = [_panel(run, picture, "truth"), _panel(run, picture, run.best, lines=True)]
    name = str(run.examples.ids[row])
    error = run.examples.errors[run.best][row]
    alt = f"Landmarks on {name}: ground truth left, {HEADINGS.get(run.best, run.best)} right, off by {error:.3f}"
    return Tile(beside(panels, paper=_GREY), f"{name}: {error:.3f}", alt)


def _panel(run: PointRun, picture: int, step: str, *, boxes: bool = False, lines: bool = False) -> NDArray[np.uint8]:
    """One panel ``(PANEL, PANEL, 3)``. Its axes are unit coordinates of the crop, so nothing is resampled twice."""
    examples = run.examples
    row = int(examples.picture_rows[picture])
    truth = to_unit(examples.truth[row], examples.crops[row])
    points = truth if step == "truth" else to_unit(examples.predictions[step][row], examples.crops[row])
    visible = examples.visible[row]
    with themed(LIGHT):
        figure = Figure(figsize=(PANEL / 100, PANEL / 100), dpi=100)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.imshow(examples.pictures[picture], extent=(0, 1, 1, 0), interpolation="bicubic")
        if lines:
            segments = np.stack([truth, points], axis=1)[visible]
            ax.add_collection(LineCollection(list(segments), colors="#ffffff", linewidths=1.2, alpha=0.85))
        if boxes:
            _draw_boxes(ax, run, row)
        _draw_points(ax, points, visible if step == "truth" else np.ones_like(visible), run)
        ax.set(xlim=(0, 1), ylim=(1, 0))
        ax.axis("off")
        _heading(ax, HEADINGS.get(step, run.label(step)))
        return figure_pixels(figure)


def _colours(run: PointRun) -> list[str]:
    colours = ["#f2f2f2"] * run.n_points
    for part, colour in zip(run.parts, _cycle(len(run.parts)), strict=True):
        for k in run.parts[part]:
            colours[k] = colour
    return colours


def _cycle(n: int) -> list[str]:
    return [PART_COLOURS[k % len(PART_COLOURS)] for k in range(n)]


def _draw_points(ax: Axes, points: Points, visible: NDArray[np.bool_], run: PointRun) -> None:
    size = 19.0 if run.n_points <= 80 else 8.0
    colours = np.array(_colours(run))
    ax.scatter(
        points[visible, 0], points[visible, 1], s=size, c=list(colours[visible]), edgecolors="#101010", linewidths=0.5
    )


def _draw_boxes(ax: Axes, run: PointRun, row: int) -> None:
    crop: Box = run.examples.crops[row]
    for part, colour in zip(run.parts, _cycle(len(run.parts)), strict=True):
        if part not in run.examples.part_boxes:
            continue
        (x0, y0), (x1, y1) = to_unit(run.examples.part_boxes[part][row].reshape(2, 2), crop)
        for edge, width in (("#101010", 3.0), (colour, 1.7)):
            ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=edge, linewidth=width, alpha=0.9))


def _heading(ax: Axes, text: str) -> None:
    words = ax.text(0.025, 0.035, text, color="#ffffff", fontsize=12.5, va="top", ha="left")
    words.set_path_effects([effects.withStroke(linewidth=2.6, foreground="#101010")])
