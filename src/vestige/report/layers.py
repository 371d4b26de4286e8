"""The main metric against layer: where along a network something can be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.intervals import Floats
from vestige.report.measured_run import MeasuredRun
from vestige.report.style import Theme, decimal_axis, label_right, panels


@dataclass(frozen=True)
class LayerLine:
    """The main metric along the network's depth.

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


def layer_order(run: MeasuredRun) -> tuple[str, ...]:
    """The swept layers from input to output: in the order of the sweep."""
    return tuple(dict.fromkeys(row.layer for row in run.results.sweep if row.layer and row.subset == "all"))


def layer_lines(run: MeasuredRun) -> tuple[LayerLine, ...]:
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


def has_layers(run: MeasuredRun) -> bool:
    """Whether the run swept more than one layer."""
    return len(layer_order(run)) > 1


def draw_layers(runs: Sequence[MeasuredRun], theme: Theme) -> Figure:
    """The main metric against layer: test solid, training folds dashed, untrained seeds thin; one panel a run."""
    figure, axes = panels(len(runs), 4.0, share_x=False)
    ends = [_layer_panel(ax, run, theme) for run, ax in zip(runs, axes, strict=True)]
    axes[0].set_ylim(min(run.lowest for run in runs), None)
    for run, ax, labels in zip(runs, axes, ends, strict=True):
        names = layer_order(run)
        label_right(ax, labels)
        _mark_chosen(ax, run, names, theme, crowded=len(runs) > 1)
        _layer_ticks(ax, names, crowded=len(runs) > 1)
        ax.grid(axis="y")
        decimal_axis(ax.yaxis)
        if len(runs) > 1:
            ax.set_title(run.name, pad=14)
    axes[0].set_ylabel(runs[0].axis)
    return figure


def _layer_panel(ax: Axes, run: MeasuredRun, theme: Theme) -> list[tuple[float, float, str, str]]:
    """Draw a run's lines; their right ends, to be named once all panels have their scale."""
    ax.set_xlim(-0.4, len(layer_order(run)) - 0.6)
    lines = layer_lines(run)
    ends = [end for line in lines if (end := _layer_line(ax, run, line, lines, theme)) is not None]
    return [*ends, *_untrained_means(ax, run, lines, theme), *_levels(ax, run, theme)]


def _layer_line(
    ax: Axes, run: MeasuredRun, line: LayerLine, lines: Sequence[LayerLine], theme: Theme
) -> tuple[float, float, str, str] | None:
    known = np.flatnonzero(np.isfinite(line.values))
    colour = run.colour(line.method, theme)
    values = line.values[known]
    if line.seed is not None:
        if line.metric == run.metric:
            ax.plot(known, values, color=colour, linewidth=0.8, alpha=0.6)
        return None
    if line.metric == run.metric:
        ax.plot(known, values, color=colour, marker="o", markersize=4)
        name = _line_name(run, line, lines)
    else:
        if line.method != "ridge":
            return None
        ax.plot(known, values, color=colour, linewidth=1.2, linestyle=(0, (3, 2)))
        name = "on training folds"
    return (float(known[-1]), float(values[-1]), name, colour)


def _line_name(run: MeasuredRun, line: LayerLine, lines: Sequence[LayerLine]) -> str:
    readouts = {other.readout for other in lines if other.method == line.method}
    return f"{run.label(line.method)}, {line.readout}" if len(readouts) > 1 and line.readout else run.label(line.method)


def _untrained_means(
    ax: Axes, run: MeasuredRun, lines: Sequence[LayerLine], theme: Theme
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
        colour = run.colour("untrained", theme)
        ax.plot(known, means, color=colour, linestyle=run.dashes("untrained"), marker="^", markersize=4.5)
        name = f"Untrained, {len(seeds)} seeds" if len(seeds) > 1 else "Untrained"
        ends.append((float(known[-1]), float(means[-1]), name, colour))
    return ends


def _levels(ax: Axes, run: MeasuredRun, theme: Theme) -> list[tuple[float, float, str, str]]:
    """What does not depend on a layer, as level lines."""
    ends = []
    for method in ("mean", "rgb"):
        row = run.find(method)
        if row is not None:
            ax.axhline(
                row.value, color=run.colour(method, theme), linewidth=1.1, linestyle=run.dashes(method), zorder=0
            )
            ends.append((ax.get_xlim()[1], row.value, run.label(method), run.colour(method, theme)))
    return ends


def _mark_chosen(ax: Axes, run: MeasuredRun, names: Sequence[str], theme: Theme, *, crowded: bool) -> None:
    chosen, row = run.results.backbone.get("layer"), run.find("ridge")
    if chosen not in names or row is None:
        return
    x = names.index(str(chosen))
    ax.axvline(x, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    ax.plot([x], [row.value], "o", markersize=10, markerfacecolor="none", markeredgecolor=theme.ink)
    ax.annotate(
        f"{chosen}: {row.value:.3f}" if crowded else f"{chosen}, chosen on training folds: {row.value:.3f}",
        (x, row.value),
        (-8 if x >= len(names) / 2 else 8, -14),
        textcoords="offset points",
        ha="right" if x >= len(names) / 2 else "left",
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
