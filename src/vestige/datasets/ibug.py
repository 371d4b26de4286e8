"""``300w:DIR``: a folder of pictures with ``.pts`` files, as 300-W and iBUG distribute them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.annotations import Annotated, face_markup, landmark_box, of_one_count
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import (
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
from vestige.spec import DataSpec

_HEADER = re.compile(r"(version|n_points)\s*:\s*(\S+)")
_MISSING = ((0.0, 0.0), (-1.0, -1.0))


def load_300w(spec: DataSpec, problems: Problems) -> Dataset:
    """All ``NAME.jpg|png`` with ``NAME.pts`` beside it, in the folder and the folders below.

    ``.pts`` coordinates are 1-based with pixel centres on integers, so 0.5 is taken away. A point written as ``0 0``
    or ``-1 -1`` is missing: ``visible`` is False. The box is the tight box of the points that are there.

    Raises:
        VestigeError: where the folder does not exist, or there is no ``.pts`` file.
    """
    folder = folder_of(spec.text, spec.path)
    files = files_below(folder, {".pts"}, problems)
    if not files:
        raise VestigeError(f"{spec.text!r}: no .pts file in {folder} or below; expected NAME.pts beside each NAME.jpg")
    annotated = []
    for picture, annotation in _pairs(files, pictures_below(folder, Problems()), problems):
        with problems.caught():
            annotated.append(Annotated(_read_example(spec, folder, picture, annotation), annotation))
    examples = of_one_count(annotated, problems)
    count = 0 if not examples or examples[0].keypoints is None else len(examples[0].keypoints)
    return Dataset(spec.text, tuple(examples), face_markup(count) if count else None)


def _pairs(files: Sequence[Path], pictures: Sequence[Path], problems: Problems) -> list[tuple[Path, Path]]:
    """Pictures and their annotations; what has no partner, or two, is a problem."""
    by_stem: dict[Path, list[Path]] = defaultdict(list)
    for path in pictures:
        by_stem[path.with_suffix("")].append(path)
    pairs = []
    for annotation in files:
        found = by_stem.pop(annotation.with_suffix(""), [])
        if len(found) == 1:
            pairs.append((found[0], annotation))
        elif found:
            names = " and ".join(path.name for path in found)
            problems.add(annotation, f"belongs to {names}; expected one picture of that name")
        else:
            problems.add(annotation, f"no picture {annotation.stem}.jpg or .png beside it")
    for path in (path for left in by_stem.values() for path in left):
        problems.add(path, f"no {path.stem}.pts beside it")
    return pairs


def _read_example(spec: DataSpec, folder: Path, picture: Path, annotation: Path) -> Example:
    points, visible, lines = read_pts(annotation)
    checked = checked_picture(picture, spec)
    box = landmark_box(annotation, points, visible, checked, lines)
    name = relative_id(picture, folder)
    return Example(name, name, checked.image, box, points, visible)


def read_pts(path: Path) -> tuple[Points, NDArray[np.bool_], list[int]]:
    """Points ``(K, 2)`` in vestige's pixel coordinates, ``(K,)`` whether each is there, and the line of each.

    Raises:
        BadFileError: naming the line, what is there and what was expected.
    """
    lines = lines_of(path)
    start = next((index for index, (_, line) in enumerate(lines) if line == "{"), None)
    if start is None:
        raise BadFileError(path, "has no '{'; expected 'version: 1', 'n_points: N', '{', N lines 'x y', '}'", 1)
    declared = _declared_count(path, lines[:start])
    stop = next((index for index, (_, line) in enumerate(lines) if line == "}"), None)
    if stop is None:
        raise BadFileError(path, "ends without '}': it is cut off", lines[-1][0])
    body = lines[start + 1 : stop]
    if len(body) != declared:
        raise BadFileError(path, f"has {len(body)} points; 'n_points' says {declared}", lines[stop][0])
    raw = np.array([_read_point(path, number, line) for number, line in body])
    visible = ~np.any([np.all(raw == missing, axis=1) for missing in _MISSING], axis=0)
    return np.where(visible[:, None], raw - 0.5, 0.0), visible, [number for number, _ in body]


def _declared_count(path: Path, header: list[tuple[int, str]]) -> int:
    for number, line in header:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise BadFileError(path, f"{line[:40]!r}; expected 'version: 1' or 'n_points: N'", number)
        if match.group(1) == "n_points":
            if not match.group(2).isdecimal() or len(match.group(2)) > 6 or int(match.group(2)) == 0:
                raise BadFileError(path, f"n_points is {match.group(2)!r}; expected a number of points", number)
            return int(match.group(2))
    raise BadFileError(path, "has no 'n_points: N' before '{'")


def _read_point(path: Path, number: int, line: str) -> list[float]:
    words = line.split()
    if len(words) != 2:
        raise BadFileError(path, f"{line[:40]!r} has {len(words)} words; expected 'x y'", number)
    return numbers(path, number, words, "'x y'")


KIND = Kind(load_300w)
