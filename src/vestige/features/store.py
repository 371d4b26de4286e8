"""Features: stored on disk, or held in memory; and float16 rows of small numbers, scaled by a power of two."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.errors import VestigeError
from vestige.features.layout import (
    COMPLETE,
    Description,
    chunk_path,
    is_intact,
    is_sound,
    read_complete,
    read_problems,
    read_seal,
)
from vestige.features.locks import StoreLock
from vestige.features.remote import remote_of
from vestige.stopwatch import timing

Vectors = NDArray[np.float32]

_MEND = "run the same extraction again, and it is mended"


_TOP = 15
"""Scaled rows have their largest number just below 2^15; float16 ends just below 2^16."""

_LARGEST = 126
"""The largest exponent: 2^-126 is the smallest normal float32."""


@dataclass(frozen=True)
class Scaled:
    """Rows as they are stored.

    Attributes:
        rows: ``(m, d)``, in the type of the store.
        exponents: ``(m,)``: e of each row, which is stored times 2^e.
    """

    rows: NDArray[Any]
    exponents: NDArray[np.int64]


def scaled(rows: NDArray[np.float32], dtype: str) -> Scaled:
    """Rows ``(m, d)`` in the type of the store.

    float16 has no numbers between 0 and 6e-8, and few below 6e-5. So a row of which all numbers are below 1 is
    multiplied by the power of two that brings the largest to 2^14 or more: exact, and a function of the row alone. What
    a row loses is below 2^-25 of its largest number, as in arithmetic of float32.

    Raises:
        VestigeError: where a finite number is too large for the type.
    """
    exponents = np.zeros(len(rows), dtype=np.int64)
    if dtype == "float32":
        return Scaled(rows, exponents)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    small = (largest > 0) & (largest < 1)
    exponents[small] = np.minimum(_TOP - np.frexp(largest[small])[1], _LARGEST)
    if small.any():
        rows = np.ldexp(rows, exponents[:, None].astype(np.int32))
    with np.errstate(over="ignore"):
        cast = rows.astype(dtype)
    if not np.isfinite(cast).all():
        raise VestigeError(
            f"features as large as {largest.max():.3g} do not fit {dtype}, which ends at "
            f"{np.finfo(dtype).max:.0f}; store them as float32"
        )
    return Scaled(cast, exponents)


def factors_of(exponents: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32] | None:
    """What stored rows are multiplied by, 2^-e; None where that is 1 for all of them."""
    return np.ldexp(np.float32(1), -np.asarray(exponents, dtype=np.int32)) if np.any(exponents) else None


class Features:
    """A complete store: one row per crop, on disk, read in pieces. While it is open no one can remove it.

    ``features[rows, columns]`` slices as numpy does (slices, integers, index and boolean arrays) and reads only what it
    needs.

    A chunk's numbers are checked against their digest when the first of them is read. Of a cache in an object store,
    what is not on this machine is copied to it first.

    Args:
        store: its directory.
        checked: whether that was done already, so that it need not be done again.

    Raises:
        VestigeError: where the store is unfinished, damaged or being written; reading does so where numbers are not
            those that were written.
    """

    def __init__(self, store: Path, *, checked: bool = False) -> None:
        self.path = Path(store)
        remote = remote_of(self.path.parent)
        if remote is not None and not os.path.lexists(self.path / COMPLETE):
            remote.copy(self.path)
        self.description = Description.read(self.path)
        self._checked = checked
        self._factors: dict[int, NDArray[np.float32] | None] = {}
        self._lock = StoreLock(self.path)
        if not self._lock.try_shared():
            raise VestigeError(f"{store}: is being written by another run; wait for it to end")
        if not is_sound(self.path, self.description):
            raise VestigeError(f"{store}: is unfinished or damaged; {_MEND}")
        with suppress(OSError):  # another user's store; else its time of change tells prune when it was last used
            os.utime(self.path / COMPLETE)

    def __repr__(self) -> str:
        description = self.description
        return f"Features({description.backbone}, {description.layer}, {description.readout}, shape={self.shape})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the store anew, and reads what it needs."""
        return Features, (self.path,)

    def __len__(self) -> int:
        return self.description.n

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and numbers per row."""
        return self.description.n, self.description.d

    @cached_property
    def problems(self) -> dict[int, str]:
        """Row -> what is wrong with its picture."""
        found: dict[int, str] = {}
        for chunk in range(self.description.chunks):
            found.update(read_problems(self.path, self.description, chunk) or {})
        return found

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """``(n,)``: False where the picture could not be read; the row is zeros."""
        valid = np.ones(len(self), dtype=np.bool_)
        valid[list(self.problems)] = False
        return valid

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the features come from: the description of the store, and when, how fast and by what it was made."""
        made = read_complete(self.path)
        ending = {} if made is None else asdict(made)
        ending.pop("check", None)
        return asdict(self.description) | {"key": self.description.key} | ending

    @cached_property
    def array(self) -> Any:
        """The store as a ``zarr.Array``: the numbers as they are on disk, not checked.

        float16 rows may be scaled: ``digests/I.json`` has e of each row of chunk I that is stored times 2^e.
        """
        import zarr  # slow to import, and needed by few

        return zarr.open_array(self.path, mode="r")

    def read(self, rows: ArrayLike | None = None) -> Vectors:
        """Rows by index or by boolean mask, all where None is given: ``(m, d)`` float32."""
        return self[:] if rows is None else self[np.asarray(rows)]

    def chunks(self, rows_per_chunk: int = 512) -> Chunks:
        """All rows in order, in pieces ``(m, d)`` of at most so many; may be iterated again and again."""
        if rows_per_chunk < 1:
            raise ValueError(f"rows_per_chunk is {rows_per_chunk}; expected at least 1")
        return Chunks(self, rows_per_chunk)

    def __getitem__(self, index: Any) -> Vectors:
        if not isinstance(index, tuple):
            index = (index, slice(None))
        rows, columns = index
        wanted = np.arange(len(self))[rows]
        found = self._gather(np.atleast_1d(wanted), columns)
        return found if wanted.ndim else found[0]

    @timing("read")
    def _gather(self, rows: NDArray[np.intp], columns: Any) -> Vectors:
        width = np.empty((0, self.shape[1]), dtype=np.bool_)[:, columns].shape[1:]
        found = np.empty((len(rows), *width), dtype=np.float32)
        chunk_of = rows // self.description.chunk_rows
        for chunk in np.unique(chunk_of):
            here = np.flatnonzero(chunk_of == chunk)
            inside = rows[here] - chunk * self.description.chunk_rows
            to, there = _as_slice(here), _as_slice(inside)
            stored, factors = self._open(int(chunk))
            # columns first where that is a view: index arrays copy
            found[to] = stored[:, columns][there] if isinstance(columns, slice) else stored[there][:, columns]
            if factors is not None:
                found[to] *= factors[there].reshape(-1, *[1] * len(width))
        return found

    def _open(self, chunk: int) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        """A chunk's rows as they are stored, and what they are multiplied by, if not by 1."""
        if chunk not in self._factors:
            seal = read_seal(self.path, self.description, chunk)
            if seal is None or not (self._checked or is_intact(self.path, self.description, chunk)):
                raise VestigeError(f"{self.path}: chunk {chunk} is gone or damaged; {_MEND}")
            self._factors[chunk] = factors_of(seal.exponents)
        return self._map(chunk), self._factors[chunk]

    def _map(self, chunk: int) -> NDArray[Any]:
        shape = (self.description.chunk_rows, self.description.d)
        dtype = np.dtype(self.description.dtype).newbyteorder("<")
        try:
            return np.memmap(chunk_path(self.path, chunk), dtype=dtype, mode="r", shape=shape)
        except (OSError, ValueError) as error:
            raise VestigeError(f"{self.path}: chunk {chunk} is gone or cut off; {_MEND}") from error

    def close(self) -> None:
        """Let go of the store, so that it can be removed."""
        self._lock.close()


@dataclass(frozen=True)
class Chunks:
    """The rows of Features in order, in pieces."""

    features: Features
    rows_per_chunk: int

    def __iter__(self) -> Iterator[Vectors]:
        for start in range(0, len(self.features), self.rows_per_chunk):
            yield self.features[start : start + self.rows_per_chunk]

    def __len__(self) -> int:
        return -(-len(self.features) // self.rows_per_chunk)


def _as_slice(index: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """A run of consecutive indices as a slice, which copies without an index array; others as they are."""
    consecutive = len(index) > 0 and bool((np.diff(index) == 1).all())
    return slice(int(index[0]), int(index[-1]) + 1) if consecutive else index


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

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process has all of them, too."""
        return HeldFeatures, (self._writer,)

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
        """There is no lock to release."""
