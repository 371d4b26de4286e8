"""Arrays kept on disk as they are computed, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        content.write(_digest(content.getbuffer()))
        write_bytes(self._path(self.folder, made_from), content.getbuffer(), overwrite=True)
        return made

    def find(self, made_from: str, only: Collection[str] | None = None) -> Arrays | None:
        """The arrays made from something, where they are kept; ``only`` some of them, by name."""
        return None if self.folder is None else _read(self._path(self.folder, made_from), only)

    def holds(self, made_from: str) -> bool:
        """Whether the arrays made from something are there; they are not read."""
        return self.find(made_from, only=()) is not None

    def drop(self, made_from: str) -> None:
        """Keep the arrays made from something no longer."""
        if self.folder is not None:
            self._path(self.folder, made_from).unlink(missing_ok=True)

    @staticmethod
    def _path(folder: Path, made_from: str) -> Path:
        return folder / f"{hashlib.sha256(made_from.encode()).hexdigest()}.npz"


KEEP_NOTHING = PartialWork()
"""For measurements that are not continued after a kill."""


def _digest(content: bytes | memoryview) -> bytes:
    return zlib.crc32(content).to_bytes(4, "big")


def _read(path: Path, only: Collection[str] | None) -> dict[str, NDArray[Any]] | None:
    """What a file holds; None where it is missing, cut off or not what was written."""
    try:
        if only is not None:
            return parse_npz(path, only)  # each array has a check sum of its own
        whole = path.read_bytes()
        if whole[-4:] != _digest(memoryview(whole)[:-4]):
            return None
        return parse_npz(io.BytesIO(whole))  # an archive may have something behind its end
    except (OSError, ValueError):
        return None
