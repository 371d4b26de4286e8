"""``helen194:DIR``: the Helen data set as its authors distribute it, with 194 points a face."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from vestige.datasets.annotations import landmark_box
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import (
    PICTURES,
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    files_below,
    folder_of,
    lines_of,
    numbers,
    pictures_below,
    relative_id,
)
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import Points
from vestige.markup import shipped_markup
from vestige.spec import DataSpec

N_POINTS = 194
_LISTS = {"train": "trainnames.txt", "test": "testnames.txt"}


def load_helen194(spec: DataSpec, problems: Problems) -> Dataset:
    """``DIR/annotation/*.txt`` and the pictures they name, anywhere below ``DIR``.

    An annotation's first line is the picture's name without its ending, then follow 194 lines ``x , y``. Helen says
    nothing of its pixel convention; its coordinates are taken as they stand (half a pixel of its large photographs is
    a thousandth of a face). ``train`` and ``test`` keep the names in ``trainnames.txt`` and ``testnames.txt``.

    Raises:
        VestigeError: where the folder, its ``annotation`` folder or a list of names does not exist.
    """
    folder = folder_of(spec.text, spec.path)
    annotations = folder / "annotation"
    if not annotations.is_dir():
        raise VestigeError(f"{spec.text!r}: {annotations} does not exist; expected Helen's annotation/*.txt there")
    wanted = _wanted(spec, folder)
    pictures = _by_stem(folder, problems)
    files: dict[str, Path] = {}
    examples = []
    for file in files_below(annotations, {".txt"}, problems):
        with problems.caught():
            name, points, lines = read_annotation(file)
            if name in files:
                raise BadFileError(file, f"is a second annotation of {name}, after {files[name].name}", 1)
            files[name] = file
            if wanted is None or name in wanted:
                examples.append(_example(spec, folder, file, name, points, lines, pictures))
    _report_left_over(wanted, files, pictures, folder, problems)
    return Dataset(spec.text, tuple(examples), shipped_markup("helen194"))


def read_annotation(path: Path) -> tuple[str, Points, list[int]]:
    """The picture's name (without an ending), ``(194, 2)`` points as they stand, and the line of each.

    Raises:
        BadFileError: naming the line, what is there and what was expected.
    """
    (first, name), *body = lines_of(path)
    if "," in name or "/" in name or "\\" in name or name.startswith("."):
        raise BadFileError(path, f"{name[:40]!r}; expected a picture's name, as in 100032540_1", first)
    points = [_read_point(path, number, line) for number, line in body]
    if len(points) != N_POINTS:
        raise BadFileError(path, f"has {len(points)} points; expected {N_POINTS}", body[-1][0] if body else first)
    stem = Path(name).stem if Path(name).suffix.lower() in PICTURES else name
    return stem, np.array(points), [number for number, _ in body]


def _read_point(path: Path, number: int, line: str) -> list[float]:
    words = line.split(",")
    if len(words) != 2:
        raise BadFileError(path, f"{line[:40]!r}; expected 'x , y'", number)
    return numbers(path, number, (word.strip() for word in words), "'x , y'")


def _wanted(spec: DataSpec, folder: Path) -> set[str] | None:
    for split, file in _LISTS.items():
        if split in spec.options:
            try:
                return {line for _, line in lines_of(folder / file)}
            except BadFileError as error:
                raise VestigeError(
                    f"{spec.text!r}: the {split} part is the names listed in {folder / file}: {error.problem.message}"
                ) from error
    return None


def _by_stem(folder: Path, problems: Problems) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in pictures_below(folder, problems):
        found[path.stem].append(path)
    return found


def _example(
    spec: DataSpec,
    folder: Path,
    file: Path,
    name: str,
    points: Points,
    lines: list[int],
    pictures: dict[str, list[Path]],
) -> Example:
    found = pictures.get(name, [])
    if len(found) != 1:
        what = f"{len(found)} pictures of this name" if found else "no such picture"
        raise BadFileError(file, f"names {name}; there is {what} below {folder}", 1)
    visible = np.ones(len(points), dtype=bool)
    checked = checked_picture(found[0], spec)
    box = landmark_box(file, points, visible, checked, lines)
    identity = relative_id(found[0], folder)
    return Example(identity, identity, checked.image, box, points, visible)


def _report_left_over(
    wanted: set[str] | None,
    files: dict[str, Path],
    pictures: dict[str, list[Path]],
    folder: Path,
    problems: Problems,
) -> None:
    """Pictures, or names in the list, that nothing is annotated for."""
    for name in sorted((pictures.keys() if wanted is None else wanted) - files.keys()):
        where = pictures.get(name, [folder / name])[0]
        problems.add(where, f"no file in {folder / 'annotation'} names it in its first line")


KIND = Kind(load_helen194, splits=("train", "test"))
