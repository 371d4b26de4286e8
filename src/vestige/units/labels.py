"""What units are said to be about, by masks (a dissection) or by people (annotations): in one form for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vestige.errors import VestigeError
from vestige.units.dissected import check_labels

if TYPE_CHECKING:
    from vestige.run import Run
    from vestige.units.annotations.said import UnitSaid
    from vestige.units.dissect.run import DissectRun

Source = Literal["masks", "people"]
"""Who says it: the overlap with annotated masks, or people who looked at pictures."""


@dataclass(frozen=True)
class Label:
    """What is said of a unit, once.

    Attributes:
        layer: of the unit.
        unit: its number in the layer.
        object: in the words of who says it: an object's name in the dissected data, or a person's own words.
        score: the unit's overlap (IoU) with the object, or the precision that the person gave it.
        source: who says it.
        group: of the concept, where people say it; else "".
    """

    layer: str
    unit: int
    object: str
    score: float
    source: Source
    group: str = ""


@dataclass(frozen=True)
class Labels:
    """All that a run says of its units.

    Attributes:
        name: of the run.
        source: who says it.
        units: the numbers of those that were looked at, by layer in the order of depth.
        labels: one a unit by masks; one for each person who annotated it by people.
        backbone: what results.json says of the network.
        dissection: with the units' pictures; None where there are none.
    """

    name: str
    source: Source
    units: Mapping[str, tuple[int, ...]]
    labels: tuple[Label, ...]
    backbone: Mapping[str, Any]
    dissection: DissectRun | None

    def of_layer(self, layer: str) -> tuple[Label, ...]:
        """Those of a layer's units."""
        return tuple(each for each in self.labels if each.layer == layer)


def read_labels(run: Run, source: Source | None = None) -> Labels:
    """What a finished run says of its units.

    Args:
        run: a dissection, or a run of people's answers.
        source: who says it, of a dissection whose units people named, too; None for what the run is of itself.

    Raises:
        VestigeError: where the run gives units no labels, or none from the source.
    """
    task = run.results().task
    if task == "annotations" and source != "masks":
        return _by_people(run)
    if task == "dissect":
        return _by_people_in(run) if source == "people" else _by_masks(run)
    wanted = (
        "one of `vestige units dissect`"
        if source == "masks"
        else "one whose units have labels: of `vestige units dissect` or `vestige units annotations`"
    )
    raise VestigeError(f"{run.folder}: is a run of {task}; expected {wanted}")


def _by_masks(run: Run) -> Labels:
    from vestige.units.dissect.run import read_dissection

    read = read_dissection(run)
    check_labels(read)
    units = {layer: tuple(range(len(read.of(layer, "labels")))) for layer in read.layers}
    labels = tuple(
        Label(layer, unit, read.object_of(layer, unit), float(read.of(layer, "iou")[unit]), "masks")
        for layer, numbers in units.items()
        for unit in numbers
    )
    return Labels(read.name, "masks", units, labels, read.results.backbone, read)


def _by_people(run: Run) -> Labels:
    from vestige.units.annotations.run import read_annotations

    read = read_annotations(run)
    return _said(read.name, read.units, read.layers, read.results.backbone, None)


def _by_people_in(run: Run) -> Labels:
    """What people said of a dissection's units, out of its store."""
    from vestige.units.annotations.said import units_said
    from vestige.units.annotations.source import answers_of_run

    said = answers_of_run(run.folder)
    assert said.dissection is not None  # the run is one
    units = units_said(said.answers, said.layers)
    return _said(run.name, units, said.layers, said.dissection.results.backbone, said.dissection)


def _said(
    name: str,
    units: Sequence[UnitSaid],
    layers: Sequence[str],
    backbone: Mapping[str, Any],
    dissection: DissectRun | None,
) -> Labels:
    numbers = {layer: tuple(each.unit for each in units if each.layer == layer) for layer in layers}
    labels = tuple(
        Label(each.layer, each.unit, answer.concept, answer.precision, "people", answer.group)
        for each in units
        for answer in each.answers
    )
    return Labels(name, "people", numbers, labels, backbone, dissection)
