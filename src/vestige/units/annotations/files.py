"""Answers in files: tables (CSV), documents (JSON), and the annotations that the paper's authors released (MATLAB)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import isclose
from pathlib import Path
from typing import Any, TypedDict

from vestige.documents import Json, decode_text, read_json, table_of
from vestige.errors import VestigeError, choice
from vestige.files import refuse_existing, what_is, write_text
from vestige.handed_in import as_type
from vestige.units.annotations.answers import PRECISION, RELEASE_GROUPS, Answer
from vestige.units.annotations.release import WORKERS, read_release
from vestige.version import __version__

COLUMNS = (
    *("layer", "unit", "annotator", "concept", "group", "precision", "passed", "tries", "seconds", "at"),
    *("shown", "planted", "marked"),
)
"""Of a table of answers; those from ``passed`` on may be missing."""

ANSWERS = "answers.json"
"""The answers in a run's folder."""

ENDINGS = (".csv", ".json", ".mat")
"""Of the names of files that are read; the last is read alone."""

_NEEDED = COLUMNS[: COLUMNS.index("passed")]
_TEXTS = ("layer", "annotator", "concept", "group", "at")
_PICTURES = ("shown", "planted", "marked")
_DEFAULTS: Mapping[str, Any] = {
    "passed": True,
    "tries": 1,
    "seconds": None,
    "at": "",
    **dict.fromkeys(_PICTURES, ()),
}
_MEND = f"expected a table with the columns {', '.join(_NEEDED)}, as vestige exports it"

_LARGEST = 1 << 28  # bytes of a file of answers
_RELEASE = {f"worker {k + 1}": k for k in range(WORKERS)}
_FORMULA = re.compile(r"'*[=+\-@]")


class _Document(TypedDict):
    answers: list[dict[str, Json]]


def check_export(path: Path, *, overwrite: bool = False) -> None:
    """Refuse, before anything is done, to write answers to a file; errors as of :func:`write_answers`."""
    _ending(path, ENDINGS[:-1])
    refuse_existing(path, overwrite=overwrite)


def write_answers(path: Path, answers: Iterable[Answer], *, overwrite: bool = False) -> None:
    """Write a table or a document, by the ending of its name.

    Raises:
        VestigeError: where the ending is another, the file is there already, or the disk refuses it.
    """
    kind = _ending(path, ENDINGS[:-1])
    text = answers_csv(answers) if kind == ".csv" else answers_json(answers)
    write_text(path, text, overwrite=overwrite, what="the answers")


def answers_csv(answers: Iterable[Answer]) -> str:
    """A table with a line an answer; pictures are numbers with spaces between them."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([cell_of(value) for value in _record(answer).values()] for answer in answers)
    return stream.getvalue()


def answers_json(answers: Iterable[Answer]) -> str:
    """A document with an entry an answer."""
    document = {"vestige": __version__, "answers": [_record(answer) for answer in answers]}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _record(answer: Answer) -> dict[str, Any]:
    said = asdict(answer) | {"precision": round(answer.precision, 6)}
    return {name: said[name] for name in COLUMNS}


def cell_of(value: Any) -> str:
    """A value as tables have it; a text that a spreadsheet would take for a formula has an apostrophe before it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return "" if value is None else str(value)


def read_answers(path: Path) -> tuple[Answer, ...]:
    """The answers of a file, by the ending of its name: ``.csv``, ``.json``, or ``.mat`` for the authors' release.

    Raises:
        VestigeError: naming the file, the row and the field, and what was expected there.
    """
    kind = check_answers(path)
    answers = {".csv": _read_csv, ".json": _read_json, ".mat": _read_release}[kind](path)
    if not answers:
        raise VestigeError(f"{path}: holds no answers")
    said: dict[tuple[str, int, str], str] = {}
    for place, answer in answers.items():
        key = (answer.layer, answer.unit, answer.annotator)
        if key in said:
            raise VestigeError(
                f"{path}: {place}: {answer.annotator} has answered on unit {answer.unit} of {answer.layer} in "
                f"{said[key]} already; leave one of the two out"
            )
        said[key] = place
    return tuple(answers.values())


def check_answers(path: Path) -> str:
    """The kind of a file of answers, by the ending of its name.

    Raises:
        VestigeError: where there is no such file, it is none that answers are in, or too large.
    """
    kind, what = _ending(path, ENDINGS), what_is(path)
    if what != "file":
        said = {"folder": "is a folder", "other": "is a pipe or a device", "": "no such file"}[what]
        raise VestigeError(f"{path}: {said}; expected a file of answers on units ({', '.join(ENDINGS)})")
    if path.stat().st_size > _LARGEST:
        raise VestigeError(f"{path}: has more than {_LARGEST:,} bytes; expected answers on units")
    return kind


def _ending(path: Path, known: Sequence[str]) -> str:
    ending = path.suffix.lower()
    if ending not in known:
        raise VestigeError(f"{path}: its name ends in {ending or 'nothing'!r}; {choice(ending, known)}")
    return ending


def _read_csv(path: Path) -> dict[str, Answer]:
    try:
        text = decode_text(path.read_bytes())
    except (OSError, ValueError) as error:
        raise VestigeError(f"{path}: cannot be read as a table: {error}; {_MEND}") from error
    try:
        reader = table_of(text)
        _check_columns(path, reader.fieldnames or ())
        found = {}
        for line in reader:
            place = f"line {reader.line_num}"
            if None in line or None in line.values():
                raise VestigeError(f"{path}: {place}: has more or fewer cells than there are columns")
            found[place] = _answer(path, place, {name: _value(name, cell) for name, cell in line.items()})
        return found
    except csv.Error as error:
        raise VestigeError(f"{path}: cannot be read as a table: {error}; {_MEND}") from error


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    lacking = [name for name in _NEEDED if name not in columns]
    if lacking:
        raise VestigeError(f"{path}: line 1: has no column {lacking[0]!r}; {_MEND}")


def _value(name: str, cell: str) -> Any:
    """What a cell of :func:`cell_of` means; one that means nothing stays a text, which the answer refuses."""
    text = cell.strip()
    if name in _TEXTS:
        return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
    if not text and name in _DEFAULTS:
        return _DEFAULTS[name]
    if name == "passed":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        if name in _PICTURES:
            return tuple(map(int, text.split()))
        return float(text) if name in ("precision", "seconds") else int(text)
    except ValueError:
        return text


def _read_json(path: Path) -> dict[str, Answer]:
    document = read_json(path, _Document, what="answers on units", limit=_LARGEST)
    found = {}
    for number, entry in enumerate(document["answers"]):
        place = f"answers[{number}]"
        lacking = [name for name in _NEEDED if name not in entry]
        if lacking:
            raise VestigeError(f"{path}: {place}: has no {lacking[0]!r}")
        found[place] = _answer(path, place, entry)
    return found


def _answer(path: Path, place: str, entry: Mapping[str, Any]) -> Answer:
    """An answer; its precision is stated where there are no pictures, and else has to agree with them."""
    given = {**_DEFAULTS, **{name: entry[name] for name in COLUMNS if name in entry}}
    precision = given.pop("precision")
    try:
        if not given["shown"] and precision is not None:
            PRECISION.check("precision", as_type("precision", precision, float))
        answer = Answer(**given, stated=None if given["shown"] else precision)
        if not (isinstance(precision, int | float) and isclose(precision, answer.precision, abs_tol=1e-4)):
            raise VestigeError(
                f"precision: is {precision!r}; expected {answer.precision:.6f}, by the pictures that are marked"
            )
    except VestigeError as error:
        raise VestigeError(f"{path}: {place}: {error}") from error
    return answer


def _read_release(path: Path) -> dict[str, Answer]:
    """The authors' release; its three workers a unit are not named: ``worker 1`` of two units may be two people."""
    return {
        place: _of_release(path, place, layer, unit, worker, line[3 * k : 3 * k + 3])
        for layer, table in read_release(path)
        for unit, line in enumerate(table)
        for worker, k in _RELEASE.items()
        for place in (f"{layer}, unit {unit}, {worker}",)
    }


def _of_release(path: Path, place: str, layer: str, unit: int, worker: str, cells: Sequence[Any]) -> Answer:
    concept, group, precision = cells
    if group not in range(1, len(RELEASE_GROUPS) + 1):
        raise VestigeError(f"{path}: {place}: group {group!r}: expected a whole number from 1 to {len(RELEASE_GROUPS)}")
    entry = {"layer": layer, "unit": unit, "annotator": worker, "concept": concept, "precision": precision}
    return _answer(path, place, entry | {"group": RELEASE_GROUPS[int(group) - 1]})


def are_anonymous(answers: Iterable[Answer]) -> bool:
    """Whether all answers are of the release, where one name is not one person."""
    return all(answer.group in RELEASE_GROUPS and answer.annotator in _RELEASE for answer in answers)
