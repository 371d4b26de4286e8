"""The look of every chart: one palette, light and dark, and how a chart becomes SVG or PNG."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from vestige.methods import ACCENTS
from vestige.picture_files import MARK

PAGE_WIDTH = 10.0
"""Inches of a chart over the full width of the page (100 CSS pixels an inch)."""

FIGURE_DPI = 200
"""Dots of an inch of a figure's PNG."""

_NAME_SIZE = 7.5  # of the names beside points, in points
_NAME_FAR = (4.0, 12.0, 20.0, 30.0, 42.0)  # from a point to its name, in points, the nearest first
_NAME_WAYS = ((1, 0), (-1, 0), (0.8, 0.6), (-0.8, 0.6), (0.8, -0.6), (-0.8, -0.6), (0, 1), (0, -1))
_LINE_COST = 3.0  # what a line to a name, and each squared point that it hides, weighs beside what names hide

_KEY_PAD, _KEY_GAP = 0.2, 1.6  # between handle and name, and between columns, in font sizes

_TAG_SIZE, _TAG_PAD = 8.0, 1.2  # of the tags of boxes: the letters, and the room about them, in points

_SVG_FONTS = "system-ui, -apple-system, Segoe UI, Helvetica Neue, Arial, DejaVu Sans, sans-serif"


@dataclass(frozen=True)
class Theme:
    """The colours of one rendition: ``palette`` by name, of which :data:`vestige.methods.ACCENTS` tell series apart."""

    name: str
    paper: str
    ink: str
    muted: str
    faint: str
    palette: dict[str, str]

    def colour(self, name: str) -> str:
        """A colour of the palette; muted where it has none of the name."""
        return self.palette.get(name, self.muted)

    @property
    def accents(self) -> tuple[str, ...]:
        """The colours that tell series apart."""
        return tuple(self.palette[name] for name in ACCENTS)


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    ink="#1c2126",
    muted="#66707a",
    faint="#dfe3e7",
    palette={
        "grey": "#8b949d",
        "slate": "#7c93b8",
        "blue": "#1f5fae",
        "orange": "#c2410c",
        "green": "#2e7d5b",
        "purple": "#86198f",
        "ochre": "#a0782c",
        "teal": "#0e7490",
        "crimson": "#9f1239",
        "stone": "#4d5761",
    },
)

DARK = Theme(
    name="dark",
    paper="#15181c",
    ink="#e8ebee",
    muted="#9aa4ae",
    faint="#343a41",
    palette={
        "grey": "#8b949d",
        "slate": "#8aa3c9",
        "blue": "#6cabf5",
        "orange": "#fb8c5a",
        "green": "#6fc79c",
        "purple": "#d98ae0",
        "ochre": "#cfa75a",
        "teal": "#5cc3d6",
        "crimson": "#f58aa4",
        "stone": "#9aa4ae",
    },
)

DASHES: dict[str, Any] = {
    "solid": "-",
    "dotted": (0, (1, 1.6)),
    "dashed": (0, (5, 2)),
    "dashdot": (0, (4, 1.6, 1, 1.6)),
}
"""Line styles, so that no series is told by its colour alone."""


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Draw in a theme: matplotlib's settings are put back afterwards."""
    settings: Any = {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.titlepad": 10,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "grid.color": theme.faint,
        "grid.linewidth": 0.7,
        "lines.linewidth": 2.0,
        "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
        "svg.hashsalt": "vestige",
    }
    with mpl.rc_context(settings):
        yield


def keypoint_mark(place: int, count: int, size: float) -> dict[str, Any]:
    """How matplotlib plots one of ``count`` keypoints on a photograph: in a colour and shape that tell it apart."""
    return {
        "linestyle": "none",
        "marker": ("o", "s", "D", "^")[place % 4],
        "markersize": size,
        "markerfacecolor": colorsys.hsv_to_rgb(place / count, 0.75 if place % 2 else 0.95, 1.0),
        "markeredgecolor": "#101010",
        "markeredgewidth": 0.65,
    }


def write_on_photograph(ax: Axes, x: float, y: float, text: str, size: float) -> None:
    """White words with a dark rim, their lower left corner at (x, y) of the axes' data."""
    words = ax.text(x, y, text, color="#ffffff", fontsize=size, va="bottom", ha="left")
    words.set_path_effects([patheffects.withStroke(linewidth=2.2, foreground="#101010")])


def panels(
    n: int, height: float, *, share_x: bool = True, share_y: bool = True, columns: int = 3
) -> tuple[Figure, list[Axes]]:
    """A figure over the page's width with ``n`` axes of a height in inches, at most ``columns`` in a row."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(PAGE_WIDTH, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=share_y, sharex=share_x, squeeze=False)
    axes = list(grid.ravel())
    for spare in axes[n:]:
        spare.remove()
    return figure, axes[:n]


def decimal_axis(axis: Any) -> None:
    """Tick labels without trailing zeros: 0.05, 0.1."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart until neighbours are ``gap`` apart, as little as possible, within ``[low, high]``.

    Pool-adjacent-violators: positions that are too close form a block centred on the mean of its wishes, which is
    the least-squares answer.
    """
    order = np.argsort(np.asarray(positions, dtype=np.float64), kind="stable")
    blocks: list[list[float]] = []  # each [sum of (wish - rank * gap), count]
    for rank, index in enumerate(order):
        blocks.append([positions[index] - rank * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    starts = [total / count for total, count in blocks for _ in range(int(count))]
    limit = max(low, high - (len(order) - 1) * gap)
    placed = [0.0] * len(order)
    for rank, index in enumerate(order):
        placed[index] = min(max(starts[rank], low), limit) + rank * gap
    return placed


def label_right(axes: Axes, ends: Sequence[tuple[float, float, str, str]], *, gap: float = 0.075) -> None:
    """Write each line's name at its right end, moved apart where they would touch.

    Args:
        axes: whose limits are already set.
        ends: x and y of the end, text and colour; x may lie left of the axes' right edge.
        gap: the least distance of two labels as a share of the axes' height.
    """
    low, high = axes.get_ylim()
    right = axes.get_xlim()[1]
    shares = [(y - low) / (high - low) for _, y, _, _ in ends]
    for (x, y, text, colour), share, at in zip(ends, shares, spread(shares, gap, 0.0, 1.0), strict=True):
        axes.annotate(
            text,
            xy=(x, y),
            xytext=(1.035, at),
            textcoords="axes fraction",
            color=colour,
            va="center",
            ha="left",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0, 0.5),
                "color": colour,
                "linewidth": 0.6,
                "alpha": 0.7,
                "shrinkA": 2,
                "shrinkB": 1,
                "clip_on": False,
            }
            if abs(at - share) > 0.01 or x < right
            else None,
        )


def name_points(axes: Axes, points: NDArray[Any], names: Mapping[tuple[float, float], str], colour: str) -> None:
    """Write names beside points, each at the nearest place where it hides no point and no other name.

    The figure is laid out by this; its limits are set before. A name that is not next to its point has a line to it.

    Args:
        axes: with points alone.
        points: ``(N, 2)`` x and y of all of them.
        names: by x and y of the point, the most important first.
        colour: of the names.
    """
    figure: Any = axes.figure
    figure.get_layout_engine().execute(figure)

    def placed(where: Any) -> NDArray[Any]:
        """Data as points of 1/72 inch on the figure."""
        return np.asarray(72 * figure.dpi_scale_trans.inverted().transform(axes.transData.transform(where)))

    inside = 72 * figure.dpi_scale_trans.inverted().transform(axes.bbox.get_points()).reshape(1, 4)
    taken = np.hstack([placed(points) - 2.5, placed(points) + 2.5])  # (N, 4): x0, y0, x1, y1
    for place, name in names.items():
        at = placed(place)
        size = np.array([_length(name, _NAME_SIZE), _NAME_SIZE])
        moves = [far * np.array(way) + 0.5 * size * np.sign(way) for far in _NAME_FAR for way in _NAME_WAYS]
        boxes = np.array([np.hstack([at + move - 0.5 * size, at + move + 0.5 * size]) for move in moves])
        cost = _hidden(boxes, taken) + size.prod() - _hidden(boxes, inside)
        lines = [_along(at, move) for move in moves[len(_NAME_WAYS) :]]
        cost[len(_NAME_WAYS) :] += [_LINE_COST * (1 + _hidden(line, taken).sum()) for line in lines]
        best = int(np.argmin(cost.round(1)))  # the nearest of those that are alike
        far = best >= len(_NAME_WAYS)
        taken = np.vstack([taken, boxes[best : best + 1], *([_along(at, moves[best])] if far else [])])
        arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            name,
            place,
            xytext=tuple(moves[best]),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_NAME_SIZE,
            color=colour,
            arrowprops=arrow if far else None,
            in_layout=False,
        )


def name_boxes(axes: Axes, boxes: NDArray[Any], names: Sequence[str], colours: Sequence[str]) -> None:
    """Outline boxes on a picture that fills the axes, each with its name on a tag that hides no other tag.

    A tag is above its box or below it, or in one of its corners, or further up or down, where none of these is free.

    Args:
        axes: whose limits are set: (0, 0) is the picture's upper left corner, (1, 1) its lower right one.
        boxes: ``(M, 4)`` x0, y0, x1, y1 in these, the most important first; their tags are placed first.
        names: of the boxes.
        colours: of the boxes and their tags.
    """
    figure: Any = axes.figure
    page = 72 * np.array([figure.get_figwidth(), figure.get_figheight()]) * axes.get_position().size  # in points
    taken = np.empty((0, 4))
    tags = []
    for (x0, y0, x1, y1), name, colour in zip(boxes * np.tile(page, 2), names, colours, strict=True):
        size = np.array([_length(name, _TAG_SIZE), 1.2 * _TAG_SIZE]) + 2 * _TAG_PAD
        near = [y0 - size[1], y1, y0, y1 - size[1]]
        ways = [(x, y) for y in near for x in (x0, x1 - size[0])]
        ways += [(x0, y0 + step * size[1]) for k in range(1, 30) for step in (-1 - k, k)]
        corners = np.clip(np.array(ways), 0, np.maximum(page - size, 0))
        places = np.hstack([corners, corners + size])
        best = int(np.argmin(_hidden(places, taken).round(1)))  # the first of those that are alike
        taken = np.vstack([taken, places[best]])
        tags.append((places[best] / np.tile(page, 2), name, colour))
    for (x0, y0, x1, y1), colour in zip(boxes[::-1].tolist(), colours[::-1], strict=True):
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=2))
    for (x0, y0, x1, y1), name, colour in tags:
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, facecolor=colour, edgecolor="none", zorder=3))
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        axes.text(*middle, name, color="white", fontsize=_TAG_SIZE, ha="center", va="center_baseline", zorder=4)


def _along(at: NDArray[Any], move: NDArray[Any]) -> NDArray[Any]:
    """``(10, 4)``: small boxes along the line from a point to its name, but for where the line leaves the point."""
    middles = at + np.linspace(0.3, 1, 10)[:, None] * move
    return np.hstack([middles - 1, middles + 1])


def _hidden(boxes: NDArray[Any], taken: NDArray[Any]) -> NDArray[Any]:
    """``(P,)``: how much of what is in ``taken`` each box hides, in squared points."""
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    found: NDArray[Any] = np.clip(high - low, 0, None).prod(axis=-1).sum(axis=-1)
    return found


def key_above(figure: Figure, axes: Sequence[Axes], theme: Theme) -> None:
    """One key above several panels, where names beside the dots would not fit."""
    handles = {text: handle for ax in axes for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper left",
        ncols=_key_columns(list(handles), 72 * float(figure.get_figwidth())),
        frameon=False,
        labelcolor=theme.ink,
        handletextpad=_KEY_PAD,
        columnspacing=_KEY_GAP,
    )


def _key_columns(names: Sequence[str], width: float) -> int:
    """How many columns a key has room for, all in one row where they fit; ``width`` in points."""
    size = float(FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points())
    wide = [_length(name, size) + (mpl.rcParams["legend.handlelength"] + _KEY_PAD + _KEY_GAP) * size for name in names]
    fits = [n for n in range(1, len(names) + 1) if sum(part.max() for part in np.array_split(wide, n)) <= width]
    return max(fits, default=1)


def _length(text: str, size: float) -> float:
    """Of a text of a font size, both in points."""
    path = TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans"))
    return 1.05 * float(path.get_extents().width)


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG whose words are set in the reader's own interface font; the same bytes every time."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue().replace(b"'DejaVu Sans'", _SVG_FONTS.encode())


def to_png(figure: Figure, theme: Theme) -> bytes:
    """The figure as PNG on the theme's paper, at :data:`FIGURE_DPI`."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=FIGURE_DPI, facecolor=theme.paper, metadata={"Software": MARK})
    return stream.getvalue()


def figure_pixels(figure: Figure) -> NDArray[np.uint8]:
    """The figure as it would be on screen: ``(H, W, 3)``."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
