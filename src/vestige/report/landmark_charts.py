"""The charts of a landmark report: errors of methods, parts and layers, and cumulative errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.metrics import Floats, cumulative_error
from vestige.report.landmark_run import LandmarkRun, label
from vestige.report.style import DASHES, MARKERS, Theme, decimal_axis, key_above, label_right, panels, spread

DODGE = 0.13
"""By how much of a row's height the methods stand apart, so that their intervals do not hide each other."""

LIMITS = (0.08, 0.10)
"""The errors above which a face counts as failed."""


def ced_limit(runs: Sequence[LandmarkRun]) -> float:
    """Where the cumulative curve ends: past the failure limits, and where the pixels' curve has risen."""
    wanted = [np.nanquantile(run.examples.errors[m], 0.9) for run in runs for m in ("rgb", "ridge") if m in run.methods]
    return float(np.clip(max(wanted, default=0.2), 0.15, 0.3))


def draw_ced(runs: Sequence[LandmarkRun], theme: Theme) -> Figure:
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
            ax.plot(at, shares, color=theme.method(method), linestyle=DASHES.get(method, "-"))
            ends.append((float(at[-1]), float(shares[-1]), label(method), theme.method(method)))
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


def part_order(run: LandmarkRun) -> tuple[str, ...]:
    """The parts that were measured, in the markup's order."""
    measured = {row.subset for row in run.results.rows if row.metric == run.metric}
    return tuple(part for part in run.parts if part in measured)


def part_methods(run: LandmarkRun) -> tuple[str, ...]:
    """The methods in the chart of parts: all that were measured by part but the mean shape, which errs far more."""
    parts = part_order(run)
    return tuple(m for m in run.methods if m != "mean" and any(run.find(m, subset=part) for part in parts))


def draw_parts(runs: Sequence[LandmarkRun], theme: Theme) -> Figure:
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


def _part_dots(ax: Axes, run: LandmarkRun, method: str, parts: Sequence[str], theme: Theme, dodge: float) -> None:
    rows = [(y + dodge, row) for y, part in enumerate(parts) if (row := run.find(method, subset=part)) is not None]
    colour = theme.method(method)
    for y, row in rows:
        if row.ci95 is not None:
            ax.plot(row.ci95, (y, y), color=colour, linewidth=3, alpha=0.4, solid_capstyle="butt")
    hollow = method in DASHES
    ax.plot(
        [row.value for _, row in rows],
        [y for y, _ in rows],
        MARKERS.get(method, "o"),
        color=colour,
        markersize=6.5,
        markerfacecolor=theme.paper if hollow else colour,
        markeredgewidth=1.4,
        label=label(method),
    )


def _label_above(ax: Axes, run: LandmarkRun, dodges: Mapping[str, float], first: str, theme: Theme) -> None:
    """Name the dots above those of the first part, moved apart where they would touch."""
    firsts = [(m, row) for m in dodges if (row := run.find(m, subset=first)) is not None]
    width = ax.get_xlim()[1]
    shares = [row.value / width for _, row in firsts]
    for (method, row), at in zip(firsts, spread(shares, 0.19, 0.04, 0.96), strict=True):
        ax.annotate(
            label(method),
            xy=(row.value, dodges[method]),
            xytext=(at, 1.03),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            color=theme.method(method),
            arrowprops={"arrowstyle": "-", "color": theme.method(method), "linewidth": 0.6, "alpha": 0.7, "shrinkB": 5},
        )


@dataclass(frozen=True)
class LayerLine:
    """Errors along the network's depth.

    Attributes:
        method: ``ridge`` or ``untrained``.
        metric: the test metric, or ``oof_`` and the metric: the training folds'.
        readout: where a layer was read in several ways; None where each layer was read in one.
        seed: of one untrained network; None for a mean or a single network.
        values: by layer, ``(L,)``, NaN where it was not measured.
    """

    method: str
    metric: str
    readout: str | None
    seed: int | None
    values: Floats


def layer_order(run: LandmarkRun) -> tuple[str, ...]:
    """The swept layers from input to output: in the order of the sweep."""
    return tuple(dict.fromkeys(row.layer for row in run.results.sweep if row.layer and row.subset == "all"))


def layer_lines(run: LandmarkRun) -> tuple[LayerLine, ...]:
    """The sweep's lines: for each method, metric and seed one, and for each readout where a layer has several."""
    order = {name: index for index, name in enumerate(layer_order(run))}
    metrics = (run.metric, f"oof_{run.metric}")
    rows = [
        row
        for row in run.results.sweep
        if row.subset == "all" and row.metric in metrics and row.layer and row.method in ("ridge", "untrained")
    ]
    several = len({(row.layer, row.readout) for row in rows}) > len({row.layer for row in rows})
    found: dict[tuple[str, str, str | None, int | None], Floats] = {}
    for row in rows:
        seed = row.seed if row.method == "untrained" else None
        line = found.setdefault(
            (row.method, row.metric, row.readout if several else None, seed), np.full(len(order), np.nan)
        )
        line[order[str(row.layer)]] = row.value
    return tuple(LayerLine(*key, values) for key, values in found.items())


def has_layers(run: LandmarkRun) -> bool:
    """Whether the run swept more than one layer."""
    return len(layer_order(run)) > 1


def draw_layers(runs: Sequence[LandmarkRun], theme: Theme) -> Figure:
    """Error against layer: test solid, training folds dashed, untrained seeds thin; one panel a run."""
    figure, axes = panels(len(runs), 4.0, share_x=False)
    ends = [_layer_panel(ax, run, theme) for run, ax in zip(runs, axes, strict=True)]
    axes[0].set_ylim(0, None)
    for run, ax, labels in zip(runs, axes, ends, strict=True):
        names = layer_order(run)
        label_right(ax, labels)
        _mark_chosen(ax, run, names, theme, crowded=len(runs) > 1)
        _layer_ticks(ax, names, crowded=len(runs) > 1)
        ax.grid(axis="y")
        decimal_axis(ax.yaxis)
        _title(ax, run, runs)
    axes[0].set_ylabel(f"error / {runs[0].unit}")
    return figure


def _layer_panel(ax: Axes, run: LandmarkRun, theme: Theme) -> list[tuple[float, float, str, str]]:
    """Draw a run's lines; their right ends, to be named once all panels have their scale."""
    ax.set_xlim(-0.4, len(layer_order(run)) - 0.6)
    lines = layer_lines(run)
    ends = [end for line in lines if (end := _layer_line(ax, run, line, lines, theme)) is not None]
    return [*ends, *_untrained_means(ax, run, lines, theme), *_levels(ax, run, theme)]


def _layer_line(
    ax: Axes, run: LandmarkRun, line: LayerLine, lines: Sequence[LayerLine], theme: Theme
) -> tuple[float, float, str, str] | None:
    known = np.flatnonzero(np.isfinite(line.values))
    colour = theme.method(line.method)
    values = line.values[known]
    if line.seed is not None:
        if line.metric == run.metric:
            ax.plot(known, values, color=colour, linewidth=0.8, alpha=0.6)
        return None
    if line.metric == run.metric:
        ax.plot(known, values, color=colour, marker="o", markersize=4)
        name = _line_name(line, lines)
    else:
        if line.method != "ridge":
            return None
        ax.plot(known, values, color=colour, linewidth=1.2, linestyle=(0, (3, 2)))
        name = "on training folds"
    return (float(known[-1]), float(values[-1]), name, colour)


def _line_name(line: LayerLine, lines: Sequence[LayerLine]) -> str:
    readouts = {other.readout for other in lines if other.method == line.method}
    return f"{label(line.method)}, {line.readout}" if len(readouts) > 1 and line.readout else label(line.method)


def _untrained_means(
    ax: Axes, run: LandmarkRun, lines: Sequence[LayerLine], theme: Theme
) -> list[tuple[float, float, str, str]]:
    """The mean over the seeds of the untrained networks, where the sweep holds only the seeds."""
    ends = []
    for readout in dict.fromkeys(line.readout for line in lines if line.seed is not None):
        seeds = [li.values for li in lines if li.seed is not None and li.readout == readout and li.metric == run.metric]
        if not seeds:
            continue
        stack = np.stack(seeds)
        known = np.flatnonzero(np.isfinite(stack).any(axis=0))
        means = np.nanmean(stack[:, known], axis=0)
        colour = theme.method("untrained")
        ax.plot(known, means, color=colour, linestyle=DASHES["untrained"], marker="^", markersize=4.5)
        name = f"Untrained, {len(seeds)} seeds" if len(seeds) > 1 else "Untrained"
        ends.append((float(known[-1]), float(means[-1]), name, colour))
    return ends


def _levels(ax: Axes, run: LandmarkRun, theme: Theme) -> list[tuple[float, float, str, str]]:
    """What does not depend on a layer, as level lines."""
    ends = []
    for method in ("mean", "rgb"):
        row = run.find(method)
        if row is not None:
            ax.axhline(row.value, color=theme.method(method), linewidth=1.1, linestyle=DASHES[method], zorder=0)
            ends.append((ax.get_xlim()[1], row.value, label(method), theme.method(method)))
    return ends


def _mark_chosen(ax: Axes, run: LandmarkRun, names: Sequence[str], theme: Theme, *, crowded: bool) -> None:
    chosen, row = run.results.backbone.get("layer"), run.find("ridge")
    if chosen not in names or row is None:
        return
    x = names.index(str(chosen))
    ax.axvline(x, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    ax.plot([x], [row.value], "o", markersize=10, markerfacecolor="none", markeredgecolor=theme.ink)
    ax.annotate(
        f"{chosen}: {row.value:.3f}" if crowded else f"{chosen}, chosen on training folds: {row.value:.3f}",
        (x, row.value),
        (-8 if x > len(names) / 2 else 8, -14),
        textcoords="offset points",
        ha="right" if x > len(names) / 2 else "left",
        va="top",
        color=theme.ink,
    )


def _layer_ticks(ax: Axes, names: Sequence[str], *, crowded: bool) -> None:
    if len(names) > (8 if crowded else 20):
        step = -(-len(names) // 8) if crowded else 2
        ticks = range(0, len(names), step)
    else:
        ticks = range(len(names))
    shown = [re.sub(r"^block(?=\d)", "", names[k]) if len(names) > 10 else names[k] for k in ticks]
    long = max(len(name) for name in shown) * len(shown) > 90
    ax.set_xticks(list(ticks), shown, rotation=45 if long else 0, ha="right" if long else "center")
    ax.set_xlabel("layer (numbers: blocks), from input to output" if any(s.isdigit() for s in shown) else "layer")


def _title(ax: Axes, run: LandmarkRun, runs: Sequence[LandmarkRun]) -> None:
    if len(runs) > 1:
        ax.set_title(run.name, pad=14)
