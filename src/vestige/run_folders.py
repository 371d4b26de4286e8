"""How a run folder comes to be: built beside its place, and moved there when all is measured.

While a command runs, all of it lies in a hidden folder beside the run's (or in it, where the one beside cannot be)::

    .NAME.vestige/new/NAME/   the run as far as it is
    .NAME.vestige/kept/       finished parts of a long measurement, for a command that is killed and started again
    .NAME.vestige/swap/       the new run just before it takes its place, and what it took the place of just after

The hidden folder is locked while its process lives, and goes with it; what a killed one leaves is taken up, or removed,
by the next command with the same folder.
"""

from __future__ import annotations

import ctypes
import fcntl
import filecmp
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from vestige.documents import read_json
from vestige.errors import VestigeError
from vestige.files import disk_errors, is_part
from vestige.manifest import (
    MANIFEST,
    Stamp,
    check_digest,
    files_in,
    is_unchanged,
    list_files,
    read_manifest,
    start_manifest,
    update_manifest,
)
from vestige.spelling import spelled

_WORKSHOP = ".vestige"
_INSTALLING = "installing"
_SUBFOLDERS = ("probe", "figures")
"""Folders of a run's files; there is ``probe/`` where something was trained."""
_DOCUMENT = "results.json"
_OLD_NAMES = (
    *("config.json", "results.json", "examples.npz", "report.html"),
    *("figures/*.png", "probe/*.json", "probe/*.safetensors", "probe/*/*.json", "probe/*/*.safetensors"),
    "partial/*.npz",
)
"""What vestige wrote into a run before it kept a list of it."""
_NOT_ASKED = ("--overwrite", "--quiet", "--json", "--skip-bad", "--profile")
"""Words of a command that change nothing of what is measured."""
_OLD_KEPT = "partial"
"""Where it kept the finished parts of a measurement."""
_OLD_PAGES = ("report.html", "*.csv", "*.json", "portrait/*.png", "portrait/*.json")
"""What it wrote beside several runs."""


@contextmanager
def building(folder: Path, *, overwrite: bool = False, command: Sequence[str] = ()) -> Iterator[Place]:
    """A place to write a run into, which takes its folder's place when the block ends.

    A run that was there stays as it is until then, and for good where an error ends the block. Files of the user's in
    the folder stay. Where the same command was killed after it had measured, the run that it left is there: it is
    finished, and only its figures and its page are missing.

    Args:
        folder: of the run.
        overwrite: whether a finished run in it is replaced.
        command: the words of the command that is running, by which an earlier one is known for the same.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off, or files that are none of a
            run's; where another process is writing a run there; where the disk refuses.
    """
    try:
        check_run_folder(folder, overwrite=overwrite, command=command)
    except VestigeError:
        with suppress(OSError, VestigeError):
            _tidy(Place.of(folder), command)
        raise
    with _locked(Place.of(folder)) as place:
        with disk_errors(folder, "the run"):
            place.tidy(command)
            check_run_folder(folder, overwrite=overwrite, command=command)  # nobody else can change it from here on
            if not is_finished(place.new):
                place.start(take_over=is_finished(folder) and not overwrite)
        try:
            yield place
        except BaseException:
            if is_finished(place.new) and not is_finished(place.folder):  # what is measured is not lost with its page
                with suppress(OSError, VestigeError):
                    place.commit()
            raise
        with disk_errors(folder, "the run"):
            place.commit()
            shutil.rmtree(place.kept, ignore_errors=True)


@contextmanager
def folder_of_runs(folder: Path) -> Iterator[None]:
    """A folder that runs are made in, this process's alone; what else is written there is to be in its manifest.

    Raises:
        VestigeError: where it holds files that vestige did not write; where another process writes runs there.
    """
    with disk_errors(folder, "the run"):
        _check_own(folder, of_runs=True)
        if is_finished(folder):
            raise VestigeError(f"{folder}: is a run itself; choose a folder for several")
    with _locked(Place.of(folder)):
        if read_manifest(folder) is None:
            old = [path for name in _OLD_PAGES for path in folder.glob(name)]
            start_manifest(folder)
            update_manifest(folder, *old)
        try:
            yield
        finally:
            with suppress(OSError):
                if _names_in(folder) == [MANIFEST]:
                    (folder / MANIFEST).unlink()
                    folder.rmdir()


def check_run_folder(folder: Path, *, overwrite: bool = False, command: Sequence[str] = ()) -> None:
    """Refuse, before anything is computed, a folder that no run can be written into; nothing is left there.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off (but for one that ``command`` left
            without its page), or files that are none of a run's, or cannot be made and written.
    """
    try:
        _check_own(folder)
        if not is_finished(folder) and _holds_runs(folder):
            raise VestigeError(f"{folder}: holds runs; choose another folder, or one in it")
        if is_finished(folder) and not overwrite and not _lacks_page(folder, command):
            raise VestigeError(
                f"{folder}: holds a finished run, whose page `vestige report {folder}` makes; choose another "
                f"{spelled('folder')}, or add {spelled('overwrite', True)} to replace it"
            )
        _try_writing(folder)
    except OSError as error:
        raise VestigeError(
            f"{folder}: cannot be the folder of a run: {error.strerror or error}; choose a folder that can be written"
        ) from error


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a run that came to its end; it may be without its page."""
    return (folder / _DOCUMENT).is_file()


def is_own(folder: Path) -> bool:
    """Whether vestige made a folder: it holds a list of its files, or results as they were before there was one.

    Raises:
        VestigeError: where the list is damaged.
    """
    return read_manifest(folder) is not None or _is_old_document(folder / _DOCUMENT)


def _holds_runs(folder: Path) -> bool:
    return folder.is_dir() and any(is_own(path) for path in folder.iterdir() if path.is_dir())


def own_files(folder: Path) -> Mapping[str, Stamp | None]:
    """The files of a folder that vestige wrote, and what it wrote where that is known."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return {**manifest.files, MANIFEST: None}
    if not is_own(folder):
        return {}
    return {path.relative_to(folder).as_posix(): None for name in _OLD_NAMES for path in folder.glob(name)}


def _check_own(folder: Path, *, of_runs: bool = False) -> None:
    names = _names_in(folder) and [name for name in files_in(folder) if name.split("/")[0] != _WORKSHOP]
    if names and not is_own(folder) and not (of_runs and _holds_runs(folder)):
        some = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
        raise VestigeError(
            f"{folder}: holds files that vestige did not write ({some}); choose a folder that is new or empty"
        )
    for name in _SUBFOLDERS:
        if (folder / name).is_symlink():
            raise VestigeError(f"{folder / name}: is a link, which a run is not written through; remove the link")


def _names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if os.path.lexists(folder) else []


def _is_old_document(path: Path) -> bool:
    """Whether a file begins as ``results.json`` does, whole or damaged."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(400)
    return start.lstrip().startswith(b'{\n "schema": ') and any(name in start for name in (b'"vestige"', b'"task"'))


def _lacks_page(folder: Path, command: Sequence[str]) -> bool:
    """Whether a finished run is one of the same command, without its page."""
    return not (folder / "report.html").exists() and _is_of(folder, command)


@dataclass(frozen=True)
class _Config:
    command: list[str]


@dataclass(frozen=True)
class _Document:
    config: _Config


def _is_of(folder: Path, command: Sequence[str]) -> bool:
    """Whether a folder holds a finished run of a command."""
    with suppress(VestigeError):
        found = read_json(folder / _DOCUMENT, _Document, what="results").config.command
        return bool(command) and _asked(found) == _asked(command)
    return False


def _asked(command: Sequence[str]) -> list[str]:
    """The words of a command that say what is measured, not where to, nor what is printed."""
    following = zip(["", *command], command, strict=False)
    return [
        word
        for before, word in following
        if word not in _NOT_ASKED and not word.startswith(("-o", "--output")) and before not in ("-o", "--output")
    ]


def _try_writing(folder: Path) -> None:
    """Make a folder and a file in it, and take both away again."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]  # the innermost first
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    finally:
        for path in new:
            with suppress(OSError):
                path.rmdir()


@dataclass(frozen=True)
class Place:
    """Where a run is built and where it goes.

    Attributes:
        folder: of the run, links resolved.
        workshop: the hidden folder.
    """

    folder: Path
    workshop: Path

    @classmethod
    def of(cls, folder: Path) -> Place:
        """Beside the folder, where folders can be made there and renamed into its place; else in it."""
        folder = folder.resolve()
        there = next(path for path in folder.parents if path.exists())
        beside = os.access(there, os.W_OK | os.X_OK) and (
            not folder.exists() or folder.stat().st_dev == folder.parent.stat().st_dev
        )
        name = f".{folder.name[:200]}{_WORKSHOP}"
        return cls(folder, folder.parent / name if beside else folder / _WORKSHOP)

    @property
    def new(self) -> Path:
        """Where the run is built; it has the name that it will have."""
        return self.workshop / "new" / self.folder.name

    @property
    def kept(self) -> Path:
        """Finished parts of the measurement."""
        return self.workshop / "kept"

    @property
    def swap(self) -> Path:
        """The run that is changing places."""
        return self.workshop / "swap"

    def tidy(self, command: Sequence[str]) -> None:
        """Finish or remove what a killed process left, but for a run of the same command that is measured."""
        if (self.workshop / _INSTALLING).exists():
            self._install()
        if self.swap.exists():
            _discard(self.swap, self.folder)
        if not _is_of(self.new, command):
            shutil.rmtree(self.workshop / "new", ignore_errors=True)

    def start(self, *, take_over: bool) -> None:
        """An empty run, or the one in the folder, to be given its page."""
        (self.new / "figures").mkdir(parents=True)
        for name in own_files(self.folder) if take_over else ():
            if (self.folder / name).is_file() and not name.startswith("figures/"):  # those are drawn again
                check_digest(self.folder / name)
                _same(self.folder / name, self.new / name)

    def commit(self) -> None:
        """Let the run take its place, as one step where the system knows how."""
        _remove_parts(self.new)
        list_files(self.new)
        if not self.folder.exists():
            self.new.rename(self.folder)
            return
        yours = self._yours(list(files_in(self.new)))
        self.new.chmod(self.folder.stat().st_mode & 0o7777)
        if self.swap.exists():
            some = ", ".join(list(files_in(self.swap))[:3])
            raise VestigeError(
                f"{self.swap}: holds files of yours ({some}) that were in {self.folder} when a run was killed, and are "
                "others there now; move them away"
            )
        self.new.rename(self.swap)
        if not (self._can_be_moved() and self._link(yours) and _exchange(self.swap, self.folder)):
            for name in yours:
                (self.swap / name).unlink(missing_ok=True)
            (self.workshop / _INSTALLING).touch()
            self._install()
        if self.swap.exists():
            _discard(self.swap, self.folder)

    def _can_be_moved(self) -> bool:
        """Whether the folder is not where this process, and the shell that it was called from, works."""
        return self.workshop.parent != self.folder and self.folder not in (Path.cwd(), *Path.cwd().parents)

    def _yours(self, new: Sequence[str]) -> list[str]:
        """The files in the folder that are the user's.

        Raises:
            VestigeError: where one is in the way of the new run's.
        """
        own, written = own_files(self.folder), set(new)
        yours = []
        for name in files_in(self.folder):
            if name.split("/")[0] == _WORKSHOP:
                continue
            if name not in own and name in written:
                raise VestigeError(f"{self.folder / name}: is a file that vestige did not write; move it away")
            stamp = own.get(name)
            if name not in written and (stamp is None or not is_unchanged(self.folder / name, stamp)):
                yours.append(name)
        return yours

    def _link(self, yours: Sequence[str]) -> bool:
        """Let the user's files be in the new folder, too; whether the file system can."""
        try:
            for name in yours:
                target = self.swap / name
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(self.folder / name, target, follow_symlinks=False)
            for name in _empty_folders(self.folder):
                (self.swap / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        return True

    def _install(self) -> None:
        """Move the new files into the folder one by one, the list of them last, and remove the old ones."""
        old = own_files(self.folder)
        new = [name for name in files_in(self.swap) if name != MANIFEST]
        listed = read_manifest(self.swap)
        for name in new:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.swap / name).replace(self.folder / name)
        if listed is not None:
            for name, stamp in old.items():
                if name not in listed.files and stamp is not None and is_unchanged(self.folder / name, stamp):
                    (self.folder / name).unlink()
            (self.swap / MANIFEST).replace(self.folder / MANIFEST)
        for name in (*_empty_folders(self.swap), "."):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if self.swap.exists():
            shutil.rmtree(self.swap)
        (self.workshop / _INSTALLING).unlink()


def _tidy(place: Place, command: Sequence[str]) -> None:
    """Finish or remove what a killed process left beside a folder that is not written now."""
    if place.workshop.exists():
        with _locked(place):
            place.tidy(command)


@contextmanager
def _locked(place: Place) -> Iterator[Place]:
    """The hidden folder, this process's alone; it goes at the end, unless it holds kept work, as do folders above it.

    Raises:
        VestigeError: where another process has it, or it cannot be made.
    """
    above = [path for path in place.workshop.parents if not path.exists()]  # the innermost first
    with disk_errors(place.folder, "the run"):
        descriptor = _lock(place)
    try:
        yield place
    finally:
        shutil.rmtree(place.workshop / "new", ignore_errors=True)
        if place.swap.exists() and not (place.workshop / _INSTALLING).exists():
            with suppress(OSError, VestigeError):
                _discard(place.swap, place.folder)
        for path in (place.kept, place.workshop, *above):
            with suppress(OSError):
                path.rmdir()
        os.close(descriptor)


def _lock(place: Place) -> int:
    while True:
        place.workshop.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(place.workshop, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process was just done with it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise VestigeError(
                f"{place.folder}: another process is writing a run there; wait for it, or choose another "
                f"{spelled('folder')}"
            ) from None
        except OSError:
            pass  # a file system without locks
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), place.workshop.stat()):
                return descriptor
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names in one step; whether the system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    a, b = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            return int(libc.renamex_np(a, b, 2)) == 0  # RENAME_SWAP
        return int(libc.renameat2(-100, a, -100, b, 2)) == 0  # AT_FDCWD, RENAME_EXCHANGE
    except AttributeError:
        return False


def _discard(old: Path, live: Path) -> None:
    """Remove a run that is out of its place; what is the user's alone is moved to the live one."""
    own = own_files(old)
    for name in sorted(files_in(old), key=lambda name: name in (MANIFEST, _DOCUMENT)):  # what tells whose, last
        path, there = old / name, live / name
        listed = name in own
        stamp = own.get(name)
        if (os.path.lexists(there) and (listed or _are_same(path, there))) or (
            listed and (name == MANIFEST or (stamp is not None and is_unchanged(path, stamp)))
        ):
            path.unlink()
        elif not os.path.lexists(there):
            there.parent.mkdir(parents=True, exist_ok=True)
            path.rename(there)
    _remove_parts(old)
    for where, _, _ in os.walk(old, topdown=False):
        with suppress(OSError):
            Path(where).rmdir()


def _are_same(one: Path, other: Path) -> bool:
    """Whether two names are of one file, or of files with the same content."""
    if os.path.samestat(one.lstat(), other.lstat()):
        return True
    plain = all(path.is_file() and not path.is_symlink() for path in (one, other))
    return plain and filecmp.cmp(one, other, shallow=False)


def _same(file: Path, copy: Path) -> None:
    """A second name for a file, or a copy of it."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, copy)
    except OSError:
        shutil.copy2(file, copy)


def _empty_folders(folder: Path) -> list[str]:
    return [
        Path(where).relative_to(folder).as_posix()
        for where, folders, names in os.walk(folder)
        if not folders and not names and Path(where).relative_to(folder).as_posix() not in (".", _OLD_KEPT)
    ]


def _remove_parts(folder: Path) -> None:
    for where, _, names in os.walk(folder):
        for name in filter(is_part, names):
            Path(where, name).unlink()
