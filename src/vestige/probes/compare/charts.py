"""The charts of a comparison: error against depth, and against cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from vestige.probes.compare.names import MARKERS
from vestige.probes.compare.run import Comparison, Entry
from vestige.report.style import Theme, decimal_axis, key_above, label_right, panels
from vestige.text import size

By = Literal["readout", "backbone"]
"""What the panels of a depth chart are; the lines in them are the other."""

LOGARITHMIC = 20
"""The ratio of the largest to the least cost from which its axis is logarithmic."""


def value_label(comparison: Comparison) -> str:
    """What the axis of values says."""
    main = comparison.main
    if main.lower_is_better and main.unit:
        return f"{main.label} / {main.unit}"
    return f"{main.label} ({main.unit})" if main.unit else main.label


def panel_names(comparison: Comparison, by: By) -> tuple[str, ...]:
    """The readouts or the backbones, in the order in which they were measured."""
    return comparison.readouts if by == "readout" else comparison.backbones


@dataclass(frozen=True)
class _Line:
    name: str
    colour: str
    marker: str
    dashes: Any


def draw_depth(comparison: Comparison, by: By, theme: Theme) -> Figure:
    """The value against relative depth: one panel for each readout (or backbone), a line for each of the other."""
    names = panel_names(comparison, by)
    figure, axes = panels(len(names), 3.7, columns=2)
    lines = _lines(comparison, "backbone" if by == "readout" else "readout", theme)
    ends = []
    for position, (name, ax) in enumerate(zip(names, axes, strict=True)):
        ax.set_xlim(-0.03, 1.03)
        entries = [entry for entry in comparison.entries if getattr(entry, by) == name]
        ends.append(_draw_lines(ax, comparison, entries, lines, "backbone" if by == "readout" else "readout", theme))
        ax.set_title(f"read as {name}" if by == "readout" else comparison.label(name), pad=12)
        ax.set_xlabel("relative depth")
        ax.set_ylabel("" if position % 2 else value_label(comparison))
        ax.tick_params(labelleft=True, labelbottom=True)
        ax.grid(axis="y")
    _from_nought(comparison, axes)
    for ax, labels in zip(axes, ends, strict=True):
        label_right(ax, labels)
        decimal_axis(ax.yaxis)
        decimal_axis(ax.xaxis)
    return figure


def _lines(comparison: Comparison, of: By, theme: Theme) -> dict[str, _Line]:
    """How each line looks."""
    if of == "readout":
        return {
            name: _Line(name, theme.accents[k % len(theme.accents)], MARKERS[k % len(MARKERS)], "-")
            for k, name in enumerate(comparison.readouts)
        }
    methods = {name: comparison.method(name) for name in comparison.backbones}
    return {
        name: _Line(method.label, theme.colour(method.colour), method.marker, comparison.dashes(name))
        for name, method in methods.items()
    }


def _draw_lines(
    ax: Axes, comparison: Comparison, entries: Sequence[Entry], lines: dict[str, _Line], of: By, theme: Theme
) -> list[tuple[float, float, str, str]]:
    ends = []
    picked = set(map(id, comparison.picked()))
    for key, line in lines.items():
        own = sorted((entry for entry in entries if getattr(entry, of) == key), key=lambda entry: entry.depth)
        if not own:
            continue
        x, y = [entry.depth for entry in own], [entry.value for entry in own]
        hollow = line.dashes != "-"
        ax.plot(
            x,
            y,
            color=line.colour,
            linestyle=line.dashes,
            marker=line.marker,
            markersize=4.5,
            markerfacecolor=theme.paper if hollow else line.colour,
        )
        for entry in own:
            if id(entry) in picked:
                ax.plot([entry.depth], [entry.value], "o", markersize=10, fillstyle="none", markeredgecolor=theme.ink)
        ends.append((x[-1], y[-1], line.name, line.colour))
    for baseline in comparison.baselines:
        colour = comparison.colour(baseline.method, theme)
        ax.axhline(baseline.value, color=colour, linewidth=1.1, linestyle=(0, (1, 1.6)), zorder=0)
        ends.append((ax.get_xlim()[1], baseline.value, baseline.method, colour))
    return ends


def _from_nought(comparison: Comparison, axes: Sequence[Axes]) -> None:
    """Begin the axis of values at nought, where none is below."""
    values = [*(entry.value for entry in comparison.entries), *(row.value for row in comparison.baselines)]
    if min(values) >= 0:
        axes[0].set_ylim(bottom=0)


def draw_cost(comparison: Comparison, theme: Theme) -> Figure:
    """The value of every backbone's and readout's chosen layer against what it costs; both best are named."""
    figure, axes = panels(2, 3.9, share_x=False, columns=2)
    entries = comparison.picked()
    looks = _lines(comparison, "backbone", theme)
    costs = ([e.ms_per_image for e in entries], [e.bytes_per_image for e in entries])
    for ax, cost, name in zip(axes, costs, ("milliseconds an image", "feature bytes an image"), strict=True):
        for entry, x in zip(entries, cost, strict=True):
            look = looks[entry.backbone]
            hollow = look.dashes != "-"
            face = theme.paper if hollow else look.colour
            ax.plot(
                [x], [entry.value], look.marker, color=look.colour, markersize=7, markerfacecolor=face, label=look.name
            )
        if max(cost) > LOGARITHMIC * min(cost):
            ax.set_xscale("log")
        ax.set_xlabel(name)
        ax.grid(axis="y")
        ax.margins(x=0.16, y=0.12)
        ax.tick_params(labelleft=True)
        _name_front(ax, comparison, entries, cost, theme)
    axes[0].set_ylabel(value_label(comparison))
    _from_nought(comparison, axes)
    decimal_axis(axes[0].yaxis)
    for ax, written in zip(axes, ("{:.3g}".format, size), strict=True):
        if ax.get_xscale() == "log":
            ax.xaxis.set_major_locator(LogLocator(subs=(1,)))
            ax.xaxis.set_minor_locator(NullLocator())
        else:
            ax.set_xlim(left=0)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _, written=written: written(value)))
    key_above(figure, axes, theme)
    return figure


def front(comparison: Comparison, entries: Sequence[Entry], cost: Sequence[float]) -> tuple[int, ...]:
    """The entries that no other beats at the same or a lower cost, cheapest first."""
    order = sorted(range(len(entries)), key=lambda k: (cost[k], comparison.better(entries[k].value)))
    kept: list[int] = []
    for k in order:
        if not kept or comparison.better(entries[k].value) < comparison.better(entries[kept[-1]].value):
            kept.append(k)
    return tuple(kept)


def _name_front(
    ax: Axes, comparison: Comparison, entries: Sequence[Entry], cost: Sequence[float], theme: Theme
) -> None:
    kept = front(comparison, entries, cost)
    ax.plot([cost[k] for k in kept], [entries[k].value for k in kept], color=theme.muted, linewidth=0.8, zorder=0)
    for rank, k in enumerate(reversed(kept)):  # the best below its dot, then above and below in turn
        entry = entries[k]
        ax.annotate(
            f"{comparison.label(entry.backbone)}\n{entry.layer}, {entry.readout}",
            (cost[k], entry.value),
            (0, 9 if rank % 2 else -9),
            textcoords="offset points",
            ha="center",
            va="bottom" if rank % 2 else "top",
            fontsize=8,
            color=theme.ink,
        )
