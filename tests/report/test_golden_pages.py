"""The page of every task as it was last agreed on: its sections, their blocks in order, and every cell of its tables.

``pytest tests/report/test_golden_pages.py --golden`` writes the outlines in ``golden/`` anew; read their diff.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vestige.contract.session import Session
from vestige.datasets.opening import open_train_test
from vestige.features.reader import Reader
from vestige.pages import report_page
from vestige.probes.attributes.task import AttributeOptions
from vestige.probes.directions.task import DirectionOptions, FaceOptions
from vestige.probes.engine.options import VectorOptions
from vestige.probes.pixels.task import PixelOptions
from vestige.progress import print_nothing
from vestige.report.blocks import Cell, Gallery, Page, Table
from vestige.run import Run, start_run
from vestige.tasks import task_named, task_names

GOLDEN = Path(__file__).parent / "golden"


def drawn(module: str, function: str, folder: Path, **options: Any) -> Run:
    """A run with made-up numbers, as the tests of that page make it."""
    made: Run = runpy.run_path(str(Path(__file__).with_name(f"{module}.py")))[function](folder, **options)
    return made


def measured(task: str, options: tuple[Any, ...], folder: Path) -> Run:
    """A run on drawn faces, of a network that is the picture itself."""
    data = open_train_test("synthetic:faces,n=24,seed=1,size=48", "synthetic:faces,n=8,seed=2,size=48")
    run = start_run(folder)
    found = task_named(task).measure(Session(Reader(keep=False), print_nothing), data, *options)
    replace(found, times=()).record(run)  # which are never twice the same
    return run


VECTORS = VectorOptions("rgb:4", ("all",), untrained_seeds=0, rgb_size=4)
RUNS: dict[str, Callable[[Path], Run]] = {
    "landmarks": partial(drawn, "conftest", "make_landmark_run"),
    "keypoints": partial(drawn, "test_keypoints", "make_run"),
    "pixels": partial(measured, "pixels", (PixelOptions(7), VECTORS)),
    "segmentation": partial(drawn, "test_segmentation", "make_run"),
    "attributes": partial(measured, "attributes", (AttributeOptions(("glasses", "yaw"), least=2), VECTORS)),
    "directions": partial(
        measured,
        "directions",
        (DirectionOptions(("glasses",), (), "rgb:4", ("all",), size=7), FaceOptions(least=2)),
    ),
    "compare": partial(drawn, "conftest", "make_comparison", networks=("timm:resnet18",)),
    "align": partial(drawn, "test_align", "make_run"),
    "classify": partial(drawn, "test_classify", "make_run"),
    "detect": partial(drawn, "test_detect", "make_run"),
    "patches": partial(drawn, "test_patches", "patch_run"),
    "fields": partial(drawn, "test_patches", "field_run"),
}


def outline(page: Page, *, numbers: bool) -> Iterator[str]:
    """The page without its prose; ``numbers``: with the digits of its numbers, else each digit is a 0."""

    def text(cell: Cell) -> str:
        said = f"{cell.text} ({cell.small})" if cell.small else cell.text
        said = f"{said} [{cell.tone}]" if cell.tone else said
        return said if numbers else re.sub(r"−?\d", "0", said)

    for opening in page.openings:
        yield f"opening {opening.name}"
        yield from (f"    {n.label} | {text(Cell(n.value, n.interval, n.tone))}" for n in opening.numbers)
    for section in page.sections:
        yield f"section {section.anchor}"
        for block in section.blocks:
            name = getattr(block, "name", "")
            tiles = f", tiles {len(block.tiles)}" if isinstance(block, Gallery) else ""
            yield f"  {block.kind} {name}{tiles}".rstrip()
            if isinstance(block, Table):
                yield f"    = {' | '.join(block.columns)}"
                for group in block.groups:
                    yield from [f"    # {group.heading}"] if group.heading else []
                    yield from (f"    {' | '.join(map(text, row))}" for row in group.rows)


@pytest.mark.parametrize("task", RUNS)
def test_the_page_is_as_agreed_on(tmp_path: Path, request: pytest.FixtureRequest, task: str) -> None:
    page = report_page([RUNS[task](tmp_path / task)])
    made_up = RUNS[task].func is drawn
    found = "\n".join(outline(page, numbers=made_up)) + "\n"
    path = GOLDEN / f"{task}.txt"
    if request.config.getoption("--golden"):
        path.write_text(found, encoding="utf-8")
    assert found.splitlines() == path.read_text(encoding="utf-8").splitlines()


def test_every_task_has_a_page_here() -> None:
    tasks = [task_named(name) for name in task_names()]
    assert set(RUNS) == {task.name for task in tasks if task.paged_by and task.group != "units"}
