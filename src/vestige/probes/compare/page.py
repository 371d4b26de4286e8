"""The page on a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vestige.probes.compare.charts import By, draw_cost, draw_depth, panel_names, short
from vestige.probes.compare.comparison import Comparison, Entry, Ranked, rank, read_comparison
from vestige.report.blocks import (
    Block,
    Cell,
    Chart,
    Facts,
    KeyNumber,
    Listing,
    Opening,
    Page,
    Prose,
    RowGroup,
    Section,
    Table,
)
from vestige.report.page import save_figures, save_page
from vestige.report.provenance import data_table, options_listing
from vestige.results import resampled
from vestige.text import (
    count,
    duration,
    listed,
    network_name,
    p_value,
    percent,
    percent_range,
    signed,
    size,
    value_range,
)


def write_comparison(folder: Path, path: Path) -> None:
    """Write one self-contained HTML page on the comparison in a folder.

    Raises:
        VestigeError: where the folder holds none, or the page cannot be written.
    """
    save_page(comparison_page(read_comparison(folder), folder.resolve().name), path)


def write_comparison_figures(folder: Path, figures: Path) -> None:
    """Save the figures of that page as PNG.

    Raises:
        VestigeError: where the folder holds no comparison, or a figure cannot be written.
    """
    save_figures(comparison_page(read_comparison(folder), folder.resolve().name), figures)


def comparison_page(comparison: Comparison, name: str) -> Page:
    """The page on a comparison, not yet written."""
    return Page(
        title=f"vestige compare: {name}",
        kicker=f"vestige · compare · {comparison.task}",
        openings=(Opening(name, headline(comparison), detail(comparison), _numbers(comparison)),),
        sections=(_depth(comparison), _ranking(comparison), _cost(comparison), *_provenance(comparison)),
        notes=comparison.notes,
        footer=f"Made by vestige {comparison.vestige} from comparison.json and comparison.npz alone.",
    )


def _said(comparison: Comparison, value: float) -> str:
    return percent(value) if comparison.unit else signed(value)


def _named(entry: Entry) -> str:
    name = short(entry.backbone)
    place = name if name == network_name(entry.backbone) != entry.backbone else f"{entry.layer} of {name}"
    return f"{place}, read as {entry.readout}"


def headline(comparison: Comparison) -> str:
    """One sentence on the best of the chosen layers."""
    best = comparison.picked()[0]
    found = f"an error of {percent(best.value)} of {comparison.unit}" if comparison.unit else ""
    return f"Best is {_named(best)}: {found or f'{comparison.metric} {signed(best.value)}'}."


def detail(comparison: Comparison) -> str:
    """How much depends on readout and training, and who cannot be told from the best."""
    picked = comparison.picked()
    best = picked[0]
    said = []
    others = [e for e in picked if e.backbone == best.backbone and e.readout != best.readout]
    if others:
        each = [f"{_said(comparison, e.value)} as {e.readout}" for e in others]
        said.append(f"The same network gives {listed(each)}, each at its own layer{_pooled_away(comparison, others)}.")
    twins = [e for e in picked if e.network == best.network and not e.trained and best.trained]
    if twins:
        said.append(f"With random weights it comes to {_said(comparison, twins[0].value)}, read as {twins[0].readout}.")
    if comparison.baselines:
        each = [f"{baseline.method} {_said(comparison, baseline.value)}" for baseline in comparison.baselines]
        said.append(f"Without any network: {listed(each)}.")
    tied = [ranked.entry for ranked in _ranked(comparison, picked) if ranked.tied and ranked.entry is not best]
    if tied:
        said.append(f"Not told from the best over {count(len(comparison.ids), 'test picture')}: {_others(tied)}.")
    return " ".join(said)


def _pooled_away(comparison: Comparison, others: Sequence[Entry]) -> str:
    """What global pooling costs, where the paired difference shows that it costs something."""
    pooled = [entry for entry in others if entry.readout == "gap"]
    if not pooled:
        return ""
    *_, ranked = _ranked(comparison, (comparison.picked()[0], pooled[0]))
    return "" if ranked.tied else ": averaging over the picture throws away part of what tells where things are"


def _others(entries: Sequence[Entry]) -> str:
    names = [_named(entry) for entry in entries]
    return listed(names) if len(names) <= 3 else f"{listed(names[:2])} and {len(names) - 2} more"


def _numbers(comparison: Comparison) -> tuple[KeyNumber, ...]:
    picked = comparison.picked()[:5]
    return tuple(
        KeyNumber(
            f"{short(entry.backbone)} {entry.layer}, {entry.readout}",
            _said(comparison, entry.value),
            _interval(comparison, entry),
            "strong" if place == 0 else "",
        )
        for place, entry in enumerate(picked)
    )


def _interval(comparison: Comparison, entry: Entry) -> str:
    if entry.ci95 is None:
        return ""
    return percent_range(entry.ci95) if comparison.unit else value_range(entry.ci95)


def _ranked(comparison: Comparison, entries: Sequence[Entry]) -> tuple[Ranked, ...]:
    groups = comparison.ids if comparison.groups is None else comparison.groups
    return rank(entries, groups.tolist(), lower_is_better=comparison.lower_is_better)


def _depth(comparison: Comparison) -> Section:
    charts = [
        _depth_chart(comparison, "readout", "Every readout its panel, every backbone its line; untrained dashed.")
    ]
    if len(panel_names(comparison, "readout")) > 1:
        charts.append(
            _depth_chart(comparison, "backbone", "The same: every backbone its panel, every readout its line.")
        )
    return Section("Where along the network", "depth", tuple(charts))


def _depth_chart(comparison: Comparison, by: By, caption: str) -> Chart:
    lines = "backbone" if by == "readout" else "readout"
    return Chart(
        name=f"depth-by-{by}",
        draw=partial(draw_depth, comparison, by),
        alt=f"{comparison.metric} against relative depth, a panel for each {by}, a line for each {lines}",
        caption=f"{caption} Circled: the layer {_chosen_by(comparison)}.",
    )


def _chosen_by(comparison: Comparison) -> str:
    known = all(entry.selection is not None for entry in comparison.entries)
    return "chosen on training folds" if known else "with the best value on the test pictures, which flatters it"


def _ranking(comparison: Comparison) -> Section:
    note = (
        f"Small figures: 95 % bootstrap interval over {resampled(comparison.data)}. "
        "Differences are paired, picture by picture; those "
        "in grey hold nought: they cannot be told from the best. The first place was taken on these test pictures, so "
        "it is a little flattered, the more so the more entries there are."
    )
    chosen = f"Every backbone and readout at its layer {_chosen_by(comparison)}"
    blocks: list[Block] = [_rank_table(comparison, comparison.picked(), chosen, note)]
    if len(comparison.entries) > len(comparison.picked()):
        title = f"All {len(comparison.entries)} combinations"
        blocks.append(_rank_table(comparison, comparison.entries, title, "", folded=True))
    if comparison.skipped:
        lines = [f"{s.backbone} {s.layer} {s.readout}: {s.reason}" for s in comparison.skipped]
        blocks.append(Listing(f"Not measured: {len(lines)}", "\n".join(lines), folded=True))
    return Section("Ranking", "ranking", tuple(blocks))


def _rank_table(
    comparison: Comparison, entries: Sequence[Entry], caption: str, note: str, *, folded: bool = False
) -> Table:
    value = "Error" if comparison.unit else comparison.metric
    return Table(
        caption=caption,
        columns=("Backbone", "Layer", "Readout", "Depth", value, "To the best", "p", "ms / image", "Bytes / image"),
        groups=(RowGroup(tuple(_rank_row(ranked) for ranked in _ranked(comparison, entries))),),
        note=note,
        folded=folded,
    )


def _rank_row(ranked: Ranked) -> tuple[Cell, ...]:
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
        Cell(f"{ranked.place}. {short(entry.backbone)}", tone=tone),
        Cell(entry.layer),
        Cell(entry.readout),
        Cell(f"{entry.depth:.2f}"),
        Cell(signed(entry.value), value_range(entry.ci95), tone),
        to_best,
        Cell("" if difference is None else p_value(difference.p)),
        Cell(f"{entry.ms_per_image:.1f}"),
        Cell(size(entry.bytes_per_image)),
    )


def _cost(comparison: Comparison) -> Section:
    chart = Chart(
        name="cost",
        draw=partial(draw_cost, comparison),
        alt=f"{comparison.metric} of every backbone and readout, at its layer, against milliseconds and bytes an image",
        caption="Named and joined: what nothing cheaper beats. Milliseconds are of this machine; compare them within "
        "this page only.",
    )
    return Section("Cost", "cost", (chart,))


def _provenance(comparison: Comparison) -> tuple[Section, ...]:
    made = f"{comparison.created or 'at an unknown time'} by vestige {comparison.vestige or '(unknown version)'}"
    backbones = panel_names(comparison, "backbone")
    facts = (("Made", made), ("Took", duration(comparison.seconds)), ("Backbones", "; ".join(backbones)))
    blocks: list[Block] = [Facts("", facts)]
    if comparison.data:
        blocks.append(data_table([("", comparison.data)]))
    blocks.append(options_listing(comparison.config))
    sections = [Section("Provenance", "provenance", tuple(blocks))]
    command = comparison.config.get("command")
    if command:
        text = command if isinstance(command, str) else " ".join(map(str, command))
        said = Prose("The same command on the same data, weights and versions gives the same errors; times vary.")
        sections.append(Section("How to repeat this", "repeat", (said, Listing("", text))))
    return tuple(sections)
