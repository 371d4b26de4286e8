"""The pictures of a segmentation report: maps, and every class's responses on one scale (Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vestige.images import Pixels, crop_resize
from vestige.probes.segmentation.class_maps import Colours, coloured, map_of, resized
from vestige.probes.segmentation.run import SegmentationRun
from vestige.report.blocks import Tile
from vestige.report.style import PAGE_WIDTH, Theme
from vestige.text import listed, percent

PANEL = 224
"""Pixels of a panel's side."""

_WIDTH = 4 * PANEL + 3 * 4  # of a tile: four panels
_GAP = 4
_LINE = 17  # pixels of a class's name
_BACK = 255


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
