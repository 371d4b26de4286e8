"""The tables and figures of "Object Detectors Emerge in Deep Scene CNNs", from runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vestige.backbones import Layer, open_backbone
from vestige.papers.object_detectors.experiments import Role, TwoNetworks
from vestige.papers.reproduction import (
    Exhibit,
    MeasuredRow,
    Runs,
    beside_published,
    figure_of,
    row_of,
    section_of,
)
from vestige.published import Column, paper
from vestige.report.blocks import Block, Chart, Prose, Table
from vestige.report.style import Theme, panels
from vestige.results import Results, Row
from vestige.run import Run
from vestige.text import count, network_name, plain_name
from vestige.units.dissect.run import DissectRun, read_dissection
from vestige.units.emerge.measure import OBJECT_GROUPS
from vestige.units.labels import Label, Labels, read_labels
from vestige.units.words import singular

PAPER = "object-detectors-emerge"

ARCHITECTURE = "caffe:caffenet@random:0"
"""The paper's; shapes do not depend on weights."""

LABELLED = 0.04
"""Overlap from which on a unit counts for its object."""

ROLES: Mapping[Role, str] = {"scenes": "scene network", "objects": "object network"}
"""In the words of the published rows."""


def _architecture(networks: TwoNetworks, _runs: Runs) -> tuple[Block, ...]:
    """Table 1: the paper's architecture as it is built here, and the networks that are measured."""
    measured = []
    for spec in dict.fromkeys((ARCHITECTURE, networks.backbone, networks.objects)):
        backbone = open_backbone(spec)
        layers = {layer.name: layer for layer in backbone.layers()}
        for label, method, place in (("Units", "units", 0), ("Feature side", "side", -1)):
            measured.append(MeasuredRow(label, partial(_shape, layers, place), group=network_name(spec), method=method))
    note = "The paper’s architecture is built here without its weights, which shapes do not depend on."
    return (beside_published(paper(PAPER).table("architecture"), measured, 0, note),)


def _shape(layers: Mapping[str, Layer], place: int, column: Column) -> Row | None:
    """Of a layer of the column's name: channels (place 0) or the side of the map (-1), 1 where there is none."""
    layer = layers.get(column.match)
    if layer is None:
        return None
    value = 1 if place == -1 and len(layer.shape) == 1 else layer.shape[place]
    return Row("network", "shape", layer.name, float(value), None, 1)


def _sizes(runs: Runs) -> tuple[Block, ...]:
    """Table 2."""
    found = {role: run.results() for role in ROLES if (run := runs.get(f"fields-{role}")) is not None}

    def find(results: Results, method: str, metric: str, column: Column) -> Row | None:
        return row_of(results, method, metric, column.match)

    measured = []
    for role, results in found.items():
        name = network_name(str(results.backbone["spec"]))
        theory = partial(find, results, "theoretical", "size")
        actual, spread = (partial(find, results, "actual", metric) for metric in ("size", "spread"))
        measured.append(MeasuredRow(f"Theoretical size, {name}", theory, method="theoretical"))
        measured.append(MeasuredRow(f"Actual size, {name}", actual, method=ROLES[role], spread=spread))
    note = (
        "±: standard deviation over units. Small figures of what was measured here: 95 % bootstrap interval of the "
        "mean over units. The size is the square root of the area above a fraction of the field’s peak, which the "
        "paper does not say; here 0.5."
    )
    return (beside_published(paper(PAPER).table("receptive-fields"), measured, 1, note), *_own(_of_each("sizes", runs)))


def _preferred(runs: Runs) -> tuple[Block, ...]:
    """Fig. 1, with the shares that Section 2 gives."""
    (run,) = runs.values()
    results = run.results()

    def find(spec: str, column: Column) -> Row | None:
        return row_of(results, f"{spec}: {column.match}", "share", "objects")

    specs = results.config["layers_by_network"]
    measured = [
        MeasuredRow(network_name(spec), partial(find, spec), 100, method=method)
        for spec, method in zip(specs, ROLES.values(), strict=False)
    ]
    note = "Measured here: the share of the pictures of objects; small figures: 95 % bootstrap interval over pictures."
    table = beside_published(paper(PAPER).table("preferred"), measured, 0, note)
    return (*section_of(runs, "pictures"), table, *_own(section_of(runs, "shares")))


def _own(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """A report’s blocks without what it says is published: of all layers, those that the paper has and others."""
    return tuple(b for b in blocks if not (isinstance(b, Table) and b.caption.startswith("Published")))


def _simplified(runs: Runs) -> tuple[Block, ...]:
    """Fig. 2 by edges and regions, and what Section 3.1 says of annotated objects."""
    simplified = {name: run for name, run in runs.items() if name == "simplified"}
    objects = {name: run for name, run in runs.items() if name == "minimal"}
    blocks = list(section_of(simplified, "pictures"))
    for run in objects.values():
        results = run.results()
        names = [row.subset for row in results.rows if (row.method, row.metric) == ("minimal", "kept")]
        measured = [
            MeasuredRow(name, partial(_kept, results, name), 100, small=_chance(results, name))
            for name in names
            if ": " in name
        ]
        note = (
            "Kept: of the pictures of the scene that have the object, which may not be what the paper means by “the "
            "cases”. Small figures: 95 % bootstrap interval over pictures; beside the name, how often the object is "
            "kept where objects are taken away at random."
        )
        if not measured:
            note += (
                f" Nothing was measured here: no object is in {results.config['least']} pictures of a scene that were "
                "made minimal."
            )
        blocks.append(beside_published(paper(PAPER).table("minimal"), measured, 0, note))
    return (*blocks, *_figure("kept", objects))


def _kept(results: Results, name: str, _column: Column) -> Row | None:
    return row_of(results, "minimal", "kept", name)


def _chance(results: Results, name: str) -> str:
    row = row_of(results, "random", "kept", name)
    return "" if row is None else f"{100 * row.value:.0f} at random"


def _examples(runs: Runs) -> tuple[Block, ...]:
    """Fig. 6b."""
    note = "The paper’s examples are chosen by hand; those here are the ones on whose words people agree most."
    return (*section_of(runs, "examples"), beside_published(paper(PAPER).table("examples"), (), 0, note))


_NO_LEVELS = (
    "Units of low, middle and high level (Figs. 7b, c) are not drawn: the answers here are in the groups of the "
    "authors’ release, which are not those of the paper that have levels."
)


def _by_layer(runs: Runs) -> tuple[Block, ...]:
    """Fig. 7."""
    levels = _figure("levels", runs)
    return (*section_of(runs, "precision"), *(levels or (Prose(_NO_LEVELS),)))


def _groups(runs: Runs) -> tuple[Block, ...]:
    """Fig. 8."""
    return tuple(b for b in section_of(runs, "groups") if not (isinstance(b, Chart) and b.name == "levels"))


def _emerged(runs: Runs) -> tuple[Block, ...]:
    """Fig. 9, with the units of some concepts that Section 4.1 counts."""
    emerged = {name: run for name, run in runs.items() if name in _EMERGED}
    blocks = [b for anchor in ("units", "counts", "correlations", "words") for b in section_of(emerged, anchor)]
    measured = [
        MeasuredRow(f"{_whose(run, labels)}, by {labels.source}", partial(about, labels), method=ROLES[role])
        for kind in ("dissect", "people")
        for role in ROLES
        if (run := runs.get(f"{kind}-{role}")) is not None
        for labels in _labelled(run)
    ]
    note = (
        "Measured here: units of the last layer that have labels, by masks of annotated objects or by people. A unit "
        f"counts for a concept where its label has the word, singular or plural: by masks that it overlaps by "
        f"{LABELLED:g} or more, by people where more than half of those who named it say so. No object: by masks, less "
        "overlap than that with all of them; by people, not more than half put it among objects. The paper does not "
        "say how it counts."
    )
    return (*blocks, beside_published(paper(PAPER).table("concepts"), measured, 0, note))


def _labelled(run: Run) -> Iterator[Labels]:
    """A run's labels, unless it is a dissection of pictures without objects."""
    if run.results().task != "dissect" or read_dissection(run).objects:
        yield read_labels(run)


def _whose(run: Run, labels: Labels) -> str:
    """The network whose units have labels; of answers from a file alone, which do not know it, the file."""
    if spec := labels.backbone.get("spec"):
        return network_name(str(spec))
    return ", ".join(str(data["spec"]) for data in run.results().data.values())


def about(labels: Labels, column: Column) -> Row:
    """How many units of the last layer are about a concept, or about no object."""
    layer = list(labels.units)[-1]
    said = {unit: [each for each in labels.of_layer(layer) if each.unit == unit] for unit in labels.units[layer]}
    agreed = [2 * sum(_names(each, column.match) for each in all_of) > len(all_of) for all_of in said.values()]
    units = sum(agree is bool(column.match) for agree in agreed)
    return Row("units", "units", column.match or "none", float(units), None, len(said))


def _names(label: Label, concept: str) -> bool:
    """Whether a label names a concept; "": any object at all."""
    if label.source == "masks" and label.score < LABELLED:
        return False
    if not concept:
        return label.source == "masks" or label.group in OBJECT_GROUPS
    return concept in {singular(word) for word in plain_name(label.object).split()}


def _detectors(runs: Runs) -> tuple[Block, ...]:
    """Fig. 11: of the last layer, segmentations, precision against recall, and the histogram."""
    (run,) = runs.values()
    dissection = read_dissection(run)
    segmented = _figure(f"units-{dissection.layers[-1]}-", runs)
    if not dissection.objects:
        return segmented
    return (*segmented, *_figure("curves", runs), _histogram(dissection))


def _histogram(run: DissectRun) -> Chart:
    """Fig. 11c."""
    ap = discovered(run)
    return Chart(
        f"histogram-{run.name}",
        partial(_draw_histogram, list(ap.values())),
        "Average precision of all discovered object classes",
        f"{count(len(ap), 'object')} that {run.layers[-1]} has units for, whose overlap with it is at least "
        f"{LABELLED:g}: the largest average precision of the units of each.",
    )


def discovered(run: DissectRun) -> dict[str, float]:
    """Objects that units of the last layer overlap, with the largest average precision of those units."""
    layer, best = run.layers[-1], dict[str, float]()
    for unit in np.flatnonzero(run.of(layer, "iou") >= LABELLED).tolist():
        name, ap = run.object_of(layer, unit), float(run.of(layer, "average_precision")[unit])
        best[name] = max(ap, best.get(name, ap))
    return best


def _draw_histogram(values: Iterable[float], theme: Theme) -> Figure:
    figure, (ax,) = panels(1, 2.6)
    ax.hist(list(values), bins=10, range=(0, 1), color=theme.colour("green"), rwidth=0.9)
    ax.set(xlabel="average precision", ylabel="objects", xlim=(0, 1))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _figure(name: str, runs: Runs) -> tuple[Block, ...]:
    return figure_of(list(runs.values()), name)


def _section(anchor: str, runs: Runs) -> tuple[Block, ...]:
    return section_of(runs, anchor)


def _of_each(anchor: str, runs: Runs) -> tuple[Block, ...]:
    """A section of each run's report, below the name of its network."""
    found = (
        (network_name(str(run.results().backbone["spec"])), section_of({name: run}, anchor))
        for name, run in runs.items()
    )
    return tuple(block for spec, blocks in found for block in (Prose(f"{spec}:"), *blocks))


_FIELDS = ("fields-scenes", "fields-objects")
_DISSECTED = ("dissect-scenes", "dissect-objects")
_PEOPLE = ("people-scenes", "people-objects")
_EMERGED = ("emerge", "emerge-people")


def exhibits(networks: TwoNetworks) -> tuple[Exhibit, ...]:
    """The paper's, tables first; Table 1 is of the networks themselves."""
    return (
        Exhibit("table 1", "the networks’ layers", (), partial(_architecture, networks)),
        Exhibit("table 2", "theoretical and actual sizes of receptive fields", _FIELDS, _sizes),
        Exhibit("figure 1", "the pictures that layers prefer", ("prefer",), _preferred),
        Exhibit("figure 2", "pictures made minimal", ("simplified", "minimal"), _simplified),
        Exhibit("figure 3", "how receptive fields are found", _FIELDS[:1], partial(_of_each, "maps")),
        Exhibit("figure 4", "what units look at", _FIELDS, partial(_of_each, "patches")),
        Exhibit("figure 5", "pictures as units segment them", _DISSECTED, partial(_figure, "units-")),
        Exhibit("figure 6", "what people say of units", _PEOPLE, _examples),
        Exhibit("figure 7", "precision and levels by layer", _PEOPLE, _by_layer),
        Exhibit("figure 8", "groups of concepts by layer", _PEOPLE, _groups),
        Exhibit("figure 9", "which objects emerge", (*_EMERGED, *_DISSECTED, *_PEOPLE), _emerged),
        Exhibit("figure 10", "scene and objects in one pass", ("detect",), partial(_section, "found")),
        Exhibit("figure 11", "segmentation by units", _DISSECTED[:1], _detectors),
    )
