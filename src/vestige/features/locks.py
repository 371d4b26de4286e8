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
    of the same name.

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
        path = store.parent / "locks" / store.name
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

    def forget(self) -> None:
        """Remove the lock's file, where whoever waits for it looks, when it has it, whether anything is left to do."""
        with suppress(OSError):
            (self._store.parent / "locks" / self._store.name).unlink()

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
