"""Stored features: read, listed and pruned."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige import bounds as b
from vestige.errors import VestigeError
from vestige.features.layout import (
    COMPLETE,
    Description,
    chunk_path,
    chunks_there,
    is_intact,
    is_sound,
    read_complete,
    read_problems,
    read_seal,
)
from vestige.features.locks import StoreLock
from vestige.features.scaled import factors_of

Rows = NDArray[np.float32]

_MEND = "run the same extraction again, and it is mended"

_KEY = re.compile(r"[0-9a-f]{64}")


def cache_root() -> Path:
    """Where stores live: ``$VESTIGE_CACHE``, or ``~/.cache/vestige``."""
    given = os.environ.get("VESTIGE_CACHE")
    try:
        return Path(given).expanduser() if given else Path.home() / ".cache" / "vestige"
    except RuntimeError as error:  # a user without a home
        raise VestigeError(f"no place for stored features: {error}; set VESTIGE_CACHE to a folder") from error


class Features:
    """A complete store: one row per crop, on disk, read in pieces. While it is open no one can remove it.

    ``features[rows, columns]`` slices as numpy does (slices, integers, index and boolean arrays) and reads only what it
    needs.

    A chunk's numbers are checked against their digest when the first of them is read.

    Args:
        store: its directory.
        checked: whether that was done already, so that it need not be done again.

    Raises:
        VestigeError: where the store is unfinished, damaged or being written; reading does so where numbers are not
            those that were written.
    """

    def __init__(self, store: Path, *, checked: bool = False) -> None:
        self.path = Path(store)
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
        told = {} if made is None else asdict(made)
        told.pop("check", None)
        return asdict(self.description) | {"key": self.description.key} | told

    @cached_property
    def array(self) -> Any:
        """The store as a ``zarr.Array``: the numbers as they are on disk, not checked.

        float16 rows may be scaled: ``digests/I.json`` has e of each row of chunk I that is stored times 2^e.
        """
        import zarr  # slow to import, and needed by few

        return zarr.open_array(self.path, mode="r")

    def read(self, rows: ArrayLike | None = None) -> Rows:
        """Rows by index or by boolean mask, all where None is given: ``(m, d)`` float32."""
        return self[:] if rows is None else self[np.asarray(rows)]

    def chunks(self, rows_per_chunk: int = 512) -> Chunks:
        """All rows in order, in pieces ``(m, d)`` of at most so many; may be iterated again and again."""
        if rows_per_chunk < 1:
            raise ValueError(f"rows_per_chunk is {rows_per_chunk}; expected at least 1")
        return Chunks(self, rows_per_chunk)

    def __getitem__(self, index: Any) -> Rows:
        if not isinstance(index, tuple):
            index = (index, slice(None))
        rows, columns = index
        wanted = np.arange(len(self))[rows]
        found = self._gather(np.atleast_1d(wanted), columns)
        return found if wanted.ndim else found[0]

    def _gather(self, rows: NDArray[np.intp], columns: Any) -> Rows:
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

    def __iter__(self) -> Iterator[Rows]:
        for start in range(0, len(self.features), self.rows_per_chunk):
            yield self.features[start : start + self.rows_per_chunk]

    def __len__(self) -> int:
        return -(-len(self.features) // self.rows_per_chunk)


def _as_slice(index: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """A run of consecutive indices as a slice, which copies without an index array; others as they are."""
    consecutive = len(index) > 0 and bool((np.diff(index) == 1).all())
    return slice(int(index[0]), int(index[-1]) + 1) if consecutive else index


@dataclass(frozen=True)
class StoreInfo:
    """What ``vestige cache`` tells of a store.

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
    size, used = _size_and_use(store)
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


def _size_and_use(store: Path) -> tuple[int, float]:
    """Bytes on disk, and when any file was last changed."""
    size, used = 0, 0.0
    for path in store.rglob("*"):
        try:
            status = path.lstat()
        except OSError:  # a run renamed or removed it meanwhile, or it is closed
            continue
        size += status.st_blocks * 512
        used = max(used, status.st_mtime)
    return size, used


@dataclass(frozen=True)
class Pruned:
    """What :func:`prune` did: the stores it removed, and those it left because a run is using them."""

    removed: tuple[StoreInfo, ...]
    in_use: tuple[StoreInfo, ...]

    @property
    def bytes(self) -> int:
        """The space that was won."""
        return sum(info.bytes for info in self.removed)


def prune(
    root: Path | None = None,
    *,
    older_than: float | None = None,
    larger_than: int | None = None,
    unfinished: bool = False,
    everything: bool = False,
) -> Pruned:
    """Remove the stores that meet every condition given; one that a run is using is never removed.

    Args:
        root: where stores live; None for :func:`cache_root`.
        older_than: seconds since a store was last used.
        larger_than: bytes on disk.
        unfinished: only those that are not complete.
        everything: every store; alone.

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
    removed: list[StoreInfo] = []
    in_use: list[StoreInfo] = []
    for info in list_stores(root):
        if older_than is not None and time.time() - info.used <= older_than:
            continue
        if larger_than is not None and info.bytes <= larger_than:
            continue
        if unfinished and info.state == "complete":
            continue
        (removed if _remove(info.path) else in_use).append(info)
    return Pruned(tuple(removed), tuple(in_use))


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
