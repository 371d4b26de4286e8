"""What the shards of a pass say together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import Arrays
from vestige.cluster.cluster import Cluster
from vestige.contract.session import Session
from vestige.errors import VestigeError
from vestige.features.spread import check_reached
from vestige.partial_work import PartialWork
from vestige.progress import Progress, count_nothing
from vestige.units.activations import ActivationReader
from vestige.units.dissect.counting import COARSE, Scale
from vestige.units.dissect.layout import Layout
from vestige.units.dissect.numbers import Floats, Tables
from vestige.units.dissect.scan import Pass, Piece, shard_kept_as, steps_kept_as
from vestige.units.dissect.sums import Sums


@dataclass
class Gathered:
    """What all shards of a pass say together. Their counts stay on disk: there are many.

    Attributes:
        passing: the pass.
        kept: where its shards are.
        made_from: what they are kept by.
        half_of: the half of each.
        sums: of each layer.
        largest: ``(C,)`` of each set of units, the largest activation.
        sizes: ``(2, O)`` points of each object in each half.
        total: ``(2,)`` points of each half.
        problems: row -> why a picture is left out.
    """

    passing: Pass
    kept: PartialWork
    made_from: str
    half_of: Sequence[int]
    sums: dict[str, Sums]
    largest: dict[str, Floats]
    sizes: NDArray[np.int64]
    total: NDArray[np.int64]
    problems: dict[int, str]

    @property
    def often(self) -> float:
        """The share of points that coarse steps are counted at."""
        assert self.passing.seen is not None
        return self.passing.seen.grid.often / self.passing.seen.grid.points

    def counts(self, name: str) -> Iterator[Arrays]:
        """What each shard counted of a set of units: ``table``, ``chance``, ``sizes`` and ``points``.

        Raises:
            VestigeError: where a shard is gone.
        """
        keys = {"table": f"{name}/table", "chance": f"{name}/chance/table", "sizes": "sizes", "points": "points"}
        for k in range(len(self.half_of)):
            found = self.kept.find(shard_kept_as(self.made_from, k), only=keys.values())
            if found is None or len(found) < len(keys):
                raise VestigeError(f"{self.kept.folder}: a part of the measurement is gone; run the command again")
            yield {key: found[stored] for key, stored in keys.items()}

    def tables(self, name: str) -> Tables:
        """The counts of a set of units, of all shards of each half together."""
        counted = np.zeros(())
        for half, shard in zip(self.half_of, self.counts(name), strict=True):
            if not counted.ndim:
                counted = np.zeros((2, *shard["table"].shape))
            counted[half] += shard["table"]
        sizes, total = self.sizes.astype(np.float64), self.total.astype(np.float64)
        return Tables.of(counted, COARSE, self.often, sizes, total, self.passing.scale(name).edges)


def gathered_by(passing: Pass, laid: Layout, kept: PartialWork, session: Session) -> Gathered:
    """Add up the shards of a pass."""
    made_from, kinds = laid.made_from(passing.reader), len(laid.names)
    seed = laid.options.seed
    sizes, total = np.zeros((2, kinds), np.int64), np.zeros(2, np.int64)
    found = Gathered(passing, kept, made_from, laid.parts.half_of, {}, {}, sizes, total, {})
    for name, shape in passing.reader.shapes.items() if passing.own else ():
        found.sums[name] = Sums.empty(shape[0], seed)
    counting = session.counting("pictures")
    if session.reader.cluster is not None:
        _look_elsewhere(session.reader.cluster, passing, laid, kept, counting)
        counting = count_nothing
    shards = passing.shards(kept, made_from, counting)
    for half, shard in zip(laid.parts.half_of, shards, strict=True):
        list(passing.pool.map(partial(_add, shard, seed), found.sums.values(), found.sums))
        found.problems |= zip(shard["problem_rows"].tolist(), shard["problems"].tolist(), strict=True)
        if laid.seen is None:
            continue
        found.sizes[half] += shard["sizes"]
        found.total[half] += shard["points"]
        for name in passing.sets():
            largest = shard[f"{name}/largest"]
            found.largest[name] = np.maximum(found.largest.get(name, largest), largest)
    passing.scaled(kept, made_from)
    if len(found.problems) == len(laid.examples):
        raise VestigeError(f"{laid.data.spec}: no picture can be read; {next(iter(found.problems.values()))}")
    return found


def _look_elsewhere(cluster: Cluster, passing: Pass, laid: Layout, kept: PartialWork, progress: Progress) -> None:
    """Have the workers of a cluster look at what nothing is kept of: it is kept as they end."""
    made_from = laid.made_from(passing.reader)
    missing = passing.missing(kept, made_from)
    done = len(laid.examples) - sum(piece.last - piece.first for piece in missing)
    progress(done, len(laid.examples))
    if not missing:
        return
    gpu = passing.reader.device.type == "cuda"
    given = cluster.share((laid, passing.reader)), passing.own, cluster.cores(gpu=gpu)
    with cluster.actors(_looker, *given, most=len(missing), gpu=gpu) as lookers:
        if laid.seen is not None and not kept.holds(steps_kept_as(made_from)):
            for _, steps in lookers.run([(None, {})]):
                _keep(kept, steps_kept_as(made_from), steps)
        scales = cluster.share(dict(passing.scaled(kept, made_from)))
        for number, found in lookers.run((piece, scales) for piece in missing):
            _keep(kept, missing[number].kept_as(made_from), found)
            done += missing[number].last - missing[number].first
            progress(done, len(laid.examples))


def _keep(kept: PartialWork, made_from: str, found: Arrays) -> None:
    kept.get(made_from, lambda: found)


def _looker(
    given: tuple[Layout, ActivationReader], own: bool, threads: int
) -> Callable[[Piece | None, Mapping[str, Scale]], Arrays]:
    """What looks at pieces of a pass with given steps, or, where there is none, chooses the steps."""
    laid, reader = given
    check_reached(laid.examples)
    passing = laid.passing(reader, ThreadPoolExecutor(threads), own=own)
    stream = passing.stream()

    def look(piece: Piece | None, scales: Mapping[str, Scale]) -> Arrays:
        return passing.pilot() if piece is None else passing.part(piece, scales, stream)

    return look


def _add(shard: Arrays, seed: int, sums: Sums, name: str) -> None:
    sums.merge(Sums.of(shard, name, seed))
