"""Vector tasks by name: how a saved run's task is opened again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.probes.attributes import Attributes
from vestige.probes.pixels import Pixelwise
from vestige.probes.segmentation import Segmentation
from vestige.probes.vector_methods import SavedVectors
from vestige.probes.vectors import VectorTask

_OPEN: Mapping[str, type[VectorTask[Any]]] = {
    Pixelwise.name: Pixelwise,
    Segmentation.name: Segmentation,
    Attributes.name: Attributes,
}

VECTOR_TASKS = tuple(_OPEN)
"""The names of all vector tasks."""


def open_vector_task(saved: SavedVectors) -> VectorTask[Any]:
    """The task that a run's probes read.

    Raises:
        VestigeError: where the run is of another version of vestige, or damaged.
    """
    try:
        return check_json(dict(saved.made_of), _OPEN[saved.task])
    except (KeyError, ValueError) as error:
        raise VestigeError(f"task {saved.task!r}: cannot be opened: {error}; run the probe again") from error
