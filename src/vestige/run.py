"""The Run folder: everything that a run leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vestige.arrays import Arrays, read_npz
from vestige.errors import VestigeError
from vestige.files import disk_errors, write_arrays, write_json, write_text
from vestige.manifest import check_digest, start_manifest, update_manifest
from vestige.partial_work import PartialWork
from vestige.results import Results, mend, read_results
from vestige.run_folders import building, check_run_folder, own_files

PARTS = "parts"
"""Where a run has the finished parts of its measurement, if the one that replaces it may use them."""


@dataclass(frozen=True)
class Run:
    """A folder with ``config.json``, ``results.json``, ``examples.npz``, ``figures/`` and ``report.html``.

    Where something was trained that can be used again, it is in ``probe/``.
    ``results.json`` is written last but for the report: a run that has it is finished.

    Attributes:
        folder: of the run.
        kept: where finished parts of a long measurement lie until the run is; None for nowhere.
    """

    folder: Path
    kept: Path | None = None

    @property
    def results_path(self) -> Path:
        """``results.json``."""
        return self.folder / "results.json"

    @property
    def examples_path(self) -> Path:
        """``examples.npz``."""
        return self.folder / "examples.npz"

    @property
    def probe_folder(self) -> Path:
        """``probe/``: the fitted probes of every method."""
        return self.folder / "probe"

    @property
    def figures_folder(self) -> Path:
        """``figures/``."""
        return self.folder / "figures"

    @property
    def report_path(self) -> Path:
        """``report.html``."""
        return self.folder / "report.html"

    @property
    def name(self) -> str:
        """The folder's name, which stands for the run in a report on several."""
        return self.folder.resolve().name

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.results_path.is_file()

    def results(self) -> Results:
        """What the run measured.

        Raises:
            VestigeError: where the folder is no finished run.
        """
        if not self.finished:
            raise VestigeError(
                f"{self.folder}: is no finished run: it has no results.json; "
                "name the folder that a finished command wrote"
            )
        return read_results(self.results_path)

    def results_of(self, task: str, command: str) -> Results:
        """What the run measured, where it is one of a task.

        Args:
            task: its name.
            command: that makes such runs.

        Raises:
            VestigeError: where the folder is no finished run, or one of another task.
        """
        results = self.results()
        if results.task != task:
            raise VestigeError(
                f"{self.folder}: is a run of {results.task}; expected one of {task}, which `vestige {command}` makes"
            )
        return results

    def examples(self) -> Arrays:
        """``examples.npz`` as arrays by name.

        Raises:
            VestigeError: where the file is missing or damaged.
        """
        check_digest(self.examples_path)
        return read_npz(self.examples_path, what="a run's examples", mend=mend())

    def write_parts(self, kept: PartialWork) -> None:
        """Write what is kept of a measurement into ``parts/``, where the run that replaces this one finds it."""
        if kept.folder is not None and kept.folder.is_dir():
            with disk_errors(self.folder, "the run"):
                shutil.copytree(kept.folder, self.folder / PARTS, dirs_exist_ok=True)
            update_manifest(self.folder, *(path for path in (self.folder / PARTS).iterdir()))

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.json``."""
        path = self.folder / "config.json"
        write_json(path, config, overwrite=True)
        update_manifest(self.folder, path)

    def write_examples(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write ``examples.npz``."""
        write_arrays(self.examples_path, arrays, overwrite=True)
        update_manifest(self.folder, self.examples_path)

    def write_text(self, name: str, text: str) -> None:
        """Write a further file, such as a table."""
        write_text(self.folder / name, text, overwrite=True)
        update_manifest(self.folder, self.folder / name)

    def write_results(self, results: Results) -> None:
        """Write ``results.json``: the run is finished."""
        write_json(self.results_path, results.to_json(), overwrite=True)
        update_manifest(self.folder, self.results_path)


@contextmanager
def run_folder(folder: Path, *, overwrite: bool = False, command: Sequence[str] = ()) -> Iterator[Run]:
    """A run to write, which takes its place when the block ends; arguments and errors as of :func:`building`.

    It is ``finished`` where the same command measured it and was killed: only its figures and its page are missing.
    """
    with building(folder, overwrite=overwrite, command=command) as place:
        if (folder / PARTS).is_dir():
            with disk_errors(folder, "the run"):
                shutil.copytree(folder / PARTS, place.kept, dirs_exist_ok=True)
        yield Run(place.new, place.kept)


def start_run(folder: Path, *, overwrite: bool = False) -> Run:
    """A run to write where it stays, by those who have measured already; what vestige wrote there before is removed.

    Raises:
        VestigeError: as :func:`check_run_folder`.
    """
    check_run_folder(folder, overwrite=overwrite)
    run = Run(folder)
    with disk_errors(folder, "the run"):
        for name in own_files(folder):
            (folder / name).unlink(missing_ok=True)
        run.figures_folder.mkdir(parents=True, exist_ok=True)
    start_manifest(folder)
    return run
