"""Dissection: which units of a network detect which objects (sections 3.3 and 4; Figs. 5, 9 and 11)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import Arrays
from vestige.contract.found import Found
from vestige.contract.plan import Plan, plan_by_options
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader
from vestige.images import Crop, crop_resize
from vestige.partial_work import PartialWork
from vestige.results import Row
from vestige.spec import parse_backbone_spec
from vestige.text import count, listed
from vestige.units.activations import ActivationReader, check_pictures
from vestige.units.dissect.counting import STEPS
from vestige.units.dissect.gathering import Gathered, gathered_by
from vestige.units.dissect.layout import Layout, lay_out, objects_of, with_objects
from vestige.units.dissect.overlap import METHODS, METRICS, Layer, UnitSet, reduced, with_overlap
from vestige.units.dissect.table import units_csv
from vestige.units.dissect.task import DISSECT, DissectOptions
from vestige.units.rules import RELATIVE

SHARES = (0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999)
"""Of activations below the quantiles that are told."""

NEGATIVES = 3
"""Pictures of the lowest that are planted among a unit's strongest for people who annotate them."""

_SHOWN_UNITS, _SHOWN_PICTURES, _SIDE = 8, 4, 112


def check_dissect(data: Dataset, options: DissectOptions) -> None:
    """Refuse data without pictures, or whose objects are all rarer than what is asked for.

    Raises:
        VestigeError: naming the data set and what to ask for.
    """
    check_pictures(data)
    objects_of(data, with_objects(data), options)


def plan_dissect(reader: Reader, data: Dataset, options: DissectOptions) -> Plan:
    """The plan; layers without places are refused here, before any picture is read."""
    layers = tuple(ActivationReader(reader.backbone(options.backbone), options.layers, reader.options).layers)
    plan = plan_by_options(DISSECT.name, reader, data, (replace(options, layers=layers),))
    if "untrained" not in options.chance or not any(each.objects for each in with_objects(data)):
        return plan
    twin = _untrained(options)
    reader.backbone(twin)  # refused now, where there is none, and not after the first network's pass
    return replace(plan, networks=(*plan.networks, twin))


def measure_dissect(session: Session, data: Dataset, options: DissectOptions) -> Found:
    """Dissect a network, as the task has it."""
    started = time.monotonic()
    backbone = session.reader.backbone(options.backbone)
    reader = ActivationReader(backbone, options.layers, session.reader.options)
    laid = lay_out(data, reader, options)
    with _kept(session.kept) as kept, ThreadPoolExecutor(session.workers) as pool:
        session.say(f"{count(len(reader.layers), 'layer')} of {backbone.spec} over {count(len(data), 'picture')}")
        own = gathered_by(laid.passing(reader, pool), laid, kept, session)
        sets = _sets(laid, reader, own, pool, kept, session) if laid.seen else {}
        layers = _layers(laid, own, sets)
        shown = _shown(reader, laid, own, layers)
    rows = tuple(row for each in layers.values() for row in each.rows)
    return Found(
        task=DISSECT,
        options=(replace(options, layers=tuple(reader.layers)),),
        config={
            "metric": "units" if laid.seen is None else "detectors" if laid.exchanged else "detectors_fixed",
            "standings": {name: asdict(each) for name, each in laid.standings.items()},
            "fields": {name: each.receptive_field for name, each in reader.fields.items()},
            "rank_error": max(each.sketch.error for each in own.sums.values()),
        },
        data={"test": data},
        backbone={
            "spec": backbone.spec,
            "weights_sha256": backbone.weights_sha256,
            "layer": ", ".join(reader.layers),
            "readout": "units",
        },
        rows=rows,
        arrays={**_arrays(laid, layers), **shown},
        metrics=METRICS,
        methods=METHODS,
        extraction=session.reader.options,
        seconds=time.monotonic() - started,
        notes=(*reader.notes(), *_notes(laid, own)),
        texts={"units.csv": units_csv({name: each.columns for name, each in layers.items()})},
    )


def _untrained(options: DissectOptions) -> str:
    """The spec of the network with random weights."""
    return parse_backbone_spec(options.backbone).with_random_weights(options.seed).text


@contextmanager
def _kept(kept: PartialWork) -> Iterator[PartialWork]:
    """Where shards are kept while they are needed: with the run, or for as long as it is measured."""
    if kept.folder is not None:
        yield kept
        return
    with TemporaryDirectory(prefix="vestige-") as folder:
        yield PartialWork(Path(folder))


def _sets(
    laid: Layout, reader: ActivationReader, own: Gathered, pool: ThreadPoolExecutor, kept: PartialWork, session: Session
) -> dict[str, UnitSet]:
    """The sets of units by name: the layers, the same turned, and those of random weights."""
    sets = reduced(own, laid)
    if "untrained" in laid.options.chance:
        twin = session.reader.backbone(_untrained(laid.options))
        session.say(f"chance: {twin.spec}")
        other = ActivationReader(twin, tuple(reader.layers), session.reader.options)
        untrained = gathered_by(laid.passing(other, pool, own=False), laid, kept, session)
        sets |= {f"{name}/untrained": each for name, each in reduced(untrained, laid).items()}
    return sets


def _layers(laid: Layout, own: Gathered, sets: Mapping[str, UnitSet]) -> dict[str, Layer]:
    def measured(name: str) -> Layer:
        bare = _activity(name, laid, own)
        if not sets:
            return bare
        chance = {m: sets[f"{name}/{m}"] for m in ("rotated", "untrained") if f"{name}/{m}" in sets}
        return with_overlap(name, laid, own.tables(name), {"network": sets[name], **chance}, bare)

    return dict(zip(own.sums, own.passing.pool.map(measured, own.sums), strict=True))


def _activity(name: str, laid: Layout, own: Gathered) -> Layer:
    """What is known of a layer's units whatever the objects are."""
    sums, options = own.sums[name], laid.options
    units, cells = len(sums.total), max(sums.cells, 1)
    quantiles = sums.sketch.at([*SHARES, 1 - options.quantile])
    draw = np.random.default_rng([options.seed, 4, units])
    lowest = sums.low.rows.shape[1]
    picks = draw.permuted(np.tile(np.arange(lowest), (units, 1)), axis=1)[:, :NEGATIVES]
    arrays: Arrays = {
        **{f"top_{key}": getattr(sums.top, key) for key in ("rows", "values", "places")},
        "negatives": np.take_along_axis(sums.low.rows, picks, axis=1),
        "quantiles": quantiles[:, :-1],
        "mean": sums.total / cells,
        "above_zero": sums.above / cells,
        "threshold": RELATIVE * sums.top.values[:, 0] if options.threshold == "relative" else quantiles[:, -1],
    }
    columns = {
        "layer": [name] * units,
        "unit": range(units),
        "threshold": arrays["threshold"],
        "mean": arrays["mean"],
        "sparsity": 1 - arrays["above_zero"],
        "largest": sums.top.values[:, 0],
    }
    return Layer((Row("network", "units", name, float(units), None, len(laid.examples)),), columns, arrays)


def _shown(reader: ActivationReader, laid: Layout, own: Gathered, layers: Mapping[str, Layer]) -> Arrays:
    """Some units' strongest pictures with their maps, to draw: of each layer those of the largest overlap."""
    chosen: dict[str, NDArray[np.intp]] = {}
    for name, layer in layers.items():
        n = len(layer.columns["unit"])
        worth = layer.arrays.get("iou", layer.arrays["top_values"][:, 0])
        chosen[name] = np.argsort(-worth, kind="stable")[: min(_SHOWN_UNITS, n)]
    wanted = {name: own.sums[name].top.rows[units, :_SHOWN_PICTURES] for name, units in chosen.items()}
    rows = np.unique(np.concatenate([each.ravel() for each in wanted.values()]))
    crops = [Crop(example) for example in laid.examples]
    pictures: list[NDArray[np.uint8]] = []
    maps: dict[str, NDArray[np.float32]] = {
        name: np.zeros((*wanted[name].shape, *reader.shapes[name][1:]), np.float32) for name in wanted
    }
    with closing(reader.read(crops, rows.tolist())) as batches:
        for batch in batches:
            for i, row in enumerate(batch.rows):
                pictures.append(crop_resize(batch.pixels[i].numpy(), None, (_SIDE, _SIDE), "box"))
                for name, units in chosen.items():
                    for u, k in np.argwhere(wanted[name] == row).tolist():
                        maps[name][u, k] = batch.maps[name][i, units[u]].numpy()
    found: Arrays = {"picture_rows": rows, "pictures": np.stack(pictures)}
    for name, units in chosen.items():
        found |= {f"shown/{name}/units": units, f"shown/{name}/maps": maps[name].astype(np.float16)}
    return found


def _arrays(laid: Layout, layers: Mapping[str, Layer]) -> Arrays:
    examples = laid.examples
    found: Arrays = {
        "ids": np.array([each.id for each in examples]),
        "scenes": np.array([each.scene for each in examples]),
        "halves": laid.parts.halves,
        "paths": np.array([str(getattr(each.image, "path", "")) for each in examples]),
        "quantile_shares": np.array(SHARES),
        "objects": np.array(laid.names, dtype=np.str_),
        "layers": np.array(list(layers)),
    }
    for name, layer in layers.items():
        found |= {f"{name}/{key}": _single(value) for key, value in layer.arrays.items()}
    return found


def _single(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers in 32 bits."""
    if array.dtype == np.float64:
        return array.astype(np.float32)
    return array.astype(np.int32) if array.dtype == np.int64 else array


def _asked(options: DissectOptions) -> str:
    """What thresholds are to be, in words."""
    if options.threshold == "relative":
        return f"{RELATIVE} of a unit's largest activation"
    return f"the top {100 * options.quantile:g} %"


def _notes(laid: Layout, own: Gathered) -> tuple[str, ...]:
    notes = []
    options = laid.options
    if own.problems:
        first = next(iter(own.problems.values()))
        notes.append(f"{count(len(own.problems), 'picture')} could not be read and are left out: {first}")
    error = max(each.sketch.error for each in own.sums.values())
    notes.append(
        "Quantiles of activations are those of 8 cells drawn from each map"
        + (f", in a sketch (KLL) whose shares are off by at most {error:.2g} in 95 of 100 cases." if error else ".")
    )
    uneven = [name for name, each in laid.standings.items() if not each.exact]
    if uneven and options.anchor == "field":
        notes.append(
            f"Cells without a stride of their own are taken to share the picture out evenly: {listed(uneven)}."
        )
    if laid.seen is None:
        notes.append("The pictures have no annotated objects: overlap with objects is not measured.")
        return tuple(notes)
    bare = sum(not each.objects for each in laid.examples)
    if bare:
        notes.append(f"{count(bare, 'picture')} without annotated objects count for top pictures and quantiles alone.")
    if laid.left_out:
        shown = listed(laid.left_out[:5]) + (f" and {len(laid.left_out) - 5} more" if len(laid.left_out) > 5 else "")
        notes.append(f"Objects in fewer than {options.least} pictures are left out: {shown}.")
    empty = [name for name, size in zip(laid.names, own.sizes.min(axis=0), strict=True) if size == 0]
    if empty:
        notes.append(f"Objects that no point of one half of the pictures meets are never a label: {listed(empty)}.")
    notes.append(
        f"A picture is looked at on {options.points} x {options.points} points, with an offset drawn for each picture. "
        f"Thresholds are the one of {STEPS} steps that comes nearest to {_asked(options)}; "
        "units.csv has the share that is above it. Labels are chosen on one half of the pictures and measured on the "
        "other, both ways. Intervals: bootstrap over "
        f"{len(laid.parts.shards)} stratified samples of the pictures, at the same labels and thresholds."
    )
    return tuple(notes)
