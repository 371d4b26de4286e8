"""A keypoint classification's run read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypedDict

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from vestige.arrays import Arrays, check_arrays
from vestige.intervals import Difference
from vestige.report.measured_run import MeasuredRun, check_whole
from vestige.results import Row, mend
from vestige.run import Run

_ARRAYS = {
    "keypoint": "index M",
    "example": "index M",
    "classes": "text _",
    "prediction/*": "number M",
    "peak_marks?": "row:M P",
    "peak/*": "index P 2",
}


class _Config(TypedDict):
    best: Annotated[list[str], Meta(min_length=1, max_length=2)]
    c: dict[str, float]
    classes: list[str]
    keypoints: list[str]


@dataclass(frozen=True)
class ClassifyRun(MeasuredRun):
    """A classification with its results and examples.

    Attributes:
        arrays: ``examples.npz``.
    """

    arrays: Arrays

    @property
    def layers(self) -> tuple[str, ...]:
        """The network's methods."""
        return tuple(method for method in self.methods if method.startswith("cell:"))

    @property
    def sifts(self) -> tuple[str, ...]:
        """SIFT's methods."""
        return tuple(method for method in self.methods if method.startswith("sift:"))

    @property
    def best_layer(self) -> str:
        """The network's method that is best by cross-validation."""
        return str(self.results.config["best"][0])

    @property
    def best_sift(self) -> str | None:
        """SIFT's; None where there is none."""
        best = self.results.config["best"]
        return str(best[1]) if len(best) > 1 else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(self.results.config["classes"])

    @property
    def keypoints(self) -> tuple[str, ...]:
        """The names of the markup's points."""
        return tuple(self.results.config["keypoints"])

    @property
    def tried(self) -> Mapping[str, Mapping[float, float]]:
        """By method: accuracy by cross-validation by C."""
        found: dict[str, dict[float, float]] = {}
        for row in self.results.sweep:
            if row.metric == "cv_accuracy" and row.subset.startswith("C="):
                found.setdefault(row.method, {})[float(row.subset.removeprefix("C="))] = row.value
        return found

    def peak_row(self, method: str, metric: str) -> Row | None:
        """``peaks_inside`` or ``peak_distance`` of a method; None where it has no such peaks."""
        rows = (row for row in self.results.sweep if (row.method, row.metric) == (method, metric))
        return next(rows, None)

    @property
    def peaks(self) -> Mapping[str, NDArray[np.int8]]:
        """By method ``(m, 2)``: the offsets of the highest responses; empty where none were sought."""
        return {name.removeprefix("peak/"): array for name, array in self.arrays.items() if name.startswith("peak/")}

    @property
    def difference_from_sift(self) -> Difference | None:
        """The paired difference of the network's best and SIFT's best; None where there is no SIFT."""
        return None if self.best_sift is None else self.swept_difference(self.best_layer, self.best_sift)


def read_classify_run(run: Run) -> ClassifyRun:
    """Read a classification's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read = ClassifyRun(run.name, run.results(), run.examples())
    check_whole(run, read.results, read.arrays, _Config, _ARRAYS)
    check_arrays(run.examples_path, read.arrays, {f"prediction/{read.best_layer}": "index _"}, mend=mend())
    return read
