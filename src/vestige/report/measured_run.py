"""A run's measurements, whatever its task: what the tables and charts that all tasks share are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from vestige.errors import VestigeError
from vestige.metrics import Bootstrap, Difference, Floats, paired_difference
from vestige.results import Results, Row
from vestige.run import Arrays, Run

LABELS = {
    "mean": "Mean shape",
    "rgb": "Pixels (RGB)",
    "untrained": "Untrained network",
    "ridge": "Network + ridge",
    "look-back": "Network + look-back",
    "look-back-2": "Network + look-back, twice",
}
"""The methods as a reader meets them; the order is that of the tables."""


def label(method: str) -> str:
    """A method's name for readers."""
    return LABELS.get(method, method)


@dataclass(frozen=True)
class MeasuredRun:
    """A run with its results.

    Attributes:
        name: of its folder.
        results: of the run.
    """

    name: str
    results: Results

    @property
    def metric(self) -> str:
        """The main metric's name."""
        return str(self.results.config.get("metric", "nme_inter_ocular"))

    @property
    def axis(self) -> str:
        """The main metric, as an axis is labelled."""
        return self.metric

    @property
    def lowest(self) -> float:
        """Where the main metric's axis begins."""
        return 0.0

    def label(self, method: str) -> str:
        """A method's name for readers."""
        return label(method)

    @property
    def errors(self) -> Mapping[str, Floats]:
        """By method, ``(N,)``: each test example's error; empty where the run keeps none."""
        return {}

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The measured methods, in the tables' order."""
        found = [row.method for row in self.results.rows if row.metric == self.metric and row.subset == "all"]
        known = [method for method in LABELS if method in found]
        return (*known, *(method for method in found if method not in LABELS))

    @property
    def best(self) -> str:
        """The last step of the network's own reading: the last look-back, or ridge."""
        steps = [method for method in self.methods if method == "ridge" or method.startswith("look-back")]
        return steps[-1] if steps else self.methods[-1]

    def find(self, method: str, metric: str | None = None, subset: str = "all") -> Row | None:
        """The row of a method, or None where the run has none."""
        try:
            return self.results.row(method, metric or self.metric, subset)
        except KeyError:
            return None

    def swept(self, method: str, metric: str, subset: str = "all") -> Row | None:
        """A row of the sweep; None where there is none."""
        for row in self.results.sweep:
            if (row.method, row.metric, row.subset) == (method, metric, subset):
                return row
        return None

    def swept_difference(self, a: str, b: str) -> Difference | None:
        """The paired difference of two methods at the main metric, ``a - b``, from the sweep; None without one."""
        value, p = (self.swept(a, f"{start}{self.metric} - {b}") for start in ("", "p of "))
        if value is None or p is None or value.ci95 is None:
            return None
        return Difference(value.value, value.ci95, p.value)

    def difference(self, a: str, b: str) -> Difference | None:
        """The paired difference of two methods' errors over the test examples, ``a - b``."""
        errors = self.errors
        if a not in errors or b not in errors:
            return None
        return paired_difference(errors[a], errors[b], Bootstrap.draw(len(errors[a])))


def check_whole(run: Run, results: Results, arrays: Arrays, config: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a run that lacks entries of its config, or arrays, by name.

    Raises:
        VestigeError: naming them.
    """
    missing = [name for name in config if name not in results.config]
    if missing:
        raise VestigeError(f"{run.results_path}: its config lacks {', '.join(missing)}; run it again with --overwrite")
    lost = [name for name in names if name not in arrays]
    if lost:
        raise VestigeError(f"{run.examples_path}: lacks {', '.join(lost)}; run it again with --overwrite")
