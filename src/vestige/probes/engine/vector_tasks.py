"""Vector tasks by name: how a saved run's task is opened again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.probes.attributes.measure import Attributes
from vestige.probes.engine.vector_methods import SavedVectors, VectorMethod
from vestige.probes.engine.vector_task import VectorTask
from vestige.probes.pixels.measure import Pixelwise
from vestige.probes.segmentation.measure import Segmentation

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
        task = check_json(dict(saved.made_of), _OPEN[saved.task])
        for method in saved.methods:
            _check_method(task, method)
        return task
    except (KeyError, ValueError) as error:
        raise VestigeError(f"task {saved.task!r}: cannot be opened: {error}; run the probe again") from error


def _check_method(task: VectorTask[Any], method: VectorMethod) -> None:
    """ValueError where a method reads other numbers than its task."""
    reads = len(method.probe.intercept)
    if reads != task.width:
        raise ValueError(f"method {method.name!r} reads {reads} numbers, the task {task.width}")
    if method.refinement is not None and method.refinement.coef.shape != (task.refined, task.refined):
        shape = method.refinement.coef.shape
        raise ValueError(f"method {method.name!r} refines by {shape}, expected {(task.refined, task.refined)}")
