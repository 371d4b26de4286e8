"""The charts of a landmark report: errors of methods, parts and layers, and cumulative errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.distances import cumulative_error
from vestige.report.point_run import PointRun
from vestige.report.style import Theme, decimal_axis, key_above, label_right, panels, spread

DODGE = 0.13
"""By how much of a row's height the methods stand apart, so that their intervals do not hide each other."""

LIMITS = (0.08, 0.10)
"""The errors above which a face counts as failed."""


def ced_limit(runs: Sequence[PointRun]) -> float:
    """Where the cumulative curve ends: past the failure limits, and where the pixels' curve has risen."""
    wanted = [np.nanquantile(run.examples.errors[m], 0.9) for run in runs for m in ("rgb", "ridge") if m in run.methods]
    return float(np.clip(max(wanted, default=0.2), 0.15, 0.3))


def draw_ced(runs: Sequence[PointRun], theme: Theme) -> Figure:
    """Cumulative error curves of all methods, one panel a run."""
    figure, axes = panels(len(runs), 4.3)
    at = np.linspace(0.0, ced_limit(runs), 400)
    for run, ax in zip(runs, axes, strict=True):
        ax.set(xlim=(0, at[-1]), ylim=(0, 100))
        ends = []
        for method in run.methods:
            errors = run.examples.errors.get(method)
            if errors is None:
                continue
            shares = 100 * cumulative_error(errors[np.isfinite(errors)], at)
            ax.plot(at, shares, color=run.colour(method, theme), linestyle=run.dashes(method))
            ends.append((float(at[-1]), float(shares[-1]), run.label(method), run.colour(method, theme)))
        label_right(ax, ends, gap=0.07)
        _mark_limits(ax, theme)
        ax.set_xlabel(f"error / {run.unit}")
        decimal_axis(ax.xaxis)
        ax.grid(axis="y")
        _title(ax, run, runs)
    axes[0].set_ylabel("faces with at most this error, %")
    return figure


def _mark_limits(ax: Axes, theme: Theme) -> None:
    for limit, side, dx in zip(LIMITS, ("right", "left"), (-2, 2), strict=True):
        ax.axvline(limit, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        ax.annotate(
            f"{limit:.2f}", (limit, 100), (dx, 2), textcoords="offset points", ha=side, color=theme.muted, fontsize=8
        )


def part_order(run: PointRun) -> tuple[str, ...]:
    """The parts that were measured, in the markup's order."""
    measured = {row.subset for row in run.results.rows if row.metric == run.metric}
    return tuple(part for part in run.parts if part in measured)


def part_methods(run: PointRun) -> tuple[str, ...]:
    """The methods in the chart of parts: all that were measured by part but the mean shape, which errs far more."""
    parts = part_order(run)
    return tuple(m for m in run.methods if m != "mean" and any(run.find(m, subset=part) for part in parts))


def draw_parts(runs: Sequence[PointRun], theme: Theme) -> Figure:
    """Error by part (the first paper's Fig. 2a), a dot for each method with its interval; one panel a run."""
    longest = max(len(part_order(run)) for run in runs)
    alike = len({part_order(run) for run in runs}) == 1
    figure, axes = panels(len(runs), 1.1 + 0.42 * longest, share_y=alike)
    for run, ax in zip(runs, axes, strict=True):
        parts, shown = part_order(run), part_methods(run)
        dodges = {method: DODGE * ((len(shown) - 1) / 2 - k) for k, method in enumerate(shown)}
        for method, dodge in dodges.items():
            _part_dots(ax, run, method, parts, theme, dodge)
        ax.set_yticks(range(len(parts)), parts)
        ax.set_ylim(longest - 0.5, -0.5)
        ax.set_xlim(left=0)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.set_xlabel(f"error / {run.unit}")
        decimal_axis(ax.xaxis)
        if len(runs) == 1:
            _label_above(ax, run, dodges, parts[0], theme)
        _title(ax, run, runs)
    if len(runs) > 1:
        key_above(figure, axes, theme)
    return figure


def _part_dots(ax: Axes, run: PointRun, method: str, parts: Sequence[str], theme: Theme, dodge: float) -> None:
    rows = [(y + dodge, row) for y, part in enumerate(parts) if (row := run.find(method, subset=part)) is not None]
    colour = run.colour(method, theme)
    for y, row in rows:
        if row.ci95 is not None:
            ax.plot(row.ci95, (y, y), color=colour, linewidth=3, alpha=0.4, solid_capstyle="butt")
    hollow = run.dashes(method) != "-"
    ax.plot(
        [row.value for _, row in rows],
        [y for y, _ in rows],
        run.method(method).marker,
        color=colour,
        markersize=6.5,
        markerfacecolor=theme.paper if hollow else colour,
        markeredgewidth=1.4,
        label=run.label(method),
    )


def _label_above(ax: Axes, run: PointRun, dodges: Mapping[str, float], first: str, theme: Theme) -> None:
    """Name the dots above those of the first part, moved apart where they would touch."""
    firsts = [(m, row) for m in dodges if (row := run.find(m, subset=first)) is not None]
    width = ax.get_xlim()[1]
    shares = [row.value / width for _, row in firsts]
    for (method, row), at in zip(firsts, spread(shares, 0.19, 0.04, 0.96), strict=True):
        ax.annotate(
            run.label(method),
            xy=(row.value, dodges[method]),
            xytext=(at, 1.03),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            color=run.colour(method, theme),
            arrowprops={
                "arrowstyle": "-",
                "color": run.colour(method, theme),
                "linewidth": 0.6,
                "alpha": 0.7,
                "shrinkB": 5,
            },
        )


def _title(ax: Axes, run: PointRun, runs: Sequence[PointRun]) -> None:
    if len(runs) > 1:
        ax.set_title(run.name, pad=14)
