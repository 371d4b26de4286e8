"""Fills stores, chunk by chunk, so that it can be killed at any moment and goes on at the last finished batch.

`Claims` says which stores are there, and which are this process's to fill; a `StoreWriter` fills one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vestige.documents import parse_json
from vestige.errors import VestigeError
from vestige.features.digests import Checked, crc32c, file_crc32c, is_unchanged, to_json, zeros_crc32c
from vestige.features.layout import (
    COMPLETE,
    Description,
    Made,
    Seal,
    adopt,
    chunk_path,
    disk_errors,
    first_crc32c,
    has_chunk,
    is_intact,
    is_sound,
    is_whole,
    problems_path,
    remove,
    seal_path,
    sync_folder,
    write_text,
)
from vestige.features.locks import StoreLock, chunk_lock, forget_chunk_locks
from vestige.features.remote import remote_of
from vestige.files import free_bytes

_POLL_SECONDS = 0.1
_DAMAGED_SECONDS = 2.0
_SEEN_SECONDS = (
    30.0  # after which a file that another machine wrote is seen: network file systems keep what they looked up
)


@dataclass(frozen=True)
class _Step(Checked):
    """A line of ``rows.partial``: one batch of a chunk that is under way.

    Attributes:
        rows: of the chunk so far.
        crc32c: as a Seal's, of the rows so far.
        exponents: of the batch's rows.
        problems: of the batch's rows.
    """

    rows: int
    crc32c: int
    exponents: list[int]
    problems: dict[int, str]


@dataclass
class _UnderWay:
    """What is known of a chunk that is under way."""

    rows: int
    crc32c: int
    exponents: list[int] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)

    def add(self, step: _Step) -> None:
        """Go on by a batch."""
        self.rows, self.crc32c = step.rows, step.crc32c
        self.exponents += step.exponents
        self.problems.update(step.problems)


class StoreWriter:
    """Writes one store; its caller holds the exclusive lock.

    What is on disk already, belongs to the description and is intact is kept; anything else there is removed.

    Args:
        store: its directory.
        description: what it holds.
        chunk: the only one that is written here, of a store that another process has begun and looks after; None for
            all of them.

    Attributes:
        missing: the chunks that are not there yet, in order.
        begun: how many rows are there of those that a killed run left.

    Raises:
        VestigeError: where the disk refuses.
    """

    def __init__(self, store: Path, description: Description, *, chunk: int | None = None) -> None:
        self.store = store
        self.description = description
        self._rows: BinaryIO | None = None
        self._steps: BinaryIO | None = None
        self._chunk = -1
        if chunk is None:
            with disk_errors(store):
                adopt(store, description)
                remove(store / COMPLETE)
        chunks = range(description.chunks) if chunk is None else (chunk,)
        self.missing = [
            i for i in chunks if not (has_chunk(store, description, i) and is_intact(store, description, i))
        ]
        self._remote = remote_of(store.parent)
        if self._remote is not None:
            if chunk is None:
                self._remote.begin(store, description)
            self._remote.put_lacking(store, [i for i in chunks if i not in self.missing])
        self._left = {i: self._read_steps(i) for i in self.missing}
        self.begun = {i: left.rows for i, left in self._left.items() if left.rows}
        for chunk, rows in self.begun.items():
            if rows == len(description.rows(chunk)):  # killed before it was finished
                self.start(chunk)
                self.finish_chunk()

    def _read_steps(self, chunk: int) -> _UnderWay:
        """What a killed run left of a chunk, as far as its rows are those that were written."""
        first = first_crc32c(self.description, chunk)
        under_way = _UnderWay(0, first)
        steps: list[_Step] = []
        with suppress(OSError, ValueError):
            for line in _steps_path(self.store, chunk).read_bytes().splitlines():
                step = parse_json(line, _Step)
                if not is_unchanged(step):
                    break
                steps.append(step)
        for step in steps:
            under_way.add(step)
        if not 0 < under_way.rows <= len(self.description.rows(chunk)) or len(under_way.exponents) != under_way.rows:
            return _UnderWay(0, first)
        try:
            found = file_crc32c(_rows_path(self.store, chunk), first, under_way.rows * self.description.row_bytes)
        except OSError:
            return _UnderWay(0, first)
        return under_way if found == under_way.crc32c else _UnderWay(0, first)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what the disk refuses into one error, and give back the space of the chunk that is under way."""
        with disk_errors(self.store):
            try:
                yield
            except OSError:
                self.abandon()
                _rows_path(self.store, self._chunk).unlink(missing_ok=True)
                _steps_path(self.store, self._chunk).unlink(missing_ok=True)
                raise

    def start(self, chunk: int) -> None:
        """Begin a chunk, or continue it after the rows that are ``begun``."""
        self._chunk = chunk
        self._under_way = self._left[chunk]
        rows, steps = _rows_path(self.store, chunk), _steps_path(self.store, chunk)
        with self._writing():
            for path in (chunk_path(self.store, chunk), seal_path(self.store, chunk), problems_path(self.store, chunk)):
                remove(path)
            if self._under_way.rows:
                self._rows = rows.open("r+b", buffering=0)
                self._rows.truncate(self._under_way.rows * self.description.row_bytes)
                self._rows.seek(0, os.SEEK_END)
                self._steps = steps.open("ab", buffering=0)
            else:
                rows.parent.mkdir(parents=True, exist_ok=True)
                remove(rows)
                remove(steps)
                self._rows = rows.open("wb", buffering=0)
                self._steps = steps.open("xb", buffering=0)

    def append(
        self,
        rows: NDArray[Any],
        exponents: NDArray[np.int64] | None = None,
        problems: Mapping[int, str] | None = None,
    ) -> None:
        """Write the chunk's next rows: from here on they outlive a kill.

        Args:
            rows: ``(m, d)``, in the type of the store.
            exponents: ``(m,)``: e of each row that was multiplied by 2^e; None where none was.
            problems: row -> message for the pictures that could not be read.
        """
        assert self._rows is not None, "append before start"
        assert self._steps is not None, "append before start"
        lying = _little_endian(rows, self.description.dtype)
        step = _Step(
            rows=self._under_way.rows + len(rows),
            crc32c=crc32c(lying, self._under_way.crc32c),
            exponents=[0] * len(rows) if exponents is None else exponents.tolist(),
            problems=dict(problems or {}),
        )
        with self._writing():
            _write_all(self._rows, lying.data.cast("B"))
            _write_all(self._steps, memoryview(f"{to_json(step, indent=None)}\n".encode()))
        self._under_way.add(step)

    def finish_chunk(self) -> None:
        """End the chunk: from here on it counts as there."""
        assert self._rows is not None, "finish_chunk before start"
        target = chunk_path(self.store, self._chunk)
        with self._writing():
            self._rows.truncate(self.description.chunk_bytes)
            os.fsync(self._rows.fileno())
            self.abandon()
            self._seal(self._under_way.problems)
            _rows_path(self.store, self._chunk).replace(target)
            _steps_path(self.store, self._chunk).unlink(missing_ok=True)
            for folder in (target.parent, target.parent.parent, self.store):
                sync_folder(folder)
        if self._remote is not None:
            self._remote.put_chunk(self.store, self._chunk)
        self.missing.remove(self._chunk)

    def _seal(self, problems: Mapping[int, str]) -> None:
        """Write the chunk's problems and digests. Only then is the chunk itself named: it is never there alone."""
        text = json.dumps({str(row): problems[row] for row in sorted(problems)}, indent=1) if problems else ""
        if text:
            write_text(problems_path(self.store, self._chunk), text)
        padding = self.description.chunk_bytes - self._under_way.rows * self.description.row_bytes
        seal = Seal(
            crc32c=zeros_crc32c(padding, self._under_way.crc32c),
            problems=crc32c(text.encode()),
            exponents=self._under_way.exponents if any(self._under_way.exponents) else [],
        )
        write_text(seal_path(self.store, self._chunk), to_json(seal, indent=None))

    def take(self, chunk: int) -> None:
        """Count a chunk as there, that another process has finished.

        Raises:
            VestigeError: where it is not seen here.
        """
        deadline = time.monotonic() + _SEEN_SECONDS
        if self._remote is not None and not has_chunk(self.store, self.description, chunk):
            self._remote.copy_chunk(self.store, chunk)
        while not has_chunk(self.store, self.description, chunk):
            if time.monotonic() > deadline:
                raise VestigeError(
                    f"{self.store}: chunk {chunk} was written on another machine and is not seen on this one; expected "
                    "a folder that all machines share: put the cache there with VESTIGE_CACHE"
                )
            time.sleep(_POLL_SECONDS)
        self.missing.remove(chunk)

    def finish(self, made: Mapping[str, Any]) -> None:
        """Call the store complete.

        Args:
            made: when, how fast and by what.
        """
        assert not self.missing, "finish before the last chunk"
        text = to_json(Made(**made))
        if self._remote is not None:
            self._remote.complete(self.store, self.description, text)
        with disk_errors(self.store):
            write_text(self.store / COMPLETE, text)
        forget_chunk_locks(self.store)

    def abandon(self) -> None:
        """Close the files of the chunk that is under way, if any; its rows so far stay, as does what is finished."""
        for file in (self._rows, self._steps):
            if file is not None:
                file.close()
        self._rows = self._steps = None


def made(seconds: float, per_second: float) -> dict[str, Any]:
    """What ``complete.json`` says."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "images_per_second": round(per_second, 2),
        "versions": {name: version(name) for name in ("vestige", "torch", "pillow", "numpy")},
    }


def _little_endian(rows: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Rows as they lie on disk: C order, little-endian."""
    return np.ascontiguousarray(rows, dtype=np.dtype(dtype).newbyteorder("<"))


def _rows_path(store: Path, chunk: int) -> Path:
    path = chunk_path(store, chunk)
    return path.with_name(path.name + ".partial")


def _steps_path(store: Path, chunk: int) -> Path:
    return chunk_path(store, chunk).with_name("rows.partial")


def _write_all(file: BinaryIO, left: memoryview) -> None:
    while left:  # a raw write may take less than it is given
        left = left[file.write(left) :]


@contextmanager
def chunk_writers(descriptions: Iterable[Description], chunk: int, root: Path) -> Iterator[dict[str, StoreWriter]]:
    """The writers, by key, of a chunk of stores that another process has claimed and has this one fill.

    Waits where yet another is at the chunk: one whose claimant was killed, as this one's will be told to end, too.

    Raises:
        VestigeError: where the disk refuses.
    """
    with ExitStack() as locks:
        writers: dict[str, StoreWriter] = {}
        for description in sorted(descriptions, key=lambda each: each.key):
            store = root / description.key
            lock = locks.enter_context(chunk_lock(store, chunk))
            while not lock.try_exclusive():
                time.sleep(_POLL_SECONDS)
            writer = StoreWriter(store, description, chunk=chunk)
            if writer.missing:
                writers[description.key] = writer
            else:
                forget_chunk_locks(store, chunk)
        yield writers
        for key, writer in writers.items():
            if not writer.missing:
                forget_chunk_locks(root / key, chunk)


class Claims:
    """The stores of some descriptions, each locked: shared where it is complete, exclusive where it is to be filled.

    Complete ones are read from the first byte to the last, so that what is damaged is found, and filled again.

    Made in the order of the keys, so that no two processes wait for each other. Waits where another process is
    filling one of the stores. Where the directory is a copy of a cache in an object store, what is there is copied, and
    what is filled is written there, too.

    Args:
        descriptions: of the stores.
        root: the directory that they are in.
        locks: releases the locks in the end.

    Attributes:
        writers: key -> the writer of each store that is to be filled.

    Raises:
        VestigeError: where the disk refuses, has too little space for what is missing, or a damaged store is in use.
    """

    def __init__(self, descriptions: Iterable[Description], root: Path, locks: ExitStack) -> None:
        self.writers: dict[str, StoreWriter] = {}
        self._held: list[StoreLock] = []
        described = {description.key: description for description in descriptions}
        remote = remote_of(root)
        for key in sorted(described):
            store = root / key
            lock = locks.enter_context(StoreLock(store))
            self._held.append(lock)
            if not _wait(store, described[key], lock):
                if remote is not None:
                    remote.used(store)
            elif remote is None or remote.claim(store, described[key], locks):
                self.writers[key] = StoreWriter(store, described[key])
        _check_space(self.writers, root)

    def share(self) -> None:
        """Let others read what was filled, and no one remove it yet."""
        for lock in self._held:
            lock.try_shared()


def _wait(store: Path, description: Description, lock: StoreLock) -> bool:
    """Wait until a store is complete and intact (False) or is this process's to write (True)."""
    damaged_for = 0.0
    while True:
        if is_sound(store, description):
            damaged = lock.try_shared()
            if damaged and is_whole(store, description):
                return False
        else:
            damaged = (store / COMPLETE).exists()
        if lock.try_exclusive():
            return not is_whole(store, description)
        if damaged:
            damaged_for += _POLL_SECONDS
            if damaged_for > _DAMAGED_SECONDS:
                raise VestigeError(f"{store}: is damaged, and another run is reading it; end that run first")
        time.sleep(_POLL_SECONDS)


def _check_space(writers: Mapping[str, StoreWriter], root: Path) -> None:
    """Refuse at the start what cannot end well."""
    needed = sum(
        writer.description.bytes * len(writer.missing) // writer.description.chunks for writer in writers.values()
    )
    free = free_bytes(root)
    if needed > free:
        raise VestigeError(
            f"{root}: {needed / 1e9:.1f} GB of features are to be written and {free / 1e9:.1f} GB are free; free some "
            "space (vestige cache shows what is stored), put the cache on another disk with VESTIGE_CACHE, or read "
            "fewer layers or smaller readouts"
        )
