"""A run's methods on test examples: rows, predictions and small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Evaluation
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import Crop
from vestige.intervals import Bootstrap
from vestige.probes.engine.codec import AnyMethod, Measured, Target
from vestige.probes.engine.vector_methods import MAIN
from vestige.probes.engine.views import Views
from vestige.scores import interval_notes

PICTURE_SIZE = 224


def evaluate_vectors(
    methods: Sequence[AnyMethod], target: Target[Any], seed: int, test: Sequence[Example], reader: Reader
) -> Evaluation:
    """Predict the test examples by every method and measure them.

    Methods of the same name (seeds) make one Row with their mean; their predictions are kept apart.
    """
    examples = measurable(target, test)
    views = target.test_views(examples)
    truth = target.truth(views)
    bootstrap = Bootstrap.of(examples, seed)
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array([example.id for example in examples]),
        "groups": np.array([example.group for example in examples]),
        "crops": views.boxes,
        **target.arrays(truth),
    }
    measured: dict[str, list[Measured]] = {}
    own = next((method for method in methods if method.name == MAIN), methods[-1])
    main = ""
    for method in methods:
        stages = target.read(method, views, reader)
        if method is own:
            main = list(stages)[-1]
        suffix = "" if method.seed is None else f"@{method.seed}"
        for name, stage in stages.items():
            found = target.measure(stage, truth, bootstrap)
            measured.setdefault(name, []).append(found)
            kept = {"prediction": stage.astype(target.kept_as), "error": found.errors, **found.arrays}
            arrays |= {f"{key}/{name}{suffix}": array for key, array in kept.items()}
        arrays |= target.arrays_of(method, stages, views)
    for name, several in measured.items():
        arrays.setdefault(f"error/{name}", np.mean([each.errors for each in several], axis=0))
    pictured = target.pictured(arrays[f"prediction/{main}"], arrays[f"error/{main}"])
    arrays |= small_pictures(examples, views, pictured)
    notes = (*target.notes(test), *interval_notes(examples, len(measured.get("untrained", ()))))
    return Evaluation(target.rows(measured, main, truth, bootstrap), arrays, notes)


def measurable(target: Target[Any], test: Sequence[Example]) -> Sequence[Example]:
    """The test examples that there is anything to measure on."""
    rows = target.measurable(test)
    return test if len(rows) == len(test) else [test[row] for row in rows]


def small_pictures(test: Sequence[Example], views: Views, rows: NDArray[np.intp]) -> Mapping[str, NDArray[Any]]:
    """The crops of some test examples."""
    x = [
        Crop(test[row], tuple(views.boxes[row].tolist())).pixels((PICTURE_SIZE, PICTURE_SIZE), "bicubic")
        for row in rows
    ]
    return {"picture_rows": rows, "pictures": np.stack(x)}
