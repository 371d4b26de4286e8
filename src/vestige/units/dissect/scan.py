"""One pass of pictures through a network, in shards: what each unit does in them, and where the objects are.

A shard is a stratified sample of one half of the pictures. What is known of it adds up with what is known of others
(counts, sums, top lists, sketches), is kept on disk as it is finished, and is what a killed pass goes on from. Memory
is that of one shard's counts, however many pictures there are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, fields
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.arrays import Arrays
from vestige.images import Crop
from vestige.merging import merged_in_pairs
from vestige.partial_work import PartialWork
from vestige.progress import Progress, count_nothing
from vestige.units.activations import ActivationReader, Activations
from vestige.units.dissect.counting import (
    COARSE,
    FINE,
    STEPS,
    Between,
    Counts,
    Floats,
    Scale,
    Steps,
    count,
    steps_at,
    values_at,
)
from vestige.units.dissect.looking import Seen, nothing_at, sizes_of
from vestige.units.dissect.sums import Sums, merged, small
from vestige.units.dissect.task import Threshold
from vestige.units.places import Standing
from vestige.units.rules import RELATIVE

SHARDS = 10
"""Of each half of the pictures, where there are enough."""

PIECE = 8192
"""Pictures of a shard that are looked at, and kept, at a time: by one worker, where there are several."""

PIECES = 16
"""Of a shard at most; those of more pictures are larger, for what each says is as large as what the shard says."""

_LOW, _OFTEN, _TOP = 0.3, 4.0, 0.1
"""The share of points above the first step; those above the first fine step and the last one, in thresholds' shares."""

_ABOUT = (0.75, 3.0)  # of 0.2 of the largest of the sample, where fine steps begin and end

_ENDLESS = 1e30  # steps per unit of activation

_PILOT = 192  # pictures that the steps are chosen by

_PILOT_POINTS = 32  # of each of them, drawn at random

_COUNTED = 64  # pictures whose points are counted at once

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

    def pieces(self) -> list[list[Piece]]:
        """Of each shard, in order."""
        found, first = [], 0
        for shard, rows in enumerate(self.shards):
            many = min(-(-len(rows) // PIECE), PIECES)
            cuts = [first + len(rows) * i // many for i in range(many + 1)]
            found.append([Piece(shard, i, many, *cuts[i : i + 2]) for i in range(many)])
            first += len(rows)
        return found


@dataclass(frozen=True)
class Piece:
    """Some pictures of a shard; all of them, where they are not many.

    Attributes:
        shard: its number.
        number: of the piece, among those of the shard.
        of: how many those are.
        first, last: which pictures, by their places in the order of the shards.
    """

    shard: int
    number: int
    of: int
    first: int
    last: int

    def kept_as(self, made_from: str) -> str:
        """What it is kept by: a shard that is one piece is kept as that."""
        whole = shard_kept_as(made_from, self.shard)
        return whole if self.of == 1 else f"{whole} piece {self.number} of {self.of}"


def shard_kept_as(made_from: str, shard: int) -> str:
    """What a shard is kept by."""
    return f"{made_from} shard {shard}"


def steps_kept_as(made_from: str) -> str:
    """What the steps of a pass are kept by."""
    return f"{made_from} steps"


@dataclass
class Pass:
    """A pass over pictures.

    Attributes:
        reader: of the layers.
        crops: the pictures.
        parts: how they are dealt out.
        standings: how each layer's maps lie on the pictures.
        threshold: what units' thresholds are.
        quantile: the share of points above a unit's threshold.
        seed: of all draws.
        seen: the objects; None to look at activations alone.
        exchanged: whose objects stand in for a picture's own, for the chance level; empty for none.
        own: whether it is the network that is asked about: units' strongest pictures and quantiles are kept. Else it is
            for chance, and overlap is counted alone.
        rotated: whether the layers are turned at random, too.
        pool: of threads.
    """

    reader: ActivationReader
    crops: Sequence[Crop]
    parts: Parts
    standings: Mapping[str, Standing]
    threshold: Threshold
    quantile: float
    seed: int
    seen: Seen | None
    exchanged: Mapping[int, int]
    own: bool
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
        told = _Told(progress, len(self.crops))
        with closing(self.stream()) as stream:

            def look(piece: Piece) -> Arrays:
                return self.part(piece, self.scaled(kept, made_from), stream, told)

            for pieces in self.parts.pieces():
                yield dict(_whole(pieces, kept, made_from, self.seed, look))
                told.reached(pieces[-1].last)

    def missing(self, kept: PartialWork, made_from: str) -> list[Piece]:
        """The pieces that nothing is kept of; arguments as of :meth:`shards`."""
        return [
            piece
            for pieces in self.parts.pieces()
            if not kept.holds(shard_kept_as(made_from, pieces[0].shard))
            for piece in pieces
            if not kept.holds(piece.kept_as(made_from))
        ]

    def stream(self) -> Stream:
        """All pictures, in the order of the shards."""
        return Stream(self.reader, self.crops, np.concatenate(self.parts.shards).tolist())

    def part(self, piece: Piece, scales: Mapping[str, Scale], stream: Stream, told: _Told | None = None) -> Arrays:
        """What is known of the pictures of a piece, which depends on nothing else that was looked at.

        Args:
            piece: of a shard.
            scales: the steps of every set of units.
            stream: of the pictures; where it stands makes no difference to the numbers.
            told: of pictures.
        """
        told = told or _Told(count_nothing, len(self.crops))
        told.reached(piece.first)
        sums = {name: Sums.empty(shape[0], self.seed) for name, shape in self.reader.shapes.items() if self.own}
        overlaps = _Overlaps.none(self, scales) if self.seen else None
        problems: dict[int, str] = {}
        for batch in stream.between(piece.first, piece.last):
            problems |= batch.problems
            told.add(len(batch.rows) + len(batch.problems))
            for name, maps in _channels_last(batch) if batch.rows else ():
                if self.own:
                    sums[name].add(batch.rows, maps, self.pool, self._cells(batch.rows, maps.shape[1]))
                if overlaps:
                    overlaps.look(name, maps, batch.rows)
            if overlaps:
                overlaps.add(batch.rows)
            del batch  # before the next is made
        activity = zip(sums, self.pool.map(Sums.arrays, sums.values()), strict=True)
        found: Arrays = {f"{name}/{key}": value for name, arrays in activity for key, value in arrays.items()}
        found |= overlaps.arrays() if overlaps else {}
        found |= {
            "problem_rows": np.array(list(problems), np.int64),
            "problems": np.array([*problems.values(), ""])[:-1],
        }
        return found

    def sets(self) -> list[str]:
        """The sets of units that are counted: the layers, and the same turned."""
        return [*self.reader.shapes, *(f"{name}/rotated" for name in self.reader.shapes if self.rotated)]

    def looked_at(self, name: str, maps: Floats, points: Between) -> dict[str, tuple[Floats, Between]]:
        """The sets of units of a layer, each with maps ``(n, hw, C)`` and where its points lie on those.

        A rotation of the channels may come before or after reading the maps at points: both give the same, and the
        fewer places it is done at, the sooner it is done.
        """
        found = {name: (maps, points)}
        if self.rotated:
            n, many = points.shape
            if maps.shape[1] > many:
                maps, points = values_at(maps, points), Between.cells_themselves(n, many)
            found[f"{name}/rotated"] = self._turned(maps), points
        return found

    def _turned(self, maps: Floats) -> Floats:
        """Maps ``(n, hw, C)`` of the layer turned."""
        n, cells, channels = maps.shape
        turned = torch.from_numpy(maps.reshape(-1, channels)) @ torch.from_numpy(rotation(channels, self.seed))
        return turned.reshape(n, cells, channels).numpy()

    def _cells(self, rows: Sequence[int], cells: int) -> NDArray[np.intp]:
        """``(n, 8)``: which cells of the pictures' maps the quantiles are taken from."""
        if cells <= _CELLS:
            return np.broadcast_to(np.arange(cells), (len(rows), cells))
        return (np.stack([_shares(self.seed, row) for row in rows]) * cells).astype(np.intp)

    def _drawn(self, rows: Sequence[int]) -> NDArray[np.intp]:
        """``(n, Q)``: the points of each picture that the steps are chosen by."""
        assert self.seen is not None
        points = self.seen.grid.points
        draws = [np.random.default_rng([self.seed, 6, row]) for row in rows]
        return np.stack([draw.choice(points, min(_PILOT_POINTS, points), replace=False) for draw in draws])

    def scale(self, name: str) -> Scale:
        """The steps of a set of units, once they are chosen."""
        return self._scales[name]

    def scaled(self, kept: PartialWork, made_from: str) -> Mapping[str, Scale]:
        """The steps of every set of units, by some pictures from everywhere; computed once."""
        if self.seen is None or self._scales:
            return self._scales
        arrays = kept.get(steps_kept_as(made_from), self.pilot)
        for name in self.sets():
            self._scales[name] = Scale(**{key.name: arrays[f"{name}/{key.name}"] for key in fields(Scale)})
        return self._scales

    def pilot(self) -> Arrays:
        """The steps of every set of units, by :class:`Scale`'s attributes."""
        assert self.seen is not None
        every = [row for shard in self.parts.shards for row in shard.tolist() if self.seen.examples[row].objects]
        steps = np.linspace(0, len(every) - 1, min(_PILOT, len(every))).round().astype(int)
        values: dict[str, list[Floats]] = {name: [] for name in self.sets()}
        with closing(self.reader.read(self.crops, [every[i] for i in steps])) as batches:
            for batch in batches:
                for name, maps in _channels_last(batch):
                    points = self.seen.grid.between(batch.rows, self.standings[name])
                    for which, (looked, at) in self.looked_at(name, maps, points).items():
                        drawn = values_at(looked, at.some(self._drawn(batch.rows)))
                        values[which].append(drawn.reshape(-1, looked.shape[2]))
        found: Arrays = {}
        for name, each in values.items():
            together = np.concatenate(each)
            relative = self.threshold == "relative"
            scale = scale_about(together) if relative else scale_by(together, self.quantile)
            found |= {f"{name}/{key}": value for key, value in vars(scale).items()}
        return found


class Stream:
    """The batches of all shards, one after the other, so that no shard waits for its first pictures.

    Where a batch begins does not depend on where reading does, so that a killed pass goes on with the same batches, and
    ends with the same numbers to the last digit.

    Args:
        reader: of the layers.
        crops: the pictures.
        rows: all of them, in the order of the shards.
    """

    def __init__(self, reader: ActivationReader, crops: Sequence[Crop], rows: Sequence[int]) -> None:
        self.reader, self.crops, self.rows = reader, crops, rows
        self._place = {row: place for place, row in enumerate(rows)}
        self._batches: Generator[Activations] | None = None
        self._next = -1  # the place at which the batch that is read next begins
        self._left: Activations | None = None  # of the batch before, what belongs to the next shard

    def close(self) -> None:
        """Stop reading."""
        if self._batches is not None:
            self._batches.close()

    def between(self, first: int, last: int) -> Iterator[Activations]:
        """The pictures from one place to another, batch by batch."""
        size = self.reader.options.batch
        if self._left is not None and self._starts(self._left) == first:
            batch, self._left = self._left, None
        else:
            if self._next != first:
                self.close()
                self._next = first // size * size
                self._batches = self.reader.read(self.crops, self.rows[self._next :])
            batch = self._read(first)
        while True:
            here, self._left = _parted(batch, lambda row: self._place[row] < last)
            ends = self._left is not None or self._next >= last
            del batch
            yield here
            del here  # before the next is made
            if ends:
                return
            batch = self._read(first)

    def _read(self, first: int) -> Activations:
        """The next batch, without what lies before a place."""
        assert self._batches is not None
        batch = next(self._batches)
        self._next += len(batch.rows) + len(batch.problems)
        _, behind = _parted(batch, lambda row: self._place[row] < first)
        return behind or batch

    def _starts(self, batch: Activations) -> int:
        return min(self._place[row] for row in (*batch.rows, *batch.problems))


def _parted(batch: Activations, first: Callable[[int], bool]) -> tuple[Activations, Activations | None]:
    """A batch in two: the pictures that come first, and the others; None where there are none."""
    n = sum(first(row) for row in batch.rows)
    problems = {row: why for row, why in batch.problems.items() if first(row)}
    if n == len(batch.rows) and len(problems) == len(batch.problems):
        return batch, None
    others = {row: why for row, why in batch.problems.items() if row not in problems}
    ahead = Activations(batch.rows[:n], {k: v[:n] for k, v in batch.maps.items()}, batch.pixels[:n], problems)
    rest = {name: maps[n:].clone() for name, maps in batch.maps.items()}  # so that the batch itself can go
    behind = Activations(batch.rows[n:], rest, batch.pixels[n:], others)
    return ahead, behind


@lru_cache(maxsize=1024)  # more than a batch, which every layer asks for
def _shares(seed: int, row: int) -> NDArray[np.float64]:
    """``(8,)``: where in a picture's maps the quantiles are taken from, of all their cells."""
    return np.random.default_rng([seed, 2, row]).random(_CELLS)


def scale_by(values: Floats, quantile: float) -> Scale:
    """Steps for values ``(m, C)``: from what 30 % are above to what a tenth of those above a threshold are."""
    often = min(_OFTEN * quantile, _LOW)
    shares = [1 - max(_LOW, often), 1 - often, 1 - _TOP * quantile]
    low, high, top = np.quantile(values, shares, axis=0).astype(np.float32)
    top = np.where(top > high, top, values.max(axis=0))
    coarse, fine = _per_unit(low, high, COARSE), _per_unit(high, top, FINE)
    return Scale(low, high, coarse, fine)


def scale_about(values: Floats) -> Scale:
    """Steps for values ``(m, C)`` that are fine about 0.2 of the largest, which may be larger elsewhere."""
    largest = values.max(axis=0)
    high, top = (RELATIVE * share * largest for share in _ABOUT)
    low = np.minimum(np.quantile(values, 1 - _LOW, axis=0).astype(np.float32), high)
    return Scale(low, high, _per_unit(low, high, COARSE), _per_unit(high, top, FINE))


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
class _Overlaps:
    """What is known of units and objects: counts of points, of pictures that have objects.

    Attributes:
        of: the pass.
        seen: its objects.
        scales: its steps.
        tables, chance: set of units -> counts, as :func:`count` adds them up; ``chance`` of no objects where none are
            exchanged.
        largest: set of units -> ``(C,)``, the largest activation met.
        sizes: ``(O,)`` points of each object.
        points: how many there are.
    """

    of: Pass
    seen: Seen
    scales: Mapping[str, Scale]
    tables: dict[str, Counts]
    chance: dict[str, Counts]
    largest: dict[str, Floats]
    sizes: NDArray[np.int64]
    points: int = 0
    _rows: list[int] = field(default_factory=list)
    _steps: dict[str, list[Steps]] = field(default_factory=dict)

    @classmethod
    def none(cls, of: Pass, scales: Mapping[str, Scale]) -> _Overlaps:
        """No pictures yet."""
        assert of.seen is not None
        kinds = len(of.seen.names)
        units = {name: of.reader.shapes[_layer(name)][0] for name in of.sets()}
        tables = {name: np.zeros((each, kinds + 1, STEPS + 1), np.uint32) for name, each in units.items()}
        other = kinds if of.exchanged else 0
        chance = {name: np.zeros((each, other, FINE + 1), np.uint32) for name, each in units.items()}
        largest = {name: np.full(each, -np.inf, np.float32) for name, each in units.items()}
        return cls(of, of.seen, scales, tables, chance, largest, np.zeros(kinds, np.int64))

    def look(self, name: str, maps: Floats, rows: Sequence[int]) -> None:
        """See which steps the points of pictures are in, by the maps ``(n, hw, C)`` of a layer."""
        annotated = [i for i, row in enumerate(rows) if self.seen.examples[row].objects]
        if not annotated:
            return
        maps = maps if len(annotated) == len(rows) else maps[annotated]
        grid = self.seen.grid
        points = grid.between([rows[i] for i in annotated], self.of.standings[name])
        for which, (each, at) in self.of.looked_at(name, maps, points).items():
            steps = np.empty((each.shape[2], *at.shape), np.uint8)
            steps_at(each, at, grid.often, self.scales[which], steps, self.of.pool)
            self._steps.setdefault(which, []).append(steps)
            np.maximum(self.largest[which], each.max(axis=(0, 1)), out=self.largest[which])

    def add(self, rows: Sequence[int]) -> None:
        """Take in pictures, once all layers were looked at."""
        self._rows += [row for row in rows if self.seen.examples[row].objects]
        if len(self._rows) >= _COUNTED:
            self._settle()

    def arrays(self) -> Arrays:
        """All of it, counts in as few bytes as they fit in."""
        self._settle()
        tables = {f"{name}/table": small(table) for name, table in self.tables.items()}
        chance = {f"{name}/chance/table": small(table) for name, table in self.chance.items()}
        largest = {f"{name}/largest": each for name, each in self.largest.items()}
        return {**tables, **chance, **largest, "sizes": self.sizes, "points": np.array(self.points)}

    def _settle(self) -> None:
        """Count what is waiting: together, for a table is fetched once for many pictures then."""
        rows = self._rows
        if not rows:
            return
        others = [self.of.exchanged[row] for row in rows] if self.of.exchanged else []
        objects, points = self.seen.objects(rows), self.seen.grid.points
        elsewhere = self.seen.objects(others) if others else nothing_at(len(rows), points)
        for name, steps in self._steps.items():
            count(np.concatenate(steps, axis=1), objects, elsewhere, self.tables[name], self.chance[name], self.of.pool)
        self.sizes += sizes_of(objects, len(self.sizes))
        self.points += len(rows) * points
        self._rows.clear()
        self._steps.clear()


@dataclass
class _Told:
    """Progress by the pictures' places."""

    progress: Progress
    total: int
    done: int = 0

    def __post_init__(self) -> None:
        self.progress(0, self.total)

    def reached(self, done: int) -> None:
        """All pictures before a place are done."""
        self.done = done
        self.progress(done, self.total)

    def add(self, n: int) -> None:
        """So many more."""
        self.reached(self.done + n)


def _whole(
    pieces: Sequence[Piece], kept: PartialWork, made_from: str, seed: int, look: Callable[[Piece], Arrays]
) -> Mapping[str, NDArray[Any]]:
    """A shard, read where it is kept; else made of its pieces, of which those that are kept are read."""
    whole = shard_kept_as(made_from, pieces[0].shard)
    found = kept.find(whole)
    if found is not None:
        return found
    if len(pieces) == 1:
        return kept.get(whole, partial(look, *pieces))

    def together() -> Arrays:
        each = (dict(kept.get(piece.kept_as(made_from), partial(look, piece))) for piece in pieces)
        return merged_in_pairs(each, partial(merged, seed=seed))

    found = kept.get(whole, together)
    for piece in pieces:
        kept.drop(piece.kept_as(made_from))
    return found


def _channels_last(batch: Activations) -> Iterator[tuple[str, Floats]]:
    """The maps of a batch as ``(n, h * w, C)``."""
    for name, maps in batch.maps.items():
        yield name, maps.permute(0, 2, 3, 1).flatten(1, 2).contiguous().numpy()


def _layer(name: str) -> str:
    return name.removesuffix("/rotated")
