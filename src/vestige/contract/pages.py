"""Reports and figures written from run folders alone, whatever makes the task's own part of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from vestige.errors import VestigeError
from vestige.manifest import update_manifest
from vestige.report.blocks import Page, Parts
from vestige.report.page import save_figures, save_page
from vestige.report.provenance import data_section, edge_note, provenance_section, repeat_section
from vestige.results import Results, mend
from vestige.run import Run
from vestige.stopwatch import timing

Paging = Callable[[Sequence[Run]], Parts]
"""What makes a task's own part of the page on runs."""


@timing("report")
def show(run: Run, paging: Paging) -> None:
    """Write the figures and the report of a run that has its results.

    Raises:
        VestigeError: where the run is damaged, or a file cannot be written.
    """
    page = report_page([run], paging)
    write_figures(run, page)
    write_report([run], page, run.report_path)


def write_report(runs: Sequence[Run], page: Page, path: Path) -> None:
    """Write a page on runs as one self-contained HTML file; its folder is made where it is missing.

    Raises:
        VestigeError: where it cannot be written.
    """
    with made_from(runs):
        save_page(page, path)


def write_figures(run: Run, page: Page) -> None:
    """Save a page's figures as PNG in the ``figures/`` of its run.

    Raises:
        VestigeError: where one cannot be written.
    """
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


def report_page(runs: Sequence[Run], paging: Paging) -> Page:
    """The page on runs of one task, not yet written.

    Raises:
        VestigeError: where a run is not finished or damaged, or the tasks differ.
    """
    if not runs:
        raise VestigeError("no run to report on: name at least one folder of a finished run")
    results = [(run.name, run.results()) for run in runs]
    tasks = sorted({found.task for _, found in results})
    if len(tasks) > 1:
        raise VestigeError(
            f"the runs are of different tasks ({', '.join(tasks)}); report on the runs of one task at a time"
        )
    with made_from(runs):
        openings, sections = paging(runs)
    common = (data_section(results), provenance_section(results), repeat_section(results))
    several = len(runs) > 1
    notes = [f"{name}: {note}" if several else note for name, found in results for note in notes_of(found)]
    names = ", ".join(name for name, _ in results)
    return Page(
        title=f"vestige {tasks[0]}: {names}",
        kicker=f"vestige · {tasks[0]}",
        openings=openings,
        sections=(*(section for section in sections if section.blocks), *common),
        notes=tuple(dict.fromkeys(notes)),
        footer=f"Made by vestige {results[0][1].vestige} from the run’s files alone.",
    )


def notes_of(results: Results) -> tuple[str, ...]:
    """What a reader of a run's numbers must know, that alphas were taken at the edge with it."""
    edge = edge_note(results)
    return (*results.notes, edge) if edge else results.notes
