"""Fills a store, chunk by chunk, so that it can be killed at any moment and goes on at the last finished chunk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.features.layout import (
    COMPLETE,
    METADATA,
    Description,
    chunk_path,
    disk_errors,
    has_chunk,
    little_endian,
    problems_path,
    write_text,
)


class StoreWriter:
    """Writes one store; its caller holds the exclusive lock.

    What is on disk already and belongs to the description is kept; anything else there is removed.

    Args:
        store: its directory.
        description: what it holds.

    Attributes:
        missing: the chunks that are not there yet, in order.

    Raises:
        VestigeError: where the disk refuses.
    """

    def __init__(self, store: Path, description: Description) -> None:
        self.store = store
        self.description = description
        self._file: BinaryIO | None = None
        self._chunk = -1
        with disk_errors(store):
            self._adopt()
        self.missing = [i for i in range(description.chunks) if not has_chunk(store, description, i)]

    def _adopt(self) -> None:
        try:
            sound = Description.read(self.store).key == self.description.key
        except VestigeError:
            sound = False
        if not sound:
            if self.store.exists():
                shutil.rmtree(self.store)
            write_text(self.store / METADATA, self.description.metadata())
        (self.store / COMPLETE).unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        path = chunk_path(self.store, self._chunk)
        return path.with_name(path.name + ".partial")

    def start(self, chunk: int) -> None:
        """Begin a chunk; whatever is left of an earlier attempt at it is overwritten."""
        self._chunk = chunk
        with disk_errors(self.store):
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb", buffering=0)

    def append(self, rows: NDArray[Any]) -> None:
        """Write the chunk's next rows, ``(m, d)``."""
        assert self._file is not None, "append before start"
        left = little_endian(rows, self.description.dtype).data.cast("B")
        with disk_errors(self.store):
            while left:  # a raw write may take less than it is given
                left = left[self._file.write(left) :]

    def finish_chunk(self, problems: Mapping[int, str]) -> None:
        """End the chunk: from here on it counts as there.

        Args:
            problems: row -> message for the pictures that could not be read.
        """
        assert self._file is not None, "finish_chunk before start"
        with disk_errors(self.store):
            self._file.truncate(self.description.chunk_bytes)
            self._file.close()
            self._file = None
            path = problems_path(self.store, self._chunk)
            if problems:
                write_text(path, json.dumps({str(row): problems[row] for row in sorted(problems)}, indent=1))
            else:
                path.unlink(missing_ok=True)
            self._partial.replace(chunk_path(self.store, self._chunk))
        self.missing.remove(self._chunk)

    def finish(self, made: Mapping[str, Any]) -> None:
        """Call the store complete.

        Args:
            made: when, how fast and by what.
        """
        assert not self.missing, "finish before the last chunk"
        with disk_errors(self.store):
            write_text(self.store / COMPLETE, json.dumps(dict(made), indent=1))

    def abandon(self) -> None:
        """Drop the chunk that is under way, if any; what is finished stays."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._partial.unlink(missing_ok=True)


def stored(rows: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Rows in the type of the store.

    Raises:
        VestigeError: where a finite number is too large for it.
    """
    if dtype == "float32":
        return rows
    with np.errstate(over="ignore"):
        cast = rows.astype(dtype)
    if not np.isfinite(cast).all():
        raise VestigeError(
            f"features as large as {np.abs(rows).max():.3g} do not fit {dtype}, which ends at "
            f"{np.finfo(dtype).max:.0f}; store them as float32"
        )
    return cast
