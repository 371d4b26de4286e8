"""What is to be predicted: photographs, folders and data sets by their names, and boxes out of a file."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vestige.datasets.opening import kind_named, open_dataset
from vestige.datasets.reading import BadFileError, Problems, pictures_below, read_text
from vestige.documents import read_json, table_of
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.files import what_is
from vestige.geometry import Box
from vestige.images import ImageFile
from vestige.probes.engine.predict_run import Failure
from vestige.spelling import either, spelled

COLUMNS = ("image", "x0", "y0", "x1", "y1")
"""Of a table of boxes."""


def open_photographs(words: Sequence[str]) -> tuple[list[Example], list[Failure]]:
    """The pictures that words name, and what cannot be used of them.

    Args:
        words: files, folders (with those below), or data as ``kind:PATH[,key=value]``, whose boxes are kept.

    Raises:
        VestigeError: where data cannot be opened.
    """
    examples: list[Example] = []
    failures: list[Failure] = []
    for word in words:
        path = Path(word)
        if what_is(path) == "folder":
            problems = Problems()
            found = [_of_file(each) for each in pictures_below(path, problems)]
            failures += [Failure(problem.file, str(problem)) for problem in problems.found]
            if not found:
                failures.append(Failure(word, "has no pictures"))
            examples += found
        elif ":" in word and not what_is(path) and kind_named(word.partition(":")[0]) is not None:
            data = open_dataset(word)
            failures += [Failure(problem.file, str(problem)) for problem in data.skipped]
            examples += data.examples
        else:
            examples.append(_of_file(path))
    return examples, failures


def _of_file(path: Path) -> Example:
    return Example(str(path), str(path), ImageFile(path))


def with_boxes(examples: Sequence[Example], boxes: Sequence[Box]) -> list[Example]:
    """The examples with the boxes given: one for all, or one for each.

    Raises:
        VestigeError: where they are another number.
    """
    if len(boxes) not in (1, len(examples)):
        raise VestigeError(
            f"{spelled('box')} is given {len(boxes)} times for {len(examples)} pictures; give one, one for each"
            f"{either(', or --boxes FILE', '')}"
        )
    each = boxes if len(boxes) == len(examples) else [boxes[0]] * len(examples)
    return [replace(example, box=box) for example, box in zip(examples, each, strict=True)]


def with_boxes_of(examples: Sequence[Example], file: Path) -> tuple[list[Example], list[Failure]]:
    """The examples, once for each box that a file has for them; those that it has none for, and what it names besides.

    A name in the file is a path as the picture is given, one relative to the file, an example's id, or a file's name
    that only one picture has.

    Args:
        examples: pictures.
        file: a table with the columns :data:`COLUMNS`, or JSON as COCO's with ``images`` and ``annotations``.

    Raises:
        VestigeError: naming the file, and its line or entry, that cannot be read.
    """
    boxes = _read_coco(file) if file.suffix.lower() == ".json" else _read_table(file)
    names = _Names(file, examples)
    boxed: list[Example] = []
    used: set[str] = set()
    failures: list[Failure] = []
    for example in examples:
        own = [name for name in boxes if names.mean(name, example)]
        used.update(own)
        boxed += [replace(example, box=box) for name in own for box in boxes[name]]
        if not own:
            failures.append(Failure(example.id, f"has no box in {file}"))
    failures += [Failure(name, f"{file} has a box for it, but it is not given") for name in boxes if name not in used]
    return boxed, failures


class _Names:
    """Which picture a name in a file of boxes means."""

    def __init__(self, file: Path, examples: Sequence[Example]) -> None:
        self._folder = file.parent
        self._counts = Counter(Path(example.id).name for example in examples)

    def mean(self, name: str, example: Example) -> bool:
        """Whether the name is that of the example."""
        if name == example.id:
            return True
        if Path(name).name == name and Path(example.id).name == name and self._counts[name] == 1:
            return True
        image = example.image
        if not isinstance(image, ImageFile) or Path(name).name != image.path.name:
            return False
        return image.path.resolve() in {Path(name).resolve(), (self._folder / name).resolve()}


def _read_table(file: Path) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = {}
    try:
        rows = table_of(read_text(file))
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
            raise VestigeError(
                f"{file}: has no column {missing[0]!r}; expected a table with the columns {','.join(COLUMNS)}, or "
                "a COCO .json"
            )
        for row in rows:
            boxes.setdefault(row["image"], []).append(_box_of(file, rows.line_num, row))
    except BadFileError as error:
        raise VestigeError(str(error)) from error
    except csv.Error as error:
        raise VestigeError(f"{file}: cannot be read as a table: {error}") from error
    return boxes


def _box_of(file: Path, line: int, row: Mapping[str, str | None]) -> Box:
    words = [row[name] or "" for name in COLUMNS[1:]]
    try:
        box = np.array([float(word) for word in words])
    except ValueError:
        box = np.full(4, math.nan)
    if not np.isfinite(box).all():
        raise VestigeError(f"{file}, line {line}: {','.join(words)} is no box; expected x0,y0,x1,y1 in pixels")
    return box


@dataclass(frozen=True)
class _Image:
    id: int | str
    file_name: str


@dataclass(frozen=True)
class _Annotation:
    image_id: int | str
    bbox: tuple[float, float, float, float]


@dataclass(frozen=True)
class _Coco:
    images: list[_Image]
    annotations: list[_Annotation]


def _read_coco(file: Path) -> dict[str, list[Box]]:
    document = read_json(file, _Coco, what="COCO boxes")
    names = {str(image.id): image.file_name for image in document.images}
    boxes: dict[str, list[Box]] = {}
    for number, annotation in enumerate(document.annotations):
        name = names.get(str(annotation.image_id))
        if name is None:
            raise VestigeError(f"{file}: annotations[{number}]: there is no image of id {annotation.image_id}")
        x, y, width, height = annotation.bbox
        boxes.setdefault(name, []).append(np.array([x, y, x + width, y + height]))
    return boxes
