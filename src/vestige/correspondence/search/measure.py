"""Patches and fields as tasks: the databases opened, the search made, and what it found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vestige.arrays import Arrays
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.contract.task import Task
from vestige.correspondence.search.database import check_databases
from vestige.correspondence.search.fields import FieldRun, check_points, mean_fields
from vestige.correspondence.search.patches import METHODS, PatchRun, replace_patches
from vestige.correspondence.search.retrieval import (
    Library,
    describe_database,
    describe_layers,
    open_library,
    place_notes,
    shortage_note,
)
from vestige.correspondence.search.task import FIELDS, PATCHES, DatabaseOptions, FieldOptions, PatchOptions
from vestige.datasets.dataset import Dataset
from vestige.example import Example
from vestige.methods import Method
from vestige.metrics import Metric

Pictures = Sequence[Example]

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


def search_method(name: str) -> Method:
    """What a method is, of neighbours or of a control in a layer."""
    what, _, layer = name.partition(":")
    return Method(f"{what}, {layer}", trained=what == "neighbours")


def check_patches(data: tuple[Pictures, Sequence[Dataset]], _options: PatchOptions, _database: DatabaseOptions) -> None:
    """Refuse a database without pictures."""
    check_databases(data[1])


def check_fields(data: tuple[Pictures, Sequence[Dataset]], options: FieldOptions, _database: DatabaseOptions) -> None:
    """Refuse a database without pictures, and points without the one picture that they are in."""
    check_points(data[0], options.at)
    check_databases(data[1])


def measure_patches(
    session: Session, data: tuple[Pictures, Sequence[Dataset]], options: PatchOptions, database: DatabaseOptions
) -> Found:
    """:func:`vestige.correspondence.search.patches.replace_patches`, as the task has it."""
    examples, datasets = data
    library = open_library(datasets, database, session)
    found = replace_patches(examples, library, options.ks, seed=options.seed, session=session)
    options = replace(options, ks=found.ks)
    return _found(PATCHES, found, options, {"metric": f"mae@{found.ks[0]}"}, _patch_arrays(found))


def measure_fields(
    session: Session, data: tuple[Pictures, Sequence[Dataset]], options: FieldOptions, database: DatabaseOptions
) -> Found:
    """:func:`vestige.correspondence.search.fields.mean_fields`, as the task has it."""
    examples, datasets = data
    library = open_library(datasets, database, session)
    found = mean_fields(
        library, examples, options.ks, seeds=options.seeds, at=options.at, seed=options.seed, session=session
    )
    first = next((k for k in found.ks if k > 1), found.ks[0])
    metric = f"middle@{first}" if first > 1 else f"similarity@{first}"
    options = replace(options, ks=found.ks, seeds=len(found.seeds))
    return _found(FIELDS, found, options, {"metric": metric}, _field_arrays(found))


def _found(
    task: Task,
    found: PatchRun | FieldRun,
    options: PatchOptions | FieldOptions,
    config: Mapping[str, Any],
    arrays: Arrays,
) -> Found:
    library = found.library
    return Found(
        task=task,
        options=(library.options, options),
        config={
            **config,
            "databases": [dataset.spec for dataset in library.pool.datasets],
            "views": describe_layers(library),
        },
        data={"train": describe_database(library), "test": _describe_pictures(found.examples)},
        backbone={
            "spec": library.backbone.spec,
            "weights_sha256": library.backbone.weights_sha256,
            "layer": ", ".join(library.layers),
            "readout": "cells",
        },
        rows=found.rows(),
        arrays=arrays,
        metrics=METRICS,
        methods=search_method,
        extraction=library.reader.options,
        seconds=library.seconds + found.seconds,
        notes=(*shortage_note(library), *place_notes(library)),
    )


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
