"""The charts of a report on directions: readings along the way, and how much of them leaks into others."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.intervals import Floats
from vestige.probes.directions.run import DirectionRun
from vestige.report.style import Theme, decimal_axis, key_above, panels

MATRICES = {
    "own": "read by the same regressors",
    "other_half": "read by other people’s regressors",
    "reencoded": "read from the pictures again",
}

_NUMBERED = 10  # columns of a matrix up to which every number is written


def draw_paths(run: DirectionRun, theme: Theme) -> Figure:
    """The own reading along each plain direction: exact, by other people's regressors, and from the pictures again."""
    figure, axes = panels(len(run.plain), 2.7)
    for ax, direction in zip(axes, run.plain, strict=True):
        _path(ax, run, direction, theme)
        ax.set_title(run.named(run.moved[direction]), pad=8)
    for ax in axes[::3]:
        ax.set_ylabel("standard deviations")
    for ax in axes[-min(len(axes), 3) :]:
        ax.set_xlabel("λ, from lowest to highest")
    key_above(figure, axes, theme)
    return figure


def _path(ax: Axes, run: DirectionRun, direction: int, theme: Theme) -> None:
    own = run.attributes.index(run.moved[direction])
    lambdas = run.arrays["lambdas"][direction]
    place = (lambdas - lambdas[0]) / (lambdas[-1] - lambdas[0])
    mean = (run.arrays["projections"][:, direction].mean() - lambdas[0]) / (lambdas[-1] - lambdas[0])
    for kind, name, colour, dashes in (
        ("own", "the same regressors (linear by construction)", theme.muted, (0, (4, 2))),
        ("other_half", "other people’s regressors", theme.accents[1], (0, (1, 1.4))),
    ):
        values = run.matrix(kind)[direction, own] * (place - mean)
        ax.plot(place, values, color=colour, linestyle=dashes, linewidth=1.6, label=name)
    faces = run.arrays["effect/reencoded"][:, direction, :, own].astype(np.float64)
    if len(faces):
        colour = theme.accents[0]
        low, middle, high = np.quantile(faces, [0.25, 0.5, 0.75], axis=0)
        ax.fill_between(place, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(place, middle, color=colour, marker="o", markersize=3.5, label="from the pictures again")
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.grid(axis="y")
    decimal_axis(ax.yaxis)


def draw_leaks(run: DirectionRun, theme: Theme) -> Figure:
    """How every reading changes along every direction, one matrix for each way of reading."""
    kinds = [kind for kind in MATRICES if kind != "reencoded" or len(run.arrays["effect/reencoded"])]
    matrices = [run.matrix(kind) for kind in kinds]
    limit = max(float(np.nanmax(np.abs(matrix))) for matrix in matrices)
    height = 1.5 + 0.36 * len(run.directions)
    figure, axes = panels(len(kinds), height)
    for ax, kind, matrix in zip(axes, kinds, matrices, strict=True):
        _matrix(ax, matrix, limit, theme)
        ax.set_xticks(range(len(run.attributes)), run.attributes, rotation=60, ha="right", rotation_mode="anchor")
        ax.set_title(MATRICES[kind])
    axes[0].set_yticks(range(len(run.directions)), [_short(name) for name in run.directions])
    axes[0].set_ylabel("moved along")
    return figure


def _short(direction: str) -> str:
    return direction.replace(", orthogonal to ", " ⊥ ")


def _matrix(ax: Axes, matrix: Floats, limit: float, theme: Theme) -> None:
    ax.imshow(matrix, cmap="PuOr" if theme.name == "light" else "PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if matrix.shape[1] > _NUMBERED:
        return
    for (row, column), value in np.ndenumerate(matrix):
        strong = abs(value) > 0.55 * limit
        text = f"{value:.1f}".replace("-", "−").replace("−0.0", "0.0")
        ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color="#ffffff" if strong else "#1c2126")
