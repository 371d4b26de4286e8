"""Arrays kept on disk as they are computed, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from vestige.arrays import parse_npz
from vestige.files import write_bytes

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class PartialWork:
    """A folder of arrays by what they were computed from: ``.npz`` files, each with four bytes of digest at its end.

    Attributes:
        folder: where they lie; None keeps nothing.
    """

    folder: Path | None = None

    def get(self, made_from: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays made from something: read where they are kept, else made and kept.

        Args:
            made_from: a text that changes whenever the arrays would.
            make: makes them.
        """
        found = self.find(made_from)
        if found is not None:
            return found
        made = dict(make())
        if self.folder is None:
            return made
        content = io.BytesIO()
        np.savez(content, **made)  # type: ignore[arg-type]  # the stubs take the names for options
        content.write(_digest(content.getvalue()))
        write_bytes(self._path(self.folder, made_from), content.getvalue(), overwrite=True)
        return made

    def find(self, made_from: str) -> Arrays | None:
        """The arrays made from something, where they are kept."""
        return None if self.folder is None else _read(self._path(self.folder, made_from))

    @staticmethod
    def _path(folder: Path, made_from: str) -> Path:
        return folder / f"{hashlib.sha256(made_from.encode()).hexdigest()}.npz"


KEEP_NOTHING = PartialWork()
"""For measurements that are not continued after a kill."""


def _digest(content: bytes) -> bytes:
    return int(google_crc32c.value(content)).to_bytes(4, "big")


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    """What a file holds; None where it is missing, cut off or not what was written."""
    try:
        whole = path.read_bytes()
        content, digest = whole[:-4], whole[-4:]
        if digest != _digest(content):
            return None
        return parse_npz(io.BytesIO(content))
    except (OSError, ValueError):
        return None
