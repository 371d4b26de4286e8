"""The page of every task as it was last agreed on: its sections, their blocks in order, and every cell of its tables.

``pytest --golden -k agreed`` writes the outlines in ``golden/`` anew; read their diff. Pages about units are agreed on
where ``tests/units`` measures them, so that nothing is measured twice, and without the cells of their tables: which
object a unit is labelled with may be another one where sums are rounded otherwise.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vestige.contract.session import Session
from vestige.datasets.opening import open_train_test
from vestige.features.reader import Reader
from vestige.probes.attributes.task import AttributeOptions
from vestige.probes.directions.task import DirectionOptions, FaceOptions
from vestige.probes.engine.options import VectorOptions
from vestige.probes.pixels.task import PixelOptions
from vestige.progress import print_nothing
from vestige.run import Run, start_run
from vestige.tasks import task_named, task_names


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


@pytest.mark.parametrize("task", RUNS)
def test_the_page_is_as_agreed_on(tmp_path: Path, agreed: Callable[..., None], task: str) -> None:
    agreed(task, RUNS[task](tmp_path / task), cells="numbers" if RUNS[task].func is drawn else "words")


def test_every_task_has_a_page_that_was_agreed_on(golden: Path) -> None:
    """Those about units where ``tests/units`` measures them, all others here."""
    tasks = [task for task in map(task_named, task_names()) if task.paged_by]
    assert set(RUNS) == {task.name for task in tasks if task.group != "units"}
    assert {path.stem for path in golden.iterdir()} == {task.name for task in tasks}
