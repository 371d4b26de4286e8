"""A comparison of backbones, layers and readouts, read back from its run, and its ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from vestige.errors import VestigeError
from vestige.intervals import Difference, Interval
from vestige.metrics import Metric
from vestige.probes.compare.names import network_of
from vestige.report.measured_run import MeasuredRun, check_whole
from vestige.results import Results, Row, damaged
from vestige.run import Run
from vestige.scores import Score

_ARRAYS = {
    "ids": "text N",
    "groups": "text N",
    **dict.fromkeys(("method", "layer", "readout"), "text E"),
    "errors": "real E N",
    "resampled": "real E _",
    "of_groups": "index E",
}

MARK = "*"
"""Before the layers that training folds chose."""


@dataclass(frozen=True)
class Skipped:
    """A combination that was not measured, and why."""

    backbone: str
    layer: str
    readout: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """One backbone, layer and readout, measured.

    Attributes:
        backbone: its spec; ``@random:SEED`` for random weights.
        layer, readout: what was read, and how.
        depth: of the layer, relative: 0 at the first layer of its network, 1 at the last.
        value: the metric over the test examples.
        ci95: its 95 % interval, or None.
        n: how many test examples it is over.
        selection: the same metric on folds of the training examples, by which layers are chosen.
        ms_per_image: of extracting it: milliseconds of the forward pass up to the layer.
        bytes_per_image: of the stored feature.
    """

    backbone: str
    layer: str
    readout: str
    depth: float
    value: float
    ci95: Interval | None
    n: int
    selection: float
    ms_per_image: float
    bytes_per_image: float

    @property
    def network(self) -> str:
        """The backbone without its weights: what it shares with its untrained twin."""
        return network_of(self.backbone)


@dataclass(frozen=True)
class Comparison(MeasuredRun):
    """Entries measured on the same test examples.

    Attributes:
        entries: each combination once, in the order in which they were measured.
        baselines: the rows of what needs no network, ``mean`` and ``rgb``.
        arrays: ``examples.npz``, as :func:`vestige.probes.compare.measure.measure_comparison` has it; empty where no
            differences are asked for.
    """

    entries: tuple[Entry, ...]
    baselines: tuple[Row, ...]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """On which layers are compared."""
        return str(self.results.config["task"])

    @property
    def main(self) -> Metric:
        """What the task's metric is."""
        return self.results.metrics[self.metric]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was not measured."""
        return tuple(Skipped(**one) for one in self.results.config["skipped"])

    @property
    def readouts(self) -> tuple[str, ...]:
        """In the order in which they were measured."""
        return tuple(dict.fromkeys(entry.readout for entry in self.entries))

    @property
    def backbones(self) -> tuple[str, ...]:
        """In the order in which they were measured."""
        return tuple(dict.fromkeys(entry.backbone for entry in self.entries))

    def trained(self, entry: Entry) -> bool:
        """Whether the weights of its network are other than random."""
        return self.method(entry.backbone).trained

    def better(self, value: float) -> float:
        """A key by which the better of two values comes first."""
        return -self.main.sign * value

    def ordered(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Entries from best to worst by their value on the test examples."""
        return tuple(sorted(entries, key=lambda entry: self.better(entry.value)))

    def picked(self) -> tuple[Entry, ...]:
        """The layer of every backbone and readout that training folds choose; best first by its value."""
        chosen: dict[tuple[str, str], Entry] = {}
        for entry in self.entries:
            key = (entry.backbone, entry.readout)
            if key not in chosen or self.better(entry.selection) < self.better(chosen[key].selection):
                chosen[key] = entry
        return self.ordered(tuple(chosen.values()))

    def rank(self, entries: Sequence[Entry]) -> tuple[Ranked, ...]:
        """Entries from best to worst, with paired bootstrap differences ``entry - best``."""
        best, *others = self.ordered(entries)
        score = self._score(best)
        ranked = (Ranked(place, e, self._score(e).difference(score)) for place, e in enumerate(others, start=2))
        return (Ranked(1, best, None), *ranked)

    def _score(self, entry: Entry) -> Score:
        """An entry's metric with its resamples."""
        at = self._rows[entry.backbone, entry.layer, entry.readout]
        groups = int(self.arrays["of_groups"][at])
        return Score(entry.value, self.arrays["resampled"][at].astype(np.float64), entry.n, groups)

    @property
    def _rows(self) -> dict[tuple[str, str, str], int]:
        """Where in the arrays each entry is."""
        named = (self.arrays[name].tolist() for name in ("method", "layer", "readout"))
        return {key: at for at, key in enumerate(zip(*named, strict=True))}


@dataclass(frozen=True)
class Ranked:
    """An entry with its place and its paired difference to the best; None for the best itself, and where too few
    groups of examples tell one."""

    place: int
    entry: Entry
    to_best: Difference | None

    @property
    def tied(self) -> bool:
        """Whether it cannot be told apart from the best: its difference's interval holds zero."""
        return self.to_best is None or self.to_best.ci95[0] <= 0 <= self.to_best.ci95[1]


class _Config(TypedDict):
    task: str
    metric: str
    skipped: list[Skipped]


def read_comparison(run: Run) -> Comparison:
    """Read the folder of a comparison.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the page is drawn from.
    """
    arrays, results = run.examples(), run.results()
    check_whole(run, results, arrays, _Config, _ARRAYS)
    try:
        found = comparison_of(run.name, results, arrays)
    except VestigeError as error:
        raise damaged(run.results_path, error) from error
    lost = {(e.backbone, e.layer, e.readout) for e in found.entries} - found._rows.keys()
    if lost:
        raise damaged(run.examples_path, f"has nothing of {' '.join(sorted(lost)[0])}")
    return found


def comparison_of(name: str, results: Results, arrays: Mapping[str, NDArray[Any]] | None = None) -> Comparison:
    """A comparison by its results.

    Raises:
        VestigeError: where they are not whole.
    """
    metric = str(results.config["metric"])
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in results.sweep:
        found.setdefault((row.method, row.layer or "", row.readout or ""), {})[row.metric] = row
    if not found or metric not in results.metrics or results.metrics[metric].lower_is_better is None:
        raise VestigeError(f"holds no layer with its {metric}")
    entries = tuple(_entry(metric, key, rows) for key, rows in found.items())
    baselines = tuple(row for row in results.rows if row.backbone is None and row.metric == metric)
    return Comparison(name, results, entries, baselines, arrays or {})


def _entry(metric: str, key: tuple[str, str, str], rows: Mapping[str, Row]) -> Entry:
    needed = (metric, f"oof_{metric}", "depth", "ms_per_image", "bytes_per_image")
    for name in needed:
        if name not in rows:
            raise VestigeError(f"holds no {name} of {' '.join(key)}")
    test, folds, depth, ms, stored = (rows[name] for name in needed)
    return Entry(*key, depth.value, test.value, test.ci95, test.n, folds.value, ms.value, stored.value)


def ranking_tables(results: Results) -> list[Table]:
    """The ranking."""
    return [ranking_table(comparison_of("", results))]


def ranking_table(comparison: Comparison) -> Table:
    """Everything that was compared, the best first, with its cost; the layers that training folds chose are marked."""
    n = comparison.results.data["test"]["n"]
    title = f"{comparison.task}: {comparison.metric}, test n = {n} ({MARK} chosen on training folds)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    picked = comparison.picked()
    for heading in ("", "backbone", "layer", "readout"):
        table.add_column(heading, overflow="fold")
    for heading in ("folds", "test", "95 % CI", "ms", "kB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in comparison.ordered(comparison.entries):
        cost = (f"{one.ms_per_image:.1f}", f"{one.bytes_per_image / 1000:.1f}")
        mark, test = MARK if one in picked else "", f"{one.value:.4f}"
        read = (one.backbone, one.layer, one.readout)
        table.add_row(mark, *read, f"{one.selection:.4f}", test, _range(one.ci95), *cost)
    for baseline in comparison.baselines:
        table.add_row("", baseline.method, "", "", "", f"{baseline.value:.4f}", _range(baseline.ci95), "", "")
    return table


def _range(ci95: tuple[float, float] | None) -> str:
    if ci95 is None:
        return ""
    low, high = ci95
    return f"{low:.4f}{' to ' if low < 0 else '-'}{high:.4f}"
