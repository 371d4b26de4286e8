"""What Python's users call that takes more than one wing, or a page."""

from __future__ import annotations

from pathlib import Path

from vestige.pages import show
from vestige.probes.engine.record import Probe, record
from vestige.run import Run, run_folder


def save_run(probe: Probe, folder: str | Path, *, overwrite: bool = False) -> Run:
    """A run folder of a probe, with its figures and its report.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off.
    """
    with run_folder(Path(folder), overwrite=overwrite) as run:
        record(run, probe)
        show(run)
    return Run(Path(folder))
