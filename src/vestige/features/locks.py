"""Locks between processes: one writes a store, or many read it. The system releases a lock when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from vestige.features.layout import disk_errors

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class StoreLock:
    """A lock on one store: exclusive to write or remove it, shared to read it.

    Lock files lie beside the stores and stay there, empty: to remove one would let two processes lock different files
    of the same name. Those of single chunks go once the chunk is there: whoever locks one then finds nothing to do.

    In a cache that cannot be written nobody writes or removes a store, either: there it is read without a lock file.

    Args:
        store: the store's directory, which need not exist.

    Raises:
        VestigeError: where the disk refuses, or its file system knows no locks; so do the methods.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._file: int | None = None
        self._refused: OSError | None = None
        path = _lock_path(store)
        with disk_errors(store):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                if error.errno not in _READ_ONLY:
                    raise
                self._refused = error
                with suppress(OSError):  # where there is none, there is nobody to wait for
                    self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def try_exclusive(self) -> bool:
        """Take the lock alone; False, at once, where another holds it. A shared lock becomes exclusive, or is lost.

        Raises:
            VestigeError: in a cache that cannot be written.
        """
        if self._refused is not None:
            with disk_errors(self._store):
                raise self._refused
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the lock together with other readers; False, at once, where a writer holds it."""
        return self._try(fcntl.LOCK_SH)

    def _try(self, kind: int) -> bool:
        if self._file is None:
            assert self._refused is not None, "a closed lock"
            return True
        with disk_errors(self._store):
            try:
                fcntl.flock(self._file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def close(self) -> None:
        """Release the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> StoreLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


def chunk_lock(store: Path, chunk: int) -> StoreLock:
    """The lock on one chunk of a store, for the process that fills it for the one which has the store's lock.

    Raises:
        VestigeError: where the disk refuses.
    """
    return StoreLock(store.with_name(f"{store.name}.{chunk}"))


def forget_chunk_locks(store: Path, chunk: int | None = None) -> None:
    """Remove the lock file of a chunk that is there, or those of all chunks: killed processes leave theirs."""
    path = _lock_path(store)
    for each in path.parent.glob(f"{path.name}.{'*' if chunk is None else chunk}"):
        with suppress(OSError):
            each.unlink()


def _lock_path(store: Path) -> Path:
    return store.parent / "locks" / store.name
