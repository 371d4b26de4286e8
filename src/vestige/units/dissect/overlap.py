"""How well units overlap objects, and how well they would by chance: from counts to the numbers of a layer.

Labels are chosen on one half of the pictures and measured on the other, both ways. Intervals and tests are over shards,
each a sample of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from vestige.arrays import Arrays
from vestige.intervals import Interval, interval
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row
from vestige.units.dissect.counting import COARSE, FINE
from vestige.units.dissect.gathering import Gathered
from vestige.units.dissect.layout import Layout
from vestige.units.dissect.numbers import (
    Floats,
    Indices,
    Tables,
    average_precision,
    discoveries,
    p_values,
)
from vestige.units.rules import RELATIVE

FIXED = 0.04
"""The overlap above which NetDissect calls a unit a detector."""

RESAMPLES = 100

_BLOCK = 32  # units whose numbers of every object are computed at once

_COUNTS = ("detectors", "detectors_fixed", "objects", "objects_fixed")

METRICS: Mapping[str, Metric] = {
    "detectors": Metric("detectors", "units", paper=False),
    "detectors_fixed": Metric(f"units of an overlap above {FIXED}", "units", paper=False),
    "objects": Metric("distinct objects of detectors", "objects"),
    "objects_fixed": Metric(f"distinct objects of units of an overlap above {FIXED}", "objects", paper=False),
    "median_iou": Metric("median overlap (IoU)"),
    "mean_ap": Metric("mean average precision"),
    "mean_ap_gain": Metric("mean average precision less the prevalence of labels", paper=False),
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


@dataclass(frozen=True)
class Layer:
    """What was found of a layer: its rows, a line of units.csv for each unit by column, and arrays."""

    rows: tuple[Row, ...]
    columns: Mapping[str, Any]
    arrays: Arrays


@dataclass(frozen=True)
class UnitSet:
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

    def prevalence(self, times: Floats) -> Floats:
        """``(C,)``: the share of points that each unit's label is at: what average precision is by chance, likewise."""
        positives, points = (self._by_half(each, times).sum(axis=-1) for each in self.curves)
        mean: Floats = (positives / np.maximum(points, 1)).mean(axis=0)
        return mean

    def _iou(self, hits: Floats, times: Floats) -> Floats:
        hits, area, sizes = (self._by_half(each, times) for each in (hits, self.area, self.sizes))
        mean: Floats = (hits / np.maximum(area + sizes - hits, 1)).mean(axis=0)
        return mean

    def _by_half(self, of_shards: Floats, times: Floats) -> Floats:
        """Sums over the shards of each half: ``(K, ...) -> (2, ...)``."""
        each = np.stack([(self.halves == half) * times for half in (0, 1)]).astype(np.float32)
        return np.tensordot(each, of_shards, axes=1)


def reduced(gathered: Gathered, laid: Layout) -> dict[str, UnitSet]:
    """Every set of units at its thresholds, shard by shard."""
    names = gathered.passing.sets()
    return dict(zip(names, gathered.passing.pool.map(partial(_reduced, gathered, laid), names), strict=True))


def _reduced(gathered: Gathered, laid: Layout, name: str) -> UnitSet:
    tables = gathered.tables(name)
    if laid.options.threshold == "relative":
        threshold = tables.nearest(RELATIVE * gathered.largest[name])
    else:
        threshold = tables.thresholds(laid.options.quantile)
    counted = tables.at(threshold)
    labels, label = counted.labels(), counted.pooled.argmax(axis=1)
    parts = [
        _at_label(gathered, shard, threshold, labels[1 - half])
        for half, shard in zip(gathered.half_of, gathered.counts(name), strict=True)
    ]
    hits, area, sizes, own, other, positives, points = (np.stack(each) for each in zip(*parts, strict=True))
    chance: tuple[Floats, Floats] | tuple[None, None] = (own, other) if gathered.passing.exchanged else (None, None)
    curves, halves = np.stack([positives, points]), np.array(gathered.half_of, np.intp)
    return UnitSet(threshold, labels, label, hits, area, sizes, chance[0], chance[1], curves, halves)


def _at_label(
    gathered: Gathered, shard: Mapping[str, NDArray[Any]], threshold: Indices, label: Indices
) -> Sequence[Floats]:
    """Of one shard and each unit's label: see :class:`UnitSet`, ``(C,)``; the counts by step are ``(C, B + 1)``."""
    table, units = shard["table"], np.arange(len(label))
    sizes = shard["sizes"][label].astype(np.float32)
    rows = []
    for counts, whole in ((table[units, label], sizes), (table[:, -1], np.float32(shard["points"]))):
        row = counts.astype(np.float32)
        row[:, : COARSE + 1] /= gathered.often
        row[:, 0] = np.maximum(whole - row[:, 1:].sum(axis=1), 0)
        rows.append(row)
    from_above = [np.pad(np.cumsum(row[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1))) for row in rows]
    exchanged = gathered.passing.exchanged
    chance = (shard["chance"][units, label] if exchanged else np.zeros((len(units), FINE + 1))).astype(np.float32)
    others = np.pad(np.cumsum(chance[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))
    fine = np.maximum(threshold + 1, COARSE + 1)
    hits, area = (each[units, threshold + 1] for each in from_above)
    return hits, area, sizes, from_above[0][units, fine], others[units, fine - COARSE], rows[0], rows[1]


def _numbers(sets: Mapping[str, UnitSet], drawn: Indices | None) -> dict[tuple[str, str], float]:
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
        precision = each.precision(times)
        found[method, "mean_ap"] = float(precision.mean())
        found[method, "mean_ap_gain"] = float((precision - each.prevalence(times)).mean())
    return found


def _add_overlap(
    found: dict[tuple[str, str], float], method: str, detector: NDArray[np.bool_], label: Indices, kind: str = ""
) -> None:
    found[method, f"detectors{kind}"] = float(detector.sum())
    found[method, f"objects{kind}"] = float(len(np.unique(label[detector])))


def with_overlap(name: str, laid: Layout, tables: Tables, sets: Mapping[str, UnitSet], bare: Layer) -> Layer:
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
        "best_ious": _in_blocks(_best_pooled, positives, points, tables.sizes.sum(axis=0)),
        "average_precisions": _in_blocks(_precisions, positives, points),
        **{f"chance/{method}": each.iou(once) for method, each in sets.items() if method != "network"},
    }
    return Layer(bare.rows + tuple(layer_rows(name, laid, sets)), columns, arrays)


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


def _in_blocks(measure: Callable[..., Floats], positives: Floats, points: Floats, *more: Any) -> Floats:
    """Something of each unit and object ``(C, O)``, some units at a time: there are many counts."""
    some = [slice(i, i + _BLOCK) for i in range(0, len(points), _BLOCK)]
    return np.concatenate([measure(positives[i], points[i], *more).astype(np.float32) for i in some])


def _best_pooled(positives: Floats, points: Floats, sizes: Floats) -> Floats:
    """``(C, O)``: the overlap with every object at its own best edge, on all pictures."""
    hits = np.cumsum(positives[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    area = np.cumsum(points[:, ::-1], axis=-1)[:, ::-1][:, None, 1:]
    best: Floats = (hits / np.maximum(area + sizes[:, None] - hits, 1)).max(axis=2)
    return best


def _precisions(positives: Floats, points: Floats) -> Floats:
    """``(C, O)``: the average precision of every object, on all pictures."""
    return average_precision(positives, points[:, None, :])


def layer_rows(name: str, laid: Layout, sets: Mapping[str, UnitSet]) -> Iterator[Row]:
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
                value, units = values[method, metric], len(sets["network"].threshold)
                ci95 = interval(np.array(resampled[method, metric]), len(halves))
                if ci95 is not None and metric in _COUNTS:
                    ci95 = _turned_about(value, ci95, units)
                yield Row(method, metric, name, value, ci95, n)


def _turned_about(count: float, ci95: Interval, most: int) -> Interval:
    """The basic bootstrap's interval of a count from that of the resamples' quantiles.

    How many units are above a bar grows with noise, and resamples are noisier than the data: what they are too high by,
    the basic interval takes off (Davison and Hinkley 1997, section 5.2). It holds the count itself in any case.
    """
    low, high = (min(max(2 * count - end, 0.0), float(most)) for end in (ci95[1], ci95[0]))
    return min(low, count), max(high, count)
