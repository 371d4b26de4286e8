"""The landmark task's part of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.distances import cumulative_error
from vestige.intervals import Bootstrap, Difference, paired_difference
from vestige.probes.engine.vector_run import layers_chart
from vestige.probes.landmarks.pictures import (
    HEADINGS,
    boxed_step,
    miss,
    steps_shown,
    triplet,
    typical_pictures,
    worst_pictures,
)
from vestige.published import PublishedTable, paper
from vestige.report.blocks import NONE, Block, Cell, Chart, Gallery, Opening, RowGroup, Section, Table
from vestige.report.differences import difference_cells, difference_table
from vestige.report.key_numbers import key_numbers
from vestige.report.point_run import PointRun, read_point_run
from vestige.report.style import Theme, decimal_axis, key_above, label_right, panels, spread
from vestige.results import Row, resampled
from vestige.run import Run
from vestige.text import count, listed, percent, percent_range, read_from, signed, value_range

Runs = Sequence[PointRun]


def landmark_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What a landmark report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_point_run(run) for run in runs]
    sections = (_errors(read), _by_part(read), _curves(read), _layers(read), _pictures(read), _worst(read))
    return tuple(opening(run) for run in read), tuple(section for section in sections if section is not None)


def _errors(runs: Runs) -> Section:
    several = len(runs) > 1
    blocks: list[Block | None] = [run_table(runs), run_differences(runs)] if several else []
    shown: set[str] = set()
    for run in runs:
        published = published_for(run)
        others = published is not None and published.heading not in shown
        shown |= {published.heading} if published else set()
        blocks += [error_table(run, named=several, others=others), difference_table(run, named=several)]
    return Section("Error of every method", "errors", tuple(block for block in blocks if block is not None))


def _by_part(runs: Runs) -> Section | None:
    runs = [run for run in runs if part_methods(run)]
    if not runs:
        return None
    chart = Chart(
        name="error-by-part",
        draw=partial(draw_parts, runs),
        alt="Error by part of the face: " + "; ".join(_parts_said(run, named=len(runs) > 1) for run in runs),
        caption="Error by part of the face. Bars: 95 % interval. The mean shape is left out; it errs far more.",
    )
    return Section("Error by part", "parts", (chart,))


def _parts_said(run: PointRun, *, named: bool) -> str:
    rows = [(part, run.find(run.best, subset=part)) for part in part_order(run)]
    said = listed([f"{part} {row.value:.3f}" for part, row in rows if row is not None])
    return f"{run.name}, {run.label(run.best)}: {said}" if named else f"{run.label(run.best)}: {said}"


def _curves(runs: Runs) -> Section | None:
    if not any(run.examples.errors for run in runs):
        return None
    chart = Chart(
        name="cumulative-error",
        draw=partial(draw_ced, runs),
        alt="Cumulative error curves: the share of faces below each error, for "
        + listed([runs[0].label(method) for method in runs[0].methods]),
        caption="The share of faces whose error is at most that on the axis: the higher and the further left, "
        "the better. Dashed: the limits of the failure rates.",
    )
    return Section("How the errors are spread", "curves", (chart,))


def _layers(runs: Runs) -> Section | None:
    chart = layers_chart(runs, "the landmarks", "error-against-layer")
    return Section("Error against layer", "layers", (chart,)) if chart is not None else None


def _pictures(runs: Runs) -> Section | None:
    blocks = tuple(block for run in runs if (block := _triplets(run, named=len(runs) > 1)) is not None)
    return Section("What it looks like", "pictures", blocks) if blocks else None


def _triplets(run: PointRun, *, named: bool) -> Gallery | None:
    chosen = typical_pictures(run) if run.best in run.examples.errors else ()
    if not len(chosen):
        return None
    steps = [HEADINGS.get(step, run.label(step)) for step in steps_shown(run)]
    boxed = boxed_step(run)
    boxes = f" The boxes are where look-back looks, drawn about {HEADINGS.get(boxed, boxed)}’s points." if boxed else ""
    return Gallery(
        name="triplets",
        tiles=tuple(triplet(run, int(k)) for k in chosen),
        caption=(f"{run.name}: {listed(steps)}" if named else _sentence(listed(steps)))
        + f".{boxes} Taken at even steps of the {steps[-1]} error, from small to large; not picked by hand.",
    )


def _worst(runs: Runs) -> Section | None:
    blocks: list[Block] = []
    for run in runs:
        chosen = worst_pictures(run) if run.best in run.examples.errors else ()
        if len(chosen):
            caption = (
                f"{run.name}: t" if len(runs) > 1 else "T"
            ) + f"he largest {HEADINGS.get(run.best, run.best)} errors. Lines lead from where a point should be."
            blocks.append(Gallery("worst", tuple(miss(run, int(k)) for k in chosen), caption, columns=3))
    return Section("Worst cases", "worst", tuple(blocks)) if blocks else None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def opening(run: PointRun) -> Opening:
    """The headline, what stands behind it, and the key numbers."""
    return Opening(run.name, headline(run), detail(run), key_numbers(run))


def headline(run: PointRun) -> str:
    """One sentence: how well the landmarks can be read out of the layer."""
    ridge = run.find("ridge")
    place = read_from(run.results.backbone)
    if ridge is None:
        row = run.find(run.best)
        assert row is not None  # methods come from the rows
        return f"{run.label(run.best)} places {run.n_points} landmarks to within {percent(row.value)} of {run.unit}."
    return (
        f"A linear map reads {run.n_points} landmarks out of {place} to within {percent(ridge.value)} of {run.unit}"
        f"{_then(run)}."
    )


def _then(run: PointRun) -> str:
    last = run.find(run.best)
    ridge = run.find("ridge")
    if last is None or ridge is None or run.best == "ridge":
        return ""
    change = run.difference(run.best, "ridge")
    times = run.best.removeprefix("look-back-")
    looked = "looking again at each part" if run.best == "look-back" else f"looking again at each part, {times} times"
    if change is not None and change.ci95[0] > 0:
        return f"; {looked} makes it worse, {percent(last.value)}"
    if change is not None and change.ci95[1] >= 0:
        return f"; {looked} changes little, {percent(last.value)}"
    return f", and to within {percent(last.value)} by {looked}"


def detail(run: PointRun) -> str:
    """The sentences behind the headline: sample, interval, baselines and what they show."""
    ridge = run.find("ridge")
    if ridge is None:
        return f"Mean over {count(_n(run), 'test picture')}."
    interval = f" (95 % interval {percent_range(ridge.ci95)})" if ridge.ci95 else ""
    said = [f"Mean error of the linear map over {count(ridge.n, 'test picture')}{interval}."]
    baselines = [
        f"{words} errs by {percent(row.value)}"
        for method, words in (("mean", "the mean shape alone"), ("rgb", "a linear map of the picture’s pixels"))
        if (row := run.find(method)) is not None
    ]
    if baselines:
        said.append(f"{_sentence(listed(baselines))}.")
    untrained = run.find("untrained")
    if untrained is not None:
        said.append(_untrained(untrained, ridge, run.difference("ridge", "untrained")))
    return " ".join(said)


def _untrained(untrained: Row, ridge: Row, difference: Difference | None) -> str:
    told = f"The same network with random weights errs by {percent(untrained.value)}"
    low, high = difference.ci95 if difference else (ridge.value - untrained.value,) * 2
    if high < 0:
        return f"{told}: it is training, not the architecture alone, that makes the landmarks this easy to read."
    if low > 0:
        return f"{told}: training took away some of what the architecture alone keeps."
    return f"{told}: on these pictures, training makes no difference that can be told from chance."


def _n(run: PointRun) -> int:
    return len(run.examples.ids)


SCORES = ("auc@0.08", "auc@0.10", "failure@0.08", "failure@0.10")
"""The scores beside the error, in the order of the table's columns."""


@dataclass(frozen=True)
class Published:
    """The published column that stands beside a run: of its own data set where the paper has it, else Helen's."""

    table: PublishedTable
    column: int
    short: str

    @property
    def heading(self) -> str:
        """What the column is called: always with the data set, and the points where the paper says them."""
        column = self.table.columns[self.column]
        return f"Published, on {column.name}" + (f" ({column.note})" if column.note else "")

    def value(self, method: str) -> float | None:
        """The published error of one of vestige's methods."""
        for row in self.table.rows:
            if row.method == method:
                return row.values[self.column]
        return None


def published_for(run: PointRun) -> Published | None:
    """The published numbers to show beside a run; None where its errors are a share of something else."""
    source = paper("persistent-evidence")
    table = source.table("landmarks")
    if run.metric != table.metric:
        return None
    column = table.column_for(str(run.results.data.get("test", {}).get("spec", "")))
    helen = table.column_for("helen")
    assert helen is not None  # the data file has it
    return Published(table, helen if column is None else column, source.short)


def error_table(run: PointRun, *, named: bool, others: bool = True) -> Table:
    """The paper's Table 1 with what was measured: error with its interval, area under the curve, failures.

    Args:
        run: the run.
        named: whether the caption says which run it is.
        others: whether methods that were only published have rows, too.
    """
    published = published_for(run)
    columns = ["Method", "Error", "AUC 0.08", "AUC 0.10", "Failed 0.08", "Failed 0.10"]
    groups = [RowGroup(tuple(_measured(run, method, published) for method in run.methods), heading="Measured here")]
    if published is not None:
        columns.append(published.heading)
        if others:
            groups.append(RowGroup(_published_only(published), heading=f"Published only, in {published.short}"))
    n = len(run.examples.ids)
    return Table(
        caption=(f"{run.name}: e" if named else "E") + f"rror / {run.unit}, mean over {n:,} test pictures",
        columns=tuple(columns),
        groups=tuple(groups),
        note=_note(published, resampled(run.results.data)),
    )


def _note(published: Published | None, over: str) -> str:
    note = (
        f"Small figures: 95 % bootstrap interval over {over}. "
        "AUC: area under the cumulative error curve up to "
        "that error, 1 is best. Failed: share of pictures with a larger error."
    )
    if published is None:
        return note + " The paper’s numbers are shares of the inter-ocular distance, so they are not set beside these."
    return (
        f"{note} Published: {published.table.number} of {published.short}, measured by others on other crops and "
        f"annotations; it was not measured here. {published.table.columns[published.column].remark}".strip()
    )


def _measured(run: PointRun, method: str, published: Published | None) -> tuple[Cell, ...]:
    row = run.find(method)
    assert row is not None  # methods come from the rows
    tone = "strong" if method == run.best else ""
    cells = [Cell(run.label(method), tone=tone), Cell(signed(row.value), value_range(row.ci95), tone)]
    cells += [_score(run, method, score) for score in SCORES]
    if published is not None:
        cells.append(_published(published.value(method)))
    return tuple(cells)


def _score(run: PointRun, method: str, metric: str) -> Cell:
    row, known = run.find(method, metric), run.results.metrics.get(metric)
    if row is None:
        return NONE
    return Cell(percent(row.value) if known and known.shown == "percent" else signed(row.value))


def _published(value: float | None) -> Cell:
    return NONE if value is None else Cell(signed(value), tone="published")


def _published_only(published: Published) -> tuple[tuple[Cell, ...], ...]:
    rows = [row for row in published.table.rows if not row.method and row.values[published.column] is not None]
    rows.sort(key=lambda row: -(row.values[published.column] or 0.0))
    blank = (Cell(""),) * (1 + len(SCORES))
    return tuple((Cell(row.label, row.reference), *blank, _published(row.values[published.column])) for row in rows)


def run_table(runs: Sequence[PointRun]) -> Table:
    """The error of every method in every run, side by side."""
    methods = list(dict.fromkeys(method for run in runs for method in run.methods))
    rows = [(Cell(runs[0].label(method)), *(_error(run, method) for run in runs)) for method in methods]
    units = list(dict.fromkeys(run.unit for run in runs))
    return Table(
        caption="Error / " + " or ".join(units) + ", run by run",
        columns=("Method", *(run.name for run in runs)),
        groups=(RowGroup(tuple(rows)),),
    )


def _error(run: PointRun, method: str) -> Cell:
    row = run.find(method)
    if row is None:
        return NONE
    return Cell(signed(row.value), value_range(row.ci95), "strong" if method == run.best else "")


def run_differences(runs: Sequence[PointRun]) -> Table | None:
    """How every other run's methods differ from the first run's, where both measured the same pictures alike."""
    first, *others = runs
    rows = []
    for run in others:
        if run.metric != first.metric or not np.array_equal(run.examples.ids, first.examples.ids):
            continue
        for method in ("ridge", "look-back"):
            a, b = run.examples.errors.get(method), first.examples.errors.get(method)
            if a is not None and b is not None:
                difference = paired_difference(a, b, Bootstrap.draw(first.groups))
                if difference is not None:
                    rows.append(difference_cells(run.label(method), f"{run.name} − {first.name}", difference))
    if not rows:
        return None
    return Table(
        caption=f"Paired differences from {first.name}, on the same test pictures",
        columns=("", "Difference of error", "95 % interval", "p"),
        groups=(RowGroup(tuple(rows)),),
        note=f"Below 0: better than {first.name}.",
    )


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
        ax.set(xlim=(0, at[-1]), ylim=(0, 102))
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
