"""The charts of a report on directions: faces moved along them (Fig. 6), readings along the way, and leaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.images import Pixels
from vestige.metrics import Floats
from vestige.report.direction_run import DirectionRun
from vestige.report.style import PAGE_WIDTH, Theme, decimal_axis, label_right, panels

MATRICES = {
    "own": "read by the same regressors",
    "other_half": "read by other people’s regressors",
    "reencoded": "read from the pictures again",
}

_NUMBERED = 10  # columns of a matrix up to which every number is written


def draw_faces(run: DirectionRun, direction: int, theme: Theme) -> Figure:
    """One direction: its faces regressed back at every step, then the same change added to the photographs."""
    rows = run.arrays["shown"][direction].tolist()
    figure, (regressed, added) = _sheet([len(rows), len(rows)], len(run.arrays["lambdas"][direction]))
    for k, row in enumerate(rows):
        line = (run.photograph(row), run.reconstruction(row), run.along(direction, row))
        _line(regressed[k], line, run.change(direction) if k == 0 else None, theme)
        _line(added[k], (run.photograph(row), None, run.along(direction, row, photograph=True)), None, theme)
    _headings(regressed[0], run, direction, theme)
    _beside(regressed[0][0], "regressed back from the representation", theme)
    _beside(added[0][0], "the same change, added to the photograph", theme)
    return figure


def draw_overview(run: DirectionRun, theme: Theme) -> Figure:
    """Every plain direction with the face that is lowest on it and the one that is highest (the paper's Fig. 6)."""
    figure, groups = _sheet([2] * len(run.plain), run.arrays["lambdas"].shape[1])
    for group, direction in zip(groups, run.plain, strict=True):
        for axes, row in zip(group, run.arrays["shown"][direction][[0, -1]].tolist(), strict=True):
            line = (run.photograph(row), run.reconstruction(row), run.along(direction, row))
            _line(axes, line, run.change(direction) if axes is group[0] else None, theme)
        _beside(group[0][0], run.named(run.moved[direction]), theme)
    _headings(groups[0][0], run, None, theme)
    return figure


def _sheet(groups: Sequence[int], n_steps: int) -> tuple[Figure, list[list[list[Axes]]]]:
    """Square axes over the page's width: groups of lines of ``2 + steps + 1``, space above each group and before the
    first step and the change."""
    widths = [1, 1, 0.12, *(1 for _ in range(n_steps)), 0.12, 1]
    heights = [height for n in groups for height in (0.34, *(1 for _ in range(n)))]
    side, gap = PAGE_WIDTH / (sum(widths) + 0.04 * (len(widths) - 1)), 0.04
    height = side * (sum(heights) + gap * (len(heights) - 1) + 0.3)
    figure = Figure(figsize=(PAGE_WIDTH, height))
    top = 1 - 0.1 * side / height
    mean = sum(heights) / len(heights), sum(widths) / len(widths)
    grid = figure.subplots(len(heights), len(widths), squeeze=False, width_ratios=widths, height_ratios=heights)
    figure.subplots_adjust(0.0, 0.2 * side / height, 1.0, top, wspace=gap / mean[1], hspace=gap / mean[0])
    for ax in grid.ravel():
        ax.axis("off")
    columns = [0, 1, *range(3, 3 + n_steps), 4 + n_steps]
    starts = np.cumsum([1, *(n + 1 for n in groups[:-1])])
    lines = [[list(grid[start + k, columns]) for k in range(n)] for start, n in zip(starts, groups, strict=True)]
    return figure, lines


def _line(
    axes: Sequence[Axes],
    line: tuple[Pixels, Pixels | None, Sequence[Pixels]],
    change: tuple[Pixels, float] | None,
    theme: Theme,
) -> None:
    photograph, unmoved, moved = line
    shown = [photograph, unmoved, *moved, None if change is None else change[0]]
    for ax, pixels in zip(axes, shown, strict=True):
        if pixels is not None:
            ax.imshow(pixels, interpolation="bicubic")
    if change is not None:
        below, words = axes[-1].transAxes, f"±{change[1]:.2f}"
        axes[-1].text(0.5, -0.04, words, transform=below, ha="center", va="top", fontsize=7.5, color=theme.muted)


def _headings(axes: Sequence[Axes], run: DirectionRun, direction: int | None, theme: Theme) -> None:
    n = len(axes) - 3
    words = ["photograph", "regressed", *([""] * n), "change"]
    if direction is None:
        words[2], words[1 + n] = "lowest λ", "highest λ"
    else:
        for k, value in enumerate(run.arrays["lambdas"][direction]):
            words[2 + k] = f"λ = {value:.3f}".replace("-", "−")
    for ax, text in zip(axes, words, strict=True):
        ax.text(0.5, 1.3, text, transform=ax.transAxes, ha="center", va="bottom", fontsize=7.5, color=theme.muted)


def _beside(ax: Axes, text: str, theme: Theme) -> None:
    """A heading above a line of pictures."""
    ax.text(0.0, 1.03, text, transform=ax.transAxes, ha="left", va="bottom", fontsize=9, color=theme.ink)


def draw_paths(run: DirectionRun, theme: Theme) -> Figure:
    """The own reading along each plain direction: exact, by other people's regressors, and from the pictures again."""
    figure, axes = panels(len(run.plain), 2.7)
    for ax, direction in zip(axes, run.plain, strict=True):
        ends = _path(ax, run, direction, theme)
        ax.set_title(run.named(run.moved[direction]), pad=12)
        if ax is axes[min(len(axes), 3) - 1]:
            label_right(ax, ends, gap=0.13)
    axes[0].set_ylabel("reading, standard deviations")
    for ax in axes[-min(len(axes), 3) :]:
        ax.set_xlabel("λ, from lowest to highest")
    return figure


def _path(ax: Axes, run: DirectionRun, direction: int, theme: Theme) -> list[tuple[float, float, str, str]]:
    own = run.attributes.index(run.moved[direction])
    lambdas = run.arrays["lambdas"][direction]
    place = (lambdas - lambdas[0]) / (lambdas[-1] - lambdas[0])
    mean = (run.arrays["projections"][:, direction].mean() - lambdas[0]) / (lambdas[-1] - lambdas[0])
    ends = []
    for kind, name, colour, dashes in (
        ("own", "same regressors (linear by construction)", theme.muted, (0, (4, 2))),
        ("other_half", "other people’s regressors", theme.accents[1], (0, (1, 1.4))),
    ):
        values = run.matrix(kind)[direction, own] * (place - mean)
        ax.plot(place, values, color=colour, linestyle=dashes, linewidth=1.6)
        ends.append((1.0, float(values[-1]), name, colour))
    faces = run.arrays["effect/reencoded"][:, direction, :, own].astype(np.float64)
    if len(faces):
        colour = theme.accents[0]
        low, middle, high = np.quantile(faces, [0.25, 0.5, 0.75], axis=0)
        ax.fill_between(place, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(place, middle, color=colour, marker="o", markersize=3.5)
        ends.append((1.0, float(middle[-1]), "from the pictures again", colour))
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.grid(axis="y")
    decimal_axis(ax.yaxis)
    return ends


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
