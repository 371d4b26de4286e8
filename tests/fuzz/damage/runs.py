"""Run folders of every task, with and without probes, and what is read of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from damage.beside import beside
from damage.guard import Kind
from vestige.contract.session import Session
from vestige.correspondence.align.page import read_align_run
from vestige.correspondence.classify.page import read_classify_run
from vestige.correspondence.detect.page import read_detect_run
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.manifest import update_manifest
from vestige.pages import report_page, write_report
from vestige.probes.attributes.measure import attributes_of
from vestige.probes.compare.run import read_comparison
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.predict_run import describe_run
from vestige.probes.engine.vector_probe import probe_vectors
from vestige.probes.keypoints.measure import probe_keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.measure import Pixelwise
from vestige.probes.segmentation.page import read_segmentation_run
from vestige.progress import print_nothing
from vestige.report.point_run import read_point_run
from vestige.run import Run, start_run
from vestige.run_folders import check_run_folder, is_own, own_files
from vestige.trained_run import load_predictor, predict_run
from vestige.units.annotations.answers import GROUPS, Answer
from vestige.units.annotations.measure import measure_annotations
from vestige.units.annotations.run import read_annotations
from vestige.units.annotations.source import Said
from vestige.units.annotations.task import AnnotationOptions

PAGES = 0.1
"""The share of cases in which a page is laid out and pictures are predicted, which take longer than reading does."""

READERS: dict[str, Callable[[Run], Any]] = {
    "landmarks": read_point_run,
    "keypoints": read_point_run,
    "align": read_align_run,
    "segmentation": read_segmentation_run,
    "classify": read_classify_run,
    "detect": read_detect_run,
    "compare": read_comparison,
    "annotations": read_annotations,
}

NETWORK = {"backbone": "rgb:4", "untrained_seeds": 0, "rgb_size": 4}


@cache
def faces() -> list[Any]:
    """Drawn faces to train and test on."""
    return [open_dataset(f"synthetic:faces,n={n},seed={seed},size=48") for n, seed in ((10, 1), (3, 2))]


@cache
def objects(seed: int = 1) -> Any:
    """Drawn objects of several classes."""
    return open_dataset(f"synthetic:objects,n={24 // seed},seed={seed},size=48")


def trained(task: str, folder: Path) -> None:
    """A run with its probes, of a network that is the picture itself."""
    session = Session(Reader(keep=False), print_nothing)
    if task == "landmarks":
        found = probe_landmarks(*faces(), LandmarkOptions(layers=("all",), **NETWORK), session)
    elif task == "keypoints":
        found = probe_keypoints(objects(), objects(2), KeypointOptions(layers=("all",), **NETWORK), session)
    else:
        data = faces()
        of: Any = Pixelwise(7) if task == "pixels" else attributes_of(data[0], ["yaw", "roll"])[0]
        found = probe_vectors(of, *data, VectorOptions(layers=("all",), **NETWORK), session)
    found.record(start_run(folder / "run"))


def drawn(module: str, function: str, folder: Path, **options: Any) -> None:
    """A run as the tests of reports make them."""
    getattr(beside(f"report/{module}.py"), function)(folder / "run", **options)


def tried(*steps: Callable[[], Any]) -> None:
    """Take all steps, whatever becomes of one of them, and raise the last refusal."""
    refused = None
    for step in steps:
        try:
            step()
        except VestigeError as error:
            refused = error
    if refused is not None:
        raise refused


def read_run(folder: Path, _path: Path, rng: random.Random) -> None:
    """Its results, its page, what is known of its files, and what its probes predict."""
    run = Run(folder / "run")

    def results() -> None:
        found = run.results()
        assert all(np.isfinite([row.value, row.n]).all() for row in (*found.rows, *found.sweep))
        json.dumps(found.to_json(), allow_nan=False)

    def page() -> None:
        if rng.random() < 0.01:
            write_report([run], folder / "page.html")
        elif rng.random() < PAGES:
            report_page([run])
        else:
            READERS.get(run.results().task, Run.results)(run)

    def predicted() -> None:
        if not run.probe_folder.exists():
            return
        category = "chair" if run.results().task == "keypoints" else None
        load_predictor(run, category)
        if rng.random() < PAGES:
            found = predict_run(run, faces()[1][:1], category=category, whole=True)
            describe_run(found)
            assert all(np.isfinite(each.values).all() for each in found.predictions)

    tried(
        results,
        run.examples,
        lambda: own_files(run.folder),
        lambda: is_own(run.folder),
        lambda: check_run_folder(run.folder, overwrite=True),
        page,
        predicted,
    )


def as_written(folder: Path, path: Path, rng: random.Random) -> None:
    """Enter a damaged file into the list of the run's files, so that its digest does not tell."""
    if rng.random() < 0.8 and path.name != "files.json":
        with suppress(VestigeError):
            update_manifest(folder / "run", path)


def annotated(folder: Path) -> None:
    """A run of people's answers."""
    said = tuple(
        Answer("pool1", unit, name, f"thing {unit}", GROUPS[unit], (), (), (), 1, True, 3.0, "", stated=unit / 4)
        for unit in range(4)
        for name in ("ada", "bob")
    )
    found = measure_annotations(Session(say=print_nothing), Said(said, "said.csv"), AnnotationOptions())
    found.record(start_run(folder / "run"))


_TRAINED = ("landmarks", "keypoints", "pixels", "attributes")
_DRAWN: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("landmarks", "conftest", "make_landmark_run", {"n": 6, "n_pictures": 2}),
    ("keypoints", "test_keypoints", "make_run", {"n": 8}),
    ("align", "test_align", "make_run", {}),
    ("segmentation", "test_segmentation", "make_run", {"n": 4}),
    ("patches", "test_patches", "patch_run", {}),
    ("fields", "test_patches", "field_run", {}),
    ("classify", "test_classify", "make_run", {}),
    ("detect", "test_detect", "make_run", {"n": 6}),
    ("compare", "conftest", "make_comparison", {"n": 6}),
)

KINDS = [
    Kind("run of annotations", annotated, read_run, 60, whole=as_written),
    *(Kind(f"trained {task}", partial(trained, task), read_run, 40, whole=as_written) for task in _TRAINED),
    *(
        Kind(f"run of {task}", partial(drawn, module, function, **options), read_run, 30, whole=as_written)
        for task, module, function, options in _DRAWN
    ),
]
