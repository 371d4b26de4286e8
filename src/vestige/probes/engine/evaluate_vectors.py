"""A vector's methods on test examples: rows, predictions and small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Evaluation
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.intervals import Bootstrap
from vestige.probes.engine.codec import Codec, Numbers, Scores, differences, mean_scores, rows_of_scores
from vestige.probes.engine.evaluation import small_pictures
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.vector_methods import VectorMethod
from vestige.probes.engine.views import Views
from vestige.scores import interval_notes


def read_vectors(probe: LinearProbe, views: Views, reader: Reader) -> Numbers:
    """What a probe reads out of crops: ``(V, t)``."""
    if probe.source is None:
        return probe.predict(None, len(views)).astype(np.float32)
    source = probe.source
    reads = reader.reads(source.backbone, [source.layer], [source.readout])
    (features,) = reader.features(source.backbone, views.crops(), reads)
    return probe.predict(features, len(views)).astype(np.float32)


def evaluate_vectors(
    methods: Sequence[VectorMethod], codec: Codec[Any], seed: int, test: Sequence[Example], reader: Reader
) -> Evaluation:
    """Predict the test examples' vectors by every method and measure them.

    Methods of the same name (seeds) make one Row with their mean; their predictions are kept apart, as float16.
    """
    views = codec.test_views(test)
    truth = codec.truth(views)
    bootstrap = Bootstrap.of(test, seed)
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array([example.id for example in test]),
        "groups": np.array([example.group for example in test]),
        "crops": views.boxes,
        **codec.arrays(truth),
    }
    scores: dict[str, list[Scores]] = {}
    errors: dict[str, list[NDArray[Any]]] = {}
    for method in methods:
        predicted = read_vectors(method.probe, views, reader)
        suffix = "" if method.seed is None else f"@{method.seed}"
        for name, stage in codec.stages(method.name, predicted, method.refinement).items():
            measured = codec.measure(stage, truth, bootstrap)
            scores.setdefault(name, []).append(measured.scores)
            errors.setdefault(name, []).append(measured.errors)
            kept: dict[str, NDArray[Any]] = {"prediction": stage.astype(np.float16), "error": measured.errors}
            kept |= measured.arrays
            arrays |= {f"{key}/{name}{suffix}": array for key, array in kept.items()}
    for name, several in errors.items():
        arrays.setdefault(f"error/{name}", np.mean(several, axis=0))
    main = _main_stage(codec, methods)
    pictured = codec.pictured(arrays[f"prediction/{main}"], arrays[f"error/{main}"])
    arrays |= small_pictures(test, views, pictured)
    means = {name: mean_scores(several) for name, several in scores.items()}
    paired = differences(means, main, codec.paired)
    rows = (row for name, found in means.items() for row in rows_of_scores(name, {**found, **paired.get(name, {})}))
    notes = (*codec.notes(test), *interval_notes(test, len(scores.get("untrained", ()))))
    return Evaluation(tuple(rows), arrays, notes)


def _main_stage(codec: Codec[Any], methods: Sequence[VectorMethod]) -> str:
    """The last stage of ``ridge``, by whose errors pictures are sorted."""
    main = next((method for method in methods if method.name == "ridge"), methods[-1])
    nothing = np.zeros((0, len(main.probe.intercept)), np.float32)
    return list(codec.stages(main.name, nothing, main.refinement))[-1]
