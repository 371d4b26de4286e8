"""The tables and figures of "Do Convnets Learn Correspondence?", from runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from vestige.backbones import open_backbone
from vestige.correspondence.align.page import AlignRun, read_align_run
from vestige.correspondence.align.task import PAPER_BETA
from vestige.correspondence.classify.page import ClassifyRun, c_chart, peak_chart, peak_types, read_classify_run
from vestige.correspondence.classify.task import PAPER_C
from vestige.correspondence.detect.page import DetectRun, read_detect_run, unstable_note
from vestige.correspondence.detect.task import CHOSEN, PRIOR
from vestige.features.kept_fields import receptive_fields
from vestige.papers.reproduction import (
    Exhibit,
    MeasuredRow,
    Runs,
    beside_published,
    classes_of,
    figure_of,
    row_of,
    swept_row_of,
)
from vestige.published import Column, paper
from vestige.report.blocks import Block, Cell, Number, RowGroup, Table
from vestige.results import Row, resampled
from vestige.run import Run

PAPER = "do-convnets-learn-correspondence"
NETWORK = "caffe:caffenet@random:0"
"""The paper's architecture; receptive fields do not depend on weights."""

Find = Callable[[str, str], Row | None]
"""(metric, subset) -> the row."""

METHODS = {
    "unaligned": "median of neighbours, unaligned",
    "nearest-neighbour": "nearest-neighbour transfer",
    "mean": "mean of the class",
}
"""Measured rows that are no flow."""


def _receptive(_runs: Runs) -> tuple[Block, ...]:
    """Table 1, measured on the network itself."""
    table = paper(PAPER).table("receptive-fields")
    names = [row.label for row in table.rows]
    found = receptive_fields(open_backbone(NETWORK), names)
    rows = []
    for row in table.rows:
        field = found[row.label]
        assert field.receptive_field is not None
        assert field.stride is not None
        own = (field.receptive_field[0], field.stride[0])
        published = (Cell(f"{value:g}", "", "published", Number(published=value)) for value in row.values)
        pairs = zip(own, row.values, strict=True)
        rows.append((Cell(row.label), *published, *(Cell(f"{a:g}", number=Number(a, published=b)) for a, b in pairs)))
    columns = ("", "field, published", "stride, published", "field, measured", "stride, measured")
    said = f"{table.number}: {table.caption}"
    return (Table(said, columns, (RowGroup(tuple(rows)),), "In pixels of the input.", units="pixels of the input"),)


def _transfer(runs: Runs) -> tuple[Block, ...]:
    """Table 2: flows at the beta of training folds and at the paper's, and what does without flow."""
    run = read_align_run(_only(runs))
    source, classes = paper(PAPER), classes_of(run.results)

    def by_class(find: Find, column: Column) -> Row | None:
        return find("pck@0.1", column.match)

    def by_alpha(find: Find, column: Column) -> Row | None:
        return find(column.match, "all")

    def measured(place: Callable[[Find, Column], Row | None]) -> list[MeasuredRow]:
        return [
            MeasuredRow(label, partial(place, find), 100, small, group, classes)
            for label, find, small, group in _transferred(run)
        ]

    note = (
        "PCK over keypoint types. Features of layers and of SIFT are divided by their length here, which the paper "
        f"does not say of its own: its beta of {PAPER_BETA:g} is another stiffness for them. By training folds: each "
        "feature takes the beta that is best among training instances. Small figures: 95 % bootstrap interval over "
        f"{resampled(run.results.data, what='test instances')}."
    )
    return (
        beside_published(source.table("keypoint-transfer"), measured(by_class), 1, note),
        beside_published(source.table("keypoint-transfer-alpha"), measured(by_alpha), (1, 1, 2), note),
    )


def _transferred(run: AlignRun) -> list[tuple[str, Find, str, str]]:
    """What is measured of Table 2: label, where its rows are, what is said beside it, and the group it stands in."""
    flows = [method for method in run.methods if method in run.results.config["beta"]]
    rows: list[tuple[str, Find, str, str]] = []
    for method in flows:
        chosen = "beta by training folds" if len(run.tried.get(method, ())) > 1 else "beta as given"
        rows.append((_flow(method), partial(run.find, method), run.beta(method), f"Measured here, {chosen}"))
    for beta in run.results.config.get("beside", ()):
        group = f"Measured here, beta {beta:g}"
        rows += [(_flow(method), partial(run.at_beta, method, beta), "", group) for method in flows]
    others = [method for method in METHODS if method in run.methods]
    return rows + [(METHODS[m], partial(run.find, m), "", "Measured here, without flow") for m in others]


def _flow(method: str) -> str:
    """A flow's name as the paper has it: ``conv4 flow``, ``SIFT flow``; of SIFT on another layer's grid, that too."""
    kind, _, grid = method.removeprefix("flow:").partition("sift-")
    if grid:
        return f"SIFT flow at {grid}"
    return "SIFT flow" if kind == "sift" else f"{kind} flow"


def _classification(runs: Runs) -> tuple[Block, ...]:
    """Table 3: SIFT by radius, then the layers, as the paper has them; each at its C and at what folds choose."""
    run = read_classify_run(_only(runs))
    methods = [*run.sifts, *run.layers]
    measured = [
        *(_at_paper_c(run, method) for method in methods),
        *(_at_own_c(run, method) for method in methods if run.tried),
        *(_at_own_c(run, method) for method in run.methods if method not in methods),
    ]
    note = (
        f"Accuracy over keypoint instances. C = {PAPER_C:g}, the paper’s, is for its network’s raw activations; the "
        "other C is the best of each feature by five-fold cross-validation on training pictures. Small figures: 95 % "
        f"bootstrap interval over {resampled(run.results.data, what='test examples')}."
    )
    return (beside_published(paper(PAPER).table("keypoint-classification"), measured, 0, note),)


def _at_paper_c(run: ClassifyRun, method: str) -> MeasuredRow:
    def find(column: Column) -> Row | None:
        subset = f"C={PAPER_C:g}" if column.match == "all" else f"C={PAPER_C:g} {column.match}"
        return swept_row_of(run.results, method, run.metric, subset)

    return MeasuredRow(run.label(method), find, 100, "", f"Measured here, C = {PAPER_C:g}", len(run.classes))


def _at_own_c(run: ClassifyRun, method: str) -> MeasuredRow:
    def find(column: Column) -> Row | None:
        return row_of(run.results, method, run.metric, column.match)

    c = run.results.config["c"].get(method)
    if c is None:
        return MeasuredRow(run.label(method), find, 100, "", "Measured here, without features", len(run.classes))
    return MeasuredRow(
        run.label(method), find, 100, f"C = {c:g}", "Measured here, C by cross-validation", len(run.classes)
    )


def _prediction(runs: Runs) -> tuple[Block, ...]:
    """Table 4: SIFT and the layers, without the prior, with the paper's, and with that of training folds."""
    run = read_detect_run(_only(runs))
    classes = classes_of(run.results)
    measured = [
        MeasuredRow(_detector(run, method), partial(_found, run, method), 100, classes=classes)
        for method in _detectors(run)
    ]
    note = (
        "PCK at alpha = 0.1, mean over keypoint types. The prior: eta 0.1 and sigma 22 pixels as the paper’s; tuned: "
        "chosen on training folds. Small figures: 95 % bootstrap interval over "
        f"{resampled(run.results.data, what='test instances')}.{unstable_note(run)}"
    )
    return (beside_published(paper(PAPER).table("keypoint-prediction"), measured, 1, note),)


def _found(run: DetectRun, method: str, column: Column) -> Row | None:
    return row_of(run.results, method, "pck@0.1", column.match)


def _detectors(run: DetectRun) -> Sequence[str]:
    """The detectors in the paper's order, SIFT first, then what needs none."""
    kinds = [*(kind for kind in run.kinds if kind == "sift"), *(kind for kind in run.kinds if kind != "sift")]
    own = [f"detect:{kind}{end}" for kind in kinds for end in ("", PRIOR, CHOSEN)]
    return [method for method in (*own, "nearest-neighbour", "mean") if method in run.methods]


def _detector(run: DetectRun, method: str) -> str:
    return METHODS.get(method) or run.label(method)


def _against_c(runs: Runs) -> tuple[Block, ...]:
    chart = c_chart(read_classify_run(_only(runs)))
    return () if chart is None else (chart,)


def _peaks(runs: Runs) -> tuple[Block, ...]:
    """Fig. 4: of the cat's left eye and nose where they were seen, else of the keypoints that were seen most."""
    run = read_classify_run(_only(runs))
    seen = peak_types(run, len(run.keypoints)).tolist()
    own = tuple(k for k in seen if run.keypoints[k] in ("cat/L_Eye", "cat/Nose"))
    chart = peak_chart(run, own)
    return () if chart is None else (chart,)


def _only(runs: Runs) -> Run:
    return next(iter(runs.values()))


def _figure(name: str, runs: Runs) -> tuple[Block, ...]:
    return figure_of(list(runs.values()), name)


EXHIBITS = (
    Exhibit("table 1", "receptive fields and strides", (), _receptive),
    Exhibit("table 2", "keypoint transfer", ("align",), _transfer),
    Exhibit("table 3", "keypoint classification", ("classify",), _classification),
    Exhibit("table 4", "keypoint prediction", ("detect",), _prediction),
    Exhibit("figure 1", "pictures from their patches’ neighbours", ("patches",), partial(_figure, "replaced")),
    Exhibit("figure 2", "mean receptive fields of neighbours", ("fields",), partial(_figure, "fields")),
    Exhibit("figure 3", "warped neighbours", ("align",), partial(_figure, "warped")),
    Exhibit("figure 4", "where responses are highest about a keypoint", ("classify-cats",), _peaks),
    Exhibit("figure 5", "accuracy against the SVMs’ C", ("classify-cats",), _against_c),
    Exhibit("figure 6", "keypoints predicted", ("detect",), partial(_figure, "detections")),
)
