"""Where the cells of a layer stand, in pictures of any size: by their receptive fields, and by what they respond to.

A receptive field says what a cell can see. What it responds to is a matter of its weights, and these may look to one
side: those of a network that was trained with padding below and on the right alone, for one, look up and to the left,
as if to make up for it. So places of a picture are disturbed, and the middle of the response is set against the place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.backbones import Backbone, ReceptiveField, prepared
from vestige.errors import VestigeError
from vestige.features.dense import Size
from vestige.features.extract import exact_arithmetic
from vestige.features.kept_fields import receptive_fields
from vestige.images import Pixels
from vestige.intervals import Floats

PICTURES = 24

LARGEST = 512
"""Pixels of a picture's sides that are looked at, in its middle: several copies go through the network together."""

PAIRS = 4
"""Of places in a picture. The two of a pair lie on opposite sides of its middle: what a disturbance does to the whole
picture, by way of squeeze-and-excite, cancels out."""


def at_size(backbone: Backbone, size: Size) -> Backbone:
    """The same network for pictures of (height, width) pixels. A mean image becomes its mean colour."""
    before = backbone.preprocessing
    mean = before.mean
    if before.mean_image is not None:
        red, green, blue = before.mean_image.mean(axis=(1, 2)).tolist()
        mean = (red, green, blue)
    return Backbone(
        backbone.spec,
        backbone.module,
        replace(before, size=size, mean=mean, mean_image=None),
        backbone.paths,
        channels_last_layers=backbone.channels_last_layers,
        prefix_tokens=backbone.prefix_tokens,
        register_tokens=backbone.register_tokens,
        structure=backbone.structure,
        categories=backbone.categories,
    )


def fields_at_every_size(backbone: Backbone, names: Sequence[str]) -> dict[str, ReceptiveField]:
    """The receptive fields of layers, where they are the same for pictures of every size.

    Networks with "same" padding as TensorFlow computes it pad by what the side leaves over, and so move their cells by
    up to half a stride from one size to the next. At an input one pixel larger that shows.

    Raises:
        VestigeError: where a layer's cells move.
    """
    fields = receptive_fields(backbone, names)
    height, width = backbone.preprocessing.size
    try:
        larger = receptive_fields(at_size(backbone, (height + 1, width + 1)), names)
    except (RuntimeError, ValueError, AssertionError, VestigeError):  # it takes no other size, and says so when asked
        return fields
    for name, field in fields.items():
        here, there = field.centre, larger[name].centre
        if here is not None and there is not None and here != there:
            raise VestigeError(
                f"{backbone.spec}: layer {name!r} pads by the size of the picture, so its cells stand elsewhere in "
                f"pictures of other sizes ({here[0]:g} and {there[0]:g} pixels for the first, at {height} "
                f"and {height + 1}); take a network that pads alike, or `vestige correspond align` or "
                "`detect`, which show it squares of one size"
            )
    return fields


def response_centred(
    backbone: Backbone,
    fields: Mapping[str, ReceptiveField],
    pictures: Sequence[Pixels],
    device: torch.device,
    seed: int,
) -> dict[str, ReceptiveField]:
    """The fields with their centres moved to where their cells respond.

    At every place 3 x 3 pixels change by half of the range of values; the response is the sum over channels of the
    squared change of a layer, and its middle the mean place of the cells, weighted by it.

    Args:
        backbone: the network.
        fields: of grid layers with a stride.
        pictures: as the network is to see them.
        device: to compute on.
        seed: of the places.

    Returns:
        The same layers; one that responds nowhere keeps its centre.
    """
    ready = prepared(backbone, device, keep=tuple(fields))
    draw = np.random.default_rng(seed)
    away: dict[str, list[Floats]] = {name: [] for name in fields}
    for picture in map(_middle, pictures):
        places = _places(draw, picture.shape[:2])
        with torch.inference_mode(), exact_arithmetic():
            outputs = ready.run(backbone.preprocessing(_disturbed(picture, places), device), tuple(fields))
        for name, field in fields.items():
            changed = (outputs[name][1:] - outputs[name][:1]).double().square().sum(dim=1).cpu().numpy()
            away[name].append(_middles(changed, field) - (places + 0.5))
    return {name: _moved(field, np.concatenate(away[name])) for name, field in fields.items()}


def shift_note(layer: str, field: tuple[float, float], response: tuple[float, float]) -> str:
    """What a reader of the numbers must know of cells that stand where they respond; centres as (y, x)."""
    x, y = response[1] - field[1], response[0] - field[0]
    return (
        f"Cells of {layer} are taken to stand where they respond: ({x:+.1f}, {y:+.1f}) pixels (x, y) from the centres "
        "of their receptive fields."
    )


def _middle(picture: Pixels) -> Pixels:
    """The middle of a picture, at most `LARGEST` pixels a side."""
    top, left = (max(side - LARGEST, 0) // 2 for side in picture.shape[:2])
    return picture[top : top + LARGEST, left : left + LARGEST]


def _places(draw: np.random.Generator, size: tuple[int, ...]) -> NDArray[np.intp]:
    """Pixels ``(2 PAIRS, 2)``, each (y, x), in the middle half of a picture."""
    last = np.array(size[:2]) - 1
    low = np.maximum(1, last // 4)
    first = draw.integers(low, np.maximum(low, last - low) + 1, (PAIRS, 2))
    return np.concatenate([first, last - first])


def _disturbed(picture: Pixels, places: NDArray[np.intp]) -> Pixels:
    """The picture, and once for each place with that place changed."""
    pictures: Pixels = np.repeat(picture[None], 1 + len(places), axis=0)
    for other, (y, x) in zip(pictures[1:], places.tolist(), strict=True):
        other[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] += 128  # beyond 255 it begins anew at 0
    return pictures


def _middles(changed: Floats, field: ReceptiveField) -> Floats:
    """The middles ``(m, 2)``, each (y, x) in pixels, of responses ``(m, h, w)``; NaN where there is none."""
    assert field.stride is not None, "the cells have no place"
    assert field.centre is not None, "the cells have no place"
    total = changed.sum(axis=(1, 2))
    along = [changed.sum(axis=3 - axis) @ np.arange(changed.shape[axis]) for axis in (1, 2)]
    cells = np.divide(
        np.stack(along, axis=1), total[:, None], out=np.full((len(total), 2), np.nan), where=total[:, None] > 0
    )
    middles: Floats = np.array(field.centre) + np.array(field.stride) * cells
    return middles


def _moved(field: ReceptiveField, away: Floats) -> ReceptiveField:
    known = away[np.isfinite(away).all(axis=1)]
    if field.centre is None or not len(known):
        return field
    y, x = (np.array(field.centre) - known.mean(axis=0)).tolist()
    return replace(field, centre=(y, x))
