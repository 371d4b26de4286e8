"""One picture made minimal, and what would be left of it by chance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.example import Example
from vestige.geometry import whole_picture
from vestige.images import Pixels, crop_resize
from vestige.regions import rasters
from vestige.units.minimal.removal import canvas_of, shown
from vestige.units.minimal.segments import REST, SIDE, Segments, edge_and_region_segments, object_segments
from vestige.units.minimal.task import MinimalOptions
from vestige.units.naming import Namer

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

HALF = 0.5
"""The share of an object's cells that is kept where segments are no objects and it counts as kept."""

_AT_A_TIME = 128  # candidates in one pass of the network; more than one of any usual picture


@dataclass(frozen=True)
class Parts:
    """A picture in segments, with the objects in it.

    Attributes:
        pixels: ``(h, w, 3)``, as the network sees the picture.
        segments: of it.
        objects: distinct names of annotated objects that have cells, in their order.
        overlap: ``(S, K)``: the share of each object's cells in each segment; 1 where the segment is such an object.
        whole: whether an object is kept by any of its segments, and not only by half of its cells.
    """

    pixels: Pixels
    segments: Segments
    objects: tuple[str, ...]
    overlap: Floats
    whole: bool

    def holds(self, kept: Booleans) -> Booleans:
        """Whether objects are kept where segments are: ``(..., S) -> (..., K)``."""
        share = kept.astype(np.float64) @ self.overlap
        held: Booleans = share > 0 if self.whole else share >= HALF - 1e-9
        return held


def parts_of(example: Example, namer: Namer, options: MinimalOptions) -> Parts:
    """A picture in the segments that were asked for.

    Raises:
        VestigeError: where it cannot be read.
    """
    read = example.image.read()
    size = (read.shape[1], read.shape[0])
    shape, interpolation = namer.preprocessing.size, namer.preprocessing.interpolation
    pixels = crop_resize(read, None, shape, interpolation)
    if options.segments == "objects":
        segments = object_segments(example.objects, size, shape)
        names = tuple(dict.fromkeys(name for name in segments.names if name != REST))
        overlap = np.array([[name == each for each in names] for name in segments.names], np.float64)
        return Parts(pixels, segments, names, overlap, whole=True)
    segments = edge_and_region_segments(crop_resize(read, None, (SIDE, SIDE), interpolation), shape)
    objects: list[str] = []
    columns: list[Floats] = []
    for name in dict.fromkeys(each.name for each in example.objects):
        mask = rasters(example.objects, name, shape, whole_picture(*size))
        if mask.any():
            objects.append(name)
            columns.append(np.bincount(segments.labels[mask], minlength=len(segments.names)) / mask.sum())
    overlap = np.stack(columns, axis=1) if columns else np.zeros((len(segments.names), 0))
    return Parts(pixels, segments, tuple(objects), overlap, whole=False)


def reduced(example: Example, category: int, namer: Namer, options: MinimalOptions) -> Mapping[str, NDArray[Any]]:
    """One picture that is named right, made minimal.

    Returns:
        ``order``: segments in the order in which they were taken away; ``log_probability``: of the right name, with
        nothing taken away and after each; ``areas`` of all segments; ``objects``, whether each is ``kept``, and with
        what ``chance``; ``lost``: how many have no cell.

    Raises:
        VestigeError: where the picture cannot be read.
    """
    parts = parts_of(example, namer, options)
    order, trace = removals(parts, category, namer, options)
    areas = parts.segments.areas
    kept = np.ones(len(areas), dtype=bool)
    kept[order] = False
    chance = chance_of(parts, float(areas[kept].sum()), options.draws, seed_of(example, options.seed))
    return {
        "order": np.array(order, np.int64),
        "log_probability": np.array(trace, np.float64),
        "areas": areas,
        "objects": np.array(parts.objects, dtype=np.str_),
        "kept": parts.holds(kept),
        "chance": chance,
        "lost": np.array(len(parts.segments.lost)),
    }


def removals(parts: Parts, category: int, namer: Namer, options: MinimalOptions) -> tuple[list[int], list[float]]:
    """Segments in the order in which they are taken away while the name stays right, always the one that costs least.

    What a removal costs is told by the right name's probability after it; of equal ones the first segment goes. It ends
    where the best removal changes the name, or nothing is left to take away.

    Returns:
        The segments, and the logarithm of the right name's probability before and after each removal.
    """
    canvas = canvas_of(options.fill, parts.pixels, parts.segments.labels, options.seed)
    left = list(range(len(parts.segments.names)))
    order: list[int] = []
    trace = [float(namer.log_probabilities(shown(canvas.picture, stretch=options.stretch)[None])[0, category])]
    while left:
        told = np.concatenate(
            [
                namer.log_probabilities(shown(canvas.without(left[i : i + _AT_A_TIME]), stretch=options.stretch))
                for i in range(0, len(left), _AT_A_TIME)
            ]
        )
        best = int(told[:, category].argmax())
        if int(told[best].argmax()) != category:
            break
        trace.append(float(told[best, category]))
        order.append(left.pop(best))
        canvas.remove(order[-1])
    return order, trace


def without(parts: Parts, order: list[int], options: MinimalOptions) -> Pixels:
    """A picture without some segments, as people are shown it: ``(h, w, 3)``."""
    canvas = canvas_of(options.fill, parts.pixels, parts.segments.labels, options.seed)
    for segment in order:
        canvas.remove(segment)
    return np.round(shown(canvas.picture, stretch=options.stretch)).astype(np.uint8)


def chance_of(parts: Parts, area: float, draws: int, seed: int) -> Floats:
    """How often each object is kept where segments are taken away at random until a share of the picture is left: (K,).

    The segment with which less than that would be left goes with the probability by which the area left is as wanted on
    average, so that the level is that of the same area and not of a little more or less.
    """
    areas = parts.segments.areas
    order = np.random.default_rng(seed).random((draws, len(areas))).argsort(axis=1)
    left = 1 - areas[order].cumsum(axis=1)  # after each removal
    gone = (left >= area - 1e-9).sum(axis=1)  # removals of which all are made
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(areas))[None], axis=1)
    before, after = parts.holds(rank >= gone[:, None]), parts.holds(rank > gone[:, None])
    rows = np.arange(draws)
    high = np.where(gone > 0, left[rows, gone - 1], 1.0)
    low = left[rows, np.minimum(gone, len(areas) - 1)]
    stays = np.where(gone < len(areas), np.clip((area - low) / np.maximum(high - low, 1e-12), 0, 1), 1.0)[:, None]
    found: Floats = (stays * before + (1 - stays) * after).mean(axis=0)
    return found


def seed_of(example: Example, seed: int) -> int:
    """The seed of an example's own draws, whatever else is measured."""
    return int.from_bytes(hashlib.sha256(f"{seed} {example.id}".encode()).digest()[:8], "big")
