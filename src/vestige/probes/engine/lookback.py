"""Look-back: look again, closer, at the parts that a first prediction found (section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.distances import point_errors
from vestige.geometry import Box, Points, bounding_box, square_about
from vestige.probes.engine.linear import LinearProbe, Source
from vestige.probes.engine.views import Views

SMALLEST = 0.04
"""The least side of a part's box, as a share of the crop's: below it a network sees nothing but blur."""


@dataclass(frozen=True)
class LookBack:
    """One more look: for every part its points, how much its box is enlarged, and the probe that reads it.

    Attributes:
        source: what looks: backbone, layer and readout.
        parts: the parts' names.
        points: of each part.
        margins: ``(P,)``: added on every side, as shares of the crop's side.
        probes: of each part.
    """

    source: Source
    parts: tuple[str, ...]
    points: tuple[tuple[int, ...], ...]
    margins: NDArray[np.float64]
    probes: tuple[LinearProbe, ...]


def part_margin(
    predicted: Points, truth: Points, visible: NDArray[np.bool_], views: Views, points: Sequence[int], quantile: float
) -> float:
    """The quantile of a part's training error, as a share of the crop's side (1.0: the maximum, the paper's margin).

    Args:
        predicted: out-of-fold predictions ``(V, K, 2)`` in pixels.
        truth: ``(V, K, 2)`` in pixels.
        visible: ``(V, K)``.
        views: the crops that the predictions were read from.
        points: of the part.
        quantile: between 0 and 1.
    """
    chosen = list(points)
    errors = point_errors(predicted[:, chosen], truth[:, chosen]) / views.sides[:, None]
    seen = errors[visible[:, chosen]]
    return float(np.quantile(seen, quantile)) if seen.size else 0.0


def part_views(predicted: Points, views: Views, points: Sequence[int], margin: float) -> Views:
    """The square around a predicted part, enlarged on every side by ``margin`` of the crop's side.

    Args:
        predicted: ``(V, K, 2)`` in pixels.
        views: the crops that it was read from; their mirroring is kept.
        points: of the part.
        margin: a share of the crop's side.
    """
    squares = square_about(bounding_box(predicted[:, list(points)]))
    sides = squares[:, 2] - squares[:, 0]
    wanted = np.maximum(sides + 2 * margin * views.sides, SMALLEST * views.sides)
    return views.with_boxes(_with_side(squares, wanted))


def _with_side(squares: Box, sides: NDArray[np.float64]) -> Box:
    centres = (squares[:, :2] + squares[:, 2:]) / 2
    halves = sides[:, None] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def merge_parts(predicted: Points, by_part: Mapping[tuple[int, ...], Points]) -> Points:
    """Put the parts' points ``(V, k, 2)`` in place of the earlier prediction ``(V, K, 2)``.

    A point that is in several parts is averaged; one that is in none stays as it was.
    """
    total = np.zeros_like(predicted)
    count = np.zeros(predicted.shape[1])
    for points, found in by_part.items():
        total[:, list(points)] += found
        count[list(points)] += 1
    seen = count > 0
    merged = predicted.copy()
    merged[:, seen] = total[:, seen] / count[seen, None]
    return merged
