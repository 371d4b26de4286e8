"""The report on a dissection: detectors by layer beside chance, units with what they show, and their curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from vestige.images import crop_resize
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
from vestige.report.style import Theme, key_above, panels
from vestige.results import Row
from vestige.run import Run
from vestige.text import count, listed, network_name, p_value, signed
from vestige.units.dissect.numbers import curve
from vestige.units.dissect.run import DissectRun, read_dissection
from vestige.units.rules import RULES, Rule, lit

_COLUMNS = ("detectors", "objects", "detectors_fixed", "objects_fixed", "median_iou", "mean_ap", "mean_ap_gain")

_SHARES = ("median_iou", "mean_ap", "mean_ap_gain")

_CURVES = 8  # units of a chart

_PANEL, _GAP = 168, 6  # pixels of a picture's side, and between two


def dissect_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_dissection(run) for run in runs]
    with_objects = [run for run in read if run.objects]
    sections = [
        Section("Detectors by layer", "layers", tuple(block for run in with_objects for block in _layer_blocks(run))),
        Section("Units", "units", tuple(block for run in read for block in _galleries(run, "quantile"))),
        Section("Precision and recall", "curves", tuple(block for run in with_objects for block in _curve_blocks(run))),
        Section("Strongest units", "strongest", tuple(_unit_table(run) for run in read)),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section.blocks)


def _opening(run: DissectRun) -> Opening:
    network, n = _network(run), int(run.results.data["test"]["n"])
    units = sum(len(run.of(layer, "threshold")) for layer in run.layers)
    looked = f"{count(units, 'unit')} of {count(len(run.layers), 'layer')} of {network} over {count(n, 'picture')}"
    if not run.objects:
        return Opening(run.name, f"What {count(units, 'unit')} of {network} are most active on.", f"{looked}.")
    judged = run.row("detectors", run.layers[0]) is not None
    metric = "detectors" if judged else "detectors_fixed"
    found = {layer: row for layer in run.layers if (row := run.row(metric, layer)) is not None}
    best = max(found, key=lambda layer: found[layer].value)
    verb = "overlaps its" if found[best].value == 1 else "overlap their"
    said = f"{verb} object {'more than chance' if judged else 'by more than 0.04'}"
    headline = f"In {best}, {found[best].value:.0f} of {len(run.of(best, 'threshold'))} units {said}."
    if not found[best].value:
        headline = "No unit of any layer " + (
            "is shown to overlap an object more than chance." if judged else "overlaps an object by more than 0.04."
        )
    detail = (
        f"{looked}. An object is chosen for a unit on one half of the pictures, and the overlap measured on the other. "
        + (
            "A detector is a unit that overlaps its object more than that object’s masks in other pictures of the same "
            "scene, at a false discovery rate of 5 %."
            if judged
            else "No chance level was measured."
        )
    )
    detail += _beside_chance(run, metric, best)
    numbers = tuple(
        KeyNumber(layer, f"{row.value:.0f}", _range(row), "strong" if layer == best else "")
        for layer, row in found.items()
    )
    return Opening(run.name, headline, detail, numbers)


def _beside_chance(run: DissectRun, metric: str, layer: str) -> str:
    """How many units of a layer do as well by chance, as a sentence."""
    names = {"rotated": "turned at random", "untrained": "with random weights"}
    found = {words: run.row(metric, layer, method) for method, words in names.items()}
    told = [f"{row.value:.0f} {words}" for words, row in found.items() if row is not None]
    return f" Of {layer}’s units, {listed(told)} do so, too." if told else ""


def _range(row: Row) -> str:
    return "" if row.ci95 is None else f"{row.ci95[0]:.0f} to {row.ci95[1]:.0f}"


def _network(run: DissectRun) -> str:
    """Whose units they are."""
    return network_name(str(run.results.backbone["spec"]))


def _layer_blocks(run: DissectRun) -> Iterator[Block]:
    yield Chart(
        f"layers-{run.name}",
        partial(_draw_layers, run),
        "Units by layer whose overlap is above 0.04, and their average precision above chance",
        f"Units of each layer of {_network(run)} that detect an object, and how well{_chance_named(run)}. Upright "
        "lines: 95 % intervals.",
    )
    groups = []
    for method in run.results.methods:
        rows = [
            (Cell(layer), *(_cell(run.row(metric, layer, method), metric) for metric in _COLUMNS))
            for layer in run.layers
        ]
        if any(cell is not NONE for row in rows for cell in row[1:]):
            groups.append(RowGroup(tuple(rows), run.label(method)))
    yield Table(
        f"{run.name}: units of each layer, and what chance gives",
        ("Layer", "Detectors", "Objects", "IoU > 0.04", "Their objects", "Median IoU", "Mean AP", "Less prevalence"),
        tuple(groups),
        "Detectors: units that overlap their object more than its masks in other pictures of the same scene, at a "
        "false discovery rate of 5 %, of the layer turned and of random weights likewise: what is there by chance. "
        "Objects: how many different ones those are of. Less prevalence: average precision less the share of points "
        "that the label is at, which is what chance gives: large objects have much of it. Small figures: 95 % "
        "intervals.",
    )


def _chance_named(run: DissectRun) -> str:
    """The chance levels that were measured."""
    methods = [run.label(method) for method in run.results.methods if method != "network"]
    return f", beside {listed([each[0].lower() + each[1:] for each in methods])}" if methods else ""


def _cell(row: Row | None, metric: str) -> Cell:
    if row is None:
        return NONE
    digits = 3 if metric in _SHARES else 0
    small = "" if row.ci95 is None else f"{signed(row.ci95[0], digits)}–{signed(row.ci95[1], digits)}"
    return Cell(signed(row.value, digits), small, number=Number(row.value, row.ci95, row.n))


def _draw_layers(run: DissectRun, theme: Theme) -> Figure:
    titles = {
        **({"detectors": "detectors"} if run.row("detectors", run.layers[0]) else {}),
        "detectors_fixed": "units of IoU > 0.04",
        "median_iou": "median IoU",
        "mean_ap_gain": "mean AP less prevalence",
    }
    figure, axes = panels(len(titles), 2.9, share_y=False, columns=2)
    for ax, (metric, title) in zip(axes, titles.items(), strict=True):
        for method in run.results.methods:
            rows = [(x, row) for x, layer in enumerate(run.layers) if (row := run.row(metric, layer, method))]
            if not rows:
                continue
            x, colour = [x for x, _ in rows], run.colour(method, theme)
            ax.plot(
                x,
                [row.value for _, row in rows],
                color=colour,
                linestyle=run.dashes(method),
                marker=run.method(method).marker,
                markersize=4,
                label=run.label(method),
            )
            for place, row in rows:
                if row.ci95 is not None:
                    ax.plot([place, place], row.ci95, color=colour, linewidth=0.9, alpha=0.7)
        ax.set_title(title)
        if metric != "mean_ap_gain":
            ax.set_ylim(bottom=0)
        ax.set_xticks(range(len(run.layers)), run.layers, rotation=45, ha="right")
    key_above(figure, axes, theme)
    return figure


def _galleries(run: DissectRun, rule: Rule) -> Iterator[Gallery]:
    """Of each layer, units with the largest overlap, and what they show of their strongest pictures."""
    where = {int(row): k for k, row in enumerate(run.arrays["picture_rows"])}
    for layer in run.layers:
        tiles = []
        for u, unit in enumerate(run.arrays[f"shown/{layer}/units"].tolist()):
            maps = run.arrays[f"shown/{layer}/maps"][u].astype(np.float32)
            rows = run.of(layer, "top_rows")[unit][: len(maps)].tolist()
            lit_pictures = [
                lit(run.arrays["pictures"][where[row]], run.mask(layer, unit, each, rule))
                for row, each in zip(rows, maps, strict=True)
                if row in where
            ]
            caption = f"{layer}:{unit}"
            if run.objects:
                iou, ap = (float(run.of(layer, key)[unit]) for key in ("iou", "average_precision"))
                caption += f": {run.object_of(layer, unit)}, IoU {iou:.3f}, AP {ap:.3f}{_by_chance(run, layer, unit)}"
            panels_ = [crop_resize(each, None, (_PANEL, _PANEL), "bicubic") for each in lit_pictures]
            tiles.append(Tile(beside(panels_, _GAP), caption, f"The strongest pictures of unit {unit} of {layer}"))
        chosen = "with the largest overlaps" if run.objects else "with the largest activations"
        yield Gallery(
            f"units-{layer}-{run.name}",
            tuple(tiles),
            f"{run.name}, {layer} of {_network(run)}: the units {chosen}, each with its {len(maps)} strongest "
            f"pictures. Bright: {RULES[rule]}"
            + (
                " (in brackets: with masks of other pictures of the scene)."
                if run.objects and "chance" in caption
                else "."
            ),
        )


def _by_chance(run: DissectRun, layer: str, unit: int) -> str:
    p = float(run.of(layer, "p_value")[unit])
    if np.isnan(p):
        return ""
    return f" (chance {float(run.of(layer, 'chance_iou')[unit]):.3f}, p {p_value(p)})"


def _curve_blocks(run: DissectRun) -> Iterator[Block]:
    yield Chart(
        f"curves-{run.name}",
        partial(_draw_curves, run),
        "Precision against recall over points of pictures, of units with the largest average precision",
        "Each unit’s activation as a detector of its object, over points of all pictures (the paper’s Fig. 11b): of "
        f"the last layers of {_network(run)}, the {_CURVES} units with the largest average precision, one an object. "
        "Dotted: the share of all points that the object is at, which any ranking has by chance.",
    )


def _draw_curves(run: DissectRun, theme: Theme) -> Figure:
    layers = run.layers[-3:]
    figure, axes = panels(len(layers), 3.4)
    for ax, layer in zip(axes, layers, strict=True):
        ap, labels = run.of(layer, "average_precision"), run.of(layer, "labels")
        order = np.argsort(-ap, kind="stable")
        first = [int(unit) for k, unit in enumerate(order) if labels[unit] not in labels[order[:k]]][:_CURVES]
        for k, unit in enumerate(first):
            recall, precision = curve(run.of(layer, "positives")[unit], run.of(layer, "points")[unit])
            colour = theme.accents[k % len(theme.accents)]
            ax.plot(
                recall, precision, color=colour, linewidth=1.4, label=f"{run.object_of(layer, unit)} ({ap[unit]:.2f})"
            )
            ax.axhline(precision[-1], color=colour, linewidth=0.7, linestyle=(0, (1, 1.6)))
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", title=layer)
        ax.legend(frameon=False, fontsize=7, labelcolor=theme.ink, loc="upper right")
    axes[0].set_ylabel("precision")
    return figure


def _unit_table(run: DissectRun) -> Table:
    """The ten units of each layer with the largest overlap."""
    groups = []
    for layer in run.layers:
        worth = run.of(layer, "iou") if run.objects else run.of(layer, "top_values")[:, 0]
        rows = [_unit_cells(run, layer, int(unit)) for unit in np.argsort(-worth, kind="stable")[:10]]
        groups.append(RowGroup(tuple(rows), layer))
    columns = ("Unit", "Object", "IoU", "AP", "p", "Detector") if run.objects else ("Unit",)
    return Table(
        f"{run.name}: units of each layer with the largest {'overlap' if run.objects else 'activation'}",
        (*columns, "Threshold", "Largest", "Mean"),
        tuple(groups),
        "All units are in units.csv.",
        folded=True,
    )


def _unit_cells(run: DissectRun, layer: str, unit: int) -> tuple[Cell, ...]:
    cells = [Cell(str(unit))]
    if run.objects:
        p = float(run.of(layer, "p_value")[unit])
        cells += [
            Cell(run.object_of(layer, unit)),
            Cell(signed(float(run.of(layer, "iou")[unit]))),
            Cell(signed(float(run.of(layer, "average_precision")[unit]))),
            NONE if np.isnan(p) else Cell(p_value(p)),
            NONE if np.isnan(p) else Cell("yes" if run.of(layer, "detector")[unit] else "no"),
        ]
    numbers = (run.of(layer, "threshold")[unit], run.of(layer, "top_values")[unit, 0], run.of(layer, "mean")[unit])
    return (*cells, *(Cell(f"{float(value):.3g}") for value in numbers))
