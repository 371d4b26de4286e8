"""Reports and figures written from run folders alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from vestige.contract.task import named
from vestige.errors import VestigeError
from vestige.manifest import update_manifest
from vestige.report.blocks import Page, Parts
from vestige.report.generic import generic_parts
from vestige.report.page import save_figures, save_page
from vestige.report.provenance import data_section, edge_note, provenance_section, repeat_section
from vestige.results import Results, mend
from vestige.run import Run
from vestige.tasks import task_named, task_names

_PAGES: Mapping[str, str] = {
    "align": "vestige.correspondence.align.page:align_parts",
    "classify": "vestige.correspondence.classify.page:classify_parts",
    "detect": "vestige.correspondence.detect.page:detect_parts",
    "patches": "vestige.correspondence.search.patch_page:patch_parts",
    "fields": "vestige.correspondence.search.field_page:field_parts",
}


def parts_of(task: str) -> Callable[[Sequence[Run]], Parts]:
    """What makes a task's part of the report: of a task that this vestige does not know, what all tasks have."""
    if task in _PAGES:
        return named(_PAGES[task])
    return task_named(task).page if task in task_names() else generic_parts


def write_report(runs: Sequence[Run], path: Path) -> None:
    """Write one self-contained HTML page on runs of one task, side by side.

    Args:
        runs: finished runs.
        path: of the page; its folder is made where it is missing.

    Raises:
        VestigeError: where a run is not finished or damaged, the tasks differ, or the page cannot be written.
    """
    page = report_page(runs)
    with made_from(runs):
        save_page(page, path)


def write_figures(run: Run) -> None:
    """Save the figures of a run's report as PNG in its ``figures/``.

    Raises:
        VestigeError: where the run is not finished or damaged, or a figure cannot be written.
    """
    _save_figures(run, report_page([run]))


def show(run: Run) -> None:
    """Write the figures and the report of a run that has its results.

    Raises:
        VestigeError: as :func:`write_figures` and :func:`write_report`.
    """
    page = report_page([run])
    _save_figures(run, page)
    with made_from([run]):
        save_page(page, run.report_path)


def _save_figures(run: Run, page: Page) -> None:
    with made_from([run]):
        update_manifest(run.folder, *save_figures(page, run.figures_folder))


_MISFITS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What drawing a page may end in where a run's content is not what its schemas promise."""


@contextmanager
def made_from(runs: Sequence[Run]) -> Iterator[None]:
    """Say which runs a page was being made from where that fails: what their schemas let pass may still not fit.

    Raises:
        VestigeError: for the errors of values that do not fit together, such as a layer that no row is of.
    """
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _MISFITS as error:
        names = ", ".join(str(run.folder) for run in runs)
        why = f"{type(error).__name__}: {error}"
        raise VestigeError(f"{names}: results.json and examples.npz do not fit together: {why}; {mend()}") from error


def report_page(runs: Sequence[Run]) -> Page:
    """The page on runs of one task, not yet written."""
    if not runs:
        raise VestigeError("no run to report on: name at least one folder of a finished run")
    results = [(run.name, run.results()) for run in runs]
    tasks = sorted({found.task for _, found in results})
    if len(tasks) > 1:
        raise VestigeError(
            f"the runs are of different tasks ({', '.join(tasks)}); report on the runs of one task at a time"
        )
    with made_from(runs):
        openings, sections = parts_of(tasks[0])(runs)
    common = (data_section(results), provenance_section(results), repeat_section(results))
    several = len(runs) > 1
    notes = [f"{name}: {note}" if several else note for name, found in results for note in _notes(found)]
    names = ", ".join(name for name, _ in results)
    return Page(
        title=f"vestige {tasks[0]}: {names}",
        kicker=f"vestige · {tasks[0]}",
        openings=openings,
        sections=(*sections, *common),
        notes=tuple(dict.fromkeys(notes)),
        footer=f"Made by vestige {results[0][1].vestige} from results.json and examples.npz alone.",
    )


def _notes(results: Results) -> tuple[str, ...]:
    edge = edge_note(results)
    return (*results.notes, edge) if edge else results.notes
