"""What Python's users call that takes more than one wing, or a page."""

from __future__ import annotations

from pathlib import Path

from vestige.contract.found import Found
from vestige.pages import show
from vestige.run import Run, run_folder


def save_run(found: Found, folder: str | Path, *, overwrite: bool = False) -> Run:
    """A run folder of what was found, with its figures and its report.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off.
    """
    with run_folder(Path(folder), overwrite=overwrite) as run:
        found.record(run)
        show(run)
    return Run(Path(folder))
