"""An alignment's run read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

from vestige.report.instance_run import InstanceRun
from vestige.report.measured_run import check_whole
from vestige.report.point_run import read_point_run
from vestige.results import Row
from vestige.run import Run

_ARRAYS = {
    "ids": "text N",
    "boxes": "number N 4",
    "classes": "text N",
    "picture_rows": "row:N M",
    "pictures": "number M S S 3",
    "neighbour_rows": "index M J",
    "neighbour_pictures": "number M J S S 3",
    "neighbour_points": "number M J K 2",
    "warped/*": "number M J S S 3",
    "landed/*": "number M J K 2",
}


class ReadBy(TypedDict):
    """The representation that neighbours are found by."""

    layer: str
    readout: str


class _Config(TypedDict):
    alphas: list[float]
    chosen: str
    beta: dict[str, float]
    neighbours: int
    first: int
    neighbours_by: ReadBy
    classes: list[str]


@dataclass(frozen=True)
class AlignRun(InstanceRun):
    """An alignment with its results and examples."""

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

    def at_beta(self, method: str, beta: float, metric: str, subset: str = "all") -> Row | None:
        """A flow's row at a beta that it was measured at beside its own; None where it was not."""
        return self.swept(method, metric, f"beta={beta:g}" if subset == "all" else f"beta={beta:g} {subset}")

    def beta(self, method: str) -> str:
        """``beta 0.003``; empty for what is no flow."""
        beta = self.results.config["beta"].get(method)
        return "" if beta is None else f"beta {beta:g}"


def read_align_run(run: Run) -> AlignRun:
    """Read an alignment's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read, arrays = read_point_run(run), run.examples()
    check_whole(run, read.results, arrays, _Config, _ARRAYS)
    return AlignRun(read.name, read.results, read.examples, read.parts, arrays)
