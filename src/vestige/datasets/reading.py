"""What all loaders share: what a kind of data set is, collecting problems, finding files, checking pictures cheaply."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vestige.datasets.dataset import Dataset, Problem
from vestige.documents import decode_text
from vestige.errors import VestigeError
from vestige.files import user_path
from vestige.images import ImageFile
from vestige.picture_files import PictureError, is_drawn, look_over
from vestige.spec import COMMA_HINT, DataSpec

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""The endings, in lower case, of files that count as pictures."""


class BadFileError(Exception):
    """A file that a loader cannot use; :meth:`Problems.caught` collects it."""

    def __init__(self, file: Path | str, message: str, line: int | None = None) -> None:
        self.problem = Problem(str(file), message, line)
        super().__init__(str(self.problem))


@dataclass
class Problems:
    """Collects what is wrong, so that a loader can go on and report everything at once."""

    found: list[Problem] = field(default_factory=list)

    def add(self, file: Path | str, message: str, line: int | None = None) -> None:
        """Note one problem."""
        self.found.append(Problem(str(file), message, line))

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Note a :class:`BadFileError` that is raised inside, and go on."""
        try:
            yield
        except BadFileError as error:
            self.found.append(error.problem)


@dataclass(frozen=True)
class Kind:
    """A kind of data set.

    Attributes:
        load: reads what a spec names; collects problems and goes on.
        options: the options and flags it knows, besides ``fold``, ``exif`` and its splits.
        splits: the flags of its own training and test part, if it carries a split.
    """

    load: Callable[[DataSpec, Problems], Dataset]
    options: tuple[str, ...] = ()
    splits: tuple[str, str] | None = None


def folder_of(spec: str, path: str) -> Path:
    """The folder that a spec names.

    Raises:
        VestigeError: where there is no such folder, or it cannot be listed.
    """
    folder = user_path(path)
    try:
        os.scandir(folder).close()
    except NotADirectoryError as error:
        raise VestigeError(f"{spec!r}: {folder} is a file; expected a folder") from error
    except FileNotFoundError as error:
        hint = f" ({COMMA_HINT})" if "," in spec else ""
        raise VestigeError(f"{spec!r}: {folder} does not exist; expected a folder{hint}") from error
    except (OSError, ValueError) as error:
        raise VestigeError(f"{spec!r}: {folder} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return folder


def pictures_below(folder: Path, problems: Problems, endings: Collection[str] = PICTURES) -> list[Path]:
    """All files below a folder that count as pictures, as :func:`files_below` finds them; what vestige drew is none."""
    return [path for path in files_below(folder, endings, problems) if not is_drawn(path)]


def files_below(folder: Path, endings: Collection[str], problems: Problems) -> list[Path]:
    """All files below a folder with one of the endings (lower case), sorted by their path; hidden ones are left out.

    Links to folders are followed, but each folder is read once and by its own name where it has one here, so that a
    circle of links ends. A link to a folder that this one lies in is a problem, and so is a folder that cannot be read.
    """
    found: list[Path] = []
    links: list[Path] = []
    seen = {_identity(parent) for parent in folder.resolve().parents}
    above = set(seen)
    pending = [folder]
    while pending or links:
        linked = not pending
        where = links.pop(0) if linked else pending.pop()
        try:
            identity = _identity(where)
            if identity in above and linked:
                raise OSError(0, "is a link to a folder that this data set lies in; it is not followed")
            if identity in seen:
                continue
            entries = sorted(os.scandir(where), key=lambda entry: entry.name)
        except OSError as error:
            problems.add(where, str(error.strerror) if error.errno == 0 else f"cannot be read: {error.strerror}")
            continue
        seen.add(identity)
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = where / entry.name
            if not _is_folder(entry):
                found.append(path)
            elif entry.is_symlink():
                links.append(path)
            else:
                pending.append(path)
    return sorted(
        (path for path in found if path.suffix.lower() in endings), key=lambda path: relative_id(path, folder)
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def relative_id(path: Path, root: Path) -> str:
    """The path from the root on with forward slashes: an example's id."""
    return path.relative_to(root).as_posix()


def inside(root: Path, name: str, where: Path, line: int | None = None) -> Path:
    """The file that an annotation names, which must lie below its root.

    Raises:
        BadFileError: where the name is empty, absolute, or climbs out of the root with ``..``.
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    absolute = pure.is_absolute() or (pure.parts and pure.parts[0].endswith(":"))
    if not pure.parts or absolute or ".." in pure.parts or "\0" in name:
        raise BadFileError(where, f"names the file {name[:200]!r}; expected a path inside {root}", line)
    return root.joinpath(*pure.parts)


def read_bytes(path: Path) -> bytes:
    """The content of an annotation file.

    Raises:
        BadFileError: where the file is missing or no regular one (a pipe would be waited for without end).
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadFileError(path, f"is a {'folder' if path.is_dir() else 'pipe or a device'}; expected a file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_text(path: Path) -> str:
    """The text of an annotation file.

    Raises:
        BadFileError: where the file is missing, empty or not text.
    """
    data = read_bytes(path)
    try:
        text = decode_text(data)
    except ValueError as error:
        raise BadFileError(path, str(error)) from error
    if not text.strip():
        raise BadFileError(path, "is empty")
    return text


def lines_of(path: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, stripped, with their numbers from 1 on. Raises as :func:`read_text`."""
    lines = ((number, line.strip()) for number, line in enumerate(read_text(path).splitlines(), 1))
    return [(number, line) for number, line in lines if line]


def numbers(path: Path, line: int | None, words: Iterable[str], expected: str) -> list[float]:
    """Words as finite numbers.

    Raises:
        BadFileError: naming the first word that is none, and what was expected.
    """
    result = []
    for word in words:
        try:
            value = float(word)
        except ValueError:
            raise BadFileError(path, f"{word[:40]!r} is no number; expected {expected}", line) from None
        if not math.isfinite(value):
            raise BadFileError(path, f"{word[:40]!r} is not finite; expected {expected}", line)
        result.append(value)
    return result


@dataclass(frozen=True)
class Checked:
    """A picture that can be used.

    Attributes:
        image: the picture.
        size: width and height, as it is read.
        orientation: EXIF's, 1 where there is none.
    """

    image: ImageFile
    size: tuple[int, int]
    orientation: int = 1

    @property
    def doubt(self) -> str:
        """What a message adds where an annotation does not fit the picture and EXIF may be the cause; else nothing."""
        if self.orientation == 1:
            return ""
        if self.image.exif:
            return (
                f"; its EXIF orientation {self.orientation} turns it: if the annotation is of the picture as stored, "
                "add exif=ignore to the spec"
            )
        return (
            f"; exif=ignore passes over its EXIF orientation {self.orientation}: leave it out if the annotation is of "
            "the picture as viewers show it"
        )


def checked_picture(path: Path, spec: DataSpec) -> Checked:
    """A picture after a cheap look for damage (see :func:`vestige.picture_files.look_over`).

    Args:
        path: of the picture.
        spec: of its data set, which says whether EXIF orientations count.

    Raises:
        BadFileError: where the file is missing, empty, no picture, or cut off.
    """
    try:
        header = look_over(path)
    except PictureError as error:
        raise BadFileError(path, error.reason) from error
    return Checked(ImageFile(path, spec.exif), header.size(spec.exif), header.orientation)


def scene_of_folder(name: str) -> str:
    """The folder of a picture as its scene, without a first folder of one letter: ``a/abbey/1.jpg`` is of ``abbey``.

    Args:
        name: of the picture, a path with forward slashes from the root of its data set.
    """
    parts = PurePosixPath(name).parent.parts
    return "/".join(parts[1:] if len(parts) > 1 and len(parts[0]) == 1 else parts)
