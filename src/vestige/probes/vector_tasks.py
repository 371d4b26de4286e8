"""Vector tasks by name: how a saved run's task is opened again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vestige.errors import VestigeError
from vestige.probes.attributes import Attributes, open_attributes
from vestige.probes.pixels import Pixelwise
from vestige.probes.segmentation import Segmentation
from vestige.probes.vector_methods import SavedVectors
from vestige.probes.vectors import VectorTask

_OPEN: Mapping[str, Callable[..., VectorTask[Any]]] = {
    Pixelwise.name: Pixelwise,
    Segmentation.name: Segmentation,
    Attributes.name: open_attributes,
}

VECTOR_TASKS = tuple(_OPEN)
"""The names of all vector tasks."""


def open_vector_task(saved: SavedVectors) -> VectorTask[Any]:
    """The task that a run's probes read.

    Raises:
        VestigeError: where the run is of another version of vestige, or damaged.
    """
    try:
        return _OPEN[saved.task](**saved.made_of)
    except (KeyError, TypeError, ValueError) as error:
        raise VestigeError(f"task {saved.task!r}: cannot be opened: {error}; run the probe again") from error
