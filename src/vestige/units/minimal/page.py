"""The report on minimal pictures: what is left of them (Fig. 2), and which objects are kept (section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypedDict

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import false_discovery_control

from vestige.arrays import check_arrays
from vestige.published import paper
from vestige.report.beside import beside
from vestige.report.blocks import (
    NONE,
    Block,
    Cell,
    Chart,
    Gallery,
    KeyNumber,
    Opening,
    Parts,
    Prose,
    RowGroup,
    Section,
    Table,
    Tile,
)
from vestige.report.measured_run import ArraysRun, check_config
from vestige.report.style import Theme, key_above, panels
from vestige.results import Row, mend
from vestige.run import Run
from vestige.text import count, network_name, percent, percent_range, plain_name, signed

FALSE = 0.05
"""The rate of false discoveries among the objects that stand out."""

_CHARTED = 14  # objects of a scene in the chart

_FILLS = {
    "gradient": "its gradients are set to zero, and the picture is integrated again",
    "mean": "its cells show the picture’s mean colour",
    "blur": "its cells show the picture blurred",
    "noise": "its cells show uniform noise",
}


class _Config(TypedDict):
    segments: str
    fill: str
    stretch: bool
    least: int
    draws: int


@dataclass(frozen=True)
class _MinimalRun(ArraysRun):
    """A run with its results and examples: N minimal pictures, of which M are shown."""

    @cached_property
    def scenes(self) -> tuple[str, ...]:
        """Those that pictures were made minimal of."""
        return tuple(row.subset for row in self.results.rows if row.metric == "area" and row.subset != "all")

    def objects(self, scene: str) -> tuple[str, ...]:
        """Names of its objects that are listed, those that most pictures have first."""
        there = [row.subset for row in self.results.rows if row.metric == "there"]
        return tuple(subset.removeprefix(f"{scene}: ") for subset in there if subset.startswith(f"{scene}: "))

    def value(self, method: str, metric: str, subset: str) -> Row:
        """A row that has to be there."""
        return self.results.row(method, metric, subset)

    @cached_property
    def beyond_chance(self) -> frozenset[str]:
        """The objects that are kept more or less often than by chance, at a false discovery rate of 5 %."""
        found = {row.subset: row.value for row in self.results.sweep if row.metric == "p of kept - random"}
        if not found:
            return frozenset()
        adjusted = false_discovery_control(np.clip(list(found.values()), 0, 1))
        return frozenset(name for name, p in zip(found, adjusted, strict=True) if p <= FALSE)


def minimal_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [_read(run) for run in runs]
    sections = (
        Section("Minimal pictures", "pictures", tuple(b for run in read for b in _galleries(run))),
        Section("Which objects are kept", "objects", tuple(b for run in read for b in _object_blocks(run))),
        Section("How much is left", "left", tuple(_left_table(run) for run in read)),
    )
    return tuple(map(_opening, read)), sections


def _read(run: Run) -> _MinimalRun:
    read = _MinimalRun(run.name, run.results(), run.examples())
    check_config(run, read.results, _Config)
    needed = {
        "ids": "text N",
        "scenes": "text N",
        "area": "real N",
        "probability": "real N 2",
        "segments": "index N 2",
        "picture_rows": "row:N M",
        "pictures": "byte M H W 3",
        "minimal": "byte M H W 3",
    }
    check_arrays(run.examples_path, read.arrays, needed, mend=mend())
    return read


def _opening(run: _MinimalRun) -> Opening:
    area = run.value("minimal", "area", "all")
    network = _network(run)
    headline = f"{percent(area.value, 0)} of a picture’s area is enough for its name to stay right."
    what = "annotated objects" if run.results.config["segments"] == "objects" else "edges and regions of one colour"
    detail = (
        f"From {count(area.n, 'picture')} that {network} names right, {what} are taken away one by one, always the "
        "one that costs least, until the name changes."
    )
    strongest = [(scene, name) for scene in run.scenes for name in _strongest(run, scene)]
    numbers = tuple(
        KeyNumber(
            f"{scene}: {name} kept",
            percent(run.value("minimal", "kept", f"{scene}: {name}").value, 0),
            f"{percent(run.value('random', 'kept', f'{scene}: {name}').value, 0)} at random",
            "strong",
        )
        for scene, name in strongest[:6]
    )
    return Opening(run.name, headline, detail, numbers or (_share("Area left", area),))


def _share(label: str, row: Row) -> KeyNumber:
    return KeyNumber(label, percent(row.value), percent_range(row.ci95) if row.ci95 else "", "strong")


def _strongest(run: _MinimalRun, scene: str) -> list[str]:
    """The object of a scene that is kept farthest above its chance level; none where none is."""
    rows = [
        row
        for row in run.results.sweep
        if row.metric == "kept - random"
        and row.subset.startswith(f"{scene}: ")
        and row.subset in run.beyond_chance
        and row.value > 0
    ]
    return [max(rows, key=lambda row: row.value).subset.removeprefix(f"{scene}: ")] if rows else []


def _network(run: _MinimalRun) -> str:
    """What looks at the pictures."""
    return network_name(str(run.results.backbone.get("spec", "the network")))


def _galleries(run: _MinimalRun) -> Iterator[Block]:
    rows, config = run.arrays["picture_rows"], run.results.config
    stretched = " Each picture is stretched from black to white." if config["stretch"] else ""
    for number, scene in enumerate(run.scenes):
        tiles = tuple(_tile(run, k) for k in range(len(rows)) if run.arrays["scenes"][rows[k]] == scene)
        caption = (
            f"{run.name}, {scene}: pictures as {_network(run)} sees them and, right of each, the least of it that it "
            f"still names right (Fig. 2). Of a segment that is taken away {_FILLS[str(config['fill'])]}.{stretched} "
            "Taken at even steps of the area that is left; not picked by hand."
        )
        if tiles:
            yield Gallery(f"minimal-{run.name}-{number}", tiles, caption)


def _tile(run: _MinimalRun, k: int) -> Tile:
    row = int(run.arrays["picture_rows"][k])
    before, after = run.arrays["probability"][row].tolist()
    there, left = run.arrays["segments"][row].tolist()
    name, scene = str(run.arrays["ids"][row]), str(run.arrays["scenes"][row])
    caption = (
        f"{name}: {scene} {percent(before, 0)}, then {percent(after, 0)}; {left} of {count(there, 'segment')}, "
        f"{percent(float(run.arrays['area'][row]), 0)} of the area"
    )
    return Tile(
        beside([run.arrays["pictures"][k], run.arrays["minimal"][k]]), caption, f"{name} and its minimal picture"
    )


def _object_blocks(run: _MinimalRun) -> Iterator[Block]:
    listed = [scene for scene in run.scenes if run.objects(scene)]
    if not listed:
        least = run.results.config["least"]
        yield Prose(f"{run.name}: no object is annotated in {count(least, 'minimal picture')} of a scene or more.")
        return
    yield Chart(
        f"kept-{run.name}",
        partial(_draw, run, listed),
        "How often objects are kept in minimal pictures, and how often by chance",
        "Filled: the share of the pictures with an object in whose minimal picture it is kept, with its 95 % bootstrap "
        "interval over pictures. Cross: the same where segments are taken away at random until the same area is left. "
        f"Open: how many pictures of the scene have it. The {_CHARTED} most frequent objects of each scene.",
    )
    for scene in listed:
        yield _object_table(run, scene)


def _object_table(run: _MinimalRun, scene: str) -> Table:
    published = {plain_name(row.label): row.values[0] for row in paper("object-detectors-emerge").table("minimal").rows}
    differences = {row.subset: row for row in run.results.sweep if row.metric == "kept - random"}
    comparable = any(plain_name(f"{scene}: {name}") in published for name in run.objects(scene))
    rows = []
    for name in run.objects(scene):
        subset = f"{scene}: {name}"
        difference = differences.get(subset)
        there, kept, chance, of_all = (
            run.value(*each, subset)
            for each in (("pictures", "there"), ("minimal", "kept"), ("random", "kept"), ("minimal", "kept_of_all"))
        )
        said = [published.get(plain_name(subset))] if comparable else []
        rows.append(
            (
                Cell(name, f"{kept.n:,}"),
                _cell(there),
                _cell(kept, "strong" if subset in run.beyond_chance else ""),
                _cell(chance),
                NONE if difference is None else _difference(difference, beyond=subset in run.beyond_chance),
                _cell(of_all),
                *(NONE if value is None else Cell(f"{value:g}", tone="published") for value in said),
            )
        )
    config = run.results.config
    counted = (
        "An object is kept where any of its segments is."
        if config["segments"] == "objects"
        else "An object is kept where half of its cells are."
    )
    return Table(
        f"{run.name}: {scene}, objects in {count(config['least'], 'picture')} or more",
        ("Object", "There", "Kept", "At random", "Difference", "Kept, of all pictures", *["Published"] * comparable),
        (RowGroup(tuple(rows)),),
        f"{counted} Small, beside its name: the pictures with it. Kept: of those. At random: segments taken away at "
        f"random, {config['draws']:,} times of each picture, until as much area is left. Difference: paired; it "
        f"stands out at a false discovery rate of {percent(FALSE, 0)} over all objects. Small figures: 95 % bootstrap "
        "intervals over pictures."
        + " Published: of SUN’s pictures and another network, in percent “of the cases”."
        * comparable,
    )


def _cell(row: Row, tone: str = "") -> Cell:
    return Cell(percent(row.value, 0), percent_range(row.ci95, 0) if row.ci95 else "", tone)


def _difference(row: Row, *, beyond: bool) -> Cell:
    low, high = row.ci95 or (np.nan, np.nan)
    interval = f"{signed(100 * low, 0)} to {signed(100 * high, 0)}"
    return Cell(signed(100 * row.value, 0), interval if row.ci95 else "", "strong" if beyond else "quiet")


def _draw(run: _MinimalRun, scenes: Sequence[str], theme: Theme) -> Figure:
    tallest = max(min(len(run.objects(scene)), _CHARTED) for scene in scenes)
    figure, axes = panels(len(scenes), 1.0 + 0.24 * tallest, share_x=True, share_y=False)
    for ax, scene in zip(axes, scenes, strict=True):
        names = sorted(
            run.objects(scene)[:_CHARTED], key=lambda name: run.value("minimal", "kept", f"{scene}: {name}").value
        )
        for y, name in enumerate(names):
            subset = f"{scene}: {name}"
            there, kept, chance = (
                run.value(*each, subset) for each in (("pictures", "there"), ("minimal", "kept"), ("random", "kept"))
            )
            first = y == 0
            ax.plot(there.value, y, "o", mfc="none", color=theme.muted, label="there" if first else None, markersize=5)
            if kept.ci95 is not None:
                ax.plot(kept.ci95, [y, y], color=run.colour("minimal", theme), linewidth=1.2)
            ax.plot(kept.value, y, "o", color=run.colour("minimal", theme), label="kept" if first else None)
            ax.plot(
                chance.value,
                y,
                "x",
                color=run.colour("random", theme),
                markeredgewidth=2,
                label="kept at random" if first else None,
            )
        ax.set_yticks(range(len(names)), names)
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.7, tallest - 0.3))
        ax.set_title(scene)
        ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        ax.grid(axis="x")
    key_above(figure, axes[:1], theme)
    return figure


def _left_table(run: _MinimalRun) -> Table:
    subsets = (*run.scenes, "all") if len(run.scenes) > 1 else run.scenes
    rows = []
    for scene in subsets:
        right, before, after, area, share = (
            run.value(*each, scene)
            for each in (
                ("pictures", "right"),
                ("pictures", "probability"),
                ("minimal", "probability"),
                ("minimal", "area"),
                ("minimal", "segments"),
            )
        )
        cells = (_cell(right), Cell(f"{area.n:,}"), _cell(before), _cell(after), _cell(area), _cell(share))
        rows.append((Cell(scene, f"{right.n:,}"), *cells))
    return Table(
        f"{run.name}: what the network names right, and what is left of it",
        ("Scene", "Named right", "Made minimal", "Probability, whole", "Minimal", "Area left", "Segments left"),
        (RowGroup(tuple(rows)),),
        "Small, beside a scene: its pictures. Probability: of the right name. Small figures: 95 % bootstrap intervals "
        "over pictures.",
    )
