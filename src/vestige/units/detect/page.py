"""The report on what labelled units find in photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.arrays import check_arrays
from vestige.report.blocks import Block, Cell, Gallery, Opening, Parts, RowGroup, Section, Table, Tile
from vestige.report.measured_run import check_config
from vestige.report.style import LIGHT, figure_pixels, name_boxes, themed
from vestige.results import mend
from vestige.run import Run
from vestige.text import count, percent, signed
from vestige.units.segment.page import sides

_NEEDED = {
    "ids": "text N",
    "sizes": "index N 2",
    "pictures": "byte N S S 3",
    "picture": "row:N M",
    "boxes": "real M 4",
    "confidence": "real M",
    "objects": "text M",
    "units": "text M",
    "scene_picture": "row:N K",
    "scene_names": "text K",
    "scene_shares": "real K",
}

_INCHES = 4.6


class _Config(TypedDict):
    dissection: str
    least_iou: float


def detection_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    openings: list[Opening] = []
    blocks: list[Block] = []
    for run in runs:
        results, arrays = run.results(), run.examples()
        check_config(run, results, _Config)
        check_arrays(run.examples_path, arrays, _NEEDED, mend=mend())
        found, n = len(arrays["picture"]), len(arrays["ids"])
        openings.append(
            Opening(
                run.name,
                f"{count(found, 'box', 'boxes')} in {count(n, 'picture')}, by units of the run "
                f"“{results.config['dissection']}”.",
                "A box is an area in which a unit is above its threshold; its confidence is the share of points that "
                "show the unit’s object where it was so active in the pictures of the dissection.",
            )
        )
        tiles = [_tile(arrays, k) for k in range(n)]
        blocks.append(
            Gallery(
                f"found-{run.name}",
                tuple(tiles),
                "Boxes with the object and the confidence; the scene that the network names below (Fig. 10). Boxes of "
                f"units whose overlap with their object is at least {results.config['least_iou']:g}.",
            )
        )
        blocks.append(_table(run.name, arrays))
    return tuple(openings), (Section("What is found", "found", tuple(blocks)),)


def _tile(arrays: Mapping[str, NDArray[Any]], k: int) -> Tile:
    name, here = str(arrays["ids"][k]), arrays["scene_picture"] == k
    scenes = zip(arrays["scene_names"][here].tolist(), arrays["scene_shares"][here].tolist(), strict=True)
    said = ", ".join(f"{scene} {percent(share, 0)}" for scene, share in scenes)
    return Tile(_drawn(arrays, k), f"{name}: {said}" if said else name, f"What units find in {name}")


def _drawn(arrays: Mapping[str, NDArray[Any]], k: int) -> NDArray[np.uint8]:
    """A picture with its boxes."""
    width, height = sides(arrays["sizes"][k].tolist())
    with themed(LIGHT):
        figure = Figure(figsize=(_INCHES * width, _INCHES * height), dpi=100)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.imshow(arrays["pictures"][k], extent=(0, 1, 1, 0), interpolation="lanczos", aspect="auto")
        here = np.flatnonzero(arrays["picture"] == k)
        things = list(dict.fromkeys(arrays["objects"][here].tolist()))
        ax.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
        names = [f"{arrays['objects'][i]} {arrays['confidence'][i]:.2f}" for i in here]
        colours = [LIGHT.accents[things.index(arrays["objects"][i]) % len(LIGHT.accents)] for i in here]
        name_boxes(ax, arrays["boxes"][here], names, colours)
        for side in ax.spines.values():
            side.set_visible(False)
        return figure_pixels(figure)


def _table(name: str, arrays: Mapping[str, NDArray[Any]]) -> Table:
    groups = []
    for k, picture in enumerate(arrays["ids"].tolist()):
        rows = [
            (
                Cell(str(arrays["objects"][i])),
                Cell(signed(float(arrays["confidence"][i]), 2)),
                Cell(str(arrays["units"][i])),
                Cell(", ".join(f"{value:.2f}" for value in arrays["boxes"][i])),
            )
            for i in np.flatnonzero(arrays["picture"] == k)
        ]
        if rows:
            groups.append(RowGroup(tuple(rows), picture))
    return Table(
        f"{name}: what is found",
        ("Object", "Confidence", "Unit", "Box (x0, y0, x1, y1 in shares of the picture)"),
        tuple(groups),
        "detections.json has the boxes in pixels of the pictures.",
        folded=True,
    )
