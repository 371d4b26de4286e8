"""Places in object stores, such as ``s3://bucket/path`` (whatever ``fsspec`` opens), and their copies on this machine.

What is read is copied to this machine first, so that everything else reads files. A copy's path ends as its URL does,
and tells whose copy it is::

    COPIES/object-stores/data/s3/bucket/pictures/a.jpg      s3://bucket/pictures/a.jpg
    COPIES/object-stores/features/s3/bucket/cache/KEY/...   the stores of the cache s3://bucket/cache

A copy is as old as its object: it is taken for the same where size and time of change are. COPIES is
``$VESTIGE_COPIES``; where that is not set, the folder of the cache.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vestige.errors import VestigeError
from vestige.files import DISK_FULL, disk_errors, free_bytes, is_part, whole_file

Use = Literal["data", "features"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
_COPIES = "object-stores"
_MARK = ".vestige-copy"  # lies in the folder of a copy of data; its time of change is when that was last used
_EXTRAS = {"s3": "s3", "s3a": "s3"}
_TIMES = ("LastModified", "mtime", "last_modified", "updated", "created")  # of change, in the words of fsspec's drivers
_CONFLICT = "ConditionalRequestConflict"  # S3 of several that create an object at once
_AT_ONCE = 16  # transfers
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 4}}}
}
_OPTIONS["s3a"] = _OPTIONS["s3"]


def is_url(text: str) -> bool:
    """Whether a text names a place in an object store rather than a path."""
    return _SCHEME.fullmatch(text) is not None


def own_folder(given: str) -> Path:
    """A folder that the environment gives, ``~/.cache/vestige`` where it gives none.

    Raises:
        VestigeError: for a user without a home.
    """
    try:
        return Path(given).expanduser() if given else Path.home() / ".cache" / "vestige"
    except RuntimeError as error:
        raise VestigeError(f"no place for stored features: {error}; set VESTIGE_CACHE to a folder") from error


def copies_root() -> Path:
    """Where the copies of what lies in object stores are kept."""
    cache = os.environ.get("VESTIGE_CACHE", "")
    return own_folder(os.environ.get("VESTIGE_COPIES") or ("" if is_url(cache) else cache)) / _COPIES


@dataclass(frozen=True)
class Stored:
    """An object: its size in bytes, and when it was changed, in seconds since 1970 (0 where that is not known)."""

    size: int
    changed: float


@dataclass(frozen=True)
class Place:
    """A place in an object store, and what lies below it by name.

    Attributes:
        url: of it, without a slash at the end.

    Raises:
        VestigeError: where the URL names no place; the methods where the object store refuses or is not reached.
    """

    url: str

    def __post_init__(self) -> None:
        match = _SCHEME.fullmatch(self.url)
        path = match[2].rstrip("/") if match else ""
        if match is None or not _is_safe(path):
            raise VestigeError(f"{self.url!r}: expected a place in an object store, as in s3://bucket/path")
        object.__setattr__(self, "url", f"{match[1]}://{path}")

    def __str__(self) -> str:
        return self.url

    @classmethod
    def of_copy(cls, path: Path) -> tuple[Place, Use] | None:
        """Whose copy a path is, and for what; None where it is none."""
        if _COPIES not in path.parts:
            return None
        use, scheme, *rest = (*path.parts[path.parts.index(_COPIES) + 1 :], "", "")
        names = [name for name in rest if name]
        if use not in ("data", "features") or not scheme or not names:
            return None
        return cls(f"{scheme}://{'/'.join(names)}"), "data" if use == "data" else "features"

    def copy(self, use: Use) -> Path:
        """The path of its copy on this machine."""
        scheme, _, path = self.url.partition("://")
        return copies_root().joinpath(use, scheme, *path.split("/"))

    @cached_property
    def _system(self) -> Any:
        """What fsspec opens it with.

        Raises:
            VestigeError: where nothing does, or its driver is not installed.
        """
        scheme = self.url.partition("://")[0]
        extra = _EXTRAS.get(scheme, "s3")
        try:
            import fsspec

            return fsspec.filesystem(scheme, use_listings_cache=False, **_OPTIONS.get(scheme, {}))
        except ImportError as error:
            install = f"'vestige[{extra}]'" if scheme in _EXTRAS or error.name == "fsspec" else "its driver for fsspec"
            raise VestigeError(
                f"{self.url}: {_reason(error)}; to open {scheme}:// install it with: pip install {install}"
            ) from error
        except ValueError as error:
            raise VestigeError(f"{self.url}: {_reason(error)}; expected a URL such as s3://bucket/path") from error

    def _path(self, name: str = "") -> str:
        return self.url.partition("://")[2] + (f"/{name}" if name else "")

    def objects(self, below: str = "") -> dict[str, Stored]:
        """All that lies below it, or below a name in it: name -> what it is; the name is "" where it is one object."""
        root = self._path(below)
        with self._told("listed"):
            try:
                found: dict[str, dict[str, Any]] = self._system.find(root, detail=True)
            except FileNotFoundError:
                if self._has_root():
                    return {}
                raise
        start = len(self._system._strip_protocol(root))
        names = ((path[start:].removeprefix("/"), about) for path, about in found.items())
        return {
            name: Stored(int(about.get("size") or 0), _changed(about))
            for name, about in names
            if not name or _is_safe(name)
        }

    def _has_root(self) -> bool:
        """Whether there is the bucket: a listing of a part of it that is not there may be refused like no bucket."""
        return bool(self._system.exists(self._path().split("/")[0]))

    def read(self, name: str) -> bytes | None:
        """What an object holds; None where it is not there."""
        with self._told("read"):
            try:
                content: bytes = self._system.cat_file(self._path(name))
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whole or not at all."""
        with self._told("written"):
            self._system.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless it is there; whether it was not. Of several that do so at once one succeeds.

        Raises:
            VestigeError: also where the object store knows no such thing.
        """
        with self._told("written"):
            try:
                self._system.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
            except (OSError, NotImplementedError) as error:
                if _CONFLICT in str(error.__cause__):
                    return False
                if isinstance(error, NotImplementedError) or error.errno == errno.ENOSYS:
                    raise self.no_create() from error
                raise
        return True

    def no_create(self) -> VestigeError:
        """What to tell where an object store does not do what :meth:`create` asks of it."""
        return VestigeError(
            f"{self.url}: this object store cannot write an object only where there is none (S3's If-None-Match: *), "
            "by which runs on several machines agree on who fills a store; use one that can, such as Amazon S3 or "
            "MinIO of 2024-09 or later, or set VESTIGE_CACHE to a folder"
        )

    def put(self, name: str, path: Path) -> None:
        """Write an object from a file, whole or not at all."""
        with self._told("written"):
            self._system.put_file(str(path), self._path(name))

    def get(self, name: str, path: Path, changed: float = 0.0) -> bool:
        """Copy an object to a file, whole or not at all; False where it is not there.

        Args:
            name: of the object.
            path: of the file, which is replaced.
            changed: when the object was, which becomes the file's time of change; 0 for now.
        """
        try:
            with whole_file(path, overwrite=True) as file, self._told("read"):
                try:
                    self._system.get_file(self._path(name), file.name)
                except FileNotFoundError:
                    raise _GoneError from None
                if changed:
                    os.utime(file.name, ns=(int(changed * 1e9),) * 2)
        except _GoneError:
            return False
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, in their order."""
        with self._told("changed"):
            for name in names:
                try:
                    self._system.rm_file(self._path(name))
                except FileNotFoundError:
                    continue

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Turn whatever a driver raises into one error that says what to do: each has errors of its own.

        Raises:
            VestigeError: for any error inside.
        """
        try:
            yield
        except (VestigeError, _GoneError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise  # of the disk that a copy goes to
            raise VestigeError(f"{self.url}: cannot be {done}: {_reason(error)}; {_remedy(error)}") from error


class _GoneError(Exception):
    """An object that is not there: ends the file that it was to be copied to."""


def _is_safe(path: str) -> bool:
    """Whether the parts of a path can be names of files, none of which leads out of the folder that they are in."""
    return "\0" not in path and all(part not in ("", ".", "..") and len(part) < 256 for part in path.split("/"))


def _changed(about: dict[str, Any]) -> float:
    """When an object was changed, of what a driver says of it; 0 where it does not."""
    found = next((about[name] for name in _TIMES if about.get(name) is not None), 0.0)
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError:
            return 0.0
    return found.timestamp() if isinstance(found, datetime) else float(found)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."


def _remedy(error: Exception) -> str:
    name = type(error).__name__
    if "Credential" in name or isinstance(error, PermissionError):
        return (
            "give credentials that may, where the object store's own tools look for them (for S3: AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)"
        )
    if isinstance(error, FileNotFoundError):
        return "check the URL: its bucket must be there"
    return (
        "check the URL, the network and what names the server (for S3: AWS_ENDPOINT_URL), and run it again: what was "
        "finished is kept"
    )


def at_once(do: Callable[[str], object], names: Iterable[str]) -> None:
    """Do something with many objects, some at a time; the first error ends it."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="vestige-objects") as pool:
        futures = [pool.submit(do, name) for name in names]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def check_space(needed: int, copy: Path, url: str) -> None:
    """Refuse to copy what the disk has no space for.

    Args:
        needed: bytes that are to be copied.
        copy: where to.
        url: where from.

    Raises:
        VestigeError: where they are more than are free.
    """
    free = free_bytes(copy)
    if needed > free:
        raise VestigeError(
            f"{url}: {needed / 1e9:.1f} GB are to be copied to {copy}, and {free / 1e9:.1f} GB are free there; free "
            "some space (vestige cache shows what is stored), or set VESTIGE_COPIES to a folder on another disk"
        )


def copied(url: str) -> Path:
    """The copy of a folder or a file of data, as it is now: what is new or changed is copied, what is gone is removed.

    Raises:
        VestigeError: where there is nothing, the object store is not reached, or the disk refuses.
    """
    place = Place(url)
    copy = place.copy("data")
    objects = place.objects()
    if not objects:
        raise VestigeError(f"{url}: there is nothing of that name; expected a folder with objects, or one object")
    if "" in objects:  # one object
        place, name = Place(place.url.rpartition("/")[0]), copy.name
        copy, objects = copy.parent, {name: objects[""]}
    elif copy.exists():
        _remove_gone(copy, objects)
    lacking = [name for name, about in objects.items() if not _is_copy(copy / name, about)]
    check_space(sum(objects[name].size for name in lacking), copy, url)
    at_once(lambda name: place.get(name, copy / name, objects[name].changed), lacking)
    with disk_errors(copy):
        (copy / _MARK).touch()
    return Place(url).copy("data")


def _is_copy(path: Path, about: Stored) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_size == about.size and about.changed > 0 and abs(status.st_mtime - about.changed) < 1e-3


def _remove_gone(copy: Path, objects: Iterable[str]) -> None:
    """Remove the copies of objects that are there no more."""
    there = set(objects)
    with disk_errors(copy):
        for path in sorted(copy.rglob("*"), reverse=True):  # what is in a folder comes before the folder
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(copy).as_posix() not in there and path.name != _MARK and not is_part(path.name):
                path.unlink(missing_ok=True)


def copy_missing(path: Path) -> bool:
    """Copy the object that a path is to be the copy of; whether there is one.

    Another machine of a cluster is handed paths of copies, and copies what it needs of them.

    Raises:
        VestigeError: where the object store is not reached, or the disk refuses.
    """
    found = Place.of_copy(path)
    if found is None or found[1] != "data":
        return False
    parent, _, name = found[0].url.rpartition("/")
    return is_url(parent) and Place(parent).get(name, path)


@dataclass(frozen=True)
class Copy:
    """A copy of data on this machine.

    Attributes:
        path: its folder.
        url: whose copy it is.
        bytes: on disk.
        used: when it was last used, in seconds since 1970.
    """

    path: Path
    url: str
    bytes: int
    used: float


def list_copies() -> list[Copy]:
    """Every copy of data on this machine, the one used last first; one inside another counts as part of that."""
    found = []
    for folder, folders, files in os.walk(copies_root() / "data"):
        place = Place.of_copy(Path(folder)) if _MARK in files else None
        if place is not None:
            folders.clear()
            size = sum(path.lstat().st_blocks * 512 for path in Path(folder).rglob("*"))
            found.append(Copy(Path(folder), place[0].url, size, (Path(folder) / _MARK).stat().st_mtime))
    return sorted(found, key=lambda copy: -copy.used)


def remove_copy(copy: Copy) -> None:
    """Remove a copy of data; it is copied again when it is wanted.

    Raises:
        VestigeError: where the disk refuses.
    """
    with disk_errors(copy.path):
        shutil.rmtree(copy.path)
