"""The cache: where stores and receptive fields live, which are there, and which go."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vestige import bounds as b
from vestige.documents import Json, read_json
from vestige.errors import VestigeError
from vestige.features.digests import Checked, is_unchanged
from vestige.features.layout import COMPLETE, Description, chunks_there, read_complete
from vestige.features.locks import StoreLock

_KEY = re.compile(r"[0-9a-f]{64}")


def cache_root() -> Path:
    """Where stores live: ``$VESTIGE_CACHE``, or ``~/.cache/vestige``."""
    given = os.environ.get("VESTIGE_CACHE")
    try:
        return Path(given).expanduser() if given else Path.home() / ".cache" / "vestige"
    except RuntimeError as error:  # a user without a home
        raise VestigeError(f"no place for stored features: {error}; set VESTIGE_CACHE to a folder") from error


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
        kept = read_json(path, cls, what="receptive fields", limit=_FIELDS_LIMIT)
        if not is_unchanged(kept):
            raise VestigeError(f"{path}: was changed")
        return kept


_FIELDS_LIMIT = 1 << 24


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
        path: its directory, named by its key.
        state: ``complete``, ``unfinished`` or ``damaged``.
        backbone, layer, readout, n, d, source: as in its description; empty or 0 where that is damaged.
        rows: how many are there.
        bytes: on disk.
        used: when it was last used, in seconds since 1970.
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

    @property
    def key(self) -> str:
        """The store's key."""
        return self.path.name


def list_stores(root: Path | None = None) -> list[StoreInfo]:
    """Every store under a root (:func:`cache_root` where None), the one used last first; their numbers are not checked.

    Raises:
        VestigeError: where the root cannot be read.
    """
    root = cache_root() if root is None else root
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
    whole = len(there) == about.chunks and read_complete(store) is not None
    finished = os.path.lexists(store / COMPLETE)
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
    )


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
    """

    removed: tuple[StoreInfo, ...]
    in_use: tuple[StoreInfo, ...]
    fields: tuple[FieldsInfo, ...] = ()

    @property
    def bytes(self) -> int:
        """The space that was won."""
        return sum(info.bytes for info in self.removed) + sum(info.bytes for info in self.fields)


def prune(
    root: Path | None = None,
    *,
    older_than: float | None = None,
    larger_than: int | None = None,
    unfinished: bool = False,
    everything: bool = False,
) -> Pruned:
    """Remove what meets every condition given, stores and receptive fields; a store that a run is using stays.

    Args:
        root: where stores live; None for :func:`cache_root`.
        older_than: seconds since a store was last used.
        larger_than: bytes on disk.
        unfinished: only what is not complete.
        everything: all of it; alone.

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

    def meant(info: StoreInfo | FieldsInfo) -> bool:
        old = older_than is None or time.time() - info.used > older_than
        large = larger_than is None or info.bytes > larger_than
        return old and large and not (unfinished and info.state == "complete")

    removed: list[StoreInfo] = []
    in_use: list[StoreInfo] = []
    for info in filter(meant, list_stores(root)):
        (removed if _remove(info.path) else in_use).append(info)
    fields = tuple(filter(meant, list_fields(root)))
    for kept in fields:
        try:
            kept.path.unlink(missing_ok=True)
        except OSError as error:
            raise VestigeError(f"{kept.path}: cannot be removed: {error.strerror or error}") from error
    return Pruned(tuple(removed), tuple(in_use), fields)


def _remove(store: Path) -> bool:
    """Remove a store unless it is in use; whether it was removed."""
    with StoreLock(store) as lock:
        if not lock.try_exclusive():
            return False
        try:
            shutil.rmtree(store)
        except OSError as error:
            raise VestigeError(f"{store}: cannot be removed: {error.strerror or error}") from error
        return True
