"""Regions of a picture: where a named object is, kept as polygons, run lengths or a class of a mask.

One rule says what belongs to a region, at any size: a cell of a raster does where the cell's centre lies in the region,
or on its edge. Coordinates are those of :mod:`vestige.geometry`: pixel i covers [i, i + 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vestige.geometry import Box, Points

Raster = NDArray[np.bool_]


class Region(Protocol):
    """Where something is in a picture."""

    def raster(self, shape: tuple[int, int], frame: Box) -> Raster:
        """The cells ``(H, W)`` of a raster over a frame whose centres lie in the region.

        Args:
            shape: H and W.
            frame: ``(4,)`` in pixels of the picture: what the raster covers, such as the whole picture or a crop.
        """
        ...

    def digest(self) -> str:
        """A text that changes whenever the region does."""
        ...


@dataclass(frozen=True)
class NamedMask:
    """An object in a picture.

    Attributes:
        name: of its category.
        region: where it is; regions of one picture may overlap.
    """

    name: str
    region: Region


@dataclass(frozen=True, eq=False)
class Polygons:
    """The union of some polygons; within one that crosses itself, what an odd number of its rings surround.

    Attributes:
        rings: ``(n, 2)`` corners each, x and y in pixels of the picture, n >= 3.
    """

    rings: tuple[Points, ...]

    def raster(self, shape: tuple[int, int], frame: Box) -> Raster:
        """See :meth:`Region.raster`."""
        from vestige.insides import fill_ring

        cell = (frame[2:] - frame[:2]) / (shape[1], shape[0])
        found = np.zeros(shape, dtype=bool)
        for ring in self.rings:
            at = (ring - frame[:2]) / cell - 0.5  # centres of cells on whole numbers
            top, bottom = max(int(np.floor(at[:, 1].min())), 0), min(int(np.ceil(at[:, 1].max())) + 1, shape[0])
            if top < bottom:
                fill_ring(at, top, found[top:bottom])
        return found

    def digest(self) -> str:
        """sha256 of the corners."""
        total = hashlib.sha256()
        for ring in self.rings:
            total.update(repr(ring.shape).encode() + np.ascontiguousarray(ring, dtype=np.float64).tobytes())
        return total.hexdigest()


@dataclass(frozen=True, eq=False)
class RunLengths:
    """A mask of a picture's own pixels as COCO keeps it, by columns: how many are outside, then inside, and so on.

    Attributes:
        counts: ``(n,)`` whole numbers, which add up to the picture's pixels.
        size: width and height of the picture.
    """

    counts: NDArray[np.int64]
    size: tuple[int, int]

    @cached_property
    def pixels(self) -> Raster:
        """``(H, W)``."""
        inside = np.arange(len(self.counts)) % 2 == 1
        pixels: Raster = np.repeat(inside, self.counts).reshape(self.size).T
        return pixels

    def raster(self, shape: tuple[int, int], frame: Box) -> Raster:
        """See :meth:`Region.raster`."""
        return sampled(self.pixels, shape, frame)

    def digest(self) -> str:
        """sha256 of the counts."""
        return hashlib.sha256(repr(self.size).encode() + self.counts.astype(np.int64).tobytes()).hexdigest()


class Classes(Hashable, Protocol):
    """A picture of numbers of classes; a mask file, or one that is held."""

    def read(self) -> NDArray[Any]:
        """``(H, W)`` whole numbers."""
        ...

    def digest(self) -> str:
        """A text that changes whenever they do."""
        ...


@dataclass(frozen=True)
class ClassRegion:
    """The pixels of one class.

    Attributes:
        mask: the numbers of all pixels.
        number: of the class.
    """

    mask: Classes
    number: int

    def raster(self, shape: tuple[int, int], frame: Box) -> Raster:
        """See :meth:`Region.raster`."""
        return sampled(_read(self.mask) == self.number, shape, frame)

    def digest(self) -> str:
        """That of the mask, and the class."""
        return f"{_digest(self.mask)} {self.number}"


@lru_cache(maxsize=8)
def _read(mask: Classes) -> NDArray[Any]:
    """A mask, held for the few calls that ask for its classes one after another."""
    return mask.read()


@lru_cache(maxsize=8)
def _digest(mask: Classes) -> str:
    return mask.digest()


def class_objects(mask: Classes, names: Mapping[int, str]) -> tuple[NamedMask, ...]:
    """Every class that a mask shows as an object, all its pixels one.

    Args:
        mask: of a picture.
        names: of the classes that count, by their numbers.
    """
    there = [int(number) for number in np.unique(mask.read())]
    return tuple(NamedMask(names[number], ClassRegion(mask, number)) for number in there if number in names)


def sampled(pixels: NDArray[np.generic], shape: tuple[int, int], frame: Box) -> NDArray[np.bool_]:
    """A mask ``(H, W)`` of a picture's pixels at the centres of a raster over a frame; False outside the picture."""
    ys, xs = (
        np.floor(frame[k] + (np.arange(n) + 0.5) * (frame[k + 2] - frame[k]) / n).astype(np.intp)
        for k, n in ((1, shape[0]), (0, shape[1]))
    )
    known = ((ys >= 0) & (ys < pixels.shape[0]))[:, None] & ((xs >= 0) & (xs < pixels.shape[1]))
    found: Raster = pixels[ys.clip(0, pixels.shape[0] - 1)[:, None], xs.clip(0, pixels.shape[1] - 1)].astype(bool)
    found &= known
    return found


def rasters(objects: Sequence[NamedMask], name: str, shape: tuple[int, int], frame: Box) -> Raster:
    """The union of all objects of a name, as :meth:`Region.raster` has it."""
    found = np.zeros(shape, dtype=bool)
    for each in objects:
        if each.name == name:
            found |= each.region.raster(shape, frame)
    return found


def parse_counts(text: str) -> NDArray[np.int64]:
    """The counts that COCO writes as text: five bits a character, each number from the fourth on less the last but one.

    Raises:
        ValueError: where the text is none.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("is no text of run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("is cut off")
    return np.array(counts, dtype=np.int64)
