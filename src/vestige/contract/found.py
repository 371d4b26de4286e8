"""What a measurement found, whatever its task: all that a run's folder is written from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from vestige.contract.task import Task
from vestige.datasets.dataset import Dataset, describe_data
from vestige.departures import departures
from vestige.extraction import ExtractOptions
from vestige.files import disk_errors
from vestige.handed_in import as_type
from vestige.manifest import files_in, update_manifest
from vestige.methods import Method
from vestige.metrics import Metric, on_folds
from vestige.partial_work import KEEP_NOTHING, PartialWork
from vestige.results import Results, Row, described, frame_of, now
from vestige.run import Run, run_folder
from vestige.stopwatch import Spent
from vestige.text import count
from vestige.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame


class Fitted(Protocol):
    """What was trained, to be used on other pictures."""

    def save(self, folder: Path) -> None:
        """Write it into a run's ``probe/``."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """What methods show on test examples.

    Attributes:
        rows: one per method, metric and subset.
        arrays: of ``examples.npz``.
        notes: what was left out of the measurement, and why.
    """

    rows: tuple[Row, ...]
    arrays: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a measurement found, whatever its task: all that a run's folder is written from::

        found = vestige.measure("keypoints", "cub:DIR", layers=["block7"])
        found.rows                  # numbers with their meaning, each a vestige.results.Row
        found.save("runs/birds")    # results.json, examples.npz, probe/, figures/, report.html

    Attributes:
        task: that found it.
        options: the dataclasses that it was made with.
        config: what is not in the options; ``metric`` is the one that reports are about.
        data: by role (``train``, ``test``): the data that took part, or what results.json says of them.
        backbone: ``spec``, ``weights_sha256``, ``layer``, ``readout``, and ``dim`` where there is one.
        rows: exactly one per (method, metric, subset).
        arrays: of ``examples.npz``.
        metrics: the task's, as :func:`vestige.metrics.describe_metrics` takes them.
        methods: likewise, as :func:`vestige.methods.describe_methods`.
        extraction: how features were computed; None where none were.
        seconds: that it took.
        times: what of them every kind of work took.
        sweep: every other measurement: all layers and seeds.
        notes: what a reader of the numbers must know.
        ridge: what the fits chose.
        fitted: what was trained; None where nothing is left to use.
        kept: finished parts that stay with the run, for the one that replaces it.
        texts: further files of the run, by name.
    """

    task: Task
    options: tuple[Any, ...]
    config: Mapping[str, Any]
    data: Mapping[str, Dataset | Mapping[str, Any]]
    backbone: Mapping[str, Any]
    rows: tuple[Row, ...]
    arrays: Mapping[str, NDArray[Any]]
    metrics: Mapping[str, Metric]
    methods: Mapping[str, Method] | Callable[[str], Method]
    extraction: ExtractOptions | None
    seconds: float
    times: tuple[Spent, ...] = ()
    sweep: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    ridge: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    fitted: Fitted | None = None
    kept: PartialWork = KEEP_NOTHING
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        """In a line: the pictures and arrays themselves are no reading."""
        return f"<Found: {self.task.name} of {self.backbone.get('spec', '')}, {count(len(self.rows), 'row')}>"

    def results(self, command: Sequence[str] = ()) -> Results:
        """The document that the run's folder holds.

        Args:
            command: the words of the command line that asked for it, where one did.
        """
        metrics, methods = described((*self.rows, *self.sweep), self.metrics, self.methods)
        options = {
            name: str(value) if isinstance(value, Path) else value
            for each in self.options
            for name, value in asdict(each).items()
        }
        extraction = {} if self.extraction is None else {"extraction": asdict(self.extraction)}
        return Results(
            task=self.task.name,
            config={**options, **extraction, **self.config, "command": list(command)},
            data={role: describe_data(d) if isinstance(d, Dataset) else d for role, d in self.data.items()},
            backbone=self.backbone,
            ridge=self.ridge,
            metrics=metrics,
            methods=methods,
            rows=self.rows,
            sweep=self.sweep,
            created=now(),
            seconds=round(self.seconds, 1),
            times=self.times,
            vestige=__version__,
            notes=(*self.notes, *self._departures(metrics, methods)) if self.options else self.notes,
        )

    def _departures(self, metrics: Mapping[str, Metric], methods: Mapping[str, Method]) -> tuple[str, ...]:
        """What is not the paper's, but for what choices were made by on training folds."""
        measured = (*self.rows, *(row for row in self.sweep if not on_folds(row.metric)))
        return departures(self.options, measured, metrics, methods)

    def record(self, run: Run, command: Sequence[str] = ()) -> Results:
        """Write a started run: what was trained, config, examples, and last of all the results.

        Args:
            run: a started run.
            command: the words of the command line that asked for it, where one did.
        """
        results = self.results(command)
        if self.fitted is not None:
            with disk_errors(run.folder, "the run"):
                run.probe_folder.mkdir(parents=True, exist_ok=True)
            self.fitted.save(run.probe_folder)
            update_manifest(run.folder, *(run.probe_folder / name for name in files_in(run.probe_folder)))
        run.write_parts(self.kept)
        run.write_config(results.to_json()["config"])
        run.write_examples(self.arrays)
        for name, text in self.texts.items():
            run.write_text(name, text)
        run.write_results(results)
        return results

    def to_frame(self, *, sweep: bool = False) -> DataFrame:
        """The rows as a pandas DataFrame, or those of the sweep over layers: ``found.to_frame().query("n > 100")``.

        Raises:
            VestigeError: where pandas is not installed.
        """
        return frame_of(self.sweep if as_type("sweep", sweep, bool) else self.rows)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Run:
        """Make a run folder of it, with figures and report: ``found.save("runs/birds").report_path``.

        Args:
            folder: is made.
            overwrite: whether a finished run in it is replaced.

        Raises:
            VestigeError: where the folder holds a finished run and ``overwrite`` is off, or files that are no run's.
        """
        from vestige.contract.pages import show  # measuring needs no page

        place = as_type("folder", folder, Path)
        with run_folder(place, overwrite=as_type("overwrite", overwrite, bool)) as run:
            self.record(run)
            show(run, self.task.page)
        return Run(place)
