"""One page on runs of several tasks: what a network remembers, task by task, with the way to each run's own report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vestige.errors import VestigeError
from vestige.pages import made_from, parts_of
from vestige.report.blocks import Block, Cell, Gallery, KeyNumber, Link, Opening, Page, Prose, RowGroup, Section, Table
from vestige.report.page import save_page
from vestige.report.provenance import edge_note
from vestige.report.rivals import SECOND_MAP, better_rivals
from vestige.results import Results
from vestige.run import Run
from vestige.tasks import task_named, task_names
from vestige.text import count, duration, listed, network_name

_TILES = 4
"""Pictures of each task; its own report has more."""

QUESTIONS = {
    "landmarks": "Where are a face’s parts?",
    "keypoints": "Where are an object’s parts?",
    "pixels": "What colours were there?",
    "segmentation": "What is where?",
    "attributes": "What is the face like?",
    "dissect": "Which units detect objects?",
    "receptive-fields": "Where does a unit look?",
    "emerge": "Which objects emerge?",
}
"""What each task asks; other tasks go by their names."""


def write_overview(runs: Sequence[Run], path: Path) -> None:
    """Write the page beside the runs.

    Args:
        runs: finished runs, each with its report; their order is the page's.
        path: of the page; links to the runs' reports are relative to it.

    Raises:
        VestigeError: where there is no run, one is not finished or damaged, or the page cannot be written.
    """
    if not runs:
        raise VestigeError("no run to give an overview of")
    page = overview_page(runs, path.parent)
    with made_from(runs):
        save_page(page, path)


def overview_page(runs: Sequence[Run], folder: Path) -> Page:
    """The page, not yet written; ``folder`` is where it will lie."""
    told = [(run, *_told(run)) for run in runs]
    networks = dict.fromkeys(network_name(str(run.results().backbone.get("spec", "a network"))) for run in runs)
    numbers = tuple(number for run, opening, _ in told for number in _best(run, opening))
    seconds = sum(run.results().seconds for run in runs)
    opening = Opening(
        "overview",
        f"What {listed(list(networks))} still {'knows' if len(networks) == 1 else 'know'} about where things are.",
        f"{_how(runs)}{count(len(runs), 'task')}, {duration(seconds)}.{_without_training(runs)}",
        numbers,
    )
    sections = tuple(_section(run, own, blocks, folder) for run, own, blocks in told)
    notes = [f"{run.results().task}: {note}" for run in runs if (note := edge_note(run.results())) is not None]
    footer = "Made by vestige from run folders."
    return Page("vestige: an overview", "vestige · overview", (opening,), sections, footer, tuple(notes))


def _how(runs: Sequence[Run]) -> str:
    """How the runs ask a network, a sentence each with a space behind it."""
    known = task_names()
    groups = {task_named(task).group for run in runs if (task := run.results().task) in known}
    said = {
        "probe": "Linear maps from one layer each, measured on pictures that they were not trained on. ",
        "units": "Single units as they are, beside annotated objects. ",
    }
    return "".join(sentence for group, sentence in said.items() if group in groups)


def _told(run: Run) -> tuple[Opening, tuple[Block, ...]]:
    """What the run's own report opens with, and its pictures."""
    with made_from([run]):
        openings, sections = parts_of(run.results().task)([run])
    galleries = [block for section in sections for block in section.blocks if isinstance(block, Gallery)]
    shown = [
        replace(gallery, tiles=gallery.tiles[: _TILES * max(1, gallery.columns // 2)]) for gallery in galleries[:1]
    ]
    return openings[0], tuple(shown)


def _without_training(runs: Sequence[Run]) -> str:
    """Which tasks are done better without the network's training, with a space before it; empty where none is."""
    tasks = [results.task for run in runs if better_rivals(results := run.results())]
    if not tasks:
        return ""
    return f" In {listed(tasks)} something without this training is ahead: it stands beside the network’s number."


def _best(run: Run, opening: Opening) -> tuple[KeyNumber, ...]:
    """The network's own number, under the task's name and metric; then what is ahead of it without training."""
    results = run.results()
    strong = [number for number in opening.numbers if number.tone == "strong"][:1]
    before = [_label(results, row.method.removesuffix(SECOND_MAP)) for row in better_rivals(results)]
    others = [f"{n.label} {n.value}" for n in opening.numbers if any(n.label.startswith(name) for name in before)]
    metric = results.config.get("metric")
    said = f"; ahead of it: {listed(others)}" if others else ""
    return tuple(replace(n, label=f"{results.task}, {metric or n.label}{said}", tone="") for n in strong)


def _section(run: Run, opening: Opening, pictures: Sequence[Block], folder: Path) -> Section:
    task = run.results().task
    row = tuple(Cell(number.value, number.interval, number.tone) for number in opening.numbers)
    metric = run.results().config.get("metric")
    table = Table(
        f"{metric}, with 95 % intervals" if metric else f"{run.name}, in numbers",
        ("", *(number.label for number in opening.numbers)),
        (RowGroup(((Cell(task), *row),)),),
    )
    address = Path(os.path.relpath(run.report_path, folder)).as_posix()
    link = Link(f"The whole report on {task}", address)
    return Section(
        QUESTIONS.get(task, task.capitalize()),
        run.name,
        (Prose(f"{opening.headline} {opening.detail}"), table, *pictures, link),
    )


def _label(results: Results, method: str) -> str:
    return results.methods[method].label if method in results.methods else method
