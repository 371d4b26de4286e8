"""Readings of attributes as a picture: a dot for each between what is low and what is high."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.images import Pixels, crop_resize
from vestige.probes.attributes.readings import BEYOND, Reading
from vestige.report.style import LIGHT, Theme, figure_pixels, themed
from vestige.text import signed

_HEIGHT = 360  # pixels of a photograph beside its readings
_DPI = 100


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
