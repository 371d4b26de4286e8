"""The page on a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from vestige.metrics import Metric
from vestige.probes.compare.names import MARKERS, short
from vestige.probes.compare.run import Comparison, Entry, Ranked, read_comparison
from vestige.report.blocks import Block, Cell, Chart, KeyNumber, Listing, Opening, Parts, RowGroup, Section, Table
from vestige.report.style import Theme, decimal_axis, key_above, label_right, panels
from vestige.results import resampled
from vestige.run import Run
from vestige.text import count, is_pixels, listed, p_value, percent, percent_range, signed, size, value_range

LOGARITHMIC = 20
"""The ratio of the largest to the least cost from which its axis is logarithmic."""


def comparison_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_comparison(run) for run in runs]
    several = len(read) > 1
    ends = [(run, f"-{run.name}" if several else "") for run in read]
    starts = [(run, f"{run.name}: " if several else "") for run in read]
    sections = (
        Section("Where along the network", "depth", tuple(b for run, end in ends for b in _depth(run, end))),
        Section("Ranking", "ranking", tuple(b for run, start in starts for b in _ranking(run, start))),
        Section("Cost", "cost", tuple(_cost(run, end) for run, end in ends)),
    )
    return tuple(Opening(run.name, headline(run), detail(run), _numbers(run)) for run in read), sections


def _said(comparison: Comparison, value: float) -> str:
    """A value as a reader meets it: shares, and errors in parts of a length, as percentages."""
    return percent(value) if _as_percent(comparison.main) else signed(value)


def _as_percent(metric: Metric) -> bool:
    return metric.shown == "percent" or bool(metric.lower_is_better and metric.unit)


def _named(entry: Entry) -> str:
    name = short(entry.backbone)
    place = name if is_pixels(entry.backbone) else f"{entry.layer} of {name}"
    return f"{place}, read as {entry.readout}"


def headline(comparison: Comparison) -> str:
    """One sentence on the best of the chosen layers."""
    best = comparison.picked()[0]
    main, said = comparison.main, _said(comparison, best.value)
    found = f"an {main.label} of {said} of {main.unit}" if main.lower_is_better and main.unit else ""
    return f"Best is {_named(best)}: {found or f'{main.label} {said} {main.unit}'.rstrip()}."


def detail(comparison: Comparison) -> str:
    """How much depends on readout and training, and what cannot be told apart from the best."""
    picked = comparison.picked()
    best = picked[0]
    said = []
    others = [e for e in picked if e.backbone == best.backbone and e.readout != best.readout]
    if others:
        each = [f"{_said(comparison, e.value)} as {e.readout}" for e in others]
        said.append(f"The same network gives {listed(each)}, each at its own layer{_pooled_away(comparison, others)}.")
    twins = [e for e in picked if e.network == best.network and not comparison.trained(e) and comparison.trained(best)]
    if twins:
        said.append(f"With random weights it comes to {_said(comparison, twins[0].value)}, read as {twins[0].readout}.")
    if comparison.baselines:
        each = [f"{baseline.method} {_said(comparison, baseline.value)}" for baseline in comparison.baselines]
        said.append(f"Without any network: {listed(each)}.")
    tied = [ranked.entry for ranked in comparison.rank(picked) if ranked.tied and ranked.entry is not best]
    if tied:
        said.append(f"Not told apart from the best over {count(best.n, 'test picture')}: {_others(tied)}.")
    return " ".join(said)


def _pooled_away(comparison: Comparison, others: Sequence[Entry]) -> str:
    """What global pooling costs, where the paired difference shows that it costs something."""
    pooled = [entry for entry in others if entry.readout == "gap"]
    if not pooled:
        return ""
    *_, ranked = comparison.rank((comparison.picked()[0], pooled[0]))
    return "" if ranked.tied else ": averaging over the picture throws away part of what says where things are"


def _others(entries: Sequence[Entry]) -> str:
    names = [_named(entry) for entry in entries]
    return listed(names) if len(names) <= 3 else f"{listed(names[:2])} and {len(names) - 2} more"


def _numbers(comparison: Comparison) -> tuple[KeyNumber, ...]:
    picked = comparison.picked()[:5]
    return tuple(
        KeyNumber(
            f"{comparison.label(entry.backbone)} {entry.layer}, {entry.readout}",
            _said(comparison, entry.value),
            _interval(comparison, entry),
            "strong" if place == 0 else "",
        )
        for place, entry in enumerate(picked)
    )


def _interval(comparison: Comparison, entry: Entry) -> str:
    if entry.ci95 is None:
        return ""
    return percent_range(entry.ci95) if _as_percent(comparison.main) else value_range(entry.ci95)


def _depth(comparison: Comparison, end: str) -> list[Chart]:
    captions: dict[By, str] = {"readout": "Every readout its panel, every backbone its line; untrained dashed."}
    if len(comparison.readouts) > 1:
        captions["backbone"] = "The same: every backbone its panel, every readout its line."
    return [_depth_chart(comparison, by, caption, end) for by, caption in captions.items()]


def _depth_chart(comparison: Comparison, by: By, caption: str, end: str) -> Chart:
    lines = "backbone" if by == "readout" else "readout"
    return Chart(
        name=f"depth-by-{by}{end}",
        draw=partial(draw_depth, comparison, by),
        alt=f"{comparison.metric} against relative depth, a panel for each {by}, a line for each {lines}",
        caption=f"{caption} Circled: the layer chosen on training folds.",
    )


def _ranking(comparison: Comparison, prefix: str) -> list[Block]:
    note = (
        f"Small figures: 95 % bootstrap interval over {resampled(comparison.results.data)}. "
        "Differences are paired, picture by picture; those in grey hold zero: they cannot be told apart from the "
        "best. The first place was chosen on these test pictures, so it is a little flattered, the more so the more "
        "entries there are."
    )
    chosen = f"{prefix}Every backbone and readout at its layer chosen on training folds"
    blocks: list[Block] = [_rank_table(comparison, comparison.picked(), chosen, note)]
    if len(comparison.entries) > len(comparison.picked()):
        title = f"{prefix}All {len(comparison.entries)} combinations"
        blocks.append(_rank_table(comparison, comparison.entries, title, "", folded=True))
    if comparison.skipped:
        lines = [f"{s.backbone} {s.layer} {s.readout}: {s.reason}" for s in comparison.skipped]
        blocks.append(Listing(f"{prefix}Not measured: {len(lines)}", "\n".join(lines), folded=True))
    return blocks


def _rank_table(
    comparison: Comparison, entries: Sequence[Entry], caption: str, note: str, *, folded: bool = False
) -> Table:
    label = comparison.main.label
    value = f"{label[0].upper()}{label[1:]}"
    return Table(
        caption=caption,
        columns=("Backbone", "Layer", "Readout", "Depth", value, "To the best", "p", "ms / image", "Bytes / image"),
        groups=(RowGroup(tuple(_rank_row(comparison, ranked) for ranked in comparison.rank(entries))),),
        note=note,
        folded=folded,
    )


def _rank_row(comparison: Comparison, ranked: Ranked) -> tuple[Cell, ...]:
    entry, difference = ranked.entry, ranked.to_best
    tone = "strong" if ranked.place == 1 else ""
    to_best = (
        Cell("best", tone="strong")
        if difference is None
        else Cell(
            f"{difference.mean:+.3f}".replace("-", "−"), value_range(difference.ci95), "quiet" if ranked.tied else ""
        )
    )
    return (
        Cell(f"{ranked.place}. {comparison.label(entry.backbone)}", tone=tone),
        Cell(entry.layer),
        Cell(entry.readout),
        Cell(f"{entry.depth:.2f}"),
        Cell(signed(entry.value), value_range(entry.ci95), tone),
        to_best,
        Cell("" if difference is None else p_value(difference.p)),
        Cell(f"{entry.ms_per_image:.1f}"),
        Cell(size(entry.bytes_per_image)),
    )


def _cost(comparison: Comparison, end: str) -> Chart:
    return Chart(
        name=f"cost{end}",
        draw=partial(draw_cost, comparison),
        alt=f"{comparison.metric} of every backbone and readout, at its layer, against milliseconds and bytes an image",
        caption="Named and joined: what nothing cheaper beats. Milliseconds are of this machine; compare them within "
        "this page only.",
    )


By = Literal["readout", "backbone"]
"""What the panels of a depth chart are; the lines in them are the other."""


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
    _from_zero(comparison, axes)
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


def _from_zero(comparison: Comparison, axes: Sequence[Axes]) -> None:
    """Begin the axis of values at zero, where none is below."""
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
    _from_zero(comparison, axes)
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
