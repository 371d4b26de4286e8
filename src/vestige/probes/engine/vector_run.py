"""The run of a task whose target is a vector, read back from its folder, and what the pages of such tasks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.intervals import Floats
from vestige.report.blocks import NONE, Cell, Chart, Opening, RowGroup, Section, Table
from vestige.report.key_numbers import key_numbers
from vestige.report.layers import draw_layers, has_layers, layer_order
from vestige.report.measured_run import MeasuredRun, check_whole, groups_kept
from vestige.results import Row, resampled
from vestige.run import Run
from vestige.text import count, signed, value_range

_ARRAYS = {
    "ids": "text N",
    "groups?": "text N",
    "picture_rows": "row:N M",
    "pictures": "byte M S S 3",
    "prediction/*": "number N T",
    "error/*": "number N",
}
Words = Callable[[float], str]
"""A number as a reader meets it."""


@dataclass(frozen=True)
class VectorRun(MeasuredRun):
    """A run with its results and examples.

    Attributes:
        arrays: ``examples.npz``: ``truth`` (what the task keeps), ``prediction/METHOD`` ``(N, t)`` float16,
            ``error/METHOD`` ``(N,)``, ``picture_rows`` ``(M,)`` and ``pictures`` ``(M, S, S, 3)``.
    """

    arrays: Mapping[str, NDArray[Any]]

    @property
    def errors(self) -> Mapping[str, Floats]:
        """By method, and by ``METHOD@SEED``, ``(N,)``: each test example's error."""
        return {
            name.removeprefix("error/"): values.astype(np.float64)
            for name, values in self.arrays.items()
            if name.startswith("error/")
        }

    @property
    def groups(self) -> Sequence[str]:
        """``(N,)``: the group of each test example."""
        return groups_kept(self.arrays, len(self.arrays["ids"]))

    def predictions(self, method: str) -> NDArray[np.float32]:
        """What a method read out of the test examples: ``(N, t)``."""
        return self.arrays[f"prediction/{method}"].astype(np.float32)


def read_vector_run(run: Run, config: Any, needed: Mapping[str, str]) -> VectorRun:
    """Read the folder of a vector task's run.

    Args:
        run: finished.
        config: the ``TypedDict`` of the entries of the config that the page reads.
        needed: the arrays that the page is drawn from, beside those of all vector tasks, as
            :func:`vestige.arrays.check_arrays` has them.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    read = VectorRun(run.name, run.results(), run.examples())
    check_whole(run, read.results, read.arrays, config, {**_ARRAYS, **needed})
    return read


def methods_table(run: VectorRun, metrics: Mapping[str, str], caption: str, note: str = "") -> Table:
    """Every method with its metrics over all examples; ``metrics``: metric -> heading, the main one first."""
    rows = tuple(
        (
            Cell(run.label(method), tone="strong" if method == run.best else ""),
            *(number(run.find(method, metric), strong=method == run.best) for metric in metrics),
        )
        for method in run.methods
    )
    said = f"Small figures: 95 % bootstrap interval over {resampled(run.results.data)}."
    return Table(caption, ("Method", *metrics.values()), (RowGroup(rows),), f"{said} {note}".strip())


def number(row: Row | None, *, strong: bool = False) -> Cell:
    """A measured number with its interval."""
    if row is None:
        return NONE
    return Cell(signed(row.value), value_range(row.ci95), "strong" if strong else "")


def vector_opening(run: VectorRun, headline: str, detail: str, said: Words = signed) -> Opening:
    """What the page says first: a headline, and the main metric of every method."""
    return Opening(run.name, headline, detail, key_numbers(run, say=said, say_range=value_range))


def layers_section(runs: Sequence[VectorRun], what: str) -> Section | None:
    """The main metric against layer; None where no run swept several."""
    chart = layers_chart(runs, what)
    return Section("Layer by layer", "layers", (chart,)) if chart is not None else None


def layers_chart(runs: Sequence[MeasuredRun], what: str, name: str = "metric-against-layer") -> Chart | None:
    """The main metric against layer, under a name of its file; None where no run swept several."""
    swept = [run for run in runs if has_layers(run)]
    if not swept:
        return None
    said = "; ".join(
        f"{run.name}: {count(len(layer_order(run)), 'layer')}, {run.results.backbone.get('layer')} chosen"
        for run in swept
    )
    return Chart(
        name=name,
        draw=partial(draw_layers, swept),
        alt=f"{swept[0].axis} against layer from input to output. {said}",
        caption=f"Where along the network {what} can be read. The layer is chosen on folds of the training pictures "
        "(fine dashes), never on the test pictures (dots). Thin lines: single untrained networks.",
    )
