"""``cub:DIR``: Caltech-UCSD Birds 200-2011, birds with 15 parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vestige.datasets.annotations import check_box, check_keypoints
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import BadFileError, Kind, Problems, checked_picture, folder_of, inside, lines_of, numbers
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.markup import Markup, markup_of_names, shipped_markup
from vestige.spec import DataSpec


def load_cub(spec: DataSpec, problems: Problems) -> Dataset:
    """``images.txt``, ``bounding_boxes.txt``, ``train_test_split.txt`` and ``parts/`` with ``images/``, as distributed.

    One category, ``bird``. ``train`` and ``test`` keep one part of the set's own split. Boxes ``x y w h`` are
    continuous from the picture's corner (over the set they reach from 0 to the picture's width as often on the one
    side as on the other) and taken as they stand. Part locations are 0-based pixel indices, so 0.5 is added (the
    dark pupils of 1,131 annotated eyes lie 0.4 of a pixel right of and below the raw numbers; were they 1-based,
    it would be the other side).

    Raises:
        VestigeError: where the folder or one of the files does not exist or is no such table.
    """
    folder = folder_of(spec.text, spec.path)
    names = _read_part_names(spec, folder)
    tables = _Tables(
        boxes=_table(spec, folder / "bounding_boxes.txt", 5, problems),
        parts=_part_rows(spec, folder / "parts" / "part_locs.txt", problems),
        markup=names,
    )
    part = _split(spec, folder, problems)
    examples = []
    images = folder / "images.txt"
    for key, (line, words) in _table(spec, images, 2, problems).items():
        with problems.caught():
            if part is None or _belongs(folder, part, key):
                examples.append(_example(spec, folder, images, line, key, words[1], tables))
    return Dataset(spec.text, tuple(examples), names, classes=("bird",))


_Row = tuple[int, list[str]]  # the line and the words of it


@dataclass(frozen=True)
class _Tables:
    """What is known of each picture, by its number in ``images.txt``."""

    boxes: Mapping[str, _Row]
    parts: Mapping[tuple[str, str], _Row]
    markup: Markup


@dataclass(frozen=True)
class _Split:
    rows: Mapping[str, _Row]
    wanted: str


def _example(spec: DataSpec, folder: Path, images: Path, line: int, key: str, name: str, tables: _Tables) -> Example:
    path = inside(folder / "images", name, images, line)
    picture = checked_picture(path, spec)
    file = folder / "bounding_boxes.txt"
    if key not in tables.boxes:
        raise BadFileError(file, f"has no row for picture {key} ({name})")
    row, words = tables.boxes[key]
    x, y, width, height = numbers(file, row, words[1:], "'picture x y width height'")
    box = np.array([x, y, x + width, y + height])
    check_box(file, f"picture {key}", box, picture, row)
    file = folder / "parts" / "part_locs.txt"
    located = np.zeros((len(tables.markup.points), 3))
    last = 0
    for k, part in enumerate(tables.markup.points):
        if (key, str(k + 1)) not in tables.parts:
            raise BadFileError(file, f"has no row for picture {key} ({name}), part {k + 1} ({part})")
        last, words = tables.parts[key, str(k + 1)]
        located[k] = numbers(file, last, words[2:], "'picture part x y visible'")
    visible = located[:, 2] != 0
    points = np.where(visible[:, None], located[:, :2] + 0.5, 0.0)
    check_keypoints(file, f"picture {key}", points, visible, box, picture, last)
    return Example(name, name, picture.image, box, points, visible, category="bird")


def _read_part_names(spec: DataSpec, folder: Path) -> Markup:
    file = folder / "parts" / "parts.txt"
    rows = [line.split(maxsplit=1) for _, line in _lines(spec, file)]
    if [row[0] for row in rows] != [str(k + 1) for k in range(len(rows))] or any(len(row) != 2 for row in rows):
        raise VestigeError(f"{file}: expected lines '1 back', '2 beak', ..., numbered from 1 on")
    points = tuple(row[1] for row in rows)
    cub15 = shipped_markup("cub15")
    return cub15 if points == cub15.points else markup_of_names("cub", points)


def _split(spec: DataSpec, folder: Path, problems: Problems) -> _Split | None:
    for flag, value in (("train", "1"), ("test", "0")):
        if flag in spec.options:
            return _Split(_table(spec, folder / "train_test_split.txt", 2, problems), value)
    return None


def _belongs(folder: Path, split: _Split, key: str) -> bool:
    file = folder / "train_test_split.txt"
    if key not in split.rows:
        raise BadFileError(file, f"has no row for picture {key}")
    line, words = split.rows[key]
    if words[1] not in ("0", "1"):
        raise BadFileError(file, f"{words[1]!r}; expected 'picture 1' for training or 'picture 0' for test", line)
    return words[1] == split.wanted


def _part_rows(spec: DataSpec, file: Path, problems: Problems) -> dict[tuple[str, str], _Row]:
    rows: dict[tuple[str, str], _Row] = {}
    for line, text in _lines(spec, file):
        words = text.split()
        if len(words) != 5:
            problems.add(file, f"{text[:40]!r} has {len(words)} words; expected 'picture part x y visible'", line)
        elif (words[0], words[1]) in rows:
            problems.add(file, f"picture {words[0]}, part {words[1]} is there twice", line)
        else:
            rows[words[0], words[1]] = (line, words)
    return rows


def _table(spec: DataSpec, file: Path, n_words: int, problems: Problems) -> dict[str, _Row]:
    """Rows by their first word; lines with another number of words are problems."""
    rows: dict[str, _Row] = {}
    for line, text in _lines(spec, file):
        words = text.split()
        if len(words) != n_words:
            problems.add(file, f"{text[:40]!r} has {len(words)} words; expected {n_words}", line)
        elif words[0] in rows:
            problems.add(file, f"picture {words[0]} is there twice", line)
        else:
            rows[words[0]] = (line, words)
    return rows


def _lines(spec: DataSpec, file: Path) -> list[tuple[int, str]]:
    try:
        return lines_of(file)
    except BadFileError as error:
        raise VestigeError(
            f"{spec.text!r}: {error}; expected CUB-200-2011 as distributed: images.txt, bounding_boxes.txt, "
            "train_test_split.txt, parts/parts.txt, parts/part_locs.txt, images/"
        ) from error


KIND = Kind(load_cub, splits=("train", "test"))
