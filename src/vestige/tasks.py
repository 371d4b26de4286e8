"""The registry of tasks: vestige's own, and those that plug-ins bring; none is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vestige.contract.task import Task, Trained
from vestige.errors import VestigeError, choice
from vestige.plugins import Plugins, guarded, plugins

if TYPE_CHECKING:
    from rich.table import Table

    from vestige.contract.bench import Bench
    from vestige.contract.found import Found
    from vestige.contract.session import Session
    from vestige.report.blocks import Parts
    from vestige.results import Results
    from vestige.run import Run

TASKS: Mapping[str, str] = {
    "landmarks": "probes.landmarks.task:LANDMARKS",
    "keypoints": "probes.keypoints.task:KEYPOINTS",
    "pixels": "probes.pixels.task:PIXELS",
    "segmentation": "probes.segmentation.task:SEGMENTATION",
    "attributes": "probes.attributes.task:ATTRIBUTES",
    "compare": "probes.compare.task:COMPARE",
    "directions": "probes.directions.task:DIRECTIONS",
    "patches": "correspondence.search.task:PATCHES",
    "fields": "correspondence.search.task:FIELDS",
    "align": "correspondence.align.task:ALIGN",
    "classify": "correspondence.classify.task:CLASSIFY",
    "detect": "correspondence.detect.task:DETECT",
    "dissect": "units.dissect.task:DISSECT",
    "unit-segments": "units.segment.task:SEGMENT",
    "unit-detections": "units.detect.task:UNIT_DETECT",
    "annotations": "units.annotations.task:ANNOTATIONS",
    "minimal": "units.minimal.task:MINIMAL",
    "emerge": "units.emerge.task:EMERGE",
    "prefer": "units.prefer.task:PREFER",
    "receptive-fields": "units.receptive_fields.task:RECEPTIVE_FIELDS",
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
    plugged = _from_plugins()
    if name in plugged.failed:
        raise VestigeError(f"task {name!r}: its plug-in {plugged.failed[name]}")
    if name not in plugged.found:
        for known in TASKS:
            task = task_named(known)
            if task.word == name:
                raise VestigeError(f"task {name!r}: `vestige {task.group} {name}` is the task {known!r} in Python")
        raise VestigeError(f"task {name!r}: there is none; {choice(name, task_names())}")
    return plugged.found[name]


def task_names() -> tuple[str, ...]:
    """The names of all tasks, vestige's own first."""
    return (*TASKS, *_from_plugins().found)


@cache
def _from_plugins() -> Plugins[Task]:
    return plugins(GROUP, TASKS, "a vestige.contract.task.Task of the same name", _as_plugin_task)


def _as_plugin_task(name: str, loaded: object) -> Task | None:
    if not isinstance(loaded, Task) or loaded.name != name:
        return None
    return (
        _PluginTask(**{each.name: getattr(loaded, each.name) for each in fields(Task)})
        if type(loaded) is Task
        else loaded
    )


class _PluginTask(Task):
    """A plug-in's task: what goes wrong in its code is an error that names it."""

    def check(self, data: Any, *options: Any) -> None:
        """As of every task."""
        with self._guarded():
            super().check(data, *options)

    def measure(self, session: Session, data: Any, *options: Any) -> Found:
        """As of every task."""
        with self._guarded():
            return super().measure(session, data, *options)

    def page(self, runs: Sequence[Run]) -> Parts:
        """As of every task."""
        with self._guarded():
            return super().page(runs)

    def bench(self, session: Session, data: Any, *options: Any) -> Bench:
        """As of every task."""
        with self._guarded():
            return super().bench(session, data, *options)

    def tables(self, results: Results) -> Sequence[Table]:
        """As of every task."""
        with self._guarded():
            return super().tables(results)

    def load(self, run: Run) -> Trained:
        """As of every task."""
        with self._guarded():
            return super().load(run)

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(f"task {self.name!r}: its plug-in")
