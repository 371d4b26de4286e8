"""The charts of a keypoint classification: accuracy against C, confusions, and where responses are highest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.correspondence.classify.run import ClassifyRun
from vestige.correspondence.classify.task import PAPER_C
from vestige.intervals import Floats
from vestige.report.style import PAGE_WIDTH, Theme, label_right, panels

REACH = 10
"""Pixels on every side of a keypoint among which the highest response was sought."""

SHOWN_TYPES = 3

SHOWN_METHODS = 6

MOST_CONFUSED = 24
"""Keypoint types up to which confusions can be read."""


def draw_cs(run: ClassifyRun, theme: Theme) -> Figure:
    """Accuracy by cross-validation against C: the network's layers left, SIFT's radii right."""
    kinds = [kind for kind in (run.layers, run.sifts) if kind]
    figure, axes = panels(len(kinds), 3.9)
    for methods, ax in zip(kinds, axes, strict=True):
        cs = sorted({c for method in methods for c in run.tried[method]})
        ax.set_xscale("log")
        ax.set_xlim(cs[0] / 2, cs[-1] * 2)
        ax.set_ylim(0, 100 * max(max(max(tried.values()) for tried in run.tried.values()) * 1.08, 0.01))
        ends = []
        for method in methods:
            tried, colour = run.tried[method], run.colour(method, theme)
            ax.plot(cs, [100 * tried[c] for c in cs], color=colour, marker="o", markersize=3)
            best = run.results.config["c"][method]
            ax.plot([best], [100 * tried[best]], "o", markersize=9, markerfacecolor="none", markeredgecolor=colour)
            ends.append((cs[-1], 100 * tried[cs[-1]], run.label(method).removeprefix("SIFT, radius "), colour))
        ax.axvline(PAPER_C, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)))
        label_right(ax, ends, gap=0.065)
        ax.set_xlabel("C")
        ax.set_title("the network’s layers" if methods == run.layers else "SIFT, by radius")
        ax.grid(axis="y")
        ax.minorticks_off()
    axes[0].set_ylabel("accuracy by cross-validation, %")
    return figure


def confused(run: ClassifyRun) -> bool:
    """Whether confusions can be drawn: of a single class with not too many keypoints."""
    return len(run.classes) == 1 and 1 < len(np.unique(run.arrays["keypoint"])) <= MOST_CONFUSED


def confusion(run: ClassifyRun, method: str) -> tuple[Floats, list[str]]:
    """The shares ``(t, t)`` of what each keypoint is taken for, and the keypoints' names; rows add up to 1."""
    truth, told = run.arrays["keypoint"].astype(int), run.arrays[f"prediction/{method}"].astype(int)
    types = np.unique(truth)
    known = np.isin(told, types)
    counts = np.zeros((len(types), len(types)))
    np.add.at(counts, (np.searchsorted(types, truth[known]), np.searchsorted(types, told[known])), 1)
    total = np.bincount(np.searchsorted(types, truth), minlength=len(types))
    return counts / total[:, None], [run.keypoints[k] for k in types]


def draw_confusions(run: ClassifyRun, theme: Theme) -> Figure:
    """What the keypoints of a class are taken for, by the best layer and by the best SIFT."""
    methods = list(run.results.config["best"])
    figure, axes = panels(len(methods), 4.9)
    for method, ax in zip(methods, axes, strict=True):
        shares, names = confusion(run, method)
        ax.imshow(shares, cmap=_map(theme), vmin=0, vmax=1)
        for i, j in zip(*np.nonzero(shares >= 0.1), strict=True):
            ink = theme.paper if shares[i, j] > 0.5 else theme.ink
            ax.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=6.5, color=ink)
        ax.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.tick_params(length=0)
        ax.set_title(run.label(method))
        for spine in ax.spines.values():
            spine.set_visible(False)
    return figure


def peak_types(run: ClassifyRun, count: int = SHOWN_TYPES) -> NDArray[np.intp]:
    """The ``count`` keypoints about which most peaks were sought, the most frequent first; () where none were."""
    if not run.peaks:
        return np.empty(0, np.intp)
    found = run.arrays["keypoint"][run.arrays["peak_marks"].astype(np.intp)]
    types, counts = np.unique(found, return_counts=True)
    return types[np.argsort(-counts, kind="stable")][:count].astype(np.intp)


def off_border(offsets: NDArray[np.int8]) -> NDArray[np.bool_]:
    """``(m, 2) -> (m,)``: whether a peak is not on its square's border."""
    return np.asarray((np.abs(offsets) < REACH).all(axis=1))


def peak_methods(run: ClassifyRun) -> Sequence[str]:
    """The layers, the last where there are too many, and SIFT."""
    layers = [method for method in run.peaks if method.startswith("cell:")]
    others = [method for method in run.peaks if method not in layers]
    return [*layers[-(SHOWN_METHODS - len(others)) :], *others]


def draw_peaks(run: ClassifyRun, types: Sequence[int], theme: Theme) -> Figure:
    """A histogram for every keypoint (rows) and feature (columns)."""
    methods = peak_methods(run)
    marks = run.arrays["keypoint"][run.arrays["peak_marks"].astype(np.intp)]
    side = min(2.0, PAGE_WIDTH / len(methods))
    figure = Figure(figsize=(side * len(methods) + 0.4, side * len(types) + 0.3), layout="constrained")
    grid = figure.subplots(len(types), len(methods), squeeze=False)
    for i, keypoint in enumerate(types):
        for j, method in enumerate(methods):
            offsets = run.peaks[method][marks == keypoint]
            _peak_panel(grid[i, j], offsets, theme)
            if i == 0:
                grid[i, j].set_title(run.label(method), fontsize=9)
            if j == 0:
                grid[i, j].set_ylabel(run.keypoints[keypoint], fontsize=9)
    return figure


def _peak_panel(ax: Axes, offsets: NDArray[np.int8], theme: Theme) -> None:
    inside = offsets[off_border(offsets)].astype(int)
    counts = np.zeros((2 * REACH + 1, 2 * REACH + 1))
    np.add.at(counts, (inside[:, 1] + REACH, inside[:, 0] + REACH), 1)
    edge = REACH + 0.5
    ax.imshow(counts, extent=(-edge, edge, edge, -edge), cmap=_map(theme), vmin=0, vmax=max(counts.max(), 1))
    ax.plot([0], [0], "+", color=theme.colour("orange"), markersize=9, markeredgewidth=1.4)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(visible=True, color=theme.muted, linewidth=0.6)
    ax.set_xlabel(f"{len(inside)} of {len(offsets)}", fontsize=7.5, color=theme.muted)


def _map(theme: Theme) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("shares", [theme.paper, theme.accents[0]])
