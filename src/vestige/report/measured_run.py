"""A run's measurements, whatever its task: what the tables and charts that all tasks share are made from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import check_arrays
from vestige.documents import check_json
from vestige.intervals import Bootstrap, Difference, Floats, mean_known, paired_difference, seed_spread
from vestige.methods import Method
from vestige.report.style import DASHES, Theme
from vestige.results import Results, Row, damaged, mend
from vestige.run import Run


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
        return main_metric(self.results)

    @property
    def axis(self) -> str:
        """The main metric, as an axis is labelled."""
        return self.metric

    @property
    def lowest(self) -> float:
        """Where the main metric's axis begins."""
        return 0.0

    def method(self, name: str) -> Method:
        """What a method is."""
        return self.results.methods.get(name, Method(name))

    def label(self, method: str) -> str:
        """A method's name for readers."""
        return self.method(method).label

    def colour(self, method: str, theme: Theme) -> str:
        """A method's colour."""
        return theme.colour(self.method(method).colour)

    def dashes(self, method: str) -> Any:
        """A method's line style."""
        return DASHES[self.method(method).dash]

    @property
    def errors(self) -> Mapping[str, Floats]:
        """By method, and ``METHOD@SEED`` of one that is the mean of several, ``(N,)``: each test example's error;
        empty where the run keeps none."""
        return {}

    @property
    def groups(self) -> Sequence[str]:
        """``(N,)``: the group of each test example; empty where the run keeps no errors."""
        return ()

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The measured methods, in the tables' order."""
        found = [row.method for row in self.results.rows if row.metric == self.metric and row.subset == "all"]
        known = [method for method in self.results.methods if method in found]
        return (*known, *(method for method in found if method not in self.results.methods))

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
        """The paired difference of two methods' errors over the test examples, ``a - b``; its interval holds the
        spread over seeds of one that is the mean of several."""
        errors = self.errors
        if a not in errors or b not in errors:
            return None
        spread = math.hypot(self._seed_spread(a), self._seed_spread(b))
        return paired_difference(errors[a], errors[b], Bootstrap.draw(self.groups), spread)

    def _seed_spread(self, method: str) -> float:
        own = [errors for name, errors in self.errors.items() if name.startswith(f"{method}@")]
        return seed_spread(mean_known(np.stack(own))) if own else 0.0


@dataclass(frozen=True)
class ArraysRun(MeasuredRun):
    """A run with its results and arrays.

    Attributes:
        arrays: ``examples.npz``.
    """

    arrays: Mapping[str, NDArray[Any]]


def groups_kept(arrays: Mapping[str, NDArray[Any]], n: int) -> list[str]:
    """The groups of ``n`` test examples from ``examples.npz``; of a run that did not keep them, each its own."""
    groups: list[str] = arrays["groups"].tolist() if "groups" in arrays else [str(row) for row in range(n)]
    return groups


def check_whole(
    run: Run, results: Results, arrays: Mapping[str, NDArray[Any]], config: Any, needed: Mapping[str, str]
) -> None:
    """Refuse a run without what its page is made from.

    Args:
        run: its folder.
        results: of the run.
        arrays: of the run.
        config: the ``TypedDict`` of the entries of the config that the page reads.
        needed: the arrays, as :func:`vestige.arrays.check_arrays` has them.

    Raises:
        VestigeError: naming the file, the entry and what was expected there.
    """
    check_config(run, results, config)
    check_arrays(run.examples_path, arrays, needed, mend=mend())
    if not any((row.metric, row.subset) == (main_metric(results), "all") for row in results.rows):
        raise damaged(run.results_path, f"holds no row of {main_metric(results)!r} over all examples")


def check_config(run: Run, results: Results, config: Any) -> None:
    """Refuse a run whose config is not a ``TypedDict``.

    Raises:
        VestigeError: naming the file, the entry and what was expected there.
    """
    whole: Any = TypedDict("whole", {"config": config})
    try:
        check_json({"config": dict(results.config)}, whole)
    except ValueError as error:
        raise damaged(run.results_path, error) from error


def main_metric(results: Results) -> str:
    """The metric that a page is about."""
    return str(results.config.get("metric", "nme_inter_ocular"))
