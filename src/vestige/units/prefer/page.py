"""The report on the pictures that layers prefer (section 2 and Fig. 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypedDict

from matplotlib.figure import Figure

from vestige.arrays import check_arrays
from vestige.documents import Count
from vestige.images import Pixels, crop_resize
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
    RowGroup,
    Section,
    Table,
    Tile,
)
from vestige.report.measured_run import ArraysRun, check_config
from vestige.report.style import PAGE_WIDTH, Theme, key_above, themed
from vestige.results import Row, mend
from vestige.run import Run
from vestige.text import listed, network_name, percent, percent_range

SHOWN = 3
"""Pictures of each layer, as in the paper's Fig. 1."""

_SIDE = 96  # pixels of a picture in a tile


class _Config(TypedDict):
    sets: list[str]
    layers_by_network: dict[str, list[str]]
    top: Count


@dataclass(frozen=True)
class _PreferRun(ArraysRun):
    """A run with its results and examples: N pictures of all sets, R pairs of a network and a layer."""

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the sets."""
        return tuple(self.results.config["sets"])

    @property
    def networks(self) -> Mapping[str, Sequence[str]]:
        """The layers of each network."""
        networks: Mapping[str, Sequence[str]] = self.results.config["layers_by_network"]
        return networks

    @property
    def layers(self) -> tuple[str, ...]:
        """Those of all networks."""
        return tuple(dict.fromkeys(layer for layers in self.networks.values() for layer in layers))

    @cached_property
    def places(self) -> Mapping[tuple[str, str], int]:
        """The rows of ``top`` and ``activations`` by network and layer."""
        pairs = [(network, layer) for network, layers in self.networks.items() for layer in layers]
        return {pair: k for k, pair in enumerate(pairs)}

    def share(self, network: str, layer: str, name: str) -> Row | None:
        """The share of a set; None where the network has no such layer."""
        return self.find(f"{network}: {layer}", "share", name)


def prefer_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [_read(run) for run in runs]
    sections = (
        Section("How many are of each set", "shares", (*(b for run in read for b in _share_blocks(run)), _published())),
        Section("What they look like", "pictures", tuple(b for run in read for b in _galleries(run))),
    )
    return tuple(map(_opening, read)), sections


def _read(run: Run) -> _PreferRun:
    read = _PreferRun(run.name, run.results(), run.examples())
    check_config(run, read.results, _Config)
    needed = {
        "ids": "text N",
        "sets": "index N",
        "activations": "real R N",
        "top": "row:N R _",
        "picture/*": "byte _ _ 3",
    }
    check_arrays(run.examples_path, read.arrays, needed, mend=mend())
    return read


def _opening(run: _PreferRun) -> Opening:
    first, top = run.sets[0], run.results.config["top"]
    rows = [row for row in run.results.rows if row.subset == first]
    even = 1 / len(run.sets)
    beyond = [row for row in rows if row.ci95 is not None and not row.ci95[0] <= even <= row.ci95[1]]
    headline = (
        f"In {len(beyond)} of {len(rows)} layers, the pictures with the largest mean activation are not evenly of "
        f"{listed(list(run.sets))}."
    )
    detail = (
        f"As many pictures of each set, of one resolution; of each layer the {top} with the largest activation, on "
        f"average over its units and their places. The numbers are the share of {first} in the last layer of each "
        f"network; {percent(even, 0)} would be even."
    )
    numbers = tuple(
        KeyNumber(
            f"{network_name(network)}, {layers[-1]}",
            percent(row.value, 0),
            percent_range(row.ci95, 0) if row.ci95 else "",
        )
        for network, layers in run.networks.items()
        if (row := run.share(network, layers[-1], first)) is not None
    )
    return Opening(run.name, headline, detail, numbers)


def _share_blocks(run: _PreferRun) -> Iterator[Block]:
    first, top = run.sets[0], run.results.config["top"]
    yield Chart(
        f"shares-{run.name}",
        partial(_draw, run),
        f"Share of {first} among the top pictures by layer",
        f"The share of {first} among the {top} pictures with the largest mean activation, by layer, with 95 % "
        "bootstrap intervals over pictures. Dotted: even.",
    )
    yield _share_table(run)


def _share_table(run: _PreferRun) -> Table:
    groups, even = [], 1 / len(run.sets)
    for name in run.sets[: 1 if len(run.sets) == 2 else None]:
        rows = tuple(
            (Cell(layer), *(_cell(run.share(network, layer, name), even) for network in run.networks))
            for layer in run.layers
        )
        groups.append(RowGroup(rows, "" if len(run.sets) == 2 else name))
    others = f"; the rest is {run.sets[1]}" if len(run.sets) == 2 else ""
    return Table(
        f"{run.name}: share of {run.sets[0] if len(run.sets) == 2 else 'each set'} among the top pictures{others}",
        ("Layer", *map(network_name, run.networks)),
        tuple(groups),
        "Small figures: 95 % bootstrap intervals over all pictures, ranked anew in every resample. Activation: the "
        "mean over a layer’s units and their places. What is clear of an even share stands out.",
    )


def _cell(row: Row | None, even: float) -> Cell:
    if row is None or row.ci95 is None:
        return NONE if row is None else Cell(percent(row.value, 0))
    clear = not row.ci95[0] <= even <= row.ci95[1]
    return Cell(percent(row.value, 0), percent_range(row.ci95, 0), "strong" if clear else "")


def _published() -> Table:
    source = paper("object-detectors-emerge")
    table = source.table("preferred")
    rows = tuple(
        (Cell(row.label), *(NONE if v is None else Cell(f"{v:g}", tone="published") for v in row.values))
        for row in table.rows
    )
    return Table(
        f"Published: {table.number} of {source.short}, percent of ImageNet among the top 100, the rest of SUN",
        ("Network", *(column.name for column in table.columns)),
        (RowGroup(rows),),
        "Of 200,000 pictures and two networks of one architecture; it was not measured here.",
    )


def _draw(run: _PreferRun, theme: Theme) -> Figure:
    with themed(theme):
        figure = Figure(figsize=(PAGE_WIDTH, 3.4), layout="constrained")
        ax = figure.subplots()
        layers, first = run.layers, run.sets[0]
        ax.axhline(1 / len(run.sets), color=theme.muted, linestyle=(0, (1, 1.6)), linewidth=1)
        for rank, network in enumerate(run.networks):
            colour = theme.accents[rank % len(theme.accents)]
            found = [(x, row) for x, layer in enumerate(layers) if (row := run.share(network, layer, first))]
            shift = 0.12 * (rank - (len(run.networks) - 1) / 2)
            xs = [x + shift for x, _ in found]
            ax.plot(
                xs, [row.value for _, row in found], marker="o", markersize=4, color=colour, label=network_name(network)
            )
            for x, (_, row) in zip(xs, found, strict=True):
                if row.ci95 is not None:
                    ax.plot([x, x], row.ci95, color=colour, linewidth=1)
        ax.set_xticks(range(len(layers)), layers, rotation=0 if len(layers) <= 12 else 60)
        ax.set(ylim=(-0.02, 1.02), ylabel=f"share of {first}")
        ax.grid(axis="y")
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        key_above(figure, [ax], theme)
    return figure


def _galleries(run: _PreferRun) -> Iterator[Block]:
    for number, layer in enumerate(run.layers):
        tiles = tuple(_tile(run, network, layer) for network in run.networks if (network, layer) in run.places)
        caption = (
            f"{run.name}: the first {SHOWN} of each layer, networks side by side (Fig. 1). Below: of which set each is."
            if not number
            else ""
        )
        yield Gallery(
            f"preferred-{run.name}-{number}", tiles, caption, columns=2 if len(run.networks) in (1, 2, 4) else 3
        )


def _tile(run: _PreferRun, network: str, layer: str) -> Tile:
    rows = run.arrays["top"][run.places[network, layer], :SHOWN].tolist()
    names = [run.sets[int(run.arrays["sets"][row])] for row in rows]
    caption = f"{layer} of {network_name(network)}: {', '.join(names)}"
    pictures = [_square(run.arrays[f"picture/{row}"]) for row in rows]
    return Tile(beside(pictures), caption, f"Top pictures of {layer}, {network_name(network)}")


def _square(picture: Pixels) -> Pixels:
    """The middle of a picture, as large as a tile has it."""
    height, width = picture.shape[:2]
    side = min(height, width)
    x, y = (width - side) / 2, (height - side) / 2
    return crop_resize(picture, (x, y, x + side, y + side), (_SIDE, _SIDE), "bicubic")
