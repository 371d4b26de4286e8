"""A dissection read back from its folder: what its page is drawn from, and what later tasks know of its units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from vestige.arrays import check_arrays
from vestige.report.measured_run import ArraysRun, check_config
from vestige.results import Results, Row, damaged, mend
from vestige.run import Run
from vestige.units.places import Standing
from vestige.units.rules import Rule, UnitScale, shown_by

_ALWAYS = {
    "ids": "text N",
    "scenes": "text N",
    "halves": "index N",
    "layers": "text L",
    "objects": "text O",
    "picture_rows": "row:N M",
    "pictures": "byte M S S 3",
}

_OF_LAYER = {
    "top_rows": "row:N C K",
    "top_values": "real C K",
    "top_places": "index C K",
    "negatives": "row:N C _",
    "quantiles": "real C _",
    "threshold": "real C",
    "mean": "real C",
}

_WITH_OBJECTS = {
    "labels": "index C",
    "iou": "real C",
    "average_precision": "real C",
    "p_value": "real C",
    "chance_iou": "real C",
    "detector": "bool C",
    "edges": "real C B",
    "positives": "real C P",
    "points": "real C P",
}


class _Standing(TypedDict):
    size: list[int]
    grid: list[int]
    stride: list[float]
    centre: list[float]
    exact: bool


class _Config(TypedDict):
    standings: dict[str, _Standing]
    quantile: float
    points: int


@dataclass(frozen=True)
class DissectRun(ArraysRun):
    """A dissection with its arrays."""

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """In the order of depth."""
        return tuple(self.arrays["layers"].tolist())

    @cached_property
    def objects(self) -> tuple[str, ...]:
        """Names of the objects; () where the data had none."""
        return tuple(self.arrays["objects"].tolist())

    def of(self, layer: str, key: str) -> NDArray[Any]:
        """An array of a layer."""
        return self.arrays[f"{layer}/{key}"]

    def standing(self, layer: str) -> Standing:
        """How its maps lie on pictures."""
        said = self.results.config["standings"][layer]
        (height, width), (h, w), (dy, dx), (y, x) = (said[key] for key in ("size", "grid", "stride", "centre"))
        return Standing((height, width), (h, w), (dy, dx), (y, x), bool(said["exact"]))

    def scale(self, layer: str, unit: int) -> UnitScale:
        """What rules know of a unit."""
        return UnitScale(float(self.of(layer, "threshold")[unit]), float(self.of(layer, "top_values")[unit, 0]))

    def mask(self, layer: str, unit: int, map: NDArray[np.float32], rule: Rule) -> NDArray[np.bool_]:
        """What a map ``(h, w)`` shows, over one of the run's pictures ``(S, S)``."""
        side = self.arrays["pictures"].shape[1]
        return shown_by(rule, map, self.standing(layer), (side, side), self.scale(layer, unit))

    def object_of(self, layer: str, unit: int) -> str:
        """The label of a unit."""
        return self.objects[int(self.of(layer, "labels")[unit])] if self.objects else ""

    def confidence(self, layer: str, unit: int, activations: NDArray[Any]) -> NDArray[np.float64]:
        """The precision of a unit's label at activations ``(...)``: the share of points so active that show the object.

        Made to rise with the activation (isotonic regression of the counts by step).
        """
        positives, points = (self.of(layer, key)[unit].astype(np.float64) for key in ("positives", "points"))
        share = np.divide(positives, points, out=np.zeros_like(points), where=points > 0)
        steps = np.arange(len(share))
        rising = IsotonicRegression(y_min=0, y_max=1).fit(steps, share, points + 1e-9).predict(steps)
        step = (np.asarray(activations)[..., None] > self.of(layer, "edges")[unit]).sum(axis=-1)
        found: NDArray[np.float64] = np.asarray(rising, np.float64)[step]
        return found

    def row(self, metric: str, layer: str, method: str = "network") -> Row | None:
        """A number of a layer."""
        return self.find(method, metric, layer)


def dissection_results(run: Run) -> Results:
    """The results of a finished dissection.

    Raises:
        VestigeError: where the run is of another task.
    """
    return run.results_of("dissect", "units dissect")


def read_dissection(run: Run) -> DissectRun:
    """A finished dissection.

    Raises:
        VestigeError: where the run is of another task, or lacks what belongs to a dissection.
    """
    results = dissection_results(run)
    read = DissectRun(run.name, results, run.examples())
    check_config(run, results, _Config)
    check_arrays(run.examples_path, read.arrays, _ALWAYS, mend=mend())
    for k, layer in enumerate(read.layers):
        wanted = {**_OF_LAYER, **(_WITH_OBJECTS if read.objects else {})}
        each = {f"{layer}/{key}": _apart(expected, k) for key, expected in wanted.items()}
        each |= {f"shown/{layer}/units": f"index U{k}", f"shown/{layer}/maps": f"real U{k} _ H{k} W{k}"}
        check_arrays(run.examples_path, read.arrays, {**_ALWAYS, **each}, mend=mend())
        if layer not in results.config["standings"]:
            raise damaged(run.results_path, f"says nothing of how the maps of {layer!r} lie on pictures")
    return read


def _apart(expected: str, k: int) -> str:
    """A shape whose letters are a layer's own."""
    kind, *dims = expected.split()
    return " ".join([kind, *(dim if dim in ("_", "N") else f"{dim}{k}" for dim in dims)])
