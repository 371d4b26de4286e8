"""The annotations that the paper's authors released: ``unitAnnotation_*.mat``, files of MATLAB 5.

``layerAnnotation`` ``(L, 2)`` has a table and the name of its layer a row. A table ``(U, 9)`` has three times a
concept, a group from 1 to 6, and a precision: those of three people a unit. Which pictures they saw is not in it.

SciPy's reader can crash on damaged files, so the file is read in a process of its own, which is this module run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from vestige.documents import Json, parse_json
from vestige.errors import VestigeError

WORKERS = 3
"""People a unit."""

Tables = list[tuple[str, list[list[Json]]]]
"""Layers' names with their tables ``(U, 9)``."""

_SECONDS = 60
_MEMORY = 8 << 30  # bytes of addresses, of which a damaged file may ask for any number


def read_release(path: Path) -> Tables:
    """The tables of a release.

    Raises:
        VestigeError: where the file is another one, or damaged.
    """
    words = [sys.executable, "-P", "-m", __name__, str(path)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        if done.returncode:
            raise ValueError(reason[-1] if done.returncode == 1 and reason else "it is damaged")
        return parse_json(done.stdout, Tables)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise VestigeError(
            f"{path}: cannot be read as the annotations that the paper's authors released: {error}; expected a MATLAB "
            "file with layerAnnotation (layers, 2)"
        ) from error


def _tables(path: str) -> list[Any]:
    from scipy.io import loadmat

    found = []
    for table, name in loadmat(path, variable_names=["layerAnnotation"])["layerAnnotation"]:
        if table.ndim != 2 or table.shape[1] != 3 * WORKERS:
            raise ValueError(f"has a table of shape {table.shape}; expected (units, {3 * WORKERS})")
        found.append((name.item(), [[cell.item() for cell in line] for line in table.tolist()]))
    return found


def _main() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        text = json.dumps(_tables(sys.argv[1]), allow_nan=False)
    except Exception as error:  # scipy raises a dozen classes for damaged files
        sys.exit(str(error).strip().partition("\n")[0] or type(error).__name__)
    sys.stdout.write(text)


if __name__ == "__main__":
    _main()
