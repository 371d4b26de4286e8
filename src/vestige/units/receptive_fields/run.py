"""A finished measurement of receptive fields: what its page is drawn from, and what units' pictures may be shown by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import check_arrays
from vestige.documents import Count
from vestige.report.measured_run import ArraysRun, check_config
from vestige.results import Row, mend
from vestige.run import Run


class _Config(TypedDict):
    layers: list[str]
    occluder: Count
    stride: Count
    fraction: float
    units: Count
    fresh: bool
    weighted: bool
    occlusions: dict[str, Count]


@dataclass(frozen=True)
class FieldsRun(ArraysRun):
    """A measurement of receptive fields with its arrays."""

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """In the order of depth."""
        return tuple(self.results.config["layers"])

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """The layers with units that an occluder changes."""
        return tuple(layer for layer in self.layers if self.row("actual", "size", layer) is not None)

    def share(self, layer: str) -> float | None:
        """The actual size of the theoretical one, where there are both."""
        theory, actual = (self.row(method, "size", layer) for method in ("theoretical", "actual"))
        return None if theory is None or actual is None else actual.value / theory.value

    def row(self, method: str, metric: str, layer: str) -> Row | None:
        """A row of a layer, or None where it has none."""
        return self.find(method, metric, layer)

    def value(self, method: str, layer: str) -> Row:
        """The size in a layer that has one."""
        return self.results.row(method, "size", layer)

    def field(self, layer: str, unit: int, reach: int) -> NDArray[np.float64]:
        """A unit's field by pixel in shares of its peak, ``(2 reach + 1, 2 reach + 1)`` about its place.

        Args:
            layer: of the unit.
            unit: by its row among the units measured.
            reach: of the field; what is not known is 0.
        """
        stride = int(self.results.config["stride"])
        field = np.nan_to_num(self.arrays[f"field/{layer}"][unit].astype(np.float64))
        middle = len(field) // 2
        at = np.clip(np.arange(-reach, reach + 1) / stride + middle, 0, len(field) - 1)
        low = np.minimum(at.astype(int), max(len(field) - 2, 0))
        share = (at - low)[:, None]
        rows = field[low] * (1 - share) + field[np.minimum(low + 1, len(field) - 1)] * share
        columns = rows[:, low] * (1 - share.T) + rows[:, np.minimum(low + 1, len(field) - 1)] * share.T
        beyond = np.abs(np.arange(-reach, reach + 1)) > middle * stride
        columns[beyond] = columns[:, beyond] = 0
        found: NDArray[np.float64] = columns
        return found

    def footprint(self, layer: str, unit: int) -> NDArray[np.bool_] | None:
        """Where a unit's field is above the fraction of its peak, by pixel about its place; None where it is not known.

        Args:
            layer: of the unit.
            unit: by its number in the layer.
        """
        if layer not in self.measured:
            return None
        rows = np.flatnonzero(self.arrays[f"units/{layer}"] == unit)
        if not len(rows) or not np.isfinite(self.arrays[f"size/{layer}"][rows[0]]):
            return None
        reach = self.arrays[f"field/{layer}"].shape[1] // 2 * int(self.results.config["stride"])
        found: NDArray[np.bool_] = self.field(layer, int(rows[0]), reach) > float(self.results.config["fraction"])
        return found


def read_fields(run: Run) -> FieldsRun:
    """A finished measurement of receptive fields.

    Raises:
        VestigeError: where the run is of another task, or lacks what belongs to one.
    """
    results = run.results_of("receptive-fields", "units receptive-fields")
    read = FieldsRun(run.name, results, run.examples())
    check_config(run, read.results, _Config)
    needed = {"pictures": "byte M H W 3", "ids": "text N", "fractions": "real F"}
    for number, layer in enumerate(read.layers):
        u, k, s, p = (f"{letter}{number}" for letter in "UKSP")
        needed |= {
            f"units/{layer}": f"index {u}",
            f"size/{layer}": f"real {u}",
            f"curve/{layer}": f"real {u} F",
            f"field/{layer}": f"real {u} _ _",
            f"top/{layer}": f"row:N {u} {k}",
            f"values/{layer}": f"real {u} {k}",
            f"centres/{layer}": f"real {u} {k} 2",
            f"lively/{layer}": f"row:{u} {s}",
            f"shown/{layer}": f"row:M {s} {p}",
            f"change/{layer}": f"real {s} {p} _ _",
        }
    check_arrays(run.examples_path, read.arrays, needed, mend=mend())
    return read
