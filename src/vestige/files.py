"""Files that vestige writes: each is there whole or not at all, and nothing is replaced unless that is asked for."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from vestige.errors import VestigeError
from vestige.spelling import spelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PART = (".vestige-", ".part")  # how the names of files begin and end that are not yet whole

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that has no space, or none for this user."""

_swept: set[Path] = set()  # folders in which this process has removed what killed ones left


def user_path(text: str) -> Path:
    """The path that a user writes; ``~`` is home, and a part of the name where there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def what_is(path: Path) -> Literal["file", "folder", "other", ""]:
    """What lies at a path: ``other`` is a pipe, a socket or a device, which may be read without end.

    "" where there is nothing, or nothing that can be looked at; no name is an error, too long as it may be.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False, what: str = "") -> Iterator[BinaryIO]:
    """A file to write into, which has its name only once it is whole and on the disk.

    It is written under a name of this process's own beside its place, and removed where the block ends in an error.
    Its folder is made where it is missing. Its permissions are those that the user gives to new files.

    Args:
        path: the file.
        overwrite: whether a file that is there is replaced; without it that is an error, and the file stays.
        what: it is, in words, such as "the report", for errors.

    Raises:
        VestigeError: naming the file that is there already, or that the disk refuses to write.
    """
    refuse_existing(path, overwrite=overwrite)
    with disk_errors(path, what):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_parts(path.parent)
        part, descriptor = _new_part(path.parent)
        try:
            with open(part, "wb", opener=lambda _path, _flags: descriptor) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                _rename(part, path, overwrite=overwrite)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def write_bytes(path: Path, content: bytes | memoryview, *, overwrite: bool = False, what: str = "") -> None:
    """Write a file; arguments and errors as of :func:`whole_file`."""
    with whole_file(path, overwrite=overwrite, what=what) as file:
        file.write(content)


def write_text(path: Path, text: str, *, overwrite: bool = False, what: str = "") -> None:
    """Write a text file as UTF-8; arguments and errors as of :func:`whole_file`."""
    write_bytes(path, text.encode("utf-8"), overwrite=overwrite, what=what)


def write_json(path: Path, document: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write a JSON file; arguments and errors as of :func:`whole_file`."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n", overwrite=overwrite)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], *, overwrite: bool = False) -> None:
    """Write arrays by name as compressed ``.npz``; other arguments and errors as of :func:`whole_file`."""
    import numpy as np  # slow to import, and not needed by commands that write no arrays

    with whole_file(path, overwrite=overwrite) as file:
        np.savez_compressed(file, **dict(arrays))  # type: ignore[arg-type]  # the stubs take the names for options


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], *, overwrite: bool = False) -> None:
    """Write arrays by name as ``.safetensors``; arguments and errors as of :func:`whole_file`."""
    import numpy as np  # slow to import, and not needed by commands that write no arrays
    from safetensors.numpy import save

    in_order = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # as save() takes them to be
    write_bytes(path, save(in_order), overwrite=overwrite)


def is_part(name: str) -> bool:
    """Whether a file of that name is one that is not yet whole."""
    return name.startswith(_PART[0]) and name.endswith(_PART[1])


def refuse_existing(path: Path, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Refuse, before anything is computed, to write a file over one that is there, or over what is no file.

    Args:
        path: of the file.
        overwrite: whether one that is there may be replaced.
        inputs: files that are read, which are never replaced, whatever name or link leads to them.

    Raises:
        VestigeError: where the file is there and ``overwrite`` is off, or it is an input, or its name is that of
            something else.
    """
    with disk_errors(path):
        there = os.path.lexists(path)
        if there and path.exists() and not path.is_file():
            raise VestigeError(f"{path}: is {'a folder' if path.is_dir() else 'no file'}; choose another name")
        if there and not overwrite:
            raise VestigeError(
                f"{path}: is there already; choose another name, or add {spelled('overwrite', True)} to replace it"
            )
        if there and path.exists() and any(given.exists() and path.samefile(given) for given in inputs):
            raise VestigeError(f"{path}: is one of the pictures that are read; choose another name")


@contextmanager
def disk_errors(path: Path, what: str = "") -> Iterator[None]:
    """Turn what the disk refuses into one error that names the file, or the folder.

    Raises:
        VestigeError: for any OSError inside, as of a disk that is full, closed or gone.
    """
    try:
        yield
    except OSError as error:
        refused = f"{what} cannot be written".lstrip()
        raise VestigeError(f"{path}: {refused}: {_reason(error)}; {_remedy(error)}") from error


def free_bytes(path: Path) -> int:
    """The space left where a path is, or will be.

    Raises:
        VestigeError: where the disk does not tell.
    """
    existing = path
    with disk_errors(path):
        while not existing.exists():
            existing = existing.parent
        status = os.statvfs(existing)
    return status.f_bavail * status.f_frsize


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _remedy(error: OSError) -> str:
    if error.errno in DISK_FULL:
        return "free some space, or choose another disk, and run it again"
    return "choose a place that can be written"


def _new_part(folder: Path) -> tuple[Path, int]:
    """A new file in a folder, and its descriptor, which holds a lock on it while it is written."""
    while True:
        part = folder / f"{_PART[0]}{os.getpid()}-{secrets.token_hex(4)}{_PART[1]}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks: then nobody else removes it, either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return part, descriptor
        os.close(descriptor)  # taken for one of a killed process before it was locked


def _rename(part: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(path)
        return
    try:
        os.link(part, path)  # fails where the name was taken meanwhile
        part.unlink()
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError:  # a file system without links
        refuse_existing(path)
        part.replace(path)


def _remove_parts(folder: Path) -> None:
    """Remove what killed processes left in a folder: part files that nobody holds locked."""
    if folder in _swept:
        return
    _swept.add(folder)
    for entry in os.scandir(folder):
        if is_part(entry.name):
            with suppress(OSError):
                _remove_unlocked(Path(entry.path))


def _remove_unlocked(part: Path) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink()
    finally:
        os.close(descriptor)
