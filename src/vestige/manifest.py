"""What vestige has written into a folder: the list by which its files are known from the user's, and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from vestige.documents import read_json
from vestige.errors import VestigeError
from vestige.files import is_part, what_is, write_json
from vestige.spelling import spelled
from vestige.version import __version__

MANIFEST = "files.json"

_DEPTH = 3  # folders between a file and its manifest, at most: RUN/probe/class-0/ridge.safetensors


@dataclass(frozen=True)
class Stamp:
    """What a file was when it was written."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """Of a folder.

    Attributes:
        vestige: the version that wrote it.
        files: relative path with forward slashes -> what was written there; never of the manifest itself.
    """

    vestige: str
    files: dict[str, Stamp] = field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest | None:
    """What vestige wrote into a folder; None where there is no manifest.

    Raises:
        VestigeError: where the manifest is damaged, or names files outside the folder.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    found = read_json(path, Manifest, what="the list of a run's files", mend="restore it, or choose another folder")
    for name in found.files:
        pure = PurePosixPath(name)
        if pure.is_absolute() or not pure.parts or ".." in pure.parts or pure.as_posix() != name:
            raise VestigeError(f"{path}: lists {name!r}, which is no path inside the folder; restore it")
    return found


def list_files(folder: Path) -> None:
    """Write the manifest of a folder that holds nothing but what vestige wrote.

    Raises:
        VestigeError: where the folder cannot be read, or the manifest not be written.
    """
    names = (name for name in files_in(folder) if name != MANIFEST)
    _write(folder, {name: _stamp(folder / name) for name in names})


def start_manifest(folder: Path) -> None:
    """Mark a folder as vestige's: everything that is written there from now on is to be entered.

    Raises:
        VestigeError: where it cannot be written.
    """
    _write(folder, {})


def update_manifest(folder: Path, *paths: Path) -> None:
    """Enter files that were just written into a folder's manifest, where it has one.

    Raises:
        VestigeError: where the manifest is damaged or cannot be written.
    """
    found = read_manifest(folder)
    if found is not None:
        _write(folder, {**found.files, **{path.relative_to(folder).as_posix(): _stamp(path) for path in paths}})


def may_replace(path: Path, folder: Path | None = None) -> bool:
    """Whether a file is vestige's to replace: one that its folder's manifest lists, or any where there is none.

    Args:
        path: of the file.
        folder: that has the manifest; None for the file's own.
    """
    folder = folder or path.parent
    found = read_manifest(folder)
    return found is None or path.relative_to(folder).as_posix() in found.files


def check_digest(path: Path) -> None:
    """Refuse a file of a run that is not what vestige wrote; one that the run's manifest does not list is not checked.

    Raises:
        VestigeError: where its sha256 is another.
    """
    run = next((folder for folder in path.parents[:_DEPTH] if (folder / MANIFEST).is_file()), None)
    manifest = None if run is None else read_manifest(run)
    stamp = manifest.files.get(path.relative_to(run).as_posix()) if run and manifest else None
    if stamp is not None and _stamp(path) != stamp:
        raise VestigeError(
            f"{path}: is not as it was written (its sha256 is not the one in {MANIFEST}); bring back the file, or run "
            f"the command again with {spelled('overwrite', True)}"
        )


def files_in(folder: Path) -> Iterator[str]:
    """All files below a folder as relative paths, sorted; links are files, of whatever they are to."""
    for where, folders, names in os.walk(folder):
        links = [name for name in folders if Path(where, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links))
        for name in sorted((*names, *links)):
            if not is_part(name):
                yield Path(where, name).relative_to(folder).as_posix()


def is_unchanged(path: Path, stamp: Stamp) -> bool:
    """Whether a file is still what was written."""
    return path.is_file() and not path.is_symlink() and _stamp(path) == stamp


def _write(folder: Path, files: Mapping[str, Stamp]) -> None:
    write_json(folder / MANIFEST, asdict(Manifest(__version__, dict(sorted(files.items())))), overwrite=True)


def _stamp(path: Path) -> Stamp:
    try:
        if what_is(path) == "other":  # which may be read without end
            raise VestigeError(f"{path}: is a pipe or a device; expected a file")
        with path.open("rb") as file:
            return Stamp(hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise VestigeError(f"{path}: cannot be read: {error.strerror or error}") from error
