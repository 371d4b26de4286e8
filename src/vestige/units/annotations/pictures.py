"""Pictures of example units, as people saw them (Fig. 6b)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vestige.images import Pixels
from vestige.units.annotate import installed
from vestige.units.annotations.said import UnitSaid, examples

if TYPE_CHECKING:
    from vestige.units.dissect.run import DissectRun

EXAMPLES = 6
"""Units of each layer."""

PICTURES = 5
"""The strongest ones of each unit."""

SIDE = 128
"""Pixels of a picture's sides."""


def example_pictures(
    run: DissectRun, folder: Path, units: Sequence[UnitSaid], layers: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Some units of each layer, as rows of all units ``(E,)``, and their strongest pictures ``(E, K, S, S, 3)``.

    Empty where the dissection has no pictures that people were shown, as where their answers came from a file.
    """
    with installed():
        from vestige.units.annotate.tiles import shown_of, tiles_of

    tiles, rows, pictures = tiles_of(folder), [], []
    chosen = [unit for layer in layers for unit in examples([u for u in units if u.layer == layer], EXAMPLES)]
    for unit in chosen if tiles.path.exists() else ():
        shown = shown_of(run, unit.layer, unit.unit)
        if shown is None:
            continue
        own = [row for row in run.of(unit.layer, "top_rows")[unit.unit].tolist() if row not in shown.planted]
        places = [shown.shown.index(row) for row in own if row in shown.shown][:PICTURES]
        drawn = [_square(jpeg) for place in places if (jpeg := tiles.tile(unit.layer, unit.unit, place)) is not None]
        if len(drawn) == len(places):
            rows.append(units.index(unit))
            pictures.append(np.stack(drawn + [np.zeros_like(drawn[0])] * (PICTURES - len(drawn))))
    if not rows:
        return {}
    return {"examples": np.array(rows, np.int64), "example_pictures": np.stack(pictures)}


def _square(jpeg: bytes) -> Pixels:
    """A picture ``(S, S, 3)``, black where it has other sides."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        return np.asarray(ImageOps.pad(picture.convert("RGB"), (SIDE, SIDE)))
