"""A keypoint detection's run read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

from vestige.correspondence.align.run import ReadBy
from vestige.correspondence.detect.methods import PRIOR
from vestige.intervals import Difference
from vestige.report.instance_run import InstanceRun
from vestige.report.measured_run import check_whole
from vestige.report.point_run import read_point_run
from vestige.run import Run

_ARRAYS = {"ids": "text N", "boxes": "number N 4", "classes": "text N"}


class _Feature(TypedDict):
    c: float
    eta: float
    sigma: float
    settled: int
    detectors: int
    positives: int
    negatives: int
    left: int


class _Config(TypedDict):
    alphas: list[float]
    chosen: str
    kinds: dict[str, _Feature]
    neighbours_by: ReadBy
    classes: list[str]
    eta: float
    sigma: float
    size: int
    reach: int


@dataclass(frozen=True)
class DetectRun(InstanceRun):
    """A detection with its results and examples."""

    @property
    def layer(self) -> str:
        """The layer that is best on training folds."""
        return str(self.results.config["chosen"])

    @property
    def best(self) -> str:
        """That layer's detectors with the prior: what pictures and headlines are about."""
        return f"detect:{self.layer}{PRIOR}"

    @property
    def kinds(self) -> Mapping[str, Mapping[str, Any]]:
        """By kind of feature: C, eta and sigma of training folds, and how the mining ended."""
        kinds: Mapping[str, Mapping[str, Any]] = self.results.config["kinds"]
        return kinds

    @cached_property
    def main_methods(self) -> tuple[str, ...]:
        """The paper's four, and where the nearest neighbour has the keypoint."""
        own = [f"detect:{kind}{end}" for kind in ("sift", self.layer) for end in ("", PRIOR)]
        return tuple(method for method in (*own, "nearest-neighbour") if method in self.methods)

    @cached_property
    def tried(self) -> Mapping[str, Mapping[tuple[float, float], float]]:
        """By kind of feature: PCK on training folds by (eta, sigma); eta 0 with sigma 0."""
        found: dict[str, dict[tuple[float, float], float]] = {}
        for row in self.results.sweep:
            if row.metric == f"train_{self.metric}" and row.subset.startswith("eta="):
                words = dict(word.split("=") for word in row.subset.split())
                setting = float(words["eta"]), float(words.get("sigma", 0))
                found.setdefault(row.method.removeprefix("detect:"), {})[setting] = row.value
        return found

    def pairs(self) -> list[tuple[str, str, Difference]]:
        """The paired differences of methods at the main metric, from the sweep."""
        start = f"{self.metric} - "
        named = [(r.method, r.metric.removeprefix(start)) for r in self.results.sweep if r.metric.startswith(start)]
        found = [(a, b, self.swept_difference(a, b)) for a, b in named]
        return [(a, b, difference) for a, b, difference in found if difference is not None]


def read_detect_run(run: Run) -> DetectRun:
    """Read a detection's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read, arrays = read_point_run(run), run.examples()
    check_whole(run, read.results, arrays, _Config, _ARRAYS)
    return DetectRun(read.name, read.results, read.examples, read.parts, arrays)
