"""The Run folder: everything that a run leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from numpy.typing import NDArray

from vestige.arrays import Arrays, read_npz
from vestige.errors import VestigeError
from vestige.files import write_arrays, write_json
from vestige.results import MEND, Results, read_results


@dataclass(frozen=True)
class Run:
    """A folder with ``config.json``, ``results.json``, ``examples.npz``, ``probe/``, ``figures/`` and ``report.html``.

    ``results.json`` is written last but for the report: a run that has it is finished.
    """

    folder: Path

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
            raise VestigeError(f"{self.folder}: is no finished run: it has no results.json; run the probe first")
        return read_results(self.results_path)

    def examples(self) -> Arrays:
        """``examples.npz`` as arrays by name.

        Raises:
            VestigeError: where the file is missing or damaged.
        """
        return read_npz(self.examples_path, what="a run's examples", mend=MEND)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.json``."""
        write_json(self.folder / "config.json", config, overwrite=True)

    def write_examples(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write ``examples.npz``."""
        write_arrays(self.examples_path, arrays, overwrite=True)

    def write_results(self, results: Results) -> None:
        """Write ``results.json``: the run is finished."""
        write_json(self.results_path, results.to_json(), overwrite=True)


def check_run_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse, before anything is computed, a folder that no run can be written into; nothing is left there.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off, or cannot be made and written.
    """
    try:
        if Run(folder).finished and not overwrite:
            raise VestigeError(
                f"{folder}: holds a finished run, whose page `vestige report {folder}` makes; choose another -o, "
                "or add --overwrite to replace it"
            )
        _try_writing(folder)
    except OSError as error:
        raise _unusable(folder, error) from error


def _try_writing(folder: Path) -> None:
    """Make a folder and a file in it, and take both away again."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]  # the innermost first
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    finally:
        for path in new:
            with suppress(OSError):
                path.rmdir()


def start_run(folder: Path, *, overwrite: bool = False) -> Run:
    """A folder made ready for a run: what an earlier one left is removed only with ``overwrite``.

    Called when all is measured, so that a run that fails leaves no folder and takes nothing from an earlier one. What
    an unfinished run left is replaced. Files that are no part of a run are never touched.

    Raises:
        VestigeError: as :func:`check_run_folder`.
    """
    check_run_folder(folder, overwrite=overwrite)
    run = Run(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (run.results_path, run.examples_path, run.report_path, run.folder / "config.json"):
            path.unlink(missing_ok=True)
        for path in (run.probe_folder, run.figures_folder):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    return run


def _unusable(folder: Path, error: OSError) -> VestigeError:
    return VestigeError(
        f"-o {folder}: cannot be the folder of a run: {error.strerror or error}; choose a folder that can be written"
    )
