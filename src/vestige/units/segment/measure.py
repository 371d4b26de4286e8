"""What units show of photographs (Fig. 5)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Found
from vestige.contract.plan import Part, Plan
from vestige.contract.session import Session
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import Crop, picture_size
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row
from vestige.run import Run
from vestige.spelling import spelled
from vestige.text import listed
from vestige.units.dissected import Units, labelled, looked_at, network_of, reader_of, units_of
from vestige.units.rules import shown_by
from vestige.units.segment.task import SEGMENT, SegmentOptions

if TYPE_CHECKING:
    from vestige.units.dissect.run import DissectRun
    from vestige.units.receptive_fields.run import FieldsRun

SIDE = 320
"""Pixels of a picture's sides, as it is kept: squashed to a square, as the network sees it, but finer."""

METRICS: Mapping[str, Metric] = {
    "area": Metric("share of the picture that is shown", lower_is_better=None, shown="percent", paper=False)
}

METHODS: Mapping[str, Method] = {"network": Method("Network", "blue")}


def check_segments(data: tuple[DissectRun, tuple[Example, ...]], options: SegmentOptions) -> None:
    """Refuse units that the run does not have, and receptive fields of another network or of none of its layers.

    Raises:
        VestigeError: naming the unit, and those that there are; or the run of receptive fields.
    """
    units_of(data[0], options.units)
    _fields_of(data[0], options)


def _fields_of(run: DissectRun, options: SegmentOptions) -> FieldsRun | None:
    """The estimated fields that the rule shows, where some are given."""
    if options.fields is None:
        return None
    from vestige.units.receptive_fields.run import read_fields

    found = read_fields(Run(options.fields))
    asked = spelled("fields", options.fields)
    ours, theirs = (each.results.backbone for each in (run, found))
    if ours["weights_sha256"] != theirs.get("weights_sha256"):
        raise VestigeError(
            f"{asked}: is of another network than {run.name}: {theirs.get('spec')}; expected {ours['spec']}"
        )
    if not set(found.measured) & set(run.layers):
        raise VestigeError(f"{asked}: measured no layer of {run.name}, which are {listed(run.layers)}")
    return found


def measure_segments(session: Session, data: tuple[DissectRun, tuple[Example, ...]], options: SegmentOptions) -> Found:
    """What units show of photographs, as the task has it."""
    started = time.monotonic()
    run, examples = data
    asked = units_of(run, options.units)
    units = asked or labelled(run, options.least_iou)
    layers = tuple(layer for layer in run.layers if any(layer == each for each, _ in units))
    notes = []
    if not units:
        notes.append(f"No unit of the run overlaps its object by {options.least_iou:g}; ask for less, or name units.")
        layers = run.layers[-1:]
    reader = reader_of(run, options.backbone, layers, session)
    fields = _fields_of(run, options)
    pictures, masks, names, areas = [], [], [], []
    for k, (example, _, maps) in enumerate(looked_at(reader, examples)):
        pictures.append(Crop(example).pixels((SIDE, SIDE)))
        for layer, unit in asked or strongest(run, units, maps, options.top):
            mask = shown_by(
                options.rule,
                maps[layer][unit],
                run.standing(layer),
                (SIDE, SIDE),
                run.scale(layer, unit),
                options.disc if fields is None else _mean_size(fields, layer),
                None if fields is None else fields.footprint(layer, unit),
            )
            masks.append(mask)
            names.append((k, layer, unit))
            areas.append(float(mask.mean()))
    notes += _notes(fields, {(layer, unit) for _, layer, unit in names})
    return Found(
        task=SEGMENT,
        options=(options,),
        config={"metric": "area", "dissection": str(run.name)},
        data={"test": pictures_said(examples)},
        backbone={**run.results.backbone, "layer": ", ".join(layers)},
        rows=tuple(
            Row("network", "area", f"{examples[k].id}, {_called(run, layer, unit)}", area, None, 1)
            for (k, layer, unit), area in zip(names, areas, strict=True)
        ),
        arrays={
            "ids": np.array([example.id for example in examples]),
            "sizes": np.array([picture_size(example.image) for example in examples]),
            "pictures": np.stack(pictures),
            "picture": np.array([k for k, _, _ in names], np.int64),
            "units": np.array([f"{layer}:{unit}" for _, layer, unit in names], dtype=np.str_),
            "objects": np.array([run.object_of(layer, unit) for _, layer, unit in names], dtype=np.str_),
            "masks": np.array(masks, dtype=bool).reshape(-1, SIDE, SIDE),
        },
        metrics=METRICS,
        methods=METHODS,
        extraction=session.reader.options,
        seconds=time.monotonic() - started,
        notes=tuple(notes),
    )


def _mean_size(fields: FieldsRun, layer: str) -> float | None:
    """Of the fields of a layer's units, in pixels; None where none was measured."""
    row = fields.row("actual", "size", layer)
    return None if row is None else row.value


def _notes(fields: FieldsRun | None, shown: set[tuple[str, int]]) -> list[str]:
    if fields is None:
        return []
    bare = [f"{layer}:{unit}" for layer, unit in sorted(shown) if fields.footprint(layer, unit) is None]
    if not bare:
        return []
    some = listed([*bare[:8], f"{len(bare) - 8} more"] if len(bare) > 8 else bare)
    return [
        f"Units whose own field was not measured are shown by discs, as large as their layer's fields on average (two "
        f"strides, where it has none): {some}."
    ]


def _called(run: DissectRun, layer: str, unit: int) -> str:
    """A unit by its layer, its number and what it is labelled with."""
    thing = run.object_of(layer, unit)
    return f"{layer}:{unit}{f' ({thing})' if thing else ''}"


def strongest(
    run: DissectRun, units: Units, maps: Mapping[str, NDArray[np.float32]], top: int
) -> Sequence[tuple[str, int]]:
    """The units that are most active in a picture, each by its own measure: how far above its threshold, in shares of
    how far its largest activation is."""
    worth = []
    for layer, unit in units:
        scale = run.scale(layer, unit)
        span = scale.largest - scale.threshold
        above = float(maps[layer][unit].max()) - scale.threshold
        if np.isfinite(span) and span > 0 and above > 0:
            worth.append((-above / span, (layer, unit)))
    return [unit for _, unit in sorted(worth)[:top]]


def pictures_said(examples: Sequence[Example]) -> dict[str, Any]:
    """What results.json says of photographs."""
    shown = ", ".join(example.id for example in examples[:10]) + (", ..." if len(examples) > 10 else "")
    return {"label": "Pictures", "spec": shown, "n": len(examples), "skipped": 0, "problems": []}


def plan_segments(reader: Reader, data: tuple[DissectRun, tuple[Example, ...]], options: SegmentOptions) -> Plan:
    """Of what units show of photographs."""
    return plan_pictures(SEGMENT.name, reader, data, options.backbone)


def plan_pictures(task: str, reader: Reader, data: tuple[DissectRun, tuple[Example, ...]], backbone: str) -> Plan:
    """Each picture goes through the run's network once.

    Raises:
        VestigeError: where another network than the run's is given.
    """
    run, examples = data
    spec = network_of(run, backbone, reader).spec
    part = Part("", ", ".join(example.id for example in examples[:3]), len(examples), len(examples))
    return Plan(task, (part,), (spec,))
