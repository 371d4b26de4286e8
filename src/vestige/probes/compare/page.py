"""The page on a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vestige.metrics import Metric
from vestige.probes.compare.charts import By, draw_cost, draw_depth
from vestige.probes.compare.names import short
from vestige.probes.compare.run import Comparison, Entry, Ranked, read_comparison
from vestige.report.blocks import Block, Cell, Chart, KeyNumber, Listing, Opening, Parts, RowGroup, Section, Table
from vestige.results import resampled
from vestige.run import Run
from vestige.text import count, listed, network_name, p_value, percent, percent_range, signed, size, value_range


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
    place = name if name == network_name(entry.backbone) != entry.backbone else f"{entry.layer} of {name}"
    return f"{place}, read as {entry.readout}"


def headline(comparison: Comparison) -> str:
    """One sentence on the best of the chosen layers."""
    best = comparison.picked()[0]
    main, said = comparison.main, _said(comparison, best.value)
    found = f"an {main.label} of {said} of {main.unit}" if main.lower_is_better and main.unit else ""
    return f"Best is {_named(best)}: {found or f'{main.label} {said} {main.unit}'.rstrip()}."


def detail(comparison: Comparison) -> str:
    """How much depends on readout and training, and who cannot be told from the best."""
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
        said.append(f"Not told from the best over {count(best.n, 'test picture')}: {_others(tied)}.")
    return " ".join(said)


def _pooled_away(comparison: Comparison, others: Sequence[Entry]) -> str:
    """What global pooling costs, where the paired difference shows that it costs something."""
    pooled = [entry for entry in others if entry.readout == "gap"]
    if not pooled:
        return ""
    *_, ranked = comparison.rank((comparison.picked()[0], pooled[0]))
    return "" if ranked.tied else ": averaging over the picture throws away part of what tells where things are"


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
        "Differences are paired, picture by picture; those "
        "in grey hold nought: they cannot be told from the best. The first place was taken on these test pictures, so "
        "it is a little flattered, the more so the more entries there are."
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
