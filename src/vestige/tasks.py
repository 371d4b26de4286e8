"""The registry of tasks: vestige's own, and those that plug-ins bring; none is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from vestige.contract.task import Task
from vestige.errors import VestigeError, choice
from vestige.plugins import Plugins, plugins

TASKS: Mapping[str, str] = {
    "landmarks": "probes.landmarks.task:LANDMARKS",
    "keypoints": "probes.keypoints.task:KEYPOINTS",
    "pixels": "probes.pixels.task:PIXELS",
    "segmentation": "probes.segmentation.task:SEGMENTATION",
    "attributes": "probes.attributes.task:ATTRIBUTES",
    "directions": "probes.directions.task:DIRECTIONS",
}
"""vestige's own, by their place in the package."""

GROUP = "vestige.tasks"
"""The entry points of packages that bring more."""


@cache
def task_named(name: str) -> Task:
    """A task by its name.

    Raises:
        VestigeError: where there is none, or the plug-in that brings it cannot be used.
    """
    if name in TASKS:
        module, _, constant = TASKS[name].partition(":")
        task: Task = getattr(import_module(f"vestige.{module}"), constant)
        return task
    brought = _brought()
    if name in brought.failed:
        raise VestigeError(f"task {name!r}: its plug-in {brought.failed[name]}")
    if name not in brought.found:
        raise VestigeError(f"task {name!r}: there is none; {choice(name, task_names())}")
    return brought.found[name]


def task_names() -> tuple[str, ...]:
    """The names of all tasks, vestige's own first."""
    return (*TASKS, *_brought().found)


@cache
def _brought() -> Plugins[Task]:
    return plugins(
        GROUP, TASKS, "a vestige.contract.task.Task", lambda loaded: loaded if isinstance(loaded, Task) else None
    )
