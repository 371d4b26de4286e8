"""Look-back: look again, closer, at the parts that a first prediction found (section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vestige.distances import point_errors
from vestige.features.reader import Reader
from vestige.geometry import Box, Points, bounding_box, square_about
from vestige.probes.engine.fit import ChosenRows, fit_probe
from vestige.probes.engine.linear import LinearProbe, Source
from vestige.probes.engine.views import Views
from vestige.stopwatch import LOOK_BACK, timing

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

    def views(self, predicted: Points, views: Views) -> list[Views]:
        """What is looked at, part by part, given the points ``(V, K, 2)`` that the look before found in views."""
        pairs = zip(self.points, self.margins, strict=True)
        return [part_views(predicted, views, points, margin) for points, margin in pairs]


def look_back_name(turn: int) -> str:
    """What the stage after the look-back ``turn`` (from 0) is called: ``look-back``, ``look-back-2``, ..."""
    return f"look-back-{turn + 1}" if turn else "look-back"


def to_numbers(points: Points, views: Views) -> NDArray[np.float64]:
    """Points ``(V, K, 2)`` in pixels as the numbers ``(V, 2K)`` that regressors are trained on: x and y of the crop."""
    return views.to_unit(points).reshape(len(views), 2 * points.shape[1])


def to_points(numbers: NDArray[np.floating], views: Views) -> Points:
    """The inverse of :func:`to_numbers`."""
    unit = numbers.astype(np.float64, copy=False).reshape(len(views), numbers.shape[1] // 2, 2)
    return views.from_unit(unit)


def looked_back(looks: Sequence[LookBack], predicted: Points, views: Views, reader: Reader) -> Iterator[Points]:
    """The points ``(V, K, 2)`` of views after each look; ``predicted`` are those before the first."""
    for look in looks:
        predicted = _look(look, predicted, views, reader)
        yield predicted


@timing(LOOK_BACK)
def _look(look: LookBack, predicted: Points, views: Views, reader: Reader) -> Points:
    seen = look.views(predicted, views)
    stored = _read_parts(seen, look.source, reader)
    found = {
        points: to_points(probe.predict(features, len(part)), part)
        for points, part, probe, features in zip(look.points, seen, look.probes, stored, strict=True)
    }
    return merge_parts(predicted, found)


@dataclass(frozen=True)
class PointTargets:
    """What a look-back is trained on.

    Attributes:
        views: the training crops.
        points: ``(V, K, 2)`` in pixels, by the views' names.
        visible: ``(V, K)``, likewise.
        folds: ``(V,)``.
        shared: whether all coordinates of a fit share one alpha.
    """

    views: Views
    points: Points
    visible: NDArray[np.bool_]
    folds: NDArray[np.intp]
    shared: bool = False


@timing(LOOK_BACK)
def fit_look_back(
    reader: Reader,
    source: Source,
    targets: PointTargets,
    predicted: Points,
    parts: Mapping[str, tuple[int, ...]],
    quantile: float,
) -> tuple[LookBack, Points]:
    """Train one more look at every part.

    Args:
        reader: of features.
        source: backbone, layer and readout that look.
        targets: of the training views.
        predicted: out-of-fold predictions ``(V, K, 2)`` of the stage before: boxes as unlucky as the test's will be.
        parts: name -> points.
        quantile: of the training error that a box is enlarged by.

    Returns:
        the look, and its out-of-fold predictions ``(V, K, 2)`` in pixels.
    """
    truth, visible, views = targets.points, targets.visible, targets.views
    margins = [part_margin(predicted, truth, visible, views, points, quantile) for points in parts.values()]
    look = LookBack(source, tuple(parts), tuple(parts.values()), np.array(margins), ())
    seen = look.views(predicted, views)
    probes, found = [], {}
    for points, part, features in zip(look.points, seen, _read_parts(seen, source, reader), strict=True):
        chosen = list(points)
        values, known = to_numbers(truth[:, chosen], part), np.repeat(visible[:, chosen], 2, axis=1)
        fit = fit_probe(features, source, values, known, targets.folds, shared=targets.shared)
        found[points] = to_points(fit.oof, part)
        probes.append(fit.probe)
    return replace(look, probes=tuple(probes)), merge_parts(predicted, found)


def _read_parts(seen: Sequence[Views], source: Source, reader: Reader) -> list[ChosenRows]:
    """The features of several views of the same pictures, all read in one pass: every picture is decoded once."""
    crops = [crop for several in zip(*(views.crops() for views in seen), strict=True) for crop in several]
    reads = reader.reads(source.backbone, [source.layer], [source.readout])
    (stored,) = reader.features(source.backbone, crops, reads)
    return [ChosenRows(stored, np.arange(part, len(crops), len(seen))) for part in range(len(seen))]


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
