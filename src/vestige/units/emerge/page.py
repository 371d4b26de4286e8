"""The report on which objects emerge (section 4.1 and Fig. 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from vestige.arrays import check_arrays
from vestige.documents import Count
from vestige.published import paper
from vestige.report.beside import below, beside
from vestige.report.blocks import (
    NONE,
    Block,
    Cell,
    Chart,
    Gallery,
    KeyNumber,
    Number,
    Opening,
    Parts,
    RowGroup,
    Section,
    Table,
    Tile,
)
from vestige.report.measured_run import ArraysRun, check_config
from vestige.report.style import PAGE_WIDTH, Theme, decimal_axis, name_points, panels, themed
from vestige.results import Row, mend
from vestige.run import Run
from vestige.text import count, listed, network_name, percent, percent_range, signed, value_range
from vestige.units.emerge.scenes import mean_gain
from vestige.units.rules import RULES, lit

_ALWAYS = {
    "objects": "text O",
    "instances": "index O",
    "object_pictures": "index O",
    "scenes": "text S",
    "scene_pictures": "index S",
    "precision": "real S O",
    "chance": "real S",
    "best": "real S O",
    "deciding?": "bool S O",
    "layers": "text L",
    "words": "text W",
    "meant": "text W",
    "said": "index W",
    "near": "text W",
}

_SHOWN = {
    "shown_layers": "text U",
    "shown_units": "index U",
    "shown_objects": "text U",
    "shown_scores": "real U",
    "shown_rows": "row:P U K",
    "shown_masks": "bool U K D D",
    "shown_pictures": "byte P D D 3",
}

_WITH = {
    "frequency": "Frequency",
    "informativeness": "Times best",
    "gain": "AP gain",
}
_GIVEN = (
    {
        "frequency_given": "Frequency, best fixed",
        "informativeness_given": "Best, frequency fixed",
        "between": "Frequency and best",
    },
    {
        "frequency_given_gain": "Frequency, gain fixed",
        "gain_given": "Gain, frequency fixed",
        "between_gain": "Frequency and gain",
    },
)
"""Partial correlations, and beside them how far the two go together."""

_FOLDED = 20  # rows of a table from which on it is shown on request
_NAMED = 7  # objects that are named in a panel
_GAP = 3  # pixels between pictures of a tile


class _Config(TypedDict):
    labels: str
    source: str
    top: Count
    least: Count
    folds: Count


@dataclass(frozen=True)
class _EmergeRun(ArraysRun):
    """A run with its results and arrays: O objects, S scenes."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Whose units are counted."""
        return tuple(self.arrays["layers"].tolist())

    @property
    def objects(self) -> tuple[str, ...]:
        """The most frequent first."""
        return tuple(self.arrays["objects"].tolist())

    @property
    def top(self) -> int:
        """How many objects are shown."""
        return min(int(self.results.config["top"]), len(self.objects))

    @property
    def pearson(self) -> str:
        """The metric that is told first: over the objects that are shown, as in the paper."""
        return f"pearson@{self.top}" if self.top < len(self.objects) else "pearson"

    @property
    def decides(self) -> NDArray[np.bool_] | None:
        """``(O,)``: whether an object decides some scene; None where that is not known."""
        if "deciding" not in self.arrays:
            return None
        return np.asarray(self.arrays["deciding"].any(axis=0), bool)

    def units(self, layer: str) -> NDArray[Any]:
        """``(O,)``: units of a layer that count for each object."""
        return self.arrays[f"{layer}/units"]

    @property
    def network(self) -> str:
        """Whose units they are."""
        return network_name(str(self.results.backbone.get("spec", self.results.config["labels"])))

    @property
    def gain(self) -> NDArray[Any]:
        """``(O,)``: by how much each one's average precision exceeds knowing nothing, the mean over scenes."""
        return mean_gain(np.asarray(self.arrays["precision"], float), np.asarray(self.arrays["chance"], float))

    @property
    def times_best(self) -> NDArray[Any]:
        """``(O,)``: for how many scenes each is the most informative."""
        found: NDArray[Any] = self.arrays["best"].sum(axis=0)
        return found


def emerge_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [_read(run) for run in runs]

    def section(title: str, anchor: str, blocks: Any) -> Section:
        return Section(title, anchor, tuple(block for run in read for block in blocks(run)))

    sections = (
        section("Units, frequency and information", "counts", _count_blocks),
        section("How they go together", "correlations", _correlation_tables),
        section("Units by object", "units", _galleries),
        section("The most informative object of each scene", "scenes", _scene_table),
        section("Words without an object", "words", _word_table),
    )
    return tuple(map(_opening, read)), tuple(each for each in sections if each.blocks)


def _read(run: Run) -> _EmergeRun:
    read = _EmergeRun(run.name, run.results(), run.examples())
    check_config(run, read.results, _Config)
    check_arrays(run.examples_path, read.arrays, _ALWAYS, mend=mend())
    needed = _ALWAYS | {f"{layer}/units": "index O" for layer in read.layers}
    if any(name.startswith("shown_") for name in read.arrays):
        needed |= _SHOWN
    check_arrays(run.examples_path, read.arrays, needed, mend=mend())
    return read


def _opening(run: _EmergeRun) -> Opening:
    layer, scenes = run.layers[-1], run.arrays["scenes"]
    frequent, informative, gain = (run.find(method, run.pearson, layer) for method in _WITH)
    named = "masks" if run.results.config["source"] == "masks" else "people"
    over = f"the {run.top} most frequent of " if run.top < len(run.objects) else ""
    numbers = [
        KeyNumber(label, signed(row.value, 2), value_range(row.ci95, 2))
        for label, row in (
            ("with frequency", frequent),
            ("with times most informative", informative),
            ("with gain in average precision", gain),
        )
        if row is not None
    ]
    headline = f"No unit of {layer} counts for an object."
    if frequent is not None and informative is not None:
        headline = (
            f"In {layer}, units per object correlate {signed(informative.value, 2)} with how often the object is the "
            f"most informative of a scene, and {signed(frequent.value, 2)} with how frequent it is."
        )
    if (units := run.find("units", "units", layer)) is not None and (kinds := run.find("units", "objects", layer)):
        numbers.append(KeyNumber("units with an object", f"{units.value:.0f}", f"of {units.n}"))
        numbers.append(KeyNumber("distinct objects", f"{kinds.value:.0f}", f"of {len(run.objects)}"))
    if (right := run.find("data", "deciding_scenes")) is not None:
        numbers.append(KeyNumber("scenes whose object is the true one", percent(right.value, 0)))
    zipf = run.find("data", "zipf")
    pictures = int(run.results.data["test"]["n"]) if zipf is None else zipf.n
    detail = (
        f"Units of {run.network}, named by {named}, over {over}{count(len(run.objects), 'object')} in "
        f"{count(pictures, 'picture')} of {count(len(scenes), 'scene')}. An object is the "
        "most informative of a scene where its presence tells the scene’s pictures from all others best: by average "
        f"precision on {run.results.config['folds']} held-out folds."
    )
    return Opening(run.name, headline, detail, tuple(numbers))


def _count_blocks(run: _EmergeRun) -> Iterator[Block]:
    shown = f"the {run.top} most frequent objects" if run.top < len(run.objects) else "all objects"
    truth = "" if run.decides is None else " Filled: objects that decide a scene, which is known of the drawn world."
    yield Chart(
        f"objects-{run.name}",
        partial(_draw_counts, run),
        "Instances of each object, units that count for it, and how informative it is",
        f"{shown[0].upper()}{shown[1:]}, in the order of their frequency: how many there are in the pictures (Fig. "
        f"9b), how many units of {run.network} count for each (9c), and of how many scenes it is the most informative "
        "(9d). Not in the paper: by how much its average precision exceeds knowing nothing, the mean over scenes."
        f"{truth}",
    )
    yield Chart(
        f"relations-{run.name}",
        partial(_draw_relations, run),
        "Frequency by rank, and units per object against frequency and how informative the object is",
        f"First: instances by rank with the least-squares line of Zipf’s law{_exponent(run)}. Then units of "
        f"{run.layers[-1]} of {run.network} for each object against its instances, against the scenes of which it is "
        "the most informative, and against its gain in average precision.",
    )


def _exponent(run: _EmergeRun) -> str:
    row = run.find("data", "zipf")
    return "" if row is None else f", of exponent {row.value:.2f} ({value_range(row.ci95, 2)})"


def _draw_counts(run: _EmergeRun, theme: Theme) -> Figure:
    top, x = run.top, np.arange(run.top)
    rows = [("instances", run.arrays["instances"], "ochre")]
    rows += [(f"units of {layer}", run.units(layer), "green") for layer in run.layers]
    rows += [("times most\ninformative", run.times_best, "blue"), ("gain in average\nprecision", run.gain, "purple")]
    with themed(theme):
        figure = Figure(figsize=(PAGE_WIDTH, 1.35 * len(rows) + 1.3), layout="constrained")
        axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        for ax, (name, values, colour) in zip(axes, rows, strict=True):
            filled = np.ones(top, bool) if run.decides is None else run.decides[:top]
            drawn = ax.bar(x, values[:top], 0.75, edgecolor=theme.colour(colour), linewidth=1)
            for bar, fill in zip(drawn, filled.tolist(), strict=True):
                bar.set_facecolor(theme.colour(colour) if fill else "none")
            ax.set_ylabel(name, fontsize=8)
            ax.grid(axis="y")
            ax.set_axisbelow(True)
            ax.yaxis.get_major_locator().set_params(nbins=4, integer=bool(values[:top].max() >= 1))
            decimal_axis(ax.yaxis)
        figure.align_ylabels(axes)
        axes[-1].set_xticks(x, run.objects[:top], rotation=90, fontsize=8 if top <= 50 else 5)
        axes[-1].set_xlim(-0.7, top - 0.3)
        if run.decides is not None:
            axes[0].legend(
                handles=[
                    Patch(facecolor=theme.colour("ochre"), label="decides a scene"),
                    Patch(facecolor="none", edgecolor=theme.colour("ochre"), label="decides none"),
                ],
                frameon=False,
                labelcolor=theme.ink,
            )
    return figure


def _draw_relations(run: _EmergeRun, theme: Theme) -> Figure:
    with themed(theme):
        figure, axes = panels(4, 3.1, share_x=False, share_y=False, columns=2)
        _draw_ranks(run, theme, axes[0])
        units = run.units(run.layers[-1])
        drawn = (
            (axes[1], run.arrays["instances"], "instances"),
            (axes[2], run.times_best, "times most informative"),
            (axes[3], run.gain, "gain in average precision, mean over scenes"),
        )
        for ax, across, name in drawn:
            ax.plot(across, units, "o", color=theme.colour("green"), markersize=4, alpha=0.7)
            ax.set(xlabel=name, ylabel=f"units of {run.layers[-1]}")
            ax.margins(0.12)
            ax.locator_params(axis="y", integer=True)
            decimal_axis(ax.xaxis)
            decimal_axis(ax.yaxis)
        for ax, across, _ in drawn:  # once all axes have their limits, by which the figure is laid out
            name_points(ax, np.column_stack([across, units]), _named(run, across, units), theme.muted)
    return figure


def _named(run: _EmergeRun, across: NDArray[Any], units: NDArray[Any]) -> dict[tuple[float, float], str]:
    """By their place, the names of the objects of most units; those of one place together."""
    found: dict[tuple[float, float], list[str]] = {}
    for k in np.argsort(-units, kind="stable")[:_NAMED].tolist():
        if units[k]:
            found.setdefault((float(across[k]), float(units[k])), []).append(run.objects[k])
    return {place: ", ".join(names) for place, names in found.items()}


def _draw_ranks(run: _EmergeRun, theme: Theme, ax: Axes) -> None:
    instances = -np.sort(-run.arrays["instances"])
    instances = instances[instances > 0]
    ranks = np.arange(1, len(instances) + 1)
    ax.loglog(ranks, instances, "o", color=theme.colour("ochre"), markersize=3)
    if (row := run.find("data", "zipf")) is not None:
        middle = np.log(instances).mean() + row.value * np.log(ranks).mean()
        ax.loglog(ranks, np.exp(middle - row.value * np.log(ranks)), color=theme.muted, linewidth=1)
    ax.set(xlabel="rank", ylabel="instances")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_formatter("")
        axis.set_major_formatter("{x:,.0f}")


def _correlation_tables(run: _EmergeRun) -> Iterator[Table]:
    metrics = [name for name in run.results.metrics if name.partition("@")[0] in ("pearson", "spearman")]

    def groups(columns: Mapping[str, str], ways: Sequence[str] = ("",), *published: tuple[Cell, ...]) -> Any:
        """A group of rows a metric, a row a layer and way; what is published below the first metric's."""
        for metric in metrics:
            label = run.results.metrics[metric].label
            rows = [
                (Cell(f"{layer}{way}"), *(_cell(_row(run, with_, metric, f"{layer}{way}")) for with_ in columns))
                for layer in run.layers
                for way in ways
            ]
            if metric == run.pearson:
                rows += published
            yield RowGroup(tuple(rows), f"{label[0].upper()}{label[1:]}")

    yield Table(
        f"{run.name}: units per object, correlated with how frequent and how informative the object is",
        ("Units of", *_WITH.values()),
        tuple(groups(_WITH, ("",), _published())),
        "Best: for how many scenes an object is the most informative. AP gain: by how much its average precision "
        "exceeds knowing nothing, the mean over scenes. Small figures: 95 % bootstrap intervals over units and "
        "pictures together. Published: pool5 of Places-CNN on SUN.",
    )
    for columns, other in zip(_GIVEN, ("times most informative", "gain in average precision"), strict=True):
        yield Table(
            f"{run.name}: frequency and {other}, each with the other held fixed",
            ("Units of", *columns.values()),
            tuple(groups(columns)),
            "The partial correlation: what is left of one where the other is taken out. Last, how far the two go "
            "together themselves.",
        )
    yield Table(
        f"{run.name}: the same with intervals over units alone, and over pictures alone",
        ("Units of", *_WITH.values()),
        tuple(groups(_WITH, (": over units", ": over pictures"))),
        folded=True,
    )


def _row(run: _EmergeRun, method: str, metric: str, subset: str) -> Row | None:
    return run.find(method, metric, subset) or run.swept(method, metric, subset)


def _published() -> tuple[Cell, ...]:
    """The paper's two correlations."""
    source = paper("object-detectors-emerge")
    values = [each.value for each in source.statements if each.units == "correlation"]
    cells = [Cell(signed(value, 2), tone="published", number=Number(published=value)) for value in values]
    return (
        Cell("Published", source.short, tone="published"),
        *cells,
        *[NONE] * (len(_WITH) - len(cells)),
    )


def _cell(row: Row | None) -> Cell:
    if row is None:
        return NONE
    clear = row.ci95 is not None and not row.ci95[0] <= 0 <= row.ci95[1]
    number = Number(row.value, row.ci95, row.n)
    return Cell(signed(row.value, 2), value_range(row.ci95, 2), "strong" if clear else "", number)


def _galleries(run: _EmergeRun) -> Iterator[Gallery]:
    """Of each layer, the objects that most units count for, a row a unit."""
    if "shown_layers" not in run.arrays:
        return
    score = "overlap" if run.results.config["source"] == "masks" else "precision"
    for layer in run.layers:
        here = np.flatnonzero(run.arrays["shown_layers"] == layer).tolist()
        objects = dict.fromkeys(str(run.arrays["shown_objects"][k]) for k in here)
        tiles = tuple(
            _tile(run, layer, name, [k for k in here if run.arrays["shown_objects"][k] == name]) for name in objects
        )
        if tiles:
            yield Gallery(
                f"units-{layer}-{run.name}",
                tiles,
                f"{run.name}, {layer}: the objects that most units count for (Fig. 9a). A row is a unit in its "
                f"strongest pictures; in brackets its {score}. Bright: {RULES['quantile']}.",
                columns=3,
            )


def _tile(run: _EmergeRun, layer: str, name: str, units: Sequence[int]) -> Tile:
    arrays = run.arrays
    rows = [
        beside(
            [
                lit(arrays["shown_pictures"][row], mask)
                for row, mask in zip(arrays["shown_rows"][k].tolist(), arrays["shown_masks"][k], strict=True)
            ],
            _GAP,
        )
        for k in units
    ]
    said = [f"{arrays['shown_units'][k]} ({arrays['shown_scores'][k]:.2f})" for k in units]
    total = int(run.units(layer)[run.objects.index(name)])
    return Tile(
        below(rows, _GAP), f"{name}: {count(total, 'unit')}, here {listed(said)}", f"Units of {name} in {layer}"
    )


def _scene_table(run: _EmergeRun) -> Iterator[Table]:
    precision, best = run.arrays["precision"], run.arrays["best"]
    truth = run.arrays.get("deciding")
    columns = ["Scene", "Pictures", "Most informative", "AP", "Second", "AP of the second", "Knowing nothing"]
    rows = []
    for s, scene in enumerate(run.arrays["scenes"].tolist()):
        first = [run.objects[k] for k in np.flatnonzero(best[s])]
        second = int(np.argsort(-precision[s], kind="stable")[1])
        top = float(precision[s].max())
        right = truth is not None and bool((best[s] * truth[s]).sum() > 1 - 1e-6)
        cells = [
            Cell(scene),
            Cell(f"{run.arrays['scene_pictures'][s]:,}"),
            Cell(listed(first), tone="strong" if right else "") if first else NONE,
            Cell(signed(top)) if first else NONE,
            Cell(run.objects[second]),
            Cell(signed(float(precision[s, second]))),
            Cell(signed(float(run.arrays["chance"][s]))),
        ]
        if truth is not None:
            cells.append(Cell(listed([run.objects[k] for k in np.flatnonzero(truth[s])])))
        rows.append(tuple(cells))
    found = run.find("data", "deciding_scenes")
    said = ""
    if found is not None:
        columns.append("Decided by")
        interval = f" ({percent_range(found.ci95, 0)})" if found.ci95 else ""
        said = f" The most informative object is one that decides the scene in {percent(found.value, 0)}{interval}."
    yield Table(
        f"{run.name}: how well an object’s presence tells each scene",
        tuple(columns),
        (RowGroup(tuple(rows)),),
        f"AP: average precision of the object’s presence on held-out folds.{said} scenes.csv and objects.csv have "
        "more.",
        folded=len(rows) > _FOLDED,
    )


def _word_table(run: _EmergeRun) -> Iterator[Table]:
    arrays = run.arrays
    left = np.flatnonzero((arrays["meant"] == "") & (arrays["said"] > 0))
    order = left[np.argsort(-arrays["said"][left], kind="stable")].tolist()
    rows = tuple(
        (
            Cell(str(arrays["words"][k])),
            Cell(str(arrays["said"][k])),
            Cell(str(arrays["near"][k])) if arrays["near"][k] else NONE,
        )
        for k in order
    )
    if rows:
        yield Table(
            f"{run.name}: words for which no object of the data is known",
            ("Word", "Units", "Objects of a similar name"),
            (RowGroup(rows),),
            "Their units count for no object. words.csv is the table of all words; write the objects there that these "
            "mean, or a hyphen for none, and give it to the command.",
            numeric=False,
            folded=len(rows) > _FOLDED,
        )
