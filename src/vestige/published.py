"""The papers' published numbers, from the data files in ``vestige/papers``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

PAPERS = {
    "persistent-evidence": "persistent_evidence",
    "do-convnets-learn-correspondence": "learn_correspondence",
    "object-detectors-emerge": "object_detectors",
}
"""The papers whose numbers are in the package, and their rooms in ``vestige/papers``."""


@dataclass(frozen=True)
class Column:
    """A column of a published table.

    Attributes:
        name: as the paper prints it.
        match: the word by which a data set's spec, a class or a metric is known to be this column, or "".
        note: what a reader must know before comparing, such as the number of points; in brackets behind the name.
        remark: the same where it takes a sentence; below the table.
    """

    name: str
    match: str = ""
    note: str = ""
    remark: str = ""

    @property
    def heading(self) -> str:
        """The name, with the note in brackets."""
        return f"{self.name} ({self.note})" if self.note else self.name


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table.

    Attributes:
        label: as the paper prints it.
        values: one for each column, None where the paper prints none.
        method: vestige's name for the same method, or "".
        reference: whose method it is, where it is not the paper's own.
        spread: the "+-" of each value, where the paper prints one.
    """

    label: str
    values: tuple[float | None, ...]
    method: str = ""
    reference: str = ""
    spread: tuple[float, ...] = ()


@dataclass(frozen=True)
class PublishedTable:
    """A published table.

    Attributes:
        name: what it holds: ``landmarks``, ``keypoints``, ...
        number: its number in the paper, such as ``Table 1``.
        caption: what it shows.
        metric: vestige's name for the same measure, or None where there is none.
        units: of the values.
        lower_is_better: None where the values are no scores.
        columns, rows: of the table.
        classes: how many classes its means are over; 0 where it has none.
    """

    name: str
    number: str
    caption: str
    metric: str | None
    units: str
    lower_is_better: bool | None
    columns: tuple[Column, ...]
    rows: tuple[PublishedRow, ...]
    classes: int = 0

    def is_mean(self, column: int) -> bool:
        """Whether a column, by its index, is the mean over :attr:`classes`; where none is so called, all are."""
        matches = [each.match for each in self.columns]
        return bool(self.classes) and (matches[column] == "all" or "all" not in matches)

    def of_method(self, method: str) -> PublishedRow | None:
        """The paper's row of one of vestige's methods; None where there is none."""
        return next((row for row in self.rows if method and row.method == method), None)

    def column_for(self, text: str) -> int | None:
        """The index of the column whose ``match`` occurs in a text (a data spec); None where none does."""
        lowered = text.lower()
        for index, column in enumerate(self.columns):
            if column.match and column.match in lowered:
                return index
        return None


@dataclass(frozen=True)
class Statement:
    """A number that a paper gives in its text."""

    where: str
    what: str
    value: float
    units: str


@dataclass(frozen=True)
class Paper:
    """A paper with its numbers."""

    title: str
    authors: str
    short: str
    venue: str
    tables: tuple[PublishedTable, ...]
    statements: tuple[Statement, ...]

    def table(self, name: str) -> PublishedTable:
        """The table of a name.

        Raises:
            KeyError: where there is none.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)


@cache
def paper(name: str) -> Paper:
    """One of :data:`PAPERS`."""
    text = (resources.files("vestige") / "papers" / PAPERS[name] / "published.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return Paper(
        **document["paper"],
        tables=tuple(_table(entry) for entry in document["tables"]),
        statements=tuple(Statement(**entry) for entry in document["statements"]),
    )


def _table(entry: dict[str, Any]) -> PublishedTable:
    rows = tuple(_row(row, len(entry["columns"])) for row in entry["rows"])
    return PublishedTable(**{**entry, "columns": tuple(Column(**column) for column in entry["columns"]), "rows": rows})


def _row(entry: dict[str, Any], n_columns: int) -> PublishedRow:
    if len(entry["values"]) != n_columns:
        raise ValueError(f"published row {entry['label']!r} has {len(entry['values'])} values for {n_columns} columns")
    return PublishedRow(**{**entry, "values": tuple(entry["values"]), "spread": tuple(entry.get("spread", ()))})
