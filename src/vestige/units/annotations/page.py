"""The report on people's answers: precision and groups by layer (Figs. 7, 8), examples (Fig. 6b), and masks beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.report.beside import beside
from vestige.report.blocks import (
    NONE,
    Block,
    Cell,
    Chart,
    Gallery,
    KeyNumber,
    Number,
    Opening,
    Parts,
    RowGroup,
    Section,
    Table,
    Tile,
)
from vestige.report.cells import percent_cell
from vestige.report.style import Theme, decimal_axis, key_above, panels
from vestige.results import Row
from vestige.run import Run
from vestige.text import count, percent, percent_range, signed, value_range
from vestige.units.annotations.answers import GROUPS, RELEASE_GROUPS, shown_group
from vestige.units.annotations.files import are_anonymous
from vestige.units.annotations.run import AnnotationRun, read_annotations
from vestige.units.annotations.said import LEVELS, UnitSaid, examples
from vestige.units.words import same_name

_EXAMPLES = 8
"""Units of each layer that stand as examples."""

_DIFFERING = 20  # units of which people and masks say different things

_FOLDED = 50  # rows from which on the table of all units is shown on request

_SAID = ("Concept by people", "Precision, %", "Group by people", "In other words")
_BY_MASKS = ("Object by masks", "IoU", "Detector")


def annotation_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_annotations(run) for run in runs]
    sections = [
        Section("Precision by layer", "precision", (precision_chart(read), precision_table(read))),
        Section("What units are about", "groups", tuple(_group_blocks(read))),
        Section("Examples", "examples", tuple(block for run in read for block in _example_blocks(run))),
        Section("How far people agree", "agreement", tuple(block for run in read for block in _agreement_blocks(run))),
        Section("People beside masks", "masks", tuple(b for run in read if run.has_masks for b in _mask_blocks(run))),
        Section("Units", "units", tuple(_unit_table(run) for run in read)),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section.blocks)


def _opening(run: AnnotationRun) -> Opening:
    found = {layer: row for layer in run.layers if (row := run.row("precision", layer)) is not None}
    deepest = list(found)[-1]
    row = found[deepest]
    headline = (
        f"Of the top pictures of {deepest}’s units, {percent(row.value)} fit the concept that people name for the unit."
    )
    answers = sum(answer.passed for answer in run.answers)
    about = run.results.config["dissection"]
    detail = f"{count(answers, 'answer')} on {count(len(run.units), 'unit')} of {count(len(found), 'layer')}" + (
        f" of the dissection “{about}”." if about else f", from {run.results.data['answers']['spec']}."
    )
    numbers = tuple(
        KeyNumber(layer, percent(row.value), percent_range(row.ci95) if row.ci95 else "")
        for layer, row in found.items()
    )
    return Opening(run.name, headline, detail, numbers)


def _layers_of(runs: Sequence[AnnotationRun]) -> tuple[str, ...]:
    """The layers of all runs, in the order in which they come."""
    return tuple(dict.fromkeys(layer for run in runs for layer in run.layers))


def precision_chart(runs: Sequence[AnnotationRun]) -> Chart:
    """Precision by layer, networks side by side (Fig. 7a)."""
    return Chart(
        "precision",
        partial(_draw_precision, runs),
        "Mean precision of units by layer, and its interval over units",
        "The share of a unit’s own top pictures that fit the concept people name, averaged over the units of each "
        "layer (Fig. 7a). Upright lines: 95 % intervals over units.",
    )


def precision_table(runs: Sequence[AnnotationRun]) -> Table:
    """The same as numbers."""
    layers = _layers_of(runs)
    rows = tuple((Cell(layer), *(cell for run in runs for cell in _precision_cells(run, layer))) for layer in layers)
    return Table(
        "Precision of units, percent",
        ("Layer", *(head for run in runs for head in (run.name if len(runs) > 1 else "Precision", "Units"))),
        (RowGroup(rows),),
        "Small figures: 95 % bootstrap intervals over units.",
    )


def _precision_cells(run: AnnotationRun, layer: str) -> tuple[Cell, Cell]:
    row = run.row("precision", layer)
    return percent_cell(row), NONE if row is None else Cell(f"{row.n:,}")


def _draw_precision(runs: Sequence[AnnotationRun], theme: Theme) -> Figure:
    layers = _layers_of(runs)
    figure, (ax,) = panels(1, 3.2)
    for rank, run in enumerate(runs):
        colour = theme.accents[rank % len(theme.accents)]
        found = [(x, row) for x, layer in enumerate(layers) if (row := run.row("precision", layer)) is not None]
        xs = [x + 0.08 * (rank - (len(runs) - 1) / 2) for x, _ in found]
        ax.plot(
            xs, [row.value for _, row in found], color=colour, marker="os^Dv"[rank % 5], markersize=5, label=run.name
        )
        for x, (_, row) in zip(xs, found, strict=True):
            if row.ci95 is not None:
                ax.plot([x, x], row.ci95, color=colour, linewidth=1)
    ax.set_xticks(range(len(layers)), layers, rotation=45 if len(layers) > 8 else 0)
    ax.set(ylabel="mean precision", ylim=(-0.03, 1.03), xlim=(-0.4, len(layers) - 0.6))
    ax.grid(axis="y")
    decimal_axis(ax.yaxis)
    if len(runs) > 1:
        key_above(figure, [ax], theme)
    return figure


def _group_blocks(runs: Sequence[AnnotationRun]) -> Iterator[Block]:
    """Distributions of groups, those of the paper and those of the release apart."""
    for six in (GROUPS, RELEASE_GROUPS):
        own = [run for run in runs if set(run.used_groups) & set(six)]
        if own:
            yield groups_chart(own, six)
            if six == GROUPS:
                yield levels_chart(own)
            yield from (_group_table(run, six) for run in own)


def groups_chart(runs: Sequence[AnnotationRun], six: Sequence[str]) -> Chart:
    """Units of each layer by group, networks side by side (Fig. 8).

    Args:
        runs: whose answers are sorted into these groups.
        six: the groups, of the paper or of the release.
    """
    paper = tuple(six) == GROUPS
    whose = "the paper’s groups (Fig. 8)" if paper else "the groups of the authors’ release"
    return Chart(
        "groups" if paper else "release-groups",
        partial(_draw_groups, runs, six),
        f"Units of each layer by {whose}",
        f"Units of each layer by {whose}; a unit whose people differ is shared out among their groups. "
        "Upright lines: 95 % intervals over units.",
    )


def levels_chart(runs: Sequence[AnnotationRun]) -> Chart:
    """Units of each level by layer, a panel a network (Fig. 7b, c)."""
    return Chart(
        "levels",
        partial(_draw_levels, runs),
        "Units of low, middle and high level by layer",
        "Units of low level (simple element, color), middle (texture/material, shape) and high (object, scene), by "
        "layer (Fig. 7b, c).",
    )


def _group_table(run: AnnotationRun, six: Sequence[str]) -> Table:
    def counted(metric: str, digits: int) -> RowGroup:
        heading = "Shared out among the groups" if metric == "units" else "By majority"
        rows = []
        for layer in run.layers:
            found = [run.row(f"{metric}@{group}", layer) for group in six]
            rest = sum(not unit.group for unit in run.of(layer))
            rows.append(
                (Cell(layer), *(_count_cell(row, digits) for row in found), Cell(f"{rest}") if not digits else NONE)
            )
        return RowGroup(tuple(rows), heading)

    release = " (groups of the release, which are not the paper’s)" if tuple(six) == RELEASE_GROUPS else ""
    return Table(
        f"{run.name}: units by what they are about{release}",
        ("Layer", *(shown_group(group) for group in six), "No majority"),
        (counted("units", 1), counted("majority", 0)),
        "A majority is more than half of a unit’s people. Small figures: 95 % bootstrap intervals over units.",
    )


def _count_cell(row: Row | None, digits: int) -> Cell:
    if row is None:
        return NONE
    return Cell(f"{row.value:.{digits}f}", value_range(row.ci95, 0), number=Number(row.value, row.ci95, row.n))


def _draw_groups(runs: Sequence[AnnotationRun], six: Sequence[str], theme: Theme) -> Figure:
    layers = [layer for layer in _layers_of(runs) if any(run.of(layer) for run in runs)]
    figure, axes = panels(len(layers), 2.4, share_x=False, share_y=False)
    width = 0.8 / len(runs)
    for ax, layer in zip(axes, layers, strict=True):
        for rank, run in enumerate(runs):
            colour = theme.accents[rank % len(theme.accents)]
            for x, group in enumerate(six):
                row = run.row(f"units@{group}", layer)
                if row is None:
                    continue
                place = x + 1 + (rank - (len(runs) - 1) / 2) * width
                ax.bar(place, row.value, width * 0.92, color=colour, label=run.name if x == 0 else None)
                if row.ci95 is not None:
                    ax.plot([place, place], row.ci95, color=theme.ink, linewidth=0.8)
        ax.set(title=layer, xticks=range(1, 7))
    axes[0].set_ylabel("units")
    figure.supxlabel(
        ",  ".join(f"{k}: {shown_group(group)}" for k, group in enumerate(six, 1)),
        fontsize=8.5,
        color=theme.ink,
    )
    if len(runs) > 1:
        key_above(figure, axes, theme)
    return figure


def _draw_levels(runs: Sequence[AnnotationRun], theme: Theme) -> Figure:
    figure, axes = panels(len(runs), 3.0, columns=2, share_y=False, share_x=False)
    for ax, run in zip(axes, runs, strict=True):
        layers = [layer for layer in run.layers if run.of(layer)]
        for rank, (level, groups) in enumerate(LEVELS.items()):
            units = [sum(unit.share(group) for unit in run.of(layer) for group in groups) for layer in layers]
            places = np.arange(len(layers)) + (rank - 1) * 0.26
            ax.bar(places, units, 0.24, color=theme.accents[rank], label=f"{level} level")
        ax.set_xticks(range(len(layers)), layers, rotation=45 if len(layers) > 6 else 0)
        ax.set(title=run.name, ylabel="units")
    key_above(figure, axes, theme)
    return figure


def _example_blocks(run: AnnotationRun) -> Iterator[Block]:
    yield from example_galleries(run)
    yield example_table(run)


def example_galleries(run: AnnotationRun) -> Iterator[Gallery]:
    """Of each layer, units with the concept that people name, and their strongest pictures (Fig. 6b).

    None where the run has no pictures, as where its answers came from a file.
    """
    if "examples" not in run.arrays or "example_pictures" not in run.arrays:
        return
    for layer in run.layers:
        tiles = tuple(
            _example_tile(run, k, pictures)
            for k, pictures in zip(run.arrays["examples"], run.arrays["example_pictures"], strict=True)
            if run.units[k].layer == layer
        )
        if tiles:
            yield Gallery(
                f"examples-{layer}-{run.name}",
                tiles,
                f"{run.name}, {layer}: units with the concept that people name and its precision (Fig. 6b), each with "
                "its strongest pictures as people saw them.",
            )


def _example_tile(run: AnnotationRun, k: int, pictures: NDArray[np.uint8]) -> Tile:
    unit = run.units[k]
    caption = f"{unit.layer}:{unit.unit}: {unit.concept} ({percent(unit.precision, 0)})"
    if run.has_masks:
        caption += f"; by masks: {run.arrays['objects'][k]} (IoU {float(run.arrays['iou'][k]):.3f})"
    return Tile(beside(list(pictures)), caption, f"The strongest pictures of unit {unit.unit} of {unit.layer}")


def example_table(run: AnnotationRun) -> Table:
    """The same without pictures."""
    groups = tuple(
        RowGroup(tuple(_said_cells(unit) for unit in examples(run.of(layer), _EXAMPLES)), layer)
        for layer in run.layers
        if run.of(layer)
    )
    return Table(
        f"{run.name}: units whose people agree most on the words (Fig. 6b)",
        ("Unit", *_SAID),
        groups,
        "The concept that most people gave, and the mean precision over all of the unit’s people. Taken by how many "
        "pairs of people gave the same words, then by precision; not picked by hand.",
        numeric=False,
    )


def _said_cells(unit: UnitSaid) -> tuple[Cell, ...]:
    others = dict.fromkeys(a.concept for a in unit.answers if not same_name(a.concept, unit.concept))
    return (
        Cell(str(unit.unit)),
        Cell(unit.concept),
        Cell(f"{100 * unit.precision:.0f}"),
        Cell(shown_group(unit.group)) if unit.group else Cell("no majority", tone="quiet"),
        Cell("; ".join(others), tone="quiet"),
    )


def _agreement_blocks(run: AnnotationRun) -> Iterator[Block]:
    rows = tuple(
        (
            Cell(layer),
            _number_cell(run.row("alpha", layer)),
            percent_cell(run.row("equal_words", layer)),
            Cell(f"{sum(len(unit.answers) > 1 for unit in run.of(layer)):,}"),
            percent_cell(run.row("failed", layer)),
        )
        for layer in run.layers
    )
    yield Table(
        f"{run.name}: how far people agree on units that several of them named",
        ("Layer", "Alpha of the groups", "Equal words, %", "Units", "Failed answers, %"),
        (RowGroup(rows),),
        "Alpha: Krippendorff’s, of groups as names without an order: 1 where all agree, 0 where they agree as chance "
        "has it. Equal words: of pairs of people on one unit, but for capitals and punctuation. Small figures: 95 % "
        "bootstrap intervals over units. Failed: answers that left a planted picture unmarked; they are in no other "
        "number.",
    )
    if not are_anonymous(run.answers):
        yield _people_table(run)


def _number_cell(row: Row | None) -> Cell:
    return NONE if row is None else Cell(signed(row.value), value_range(row.ci95, 2))


def _people_table(run: AnnotationRun) -> Table:
    rows = []
    for name in dict.fromkeys(answer.annotator for answer in run.answers):
        own = [answer for answer in run.answers if answer.annotator == name]
        passed = [answer.precision for answer in own if answer.passed]
        seconds = [answer.seconds for answer in own if answer.seconds is not None]
        rows.append(
            (
                Cell(name),
                Cell(f"{len(own):,}"),
                Cell(percent(1 - len(passed) / len(own))),
                Cell(f"{np.mean([answer.tries for answer in own]):.1f}"),
                Cell(f"{100 * np.mean(passed):.1f}") if passed else NONE,
                Cell(f"{median(seconds):.0f}") if seconds else NONE,
            )
        )
    return Table(
        f"{run.name}: who answered",
        ("Annotator", "Answers", "Failed", "Tries a unit", "Precision, %", "Seconds a unit (median)"),
        (RowGroup(tuple(rows)),),
        folded=len(rows) > 10,
    )


def _mask_blocks(run: AnnotationRun) -> Iterator[Block]:
    """How people's labels and those by masks go together."""
    rows = tuple(
        (
            Cell(layer),
            Cell(f"{len(run.of(layer))}"),
            *_told_apart(run, layer),
            percent_cell(run.row("same_as_masks", layer)),
            percent_cell(run.row("same_as_masks", layer, "exchanged"), interval_digits=None),
            _number_cell(run.row("precision_iou", layer)),
        )
        for layer in run.layers
        if run.of(layer)
    )
    yield Table(
        f"{run.name}: people’s labels beside the automatic ones by masks",
        (
            "Layer",
            "Units",
            "Objects by people",
            "Detectors by masks",
            "Both",
            "Same name, %",
            "Exchanged, %",
            "Rank correlation",
        ),
        (RowGroup(rows),),
        "Objects by people: units that more than half of them put in the group of objects. Same name: of answers, "
        "whose words are the object that masks give the unit, but for capitals and plural; exchanged: the same with "
        "the labels of the layer’s other units. Rank correlation: of people’s precision with the overlap (IoU) of "
        "masks (Spearman). Small figures: 95 % intervals over units. Masks know no object "
        "that was not annotated; people may use any word.",
    )
    yield from _differing_table(run)


def _differing_table(run: AnnotationRun) -> Iterator[Table]:
    """Units of which nobody says what masks do, those of the largest overlap first."""
    found = [
        (float(run.arrays["iou"][k]), k)
        for k, unit in enumerate(run.units)
        if not any(same_name(answer.concept, str(run.arrays["objects"][k])) for answer in unit.answers)
    ]
    if found:
        rows = tuple(
            (Cell(f"{run.units[k].layer}:{run.units[k].unit}"), *_said_cells(run.units[k])[1:], *_mask_cells(run, k))
            for _, k in sorted(found, key=lambda each: (-each[0], each[1]))[:_DIFFERING]
        )
        yield Table(
            f"{run.name}: units of which nobody says what masks do",
            ("Unit", *_SAID, *_BY_MASKS),
            (RowGroup(rows),),
            f"Those of the largest overlap with their object first{_first_of(len(found))}.",
            numeric=False,
        )


def _first_of(n: int) -> str:
    return f"; {_DIFFERING} of {n}" if n > _DIFFERING else ""


_OBJECTS = (GROUPS[4], RELEASE_GROUPS[1])


def _told_apart(run: AnnotationRun, layer: str) -> tuple[Cell, Cell, Cell]:
    """Units that are objects by people, detectors by masks, and both."""
    here = [k for k, unit in enumerate(run.units) if unit.layer == layer]
    people = np.array([run.units[k].group in _OBJECTS for k in here])
    if "detector" not in run.arrays:
        return Cell(str(people.sum())), NONE, NONE
    masks = run.arrays["detector"][here]
    return Cell(str(people.sum())), Cell(str(masks.sum())), Cell(str((people & masks).sum()))


def _unit_table(run: AnnotationRun) -> Table:
    """All units; by masks, too, where there are any."""
    groups = []
    for layer in run.layers:
        rows = []
        for k, unit in enumerate(run.units):
            if unit.layer == layer:
                rows.append((*_said_cells(unit), *(_mask_cells(run, k) if run.has_masks else ())))
        if rows:
            groups.append(RowGroup(tuple(rows), layer))
    return Table(
        f"{run.name}: every unit that people named",
        ("Unit", *_SAID, *(_BY_MASKS if run.has_masks else ())),
        tuple(groups),
        ("Bold: somebody says the same as masks. " if run.has_masks else "")
        + "The same is in units.csv; every answer is in answers.json.",
        numeric=False,
        folded=len(run.units) > _FOLDED,
    )


def _mask_cells(run: AnnotationRun, k: int) -> tuple[Cell, Cell, Cell]:
    name = str(run.arrays["objects"][k])
    same = any(same_name(answer.concept, name) for answer in run.units[k].answers)
    detector = "detector" in run.arrays
    return (
        Cell(name, tone="strong" if same else ""),
        Cell(signed(float(run.arrays["iou"][k]))),
        Cell("yes" if run.arrays["detector"][k] else "no") if detector else NONE,
    )
