"""``results.json``: what a run measured, and on what."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from vestige.documents import Count, Json, check_json, read_json
from vestige.errors import VestigeError
from vestige.methods import Method, describe_methods
from vestige.metrics import Metric, describe_metrics
from vestige.spelling import spelled
from vestige.stopwatch import Spent

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA = 2

_VARYING = ("layer", "readout", "backbone", "seed")
"""The fields of a Row that are given where they vary."""


@dataclass(frozen=True)
class Row:
    """One number with its meaning.

    Attributes:
        method: ``mean``, ``rgb``, ``ridge``, ``look-back``, ``untrained``, ...
        metric: what was measured, such as ``nme_inter_ocular``.
        subset: of the examples, points or classes; ``all``, or a name.
        value: the number.
        ci95: its 95 % confidence interval (bootstrap over groups of test examples), or None where there is none.
        n: how many test examples it is over; in the sweep, training views for ``oof_`` metrics, what was tried for
            ``train_`` and ``cv_``, and peaks for those of peaks.
        layer, readout, backbone, seed: given where they vary.
    """

    method: str
    metric: str
    subset: str
    value: float
    ci95: tuple[float, float] | None
    n: Count
    layer: str | None = None
    readout: str | None = None
    backbone: str | None = None
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON; fields that do not vary are left out."""
        return {key: value for key, value in asdict(self).items() if key not in _VARYING or value is not None}


@dataclass(frozen=True)
class Results:
    """All of ``results.json``; the mappings are written as they are.

    Attributes:
        task: ``landmarks``, ``keypoints``, ...
        config: every option, resolved, seeds included.
        data: by role, as ``train`` and ``test``: spec, fingerprint, n, boxes (how many have one), groups (which folds
            and resamples keep together), skipped.
        backbone: spec, weights_sha256, layer, readout, dim.
        ridge: alphas, at_boundary, form.
        metrics: what each metric of the rows is.
        methods: what each method of the rows is, in the order of tables.
        rows: exactly one per (method, metric, subset), at the layer chosen on training folds.
        sweep: every other measurement.
        created: local time in ISO format.
        seconds: how long the run took.
        times: what of that every kind of work took.
        vestige: the version that made it.
        notes: sentences that a reader of the numbers must know (what was left out, and why).
    """

    task: str
    config: Mapping[str, Json]
    data: Mapping[str, Json]
    backbone: Mapping[str, Json]
    ridge: Mapping[str, Json]
    rows: tuple[Row, ...]
    sweep: tuple[Row, ...] = ()
    created: str = ""
    seconds: float = 0.0
    times: tuple[Spent, ...] = ()
    vestige: str = ""
    notes: tuple[str, ...] = field(default=())
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)

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

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the methods in the order of their rows."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    @property
    def metric(self) -> Metric | None:
        """What the main metric is; None of a run that has none."""
        return self.metrics.get(str(self.config.get("metric")))

    def to_json(self) -> dict[str, Any]:
        """The document in the order that a reader wants."""
        return {
            "schema": SCHEMA,
            "vestige": self.vestige,
            "task": self.task,
            "created": self.created,
            "seconds": self.seconds,
            "times": [asdict(spent) for spent in self.times],
            "config": dict(self.config),
            "data": dict(self.data),
            "backbone": dict(self.backbone),
            "ridge": dict(self.ridge),
            "metrics": {name: asdict(metric) for name, metric in self.metrics.items()},
            "methods": {name: asdict(method) for name, method in self.methods.items()},
            "notes": list(self.notes),
            "rows": [row.to_json() for row in self.rows],
            "sweep": [row.to_json() for row in self.sweep],
        }


class _Data(TypedDict, total=False):
    """What is said of a data set; ``label`` is what pages call it, where its role says too little; ``counted`` is what
    ``n`` counts, where it counts no pictures."""

    label: str
    counted: str
    spec: str
    fingerprint: str
    n: Count
    boxes: Count
    groups: Count
    skipped: Count
    problems: list[str]
    copies: Count


class _Backbone(TypedDict, total=False):
    """What is said of the network."""

    spec: str
    weights_sha256: str
    layer: str
    readout: str
    dim: Count


class _Ridge(TypedDict, total=False):
    """What is said of the fit."""

    alphas: list[float]
    at_boundary: float
    form: str


class _Config(TypedDict, total=False):
    """The entries of a config that all tasks share."""

    metric: str
    command: list[str] | str
    evaluated_run: str
    backbone: str
    seed: int


class _Shared(TypedDict):
    """The entries of the mappings whose type is the same whatever the task; none of them need be there."""

    config: _Config
    data: dict[str, _Data]
    backbone: _Backbone
    ridge: _Ridge


@dataclass(frozen=True)
class _Version:
    schema: Json = None


def read_results(path: Path) -> Results:
    """Read ``results.json``.

    Raises:
        VestigeError: where the file is missing, damaged or of another schema.
    """
    found = read_json(path, _Version, what="results", mend=mend()).schema
    if found != SCHEMA:
        raise VestigeError(f"{path}: expected results of schema {SCHEMA}, found {found!r}; run the command again")
    results = read_json(path, Results, what="results", mend=mend())
    try:
        check_json({name: dict(getattr(results, name)) for name in _Shared.__annotations__}, _Shared)
    except ValueError as error:
        raise damaged(path, error) from error
    return results


def mend() -> str:
    """The remedy for a run that is damaged."""
    return f"run the command again with {spelled('overwrite', True)}"


def damaged(path: Path, why: object) -> VestigeError:
    """The error about a file of a run that holds something else than its page, or its probe, needs."""
    return VestigeError(f"{path}: is damaged: {why}; {mend()}")


def described(
    rows: Iterable[Row], metrics: Mapping[str, Metric], methods: Mapping[str, Method] | Callable[[str], Method]
) -> tuple[dict[str, Metric], dict[str, Method]]:
    """What the metrics and the methods of rows are, as results keep it.

    Args:
        rows: of results and of their sweep.
        metrics: the task's, as :func:`vestige.metrics.describe_metrics` takes them.
        methods: in the same way, as :func:`vestige.methods.describe_methods`.
    """
    rows = list(rows)
    return describe_metrics((row.metric for row in rows), metrics), describe_methods(
        (row.method for row in rows), methods
    )


def resampled(*data: Mapping[str, Any], what: str = "test pictures") -> str:
    """What intervals are made by resampling: groups of test examples where some hold several, else the examples.

    Args:
        data: of the runs that the intervals are of.
        what: the examples are, in words.
    """
    joined = [each["test"].get("groups", each["test"]["n"]) < each["test"]["n"] for each in data]
    if all(joined):
        return f"groups of {what}"
    return f"{what}, or groups of them where the data have groups" if any(joined) else what


def same_but(rows: Iterable[Row], **changes: Any) -> tuple[Row, ...]:
    """The rows with some fields set, as when measurements go into the sweep with their layer."""
    return tuple(replace(row, **changes) for row in rows)


def frame_of(rows: Iterable[Row]) -> DataFrame:
    """Rows as a pandas DataFrame: a column a field, the interval in two, ``low`` and ``high``.

    Raises:
        VestigeError: where pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise VestigeError(f"to_frame() needs pandas ({error}); install it with: pip install pandas") from error
    always = ("method", "metric", "subset", "value", "low", "high", "n")
    entries = [{**asdict(row), "low": row.ci95 and row.ci95[0], "high": row.ci95 and row.ci95[1]} for row in rows]
    varying = [name for name in _VARYING if any(entry[name] is not None for entry in entries)]
    return pandas.DataFrame(entries, columns=[*always, *varying])


def now() -> str:
    """Local time in ISO format, as ``created`` has it."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
