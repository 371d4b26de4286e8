"""``vestige demo``: every task of the first paper, on what ships with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli import options as o
from vestige.cli.console import command_line, console, listening, print_results
from vestige.cli.help import examples
from vestige.errors import VestigeError

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset
    from vestige.features.reader import Reader
    from vestige.probes.engine.record import Probe
    from vestige.progress import Say

FACES = ("synthetic:faces,n=320,seed=1", "synthetic:faces,n=120,seed=2")
OBJECTS = ("synthetic:objects,n=200,seed=1", "synthetic:objects,n=70,seed=2")
LAYERS = ("block2", "block4", "block7", "block10", "block13", "head")
FEW_LAYERS = ("block4", "block10")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("vestige demo -o runs/demo"))(demo)


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The runs' folder.", parser=o.path_of)
    ] = Path("runs/demo"),
    overwrite: o.Overwrite = False,
) -> None:
    """What does a network remember? Five tasks on drawn faces and objects and the embedded network, one page.

    A run for each task (landmarks, keypoints, pixels, segmentation, attributes) and report.html over all of them.
    Killed at any moment, it goes on with the task that it was at.
    """
    from vestige.datasets.opening import open_train_test
    from vestige.features.reader import Reader
    from vestige.overview import write_overview
    from vestige.pages import show
    from vestige.probes.engine.record import record
    from vestige.run import Run, run_folder
    from vestige.run_folders import folder_of_runs

    page = output / "report.html"
    if page.is_file() and not overwrite:
        raise VestigeError(f"{output}: holds a finished demo; choose another -o, or add --overwrite to replace it")
    runs = []
    with folder_of_runs(output), listening() as listener:
        reader = Reader(progress=listener.count)
        for task, (specs, probe) in _tasks().items():
            run = Run(output / task)
            if overwrite or not run.finished:
                console.print(task, style="bold")
                with run_folder(run.folder, overwrite=overwrite, command=command_line()) as made:
                    if not made.finished:
                        record(made, probe(*open_train_test(*specs), reader, listener.say), command_line())
                    results = made.results()
                    print_results(results, str(results.config["metric"]))
                    show(made)
            elif not run.report_path.exists():
                show(run)
            runs.append(run)
        write_overview(runs, page)
    typer.echo(f"report: {page}")


Probing = Callable[["Dataset", "Dataset", "Reader", "Say"], "Probe"]
"""Train and test data, a reader and a listener to a probe."""


def _tasks() -> Mapping[str, tuple[tuple[str, str], Probing]]:
    """Task -> its train and test data, and what probes them."""
    from vestige.probes.attributes.measure import attributes_of
    from vestige.probes.engine.options import VectorOptions
    from vestige.probes.engine.vector_probe import probe_vectors
    from vestige.probes.keypoints.measure import probe_keypoints
    from vestige.probes.keypoints.options import KeypointOptions
    from vestige.probes.landmarks.measure import probe_landmarks
    from vestige.probes.landmarks.options import LandmarkOptions
    from vestige.probes.pixels.measure import Pixelwise
    from vestige.probes.segmentation.measure import segmentation_of

    faces = LandmarkOptions(layers=LAYERS, untrained_seeds=1)
    objects = KeypointOptions(layers=FEW_LAYERS, untrained_seeds=1, look_backs=0)
    vectors = VectorOptions(layers=FEW_LAYERS, untrained_seeds=1)
    return {
        "landmarks": (FACES, lambda train, test, *how: probe_landmarks(train, test, faces, *how)),
        "keypoints": (OBJECTS, lambda train, test, *how: probe_keypoints(train, test, objects, *how)),
        "pixels": (FACES, lambda train, test, *how: probe_vectors(Pixelwise(28), train, test, vectors, *how)),
        "segmentation": (
            FACES,
            lambda train, test, *how: probe_vectors(segmentation_of(train, 20, 1, 0.6, 0), train, test, vectors, *how),
        ),
        "attributes": (
            FACES,
            lambda train, test, *how: probe_vectors(attributes_of(train)[0], train, test, vectors, *how),
        ),
    }
