"""Where a command's run goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vestige.cli.options import path_of
from vestige.options import needed, option


@dataclass(frozen=True)
class Where:
    """Where a run goes.

    Attributes:
        output: its folder.
        overwrite: whether a finished run in it is replaced.
    """

    output: Path = needed("Folder of the run; it is made.", names=("-o", "--output"), metavar="RUN", parser=path_of)
    overwrite: bool = option(False, "Replace a finished run in the folder.", names=("--overwrite",), last=True)
