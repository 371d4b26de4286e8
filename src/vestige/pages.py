"""Reports and figures of the runs of any task, written from their folders alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vestige.contract import pages
from vestige.contract.pages import made_from
from vestige.report.blocks import Page, Parts
from vestige.report.generic import generic_parts
from vestige.run import Run
from vestige.tasks import task_named, task_names

__all__ = ["made_from", "parts_of", "report_page", "show", "write_figures", "write_report"]


def parts_of(task: str) -> Callable[[Sequence[Run]], Parts]:
    """What makes a task's part of the report: of a task that this vestige does not know, what all tasks have."""
    return task_named(task).page if task in task_names() else generic_parts


def write_report(runs: Sequence[Run], path: Path) -> None:
    """Write one self-contained HTML page on runs of one task, side by side.

    Args:
        runs: finished runs.
        path: of the page; its folder is made where it is missing.

    Raises:
        VestigeError: where a run is not finished or damaged, the tasks differ, or the page cannot be written.
    """
    pages.write_report(runs, report_page(runs), path)


def write_figures(run: Run) -> None:
    """Save the figures of a run's report as PNG in its ``figures/``.

    Raises:
        VestigeError: where the run is not finished or damaged, or a figure cannot be written.
    """
    pages.write_figures(run, report_page([run]))


def show(run: Run) -> None:
    """Write the figures and the report of a run that has its results.

    Raises:
        VestigeError: as :func:`write_figures` and :func:`write_report`.
    """
    pages.show(run, _parts)


def report_page(runs: Sequence[Run]) -> Page:
    """The page on runs of one task, not yet written."""
    return pages.report_page(runs, _parts)


def _parts(runs: Sequence[Run]) -> Parts:
    return parts_of(runs[0].results().task)(runs)
