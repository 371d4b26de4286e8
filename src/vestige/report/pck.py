"""PCK against alpha, the curve of every task that finds keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.distances import pck_by_type, point_errors
from vestige.intervals import Floats, mean_known
from vestige.report.point_run import PointRun
from vestige.report.style import Theme, decimal_axis, label_right, panels

ALPHAS = np.linspace(0.0, 0.5, 101)
"""Where the curve is drawn, in longer sides of the box."""


@dataclass(frozen=True)
class PckPanel:
    """One run's curves.

    Attributes:
        run: the run.
        methods: a curve each.
        sides: ``(N,)``: the longer side of each example's box in pixels.
        classes: ``(N,)``: the examples' classes.
        marks: the alphas that are measured at.
    """

    run: PointRun
    methods: Sequence[str]
    sides: Floats
    classes: NDArray[np.str_]
    marks: Sequence[float]


def draw_pck_curves(curves: Sequence[PckPanel], theme: Theme, *, to: float = 0.5) -> Figure:
    """PCK against alpha up to ``to``, a line for each method, one panel a run."""
    figure, axes = panels(len(curves), 4.3)
    at = ALPHAS[ALPHAS <= to]
    for panel, ax in zip(curves, axes, strict=True):
        run = panel.run
        ax.set(xlim=(0, at[-1]), ylim=(0, 102))
        ends = []
        for method in panel.methods:
            shares = 100 * pck_curve(run, method, panel.sides, panel.classes, at)
            colour = run.colour(method, theme)
            ax.plot(at, shares, color=colour, linestyle=run.dashes(method))
            ends.append((float(at[-1]), float(shares[-1]), run.label(method), colour))
        label_right(ax, ends, gap=0.07)
        for alpha in panel.marks:
            ax.axvline(alpha, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)))
        ax.set_xlabel("alpha, in longer sides of the box")
        decimal_axis(ax.xaxis)
        ax.grid(axis="y")
        if len(curves) > 1:
            ax.set_title(run.name, pad=14)
    axes[0].set_ylabel("keypoints found, %")
    return figure


def pck_curve(
    run: PointRun, method: str, sides: Floats, classes: NDArray[np.str_], at: Floats, of: str | None = None
) -> Floats:
    """PCK over keypoint types, mean over classes, at every alpha ``(M,)``; the mean over seeds where there are several.

    Args:
        run: the run.
        method: one of its.
        sides: ``(N,)``: the longer side of each example's box in pixels.
        classes: ``(N,)``: the examples' classes.
        at: alphas ``(M,)``.
        of: the only class; None for the mean of all.
    """
    examples = run.examples
    names = [name for name in examples.predictions if name.split("@")[0] == method]
    curves = []
    for name in names:
        distances = point_errors(examples.predictions[name], examples.truth) / sides[:, None]
        by_class = [
            [
                float(mean_known(pck_by_type(distances[classes == own] <= alpha, examples.visible[classes == own])))
                for own in (np.unique(classes) if of is None else (of,))
            ]
            for alpha in at
        ]
        curves.append(mean_known(np.array(by_class)))
    mean: Floats = np.mean(curves, axis=0)
    return mean
