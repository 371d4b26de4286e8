"""A keypoint detection's run read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

from vestige.correspondence.align.run import ReadBy
from vestige.intervals import Difference
from vestige.report.instance_run import InstanceRun
from vestige.report.measured_run import check_whole
from vestige.report.point_run import read_point_run
from vestige.report.style import DASHES, Theme
from vestige.run import Run

PRIOR, CHOSEN = "+prior", "+prior-cv"
"""How the methods with a prior end: with the given eta and sigma, and with those of training folds."""

LABELS = {"mean": "Mean place", "nearest-neighbour": "Nearest neighbour", "detect:sift": "SIFT"}

_ENDS = {CHOSEN: (" + prior, tuned", (0, (4, 1.6, 1, 1.6))), PRIOR: (" + prior", "-"), "": ("", (0, (4, 2)))}
_ARRAYS = {"ids": "text N", "boxes": "number N 4", "classes": "text N"}
_COLOURS = {"mean": "mean", "nearest-neighbour": "rgb"}


class _Kind(TypedDict):
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
    kinds: dict[str, _Kind]
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

    def label(self, method: str) -> str:
        """A method's name for readers."""
        for end, (said, _) in _ENDS.items():
            if end and method.endswith(end):
                return self.label(method.removesuffix(end)) + said
        return LABELS.get(method) or method.removeprefix("detect:")

    def colour(self, method: str, theme: Theme) -> str:
        """A method's colour: one for each kind of feature."""
        known = _COLOURS.get(method)
        if known is not None:
            return theme.method(known)
        kind = self._plain(method).removeprefix("detect:")
        if kind in ("sift", self.layer):
            return theme.method("look-back" if kind == "sift" else "ridge")
        others = [name for name in self.kinds if name not in ("sift", self.layer)]
        return theme.accents[2 + others.index(kind) % (len(theme.accents) - 2)]

    def dashes(self, method: str) -> Any:
        """A method's line style: one for each kind of prior."""
        if method in _COLOURS:
            return DASHES[_COLOURS[method]]
        return next(dash for end, (_, dash) in _ENDS.items() if method.endswith(end))

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

    def _plain(self, method: str) -> str:
        return method.removesuffix(CHOSEN).removesuffix(PRIOR)


def read_detect_run(run: Run) -> DetectRun:
    """Read a detection's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read, arrays = read_point_run(run), run.examples()
    check_whole(run, read.results, arrays, _Config, _ARRAYS)
    return DetectRun(read.name, read.results, read.examples, read.parts, arrays)
