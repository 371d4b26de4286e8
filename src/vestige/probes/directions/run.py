"""A run of directions read back from its folder: what its charts and tables are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from vestige.documents import Count
from vestige.images import Pixels, crop_resize
from vestige.intervals import Floats
from vestige.report.measured_run import MeasuredRun, check_whole
from vestige.results import Row
from vestige.run import Run

NEEDED = {
    "ids": "text N",
    "attributes": "text T",
    "truth": "number N T",
    "readings": "number N T",
    "directions": "text D",
    "direction_attributes": "text D",
    "direction_methods": "text D",
    "lambdas": "number D S",
    "projections": "number N D",
    "changes": "number D C",
    "shown": "row:N D _",
    "reconstructions": "number M C",
    "effect/own": "number D T",
    "effect/other_half": "number D T",
    "effect/reencoded": "number _ D S T",
    "label_correlations": "number T T",
    "picture_rows": "row:N M",
    "pictures": "byte M _ _ 3",
}
"""The arrays that a page is drawn from."""


class _Attribute(TypedDict):
    name: str
    model_label: bool


class _MadeOf(TypedDict):
    attributes: list[_Attribute]


class _Config(TypedDict):
    made_of: _MadeOf
    size: Count


@dataclass(frozen=True)
class DirectionRun(MeasuredRun):
    """A run with its results and examples: N test faces, D directions of S steps, t attributes, c colour values.

    Attributes:
        arrays: ``examples.npz``; see :data:`NEEDED`.
    """

    arrays: Mapping[str, NDArray[Any]]

    @property
    def attributes(self) -> tuple[str, ...]:
        """``(t,)``: what is read."""
        return tuple(self.arrays["attributes"].astype(str).tolist())

    @property
    def directions(self) -> tuple[str, ...]:
        """``(D,)``: names."""
        return tuple(self.arrays["directions"].astype(str).tolist())

    @property
    def moved(self) -> tuple[str, ...]:
        """``(D,)``: the attribute that each direction is of."""
        return tuple(self.arrays["direction_attributes"].astype(str).tolist())

    @property
    def plain(self) -> list[int]:
        """The directions that are orthogonal to nothing."""
        return np.flatnonzero(self.arrays["direction_methods"] == "ridge").tolist()

    @property
    def model_labels(self) -> frozenset[str]:
        """The attributes that a model gave."""
        made_of = self.results.config["made_of"]["attributes"]
        return frozenset(entry["name"] for entry in made_of if entry["model_label"])

    def named(self, attribute: str) -> str:
        """An attribute as readers meet it."""
        return f"{attribute} (model label)" if attribute in self.model_labels else attribute

    @property
    def size(self) -> int:
        """Side of a reconstruction in pixels."""
        return int(self.results.config["size"])

    def effect(self, direction: int, metric: str) -> Row | None:
        """The Row of a direction's own change."""
        return self.find(str(self.arrays["direction_methods"][direction]), metric, self.moved[direction])

    def matrix(self, kind: str) -> Floats:
        """``(D, t)`` effects: ``own``, ``other_half`` or ``reencoded``."""
        if kind == "reencoded":
            steps = self.arrays["effect/reencoded"]
            changes: Floats = (steps[:, :, -1] - steps[:, :, 0]).mean(axis=0, dtype=np.float64)
            return changes
        return self.arrays[f"effect/{kind}"].astype(np.float64)

    def photograph(self, row: int) -> Pixels:
        """A test face at the reconstruction's size."""
        picture: Pixels = self.arrays["pictures"][self._place(row)]
        return crop_resize(picture, None, (self.size, self.size), "box")

    def along(self, direction: int, row: int, *, photograph: bool = False, times: float = 1.0) -> list[Pixels]:
        """A face at every step of a direction.

        Args:
            direction: which.
            row: of the test face, one of those shown.
            photograph: add the change to the photograph, instead of regressing back from the representation.
            times: by how much the range of lambda is widened about its middle; colours are linear in it.
        """
        lambdas = self.arrays["lambdas"][direction]
        middle = (lambdas[0] + lambdas[-1]) / 2
        steps = middle + times * (lambdas - middle) - self.arrays["projections"][row, direction]
        change = self.arrays["changes"][direction].astype(np.float64)
        base = self.photograph(row).ravel() / 255 if photograph else self.arrays["reconstructions"][self._place(row)]
        return [self._drawn(base + step * change) for step in steps]

    def reconstruction(self, row: int) -> Pixels:
        """A face as it is regressed back unmoved."""
        return self._drawn(self.arrays["reconstructions"][self._place(row)])

    def change(self, direction: int) -> tuple[Pixels, float]:
        """How colours change from the first step to the last, grey for not at all, and what full contrast means."""
        lambdas = self.arrays["lambdas"][direction]
        change = (lambdas[-1] - lambdas[0]) * self.arrays["changes"][direction].astype(np.float64)
        largest = float(np.abs(change).max()) or 1.0
        return self._drawn(0.5 + change / (2 * largest)), largest

    def _place(self, row: int) -> int:
        return int(np.flatnonzero(self.arrays["picture_rows"] == row)[0])

    def _drawn(self, values: NDArray[Any]) -> Pixels:
        drawn: Pixels = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).reshape(self.size, self.size, 3)
        return drawn


def read_direction_run(run: Run) -> DirectionRun:
    """Read the folder of a run of directions.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read = DirectionRun(run.name, run.results(), run.examples())
    check_whole(run, read.results, read.arrays, _Config, NEEDED)
    return read
