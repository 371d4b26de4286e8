"""Figure 3: test instances, their nearest neighbours as they are, and the same neighbours warped by each flow."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from vestige.correspondence.align.run import AlignRun
from vestige.geometry import Points, to_unit
from vestige.images import Pixels
from vestige.report.blocks import Gallery, Tile
from vestige.report.style import LIGHT, figure_pixels, themed

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
                words = ax.text(x, y, text, color="#ffffff", fontsize=9.5, va="bottom", ha="left")
                words.set_path_effects([effects.withStroke(linewidth=2.2, foreground="#101010")])
            for column, text in enumerate(heads):
                ax.text(column * self._step, HEAD / 2, text, fontsize=9.5, va="center", ha="left")
            return figure_pixels(figure)

    def _mark(self, ax: Axes) -> None:
        """Every keypoint that is somewhere on the sheet in a colour and shape of its own."""
        points = np.stack(self._points)
        places = np.flatnonzero(np.isfinite(points).all(axis=-1).any(axis=0)).tolist()
        for place, k in enumerate(places):
            ax.plot(
                points[:, k, 0],
                points[:, k, 1],
                linestyle="none",
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=5.2,
                markerfacecolor=_colour(place, len(places)),
                markeredgecolor="#101010",
                markeredgewidth=0.6,
            )

    def _corner(self, row: int, column: int) -> tuple[int, int]:
        return column * self._step, HEAD + row * self._step


def _colour(place: int, count: int) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(place / count, 0.75 if place % 2 else 0.95, 1.0)
