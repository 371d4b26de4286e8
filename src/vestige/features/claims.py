"""Which stores are there, and which are this process's to fill."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from vestige.errors import VestigeError
from vestige.features.layout import COMPLETE, Description, free_bytes, is_sound, is_whole
from vestige.features.locks import StoreLock
from vestige.features.writer import StoreWriter

_POLL_SECONDS = 0.1
_DAMAGED_SECONDS = 2.0


class Claims:
    """The stores of some descriptions, each locked: shared where it is complete, exclusive where it is to be filled.

    Complete ones are read from the first byte to the last, so that what is damaged is found, and filled again.

    Made in the order of the keys, so that no two processes wait for each other. Waits where another process is
    filling one of the stores.

    Args:
        descriptions: of the stores.
        root: the directory that they are in.
        locks: what lets go of the locks in the end.

    Attributes:
        writers: key -> the writer of each store that is to be filled.

    Raises:
        VestigeError: where the disk refuses, has too little space for what is missing, or a damaged store is in use.
    """

    def __init__(self, descriptions: Iterable[Description], root: Path, locks: ExitStack) -> None:
        self.writers: dict[str, StoreWriter] = {}
        self._held: list[StoreLock] = []
        described = {description.key: description for description in descriptions}
        for key in sorted(described):
            store = root / key
            lock = locks.enter_context(StoreLock(store))
            self._held.append(lock)
            if _wait(store, described[key], lock):
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
