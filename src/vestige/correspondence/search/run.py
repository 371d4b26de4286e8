"""A run that searched for neighbours of patches, read back from its folder, and what the pages of such runs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np
from matplotlib.axes import Axes
from msgspec import Meta
from numpy.typing import NDArray

from vestige.arrays import check_arrays
from vestige.documents import Count
from vestige.errors import VestigeError
from vestige.intervals import Bootstrap, Difference, Floats, paired_difference
from vestige.report.blocks import NONE, Cell, RowGroup, Table
from vestige.report.measured_run import check_config, groups_kept
from vestige.report.style import Theme, decimal_axis, label_right
from vestige.results import Results, Row, mend
from vestige.run import Run
from vestige.text import p_value, signed, size, value_range


@dataclass(frozen=True)
class SearchRun:
    """A run of patches or fields, read back from its folder.

    Attributes:
        name: of the folder.
        results: of the run.
        arrays: ``examples.npz``.
    """

    name: str
    results: Results
    arrays: Mapping[str, NDArray[Any]]

    @property
    def ks(self) -> tuple[int, ...]:
        """How many neighbours, from few to many."""
        return tuple(int(k) for k in self.results.config["ks"])

    @property
    def views(self) -> Mapping[str, Mapping[str, Any]]:
        """By layer: stride, centre and field in pixels (y, x), and patches, pictures and bytes of its database."""
        views: Mapping[str, Mapping[str, Any]] = self.results.config["views"]
        return views

    def place(self, layer: str) -> tuple[float, float]:
        """Where cell (0, 0) of a layer was taken to stand, (y, x): where it responds, or its field's centre."""
        view = self.views[layer]
        y, x = view.get("response") or view["centre"]
        return y, x

    def find(self, method: str, layer: str, metric: str) -> Row | None:
        """The row of a method in a layer, or None where the run has none."""
        try:
            return self.results.row(f"{method}:{layer}", metric)
        except KeyError:
            return None

    def row(self, method: str, layer: str, metric: str) -> Row:
        """The row of a method in a layer.

        Raises:
            VestigeError: where the run has none.
        """
        row = self.find(method, layer, metric)
        if row is None:
            raise VestigeError(f"{self.name}: results.json has no row of {method}:{layer}, {metric}; run it again")
        return row

    def values(self, method: str, layer: str, metric: str) -> Floats:
        """The same, picture by picture (or seed by seed): ``(P,)``."""
        values: Floats = self.arrays[f"error/{method}:{layer}/{metric}"]
        return values

    def difference(self, first: tuple[str, str, str], second: tuple[str, str, str]) -> Difference | None:
        """The paired difference of two (method, layer, metric); None where all pictures or seeds are of one group."""
        a, b = self.values(*first), self.values(*second)
        return paired_difference(a, b, Bootstrap.draw(groups_kept(self.arrays, len(a))))


class _View(TypedDict):
    stride: tuple[float, float]
    centre: tuple[float, float]
    field: tuple[float, float] | None
    response: NotRequired[tuple[float, float] | None]
    patches: Count
    pictures: Count
    bytes: Count


class _Config(TypedDict):
    ks: Annotated[list[Count], Meta(min_length=1)]
    views: Annotated[dict[str, _View], Meta(min_length=1)]
    short_side: NotRequired[int | None]


def read_search_run(run: Run, needed: Callable[[SearchRun], Mapping[str, str]]) -> SearchRun:
    """Read the folder of a run of patches or fields.

    Args:
        run: finished.
        needed: the arrays that its page is drawn from, as :func:`vestige.arrays.check_arrays` has them.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read = SearchRun(run.name, run.results(), run.examples())
    check_config(run, read.results, _Config)
    check_arrays(run.examples_path, read.arrays, needed(read), mend=mend())
    return read


def of_neighbours(k: int) -> str:
    """``1 neighbour``, ``mean of 5 neighbours``."""
    return "1 neighbour" if k == 1 else f"mean of {k:,} neighbours"


def by(pair: Sequence[float]) -> str:
    """``(y, x)``; one number where both are the same."""
    return f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[1]:g} x {pair[0]:g}"


def number(row: Row | None, digits: int = 3) -> Cell:
    """A measured number with its interval."""
    return NONE if row is None else Cell(signed(row.value, digits), value_range(row.ci95, digits))


def difference_cell(difference: Difference | None) -> Cell:
    """A paired difference; what is clear of zero stands out."""
    if difference is None:
        return NONE
    low, high = difference.ci95
    return Cell(signed(difference.mean), f"p {p_value(difference.p)}", "strong" if low > 0 or high < 0 else "quiet")


def database_table(run: SearchRun) -> Table:
    """What was searched: patches, pictures and bytes of each layer."""
    rows = tuple(
        (
            Cell(layer),
            Cell(f"{view['patches']:,}"),
            Cell(f"{view['pictures']:,}"),
            Cell(by(view["stride"])),
            Cell("whole picture" if view["field"] is None else by(view["field"])),
            Cell(size(view["bytes"])),
        )
        for layer, view in run.views.items()
    )
    copies = int(run.results.data["train"].get("copies", 0))
    said = f" Of pictures that are there more than once, {copies:,} were passed over." if copies else ""
    short = run.results.config.get("short_side")
    seen = f"with {short} pixels on the shorter side" if short else "at their own sizes"
    return Table(
        caption=f"{run.name}: the patches that could be chosen, by layer",
        columns=("Layer", "Patches", "Pictures", "Patch, pixels", "Field, pixels", "On disk"),
        groups=(RowGroup(rows),),
        note=f"Pictures are seen {seen}. A picture’s own patches are never its neighbours, even where it is in the "
        f"database too.{said} The search is exact.",
    )


def draw_lines(
    ax: Axes, run: SearchRun, theme: Theme, metric: str, methods: Mapping[str, str], ks: Sequence[int] = ()
) -> None:
    """A metric by layer, a line for each k and method, with intervals.

    Args:
        ax: to draw on.
        run: the run.
        theme: of the page.
        metric: without its k.
        methods: method -> its name at the line's end, where ``{}`` stands for k; the first is solid, others dashed.
        ks: which; all where empty.
    """
    layers, ends = list(run.views), []
    for rank, k in enumerate(ks or run.ks):
        colour = theme.accents[rank % len(theme.accents)]
        for dash, (method, name) in zip(("-", (0, (4, 2))), methods.items(), strict=False):
            rows = [run.find(method, layer, f"{metric}@{k}") for layer in layers]
            values = [np.nan if row is None else row.value for row in rows]
            ax.plot(range(len(layers)), values, color=colour, linestyle=dash, marker="o", markersize=4)
            for x, row in enumerate(rows):
                if row is not None and row.ci95 is not None:
                    ax.plot([x, x], row.ci95, color=colour, linewidth=1)
            if np.isfinite(values[-1]):
                ends.append((len(layers) - 1.0, float(values[-1]), name.format(f"{k:,}"), colour))
    ax.set_xticks(range(len(layers)), layers)
    ax.margins(x=0.06, y=0.12)
    ax.grid(axis="y")
    decimal_axis(ax.yaxis)
    label_right(ax, ends, gap=0.09)
