"""An alignment's run read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.geometry import Box
from vestige.metrics import Difference
from vestige.report.landmark_run import LandmarkRun, read_landmark_run
from vestige.report.style import DASHES, Theme
from vestige.results import Row
from vestige.run import Arrays, Run

LABELS = {
    "mean": "Mean place",
    "nearest-neighbour": "Nearest neighbour",
    "unaligned": "Median, unaligned",
    "flow:sift": "SIFT flow",
}
"""The methods that are always there, as a reader meets them."""

_COLOURS = {"mean": "mean", "nearest-neighbour": "rgb", "unaligned": "untrained", "flow:sift": "look-back"}
_CONFIG = ("alphas", "chosen", "beta", "neighbours", "first", "neighbours_by", "classes")
_ARRAYS = ("boxes", "classes", "neighbour_rows", "neighbour_pictures", "neighbour_points")


@dataclass(frozen=True)
class AlignRun(LandmarkRun):
    """An alignment with its results and examples.

    Attributes:
        arrays: ``examples.npz``.
    """

    arrays: Arrays

    @property
    def chosen(self) -> str:
        """The network's flow that is best on training instances."""
        return str(self.results.config["chosen"])

    @property
    def layer(self) -> str:
        """The layer of that flow."""
        return self.chosen.removeprefix("flow:")

    @property
    def best(self) -> str:
        """The same: what pictures and curves are about."""
        return self.chosen

    @property
    def boxes(self) -> Box:
        """``(N, 4)`` in pixels."""
        return self.arrays["boxes"].astype(np.float64)

    @property
    def class_names(self) -> NDArray[np.str_]:
        """``(N,)``: each instance's class."""
        return self.arrays["classes"].astype(str)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(self.results.config["classes"])

    @cached_property
    def subsets(self) -> tuple[str, ...]:
        """What the main metric was measured on."""
        return tuple(dict.fromkeys(row.subset for row in self.results.rows if row.metric == self.metric))

    @cached_property
    def main_methods(self) -> tuple[str, ...]:
        """The chosen flow, SIFT's on its grid, and what does without flow."""
        return tuple(
            m for m in (self.chosen, "flow:sift", "unaligned", "nearest-neighbour", "mean") if m in self.methods
        )

    @cached_property
    def tried(self) -> Mapping[str, Mapping[float, float]]:
        """By flow: PCK on training instances by beta."""
        found: dict[str, dict[float, float]] = {}
        for row in self.results.sweep:
            if row.metric == f"train_{self.metric}" and row.subset.startswith("beta="):
                found.setdefault(row.method, {})[float(row.subset.removeprefix("beta="))] = row.value
        return found

    def label(self, method: str) -> str:
        """A method's name for readers."""
        if method.startswith("flow:sift-"):
            return f"SIFT flow at {method.removeprefix('flow:sift-')}"
        return LABELS.get(method) or f"{method.removeprefix('flow:')} flow"

    def beta(self, method: str) -> str:
        """``beta 0.003``; empty for what is no flow."""
        beta = self.results.config["beta"].get(method)
        return "" if beta is None else f"beta {beta:g}"

    def colour(self, method: str, theme: Theme) -> str:
        """A method's colour."""
        known = _COLOURS.get(method)
        if known is not None:
            return theme.method(known)
        if method == self.chosen:
            return theme.method("ridge")
        others = [m for m in self.methods if m not in _COLOURS and m != self.chosen]
        return theme.accents[2 + others.index(method) % (len(theme.accents) - 2)]

    def dashes(self, method: str) -> Any:
        """A method's line style."""
        return DASHES.get(_COLOURS.get(method, ""), "-")

    def row(self, method: str) -> Row:
        """A method's row of the main metric over all.

        Raises:
            VestigeError: where the run has none.
        """
        row = self.find(method)
        if row is None:
            raise VestigeError(f"{self.name}: results.json has no row of {method}, {self.metric}; run it again")
        return row

    def paired(self, method: str, other: str) -> Difference | None:
        """The paired difference of two methods at the main metric, from the sweep; None where it is not there."""
        value = p = None
        for row in self.results.sweep:
            if row.method == method and row.metric == f"{self.metric} - {other}":
                value = row
            if row.method == method and row.metric == f"p of {self.metric} - {other}":
                p = row
        if value is None or p is None or value.ci95 is None:
            return None
        return Difference(value.value, value.ci95, p.value)


def read_align_run(run: Run) -> AlignRun:
    """Read an alignment's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read, arrays = read_landmark_run(run), run.examples()
    missing = [name for name in _CONFIG if name not in read.results.config]
    if missing:
        raise VestigeError(f"{run.results_path}: its config lacks {', '.join(missing)}; run it again with --overwrite")
    lost = [name for name in _ARRAYS if name not in arrays]
    if lost:
        raise VestigeError(f"{run.examples_path}: lacks {', '.join(lost)}; run it again with --overwrite")
    return AlignRun(read.name, read.results, read.examples, read.parts, arrays)
