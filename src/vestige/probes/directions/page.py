"""The report on directions: faces moved along attributes, what is read from them, and what leaks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from vestige.probes.directions.charts import draw_leaks, draw_paths
from vestige.probes.directions.pictures import in_detail, overview
from vestige.probes.directions.run import DirectionRun, read_direction_run
from vestige.report.blocks import NONE, Block, Cell, Chart, KeyNumber, Opening, Prose, RowGroup, Section, Table
from vestige.results import Row
from vestige.run import Run
from vestige.text import count, listed, read_from, signed, value_range

KINDS = {
    "": "Same regressors",
    "_other_half": "Other people’s regressors",
    "_reencoded": "From the pictures again",
}
"""How the readings along a direction were taken, by the ending of their metric."""


def direction_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_direction_run(run) for run in runs]
    several = len(read) > 1
    ends = [(run, f"-{run.name}" if several else "") for run in read]
    sections = (
        Section("Faces moved along attributes", "faces", tuple(overview(run, f"directions{end}") for run, end in ends)),
        Section("What moves", "effects", tuple(b for run in read for b in _effects(run, named=several))),
        Section("Direction by direction", "directions", tuple(in_detail(run, f"each{end}") for run, end in ends)),
        Section("What it was made from", "quality", tuple(_quality(run, named=several) for run in read)),
    )
    return tuple(map(_opening, read)), sections


def _opening(run: DirectionRun) -> Opening:
    moved = [run.moved[k] for k in run.plain]
    headline = (
        f"Faces moved along {listed(moved) if len(moved) <= 4 else count(len(moved), 'attribute')} in "
        f"{read_from(run.results.backbone)}, and regressed back to colours."
    )
    detail = (
        "From end to end of the range of λ, in standard deviations of each reading over the test faces: how much the "
        "attribute’s own reading changes, and how much the others do on average (leak)."
    )
    numbers = [
        KeyNumber(f"{name}, {words[0].lower()}{words[1:]}", signed(row.value, 2), value_range(row.ci95, 2))
        for name, metric in (("Own reading", "change"), ("Leak", "leak"))
        for ending, words in KINDS.items()
        if ending and (row := run.find("ridge", metric + ending)) is not None
    ]
    return Opening(run.name, headline, detail, tuple(numbers))


def _effects(run: DirectionRun, *, named: bool) -> list[Block]:
    """How readings change: a table, the readings along the way, and the matrices."""
    ending = f"-{run.name}" if named else ""
    prefix = f"{run.name}: " if named else ""
    rows = tuple(
        (
            Cell(run.named(run.moved[k]), name.partition(", ")[2]),
            *(_number(run.effect(k, f"change{kind}")) for kind in KINDS),
            *(_largest_leak(run, k, kind) for kind in ("other_half", "reencoded")),
        )
        for k, name in enumerate(run.directions)
    )
    columns = ("Moved along", *KINDS.values(), "Largest leak, other people’s", "Largest leak, from the pictures")
    table = Table(
        f"{prefix}Change of readings from end to end, in standard deviations over the test faces",
        columns,
        (RowGroup(rows),),
        "The first column is linear in λ by construction and says only how wide the range is. The second is of "
        "directions from one half of the training people, read by regressors from the other half. For the third, the "
        "reconstructions went through the network again; small figures: 95 % bootstrap interval over faces.",
    )
    said = (
        f"{prefix}The attribute’s own reading at every step. Straight lines: linear readings are linear in λ. Dots: "
        "median of faces whose reconstructions went through the network again, with the middle half of them shaded."
    )
    matrices = (
        f"{prefix}Every reading along every direction, from end to end. Off the attribute’s own column it is leak: "
        f"partly because attributes go together in the training pictures ({_together(run)})."
    )
    paths = Chart(f"readings{ending}", partial(draw_paths, run), "Readings along the directions", said)
    leaks = Chart(f"leaks{ending}", partial(draw_leaks, run), "Change of every reading along every direction", matrices)
    return [table, paths, leaks]


def _together(run: DirectionRun) -> str:
    """The pair of attributes whose labels correlate most."""
    found = np.abs(run.arrays["label_correlations"])
    found = np.where(np.eye(len(found), dtype=bool) | ~np.isfinite(found), 0.0, found)
    if not found.any():
        return "their labels do not correlate"
    a, b = np.unravel_index(int(found.argmax()), found.shape)
    value = run.arrays["label_correlations"][a, b]
    return f"most, {run.attributes[a]} and {run.attributes[b]}: correlation {signed(float(value), 2)}"


def _number(row: Row | None) -> Cell:
    return NONE if row is None else Cell(signed(row.value, 2), value_range(row.ci95, 2))


def _largest_leak(run: DirectionRun, direction: int, kind: str) -> Cell:
    matrix = run.matrix(kind)
    others = [k for k, name in enumerate(run.attributes) if name != run.moved[direction]]
    known = [k for k in others if np.isfinite(matrix[direction, k])]
    if not known:
        return NONE
    worst = max(known, key=lambda k: abs(matrix[direction, k]))
    return Cell(signed(float(matrix[direction, worst]), 2), run.attributes[worst])


def _quality(run: DirectionRun, *, named: bool) -> Block:
    """How well attributes and colours are read on the test faces."""
    metrics = {"auc": "AUC", "r2": "R²"}
    rows = [
        (Cell(run.named(row.subset)), Cell(metrics[row.metric]), Cell(signed(row.value), value_range(row.ci95)))
        for row in run.results.rows
        if row.method == "ridge" and row.metric in metrics and row.subset != "all"
    ]
    colours = run.find("ridge", "mae")
    if colours is not None:
        rows.append(
            (Cell("colours"), Cell("mean absolute error"), Cell(signed(colours.value), value_range(colours.ci95)))
        )
    if not rows:
        return Prose("No attribute could be measured on the test faces.")
    prefix = f"{run.name}: " if named else ""
    caption = f"{prefix}How well the regressors read the test faces"
    return Table(caption, ("What is read", "Measure", "Value"), (RowGroup(tuple(rows)),))
