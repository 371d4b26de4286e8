"""The cache: where stores and receptive fields live, which are there, and which go.

Stores live in a folder, or in an object store with copies in a folder; receptive fields always in the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from vestige import bounds as b
from vestige.documents import Json, read_json
from vestige.errors import VestigeError
from vestige.features.digests import Checked, is_unchanged
from vestige.features.layout import COMPLETE, METADATA, Description, chunks_there, read_complete
from vestige.features.locks import StoreLock, forget_chunk_locks
from vestige.features.remote import LEASE_SECONDS, RemoteStores, remote_of
from vestige.object_stores import Copy, Place, Stored, is_url, list_copies, own_folder, remove_copy

_KEY = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 16  # stores in an object store that are looked at
_LARGEST_DOCUMENT = 1 << 24  # in bytes: a description, or the receptive fields of a network


def cache_root() -> Path:
    """Where stores live: ``$VESTIGE_CACHE``, or ``~/.cache/vestige``.

    Where ``$VESTIGE_CACHE`` is a place in an object store, they live in their copies on this machine.
    """
    given = os.environ.get("VESTIGE_CACHE", "")
    return Place(given).copy("features") if is_url(given) else own_folder(given)


@dataclass(frozen=True)
class KeptFields(Checked):
    """A file of receptive fields; :mod:`vestige.features.kept_fields` reads and writes them.

    Attributes:
        backbone: the spec that they were last found for, for people to read.
        fields: module path -> field.
    """

    backbone: str
    fields: dict[str, Json]

    @staticmethod
    def folder(root: Path) -> Path:
        """Where they lie in a cache."""
        return root / "receptive-fields"

    @classmethod
    def read(cls, path: Path) -> KeptFields:
        """What a file says.

        Raises:
            VestigeError: where it is missing, damaged or changed.
        """
        kept = read_json(path, cls, what="receptive fields", limit=_LARGEST_DOCUMENT)
        if not is_unchanged(kept):
            raise VestigeError(f"{path}: was changed")
        return kept


@dataclass(frozen=True)
class FieldsInfo:
    """What ``vestige cache`` shows of the receptive fields of a network.

    Attributes:
        path: the file.
        state: ``complete`` or ``damaged``.
        bytes: on disk.
        used: when it was last used, in seconds since 1970.
        backbone: the spec that they were last found for; empty where the file is damaged.
        layers: of how many layers they are.
    """

    path: Path
    state: Literal["complete", "damaged"]
    bytes: int
    used: float
    backbone: str = ""
    layers: int = 0


@dataclass(frozen=True)
class StoreInfo:
    """What ``vestige cache`` shows of a store.

    Attributes:
        path: its directory, named by its key; of a store in an object store, that of its copy.
        state: ``complete``, ``unfinished`` or ``damaged``.
        backbone, layer, readout, n, d, source: as in its description; empty or 0 where that is damaged.
        rows: how many are there.
        bytes: on disk, or in the object store.
        used: when it was last used, in seconds since 1970; in an object store that is noted once a day.
        url: of a store in an object store; empty for one in a folder.
        about: its description; None where that is damaged.
    """

    path: Path
    state: Literal["complete", "unfinished", "damaged"]
    bytes: int
    used: float
    backbone: str = ""
    layer: str = ""
    readout: str = ""
    n: int = 0
    d: int = 0
    rows: int = 0
    source: str = ""
    url: str = ""
    about: Description | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """The store's key."""
        return self.path.name


def list_stores(root: Path | None = None, *, copies: bool = False) -> list[StoreInfo]:
    """Every store under a root (:func:`cache_root` where None), the one used last first; their numbers are not checked.

    Args:
        root: where stores live; for a copy of a cache in an object store, those in the object store are listed.
        copies: list the copies themselves.

    Raises:
        VestigeError: where the root cannot be read.
    """
    root = cache_root() if root is None else root
    remote = None if copies else remote_of(root)
    if remote is not None:
        return _list_remote(remote)
    try:
        found = sorted(path for path in root.iterdir() if _KEY.fullmatch(path.name) and path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise VestigeError(f"{root}: cannot be read: {error.strerror or error}") from error
    return sorted((_info(path) for path in found), key=lambda info: -info.used)


def _info(store: Path) -> StoreInfo:
    size, used = _size_and_use(store.rglob("*"))
    try:
        about = Description.read(store)
    except VestigeError:
        return StoreInfo(store, "damaged", size, used)
    there = chunks_there(store, about)
    sound = read_complete(store) is not None
    return _described(store, size, used, about, there, finished=os.path.lexists(store / COMPLETE), sound=sound)


def _described(
    store: Path, size: int, used: float, about: Description, there: list[int], *, finished: bool, sound: bool
) -> StoreInfo:
    whole = sound and len(there) == about.chunks
    return StoreInfo(
        store,
        ("complete" if whole else "damaged") if finished else "unfinished",
        size,
        used,
        about.backbone,
        about.layer,
        about.readout,
        about.n,
        about.d,
        sum(len(about.rows(chunk)) for chunk in there),
        about.source,
        about=about,
    )


def _list_remote(remote: RemoteStores) -> list[StoreInfo]:
    """The stores in an object store."""
    by_key: dict[str, dict[str, Stored]] = {}
    for name, stored in remote.place.objects().items():
        key, _, inner = name.partition("/")
        if _KEY.fullmatch(key) and inner:
            by_key.setdefault(key, {})[inner] = stored
    found: list[StoreInfo] = []
    with tempfile.TemporaryDirectory(prefix="vestige-") as folder, ThreadPoolExecutor(_AT_ONCE) as pool:
        found += pool.map(lambda key: _remote_info(remote, key, by_key[key], Path(folder) / key), by_key)
    return sorted(found, key=lambda info: -info.used)


def _remote_info(remote: RemoteStores, key: str, there: dict[str, Stored], read: Path) -> StoreInfo:
    """What is known of a store in an object store by the names and sizes of its objects, and by two that are read.

    Args:
        remote: the cache.
        key: of the store.
        there: its objects, by their names in it.
        read: a directory for those that are read.
    """
    size, used = sum(each.size for each in there.values()), max(each.changed for each in there.values())
    url = f"{remote.place.url}/{key}"
    for name in (METADATA, COMPLETE):
        if name in there and there[name].size <= _LARGEST_DOCUMENT:
            remote.place.get(f"{key}/{name}", read / name)
    try:
        about = Description.read(read)
    except VestigeError:
        return StoreInfo(remote.root / key, "damaged", size, used, url=url)
    chunks = remote.chunks_there(about, there)
    sound = read_complete(read) is not None
    info = _described(remote.root / key, size, used, about, chunks, finished=COMPLETE in there, sound=sound)
    return replace(info, url=url)


def list_fields(root: Path | None = None) -> list[FieldsInfo]:
    """The receptive fields under a root (:func:`cache_root` where None), those used last first."""
    folder = KeptFields.folder(cache_root() if root is None else root)
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError:  # none were ever kept, or nobody may read them
        return []
    return sorted(map(_fields_info, found), key=lambda info: -info.used)


def _fields_info(path: Path) -> FieldsInfo:
    size, used = _size_and_use([path])
    try:
        kept = KeptFields.read(path)
    except VestigeError:
        return FieldsInfo(path, "damaged", size, used)
    return FieldsInfo(path, "complete", size, used, kept.backbone, len(kept.fields))


def _size_and_use(files: Iterable[Path]) -> tuple[int, float]:
    """Bytes on disk, and when any file was last changed."""
    size, used = 0, 0.0
    for path in files:
        try:
            status = path.lstat()
        except OSError:  # a run renamed or removed it meanwhile, or it is closed
            continue
        size += status.st_blocks * 512
        used = max(used, status.st_mtime)
    return size, used


@dataclass(frozen=True)
class Pruned:
    """What :func:`prune` did.

    Attributes:
        removed: the stores it removed.
        in_use: those it left because a run is using them.
        fields: the receptive fields it removed.
        data: the copies of data it removed.
    """

    removed: tuple[StoreInfo, ...]
    in_use: tuple[StoreInfo, ...]
    fields: tuple[FieldsInfo, ...] = ()
    data: tuple[Copy, ...] = ()

    @property
    def bytes(self) -> int:
        """The space that was won."""
        return sum(info.bytes for infos in (self.removed, self.fields, self.data) for info in infos)


def prune(
    root: Path | None = None,
    *,
    older_than: float | None = None,
    larger_than: int | None = None,
    unfinished: bool = False,
    everything: bool = False,
    copies: bool = False,
) -> Pruned:
    """Remove what meets every condition given, stores and receptive fields; a store that a run is using stays.

    Of a cache in an object store, they are removed there, and their copies on this machine. Copies of data that meet
    the conditions are removed, too, where the root is that of the environment.

    Args:
        root: where stores live; None for :func:`cache_root`.
        older_than: seconds since a store was last used.
        larger_than: bytes on disk.
        unfinished: only what is not complete.
        everything: all of it; alone.
        copies: only the copies on this machine, of a cache in an object store.

    Raises:
        VestigeError: where no condition is given, ``everything`` beside others, or a number that is negative or not
            finite.
    """
    for name, condition in (("older_than", older_than), ("larger_than", larger_than)):
        if condition is not None:
            b.AMOUNT.check(name, condition)
    conditions = older_than is not None or larger_than is not None or unfinished
    if conditions == everything:
        raise VestigeError("say which stores to remove: older than, larger than, unfinished, or all of them")

    def meant(info: StoreInfo | FieldsInfo | Copy) -> bool:
        old = older_than is None or time.time() - info.used > older_than
        large = larger_than is None or info.bytes > larger_than
        return old and large and not (unfinished and (isinstance(info, Copy) or info.state == "complete"))

    data = tuple(filter(meant, list_copies())) if root is None else ()
    for copy in data:
        remove_copy(copy)
    root = cache_root() if root is None else root
    remote = None if copies else remote_of(root)
    wanted = [info for info in list_stores(root, copies=copies) if meant(info)]
    became = {info.key: _remove(info.path, remote) for info in wanted}
    if "leased" in became.values():  # the holder may be dead, which takes a while to see
        time.sleep(LEASE_SECONDS)
        became |= {info.key: _remove(info.path, remote) for info in wanted if became[info.key] == "leased"}
    removed = tuple(info for info in wanted if became[info.key] == "removed")
    fields = tuple(filter(meant, list_fields(root)))
    for kept in fields:
        try:
            kept.path.unlink(missing_ok=True)
        except OSError as error:
            raise VestigeError(f"{kept.path}: cannot be removed: {error.strerror or error}") from error
    return Pruned(removed, tuple(info for info in wanted if became[info.key] != "removed"), fields, data)


def _remove(store: Path, remote: RemoteStores | None) -> Literal["removed", "locked", "leased"]:
    """Remove a store unless it is in use, here or by the holder of its lease."""
    with StoreLock(store) as lock:
        if not lock.try_exclusive():
            return "locked"
        if remote is not None and not remote.remove(store.name):
            return "leased"
        try:
            if remote is None or store.exists():  # there need be no copy
                shutil.rmtree(store)
        except OSError as error:
            raise VestigeError(f"{store}: cannot be removed: {error.strerror or error}") from error
        forget_chunk_locks(store)
        return "removed"
