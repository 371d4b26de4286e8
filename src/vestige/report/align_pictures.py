"""Figure 3: test instances, their nearest neighbours as they are, and the same neighbours warped by each flow."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.geometry import Points, to_unit
from vestige.images import Pixels
from vestige.report.align_run import AlignRun
from vestige.report.blocks import Gallery, Tile
from vestige.report.style import LIGHT, figure_pixels, themed

PANEL = 190
"""Pixels of a panel's side."""

GAP = 5
"""Pixels between panels."""

HEAD = 22
"""Pixels of the strip above, with the columns' names."""

_MARKERS = ("o", "s", "D", "^")


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
        "large; nobody chose them."
    )
    return (Gallery("warped-neighbours", tiles, caption, columns=1),)


def _sheet(run: AlignRun, k: int, methods: Sequence[str]) -> Tile:
    arrays = run.arrays
    row = int(run.examples.picture_rows[k])
    near = np.flatnonzero(arrays["neighbour_rows"][k] >= 0).tolist()
    size = (len(near) + 1) * PANEL + len(near) * GAP, HEAD + (len(methods) + 1) * PANEL + len(methods) * GAP
    truth = to_unit(run.examples.truth[row], run.boxes[row])
    seen = run.examples.visible[row]
    with themed(LIGHT):
        figure = Figure(figsize=(size[0] / 100, size[1] / 100), dpi=100, facecolor="white")
        rank = np.cumsum(seen | _shown(arrays["neighbour_points"][k]).any(axis=0)) - 1
        panel = _Panels(figure, size, rank)
        panel.draw(0, 0, arrays["pictures"][k], np.where(seen[:, None], truth, np.nan), "ground truth")
        panel.head(0, "test instance")
        for j in near:
            panel.draw(0, j + 1, arrays["neighbour_pictures"][k, j], arrays["neighbour_points"][k, j])
            panel.head(j + 1, f"neighbour {j + 1}")
        for i, method in enumerate(methods, start=1):
            predicted = to_unit(run.examples.predictions[method][row], run.boxes[row])
            ax = panel.draw(i, 0, arrays["pictures"][k], np.where(seen[:, None], predicted, np.nan), run.label(method))
            _lines(ax, predicted, truth, seen)
            for j in near:
                panel.draw(i, j + 1, arrays[f"warped/{method}"][k, j], arrays[f"landed/{method}"][k, j])
        pixels = figure_pixels(figure)
    name = str(run.examples.ids[row])
    off = ", ".join(f"{run.label(method)} {run.examples.errors[method][row]:.3f}" for method in methods)
    alt = f"{name}, its nearest neighbours, and these warped by " + " and by ".join(map(run.label, methods))
    return Tile(pixels, f"{name}: mean distance in longer sides of the box, {off}", alt)


class _Panels:
    """Pictures on a grid of panels, with points in colours of their own."""

    def __init__(self, figure: Figure, size: tuple[int, int], rank: NDArray[np.intp]) -> None:
        self._figure = figure
        self._size = size
        self._rank = rank

    def draw(self, row: int, column: int, picture: Pixels, points: Points, heading: str = "") -> Axes:
        """One panel; points ``(K, 2)`` in unit coordinates, NaN where there is none; words at its lower edge."""
        width, height = self._size
        left, top = column * (PANEL + GAP), HEAD + row * (PANEL + GAP)
        ax = self._figure.add_axes(
            (left / width, 1 - (top + PANEL) / height, PANEL / width, PANEL / height), xlim=(0, 1), ylim=(1, 0)
        )
        ax.imshow(picture, extent=(0, 1, 1, 0), interpolation="bicubic", aspect="auto")
        ax.set(xlim=(0, 1), ylim=(1, 0))
        ax.axis("off")
        count = int(self._rank.max(initial=0)) + 1
        for k in np.flatnonzero(_shown(points)):
            place = int(self._rank[k])
            ax.plot(
                *points[k],
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=5.2,
                markerfacecolor=_colour(place, count),
                markeredgecolor="#101010",
                markeredgewidth=0.6,
            )
        if heading:
            words = ax.text(0.03, 0.965, heading, color="#ffffff", fontsize=9.5, va="bottom", ha="left")
            words.set_path_effects([effects.withStroke(linewidth=2.2, foreground="#101010")])
        return ax

    def head(self, column: int, text: str) -> None:
        """A column's name, in the strip above."""
        width, height = self._size
        self._figure.text(column * (PANEL + GAP) / width, 1 - HEAD / 2 / height, text, fontsize=9.5, va="center")


def _shown(points: Points) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(points).all(axis=-1))


def _lines(ax: Axes, predicted: Points, truth: Points, seen: NDArray[np.bool_]) -> None:
    both = seen & _shown(predicted)
    segments = np.stack([truth, predicted], axis=1)[both]
    ax.add_collection(LineCollection(list(segments), colors="#ffffff", linewidths=1.1, alpha=0.9, zorder=1.5))


def _colour(place: int, count: int) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(place / count, 0.75 if place % 2 else 0.95, 1.0)
