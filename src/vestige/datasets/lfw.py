"""``lfw:DIR``: Labeled Faces in the Wild, with attributes from a CSV file."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import (
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    folder_of,
    pictures_below,
    read_text,
    relative_id,
)
from vestige.documents import delimiter_of
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.files import user_path
from vestige.spec import DataSpec

_SCORE = "_score"
_THRESHOLD = 0.5


def load_lfw(spec: DataSpec, problems: Problems) -> Dataset:
    """``DIR/images/PERSON/PERSON_NNNN.jpg`` (or without ``images``) and ``DIR/attributes.csv``; no box.

    The table's column ``image`` holds file names; every other column is an attribute, an empty cell a missing one.
    A column ``NAME_score`` holds a model's probabilities: it becomes the binary attribute ``NAME``, 1 from 0.5 on, and
    is listed among the model labels. The pictures of a person are one group, unless ``group=picture`` is given.
    ``attributes=FILE`` names another table.

    Raises:
        VestigeError: where the folder or the named table does not exist, or the table has no column ``image``.
    """
    folder = folder_of(spec.text, spec.path)
    group = spec.options.get("group", "person")
    if group not in ("person", "picture"):
        raise VestigeError(f"{spec.text!r}: group={group!r}: expected group=person or group=picture")
    by_person = group == "person"
    root = folder / "images" if (folder / "images").is_dir() else folder
    table = _read_table(spec, folder, problems)
    examples = []
    pictures: dict[str, list[Path]] = defaultdict(list)
    for path in pictures_below(root, problems):
        pictures[path.name].append(path)
        with problems.caught():
            name = relative_id(path, root)
            group = path.parent.name if by_person and path.parent != root else name
            attributes = MappingProxyType(table.rows.get(path.name, {}))
            examples.append(Example(name, group, checked_picture(path, spec).image, attributes=attributes))
    _report_rows(table, pictures, problems)
    return Dataset(spec.text, tuple(examples), model_labels=table.model_labels)


@dataclass
class _Table:
    """Attributes by file name, with the line each row is in."""

    file: Path
    rows: dict[str, Mapping[str, float]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    model_labels: tuple[str, ...] = ()


def _read_table(spec: DataSpec, folder: Path, problems: Problems) -> _Table:
    named = spec.options.get("attributes")
    file = user_path(named) if named else folder / "attributes.csv"
    if not named and not file.exists():
        return _Table(file)
    try:
        text = read_text(file)
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter_of(text), strict=True))
    except (BadFileError, csv.Error) as error:
        raise VestigeError(f"{spec.text!r}: {file} is no table of attributes: {error}") from error
    header = [cell.strip() for cell in rows[0]]
    columns = _columns(header)
    if "image" not in header or len(set(columns)) != len(columns):
        raise VestigeError(f"{file}, line 1: expected a column 'image' and other columns, each named once")
    scores = tuple(column for name, column in zip(header, columns, strict=True) if name.endswith(_SCORE))
    table = _Table(file, model_labels=scores)
    for line, row in enumerate(rows[1:], 2):
        with problems.caught():
            _add_row(table, header, row, line)
    return table


def _columns(header: Sequence[str]) -> list[str]:
    return [name.removesuffix(_SCORE) for name in header]


def _add_row(table: _Table, header: Sequence[str], row: Sequence[str], line: int) -> None:
    if not row:
        return
    if len(row) != len(header):
        raise BadFileError(table.file, f"has {len(row)} cells; expected {len(header)}, as in line 1", line)
    name = Path(row[header.index("image")].strip()).name
    if not name or name in table.rows:
        raise BadFileError(table.file, f"image {name!r} is " + ("there twice" if name else "no file name"), line)
    values = {
        column: _value(table.file, line, head, cell.strip())
        for head, column, cell in zip(header, _columns(header), row, strict=True)
        if head != "image" and cell.strip()
    }
    table.rows[name] = values
    table.lines[name] = line


def _value(file: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadFileError(file, f"column {column}: {cell[:40]!r}; expected a finite number, or nothing", line)
    if not column.endswith(_SCORE):
        return value
    if not 0 <= value <= 1:
        raise BadFileError(file, f"column {column}: {cell}; expected a probability from 0 to 1", line)
    return float(value >= _THRESHOLD)


def _report_rows(table: _Table, pictures: Mapping[str, Sequence[Path]], problems: Problems) -> None:
    """Rows that no picture, or more than one, belongs to."""
    for name, line in table.lines.items():
        found = len(pictures.get(name, ()))
        if found != 1:
            what = f"there are {found} pictures of this name" if found else "there is no such picture"
            problems.add(table.file, f"image {name!r}: {what}", line)


KIND = Kind(load_lfw, ("attributes", "group"))
