"""The report on an alignment: carried keypoints beside the published, what flow is worth, and warped neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from vestige.correspondence.align.pictures import sheets
from vestige.correspondence.align.run import AlignRun, read_align_run
from vestige.distances import longer_side
from vestige.published import PublishedTable, paper
from vestige.report.blocks import NONE, Block, Cell, Chart, Opening, RowGroup, Section, Table
from vestige.report.differences import difference_cells
from vestige.report.key_numbers import key_numbers
from vestige.report.pck import PckPanel, draw_pck_curves
from vestige.report.style import Theme, decimal_axis, label_right, panels
from vestige.results import Row, resampled
from vestige.run import Run
from vestige.text import count, listed, percent

PAPER = "do-convnets-learn-correspondence"


def align_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_align_run(run) for run in runs]
    worth = tuple(table for run in read if (table := difference_table(run, named=len(read) > 1)) is not None)
    sections = [
        Section("Keypoints carried over", "pck", tuple(table for run in read for table in pck_tables(run))),
        Section("What flow is worth", "worth", worth),
        Section("Neighbours brought into place", "pictures", tuple(block for run in read for block in sheets(run))),
        Section("How far off the others are", "curve", (_curve_chart(read),)),
        Section("Betas", "betas", _beta_blocks(read)),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section.blocks)


def _opening(run: AlignRun) -> Opening:
    best, copied = run.row(run.chosen), run.row("nearest-neighbour")
    config = run.results.config
    alpha = run.metric.removeprefix("pck@")
    headline = (
        f"Flow in {run.layer} of {run.results.backbone.get('spec')} carries {percent(best.value)} of the keypoints to "
        f"within {alpha} of the longer side of the box; copying the nearest neighbour’s, {percent(copied.value)}."
    )
    said = (
        f"Mean over keypoint types and classes, on {count(best.n, 'test instance')}. Each takes its keypoints from "
        f"{config['neighbours']} training instances of its class, the most similar by "
        f"{config['neighbours_by']['layer']} ({config['neighbours_by']['readout']}): the median of the "
        f"{config['first']} least deformed."
    )
    return Opening(run.name, headline, said, key_numbers(run, run.main_methods, run.chosen))


def pck_tables(run: AlignRun) -> tuple[Table, ...]:
    """Table 2: all methods at every alpha beside the published, then by class, or by keypoint of a single class."""
    metrics = [f"pck@{alpha:g}" for alpha in run.results.config["alphas"]]
    rows = tuple(
        (Cell(run.label(method), run.beta(method)), *(_measured(run, method, metric) for metric in metrics))
        for method in run.methods
    )
    classes, over = run.classes, count(len(run.classes), "class", "classes")
    groups = [RowGroup(rows, heading="Measured here")]
    groups += _given_betas(run, metrics)
    strict = paper(PAPER).table("keypoint-transfer-alpha")
    groups += [published] if (published := _published_means(strict, metrics)) is not None else []
    tables = [
        Table(
            caption=f"{run.name}: PCK over keypoint types, mean of {over}, in percent",
            columns=("Method", *metrics),
            groups=tuple(groups),
            note="Small figures: beta, and 95 % bootstrap intervals over "
            f"{resampled(run.results.data, what='test instances')}. Flows compare cells by features divided by their "
            "length, so a beta is not the paper’s. "
            f"Published: {strict.number} of {paper(PAPER).short}, twenty classes of PASCAL VOC 2011 with AlexNet.",
        )
    ]
    if len(classes) > 1:
        tables.append(_table_of(run, f"{run.name}: {run.metric} by class, percent", "Class", classes))
    tables += [table] if (table := published_by_class(run, classes)) is not None else []
    points = [name for name in run.subsets if name not in (*classes, "all")]
    if points:
        tables.append(_table_of(run, f"{run.name}: {run.metric} by keypoint, percent", "Keypoint", points))
    return tuple(tables)


def _given_betas(run: AlignRun, metrics: Sequence[str]) -> list[RowGroup]:
    """The flows at every beta that was asked for beside what training instances chose."""
    flows = [method for method in run.methods if method in run.results.config["beta"]]
    groups = []
    for beta in run.results.config.get("beside", ()):
        rows = tuple(
            (Cell(run.label(method)), *(_cell(run.at_beta(method, beta, metric)) for metric in metrics))
            for method in flows
        )
        groups.append(RowGroup(rows, heading=f"Measured here, beta {beta:g}"))
    return groups


def _table_of(run: AlignRun, caption: str, what: str, subsets: Sequence[str]) -> Table:
    rows = tuple(
        (Cell(subset), *(_measured(run, method, run.metric, subset) for method in run.main_methods))
        for subset in subsets
    )
    return Table(caption, (what, *map(run.label, run.main_methods)), (RowGroup(rows),))


def _published_means(table: PublishedTable, metrics: Sequence[str]) -> RowGroup | None:
    columns = {column.match: k for k, column in enumerate(table.columns)}
    if not set(metrics) & set(columns):
        return None
    rows = tuple(
        (
            Cell(row.label, f"{table.classes} classes"),
            *(_published(row.values[columns[metric]]) if metric in columns else NONE for metric in metrics),
        )
        for row in table.rows
    )
    return RowGroup(rows, heading="Published, on other pictures")


def published_by_class(run: AlignRun, classes: Sequence[str]) -> Table | None:
    """What the paper's Table 2 says of the run's classes; None where it has none of them, or of another alpha."""
    source = paper(PAPER)
    table = source.table("keypoint-transfer")
    columns = {column.match: k for k, column in enumerate(table.columns)}
    known = [name for name in classes if name in columns]
    if run.metric != table.metric or not known:
        return None
    rows = tuple((Cell(name), *(_published(row.values[columns[name]]) for row in table.rows)) for name in known)
    return Table(
        caption=f"Published: {table.number} of {source.short}, {run.metric} in percent, by class",
        columns=("Class", *(row.label for row in table.rows)),
        groups=(RowGroup(rows),),
        note="Measured by others on PASCAL VOC 2011; it was not measured here.",
    )


def _published(value: float | None) -> Cell:
    return NONE if value is None else Cell(f"{value:.1f}", tone="published")


def _measured(run: AlignRun, method: str, metric: str, subset: str = "all") -> Cell:
    return _cell(run.find(method, metric, subset), "strong" if method == run.chosen else "")


def _cell(row: Row | None, tone: str = "") -> Cell:
    if row is None:
        return NONE
    interval = "" if row.ci95 is None else f"{100 * row.ci95[0]:.1f}–{100 * row.ci95[1]:.1f}"
    return Cell(f"{100 * row.value:.1f}", interval, tone)


def difference_table(run: AlignRun, *, named: bool) -> Table | None:
    """Paired differences at the main alpha, from the sweep."""
    words = {
        "nearest-neighbour": "What flow adds to copying the nearest neighbour’s",
        "unaligned": "What it adds to the same median without flow",
        "flow:sift": "What the network’s features add to SIFT’s",
    }
    rows = []
    for method in run.methods:
        for other, said in words.items():
            found = run.swept_difference(method, other)
            if found is not None:
                rows.append(difference_cells(said, f"{run.label(method)} − {run.label(other)}", found))
    if not rows:
        return None
    return Table(
        caption=(f"{run.name}: d" if named else "D") + f"ifferences of {run.metric}, on the same test instances",
        columns=("", "Difference", "95 % interval", "p"),
        groups=(RowGroup(tuple(rows)),),
        note="Above nought: the first of the two is better. Paired bootstrap over "
        f"{resampled(run.results.data, what='test instances')}, two-sided.",
    )


def _curve_chart(runs: Sequence[AlignRun]) -> Chart:
    return Chart(
        "pck-against-alpha",
        partial(draw_pck_curves, [_pck_panel(run) for run in runs], to=0.3),
        "PCK against alpha for " + listed([runs[0].label(method) for method in runs[0].methods]),
        "The share of keypoints that land within alpha of the longer side of the box, mean over keypoint types and "
        "classes.",
    )


def _beta_blocks(runs: Sequence[AlignRun]) -> tuple[Block, ...]:
    tried = [run for run in runs if any(len(betas) > 1 for betas in run.tried.values())]
    if not tried:
        return ()
    tried_on = next(row.n for row in tried[0].results.sweep if row.subset.startswith("beta="))
    return (
        Chart(
            "betas",
            partial(draw_betas, tried),
            "PCK on training instances against beta",
            f"{tried[0].metric} on {tried_on} training instances, their neighbours from the others: each kind "
            "of feature takes its best beta (ringed) to the test instances, which are not looked at here.",
        ),
    )


def draw_betas(runs: Sequence[AlignRun], theme: Theme) -> Figure:
    """PCK on training instances against beta, a line for each flow."""
    figure, axes = panels(len(runs), 3.6)
    for run, ax in zip(runs, axes, strict=True):
        ax.set_xscale("log")
        lines = {method: betas for method, betas in run.tried.items() if len(betas) > 1}
        ax.set_xlim(*(_span([beta for betas in lines.values() for beta in betas])))
        ends = []
        for method, betas in lines.items():
            colour = run.colour(method, theme)
            values = [100 * value for value in betas.values()]
            ax.plot(list(betas), values, color=colour, linestyle=run.dashes(method), marker="o", markersize=4)
            best = max(betas, key=lambda beta: betas[beta])
            ax.plot([best], [100 * betas[best]], "o", markersize=10, markerfacecolor="none", markeredgecolor=colour)
            ends.append((max(betas), values[-1], run.label(method), colour))
        ax.set_ylim(0, None)
        label_right(ax, ends, gap=0.09)
        ax.set_xlabel("beta, per squared cell")
        ax.set_xticks(sorted({beta for betas in lines.values() for beta in betas}))
        ax.minorticks_off()
        decimal_axis(ax.xaxis)
        ax.grid(axis="y")
        if len(runs) > 1:
            ax.set_title(run.name, pad=14)
    axes[0].set_ylabel(f"{runs[0].metric} on training instances, %")
    return figure


def _span(betas: Sequence[float]) -> tuple[float, float]:
    return min(betas) / 1.3, max(betas) * 1.3


def _pck_panel(run: AlignRun) -> PckPanel:
    return PckPanel(run, run.methods, longer_side(run.boxes), run.class_names, run.results.config["alphas"])
