"""``results.json``: what a run measured, and on what."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vestige.errors import VestigeError

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """One number with its meaning.

    Attributes:
        method: ``mean``, ``rgb``, ``ridge``, ``look-back``, ``untrained``, ...
        metric: what was measured, such as ``nme_inter_ocular``.
        subset: of the examples, points or classes; ``all``, or a name.
        value: the number.
        ci95: its 95 % confidence interval (bootstrap over test examples), or None where there is none.
        n: how many test examples it is over.
        layer, readout, backbone, seed: given where they vary.
    """

    method: str
    metric: str
    subset: str
    value: float
    ci95: tuple[float, float] | None
    n: int
    layer: str | None = None
    readout: str | None = None
    backbone: str | None = None
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON; fields that do not vary are left out."""
        optional = ("layer", "readout", "backbone", "seed")
        return {key: value for key, value in asdict(self).items() if key not in optional or value is not None}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Row:
        """The inverse of :meth:`to_json`."""
        interval = entry.get("ci95")
        return cls(**{**entry, "ci95": None if interval is None else (interval[0], interval[1])})


@dataclass(frozen=True)
class Results:
    """All of ``results.json``; the mappings are written as they are.

    Attributes:
        task: ``landmarks``, ``keypoints``, ...
        config: every option, resolved, seeds included.
        data: ``train`` and ``test``: spec, fingerprint, n, skipped.
        backbone: spec, weights_sha256, layer, readout, dim.
        ridge: alphas, at_boundary, form.
        rows: exactly one per (method, metric, subset), at the layer chosen on training folds.
        sweep: every other measurement.
        created: local time in ISO format.
        seconds: how long the run took.
        vestige: the version that made it.
        notes: sentences that a reader of the numbers must know (what was left out, and why).
    """

    task: str
    config: Mapping[str, Any]
    data: Mapping[str, Any]
    backbone: Mapping[str, Any]
    ridge: Mapping[str, Any]
    rows: tuple[Row, ...]
    sweep: tuple[Row, ...] = ()
    created: str = ""
    seconds: float = 0.0
    vestige: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for row in self.rows:
            key = (row.method, row.metric, row.subset)
            if key in seen:
                raise ValueError(f"two rows for {key}: rows hold one Row per (method, metric, subset)")
            seen.add(key)

    def row(self, method: str, metric: str, subset: str = "all") -> Row:
        """The one row of a method, metric and subset.

        Raises:
            KeyError: where there is none.
        """
        for row in self.rows:
            if (row.method, row.metric, row.subset) == (method, metric, subset):
                return row
        raise KeyError((method, metric, subset))

    def methods(self) -> tuple[str, ...]:
        """The methods in the order of their rows."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def to_json(self) -> dict[str, Any]:
        """The document in the order that a reader wants."""
        return {
            "schema": SCHEMA,
            "vestige": self.vestige,
            "task": self.task,
            "created": self.created,
            "seconds": self.seconds,
            "config": dict(self.config),
            "data": dict(self.data),
            "backbone": dict(self.backbone),
            "ridge": dict(self.ridge),
            "notes": list(self.notes),
            "rows": [row.to_json() for row in self.rows],
            "sweep": [row.to_json() for row in self.sweep],
        }


def read_results(path: Path) -> Results:
    """Read ``results.json``.

    Raises:
        VestigeError: where the file is missing, damaged or of another schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VestigeError(f"{path}: cannot be read as results: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else None
        raise VestigeError(f"{path}: expected results of schema {SCHEMA}, found {found!r}; run the command again")
    try:
        fields = {key: value for key, value in document.items() if key not in ("schema", "rows", "sweep", "notes")}
        return Results(
            **fields,
            rows=_rows(document["rows"]),
            sweep=_rows(document["sweep"]),
            notes=tuple(document.get("notes", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VestigeError(f"{path}: is damaged: {error}; run the command again with --overwrite") from error


def same_but(rows: Iterable[Row], **changes: Any) -> tuple[Row, ...]:
    """The rows with some fields set, as when measurements go into the sweep with their layer."""
    return tuple(replace(row, **changes) for row in rows)


def now() -> str:
    """Local time in ISO format, as ``created`` has it."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _rows(entries: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
    return tuple(Row.from_json(entry) for entry in entries)
