"""Contact sheets: many examples in one picture, with their boxes, keypoints and masks drawn."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from vestige.datasets.dataset import Dataset
from vestige.datasets.masks import voc_colours
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import Box, square_about, to_unit, whole_picture
from vestige.images import Pixels, crop_resize

_MARGIN = 0.25  # of the box's side that is shown around it
_FINE = 4  # drawing is done this many times larger and reduced, which smooths it and keeps fractions of pixels
_FEW = 30  # points that each get a colour far from the others
_LABEL = 15  # pixels below a tile
_GAP = 4
_PAPER = (250, 250, 248)
_OUTSIDE = (214, 214, 210)
_INK = (60, 60, 60)
_BOX = (255, 214, 10)


def contact_sheet(dataset: Dataset, n: int = 24, tile: int = 224, columns: int = 6) -> Pixels:
    """Up to ``n`` examples, evenly spread over the data set, as one picture ``(H, W, 3)``.

    A tile shows the square about the box and a quarter of its side around it, or the whole picture; what lies outside
    the picture is grey. Boxes are yellow; a keypoint has the same colour in every tile (landmarks, more than 30, run
    from red to violet in the markup's order); masks are laid over, one part colour to two of picture, void left clear.
    """
    chosen = spread(dataset.examples, n)
    columns = min(columns, len(chosen))
    rows = -(-len(chosen) // columns)
    height, width = tile + _LABEL + _GAP, tile + _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    for k, example in enumerate(chosen):
        x, y = _GAP + (k % columns) * width, _GAP + (k // columns) * height
        sheet.paste(Image.fromarray(draw_example(example, tile, dataset.void)), (x, y))
        _write(sheet, (x, y + tile), example, tile)
    return np.asarray(sheet)


def spread(examples: Sequence[Example], n: int) -> list[Example]:
    """At most ``n`` examples at even distances."""
    count = min(n, len(examples))
    return [examples[int((k + 0.5) * len(examples) / count)] for k in range(count)]


def draw_example(example: Example, tile: int, void: int | None = None) -> Pixels:
    """One example with everything that is known of it drawn, ``(tile, tile, 3)``.

    Args:
        example: the example; where it cannot be read, the tile is grey.
        tile: side in pixels.
        void: the mask index that is left clear.
    """
    try:
        pixels = example.image.read()
        mask = None if example.mask is None else example.mask.read()
    except VestigeError:
        return np.full((tile, tile, 3), _OUTSIDE, dtype=np.uint8)
    height, width = pixels.shape[:2]
    everything = whole_picture(width, height)
    view = square_about(everything) if example.box is None else square_about(example.box, _MARGIN)
    if mask is not None:
        pixels = _overlaid(pixels, mask, void)
    if example.objects:
        pixels = _outlined(pixels, example)
    picture = crop_resize(pixels, view, (tile, tile))
    return _drawn(_grey_outside(picture, view, everything), example, view)


def _overlaid(pixels: Pixels, mask: NDArray[np.uint8], void: int | None) -> Pixels:
    colours = np.array(voc_colours(256)[:256], dtype=np.uint8)
    mixed = (2 * pixels.astype(np.uint16) + colours[mask]) // 3
    clear = np.zeros(mask.shape, dtype=bool) if void is None else mask == void
    return np.where(clear[..., None], pixels, mixed.astype(np.uint8))


def _outlined(pixels: Pixels, example: Example) -> Pixels:
    """Objects one after another as the data set has them: a tint inside, and an edge in its full colour."""
    height, width = pixels.shape[:2]
    found = pixels.copy()
    for each in example.objects:
        hue = int.from_bytes(hashlib.sha256(each.name.encode()).digest()[:2]) / 65536
        colour = np.array(_rgb(hue), dtype=np.uint16)
        inside = each.region.raster((height, width), whole_picture(width, height))
        edge = inside & ~ndimage.binary_erosion(inside)
        found[inside] = ((3 * found[inside].astype(np.uint16) + colour) // 4).astype(np.uint8)
        found[edge] = colour.astype(np.uint8)
    return found


def _grey_outside(picture: Pixels, view: Box, everything: Box) -> Pixels:
    tile = len(picture)
    (x0, y0), (x1, y1) = np.rint(to_unit(everything.reshape(2, 2), view) * tile).astype(int)
    result = np.full_like(picture, _OUTSIDE)
    inside = slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0))
    result[inside] = picture[inside]
    return result


def _drawn(picture: Pixels, example: Example, view: Box) -> Pixels:
    tile = len(picture)
    # Pillow counts from pixel centres, vestige from pixel edges: half a fine pixel apart.
    fine = Image.fromarray(picture).resize((tile * _FINE, tile * _FINE), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(fine)
    if example.box is not None:
        (x0, y0), (x1, y1) = np.rint(to_unit(example.box.reshape(2, 2), view) * tile * _FINE - 0.5).tolist()
        for line in ([(x0, y0), (x1, y0)], [(x1, y0), (x1, y1)], [(x1, y1), (x0, y1)], [(x0, y1), (x0, y0)]):
            draw.line(line, fill=_BOX, width=_FINE + 1)  # odd: as wide on either side
    if example.keypoints is not None and example.visible is not None:
        shown = np.flatnonzero(example.visible)
        radius = round(_FINE * max(1.2, tile / (110 if len(shown) > _FEW else 70)))
        where = np.rint(to_unit(example.keypoints[shown], view) * tile * _FINE - 0.5).tolist()
        for k, (x, y) in zip(shown.tolist(), where, strict=True):
            colour = _colour(k, len(example.keypoints), len(shown))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=(0, 0, 0))
    return np.asarray(fine.reduce(_FINE))


def _colour(k: int, n_points: int, n_shown: int) -> tuple[int, int, int]:
    """Of point ``k``: its place in the rainbow where there are many, else far from its neighbours' (golden angle)."""
    hue = 0.83 * k / n_points if n_shown > _FEW else (k * 0.618) % 1
    return _rgb(hue)


def _rgb(hue: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * value) for value in colorsys.hsv_to_rgb(hue, 0.9, 1.0))
    return red, green, blue


def _write(sheet: Image.Image, at: tuple[int, int], example: Example, tile: int) -> None:
    """The id, shortened from the front to fit, and the category or the scene."""
    font = ImageFont.load_default(size=10)
    kind = example.category or example.scene
    text = f"{kind}  {example.id}" if kind else example.id
    while font.getlength(text) > tile and len(text) > 1:
        text = "…" + text[2:]
    ImageDraw.Draw(sheet).text((at[0], at[1] + 1), text, font=font, fill=_INK)
