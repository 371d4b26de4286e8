"""Methods on test examples: rows, predictions and small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Evaluation
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import Crop
from vestige.intervals import Bootstrap, Floats
from vestige.probes.engine.point_methods import PointMethod, Setup
from vestige.probes.engine.point_scores import Truth, measure, truth_of
from vestige.probes.engine.points import predict_points
from vestige.probes.engine.views import Views, example_views
from vestige.scores import Values, interval_notes, rows_of

PICTURES = 48
"""How many test examples leave a small picture in the run, evenly spread from the best to the worst."""

PICTURE_SIZE = 224


def evaluate_points(
    methods: Sequence[PointMethod], setup: Setup, test: Sequence[Example], reader: Reader
) -> Evaluation:
    """Predict the test examples' points by every method and measure them.

    Methods of the same name (seeds) make one Row with their mean; their predictions are kept apart.

    Raises:
        VestigeError: where the test examples' points are not those of the set-up's markup.
    """
    check_points(test, setup)
    truth = truth_of(test, setup.markup, setup.normaliser)
    views = example_views(test, setup.box_margin)
    bootstrap = Bootstrap.of(test, setup.seed)
    arrays = describe(test, truth, views)
    measured: dict[str, list[Values]] = {}
    for method in methods:
        predicted = predict_points(method.model, views, reader)
        suffix = "" if method.seed is None else f"@{method.seed}"
        for name, points in zip(method.stages, predicted.stages, strict=True):
            values = measure(points, truth)
            measured.setdefault(name, []).append(values)
            arrays[f"prediction/{name}{suffix}"] = points
            arrays[f"error/{name}{suffix}"] = values[truth.metric, "all"]
        if predicted.part_boxes is not None:
            arrays["parts"] = np.array(method.model.look_backs[-1].parts)
            arrays["part_boxes"] = predicted.part_boxes
    for name, several in measured.items():
        arrays.setdefault(f"error/{name}", np.mean([values[truth.metric, "all"] for values in several], axis=0))
    last = methods[-1].stages[-1]
    arrays |= small_pictures(test, views, spread_rows(arrays[f"error/{last}"]))
    rows = tuple(row for name, several in measured.items() for row in rows_of(name, several, bootstrap))
    return Evaluation(rows, arrays, interval_notes(test, len(measured.get("untrained", ()))))


def check_points(examples: Sequence[Example], setup: Setup) -> None:
    """Refuse examples without the points that the set-up's markup names.

    Raises:
        VestigeError: naming the example and both numbers of points.
    """
    expected = len(setup.markup.points)
    for example in examples:
        found = 0 if example.keypoints is None else len(example.keypoints)
        if found != expected:
            raise VestigeError(
                f"{example.id}: has {found} points; expected the {expected} of markup {setup.markup.name!r}, "
                "which the probe was trained on"
            )


def describe(test: Sequence[Example], truth: Truth, views: Views) -> dict[str, NDArray[Any]]:
    """What ``examples.npz`` says of the test examples, whatever the method."""
    return {
        "ids": np.array([example.id for example in test]),
        "groups": np.array([example.group for example in test]),
        "truth": truth.points,
        "visible": truth.visible,
        "boxes": truth.boxes,
        "crops": views.boxes,
        "normaliser": truth.normaliser,
    }


def spread_rows(error: Floats) -> NDArray[np.intp]:
    """The rows of test examples at evenly spaced ranks of error ``(N,)``, the best and the eight worst among them."""
    order = np.argsort(error, kind="stable")
    ranks = np.unique(np.linspace(0, len(order) - 1, min(PICTURES, len(order))).round().astype(int))
    return np.unique(np.concatenate([order[ranks], order[-min(8, len(order)) :]]))


def small_pictures(test: Sequence[Example], views: Views, rows: NDArray[np.intp]) -> Mapping[str, NDArray[Any]]:
    """The crops of some test examples."""
    x = [
        Crop(test[row], tuple(views.boxes[row].tolist())).pixels((PICTURE_SIZE, PICTURE_SIZE), "bicubic")
        for row in rows
    ]
    return {"picture_rows": rows, "pictures": np.stack(x)}
