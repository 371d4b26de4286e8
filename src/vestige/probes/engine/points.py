"""Point models: a probe that reads points out of a crop, and looks back at their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vestige.features.reader import Reader
from vestige.geometry import Box, Points
from vestige.probes.engine.fit import ChosenRows, Fit, Stored, fit_probe
from vestige.probes.engine.linear import LinearProbe, Source
from vestige.probes.engine.lookback import LookBack, merge_parts, part_margin, part_views
from vestige.probes.engine.views import Views


@dataclass(frozen=True)
class PointModel:
    """A probe from a crop to the unit coordinates of K points, and the looks that follow it."""

    base: LinearProbe
    look_backs: tuple[LookBack, ...] = ()


@dataclass(frozen=True)
class PredictedPoints:
    """What a point model says of V views.

    Attributes:
        stages: ``(V, K, 2)`` each, in pixels: after the base, after the first look-back, ...
        part_boxes: ``(V, P, 4)`` in pixels: where the last look-back looked; None without one.
    """

    stages: tuple[Points, ...]
    part_boxes: Box | None


@dataclass(frozen=True)
class Targets:
    """What point probes are trained on.

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


def predict_points(model: PointModel, views: Views, reader: Reader) -> PredictedPoints:
    """Read the points of views out of a model's features; all points by the views' names."""
    stages = [_read_points(model.base, views, reader)]
    boxes = None
    for look in model.look_backs:
        looked = [
            part_views(stages[-1], views, points, margin)
            for points, margin in zip(look.points, look.margins, strict=True)
        ]
        stored = _read_parts(looked, look.source, reader)
        found = {
            points: _to_points(probe, features, part)
            for points, part, probe, features in zip(look.points, looked, look.probes, stored, strict=True)
        }
        stages.append(merge_parts(stages[-1], found))
        boxes = np.stack([part.boxes for part in looked], axis=1)
    return PredictedPoints(tuple(stages), boxes)


def fit_points(features: Stored, source: Source, targets: Targets, *, normalise: bool = True) -> tuple[Fit, Points]:
    """Fit a probe to the points' unit coordinates; with the out-of-fold predictions ``(V, K, 2)`` in pixels."""
    unit = targets.views.to_unit(targets.points)
    known = np.repeat(targets.visible, 2, axis=1)
    values = unit.reshape(len(unit), -1)
    fit = fit_probe(features, source, values, known, targets.folds, normalise=normalise, shared=targets.shared)
    return fit, targets.views.from_unit(fit.oof.astype(np.float64).reshape(unit.shape))


def fit_look_back(
    reader: Reader,
    source: Source,
    targets: Targets,
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
    margins = [
        part_margin(predicted, targets.points, targets.visible, targets.views, points, quantile)
        for points in parts.values()
    ]
    looked = [
        part_views(predicted, targets.views, points, margin)
        for points, margin in zip(parts.values(), margins, strict=True)
    ]
    probes, found = [], {}
    for points, views, features in zip(parts.values(), looked, _read_parts(looked, source, reader), strict=True):
        chosen = list(points)
        part = replace(targets, views=views, points=targets.points[:, chosen], visible=targets.visible[:, chosen])
        fit, found[points] = fit_points(features, source, part)
        probes.append(fit.probe)
    look = LookBack(source, tuple(parts), tuple(parts.values()), np.array(margins), tuple(probes))
    return look, merge_parts(predicted, found)


def _read_points(probe: LinearProbe, views: Views, reader: Reader) -> Points:
    features = None if probe.source is None else _read_parts([views], probe.source, reader)[0]
    return _to_points(probe, features, views)


def _to_points(probe: LinearProbe, features: Stored | None, views: Views) -> Points:
    unit = probe.predict(features, len(views))
    return views.from_unit(unit.reshape(len(views), -1, 2))


def _read_parts(looked: Sequence[Views], source: Source, reader: Reader) -> list[ChosenRows]:
    """The features of several views of the same pictures, all read in one pass: every picture is decoded once."""
    crops = [crop for several in zip(*(views.crops() for views in looked), strict=True) for crop in several]
    reads = reader.reads(source.backbone, [source.layer], [source.readout])
    (stored,) = reader.features(source.backbone, crops, reads)
    return [ChosenRows(stored, np.arange(part, len(crops), len(looked))) for part in range(len(looked))]
