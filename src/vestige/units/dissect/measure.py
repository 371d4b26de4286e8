"""Dissection: which units of a network detect which objects (sections 3.3 and 4; Figs. 5, 9 and 11)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from vestige.arrays import Arrays
from vestige.contract.found import Found
from vestige.contract.plan import Plan, plan_by_options
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import Crop, crop_resize
from vestige.intervals import interval
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.partial_work import PartialWork
from vestige.regions import class_objects
from vestige.results import Row
from vestige.spec import parse_backbone_spec
from vestige.spelling import spelled
from vestige.text import count, listed
from vestige.units.activations import ActivationReader, check_pictures
from vestige.units.dissect.counting import COARSE, STEPS
from vestige.units.dissect.looking import Grid, Seen, exchanged
from vestige.units.dissect.numbers import (
    Floats,
    Indices,
    Tables,
    average_precision,
    discoveries,
    p_values,
)
from vestige.units.dissect.scan import HIGHEST, LOWEST, Parts, Pass
from vestige.units.dissect.table import units_csv
from vestige.units.dissect.task import DISSECT, DissectOptions
from vestige.units.places import Standing
from vestige.units.quantiles import Quantiles
from vestige.units.rules import RELATIVE
from vestige.units.top import TopPictures

FIXED = 0.04
"""The overlap above which NetDissect calls a unit a detector."""

SHARES = (0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999)
"""Of activations below the quantiles that are told."""

NEGATIVES = 3
"""Pictures of the lowest that are planted among a unit's strongest for people who annotate them."""

RESAMPLES = 100

_SHOWN_UNITS, _SHOWN_PICTURES, _SIDE = 8, 4, 112

METRICS: Mapping[str, Metric] = {
    "detectors": Metric("detectors", "units", paper=False),
    "detectors_fixed": Metric(f"units of an overlap above {FIXED}", "units", paper=False),
    "objects": Metric("distinct objects of detectors", "objects"),
    "objects_fixed": Metric(f"distinct objects of units of an overlap above {FIXED}", "objects", paper=False),
    "median_iou": Metric("median overlap (IoU)"),
    "mean_ap": Metric("mean average precision"),
    "units": Metric("units", "units", lower_is_better=None, paper=False),
}
"""What is measured of a layer."""

METHODS: Mapping[str, Method] = {
    "network": Method("Network", "blue"),
    "rotated": Method("Layer turned at random", "ochre", "dashed", "s", paper=False),
    "untrained": Method("Random weights", "slate", "dashdot", "^", trained=False, paper=False),
    "shuffled": Method("Masks shuffled within scenes", "grey", "dotted", "|", paper=False),
}
"""The network, and its chance levels."""


def check_dissect(data: Dataset, options: DissectOptions) -> None:
    """Refuse data without pictures, or whose objects are all rarer than what is asked for.

    Raises:
        VestigeError: naming the data set and what to ask for.
    """
    check_pictures(data)
    _objects(data, with_objects(data), options)


def plan_dissect(reader: Reader, data: Dataset, options: DissectOptions) -> Plan:
    """The plan; layers without places are refused here, before any picture is read."""
    layers = tuple(ActivationReader(reader.backbone(options.backbone), options.layers, reader.options).layers)
    plan = plan_by_options(DISSECT.name, reader, data, (replace(options, layers=layers),))
    if "untrained" not in options.chance or not any(each.objects for each in with_objects(data)):
        return plan
    return replace(plan, networks=(*plan.networks, _untrained(options)))


def measure_dissect(session: Session, data: Dataset, options: DissectOptions) -> Found:
    """Dissect a network, as the task has it."""
    started = time.monotonic()
    backbone = session.reader.backbone(options.backbone)
    reader = ActivationReader(backbone, options.layers, session.reader.options)
    laid = _lay(data, reader, options)
    with _kept(session.kept) as kept, ThreadPoolExecutor(session.workers) as pool:
        session.say(f"{count(len(reader.layers), 'layer')} of {backbone.spec} over {count(len(data), 'picture')}")
        own = _gathered(laid.passing(reader, pool), laid, kept, session)
        untrained = None
        if laid.seen is not None and "untrained" in options.chance:
            twin = session.reader.backbone(_untrained(options))
            session.say(f"chance: {twin.spec}")
            other = ActivationReader(twin, tuple(reader.layers), session.reader.options)
            untrained = _gathered(laid.passing(other, pool, own=False), laid, kept, session)
        layers = _layers(laid, own, untrained, kept, session)
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


@dataclass(frozen=True)
class _Laid:
    """The data and how they are looked at."""

    data: Dataset
    examples: tuple[Example, ...]
    options: DissectOptions
    parts: Parts
    standings: Mapping[str, Standing]
    seen: Seen | None
    exchanged: Mapping[int, int]
    left_out: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the objects."""
        return tuple(self.seen.names) if self.seen else ()

    def passing(self, reader: ActivationReader, pool: ThreadPoolExecutor, *, own: bool = True) -> Pass:
        """A pass of these pictures through a network."""
        return Pass(
            reader=reader,
            crops=[Crop(example) for example in self.examples],
            parts=self.parts,
            standings=self.standings,
            threshold=self.options.threshold,
            quantile=self.options.quantile,
            seed=self.options.seed,
            seen=self.seen,
            exchanged=self.exchanged,
            own=own,
            rotated=own and "rotated" in self.options.chance and self.seen is not None,
            pool=pool,
        )

    def made_from(self, reader: ActivationReader) -> str:
        """A text that changes whenever what is counted would."""
        options = {**asdict(self.options), "backbone": "", "layers": tuple(reader.layers)}
        numerics = reader.options.numerics(reader.device)
        about = (reader.backbone.fingerprint, reader.backbone.preprocessing.fingerprint(), numerics, options)
        return f"dissect 2 {self.data.fingerprint} {about!r} {self.names!r} {STEPS} {HIGHEST} {LOWEST}"


def _lay(data: Dataset, reader: ActivationReader, options: DissectOptions) -> _Laid:
    examples = with_objects(data)
    groups, scenes = [each.group for each in examples], [each.scene for each in examples]
    parts = Parts.dealt(groups, scenes, options.seed)
    size = reader.backbone.preprocessing.size
    standings = {
        name: Standing.of(size, reader.shapes[name][1:], field, options.anchor) for name, field in reader.fields.items()
    }
    names, left_out = _objects(data, examples, options)
    seen = Seen(examples, names, Grid(options.points, options.seed)) if names else None
    annotated = np.array([row for row, each in enumerate(examples) if each.objects], np.intp)
    shuffled = seen is not None and "shuffled" in options.chance
    others = exchanged(scenes, parts.halves, annotated, options.seed) if shuffled else {}
    return _Laid(data, examples, options, parts, standings, seen, others, left_out)


def _objects(
    data: Dataset, examples: Sequence[Example], options: DissectOptions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of objects in pictures enough, and those of the others."""
    found = Counter(name for each in examples for name in {one.name for one in each.objects})
    names = tuple(sorted(name for name, n in found.items() if n >= options.least))
    if found and not names:
        raise VestigeError(
            f"{data.spec}: no object is in {count(options.least, 'picture')}, the commonest in "
            f"{max(found.values())}; ask for fewer with {spelled('least', max(found.values()))}"
        )
    return names, tuple(sorted(found.keys() - set(names)))


def with_objects(data: Dataset) -> tuple[Example, ...]:
    """The examples; where none has objects but they have masks, every class of those is an object."""
    examples = tuple(data)
    if any(each.objects for each in examples) or not data.classes:
        return examples
    none = ("", "background")
    names = {k: name for k, name in enumerate(data.classes) if k != data.void and name.lower() not in none}
    return tuple(
        each if each.mask is None else replace(each, objects=class_objects(cast(Any, each.mask), names))
        for each in examples
    )


@dataclass
class _Sums:
    """What all shards say of a layer's units, whatever the objects are."""

    top: TopPictures
    low: TopPictures
    total: Floats
    above: NDArray[np.int64]
    cells: int
    sketch: Quantiles


@dataclass
class _Gathered:
    """What all shards of a pass say together; ``counted`` as the kernel counts, ``(2, C, O + 1, B + 1)`` of a set, and
    ``largest``, ``(C,)`` of a set, activations."""

    passing: Pass
    made_from: str
    sums: dict[str, _Sums]
    counted: dict[str, NDArray[np.uint32]]
    largest: dict[str, Floats]
    sizes: NDArray[np.int64]
    total: NDArray[np.int64]
    problems: dict[int, str]

    @property
    def often(self) -> float:
        """The share of points that coarse steps are counted at."""
        assert self.passing.seen is not None
        return self.passing.seen.grid.often / self.passing.seen.grid.points

    def tables(self, name: str) -> Tables:
        """The counts of a set of units."""
        sizes, total = self.sizes.astype(np.float64), self.total.astype(np.float64)
        return Tables.of(self.counted[name], COARSE, self.often, sizes, total, self.passing.scale(name).edges)


def _gathered(passing: Pass, laid: _Laid, kept: PartialWork, session: Session) -> _Gathered:
    """Add up the shards of a pass."""
    made_from, kinds = laid.made_from(passing.reader), len(laid.names)
    seed = laid.options.seed
    found = _Gathered(passing, made_from, {}, {}, {}, np.zeros((2, kinds), np.int64), np.zeros(2, np.int64), {})
    for name, shape in passing.reader.shapes.items() if passing.own else ():
        none, units = TopPictures.none(shape[0]), shape[0]
        found.sums[name] = _Sums(none, none, np.zeros(units), np.zeros(units, np.int64), 0, Quantiles(units, seed))
    shards = passing.shards(kept, made_from, session.counting("pictures"))
    for half, shard in zip(laid.parts.half_of, shards, strict=True):
        for name, sums in found.sums.items():
            _add(sums, shard, name, seed)
        found.problems |= zip(shard["problem_rows"].tolist(), shard["problems"].tolist(), strict=True)
        if laid.seen is None:
            continue
        found.sizes[half] += shard["sizes"]
        found.total[half] += shard["points"]
        for name in passing.sets():
            table = shard[f"{name}/table"]
            found.counted.setdefault(name, np.zeros((2, *table.shape), np.uint32))[half] += table
            largest = shard[f"{name}/largest"]
            found.largest[name] = np.maximum(found.largest.get(name, largest), largest)
    passing.scaled(kept, made_from)
    if len(found.problems) == len(laid.examples):
        raise VestigeError(f"{laid.data.spec}: no picture can be read; {next(iter(found.problems.values()))}")
    return found


def _add(sums: _Sums, shard: Arrays, name: str, seed: int) -> None:
    def listed_in(which: str) -> TopPictures:
        return TopPictures(*(shard[f"{name}/{which}/{key}"] for key in ("rows", "values", "places")))

    sums.top, sums.low = (
        before.merged(listed_in(which), most)
        for before, which, most in ((sums.top, "top", HIGHEST), (sums.low, "low", LOWEST))
    )
    sums.total += shard[f"{name}/total"]
    sums.above += shard[f"{name}/above"]
    sums.cells += int(shard[f"{name}/cells"])
    start = f"{name}/sketch/"
    sums.sketch.merge(Quantiles.of({k.removeprefix(start): v for k, v in shard.items() if k.startswith(start)}, seed))


@dataclass(frozen=True)
class _Layer:
    """What was found of a layer: its rows, a line of units.csv for each unit by column, and arrays."""

    rows: tuple[Row, ...]
    columns: Mapping[str, Any]
    arrays: Arrays


def _layers(
    laid: _Laid, own: _Gathered, untrained: _Gathered | None, kept: PartialWork, session: Session
) -> dict[str, _Layer]:
    bare = {name: _activity(name, laid, own) for name in own.sums}
    if laid.seen is None:
        return bare
    session.say("overlap with objects, and chance")
    sets = _reduced(own, laid, kept)
    if untrained is not None:
        sets |= {f"{name}/untrained": each for name, each in _reduced(untrained, laid, kept).items()}
    found = {}
    for name, layer in bare.items():
        chance = {m: sets[f"{name}/{m}"] for m in ("rotated", "untrained") if f"{name}/{m}" in sets}
        found[name] = _with_objects(name, laid, own.tables(name), {"network": sets[name], **chance}, layer)
    return found


def _activity(name: str, laid: _Laid, own: _Gathered) -> _Layer:
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
        "above_nought": sums.above / cells,
        "threshold": RELATIVE * sums.top.values[:, 0] if options.threshold == "relative" else quantiles[:, -1],
    }
    columns = {
        "layer": [name] * units,
        "unit": range(units),
        "threshold": arrays["threshold"],
        "mean": arrays["mean"],
        "sparsity": 1 - arrays["above_nought"],
        "largest": sums.top.values[:, 0],
    }
    return _Layer((Row("network", "units", name, float(units), None, len(laid.examples)),), columns, arrays)


@dataclass(frozen=True)
class _Set:
    """A set of C units above their thresholds, over K shards: a layer's own, or those of a chance level.

    Attributes:
        threshold: ``(C,)`` the edge.
        labels: ``(2, C)`` the object that each half chose.
        label: ``(C,)`` that of all pictures.
        hits, area, sizes: ``(K, C)`` points of the label that the other half chose above the threshold, of all points
            there, and of the label anywhere.
        own, other: ``(K, C)`` points of the label above the edge at which chance is counted, of the pictures' own
            masks and of other pictures' of the same scene; None where these were not counted.
        curves: ``(2, K, C, B + 1)`` points by step: of the label, and all.
        halves: ``(K,)``.
    """

    threshold: Indices
    labels: Indices
    label: Indices
    hits: Floats
    area: Floats
    sizes: Floats
    own: Floats | None
    other: Floats | None
    curves: Floats
    halves: Indices

    def iou(self, times: Floats) -> Floats:
        """``(C,)``: each unit's overlap with its label, the mean of both halves; shards are there so often ``(K,)``."""
        return self._iou(self.hits, times)

    def shuffled(self, times: Floats) -> Floats | None:
        """``(C,)``: likewise with the masks of other pictures of the same scene."""
        if self.own is None or self.other is None:
            return None
        return self._iou(self.other * (self.hits.sum(axis=0) / np.maximum(self.own.sum(axis=0), 1)), times)

    def p(self, drawn: Indices | None = None) -> Floats | None:
        """``(C,)``: how likely a label's own masks lie so much better than others' where neither is meant.

        Where a unit has nothing to do with where in a scene an object is, a picture's own masks and those of another
        picture of its scene are exchangeable, and the shards' differences of what they share with the unit have a mean
        of zero: Student's paired test over shards, one-sided. The label was chosen on the other half.
        """
        if self.own is None or self.other is None or len(self.halves) < 2:
            return None
        away = (self.own - self.other).astype(np.float64)[slice(None) if drawn is None else drawn]
        spread = away.std(axis=0, ddof=1) / np.sqrt(len(away))
        t = np.divide(away.mean(axis=0), spread, out=np.zeros_like(spread), where=spread > 0)
        found: Floats = stdtr(len(away) - 1, -t)
        return found

    def precision(self, times: Floats) -> Floats:
        """``(C,)``: each unit's average precision of its label, likewise."""
        positives, points = (self._by_half(each, times) for each in self.curves)
        mean: Floats = average_precision(positives, points).mean(axis=0)
        return mean

    def _iou(self, hits: Floats, times: Floats) -> Floats:
        hits, area, sizes = (self._by_half(each, times) for each in (hits, self.area, self.sizes))
        mean: Floats = (hits / np.maximum(area + sizes - hits, 1)).mean(axis=0)
        return mean

    def _by_half(self, of_shards: Floats, times: Floats) -> Floats:
        """Sums over the shards of each half: ``(K, ...) -> (2, ...)``."""
        each = np.stack([(self.halves == half) * times for half in (0, 1)]).astype(np.float32)
        return np.tensordot(each, of_shards, axes=1)


def _reduced(gathered: _Gathered, laid: _Laid, kept: PartialWork) -> dict[str, _Set]:
    """Every set of units at its thresholds, shard by shard, read once more from where the shards are kept."""
    passing, found = gathered.passing, {}
    chosen: dict[str, tuple[Indices, Indices, Indices]] = {}
    for name in passing.sets():
        tables = gathered.tables(name)
        relative = laid.options.threshold == "relative"
        bar = RELATIVE * gathered.largest[name]
        threshold = tables.nearest(bar) if relative else tables.thresholds(laid.options.quantile)
        counted = tables.at(threshold)
        chosen[name] = threshold, counted.labels(), counted.pooled.argmax(axis=1)
    parts: dict[str, list[Sequence[Floats]]] = {name: [] for name in chosen}
    for k, half in enumerate(laid.parts.half_of):
        shard = kept.find(f"{gathered.made_from} shard {k}")
        if shard is None:
            raise VestigeError(f"{kept.folder}: a part of the measurement is gone; run the command again")
        for name, (threshold, labels, _) in chosen.items():
            parts[name].append(_at_label(gathered, shard, name, threshold, labels[1 - half]))
    halves = np.array(laid.parts.half_of, np.intp)
    for name, (threshold, labels, label) in chosen.items():
        hits, area, sizes, own, other, positives, points = (np.stack(each) for each in zip(*parts[name], strict=True))
        curves, chance = np.stack([positives, points]), bool(passing.exchanged)
        by_chance = (own, other) if chance else (None, None)
        found[name] = _Set(threshold, labels, label, hits, area, sizes, by_chance[0], by_chance[1], curves, halves)
    return found


def _at_label(
    gathered: _Gathered, shard: Mapping[str, NDArray[Any]], name: str, threshold: Indices, label: Indices
) -> Sequence[Floats]:
    """Of one shard and each unit's label: see :class:`_Set`, ``(C,)`` each, and the counts by step ``(C, B + 1)``."""
    table, units = shard[f"{name}/table"], np.arange(len(label))
    sizes = shard["sizes"][label].astype(np.float32)
    rows = []
    for counts, whole in ((table[units, label], sizes), (table[:, -1], np.float32(shard["points"]))):
        row = counts.astype(np.float32)
        row[:, : COARSE + 1] /= gathered.often
        row[:, 0] = np.maximum(whole - row[:, 1:].sum(axis=1), 0)
        rows.append(row)
    from_above = [np.pad(np.cumsum(row[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1))) for row in rows]
    chance = shard[f"{name}/chance/table"][units, label].astype(np.float32)
    others = np.pad(np.cumsum(chance[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))
    fine = np.maximum(threshold + 1, COARSE + 1)
    hits, area = (each[units, threshold + 1] for each in from_above)
    return hits, area, sizes, from_above[0][units, fine], others[units, fine - COARSE], rows[0], rows[1]


def _numbers(sets: Mapping[str, _Set], drawn: Indices | None) -> dict[tuple[str, str], float]:
    """A layer's numbers by method and metric, over all shards, or some ``(K,)`` that were drawn."""
    found: dict[tuple[str, str], float] = {}
    for method, each in sets.items():
        times = np.ones(len(each.halves)) if drawn is None else np.bincount(drawn, minlength=len(each.halves)) * 1.0
        overlaps = {method: each.iou(times)}
        if method == "network" and (shuffled := each.shuffled(times)) is not None:
            overlaps["shuffled"] = shuffled
        for which, iou in overlaps.items():
            _add_overlap(found, which, iou > FIXED, each.label, "_fixed")
            found[which, "median_iou"] = float(np.median(iou))
        if (p := each.p(drawn)) is not None:
            _add_overlap(found, method, discoveries(p), each.label)
        found[method, "mean_ap"] = float(each.precision(times).mean())
    return found


def _add_overlap(
    found: dict[tuple[str, str], float], method: str, detector: NDArray[np.bool_], label: Indices, kind: str = ""
) -> None:
    found[method, f"detectors{kind}"] = float(detector.sum())
    found[method, f"objects{kind}"] = float(len(np.unique(label[detector])))


def _with_objects(name: str, laid: _Laid, tables: Tables, sets: Mapping[str, _Set], bare: _Layer) -> _Layer:
    """A layer's units and the objects they overlap, beside chance."""
    own, names = sets["network"], np.array(laid.names)
    once, units = np.ones(len(own.halves)), np.arange(len(own.threshold))
    iou, ap, p, shuffled = own.iou(once), own.precision(once), own.p(), own.shuffled(once)
    unknown = np.full(len(units), np.nan)
    detector = np.zeros(len(units), bool) if p is None else discoveries(p)
    positives, points = tables.objects.sum(axis=0), tables.points.sum(axis=0)
    best_iou, best_edge = _best(tables, own.labels)
    threshold, overlaps = tables.activations(own.threshold), tables.at(own.threshold).pooled
    columns = {
        "layer": bare.columns["layer"],
        "unit": bare.columns["unit"],
        "object": np.where(overlaps.max(axis=1) > 0, names[own.label], ""),
        "iou": iou,
        "average_precision": ap,
        "threshold": threshold,
        "chance_iou": unknown if shuffled is None else shuffled,
        "p_value": unknown if p is None else p,
        "detector": detector,
        "detector_fixed": iou > FIXED,
        "object_of_half_1": names[own.labels[0]],
        "object_of_half_2": names[own.labels[1]],
        "best_iou": best_iou,
        "best_threshold": tables.activations(best_edge),
        "share_above": tables.at(own.threshold).area.sum(axis=0) / tables.points[:, 0].sum(),
        **{f"p_{method}": p_values(iou, each.iou(once)) for method, each in sets.items() if method != "network"},
        **{key: bare.columns[key] for key in ("mean", "sparsity", "largest")},
    }
    arrays = bare.arrays | {
        "threshold": threshold,
        "labels": own.label,
        "iou": iou,
        "average_precision": ap,
        "p_value": columns["p_value"],
        "chance_iou": columns["chance_iou"],
        "detector": detector,
        "edges": tables.edges,
        "positives": positives[units, own.label],
        "points": points,
        "ious": overlaps.astype(np.float32),
        "best_ious": _best_pooled(tables).astype(np.float32),
        "average_precisions": average_precision(positives, points[:, None, :]).astype(np.float32),
        **{f"chance/{method}": each.iou(once) for method, each in sets.items() if method != "network"},
    }
    return _Layer(bare.rows + tuple(_rows(name, laid, sets)), columns, arrays)


def _best(tables: Tables, labels: Indices) -> tuple[Floats, Indices]:
    """The overlap at the threshold that is best for the label on the half that chose it, measured on the other half;
    the mean of both ``(C,)``, and the first half's edge."""
    measured, edges = [], []
    for half in (0, 1):
        overlap = [_overlaps(tables, each, labels[half]) for each in (0, 1)]
        edge = overlap[half].argmax(axis=1)
        measured.append(np.take_along_axis(overlap[1 - half], edge[:, None], axis=1)[:, 0])
        edges.append(edge)
    return np.mean(measured, axis=0), edges[0]


def _overlaps(tables: Tables, half: int, labels: Indices) -> Floats:
    """``(C, B)``: the overlap with each unit's label at every edge, on one half."""
    hits = np.take_along_axis(tables.objects[half], labels[:, None, None], axis=1)[:, 0]
    hits, area = (np.cumsum(each[:, ::-1], axis=1)[:, ::-1][:, 1:] for each in (hits, tables.points[half]))
    overlap: Floats = hits / np.maximum(area + tables.sizes[half][labels][:, None] - hits, 1)
    return overlap


def _best_pooled(tables: Tables) -> Floats:
    """``(C, O)``: the overlap with every object at its own best edge, on all pictures."""
    hits = np.cumsum(tables.objects.sum(axis=0)[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    area = np.cumsum(tables.points.sum(axis=0)[:, ::-1], axis=-1)[:, ::-1][:, None, 1:]
    best: Floats = (hits / np.maximum(area + tables.sizes.sum(axis=0)[:, None] - hits, 1)).max(axis=2)
    return best


def _rows(name: str, laid: _Laid, sets: Mapping[str, _Set]) -> Iterator[Row]:
    """A layer's numbers with intervals: the shards of each half are drawn anew, at the same labels and thresholds."""
    halves = sets["network"].halves
    values = _numbers(sets, None)
    draw = np.random.default_rng([laid.options.seed, 5])
    resampled: dict[tuple[str, str], list[float]] = {key: [] for key in values}
    if min(np.bincount(halves, minlength=2)) > 1:
        here = [np.flatnonzero(halves == half) for half in (0, 1)]
        for _ in range(RESAMPLES):
            drawn = np.concatenate([draw.choice(each, len(each)) for each in here])
            for key, value in _numbers(sets, drawn).items():
                resampled[key].append(value)
    n = sum(bool(each.objects) for each in laid.examples)
    for metric in METRICS:
        for method in METHODS:
            if (method, metric) in values:
                ci95 = interval(np.array(resampled[method, metric]), len(halves))
                yield Row(method, metric, name, values[method, metric], ci95, n)


def _shown(reader: ActivationReader, laid: _Laid, own: _Gathered, layers: Mapping[str, _Layer]) -> Arrays:
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


def _arrays(laid: _Laid, layers: Mapping[str, _Layer]) -> Arrays:
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


def _notes(laid: _Laid, own: _Gathered) -> tuple[str, ...]:
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
