"""``vestige demo``: every task of the first paper, on what ships with the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vestige.cli import options as o
from vestige.cli.console import command_line, console, listening, print_results
from vestige.cli.help import examples
from vestige.errors import VestigeError

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
    from vestige.contract.session import Session
    from vestige.datasets.opening import open_train_test
    from vestige.features.reader import Reader
    from vestige.overview import write_overview
    from vestige.pages import show
    from vestige.run import Run, run_folder
    from vestige.run_folders import folder_of_runs
    from vestige.tasks import task_named

    page = output / "report.html"
    if page.is_file() and not overwrite:
        raise VestigeError(f"{output}: holds a finished demo; choose another -o, or add --overwrite to replace it")
    runs = []
    with folder_of_runs(output), listening() as listener:
        session = Session(Reader(progress=listener.count), listener.say)
        for task, (specs, options) in _tasks().items():
            run = Run(output / task)
            if overwrite or not run.finished:
                console.print(task, style="bold")
                with run_folder(run.folder, overwrite=overwrite, command=command_line()) as made:
                    if not made.finished:
                        found = task_named(task).measure(session, open_train_test(*specs), *options)
                        found.record(made, command_line())
                    results = made.results()
                    print_results(results, str(results.config["metric"]))
                    show(made)
            elif not run.report_path.exists():
                show(run)
            runs.append(run)
        write_overview(runs, page)
    typer.echo(f"report: {page}")


def _tasks() -> Mapping[str, tuple[tuple[str, str], tuple[Any, ...]]]:
    """Task -> its train and test data, and its options."""
    from vestige.probes.attributes.task import AttributeOptions
    from vestige.probes.engine.options import VectorOptions
    from vestige.probes.keypoints.task import KeypointOptions
    from vestige.probes.landmarks.task import LandmarkOptions
    from vestige.probes.pixels.task import PixelOptions
    from vestige.probes.segmentation.task import SegmentationOptions

    vectors = VectorOptions(layers=FEW_LAYERS, untrained_seeds=1)
    return {
        "landmarks": (FACES, (LandmarkOptions(layers=LAYERS, untrained_seeds=1),)),
        "keypoints": (OBJECTS, (KeypointOptions(layers=FEW_LAYERS, untrained_seeds=1, look_backs=0),)),
        "pixels": (FACES, (PixelOptions(28), vectors)),
        "segmentation": (FACES, (SegmentationOptions(20, 1, 0.6, 0), vectors)),
        "attributes": (FACES, (AttributeOptions(), vectors)),
    }
