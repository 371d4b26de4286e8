"""The report on receptive fields: their sizes (Table 2), how they are found (Fig. 3), what they look at (Fig. 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.images import Pixels, crop_resize
from vestige.published import paper
from vestige.report.beside import below, beside
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
from vestige.report.style import Theme, decimal_axis, label_right, panels
from vestige.run import Run
from vestige.text import count, network_name, percent, signed, value_range
from vestige.units.receptive_fields.run import FieldsRun, read_fields

SIDE = 128
"""Pixels of a panel's side."""

DIMMED = 0.3
"""Of its brightness, what a picture keeps outside of a field."""

_HOT = np.array([[0, 0, 0], [120, 12, 60], [224, 74, 30], [252, 180, 50], [255, 255, 220]], np.float64)
"""The colours of a map, from nothing to its peak."""


def field_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_fields(run) for run in runs]
    sections = (
        Section("Sizes", "sizes", tuple(dict.fromkeys(block for run in read for block in _sizes(run)))),
        Section("How they are found", "maps", tuple(block for run in read for block in _maps(run))),
        Section("What they look at", "patches", tuple(block for run in read for block in _patches(run))),
    )
    return tuple(map(_opening, read)), sections


def _opening(run: FieldsRun) -> Opening:
    config = run.results.config
    occlusions = config["occlusions"]
    pictures = max((run.arrays[f"top/{layer}"].shape[1] for layer in run.layers), default=0)
    detail = (
        f"{_network(run)}: {count(config['units'], 'unit')} of each layer at most, each in the "
        f"{count(pictures, 'picture')} that it is most active in, occluded by squares of "
        f"{config['occluder']} pixels, {config['stride']} pixels apart. A field’s size is the square root of "
        f"the area above {config['fraction']:g} of its peak. {occlusions['run']:,} of {occlusions['grid']:,} "
        "occluded pictures were run: the others hide nothing that a unit can see."
    )
    if not run.measured:
        return Opening(run.name, "No unit answers to an occluder.", detail)
    deepest = run.measured[-1]
    headline = f"Units of {deepest} look at {run.value('actual', deepest).value:.0f} pixels across"
    if (share := run.share(deepest)) is not None:
        headline += f", {percent(share, 0)} of the {run.value('theoretical', deepest).value:.0f} that they could"
    numbers = tuple(
        KeyNumber(
            layer,
            f"{run.value('actual', layer).value:.1f}",
            "pixels" if run.share(layer) is None else f"of {run.value('theoretical', layer).value:.0f}",
        )
        for layer in run.measured[:8]
    )
    return Opening(run.name, f"{headline}.", detail, numbers)


def _network(run: FieldsRun) -> str:
    """Whose units they are."""
    return network_name(str(run.results.backbone.get("spec", "the network")))


def _sizes(run: FieldsRun) -> Iterator[Block]:
    yield _size_table(run)
    yield _published()
    if run.measured:
        yield Chart(
            f"sizes-{run.name}",
            partial(_draw_sizes, run),
            f"Theoretical and actual sizes by layer of {_network(run)}, and actual ones by the fraction of the peak",
            f"{_network(run)}. Left: the theoretical size (dotted) and the actual sizes, a dot a unit, with their "
            "mean. Right: the mean actual size by the fraction of the peak above which a field’s area is taken; the "
            "vertical line is the fraction that the table has.",
        )


def _size_table(run: FieldsRun) -> Table:
    config = run.results.config
    rows = []
    for layer in run.layers:
        theory, actual = (run.row(method, "size", layer) for method in ("theoretical", "actual"))
        spread, share = run.row("actual", "spread", layer), run.share(layer)
        rows.append(
            (
                Cell(layer, count(len(run.arrays[f"units/{layer}"]), "unit")),
                NONE if theory is None else Cell(f"{theory.value:.0f}"),
                NONE if actual is None else Cell(signed(actual.value, 1), value_range(actual.ci95, 1), "strong"),
                NONE if spread is None else Cell(signed(spread.value, 1)),
                NONE if share is None else Cell(percent(share, 0)),
                Cell("0" if actual is None else f"{actual.n:,}"),
            )
        )
    least = int(config["occluder"])
    return Table(
        f"{run.name}: sizes of receptive fields in pixels of the input of {_network(run)}",
        ("Layer", "Theoretical", "Actual", "± over units", "Actual of theoretical", "Units measured"),
        (RowGroup(tuple(rows)),),
        f"Actual: the square root of the area above {config['fraction']:g} of the peak, mean over units, with its 95 % "
        f"bootstrap interval over them; ±: standard deviation. An occluder blurs: what reads one pixel answers to it "
        f"wherever it covers that, over {least} pixels. Theoretical fields are those of units far "
        "from every edge, and may be larger than the picture.",
    )


def _published() -> Table:
    """Table 2."""
    source = paper("object-detectors-emerge")
    table = source.table("receptive-fields")
    rows = []
    for row in table.rows:
        spread = row.spread or (None,) * len(row.values)
        cells = [
            NONE if value is None else Cell(f"{value:g}", "" if far is None else f"± {far:g}", "published")
            for value, far in zip(row.values, spread, strict=True)
        ]
        rows.append((Cell(row.label), *cells))
    return Table(
        f"Published: {table.number} of {source.short}",
        ("", *(column.name for column in table.columns)),
        (RowGroup(tuple(rows)),),
        "Measured by others, on other networks with other pictures; the paper does not say above which fraction of the "
        "peak.",
    )


def _draw_sizes(run: FieldsRun, theme: Theme) -> Figure:
    figure, (left, right) = panels(2, 3.6, share_x=False, share_y=False, columns=2)
    accents = theme.accents
    places = range(len(run.measured))
    theory = [np.nan if (row := run.row("theoretical", "size", each)) is None else row.value for each in run.measured]
    left.plot(places, theory, color=run.colour("theoretical", theme), linestyle=":", marker="_", label="theoretical")
    for x, layer in enumerate(run.measured):
        size = run.arrays[f"size/{layer}"]
        jitter = np.linspace(-0.18, 0.18, len(size)) if len(size) > 1 else np.zeros(1)
        left.plot(x + jitter, size, ".", color=theme.muted, markersize=3.5, alpha=0.7)
    means = [run.value("actual", layer).value for layer in run.measured]
    left.plot(places, means, color=run.colour("actual", theme), marker="o", label="actual")
    left.set_xticks(places, run.measured)
    left.set_ylabel("pixels")
    left.set_ylim(0)
    left.legend(frameon=False, labelcolor=theme.ink)
    fractions = run.arrays["fractions"]
    right.axvline(float(run.results.config["fraction"]), color=theme.faint, linewidth=1.2)
    ends = []
    for rank, layer in enumerate(run.measured):
        curve = np.nanmean(run.arrays[f"curve/{layer}"], axis=0)
        colour = accents[rank % len(accents)]
        right.plot(fractions, curve, color=colour)
        ends.append((float(fractions[-1]), float(curve[-1]), layer, colour))
    right.set(xlim=(0, 1), xlabel="fraction of the peak")
    right.set_ylim(0)
    for ax in (left, right):
        ax.grid(axis="y")
        decimal_axis(ax.yaxis)
    label_right(right, ends)
    return figure


def _maps(run: FieldsRun) -> Iterator[Block]:
    """The paper's Fig. 3: pictures, discrepancy maps, and the field that they make."""
    tiles = tuple(_map_tile(run, layer) for layer in run.layers if len(run.arrays[f"lively/{layer}"]))
    if tiles:
        yield Gallery(
            f"maps-{run.name}",
            tiles,
            f"{run.name}, from left to right: pictures that a unit is most active in, each above how far an occluder "
            "there moves the activation (bright: far), the cross where the unit is; at the end the maps’ mean about "
            "that place, at the same scale, below what lies in that field in the first picture. The first unit of "
            "each layer drawn that answers to occluders; not picked by hand.",
            columns=1,
        )


def _map_tile(run: FieldsRun, layer: str) -> Tile:
    unit = int(run.arrays[f"lively/{layer}"][0])
    columns = []
    for k, row in enumerate(run.arrays[f"shown/{layer}"][0].tolist()):
        picture = run.arrays["pictures"][row]
        centre = run.arrays[f"centres/{layer}"][unit, k]
        shown = crop_resize(_marked(picture, centre), None, (SIDE, SIDE), "bilinear")
        columns.append(below([shown, _over_picture(run, run.arrays[f"change/{layer}"][0, k], picture.shape[:2])]))
    columns.append(below(_about_the_unit(run, layer, unit)))
    number, size = run.arrays[f"units/{layer}"][unit], run.arrays[f"size/{layer}"][unit]
    name = f"{layer}:{number}"
    return Tile(beside(columns), f"{name}: {size:.1f} pixels", f"Pictures, discrepancy maps and the field of {name}")


def _over_picture(run: FieldsRun, change: NDArray[np.float32], size: tuple[int, ...]) -> Pixels:
    """A discrepancy map over the whole picture, where its occluders' middles are."""
    config = run.results.config
    stride, side = int(config["stride"]), int(config["occluder"])
    shown = _coloured(change / max(float(change.max()), 1e-30))
    wide = crop_resize(shown, None, (change.shape[0] * stride, change.shape[1] * stride), "bilinear")
    canvas = np.zeros((*size, 3), np.uint8)
    y = x = max((side - stride) // 2, 0)
    wide = wide[: size[0] - y, : size[1] - x]
    canvas[y : y + wide.shape[0], x : x + wide.shape[1]] = wide
    return crop_resize(canvas, None, (SIDE, SIDE), "bilinear")


def _about_the_unit(run: FieldsRun, layer: str, unit: int) -> list[Pixels]:
    """What lies in a unit's field in the first picture, and the field, at the scale of the pictures beside it."""
    reach = max(run.arrays["pictures"].shape[1:3]) // 2
    field = run.field(layer, unit, reach)
    picture = run.arrays["pictures"][run.arrays[f"shown/{layer}"][0, 0]]
    seen = _dimmed(run, picture, run.arrays[f"centres/{layer}"][unit, 0], field)
    return [seen, crop_resize(_coloured(field), None, (SIDE, SIDE), "bilinear")]


def _dimmed(run: FieldsRun, picture: Pixels, centre: NDArray[np.floating], field: NDArray[np.float64]) -> Pixels:
    """A picture about a place (y, x), darkened where the field about it is below the fraction of its peak."""
    (y, x), half = centre, len(field) / 2
    patch = crop_resize(picture, (x - half, y - half, x + half, y + half), field.shape, "bilinear")
    inside = field > float(run.results.config["fraction"])
    dimmed = np.where(inside[..., None], patch, (DIMMED * patch).astype(np.uint8))
    return crop_resize(dimmed, None, (SIDE, SIDE), "bilinear")


def _patches(run: FieldsRun) -> Iterator[Block]:
    """The paper's Fig. 4: fields, and what lies in them where the units are most active."""
    tiles = []
    for layer in run.layers:
        for s, unit in enumerate(run.arrays[f"lively/{layer}"].tolist()):
            tiles.append(_patch_tile(run, layer, s, unit))
    if tiles:
        fraction = run.results.config["fraction"]
        yield Gallery(
            f"patches-{run.name}",
            tuple(tiles),
            f"{run.name}: left, a unit’s field; right of it what lies there in the pictures that the unit is most "
            f"active in, darkened where the field is below {fraction:g} of its peak. Each unit at its own scale: its "
            "size is below. The first units of each layer that were drawn and answer to occluders; not picked by hand.",
            columns=2,
        )


def _patch_tile(run: FieldsRun, layer: str, s: int, unit: int) -> Tile:
    size = float(run.arrays[f"size/{layer}"][unit])
    reach = int(np.ceil(0.85 * size)) + 2
    field = run.field(layer, unit, reach)
    panels = [crop_resize(_coloured(field), None, (SIDE, SIDE), "bilinear")]
    for k, row in enumerate(run.arrays[f"shown/{layer}"][s].tolist()):
        panels.append(_dimmed(run, run.arrays["pictures"][row], run.arrays[f"centres/{layer}"][unit, k], field))
    name = f"{layer}:{run.arrays[f'units/{layer}'][unit]}"
    return Tile(beside(panels), f"{name}: {size:.1f} pixels", f"The field of {name} and what lies in it")


def _coloured(values: NDArray[Any]) -> Pixels:
    """Numbers from 0 to 1 as colours ``(h, w, 3)``."""
    at = np.clip(np.nan_to_num(values.astype(np.float64)), 0, 1) * (len(_HOT) - 1)
    low = np.minimum(at.astype(int), len(_HOT) - 2)
    share = (at - low)[..., None]
    colours: Pixels = np.rint(_HOT[low] * (1 - share) + _HOT[low + 1] * share).astype(np.uint8)
    return colours


def _marked(picture: Pixels, centre: NDArray[np.floating]) -> Pixels:
    """A picture with a cross at a place (y, x)."""
    marked = picture.copy()
    y, x = (int(np.clip(c, 0, side - 1)) for c, side in zip(centre, picture.shape[:2], strict=True))
    arm = max(picture.shape[0] // 28, 2)
    for dy, dx in ((0, 1), (1, 0)):
        for colour, wide in ((0, 1), (255, 0)):
            rows = slice(max(y - arm * dy - wide, 0), y + arm * dy + wide + 1)
            columns = slice(max(x - arm * dx - wide, 0), x + arm * dx + wide + 1)
            marked[rows, columns] = colour
    return marked
