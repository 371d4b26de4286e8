"""What a search for the neighbours of patches or fields will do, said before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vestige.contract.plan import Layer, Plan, Work, plan_of_data
from vestige.correspondence.search.database import SHARD, LayerView, views
from vestige.correspondence.search.task import DatabaseOptions, FieldOptions, PatchOptions
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.dense import seen_size
from vestige.features.reader import Reader
from vestige.images import picture_size

_SAMPLED = 16
"""Pictures whose size is looked at, to know about how many cells a picture has."""


def plan_patches(reader: Reader, data: Any, _options: PatchOptions, database: DatabaseOptions) -> Plan:
    """The plan of a search for patches."""
    return _plan("patches", reader, data, database)


def plan_fields(reader: Reader, data: Any, _options: FieldOptions, database: DatabaseOptions) -> Plan:
    """The plan of a search for fields."""
    return _plan("fields", reader, data, database)


def _plan(task: str, reader: Reader, data: Any, options: DatabaseOptions) -> Plan:
    """A database of each layer's cells, as many as are asked for and there are, and a search in each."""
    backbone = reader.backbone(options.backbone)
    looked_at = views(backbone, options.layers)
    pictures = [example for each in data[1] for example in each]
    cells = [_cells(view, pictures, options) for view in looked_at]
    plan = plan_of_data(task, reader, data)
    described = backbone.layers([view.layer for view in looked_at])
    return replace(
        plan,
        data=tuple(replace(part, role="database") for part in plan.data),
        networks=(options.backbone,),
        layers=tuple(
            Layer(layer.name, "cells", layer.shape[0], rows=n, dtype="float16")
            for layer, n in zip(described, cells, strict=True)
        ),
        work=tuple(Work(what, n) for what in ("patches", "searched patches") for n in cells),
        uncounted="the pictures of neighbours",
        rough=True,
    )


def _cells(view: LayerView, pictures: Sequence[Example], options: DatabaseOptions) -> int:
    """About how many cells of a layer are read: of whole groups of pictures, until there are enough."""
    per_picture = _cells_of_a_picture(view, pictures, options)
    groups = np.ceil(min(len(pictures), options.patches / per_picture) / SHARD)
    return int(min(len(pictures), SHARD * groups) * per_picture)


def _cells_of_a_picture(view: LayerView, pictures: Sequence[Example], options: DatabaseOptions) -> float:
    counts = []
    for row in np.unique(np.linspace(0, len(pictures) - 1, _SAMPLED).round().astype(int)):
        try:
            width, height = picture_size(pictures[row].image)
        except VestigeError:
            continue  # it is left out when it is read
        size = seen_size((height, width), options.short_side)
        counts.append(np.prod([np.ceil(side / stride) for side, stride in zip(size, view.stride, strict=True)]))
    return float(np.mean(counts)) if counts else 1.0
