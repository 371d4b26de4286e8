"""The report on directions: faces moved along attributes, what is read from them, and what leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.documents import Count
from vestige.images import Pixels, crop_resize
from vestige.intervals import Floats
from vestige.report.beside import PAPER, below, beside
from vestige.report.blocks import (
    NONE,
    Block,
    Cell,
    Chart,
    Gallery,
    KeyNumber,
    Opening,
    Prose,
    RowGroup,
    Section,
    Table,
    Tile,
)
from vestige.report.measured_run import MeasuredRun, check_whole
from vestige.report.style import Theme, decimal_axis, key_above, panels
from vestige.results import Row
from vestige.run import Run
from vestige.text import count, listed, read_from, signed, value_range

KINDS = {
    "": "Same regressors",
    "_other_half": "Other people’s regressors",
    "_reencoded": "From the pictures again",
}
"""How the readings along a direction were taken, by the ending of their metric."""


def direction_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_direction_run(run) for run in runs]
    several = len(read) > 1
    ends = [(run, f"-{run.name}" if several else "") for run in read]
    sections = (
        Section("Faces moved along attributes", "faces", tuple(overview(run, f"directions{end}") for run, end in ends)),
        Section("What moves", "effects", tuple(b for run in read for b in _effects(run, named=several))),
        Section("Direction by direction", "directions", tuple(in_detail(run, f"each{end}") for run, end in ends)),
        Section("What it was made from", "quality", tuple(_quality(run, named=several) for run in read)),
    )
    return tuple(map(_opening, read)), sections


def _opening(run: DirectionRun) -> Opening:
    moved = [run.moved[k] for k in run.plain]
    headline = (
        f"Faces moved along {listed(moved) if len(moved) <= 4 else count(len(moved), 'attribute')} in "
        f"{read_from(run.results.backbone)}, and regressed back to colours."
    )
    detail = (
        "From end to end of the range of λ, in standard deviations of each reading over the test faces: how much the "
        "attribute’s own reading changes, and how much the others do on average (leak)."
    )
    numbers = [
        KeyNumber(f"{name}, {words[0].lower()}{words[1:]}", signed(row.value, 2), value_range(row.ci95, 2))
        for name, metric in (("Own reading", "change"), ("Leak", "leak"))
        for ending, words in KINDS.items()
        if ending and (row := run.find("ridge", metric + ending)) is not None
    ]
    return Opening(run.name, headline, detail, tuple(numbers))


def _effects(run: DirectionRun, *, named: bool) -> list[Block]:
    """How readings change: a table, the readings along the way, and the matrices."""
    ending = f"-{run.name}" if named else ""
    prefix = f"{run.name}: " if named else ""
    rows = tuple(
        (
            Cell(run.named(run.moved[k]), name.partition(", ")[2]),
            *(_number(run.effect(k, f"change{kind}")) for kind in KINDS),
            *(_largest_leak(run, k, kind) for kind in ("other_half", "reencoded")),
        )
        for k, name in enumerate(run.directions)
    )
    columns = ("Moved along", *KINDS.values(), "Largest leak, other people’s", "Largest leak, from the pictures")
    table = Table(
        f"{prefix}Change of readings from end to end, in standard deviations over the test faces",
        columns,
        (RowGroup(rows),),
        "The first column is linear in λ by construction and says only how wide the range is. The second is of "
        "directions from one half of the training people, read by regressors from the other half. For the third, the "
        "reconstructions went through the network again; small figures: 95 % bootstrap interval over faces.",
    )
    said = (
        f"{prefix}The attribute’s own reading at every step. Straight lines: linear readings are linear in λ. Dots: "
        "median of faces whose reconstructions went through the network again, with the middle half of them shaded."
    )
    matrices = (
        f"{prefix}Every reading along every direction, from end to end. Off the attribute’s own column it is leak: "
        f"partly because attributes go together in the training pictures ({_together(run)})."
    )
    paths = Chart(f"readings{ending}", partial(draw_paths, run), "Readings along the directions", said)
    leaks = Chart(f"leaks{ending}", partial(draw_leaks, run), "Change of every reading along every direction", matrices)
    return [table, paths, leaks]


def _together(run: DirectionRun) -> str:
    """The pair of attributes whose labels correlate most."""
    found = np.abs(run.arrays["label_correlations"])
    found = np.where(np.eye(len(found), dtype=bool) | ~np.isfinite(found), 0.0, found)
    if not found.any():
        return "their labels do not correlate"
    a, b = np.unravel_index(int(found.argmax()), found.shape)
    value = run.arrays["label_correlations"][a, b]
    return f"most, {run.attributes[a]} and {run.attributes[b]}: correlation {signed(float(value), 2)}"


def _number(row: Row | None) -> Cell:
    return NONE if row is None else Cell(signed(row.value, 2), value_range(row.ci95, 2))


def _largest_leak(run: DirectionRun, direction: int, kind: str) -> Cell:
    matrix = run.matrix(kind)
    others = [k for k, name in enumerate(run.attributes) if name != run.moved[direction]]
    known = [k for k in others if np.isfinite(matrix[direction, k])]
    if not known:
        return NONE
    worst = max(known, key=lambda k: abs(matrix[direction, k]))
    return Cell(signed(float(matrix[direction, worst]), 2), run.attributes[worst])


def _quality(run: DirectionRun, *, named: bool) -> Block:
    """How well attributes and colours are read on the test faces."""
    metrics = {"auc": "AUC", "r2": "R²"}
    rows = [
        (Cell(run.named(row.subset)), Cell(metrics[row.metric]), Cell(signed(row.value), value_range(row.ci95)))
        for row in run.results.rows
        if row.method == "ridge" and row.metric in metrics and row.subset != "all"
    ]
    colours = run.find("ridge", "mae")
    if colours is not None:
        rows.append(
            (Cell("colours"), Cell("mean absolute error"), Cell(signed(colours.value), value_range(colours.ci95)))
        )
    if not rows:
        return Prose("No attribute could be measured on the test faces.")
    prefix = f"{run.name}: " if named else ""
    caption = f"{prefix}How well the regressors read the test faces"
    return Table(caption, ("What is read", "Measure", "Value"), (RowGroup(tuple(rows)),))


MATRICES = {
    "own": "read by the same regressors",
    "other_half": "read by other people’s regressors",
    "reencoded": "read from the pictures again",
}

_NUMBERED = 10  # columns of a matrix up to which every number is written


def draw_paths(run: DirectionRun, theme: Theme) -> Figure:
    """The own reading along each plain direction: exact, by other people's regressors, and from the pictures again."""
    figure, axes = panels(len(run.plain), 2.7)
    for ax, direction in zip(axes, run.plain, strict=True):
        _path(ax, run, direction, theme)
        ax.set_title(run.named(run.moved[direction]), pad=8)
    for ax in axes[::3]:
        ax.set_ylabel("standard deviations")
    for ax in axes[-min(len(axes), 3) :]:
        ax.set_xlabel("λ, from lowest to highest")
    key_above(figure, axes, theme)
    return figure


def _path(ax: Axes, run: DirectionRun, direction: int, theme: Theme) -> None:
    own = run.attributes.index(run.moved[direction])
    lambdas = run.arrays["lambdas"][direction]
    place = (lambdas - lambdas[0]) / (lambdas[-1] - lambdas[0])
    mean = (run.arrays["projections"][:, direction].mean() - lambdas[0]) / (lambdas[-1] - lambdas[0])
    for kind, name, colour, dashes in (
        ("own", "the same regressors (linear by construction)", theme.muted, (0, (4, 2))),
        ("other_half", "other people’s regressors", theme.accents[1], (0, (1, 1.4))),
    ):
        values = run.matrix(kind)[direction, own] * (place - mean)
        ax.plot(place, values, color=colour, linestyle=dashes, linewidth=1.6, label=name)
    faces = run.arrays["effect/reencoded"][:, direction, :, own].astype(np.float64)
    if len(faces):
        colour = theme.accents[0]
        low, middle, high = np.quantile(faces, [0.25, 0.5, 0.75], axis=0)
        ax.fill_between(place, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(place, middle, color=colour, marker="o", markersize=3.5, label="from the pictures again")
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.grid(axis="y")
    decimal_axis(ax.yaxis)


def draw_leaks(run: DirectionRun, theme: Theme) -> Figure:
    """How every reading changes along every direction, one matrix for each way of reading."""
    kinds = [kind for kind in MATRICES if kind != "reencoded" or len(run.arrays["effect/reencoded"])]
    matrices = [run.matrix(kind) for kind in kinds]
    limit = max(float(np.nanmax(np.abs(matrix))) for matrix in matrices)
    height = 1.5 + 0.36 * len(run.directions)
    figure, axes = panels(len(kinds), height)
    for ax, kind, matrix in zip(axes, kinds, matrices, strict=True):
        _matrix(ax, matrix, limit, theme)
        ax.set_xticks(range(len(run.attributes)), run.attributes, rotation=60, ha="right", rotation_mode="anchor")
        ax.set_title(MATRICES[kind])
    axes[0].set_yticks(range(len(run.directions)), [_short(name) for name in run.directions])
    axes[0].set_ylabel("moved along")
    return figure


def _short(direction: str) -> str:
    return direction.replace(", orthogonal to ", " ⊥ ")


def _matrix(ax: Axes, matrix: Floats, limit: float, theme: Theme) -> None:
    ax.imshow(matrix, cmap="PuOr" if theme.name == "light" else "PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if matrix.shape[1] > _NUMBERED:
        return
    for (row, column), value in np.ndenumerate(matrix):
        strong = abs(value) > 0.55 * limit
        text = f"{value:.1f}".replace("-", "−").replace("−0.0", "0.0")
        ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color="#ffffff" if strong else "#1c2126")


PANEL = 138
"""Pixels of a panel's side: 46 enlarged threefold."""

GAP, WIDE = 3, 14
"""Pixels between two panels, and between two groups of them."""

FARTHER = 3.0
"""How much wider than the range of lambda the overview goes a second time."""


def overview(run: DirectionRun, name: str) -> Gallery:
    """Every plain direction with the face that is lowest on it and the one that is highest."""
    tiles = []
    for direction in run.plain:
        low, high = run.arrays["shown"][direction][[0, -1]].tolist()
        own = [moved_line(run, direction, low, first=True), moved_line(run, direction, high)]
        farther = [moved_line(run, direction, row, times=FARTHER) for row in (low, high)]
        tiles.append(_tile(run, direction, below([below(own, GAP), below(farther, GAP)], WIDE)))
    caption = (
        "For each attribute the test face near the lower end of its direction and one near the upper. From left to "
        "right: the photograph; its colours, regressed from the representation unmoved; the colours of f′ = f̃ + "
        "λw, with λ from the low end of the training pictures’ range to the high one (the first paper’s Fig. 6); "
        "the change from end to end, grey for none. The two lines below go as far again on either side: three times "
        "the range, where no face is, which shows plainly what the range itself shows faintly. Colours are linear "
        "in the representation, so the change is the same for every face. Faces are taken at even steps of rank "
        "along the direction; not picked by hand."
    )
    return Gallery(name, tuple(tiles), caption, columns=1)


def in_detail(run: DirectionRun, name: str) -> Gallery:
    """All faces of every direction, and below them the same change added to their photographs."""
    tiles = []
    for direction in range(len(run.directions)):
        rows = run.arrays["shown"][direction].tolist()
        regressed = [moved_line(run, direction, row, first=k == 0) for k, row in enumerate(rows)]
        added = [added_line(run, direction, row) for row in rows]
        pixels = below([below(regressed, GAP), below(added, GAP)], WIDE)
        tiles.append(_tile(run, direction, pixels))
    caption = (
        "Above: regressed back from the moved representation. Below: the same change added to the photograph, which "
        "keeps what the representation forgets."
    )
    return Gallery(name, tuple(tiles), caption, columns=1)


def _tile(run: DirectionRun, direction: int, pixels: Pixels) -> Tile:
    return Tile(pixels, _caption(run, direction), f"Test faces moved along {run.directions[direction]}")


def _caption(run: DirectionRun, direction: int) -> str:
    lambdas = run.arrays["lambdas"][direction]
    low, high = (signed(float(value)) for value in lambdas[[0, -1]])
    _, largest = run.change(direction)
    attribute, _, others = run.directions[direction].partition(", ")
    name = ", ".join(part for part in (run.named(attribute), others) if part)
    return f"{name}: λ from {low} to {high}; colours change by up to {largest:.2f} (full contrast of the last picture)"


def moved_line(run: DirectionRun, direction: int, row: int, *, first: bool = False, times: float = 1.0) -> Pixels:
    """A face: photograph, regressed unmoved, at every step, and (in the first line) the change from end to end."""
    change = run.change(direction)[0] if first else None
    return _line([run.photograph(row), run.reconstruction(row)], run.along(direction, row, times=times), change)


def added_line(run: DirectionRun, direction: int, row: int) -> Pixels:
    """A face: photograph, nothing, and the photograph with every step's change."""
    return _line([run.photograph(row), None], run.along(direction, row, photograph=True), None)


def _line(start: Sequence[Pixels | None], steps: Sequence[Pixels], change: Pixels | None) -> Pixels:
    return beside(
        [beside([_panel(p) for p in start], GAP), beside([_panel(p) for p in steps], GAP), _panel(change)], WIDE
    )


def _panel(pixels: Pixels | None) -> Pixels:
    """Enlarged or reduced to one panel; blank where there is nothing."""
    if pixels is None:
        return np.full((PANEL, PANEL, 3), PAPER, np.uint8)
    return crop_resize(pixels, None, (PANEL, PANEL), "bicubic")


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
