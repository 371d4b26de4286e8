"""A cache in an object store, such as ``s3://bucket/path``: its stores are filled and read in their copies here.

The object store holds the files of a store's directory by the same names (see :mod:`vestige.features.layout`), but for
those of a chunk that is under way, which stay on the machine that fills it. A chunk is written as it is finished, after
its problems and its digests; ``complete.json`` is written last, when all chunks are there. An object is there whole or
not at all, so a run that is killed at any moment leaves nothing that reads as more than it is.

One run at a time fills a store. Which, is agreed on by leases::

    leases/KEY/00000007.json     who took the lease of store KEY as the seventh, and how often it was renewed

The lease is that of the highest number. It is taken by writing the next number, which an object store lets only one
process do; it ends when its holder releases it, or has not renewed it for `LEASE_SECONDS` as whoever wants it sees: no
two clocks are compared. Where two runs fill a store all the same, since one was stopped for longer, they write the same
bytes.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vestige.documents import parse_json
from vestige.errors import VestigeError
from vestige.features.layout import (
    COMPLETE,
    METADATA,
    Description,
    adopt,
    chunk_path,
    disk_errors,
    has_chunk,
    is_intact,
    is_whole,
    problems_path,
    remove,
    seal_path,
    write_text,
)
from vestige.files import write_bytes
from vestige.object_stores import Place, Stored, at_once, check_space

LEASE_SECONDS = 60.0
"""A lease that was not renewed for so long has ended."""

_RENEW_SECONDS = 10.0
_POLL_SECONDS = 1.0
_USED_SECONDS = 86400.0  # between two notes in the object store that a store was used

_NUMBERED = re.compile(r"(\d{8})\.json")


@dataclass(frozen=True)
class _Said:
    """What a lease says.

    Attributes:
        holder: the machine and the process, for people to read.
        folder: the id of the copies that its holder fills: nobody else does so while it lives.
        renewed: how often.
        token: no other lease has the same.
        released: whether its holder is done.
    """

    holder: str
    folder: str
    renewed: int
    token: str
    released: bool = False


class Lease:
    """The right to fill one store, renewed until it is released."""

    def __init__(self, leases: Leases, name: str, said: _Said) -> None:
        self._leases = leases
        self._name = name
        self._said = said

    def renew(self, *, released: bool = False) -> None:
        """Say that its holder lives, or is done."""
        said = self._said
        self._said = _Said(said.holder, said.folder, said.renewed + 1, said.token, released)
        self._leases.place.write(self._name, _text(self._said))

    def release(self) -> None:
        """Let others have it at once; where that cannot be said, it ends by itself."""
        self._leases.drop(self)
        with suppress(VestigeError):
            self.renew(released=True)


@dataclass
class Leases:
    """The leases of the stores of a cache.

    Attributes:
        place: of the cache.
        folder: the id of its copies on this machine.
    """

    place: Place
    folder: str
    _held: set[Lease] = field(default_factory=set, repr=False)
    _seen: dict[str, tuple[bytes, float]] = field(default_factory=dict, repr=False)  # name -> text, since when
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, key: str) -> Lease | None:
        """The lease of a store; None where another holds it. Its caller holds the lock of the store's copy.

        Raises:
            VestigeError: where the object store refuses, or cannot keep two from taking it.
        """
        names = self._names(key)
        if names and not self._is_over(names[-1]):
            return None
        name = f"leases/{key}/{int(names[-1][-13:-5]) + 1 if names else 1:08d}.json"
        said = _Said(f"{socket.gethostname()} {os.getpid()}", self.folder, 0, secrets.token_hex(8))
        if not self.place.create(name, _text(said)):
            return None
        if self.place.create(name, _text(said)):
            raise self.place.no_create()
        *older, newest = self._names(key)
        if newest != name:  # others took it, and ended, since the first look
            self.place.remove([name])
            return None
        self.place.remove(older)
        lease = Lease(self, name, said)
        with self._guard:
            self._held.add(lease)
            if len(self._held) == 1:
                threading.Thread(target=self._renew, name="vestige-leases", daemon=True).start()
        return lease

    def drop(self, lease: Lease) -> None:
        """Renew a lease no longer."""
        with self._guard:
            self._held.discard(lease)

    def _names(self, key: str) -> list[str]:
        return [f"leases/{key}/{name}" for name in sorted(self.place.objects(f"leases/{key}")) if _NUMBERED.match(name)]

    def _is_over(self, name: str) -> bool:
        """Whether a lease was released, or its holder is dead."""
        text = self.place.read(name)
        if text is None:
            return False  # a newer one was taken meanwhile
        with suppress(ValueError):
            said = parse_json(text, _Said)
            if said.released or said.folder == self.folder:
                return True
        before, since = self._seen.get(name, (b"", 0.0))
        if text != before:
            self._seen[name] = (text, time.monotonic())
            return False
        return time.monotonic() - since >= LEASE_SECONDS

    def _renew(self) -> None:
        while True:
            time.sleep(_RENEW_SECONDS)
            with self._guard:
                held = tuple(self._held)
            if not held:
                return
            for lease in held:
                with suppress(VestigeError):  # the next time
                    lease.renew()


def _text(said: _Said) -> bytes:
    return json.dumps(said.__dict__).encode()


class RemoteStores:
    """The stores of a cache in an object store.

    Args:
        root: the directory of their copies on this machine, which is a cache of its own.
        place: in the object store.
    """

    def __init__(self, root: Path, place: Place) -> None:
        self.root = root
        self.place = place
        self.leases = Leases(place, _folder_id(root))

    def claim(self, store: Path, description: Description, leases: ExitStack) -> bool:
        """Copy a store that is complete (False), or take the lease to fill it (True). Waits while another fills it.

        Its caller holds the exclusive lock of the copy.

        Args:
            store: the copy.
            description: of the store.
            leases: releases the lease in the end.
        """
        tried: Stored | None = None
        while True:
            there = self.place.objects(store.name)
            if COMPLETE in there and there[COMPLETE] != tried:
                tried = there[COMPLETE]
                self._copy(store, description, there)
                if is_whole(store, description):
                    return False
            lease = self.leases.take(store.name)
            if lease is None:
                time.sleep(_POLL_SECONDS)
                continue
            with ExitStack() as held:
                held.callback(lease.release)
                there = self.place.objects(store.name)
                if COMPLETE in there and there[COMPLETE] != tried:
                    continue  # it was completed before the lease was taken
                if tried is None:
                    self._copy(store, description, there)
                leases.callback(held.pop_all().close)
                return True

    def _copy(self, store: Path, description: Description, there: dict[str, Stored]) -> None:
        """Copy what is there of a store and not intact here."""
        with disk_errors(store):
            adopt(store, description)
            remove(store / COMPLETE)
            chunks = [
                chunk
                for chunk in self.chunks_there(description, there)
                if not (has_chunk(store, description, chunk) and is_intact(store, description, chunk))
            ]
            for path in (path for chunk in chunks for path in _paths(store, chunk)):
                remove(path)
            for path in (path for chunk in chunks for path in chunk_path(store, chunk).parent.glob("*.partial")):
                remove(path)  # of a killed run of this machine
        names = {_name(store, path) for chunk in chunks for path in _paths(store, chunk)} & there.keys()
        check_space(sum(there[name].size for name in names), store, f"{self.place.url}/{store.name}")
        at_once(lambda name: self.place.get(f"{store.name}/{name}", store / name), names)
        made = self.place.read(f"{store.name}/{COMPLETE}") if COMPLETE in there else None
        if made is not None:
            self._mend_metadata(store, description)
            write_bytes(store / COMPLETE, made, overwrite=True)
            if time.time() - there[COMPLETE].changed > _USED_SECONDS:
                self._note_use(store)

    def _mend_metadata(self, store: Path, description: Description) -> None:
        """Write the metadata of a store anew where it is damaged: it is known whole, and nothing is computed for it."""
        there = self.place.get(f"{store.name}/{METADATA}", store / METADATA)
        try:
            if there and Description.read(store):
                return
        except VestigeError:
            pass
        with disk_errors(store):
            write_text(store / METADATA, description.metadata())
        self.place.write(f"{store.name}/{METADATA}", description.metadata().encode())

    def copy(self, store: Path) -> None:
        """Copy a store that is complete to a machine that is to read it; nothing where there is none.

        Raises:
            VestigeError: where the object store is not reached, or the disk refuses.
        """
        there = self.place.objects(store.name)
        metadata = self.place.read(f"{store.name}/{METADATA}")
        if metadata is not None and COMPLETE in there:
            write_bytes(store / METADATA, metadata, overwrite=True)
            self._copy(store, Description.read(store), there)

    def copy_chunk(self, store: Path, chunk: int) -> None:
        """Copy a chunk that another machine finished."""
        for path in _paths(store, chunk):
            self.place.get(f"{store.name}/{_name(store, path)}", path)

    def used(self, store: Path) -> None:
        """Note in the object store that a store's copy is used, once a day, so that it is not taken for an old one."""
        with suppress(OSError, VestigeError):  # a cache that cannot be written, or is not reached, does not matter here
            if time.time() - (store / COMPLETE).stat().st_mtime > _USED_SECONDS:
                self._note_use(store)

    def _note_use(self, store: Path) -> None:
        name = f"{store.name}/{COMPLETE}"
        with suppress(OSError, VestigeError):
            if self.place.read(name) is not None:
                self.place.write(name, (store / COMPLETE).read_bytes())

    def begin(self, store: Path, description: Description) -> None:
        """Begin to fill a store."""
        self.place.remove([f"{store.name}/{COMPLETE}"])
        self.place.write(f"{store.name}/{METADATA}", description.metadata().encode())

    def put_lacking(self, store: Path, chunks: Collection[int]) -> None:
        """Write those of some chunks that are here and not there."""
        if not chunks:  # a worker's usual case: to list a store takes a request for every few hundred chunks
            return
        there = self.place.objects(store.name)
        for chunk in chunks:
            paths = [path for path in _paths(store, chunk) if path.exists()]
            if any(
                _name(store, path) not in there or there[_name(store, path)].size != path.stat().st_size
                for path in paths
            ):
                self.put_chunk(store, chunk)

    def put_chunk(self, store: Path, chunk: int) -> None:
        """Write a finished chunk: its documents first, so that it is never there alone."""
        for path in _paths(store, chunk):
            name = f"{store.name}/{_name(store, path)}"
            if path.exists():
                self.place.put(name, path)
            else:
                self.place.remove([name])

    def chunks_there(self, description: Description, there: dict[str, Stored]) -> list[int]:
        """The chunks that are there in full by the names and sizes of a store's objects."""
        store = self.root / description.key
        return [
            chunk
            for chunk in range(description.chunks)
            if _name(store, seal_path(store, chunk)) in there
            and (found := there.get(_name(store, chunk_path(store, chunk)))) is not None
            and found.size == description.chunk_bytes
        ]

    def remove(self, key: str) -> bool:
        """Remove a store from the object store, unless a run is filling it; whether it was removed.

        Its caller holds the exclusive lock of the copy. What is removed first is what makes the store a complete one,
        and last what makes it one at all.
        """
        lease = self.leases.take(key)
        if lease is None:
            return False
        try:
            there = self.place.objects(key)
            rest = sorted(there.keys() - {COMPLETE, METADATA})
            self.place.remove([f"{key}/{COMPLETE}"])
            at_once(lambda name: self.place.remove([f"{key}/{name}"]), rest)
            self.place.remove([f"{key}/{METADATA}"])
        finally:
            lease.release()
        return True

    def complete(self, store: Path, description: Description, text: str) -> None:
        """Call a store complete, of which all chunks are here."""
        self.put_lacking(store, range(description.chunks))
        self.place.write(f"{store.name}/{COMPLETE}", text.encode())


def _paths(store: Path, chunk: int) -> tuple[Path, ...]:
    """The files of a chunk in the order in which they are written; where all pictures are read, no problems are."""
    return problems_path(store, chunk), seal_path(store, chunk), chunk_path(store, chunk)


def _name(store: Path, path: Path) -> str:
    return path.relative_to(store).as_posix()


def _folder_id(root: Path) -> str:
    """The id of a directory of copies, the same for every process that uses it."""
    path = root / "locks" / "folder-id"
    with disk_errors(root):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(VestigeError):  # another process wrote it
                write_bytes(path, secrets.token_hex(16).encode())
        return path.read_text(encoding="ascii")


@cache
def remote_of(root: Path) -> RemoteStores | None:
    """The object store that a directory of stores is a copy of; None for a plain one."""
    found = Place.of_copy(root)
    return RemoteStores(root, found[0]) if found is not None and found[1] == "features" else None
