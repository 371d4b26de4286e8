"""Segmentation masks in files: class indices, or colours that stand for them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.picture_files import PictureError, read_stored

Colour = tuple[int, int, int]

_INDEX_MODES = ("P", "L", "1", "I", "I;16", "I;16L", "I;16B", "I;16N")
_VOC_VOID_COLOUR = (224, 224, 192)


@dataclass(frozen=True)
class ClassTable:
    """What the values of a mask mean.

    Attributes:
        names: the classes by index.
        void: the index that counts for nothing; the value 255 always means it.
        colours: of the classes by index in colour masks, and after them that of void where it has no class.
    """

    names: tuple[str, ...]
    void: int
    colours: tuple[Colour, ...]

    @cached_property
    def codes(self) -> dict[int, int]:
        """From a colour as the number ``r * 65536 + g * 256 + b`` to the class index."""
        codes = {_code(colour): index for index, colour in enumerate(self.colours[: len(self.names)])}
        for colour in self.colours[len(self.names) :]:
            codes.setdefault(_code(colour), self.void)
        return codes


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file: an index picture (palette or grey: the value is the class), or a colour picture.

    Attributes:
        path: of the file.
        classes: what its values mean.
        exif: whether it is turned as its EXIF orientation says, as its picture is.
    """

    path: Path
    classes: ClassTable
    exif: bool = True

    def read(self) -> NDArray[np.uint8]:
        """Class indices ``(H, W)``; void pixels have the table's void index.

        Raises:
            VestigeError: where the file is no picture, or holds a value or colour that is no class.
        """
        try:
            image = read_stored(self.path, self.exif)
        except PictureError as error:
            raise VestigeError(f"{self.path}: cannot be read as a mask: it {error.reason}") from error
        index = image.mode in _INDEX_MODES
        values = np.asarray(image if index else image.convert("RGB"))
        return self._from_indices(values) if index else self._from_colours(values)

    def digest(self) -> str:
        """sha256 of the file, and what its values mean."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        try:
            with self.path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise VestigeError(f"{self.path}: cannot be read: {error}") from error
        return f"{content} {self.classes!r}" + ("" if self.exif else " as stored")

    def _from_indices(self, values: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        values = np.where(values == 255, self.classes.void, values.astype(np.int64))
        n = len(self.classes.names)
        wrong = (values >= n) & (values != self.classes.void)
        if wrong.any():
            y, x = np.argwhere(wrong)[0]
            raise VestigeError(
                f"{self.path}: the pixel ({x}, {y}) is of class {values[y, x]}; expected 0 to {n - 1}, or 255 for void"
            )
        return values.astype(np.uint8)

    def _from_colours(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        wide = pixels.astype(np.int32)
        found, inverse = np.unique(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], return_inverse=True)
        unknown = [code for code in found.tolist() if code not in self.classes.codes]
        if unknown:
            y, x = np.argwhere(inverse.reshape(pixels.shape[:2]) == found.tolist().index(unknown[0]))[0]
            raise VestigeError(
                f"{self.path}: the pixel ({x}, {y}) has the colour {tuple(pixels[y, x].tolist())}, which stands for no "
                "class; give the classes' colours in classes.txt, one line 'name r g b' each"
            )
        table = np.array([self.classes.codes[code] for code in found.tolist()], dtype=np.uint8)
        return table[inverse].reshape(pixels.shape[:2])


def voc_colours(count: int) -> tuple[Colour, ...]:
    """VOC's colours of the classes 0 to ``count - 1``, and that of void: the index's bits, spread from the top down."""
    colours = []
    for index in range(count):
        colour = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                colour[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((colour[0], colour[1], colour[2]))
    return (*colours, _VOC_VOID_COLOUR)


def _code(colour: Sequence[int]) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]
