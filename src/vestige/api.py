"""What Python's users call: measure any task, and use finished runs again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints

import numpy as np
from numpy.typing import ArrayLike

from vestige.backbones import Backbone, Preprocessing
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.contract.task import Task
from vestige.datasets.dataset import Dataset
from vestige.datasets.memory import Pictured, box_of, picture_of
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.handed_in import as_type, made_of
from vestige.probes.engine.photographs import open_photographs
from vestige.probes.engine.predict_run import Failure, Predicted
from vestige.progress import Lines
from vestige.results import Results, Row, frame_of
from vestige.run import Run
from vestige.spec import HELD, parse_backbone_spec
from vestige.tasks import task_named
from vestige.text import count
from vestige.trained_run import check_trained, evaluate_run, predict_run, reader_of

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import nn

Network: TypeAlias = "str | Backbone | tuple[nn.Module, Preprocessing]"
"""A backbone: its spec, or what a program holds."""

_TYPES = {"Dataset": Dataset}
"""What options' modules import for type checking alone."""


def measure(task: str, /, *data: str | Dataset, session: Session | None = None, **options: Any) -> Found:
    """Measure a task on data, and return what was found::

        found = vestige.measure("keypoints", "cub:DIR", layers=["block7"], untrained_seeds=0)
        found = vestige.measure("pixels", train, test, size=32, device="cuda")      # a vestige.Dataset each

    Args:
        task: its name, as ``landmarks``, ``keypoints``, ``pixels``, ``segmentation``, ``attributes``, ``directions``,
            or that of a plug-in's.
        data: what the task reads, as specs or :class:`vestige.Dataset`: mostly to train on, then to test on, where the
            first has no split of its own.
        session: what it is made with; None for the default cache, and lines on standard error.
        options: of the task, by the names of its options dataclasses, where a network may be a spec, a
            :class:`vestige.Backbone` or a ``torch.nn.Module`` with its :class:`vestige.Preprocessing`,
            ``backbone=(module, preprocessing)``; and of extraction, as ``device``, ``precision``,
            ``store_dtype`` and ``batch``, where no session is given.

    Raises:
        VestigeError: for an unknown task or option, with those that there are; for a value of another type; where the
            data are not what the task needs.
    """
    found = task_named(as_type("task", task, str))
    networks: list[Backbone] = []
    given = {**_by_name(found, data), **{name: _named(name, value, networks) for name, value in options.items()}}
    extraction = {each.name for each in fields(ExtractOptions)} - found.without
    kinds = [found.data, *found.options]
    own = {each.name for kind in kinds for each in fields(kind)}
    if session is not None:
        as_type("session", session, Session)
        for name in extraction - own & given.keys():
            raise VestigeError(f"{name}: the session's reader has its own; leave it out, or make the Reader with it")
    else:
        kinds.append(ExtractOptions)
    opened, *rest = made_of(kinds, given, _TYPES, f"task {task!r}", found.without)
    if session is None:
        session = _session(rest.pop())
    for network in networks:
        session.reader.hold(network)
    return found.measure(session, opened.open(), *rest)


def _by_name(task: Task, data: Sequence[Any]) -> dict[str, Any]:
    """What is given by its place, by the names of the fields that say where data come from."""
    hints = get_type_hints(task.data, localns=dict(_TYPES))
    names = [each.name for each in fields(task.data) if hints[each.name] is not bool]
    if len(data) > len(names):
        raise VestigeError(f"task {task.name!r}: takes {', '.join(names)} by place, and options by name; got {data!r}")
    return dict(zip(names, data, strict=False))


def _named(name: str, value: Any, networks: list[Backbone]) -> Any:
    """An option, networks that are given as they are replaced by their specs; they go into a list."""
    if name == "backbones" and isinstance(value, list | tuple):
        return [_named("backbone", one, networks) for one in value]
    if name != "backbone" or isinstance(value, str):
        return value
    networks.append(_network(value))
    return networks[-1].spec


def _network(given: Any) -> Backbone:
    """A network that a program holds.

    Raises:
        VestigeError: where it is none, or lacks its preprocessing.
    """
    if isinstance(given, Backbone):
        return given
    if isinstance(given, list | tuple) and len(given) == 2:
        return Backbone.from_module(*given)
    raise VestigeError(
        f"backbone: is {type(given).__name__}; expected a spec such as 'timm:resnet18', a vestige.Backbone, or a "
        "torch.nn.Module with its vestige.Preprocessing: backbone=(module, preprocessing)"
    )


def _session(extraction: ExtractOptions) -> Session:
    extraction.torch_device()  # refuses one that is not there before anything is read
    lines = Lines()
    return Session(Reader(extraction, progress=lines.count), lines.say)


def open_run(folder: str | Path) -> FinishedRun:
    """Open the folder of a finished run::

        run = vestige.open_run("runs/birds")
        run.to_frame()

    Raises:
        VestigeError: where it is none, or is damaged.
    """
    run = Run(as_type("folder", folder, Path))
    return FinishedRun(run, run.results())


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, to be looked at and used again; :func:`open_run` opens one.

    Attributes:
        run: its folder.
        results: what it measured.
    """

    run: Run
    results: Results

    def __repr__(self) -> str:
        """In a line, as of what was found."""
        return f"<FinishedRun: {self.run.folder}, {self.results.task}, {count(len(self.rows), 'row')}>"

    @property
    def rows(self) -> tuple[Row, ...]:
        """One per method, metric and subset."""
        return self.results.rows

    def to_frame(self, *, sweep: bool = False) -> DataFrame:
        """The rows as a pandas DataFrame, or those of the sweep over layers.

        Raises:
            VestigeError: where pandas is not installed.
        """
        return frame_of(self.results.sweep if as_type("sweep", sweep, bool) else self.rows)

    def evaluate(
        self, data: str | Dataset, *, strict: bool = False, device: str = "auto", backbone: Network | None = None
    ) -> Found:
        """Measure every method of the run on other data: ``run.evaluate("cub:OTHER").save("runs/other")``.

        Args:
            data: a spec, or a data set.
            strict: stop where files are bad instead of going on without them.
            device: where the network runs; all else is computed as the run did.
            backbone: the run's network, where a program held it.

        Raises:
            VestigeError: where the run leaves nothing to use, the network is not the run's, or the data are those that
                it was trained on.
        """
        check_trained(self.run)
        given = as_type("data", data, str | Dataset)
        as_type("strict", strict, bool)
        reader = self._reader(device, backbone)
        test = open_dataset(given, strict=strict) if isinstance(given, str) else given
        return evaluate_run(self.run, test, reader)

    def predict(
        self,
        images: Pictured | Example | Sequence[Pictured | Example],
        *,
        boxes: ArrayLike | Sequence[ArrayLike | None] | None = None,
        category: str | None = None,
        whole: bool = False,
        device: str = "auto",
        backbone: Network | None = None,
    ) -> Predicted:
        """Predict pictures: ``run.predict("face.png", boxes=[170, 50, 280, 190]).predictions[0].points``.

        Args:
            images: one or several: paths, ``uint8`` arrays ``(H, W, 3)`` RGB or ``(H, W)`` grey, PIL pictures, folders,
                specs or Examples.
            boxes: ``(4,)``, x0, y0, x1, y1 of the object in pixels of every picture, or one for each.
            category: the class, for a run that has several.
            whole: take the whole picture of those without box, although the run was trained on boxes.
            device: where the network runs.
            backbone: the run's network, where a program held it.

        Raises:
            VestigeError: where the run cannot predict, or a picture is none; those that cannot be read are in the
                ``failures`` of what is returned.
        """
        check_trained(self.run)
        as_type("category", category, str | None)
        as_type("whole", whole, bool)
        reader = replace(self._reader(device, backbone), keep=False)
        examples, failures = _examples(images)
        predicted = predict_run(self.run, _boxed(examples, boxes), reader, category=category, whole=whole)
        return replace(predicted, failures=(*failures, *predicted.failures))

    def _reader(self, device: str, backbone: Network | None) -> Reader:
        reader = reader_of(self.run, as_type("device", device, str), Lines().count)
        reader.options.torch_device()
        spec = str(self.results.backbone.get("spec"))
        if backbone is not None:
            given = backbone if isinstance(backbone, str) else reader.hold(_network(backbone))
            if given != spec and not {HELD} == {parse_backbone_spec(each).kind for each in (given, spec)}:
                raise VestigeError(f"backbone: is {given!r}; the run is of {spec!r}")
        if parse_backbone_spec(spec).kind == HELD:
            reader.backbone(spec)  # refuses one that is another, or missing
        return reader


def _examples(images: Any) -> tuple[list[Example], list[Failure]]:
    """The pictures that are given, and what cannot be used of the folders and data among them."""
    one = isinstance(images, np.ndarray) and (images.ndim == 2 or (images.ndim == 3 and images.shape[-1] == 3))
    if one or isinstance(images, str | Path | Example) or not hasattr(images, "__len__"):
        images = [images]
    if isinstance(images, Mapping) or not len(images):
        raise VestigeError(f"images: is {type(images).__name__} {images!r:.40}; expected a picture, or a list of them")
    examples: list[Example] = []
    failures: list[Failure] = []
    for number, image in enumerate(images):
        if isinstance(image, str | Path):
            opened, problems = open_photographs([str(image)])
            examples += opened
            failures += problems
        elif isinstance(image, Example):
            examples.append(image)
        else:
            name = f"images[{number}]"
            examples.append(Example(name, name, picture_of(image, name)))
    return examples, failures


def _boxed(examples: Sequence[Example], boxes: Any) -> list[Example]:
    """The examples with boxes: one for all, or one for each, where None leaves a picture its own."""
    if boxes is None:
        return list(examples)
    if not isinstance(boxes, list | tuple | np.ndarray):
        raise VestigeError(f"boxes: is {type(boxes).__name__}; expected x0, y0, x1, y1, or such a box for each picture")
    single = len(boxes) == 4 and all(isinstance(number, int | float | np.number) for number in boxes)
    each = [boxes] * len(examples) if single else list(boxes)
    if len(each) != len(examples):
        raise VestigeError(f"boxes: there are {len(each)} for {len(examples)} pictures; expected one, or one for each")
    return [
        example if box is None else replace(example, box=box_of(box, "boxes" if single else f"boxes[{row}]"))
        for row, (example, box) in enumerate(zip(examples, each, strict=True))
    ]
