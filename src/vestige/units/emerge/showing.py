"""Units in their strongest pictures, those of one object together (Fig. 9a)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.datasets.opening import open_given
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import Crop, crop_resize
from vestige.spelling import spelled
from vestige.units.dissected import reader_of
from vestige.units.emerge.naming import NamedUnit
from vestige.units.emerge.task import EmergeOptions
from vestige.units.labels import Labels
from vestige.units.rules import Rule

if TYPE_CHECKING:
    from vestige.units.dissect.run import DissectRun

RULE: Rule = "quantile"
"""What pictures of units show: the paper's "region of the image for which the unit is above a threshold"."""

_SHOWN_OBJECTS, _SHOWN_UNITS, _SHOWN_PICTURES, _SIDE = 6, 4, 3, 112

Arrays = dict[str, NDArray[Any]]


def shown_units(
    session: Session,
    labels: Labels,
    data: Dataset,
    units: Mapping[str, Sequence[NamedUnit]],
    options: EmergeOptions,
) -> tuple[Arrays, list[str]]:
    """Strongest pictures of units of the objects that most units count for, with masks of what they show; and a note
    where they cannot be shown."""
    chosen = [each for named in units.values() for each in chosen_units(named)]
    if not chosen:
        return {}, []
    if labels.dissection is None:
        how = f"name the dissection itself, with {spelled('labels', 'people')}, to see them"
        return {}, [f"Pictures of units (Fig. 9a) are not among people's answers; {how}."]
    try:
        return _looked_at(session, labels.dissection, data, chosen, options), []
    except VestigeError as error:
        if options.backbone:
            raise
        return {}, [f"Pictures of units (Fig. 9a) are left out: {error}"]


def chosen_units(named: Iterable[NamedUnit]) -> list[NamedUnit]:
    """Of a layer, the objects that most units count for, and of each the units of the highest scores."""
    by_object: dict[str, list[NamedUnit]] = {}
    for each in named:
        if not each.why:
            by_object.setdefault(each.object, []).append(each)
    largest = sorted(by_object.values(), key=len, reverse=True)[:_SHOWN_OBJECTS]
    return [each for own in largest for each in sorted(own, key=lambda one: -one.score)[:_SHOWN_UNITS]]


def _looked_at(
    session: Session, run: DissectRun, data: Dataset, chosen: Sequence[NamedUnit], options: EmergeOptions
) -> Arrays:
    examples = _dissected(run, data)
    layers = tuple(dict.fromkeys(each.layer for each in chosen))
    tops = [run.of(each.layer, "top_rows")[each.unit, :_SHOWN_PICTURES].tolist() for each in chosen]
    rows = sorted({row for top in tops for row in top})
    reader = reader_of(run, options.backbone, layers, session)
    pictures: dict[int, NDArray[np.uint8]] = {}
    masks: dict[tuple[int, int], NDArray[np.bool_]] = {}
    crops = [Crop(example) for example in examples]
    with closing(reader.read(crops, rows)) as batches:
        for batch in batches:
            for i, row in enumerate(batch.rows):
                pictures[row] = crop_resize(batch.pixels[i].numpy(), None, (_SIDE, _SIDE), "box")
                for k, each in enumerate(chosen):
                    if row in tops[k]:
                        map_ = batch.maps[each.layer][i, each.unit].numpy()
                        masks[k, row] = run.mask(each.layer, each.unit, map_, RULE)
    kept = [k for k in range(len(chosen)) if all((k, row) in masks for row in tops[k])]
    place = {row: n for n, row in enumerate(pictures)}
    return {
        "shown_layers": np.array([chosen[k].layer for k in kept], dtype=np.str_),
        "shown_units": np.array([chosen[k].unit for k in kept], np.int64),
        "shown_objects": np.array([chosen[k].object for k in kept], dtype=np.str_),
        "shown_scores": np.array([chosen[k].score for k in kept], np.float32),
        "shown_rows": np.array([[place[row] for row in tops[k]] for k in kept], np.int64),
        "shown_masks": np.array([[masks[k, row] for row in tops[k]] for k in kept], dtype=bool),
        "shown_pictures": np.stack(list(pictures.values())),
    }


def _dissected(run: DissectRun, data: Dataset) -> Sequence[Example]:
    """The pictures that a run was made of: the data that are given, or those that its spec opens.

    Raises:
        VestigeError: where the spec opens none, or others.
    """
    said = run.results.data["test"]
    if data.fingerprint == said.get("fingerprint"):
        return data
    opened = open_given(str(said["spec"]))
    if opened.fingerprint != said.get("fingerprint"):
        raise VestigeError(f"{said['spec']}: holds other pictures than when {run.name} was made")
    return opened
