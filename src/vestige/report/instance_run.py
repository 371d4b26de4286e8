"""What runs that carry or detect keypoints share: instances of classes, their boxes, and PCK as the main metric."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import Arrays
from vestige.errors import VestigeError
from vestige.geometry import Box
from vestige.report.point_run import PointRun
from vestige.results import Row


class ReadBy(TypedDict):
    """The representation that neighbours are found by."""

    layer: str
    readout: str


@dataclass(frozen=True)
class InstanceRun(PointRun):
    """A run over instances of classes with its results and examples.

    Attributes:
        arrays: ``examples.npz``.
    """

    arrays: Arrays

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

    def row(self, method: str) -> Row:
        """A method's row of the main metric over all.

        Raises:
            VestigeError: where the run has none.
        """
        row = self.find(method)
        if row is None:
            raise VestigeError(f"{self.name}: results.json has no row of {method}, {self.metric}; run it again")
        return row
