"""Pictures from which segments are taken away: gradients set to zero and integrated again, or cells painted over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from vestige.images import Pixels
from vestige.units.minimal.segments import Labels

Numbers = NDArray[np.float32]

_AT_A_TIME = 16  # equations that are solved in one call


class Canvas(Protocol):
    """A picture of which segments are taken away, one after another."""

    @property
    def picture(self) -> Numbers:
        """As it is now: ``(h, w, 3)``."""
        ...

    def without(self, segments: Sequence[int]) -> Numbers:
        """The pictures that it would be without one more segment: ``(n, h, w, 3)``."""
        ...

    def remove(self, segment: int) -> None:
        """Take a segment away."""
        ...


def integrated(divergence: Numbers) -> Numbers:
    """The pictures of mean 0 whose differences come nearest to a field, by least squares.

    u minimises \\|Du - g\\|^2 over all differences D of neighbouring cells, so D'D u = D'g: Poisson's equation with
    nothing flowing over the border, which the cosine transform makes diagonal.

    Args:
        divergence: ``(..., h, w)``, D'g.

    Returns:
        ``(..., h, w)``.
    """
    height, width = divergence.shape[-2:]
    rows, columns = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in (height, width))
    values = rows[:, None] + columns
    values[0, 0] = np.inf
    waves = fft.dctn(divergence, axes=(-2, -1), norm="ortho")
    waves /= values.astype(divergence.dtype)
    found: Numbers = fft.idctn(waves, axes=(-2, -1), norm="ortho", overwrite_x=True)
    return found


def divergence_of(across: Numbers, down: Numbers) -> Numbers:
    """D'g of differences ``(..., h, w - 1)`` to the right and ``(..., h - 1, w)`` downwards: ``(..., h, w)``."""
    found = np.zeros((*down.shape[:-2], across.shape[-2], down.shape[-1]), across.dtype)
    found[..., :, 1:] += across
    found[..., :, :-1] -= across
    found[..., 1:, :] += down
    found[..., :-1, :] -= down
    return found


class Gradients:
    """A picture whose differences are zero wherever one of the two cells is of a segment that was taken away.

    So nothing is left of such a segment, its outline included; the cells that it had take on what surrounds them. The
    mean colour stays that of the whole picture. The equation is linear: taking one more segment away subtracts the
    picture that is integrated from the differences which vanish with it. That picture is kept until a neighbour is
    taken away, with which some of them vanish already, so that a step solves few equations anew.

    Args:
        pixels: ``(h, w, 3)``.
        labels: ``(h, w)``: the segment of every cell.
    """

    def __init__(self, pixels: Pixels, labels: Labels) -> None:
        self._channels: Numbers = np.ascontiguousarray(np.moveaxis(pixels, -1, 0), np.float32)
        self._across: Numbers = np.diff(self._channels, axis=2)
        self._down: Numbers = np.diff(self._channels, axis=1)
        self._ends = ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:]))
        pairs = np.concatenate([np.stack([a[a != b], b[a != b]], axis=1) for a, b in self._ends])
        self._pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
        self._parts: dict[int, Numbers] = {}

    @property
    def picture(self) -> Numbers:
        """``(h, w, 3)``."""
        return np.moveaxis(self._channels, 0, -1)

    def without(self, segments: Sequence[int]) -> Numbers:
        """``(n, h, w, 3)``."""
        missing = [segment for segment in segments if segment not in self._parts]
        for start in range(0, len(missing), _AT_A_TIME):
            some = missing[start : start + _AT_A_TIME]
            fields = np.stack([divergence_of(*self._vanishing(segment)) for segment in some])
            self._parts |= dict(zip(some, integrated(fields), strict=True))
        return np.moveaxis(np.stack([self._channels - self._parts[segment] for segment in segments]), 1, -1)

    def remove(self, segment: int) -> None:
        """Take a segment away."""
        if segment not in self._parts:
            self.without([segment])
        self._channels = self._channels - self._parts.pop(segment)
        for differences, ends in zip((self._across, self._down), self._ends, strict=True):
            differences[:, _touching(ends, segment)] = 0
        for neighbour in self._pairs[self._pairs[:, 0] == segment, 1].tolist():
            self._parts.pop(neighbour, None)

    def _vanishing(self, segment: int) -> tuple[Numbers, Numbers]:
        """The differences that would vanish with a segment, across and down."""
        return (
            self._across * _touching(self._ends[0], segment),
            self._down * _touching(self._ends[1], segment),
        )


def _touching(ends: tuple[Labels, Labels], segment: int) -> NDArray[np.bool_]:
    touching: NDArray[np.bool_] = (ends[0] == segment) | (ends[1] == segment)
    return touching


class Painted:
    """A picture in which the cells of segments that were taken away show another picture.

    Args:
        pixels: ``(h, w, 3)``.
        labels: ``(h, w)``: the segment of every cell.
        paint: ``(h, w, 3)``: what they show.
    """

    def __init__(self, pixels: Pixels, labels: Labels, paint: Numbers) -> None:
        self._picture: Numbers = pixels.astype(np.float32)
        self._labels, self._paint = labels, paint

    @property
    def picture(self) -> Numbers:
        """``(h, w, 3)``."""
        return self._picture

    def without(self, segments: Sequence[int]) -> Numbers:
        """``(n, h, w, 3)``."""
        gone = self._labels == np.asarray(segments)[:, None, None]
        return np.where(gone[..., None], self._paint, self._picture)

    def remove(self, segment: int) -> None:
        """Take a segment away."""
        self._picture = self.without([segment])[0]


def canvas_of(fill: str, pixels: Pixels, labels: Labels, seed: int) -> Canvas:
    """A picture made ready for taking segments away.

    Args:
        fill: ``gradient``, or what cells show that were taken away: the picture's ``mean`` colour, the picture under a
            ``blur`` of an eighth of its side, or uniform ``noise``.
        pixels: ``(h, w, 3)``.
        labels: ``(h, w)``: the segment of every cell.
        seed: of the noise.
    """
    if fill == "gradient":
        return Gradients(pixels, labels)
    paint = np.broadcast_to(pixels.mean(axis=(0, 1), dtype=np.float32), pixels.shape)
    if fill == "blur":
        sigma = min(pixels.shape[:2]) / 8
        paint = ndimage.gaussian_filter(pixels.astype(np.float32), (sigma, sigma, 0), mode="nearest")
    elif fill == "noise":
        paint = np.random.default_rng(seed).integers(0, 256, pixels.shape).astype(np.float32)
    return Painted(pixels, labels, paint)


def shown(pictures: Numbers, *, stretch: bool) -> Numbers:
    """Pictures ``(..., h, w, 3)`` as a network is shown them: within 0 and 255.

    Args:
        pictures: as they were put together.
        stretch: whether each is stretched so that its least number is 0 and its largest 255; else what lies outside is
            cut off.
    """
    if not stretch:
        return np.clip(pictures, 0, 255)
    axes = (-3, -2, -1)
    low, high = pictures.min(axis=axes, keepdims=True), pictures.max(axis=axes, keepdims=True)
    even = high - low < 1  # less than a level of grey: there is nothing to stretch
    stretched: Numbers = np.where(even, pictures, (pictures - low) * (255 / np.where(even, 1, high - low)))
    return stretched
