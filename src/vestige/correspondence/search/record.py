"""What a search for patches or fields leaves in its run folder: enough to draw its report again without the data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vestige.arrays import Arrays
from vestige.correspondence.search.fields import FieldRun
from vestige.correspondence.search.patches import METHODS, PatchRun
from vestige.correspondence.search.retrieval import (
    Library,
    describe_database,
    describe_layers,
    place_notes,
    shortage_note,
)
from vestige.departures import departures
from vestige.example import Example
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Results, described, now
from vestige.run import Run
from vestige.version import __version__

KEPT = 24
"""Pictures that are kept with what became of them, at even steps of all."""


METRICS: Mapping[str, Metric] = {
    "mae@*": Metric("mean absolute error with {} neighbours", lower_is_better=True, paper=False),
    "psnr@*": Metric("PSNR with {} neighbours", "dB", paper=False),
    "similarity@*": Metric("mean cosine of {} neighbours", paper=False),
    "middle@*": Metric("contrast of the mean field's middle, {} neighbours", lower_is_better=None, paper=False),
    "around@*": Metric("contrast of the mean field around it, {} neighbours", lower_is_better=None, paper=False),
}
"""What is measured of pictures put together again, and of mean fields."""


def _method(name: str) -> Method:
    what, _, layer = name.partition(":")
    return Method(f"{what}, {layer}", trained=what == "neighbours")


def record_patches(run: Run, found: PatchRun, command: Sequence[str] = ()) -> Results:
    """Write replaced pictures into a started run: config, examples, and last of all the results.

    Args:
        run: a started run.
        found: what was made and measured.
        command: the words of the command line that asked for it, where one did.
    """
    config = {"ks": list(found.ks), "seed": found.seed, "metric": f"mae@{found.ks[0]}"}
    return _record(run, "patches", found, config, _patch_arrays(found), command)


def record_fields(run: Run, found: FieldRun, command: Sequence[str] = ()) -> Results:
    """Write mean receptive fields into a started run, as :func:`record_patches` does.

    Args:
        run: a started run.
        found: what was made and measured.
        command: the words of the command line that asked for it, where one did.
    """
    first = next((k for k in found.ks if k > 1), found.ks[0])
    metric = f"middle@{first}" if first > 1 else f"similarity@{first}"
    config = {"ks": list(found.ks), "seed": found.seed, "seeds": len(found.seeds), "metric": metric}
    return _record(run, "fields", found, config, _field_arrays(found), command)


def _record(
    run: Run, task: str, found: PatchRun | FieldRun, config: dict[str, Any], arrays: Arrays, command: Sequence[str]
) -> Results:
    library = found.library
    rows = found.rows()
    metrics, methods = described(rows, METRICS, _method)
    results = Results(
        task=task,
        config={
            **asdict(library.options),
            **config,
            "command": list(command),
            "databases": [dataset.spec for dataset in library.pool.datasets],
            "extraction": asdict(library.sight.options) if library.sight.options else {},
            "views": describe_layers(library),
        },
        data={"train": describe_database(library), "test": _describe_pictures(found.examples)},
        backbone={
            "spec": library.backbone.spec,
            "weights_sha256": library.backbone.weights_sha256,
            "layer": ", ".join(library.layers),
            "readout": "cells",
        },
        ridge={},
        rows=rows,
        created=now(),
        seconds=round(library.seconds + found.seconds, 1),
        vestige=__version__,
        notes=(*shortage_note(library), *place_notes(library), *departures([library.options], rows, metrics, methods)),
        metrics=metrics,
        methods=methods,
    )
    run.write_config(results.to_json()["config"])
    run.write_examples(arrays)
    run.write_results(results)
    return results


def _describe_pictures(examples: Sequence[Example]) -> dict[str, Any]:
    digests = "\n".join(example.image.digest() for example in examples)
    return {
        "label": "Pictures",
        "spec": ", ".join(example.id for example in examples[:10]) + (", ..." if len(examples) > 10 else ""),
        "fingerprint": f"sha256:{hashlib.sha256(digests.encode()).hexdigest()}",
        "n": len(examples),
        "groups": len({example.group for example in examples}),
        "skipped": 0,
        "problems": [],
    }


def _database_ids(library: Library) -> Arrays:
    """The names of the pictures that ``neighbours`` arrays count."""
    searched = max(len(database.sizes) for database in library.databases)
    return {"database_ids": np.array([example.id for example in library.pool.examples[:searched]])}


def _patch_arrays(found: PatchRun) -> Arrays:
    count = len(found.examples)
    kept = np.unique(np.linspace(0, count - 1, min(count, KEPT)).round().astype(np.int64))
    arrays: Arrays = {
        "ids": np.array([example.id for example in found.examples]),
        "groups": np.array([example.group for example in found.examples]),
        "regions": np.array(found.regions, dtype=np.int32),
        "kept": kept,
        **_database_ids(found.library),
    }
    for (method, metric), values in found.measures().items():
        arrays[f"error/{method}/{metric}"] = values
    for layer, pictures in found.replaced.items():
        for p, replaced in enumerate(pictures):
            arrays[f"neighbours/{layer}/{p}"] = replaced.columns
            arrays[f"similarity/{layer}/{p}"] = replaced.similarity.astype(np.float32)
    for p in kept.tolist():
        arrays[f"picture/{p}"] = found.originals[p]
        for layer, pictures in found.replaced.items():
            for method in METHODS:
                for k, pixels in getattr(pictures[p], method).items():
                    arrays[f"{method}/{layer}/{k}/{p}"] = pixels
    return arrays


def _field_arrays(found: FieldRun) -> Arrays:
    arrays: Arrays = {
        "ids": np.array([example.id for example in found.examples]),
        "groups": np.array(found.groups),
        "seed_pictures": np.array([seed.picture for seed in found.seeds], dtype=np.int64),
        "seed_points": np.array([(seed.x, seed.y) for seed in found.seeds], dtype=np.float64),
        **_database_ids(found.library),
    }
    for (method, metric), values in found.measures().items():
        arrays[f"error/{method}/{metric}"] = values
    for layer, fields in found.fields.items():
        arrays[f"cells/{layer}"] = np.stack([field.cell for field in fields])
        arrays[f"neighbours/{layer}"] = np.stack([field.columns for field in fields])
        arrays[f"similarity/{layer}"] = np.stack([field.similarity for field in fields]).astype(np.float32)
        arrays[f"field/{layer}"] = np.stack([field.field for field in fields])
        for k in found.ks:
            means = np.stack([field.means["neighbours", k].mean for field in fields])
            arrays[f"mean/{layer}/{k}"] = means.astype(np.float16)
    return arrays
