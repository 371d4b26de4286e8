"""What all loaders share: collecting problems, finding files, and checking pictures cheaply."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from vestige.datasets.dataset import Problem
from vestige.errors import VestigeError

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""The endings, in lower case, of files that count as pictures."""

_TAIL = 1024  # bytes at the end of a picture that are searched for its end mark
_END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_EXIF_ORIENTATION = 0x0112
_DECODING_ERRORS = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


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


def folder_of(spec: str, path: str) -> Path:
    """The folder that a spec names.

    Raises:
        VestigeError: where there is no such folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise VestigeError(f"{spec!r}: {folder} {what}; expected a folder")
    return folder


def files_below(folder: Path, endings: Collection[str]) -> list[Path]:
    """All files below a folder with one of the endings (lower case), sorted by their path; hidden ones are left out.

    Links to folders are not followed, so that a circle of links ends.
    """
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(
        (path for path in found if path.suffix.lower() in endings), key=lambda path: relative_id(path, folder)
    )


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
        raise BadFileError(where, f"names the file {name!r}; expected a path inside {root}", line)
    return root.joinpath(*pure.parts)


def read_text(path: Path) -> str:
    """The text of an annotation file.

    Raises:
        BadFileError: where the file is missing, empty or not text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFileError(path, f"is not text (byte {error.start} is not UTF-8)") from error
    if "\0" in text:
        raise BadFileError(path, "is not text (it holds zero bytes)")
    if not text.strip():
        raise BadFileError(path, "is empty")
    return text


def lines_of(path: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, stripped, with their numbers from 1 on. Raises as :func:`read_text`."""
    lines = ((number, line.strip()) for number, line in enumerate(read_text(path).splitlines(), 1))
    return [(number, line) for number, line in lines if line]


def numbers(path: Path, line: int, words: Iterable[str], expected: str) -> list[float]:
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
            raise BadFileError(path, f"{word!r} is not finite; expected {expected}", line)
        result.append(value)
    return result


def checked_picture(path: Path) -> tuple[int, int]:
    """Width and height of a picture, as it is shown (EXIF orientation applied), after a cheap look for damage.

    The header is parsed and the end of the file searched for the format's end mark; only where that is missing, or
    the format has none, the picture is decoded (Pillow decodes a PNG anyway, in search of its orientation). Damage in
    the middle of a JPEG is found when the picture is read.

    Raises:
        BadFileError: where the file is missing, empty, no picture, or cut off.
    """
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
            size = (image.height, image.width) if turned else (image.width, image.height)
            if not _has_end_mark(path, image.format or ""):
                image.load()
    except FileNotFoundError as error:
        raise BadFileError(path, "does not exist") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        raise BadFileError(path, "is empty" if empty else "is no picture that can be read") from error
    except _DECODING_ERRORS as error:
        raise BadFileError(path, f"is damaged: {error}") from error
    return size


def _has_end_mark(path: Path, image_format: str) -> bool:
    mark = _END_MARKS.get(image_format)
    if mark is None:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return mark in file.read()
