"""``vestige demo``: the tasks of the first paper, and single units, on what ships with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vestige.cli.commands import command_of
from vestige.cli.console import Listener, command_line, console, listening, print_json, print_report, quietly
from vestige.cli.help import examples
from vestige.cli.measuring import print_found, print_plan, session_of
from vestige.cli.parts import Machines, Printing, Trial, runs_option
from vestige.cli.stopping import keeping
from vestige.errors import VestigeError
from vestige.options import option

if TYPE_CHECKING:
    from vestige.features.reader import Reader
    from vestige.run import Run

FACES = ("synthetic:faces,n=320,seed=1", "synthetic:faces,n=120,seed=2")
OBJECTS = ("synthetic:objects,n=200,seed=1", "synthetic:objects,n=70,seed=2")
LAYERS = ("block2", "block4", "block7", "block10", "block13", "head")
FEW_LAYERS = ("block4", "block10")
SCENES = ("synthetic:scenes,n=200,seed=1", "synthetic:scenes,n=400,seed=2")
UNIT_LAYER, FIELD_LAYERS = "conv5", ("pool1", "conv3", "conv5")


@dataclass(frozen=True)
class RunsFolder:
    """Where runs go.

    Attributes:
        output: the folder that they are made in.
        overwrite: whether finished ones are replaced.
    """

    output: Path = runs_option("runs/demo")
    overwrite: bool = option(False, "Replace finished runs in the folder.", names=("--overwrite",), last=True)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    doc = """What does a network remember, and what do its units detect? Eight tasks on drawn pictures, one page.

    A run for each task (landmarks, keypoints, pixels, segmentation and attributes of faces and objects, by the embedded
    network; dissect, receptive-fields and emerge of scenes, by the one trained on them) and report.html over all.
    Killed at any moment, it goes on with the task that it was at.
    """
    command = command_of(demo, (RunsFolder, Printing, Trial, Machines), doc)
    app.command("demo", epilog=examples("vestige demo -o runs/demo"))(command)


def demo(where: RunsFolder, printing: Printing, trial: Trial) -> None:
    """Measure every task that is not measured yet, and write the page over all."""
    from vestige.features.reader import Reader
    from vestige.overview import write_overview
    from vestige.pages import show
    from vestige.run import Run
    from vestige.run_folders import folder_of_runs

    page = where.output / "report.html"
    if page.is_file() and not where.overwrite:
        raise VestigeError(
            f"{where.output}: holds a finished demo; choose another -o, or add --overwrite to replace it"
        )
    if trial.dry_run:
        _print_plans(where.output, printing)
        return
    runs = [Run(where.output / name) for name in _tasks()]
    with quietly(printing.quiet), keeping():
        with folder_of_runs(where.output), listening() as listener:
            reader = Reader()
            for run in runs:
                if where.overwrite or not run.finished:
                    _measure(run, reader, listener, printing, overwrite=where.overwrite)
                elif not run.report_path.exists():
                    show(run)
            write_overview(runs, page)
        if printing.json:
            print_json({"report": str(page), "runs": {run.name: run.results().to_json() for run in runs}})
        print_report(page, printing)


def _measure(run: Run, reader: Reader, listener: Listener, printing: Printing, *, overwrite: bool) -> None:
    from vestige.pages import show
    from vestige.run import run_folder
    from vestige.tasks import task_named

    console.print(run.name, style="bold")
    task, part = task_named(run.name), _tasks()[run.name]
    with run_folder(run.folder, overwrite=overwrite, command=command_line()) as made:
        if not made.finished:
            data = part.open(run.folder.parent)
            task.measure(session_of(made, reader, listener), data, *part.options).record(made, command_line())
        if not printing.json:
            print_found(made.results(), printing)
        show(made)


def _print_plans(folder: Path, printing: Printing) -> None:
    """What would be done, on standard output; of what goes on with a run, once that is there."""
    from vestige.contract.plan import plan_of
    from vestige.features.reader import Reader
    from vestige.run import Run
    from vestige.tasks import task_named

    reader = Reader()
    ready = {name: part for name, part in _tasks().items() if not part.after or Run(folder / part.after).finished}
    plans = [plan_of(task_named(name), reader, part.open(folder), part.options) for name, part in ready.items()]
    later = {name: part.after for name, part in _tasks().items() if name not in ready}
    if printing.json:
        print_json({"plans": [plan.to_json() for plan in plans], "later": later})
        return
    for plan in plans:
        print_plan(plan, printing)
    for name, after in later.items():
        typer.echo(f"{name}: goes on with the run {after}, and is planned once that is there")


@dataclass(frozen=True)
class _Part:
    """A run of the demo.

    Attributes:
        open: its data, from the demo's folder.
        options: of its task.
        after: the run that it goes on with; "" for none.
    """

    open: Callable[[Path], Any]
    options: tuple[Any, ...]
    after: str = ""


def _tasks() -> Mapping[str, _Part]:
    """The parts by task."""
    from vestige.datasets.opening import open_dataset, open_train_test
    from vestige.probes.attributes.task import AttributeOptions
    from vestige.probes.engine.options import VectorOptions
    from vestige.probes.keypoints.task import KeypointOptions
    from vestige.probes.landmarks.task import LandmarkOptions
    from vestige.probes.pixels.task import PixelOptions
    from vestige.probes.segmentation.task import SegmentationOptions
    from vestige.units.dissect.task import DissectOptions
    from vestige.units.emerge.task import EmergeOptions, LabelsAndData
    from vestige.units.receptive_fields.task import FieldsOptions

    vectors = VectorOptions(layers=FEW_LAYERS, untrained_seeds=1)
    network = "scene_cnn"

    def probed(specs: tuple[str, str], *options: Any) -> _Part:
        return _Part(lambda _: open_train_test(*specs), options)

    return {
        "landmarks": probed(FACES, LandmarkOptions(layers=LAYERS, untrained_seeds=1)),
        "keypoints": probed(OBJECTS, KeypointOptions(layers=FEW_LAYERS, untrained_seeds=1, look_backs=0)),
        "pixels": probed(FACES, PixelOptions(28), vectors),
        "segmentation": probed(FACES, SegmentationOptions(20, 1, 0.6, 0), vectors),
        "attributes": probed(FACES, AttributeOptions(), vectors),
        "dissect": _Part(
            lambda _: open_dataset(SCENES[0]), (DissectOptions(network, (UNIT_LAYER,), chance=("shuffled",)),)
        ),
        "receptive-fields": _Part(
            lambda _: open_dataset(SCENES[0]), (FieldsOptions(network, FIELD_LAYERS, units=3, pictures=4),)
        ),
        "emerge": _Part(
            lambda folder: LabelsAndData(folder / "dissect", SCENES[1]).open(), (EmergeOptions(),), "dissect"
        ),
    }
