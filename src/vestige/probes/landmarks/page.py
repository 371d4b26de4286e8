"""The landmark task's part of a report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vestige.probes.landmarks.charts import (
    draw_ced,
    draw_parts,
    part_methods,
    part_order,
)
from vestige.probes.landmarks.pictures import (
    HEADINGS,
    boxed_step,
    miss,
    steps_shown,
    triplet,
    typical_pictures,
    worst_pictures,
)
from vestige.probes.landmarks.tables import error_table, published_for, run_differences, run_table
from vestige.probes.landmarks.words import opening
from vestige.report.blocks import Block, Chart, Gallery, Opening, Section
from vestige.report.differences import difference_table
from vestige.report.layers import draw_layers, has_layers, layer_order
from vestige.report.point_run import PointRun, read_point_run
from vestige.run import Run
from vestige.text import count, listed

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
    runs = [run for run in runs if has_layers(run)]
    if not runs:
        return None
    said = "; ".join(
        f"{run.name}: {count(len(layer_order(run)), 'layer')}, {run.results.backbone.get('layer')} chosen"
        for run in runs
    )
    chart = Chart(
        name="error-against-layer",
        draw=partial(draw_layers, runs),
        alt=f"Error against layer from input to output. {said}",
        caption="Where along the network the landmarks can be read. The layer is chosen on folds of the training "
        "pictures (fine dashes), never on the test pictures (dots). Thin lines: single untrained networks.",
    )
    return Section("Error against layer", "layers", (chart,))


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
        + f".{boxes} Taken at even steps of the {steps[-1]} error, from small to large; nobody chose them.",
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
