"""A segmentation run read back from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from vestige.documents import Count
from vestige.probes.engine.vector_run import VectorRun, read_vector_run
from vestige.probes.segmentation.class_maps import Colours
from vestige.run import Run

SHORT = {"mean": "prior", "rgb": "RGB", "untrained": "untrained", "ridge": "ridge", "ridge+M": "ridge + M"}


_ARRAYS = {"truth": "index N L L", "classes": "text C", "colours": "byte C 3", "prediction/ridge": "number N T"}


class _MadeOf(TypedDict):
    augment: int
    grid: Count


class _Config(TypedDict):
    made_of: _MadeOf


@dataclass(frozen=True)
class SegmentationRun(VectorRun):
    """A run with its results and examples.

    Attributes:
        arrays: as in :class:`VectorRun`; ``truth`` ``(N, S, S)`` labels squashed as the pictures are,
            ``classes`` ``(C,)`` names, ``colours`` ``(C, 3)``, ``prediction/METHOD`` ``(N, G * G * C)``.
    """

    def short(self, method: str) -> str:
        """The same where there is little room."""
        return SHORT.get(method, self.label(method))

    @property
    def axis(self) -> str:
        """The main metric, as an axis is labelled."""
        return "mean IoU"

    @property
    def best(self) -> str:
        """The full method: ridge with all its stages."""
        return next((m for m in ("ridge+M", "ridge") if m in self.methods), self.methods[-1])

    @property
    def augment(self) -> int:
        """Copies of each training picture."""
        return int(self.results.config["made_of"]["augment"])

    @property
    def class_names(self) -> tuple[str, ...]:
        """``(C,)``."""
        return tuple(self.arrays["classes"].astype(str).tolist())

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """The classes that the test pictures have."""
        return tuple(name for name in self.class_names if self.find(self.best, subset=name) is not None)

    @property
    def colours(self) -> Colours:
        """``(C, 3)``."""
        return self.arrays["colours"].astype(np.uint8)

    @property
    def picture_rows(self) -> NDArray[np.intp]:
        """``(M,)`` the test examples whose picture was kept."""
        return self.arrays["picture_rows"].astype(np.intp)

    @property
    def map_methods(self) -> tuple[str, ...]:
        """Whose maps are shown: ridge before and after M."""
        return tuple(m for m in ("ridge", "ridge+M") if f"prediction/{m}" in self.arrays)

    def responses(self, method: str, row: int) -> NDArray[np.float32]:
        """What a method says of one test example's cells: ``(G, G, C)``."""
        values: NDArray[np.float32] = self.arrays[f"prediction/{method}"][row].astype(np.float32)
        grid = int(self.results.config["made_of"]["grid"])
        return values.reshape(grid, grid, -1)


def read_segmentation_run(run: Run) -> SegmentationRun:
    """Read a segmentation run's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read = read_vector_run(run, _Config, _ARRAYS)
    return SegmentationRun(read.name, read.results, read.arrays)
