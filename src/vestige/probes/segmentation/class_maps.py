"""Class maps as pictures: in colours, over a photograph, and with a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vestige.images import Pixels, crop_resize

Colours = NDArray[np.uint8]
"""``(C, 3)`` RGB."""

VOID_COLOUR = (224, 224, 192)
"""Of labels that are no class; VOC's."""

_LONGER_SIDE = 640  # pixels of a predicted picture
_OPACITY = 0.6  # of a map over a photograph
_LEAST = 0.005  # share of the picture below which the key leaves a class out


def resized(responses: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.float64]:
    """Responses of a grid's cells at pixel centres, bilinearly: ``(G, G, C) -> (h, w, C)``; edges are replicated."""
    values = np.asarray(responses, dtype=np.float64)
    for axis, length in enumerate(size):
        cells = values.shape[axis]
        at = np.clip((np.arange(length) + 0.5) * cells / length - 0.5, 0, cells - 1)
        low = np.minimum(at.astype(np.intp), max(cells - 2, 0))
        share = (at - low).reshape([-1 if k == axis else 1 for k in range(3)])
        high = np.minimum(low + 1, cells - 1)
        values = np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share
    return values


def map_of(responses: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.intp]:
    """The class of highest response at every pixel: ``(G, G, C) -> (h, w)``."""
    labels: NDArray[np.intp] = resized(responses, size).argmax(axis=-1)
    return labels


def coloured(labels: NDArray[np.integer[Any]], colours: Colours) -> Pixels:
    """Labels ``(h, w)`` in their colours ``(h, w, 3)``; what is no class in :data:`VOID_COLOUR`."""
    known = labels < len(colours)
    found: Pixels = np.where(known[..., None], colours[np.where(known, labels, 0)], np.array(VOID_COLOUR, np.uint8))
    return found


def over(pixels: Pixels, labels: NDArray[np.integer[Any]], colours: Colours) -> Pixels:
    """A photograph ``(h, w, 3)`` with its map ``(h, w)`` laid over it."""
    mixed = pixels * (1 - _OPACITY) + coloured(labels, colours) * _OPACITY
    return np.round(mixed).astype(np.uint8)


def mapped_photograph(
    pixels: Pixels,
    responses: NDArray[np.floating[Any]],
    names: Sequence[str],
    colours: Colours,
) -> Pixels:
    """A photograph beside its map laid over it, above a key of the classes in it with their shares of the area.

    Args:
        pixels: ``(H, W, 3)``.
        responses: ``(G, G, C)`` of the whole photograph.
        names: ``(C,)`` of the classes.
        colours: ``(C, 3)``.
    """
    height, width = pixels.shape[:2]
    scale = _LONGER_SIDE / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    photograph = crop_resize(pixels, None, size, "bicubic")
    labels = map_of(responses, size)
    pair = np.concatenate([photograph, np.full((size[0], 8, 3), 255, np.uint8), over(photograph, labels, colours)], 1)
    return np.concatenate([pair, _key(labels, names, colours, pair.shape[1])])


def _key(labels: NDArray[np.intp], names: Sequence[str], colours: Colours, width: int) -> Pixels:
    """Swatches with names and shares, largest first, in as many lines as they take."""
    shares = np.bincount(labels.ravel(), minlength=len(names)) / labels.size
    font = ImageFont.load_default(18)
    line, x, y = 30, 8, 8
    entries = []
    for k in (k for k in np.argsort(-shares, kind="stable") if shares[k] >= _LEAST):
        text = f"{names[k]} {100 * shares[k]:.0f} %"
        taken = 26 + round(font.getlength(text)) + 22
        if x > 8 and x + taken > width:
            x, y = 8, y + line
        entries.append((x, y, text, tuple(colours[k].tolist())))
        x += taken
    strip = Image.new("RGB", (width, y + line + 4), "white")
    pen = ImageDraw.Draw(strip)
    for x, y, text, colour in entries:
        pen.rectangle((x, y, x + 19, y + 19), fill=colour, outline=(90, 90, 90))
        pen.text((x + 26, y + 10), text, fill=(28, 33, 38), font=font, anchor="lm")
    return np.asarray(strip)
