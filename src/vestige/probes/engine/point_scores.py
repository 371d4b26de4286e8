"""Predicted points to Rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.distances import box_scale, eye_distance, longer_side, mean_over_visible, point_errors
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.geometry import Box, Points
from vestige.intervals import Floats
from vestige.markup import Markup
from vestige.methods import MEAN, PROBES, Method
from vestige.metrics import Metric
from vestige.probes.engine.options import LONGER_SIDE, NORMALISERS
from vestige.spelling import spelled

CED_LIMITS = (0.08, 0.10)
"""Where the cumulative error curve is cut for its area and for the failure rate."""


METRICS: Mapping[str, Metric] = {
    "nme_inter_ocular": Metric("error", "the inter-ocular distance", lower_is_better=True),
    "nme_inter_pupil": Metric("error", "the inter-pupil distance", lower_is_better=True),
    "nme_eye_corners": Metric("error", "the distance of the outer eye corners", lower_is_better=True),
    "nme_box": Metric("error", "the size of the face box", lower_is_better=True),
    "nme_longer_side": Metric("error", "the longer side of the box", lower_is_better=True),
    "auc@*": Metric("area under the curve of errors up to {}", paper=False),
    "failure@*": Metric("share of errors above {}", lower_is_better=True, shown="percent", paper=False),
}
"""What is measured of landmarks."""

METHODS: Mapping[str, Method] = {
    **PROBES,
    "mean": replace(MEAN, label="Mean shape"),
    "look-back": Method("Network + look-back", "orange", marker="D"),
    "look-back-2": Method("Network + look-back, twice", "purple", marker="P"),
}
"""How points are read."""


@dataclass(frozen=True)
class Truth:
    """The annotated points of N examples and what their errors are divided by.

    Attributes:
        points: ``(N, K, 2)`` in pixels.
        visible: ``(N, K)``.
        boxes: ``(N, 4)`` in pixels.
        normaliser: ``(N,)`` in pixels; NaN where an example's cannot be had (its eyes are not visible).
        metric: the name of the normalised mean error.
        parts: named sets of points that get Rows of their own.
    """

    points: Points
    visible: NDArray[np.bool_]
    boxes: Box
    normaliser: Floats
    metric: str
    parts: Mapping[str, tuple[int, ...]]


def truth_of(examples: Iterable[Example], markup: Markup, normaliser: str) -> Truth:
    """Collect what is known of examples with keypoints and a box each.

    Raises:
        VestigeError: where the markup does not say what the normaliser needs.
    """
    examples = list(examples)
    points = np.stack([_known(example.keypoints) for example in examples])
    visible = np.stack([_known(example.visible) for example in examples])
    boxes = np.stack([_known(example.box) for example in examples])
    return Truth(
        points,
        visible,
        boxes,
        _normaliser(points, visible, boxes, markup, normaliser),
        f"nme_{normaliser.replace('-', '_')}",
        markup.parts,
    )


def _known(value: NDArray[Any] | None) -> NDArray[Any]:
    assert value is not None, "point tasks take examples with keypoints and a box"
    return value


def _normaliser(points: Points, visible: NDArray[np.bool_], boxes: Box, markup: Markup, name: str) -> Floats:
    if name == "box":
        return box_scale(boxes)
    if name == LONGER_SIDE:
        return longer_side(boxes)
    corners = markup.eye_corners
    sets = {
        "inter-ocular": markup.eyes,
        "inter-pupil": markup.pupils,
        "eye-corners": None if corners is None else ((corners[0],), (corners[1],)),
    }
    if name not in sets:
        raise VestigeError(f"{spelled('normaliser', name)}: {choice(name, NORMALISERS)}")
    eyes = sets[name]
    if eyes is None:
        raise VestigeError(
            f"{spelled('normaliser', name)}: markup {markup.name!r} does not say which points that takes; use box"
        )
    seen = visible[:, list(eyes[0] + eyes[1])].all(axis=1)
    distance = eye_distance(points, eyes)
    return np.where(seen & (distance > 0), distance, np.nan)


def measure(predicted: Points, truth: Truth) -> dict[tuple[str, str], Floats]:
    """Each example's share of every metric: the normalised mean error over all points and by part, and of the
    cumulative error curve the area up to and the failures beyond each limit.

    Args:
        predicted: ``(N, K, 2)`` in pixels.
        truth: of the same examples.
    """
    errors = point_errors(predicted, truth.points) / truth.normaliser[:, None]
    overall = mean_over_visible(errors, truth.visible)
    values = {(truth.metric, "all"): overall}
    for part, points in truth.parts.items():
        chosen = list(points)
        values[truth.metric, part] = mean_over_visible(errors[:, chosen], truth.visible[:, chosen])
    known = np.isfinite(overall)
    for limit in CED_LIMITS:
        values[f"auc@{limit:.2f}", "all"] = np.where(known, np.clip(1 - overall / limit, 0, 1), np.nan)
        values[f"failure@{limit:.2f}", "all"] = np.where(known, overall > limit, np.nan)
    return values
