"""Features that are held in memory and kept nowhere, for pictures that are looked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.features.layout import Description
from vestige.features.scaled import factors_of
from vestige.features.store import Features


class HeldWriter:
    """Takes what a :class:`vestige.features.writer.StoreWriter` takes, and holds it.

    Args:
        description: what it holds.

    Attributes:
        missing: the chunks that are not there yet, in order.
        begun: as a StoreWriter's: nothing is there before it begins.
        chunks: the rows of those that are.
        exponents: e of each row, which is held times 2^e.
        problems: row -> message for the pictures that could not be read.
        made: when, how fast and by what it was made.
    """

    def __init__(self, description: Description) -> None:
        self.description = description
        self.missing = list(range(description.chunks))
        self.begun: dict[int, int] = {}
        self.chunks: dict[int, NDArray[Any]] = {}
        self.exponents: dict[int, NDArray[np.int64]] = {}
        self.problems: dict[int, str] = {}
        self.made: dict[str, Any] = {}
        self._chunk = -1
        self._parts: list[tuple[NDArray[Any], NDArray[np.int64]]] = []

    def start(self, chunk: int) -> None:
        """Begin a chunk."""
        self._chunk, self._parts = chunk, []

    def append(
        self, rows: NDArray[Any], exponents: NDArray[np.int64], problems: Mapping[int, str] | None = None
    ) -> None:
        """Take the chunk's next rows, ``(m, d)``, with their exponents and problems."""
        self._parts.append((rows, exponents))
        self.problems.update(problems or {})

    def finish_chunk(self) -> None:
        """End the chunk."""
        rows, exponents = zip(*self._parts, strict=True)
        self.chunks[self._chunk], self.exponents[self._chunk] = np.concatenate(rows), np.concatenate(exponents)
        self.missing.remove(self._chunk)
        self._parts = []

    def finish(self, made: Mapping[str, Any]) -> None:
        """Call it complete."""
        self.made = dict(made)

    def abandon(self) -> None:
        """Nothing is left behind."""


class HeldFeatures(Features):
    """Features in memory: all that Features do, without a store."""

    def __init__(self, writer: HeldWriter) -> None:
        self.path = Path(writer.description.key)
        self.description = writer.description
        self._writer = writer

    @cached_property
    def problems(self) -> dict[int, str]:
        """Row -> what is wrong with its picture."""
        return self._writer.problems

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the features come from: their description, and when, how fast and by what they were made."""
        return asdict(self.description) | {"key": self.description.key} | self._writer.made

    @cached_property
    def array(self) -> Any:
        """The features as a ``zarr.Array`` in memory, in the type that they would have on disk."""
        import zarr  # slow to import, and needed by few

        return zarr.array(np.concatenate([self._writer.chunks[chunk] for chunk in range(self.description.chunks)]))

    def _open(self, chunk: int) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        return self._writer.chunks[chunk], factors_of(self._writer.exponents[chunk])

    def close(self) -> None:
        """Nothing is held that others wait for."""
