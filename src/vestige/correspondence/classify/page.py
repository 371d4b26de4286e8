"""The report on a keypoint classification: Table 3 beside the published, Fig. 5, what is taken for what, and Fig. 4."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vestige.correspondence.classify.charts import (
    confused,
    draw_confusions,
    draw_cs,
    draw_peaks,
    peak_types,
)
from vestige.correspondence.classify.run import ClassifyRun, read_classify_run
from vestige.published import paper
from vestige.report.blocks import NONE, Block, Cell, Chart, Opening, RowGroup, Section, Table
from vestige.report.differences import difference_cells
from vestige.report.key_numbers import key_numbers
from vestige.run import Run
from vestige.text import count, percent, percent_range, value_range

PAPER = "do-convnets-learn-correspondence"


def classify_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_classify_run(run) for run in runs]
    sections = [
        Section("Keypoints named", "accuracy", tuple(table for run in read for table in accuracy_tables(run))),
        Section("The network against SIFT", "worth", tuple(t for run in read if (t := difference_table(run)))),
        Section("The SVMs’ C", "c", tuple(chart for run in read if (chart := c_chart(run)))),
        Section("What is taken for what", "confusions", tuple(c for run in read if (c := _confusion_chart(run)))),
        Section("Where the responses are highest", "peaks", tuple(b for run in read for b in _peak_blocks(run))),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section.blocks)


def _opening(run: ClassifyRun) -> Opening:
    best = run.results.row(run.best_layer, run.metric)
    sift = run.results.row(run.best_sift, run.metric) if run.best_sift else None
    shown = [method for method in (run.best_layer, run.best_sift, "majority") if method is not None]
    against = f"; from {run.label(sift.method)}, {percent(sift.value)}" if sift else ""
    headline = (
        f"A linear classifier names {percent(best.value)} of the keypoints from {run.label(best.method)} of "
        f"{run.results.backbone.get('spec')}{against}."
    )
    said = (
        f"Accuracy over keypoint instances, mean of classes, on {count(best.n, 'test example')}: one-vs-all "
        "linear SVMs within each class, on the cell that is centred nearest to a keypoint. Layer, radius and C "
        "were chosen by cross-validation on training pictures."
    )
    return Opening(run.name, headline, said, key_numbers(run, shown, run.best_layer))


def accuracy_tables(run: ClassifyRun) -> tuple[Table, ...]:
    """Table 3: every method, beside the published; by class where there are several, by keypoint of a single one."""
    groups = [
        RowGroup(tuple(_cells(run, method) for method in methods), heading=heading)
        for heading, methods in (
            ("Network", run.layers),
            ("SIFT", run.sifts),
            ("Without looking", tuple(m for m in run.methods if m not in (*run.layers, *run.sifts))),
        )
        if methods
    ]
    tables = [
        Table(
            caption=f"{run.name}: accuracy over keypoint instances, mean of classes, in percent",
            columns=("Feature", "Test", "Cross-validation", "C", "Test at C = 1e-6"),
            groups=tuple(groups),
            note="Small figures: 95 % bootstrap intervals over test examples. C = 1e-6 is the paper’s, for raw "
            "activations of another network; the scale of the features decides what it means.",
        ),
        published_table(run),
    ]
    subsets = list(dict.fromkeys(row.subset for row in run.results.rows if row.subset != "all"))
    if len(run.classes) > 1:
        tables.append(_by_subset(run, "class", [name for name in subsets if name in run.classes]))
    points = [name for name in subsets if name not in run.classes]
    if points:
        tables.append(_by_subset(run, "keypoint", points))
    return tuple(tables)


def _cells(run: ClassifyRun, method: str) -> tuple[Cell, ...]:
    row, paper_c = run.results.row(method, run.metric), run.swept(method, run.metric, "C=1e-06")
    tried, c = run.tried.get(method, {}), run.results.config["c"].get(method)
    strong = "strong" if method in run.results.config["best"] else ""
    low_high = "" if row.ci95 is None else f"{100 * row.ci95[0]:.1f}–{100 * row.ci95[1]:.1f}"
    return (
        Cell(run.label(method)),
        Cell(f"{100 * row.value:.1f}", low_high, strong),
        Cell(f"{100 * tried[c]:.1f}") if c in tried else NONE,
        NONE if c is None else Cell(f"{c:g}"),
        NONE if paper_c is None else Cell(f"{100 * paper_c.value:.1f}"),
    )


def published_table(run: ClassifyRun) -> Table:
    """The paper's Table 3: the mean, and the run's classes that it has."""
    source = paper(PAPER)
    table = source.table("keypoint-classification")
    columns = {column.match: k for k, column in enumerate(table.columns)}
    known = [name for name in run.classes if name in columns][:8]
    shown = [*known, "all"]
    rows = tuple((Cell(row.label), *(_published(row.values[columns[name]]) for name in shown)) for row in table.rows)
    return Table(
        caption=f"Published: {table.number} of {source.short}, accuracy in percent",
        columns=("Feature", *("mean of twenty classes" if name == "all" else name for name in shown)),
        groups=(RowGroup(rows),),
        note="Measured by others on PASCAL VOC 2011; it was not measured here.",
    )


def _published(value: float | None) -> Cell:
    return NONE if value is None else Cell(f"{value:.0f}", tone="published")


def _by_subset(run: ClassifyRun, what: str, subsets: Sequence[str]) -> Table:
    methods = [*run.layers, *run.sifts] if what == "class" else list(run.results.config["best"])
    rows = []
    for subset in subsets:
        found = [run.find(method, subset=subset) for method in methods]
        best = max((row.value for row in found if row), default=0.0)
        cells = [NONE if row is None else _share(row.value, row.ci95, strong=row.value == best) for row in found]
        rows.append((Cell(subset), *cells))
    return Table(
        caption=f"{run.name}: accuracy by {what}, percent",
        columns=(what.capitalize(), *map(run.label, methods)),
        groups=(RowGroup(tuple(rows)),),
        note="The best of each row stands out.",
    )


def _share(value: float, interval: tuple[float, float] | None, *, strong: bool) -> Cell:
    small = "" if interval is None else f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f}"
    return Cell(f"{100 * value:.1f}", small, "strong" if strong else "")


def difference_table(run: ClassifyRun) -> Table | None:
    """The paired difference of the network's best layer and SIFT's best radius."""
    found = run.difference_from_sift
    if found is None or run.best_sift is None:
        return None
    words = f"{run.label(run.best_layer)} − {run.label(run.best_sift)}"
    return Table(
        caption=f"{run.name}: the difference of accuracy on the same test keypoints",
        columns=("", "Difference", "95 % interval", "p"),
        groups=(RowGroup((difference_cells("What the network’s features add", words, found),)),),
        note="Above nought: the network is better. Paired bootstrap over test examples, two-sided.",
    )


def c_chart(run: ClassifyRun) -> Chart | None:
    """Fig. 5; None where a single C was given."""
    if not run.tried:
        return None
    return Chart(
        "accuracy-against-c",
        partial(draw_cs, run),
        "Accuracy by cross-validation against C",
        "Accuracy by five-fold cross-validation on training pictures against the SVMs’ C (Fig. 5); the chosen one is "
        "ringed, the dashed line is the paper’s C.",
    )


def _confusion_chart(run: ClassifyRun) -> Chart | None:
    if not confused(run):
        return None
    return Chart(
        "confusions",
        partial(draw_confusions, run),
        "What each keypoint is taken for",
        "Rows: what a test keypoint is; columns: what it is taken for; the darker, the larger its share of the row. "
        "Features chosen by cross-validation.",
    )


def peak_chart(run: ClassifyRun, types: Sequence[int] = ()) -> Chart | None:
    """Fig. 4, of some keypoints, or of those that were seen most; None where no peaks were sought or found."""
    shown = tuple(types) or tuple(peak_types(run).tolist())
    if not run.peaks or not shown:
        return None
    which = "" if types else " The keypoints that were seen most."
    return Chart(
        "peaks",
        partial(draw_peaks, run, shown),
        "Where responses are highest about a keypoint",
        "Places of the highest response of a keypoint’s own classifier within 21 x 21 pixels of it, computed at every "
        "pixel (Fig. 4); those on the border are left out, below each panel how many of all remain. Cross: the "
        f"keypoint.{which}",
    )


def _peak_blocks(run: ClassifyRun) -> tuple[Block, ...]:
    chart = peak_chart(run)
    if chart is None:
        return ()
    rows = tuple(_peak_cells(run, method) for method in run.peaks)
    table = Table(
        caption=f"{run.name}: peaks about all keypoints",
        columns=("Feature", "Keypoints", "Not on the border", "Mean distance in pixels"),
        groups=(RowGroup(rows),),
        note=f"{_peaks_at(run)} Peaks at random places would be off the border in 82 %, and those 7.3 pixels from the "
        "keypoint in the mean. Small figures: 95 % bootstrap intervals over test examples.",
    )
    return chart, table


def _peaks_at(run: ClassifyRun) -> str:
    """The C of the classifiers whose responses were looked at."""
    c = run.results.config.get("localise_c")
    return "Classifiers at the C of each feature by folds." if c is None else f"Classifiers at C = {c:g}."


def _peak_cells(run: ClassifyRun, method: str) -> tuple[Cell, ...]:
    share, distance = (run.peak_row(method, metric) for metric in ("peaks_inside", "peak_distance"))
    inside = NONE if share is None else Cell(percent(share.value), percent_range(share.ci95) if share.ci95 else "")
    away = NONE if distance is None else Cell(f"{distance.value:.1f}", value_range(distance.ci95, 1))
    return Cell(run.label(method)), Cell(f"{len(run.peaks[method]):,}"), inside, away
