"""One pass of pictures through a network, in shards: what each unit does in them, and where the objects are.

A shard is a stratified sample of one half of the pictures. What is known of it adds up with what is known of others
(counts, sums, top lists, sketches), is kept on disk as it is finished, and is what a killed pass goes on from. Memory
is that of one shard's counts, however many pictures there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, fields
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.arrays import Arrays
from vestige.images import Crop
from vestige.partial_work import PartialWork
from vestige.progress import Progress
from vestige.units.activations import ActivationReader, Activations
from vestige.units.dissect.counting import (
    COARSE,
    FINE,
    STEPS,
    Between,
    Counts,
    Extremes,
    Floats,
    Scale,
    count,
    extremes,
    values_at,
)
from vestige.units.dissect.looking import Seen, nothing_at, sizes_of
from vestige.units.places import Standing
from vestige.units.quantiles import Quantiles
from vestige.units.top import TopPictures

WINDOW = 9
"""Of them, those about the threshold, at which the chance level is counted."""

HIGHEST, LOWEST = 60, 20
"""Pictures with the largest activations of each unit that are kept, and with the smallest."""

SHARDS = 10
"""Of each half of the pictures, where there are enough."""

_LOW, _OFTEN, _TOP = 0.3, 4.0, 0.1
"""The share of points above the first step; those above the first fine step and the last one, in thresholds' shares."""

_ENDLESS = 1e30  # steps per unit of activation

_PILOT = 192  # pictures that the steps are chosen by

_PILOT_POINTS = 32  # of each of them, of each unit

_TOGETHER = 512  # pictures that are sorted into top lists at once

_CELLS = 8  # of each map that go into the quantiles' sketch


@dataclass(frozen=True)
class Parts:
    """The pictures, in halves and shards.

    Attributes:
        halves: ``(n,)``: 0 or 1.
        shards: which pictures, by number; each is of one half, those of half 0 first.
        half_of: the half of each shard.
    """

    halves: NDArray[np.intp]
    shards: tuple[NDArray[np.intp], ...]
    half_of: tuple[int, ...]

    @classmethod
    def dealt(cls, groups: Sequence[str], scenes: Sequence[str], seed: int) -> Parts:
        """Pictures dealt out scene by scene, groups (that must stay together) as one."""
        draw = np.random.default_rng([seed, 0])
        members: dict[tuple[str, str], list[int]] = {}
        first: dict[str, str] = {}
        for row, (group, scene) in enumerate(zip(groups, scenes, strict=True)):
            members.setdefault((first.setdefault(group, scene), group), []).append(row)
        keys = list(members)
        order = [keys[i] for i in draw.permutation(len(keys))]
        order.sort(key=lambda key: key[0])  # stable: by scene, at random within
        each = max(1, min(SHARDS, len(order) // 16))
        dealt: list[list[int]] = [[] for _ in range(2 * each)]
        for i, key in enumerate(order):
            dealt[i % 2 * each + i // 2 % each] += members[key]
        halves = np.zeros(len(groups), np.intp)
        for shard in dealt[each:]:
            halves[shard] = 1
        kept = [(np.sort(np.array(rows, np.intp)), int(k >= each)) for k, rows in enumerate(dealt) if rows]
        return cls(halves, tuple(rows for rows, _ in kept), tuple(half for _, half in kept))


@dataclass
class Pass:
    """A pass over pictures.

    Attributes:
        reader: of the layers.
        crops: the pictures.
        parts: how they are dealt out.
        standings: how each layer's maps lie on the pictures.
        quantile: the share of points above a unit's threshold.
        seed: of all draws.
        seen: the objects; None to look at activations alone.
        exchanged: whose objects stand in for a picture's own, for the chance level; empty for none.
        rotated: whether the layers are turned at random, too.
        pool: of threads.
    """

    reader: ActivationReader
    crops: Sequence[Crop]
    parts: Parts
    standings: Mapping[str, Standing]
    quantile: float
    seed: int
    seen: Seen | None
    exchanged: Mapping[int, int]
    rotated: bool
    pool: ThreadPoolExecutor
    _scales: dict[str, Scale] = field(default_factory=dict, repr=False)

    def shards(self, kept: PartialWork, made_from: str, progress: Progress) -> Iterator[Arrays]:
        """What is known of each shard, in order; made, or read where it is kept.

        Args:
            kept: where.
            made_from: a text that changes whenever anything would.
            progress: told of pictures.
        """
        done, total = 0, len(self.crops)
        progress(done, total)
        for k, rows in enumerate(self.parts.shards):
            key = f"{made_from} shard {k}"
            found = kept.find(key)
            if found is None:
                scales = self.scaled(kept, made_from)
                found = kept.get(key, partial(self._shard, rows, scales, _Told(progress, done, total)))
            done += len(rows)
            progress(done, total)
            yield dict(found)

    def _shard(self, rows: NDArray[np.intp], scales: Mapping[str, Scale], told: _Told) -> Arrays:
        sums = {name: _Sums.empty(shape[0], self.seed) for name, shape in self.reader.shapes.items()}
        tables: dict[str, Counts] = {}
        if self.seen is not None:
            tables = {name: self._table(name) for name in self.sets()}
            tables |= {f"{name}/chance": self._chance(name) for name in self.sets()}
        kinds = len(self.seen.names) if self.seen else 0
        sizes, points = np.zeros(kinds, np.int64), 0
        problems: dict[int, str] = {}
        with closing(self.reader.read(self.crops, rows.tolist())) as batches:
            for batch in batches:
                problems |= batch.problems
                told.add(len(batch.rows) + len(batch.problems))
                if not batch.rows:
                    continue
                with_objects = self._with_objects(batch.rows)
                for name, maps in _channels_last(batch):
                    sums[name].add(batch.rows, maps, self.pool, self._cells(batch.rows, maps.shape[1]))
                    if with_objects:
                        self._count(name, maps, batch.rows, with_objects, scales, tables)
                if self.seen is not None and with_objects:
                    met = self.seen.objects([batch.rows[i] for i in with_objects])
                    sizes += sizes_of(met, kinds)
                    points += len(with_objects) * self.seen.grid.points
        found: Arrays = {f"{name}/{key}": value for name, each in sums.items() for key, value in each.arrays().items()}
        found |= {f"{name}/table": _small(table) for name, table in tables.items()}
        found |= {"sizes": sizes, "points": np.array(points)}
        found |= {
            "problem_rows": np.array(list(problems), np.int64),
            "problems": np.array([*problems.values(), ""])[:-1],
        }
        return found

    def sets(self) -> list[str]:
        """The sets of units that are counted: the layers, and the same turned."""
        return [*self.reader.shapes, *(f"{name}/rotated" for name in self.reader.shapes if self.rotated)]

    def _table(self, name: str) -> Counts:
        assert self.seen is not None
        return np.zeros((self.reader.shapes[_layer(name)][0], len(self.seen.names) + 1, STEPS + 1), np.uint32)

    def _chance(self, name: str) -> Counts:
        assert self.seen is not None
        return np.zeros((self.reader.shapes[_layer(name)][0], len(self.seen.names), WINDOW + 1), np.uint32)

    def _with_objects(self, rows: Sequence[int]) -> list[int]:
        """Which pictures of a batch have objects annotated."""
        if self.seen is None:
            return []
        return [i for i, row in enumerate(rows) if self.seen.examples[row].objects]

    def _count(
        self,
        name: str,
        maps: Floats,
        batch_rows: Sequence[int],
        chosen: Sequence[int],
        scales: Mapping[str, Scale],
        tables: Mapping[str, Counts],
    ) -> None:
        assert self.seen is not None
        rows = [batch_rows[i] for i in chosen]
        maps = maps if len(chosen) == len(batch_rows) else maps[chosen]
        grid = self.seen.grid
        points, objects, none = (
            grid.between(rows, self.standings[name]),
            self.seen.objects(rows),
            nothing_at(len(rows), grid.points),
        )
        others = self.seen.objects([self.exchanged[row] for row in rows]) if self.exchanged else none
        looked_at = {name: maps}
        if self.rotated:
            looked_at[f"{name}/rotated"] = self._turned(maps)
        for which, each in looked_at.items():
            table, chance = tables[which], tables[f"{which}/chance"]
            count(each, points, grid.often, scales[which], objects, others, table, chance, self.pool)

    def _turned(self, maps: Floats) -> Floats:
        """Maps ``(n, hw, C)`` of the layer turned."""
        n, cells, channels = maps.shape
        turned = torch.from_numpy(maps.reshape(-1, channels)) @ torch.from_numpy(rotation(channels, self.seed))
        return turned.reshape(n, cells, channels).numpy()

    def _cells(self, rows: Sequence[int], cells: int) -> NDArray[np.intp]:
        """``(n, 8)``: which cells of the pictures' maps the quantiles are taken from."""
        if cells <= _CELLS:
            return np.broadcast_to(np.arange(cells), (len(rows), cells))
        return np.stack([np.random.default_rng([self.seed, 2, row]).integers(0, cells, _CELLS) for row in rows])

    def scale(self, name: str) -> Scale:
        """The steps of a set of units, once they are chosen."""
        return self._scales[name]

    def scaled(self, kept: PartialWork, made_from: str) -> Mapping[str, Scale]:
        """The steps of every set of units, by some pictures from everywhere; computed once."""
        if self.seen is None or self._scales:
            return self._scales
        arrays = kept.get(f"{made_from} steps", self._pilot)
        for name in self.sets():
            self._scales[name] = Scale(**{key.name: arrays[f"{name}/{key.name}"] for key in fields(Scale)})
        return self._scales

    def _pilot(self) -> Arrays:
        assert self.seen is not None
        every = [row for shard in self.parts.shards for row in shard.tolist() if self.seen.examples[row].objects]
        steps = np.linspace(0, len(every) - 1, min(_PILOT, len(every))).round().astype(int)
        values: dict[str, list[Floats]] = {name: [] for name in self.sets()}
        with closing(self.reader.read(self.crops, [every[i] for i in steps])) as batches:
            for batch in batches:
                for name, maps in _channels_last(batch):
                    points = _first(self.seen.grid.between(batch.rows, self.standings[name]), _PILOT_POINTS)
                    channels = maps.shape[2]
                    values[name].append(values_at(maps, points).reshape(-1, channels))
                    if self.rotated:
                        turned = values_at(self._turned(maps), points).reshape(-1, channels)
                        values[f"{name}/rotated"].append(turned)
        found: Arrays = {}
        for name, each in values.items():
            scale = scale_by(np.concatenate(each), self.quantile)
            found |= {f"{name}/{key}": value for key, value in vars(scale).items()}
        return found


def scale_by(values: Floats, quantile: float) -> Scale:
    """Steps for values ``(m, C)``: from what 30 % are above to what a tenth of those above a threshold are."""
    often = min(_OFTEN * quantile, _LOW)
    shares = [1 - max(_LOW, often), 1 - often, 1 - quantile, 1 - _TOP * quantile]
    low, high, threshold, top = np.quantile(values, shares, axis=0).astype(np.float32)
    top = np.where(top > high, top, values.max(axis=0))
    coarse, fine = _per_unit(low, high, COARSE), _per_unit(high, top, FINE)
    here = COARSE + np.ceil((threshold - high) * fine).astype(int)
    window = np.clip(here - WINDOW // 2, COARSE + 1, STEPS - WINDOW + 1)
    return Scale(low, high, coarse, fine, window.astype(np.uint8))


def _per_unit(low: Floats, high: Floats, steps: int) -> Floats:
    """So many steps from low to high; where these are the same, whatever is above is in the last step."""
    span = np.where(high > low, high - low, steps / _ENDLESS)
    return np.minimum(steps / span, _ENDLESS).astype(np.float32)


@lru_cache(maxsize=16)
def rotation(channels: int, seed: int) -> Floats:
    """A random rotation ``(C, C)``, uniform over all (F. Mezzadri, *Notices of the AMS* 54, 2007)."""
    drawn = np.random.default_rng([seed, 3, channels]).standard_normal((channels, channels))
    q, r = np.linalg.qr(drawn)
    turned: Floats = (q * np.sign(np.diag(r))).astype(np.float32)
    return turned


@dataclass
class _Sums:
    """What is known of units whatever the objects are."""

    top: TopPictures
    low: TopPictures
    total: NDArray[np.float64]
    above: NDArray[np.int64]
    cells: int
    sketch: Quantiles
    waiting: list[tuple[Sequence[int], Extremes, Floats]] = field(default_factory=list)

    @classmethod
    def empty(cls, units: int, seed: int) -> _Sums:
        none = TopPictures.none(units)
        return cls(none, none, np.zeros(units), np.zeros(units, np.int64), 0, Quantiles(units, seed))

    def add(self, rows: Sequence[int], maps: Floats, pool: ThreadPoolExecutor, cells: NDArray[np.intp]) -> None:
        """Take in the maps ``(n, hw, C)`` of pictures; ``cells`` ``(n, 8)`` of each go into the sketch."""
        found = extremes(maps, pool)
        self.total += found.sums.sum(axis=0, dtype=np.float64)
        self.above += found.above.sum(axis=0, dtype=np.int64)
        self.cells += maps.shape[0] * maps.shape[1]
        sample = maps[np.arange(len(maps))[:, None], cells].reshape(-1, maps.shape[2])
        self.waiting.append((rows, found, sample))
        if sum(len(rows) for rows, _, _ in self.waiting) >= _TOGETHER:
            self.settle()

    def settle(self) -> None:
        """Sort what is waiting into the lists and the sketch: together, for that costs as much for few as for many."""
        if not self.waiting:
            return
        rows = [row for rows, _, _ in self.waiting for row in rows]
        values = np.concatenate([found.largest for _, found, _ in self.waiting])
        places = np.concatenate([found.places for _, found, _ in self.waiting])
        self.sketch.add(np.concatenate([sample for _, _, sample in self.waiting]))
        self.top = self.top.with_batch(rows, values, places, HIGHEST)
        self.low = self.low.with_batch(rows, -values, places, LOWEST)
        self.waiting.clear()

    def arrays(self) -> Arrays:
        self.settle()
        return {
            **{f"top/{key}": getattr(self.top, key) for key in ("rows", "values", "places")},
            **{f"low/{key}": getattr(self.low, key) for key in ("rows", "values", "places")},
            "total": self.total,
            "above": self.above,
            "cells": np.array(self.cells),
            **{f"sketch/{key}": value for key, value in self.sketch.arrays().items()},
        }


@dataclass
class _Told:
    """Progress within a shard."""

    progress: Progress
    done: int
    total: int

    def add(self, n: int) -> None:
        self.done += n
        self.progress(self.done, self.total)


def _channels_last(batch: Activations) -> Iterator[tuple[str, Floats]]:
    """The maps of a batch as ``(n, h * w, C)``."""
    for name, maps in batch.maps.items():
        yield name, maps.permute(0, 2, 3, 1).flatten(1, 2).contiguous().numpy()


def _first(points: Between, n: int) -> Between:
    """Some of the points of each picture."""
    some = slice(None, None, max(1, points.shape[1] // n))
    cells, right, down = (np.ascontiguousarray(each[:, some]) for each in (points.cells, points.right, points.down))
    return Between(cells, right, down, np.ascontiguousarray(points.weights[:, some]))


def _layer(name: str) -> str:
    return name.removesuffix("/rotated")


def _small(table: Counts) -> NDArray[np.unsignedinteger]:
    """Counts in half the bytes, where they fit."""
    return table.astype(np.uint16) if table.size and table.max() < 2**16 else table
