"""Intraclass alignment (section 3, Fig. 3, Table 2): do features bring instances of a class into correspondence?

Every test instance is aligned with its nearest neighbours among the training instances of its class, and takes its
keypoints from them. Features of a network and of SIFT are computed at the same places, for the same neighbours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.correspondence.align.bench import Bench, Kind, lay_bench
from vestige.correspondence.align.betas import Choice, best_layer, choose_beta
from vestige.correspondence.align.landing import Aligner, Landings, Progress, agreed
from vestige.correspondence.gallery import gallery
from vestige.correspondence.options import AlignOptions
from vestige.correspondence.sides import Say, Sides
from vestige.correspondence.transfers import MEAN, NEAREST, UNALIGNED, copied, mean_points, measured
from vestige.datasets.dataset import Dataset
from vestige.extraction import ExtractOptions
from vestige.features.reader import Read, Reader, listened
from vestige.geometry import Points
from vestige.kept import KEEP_NOTHING, Kept
from vestige.results import Row
from vestige.scores import metric_of
from vestige.text import count

SIFT = "flow:sift"


@dataclass(frozen=True)
class Alignment:
    """What an alignment found.

    Attributes:
        rows: of every method on the test instances.
        sweep: the betas tried on training instances, and the paired differences of methods.
        arrays: of ``examples.npz``.
        betas: by flow method.
        chosen: the network's flow that is best on training instances.
        read: what neighbours were found by.
        weights_sha256: of the backbone.
        options: that it was made with.
        extraction: how its features were computed.
        seconds: that it took.
        train, test: the examples that took part.
        notes: what a reader of the numbers must know.
    """

    rows: tuple[Row, ...]
    sweep: tuple[Row, ...]
    arrays: Mapping[str, NDArray[Any]]
    betas: Mapping[str, float]
    chosen: str
    read: Read
    weights_sha256: str
    options: AlignOptions
    extraction: ExtractOptions
    seconds: float
    train: Dataset
    test: Dataset
    notes: tuple[str, ...]


def align_instances(
    train: Dataset,
    test: Dataset,
    options: AlignOptions | None = None,
    reader: Reader | None = None,
    *,
    say: Say | None = None,
    progress: Progress | None = None,
    kept: Kept = KEEP_NOTHING,
    workers: int = os.cpu_count() or 1,
) -> Alignment:
    """Carry keypoints from training to test instances, by flow and without, and measure where they land.

    Args:
        train: examples with keypoints and boxes, and categories where there are several.
        test: likewise; nothing is chosen on it.
        options: see there; None for the defaults.
        reader: of features; None for the default cache and device.
        say: told of every step; None: lines on standard error.
        progress: told (pairs aligned, pairs in all) of every beta and method.
        kept: where to keep what is done, for a run that may be killed.
        workers: threads; the result does not depend on them.

    Raises:
        VestigeError: where the data have no keypoints or boxes, no test example is of a class that the training data
            have, or a layer is no grid.
    """
    started = time.monotonic()
    options = options or AlignOptions()
    reader, say = listened(reader, say)
    bench = lay_bench(train, test, options, reader, say)
    sides = bench.sides
    work = _Work(bench, options, say, progress, kept, workers)
    choices = [work.choose(kind) for kind in bench.kinds]
    chosen = best_layer(choices)
    flows = {method_of(choice, chosen): choice for choice in choices}
    aligners = {method: work.aligner(choice) for method, choice in flows.items()}
    landed = {method: work.land(method, aligner) for method, aligner in aligners.items()}
    methods = {
        MEAN: mean_points(sides.train, sides.test),
        NEAREST: copied(sides.train, sides.neighbours, 1),
        UNALIGNED: copied(sides.train, sides.neighbours, options.first),
        **{m: _agreed(found, options) for m, found in landed.items()},
    }
    best = method_of(chosen, chosen)
    beside = {
        _at_beta(method, beta): work.carry(method, replace(aligner, beta=beta))
        for method, aligner in aligners.items()
        for beta in options.beside
    }
    found = measured(methods, sides.test, options.alphas, options.seed, _pairs(flows, best), beside)
    shown = {method: aligners[method] for method in (best, SIFT) if method in aligners}
    arrays = {
        **found.arrays,
        "train_ids": np.array([example.id for example in sides.train.examples]),
        "neighbours": sides.neighbours.rows.astype(np.int32),
        "similarity": sides.neighbours.similarity.astype(np.float32),
        **{f"deformation/{m}": each.deformation.astype(np.float32) for m, each in landed.items()},
        **gallery(sides.test, sides.train, shown, found.arrays[f"error/{best}"]),
    }
    return Alignment(
        found.rows,
        (*_tried(flows, options, len(sides.train)), *_at_given_betas(found.beside), *found.differences),
        arrays,
        {method: choice.beta for method, choice in flows.items()},
        best,
        sides.read,
        reader.backbone(options.backbone).weights_sha256,
        options,
        reader.options,
        time.monotonic() - started,
        sides.train_data,
        sides.test_data,
        (*found.notes, *bench.notes, *_shortages(sides, methods[best]), *_edges(flows, options)),
    )


def _at_beta(method: str, beta: float) -> str:
    """What a flow at a beta of :attr:`AlignOptions.beside` is called while it is measured."""
    return f"{method} beta={beta:g}"


def _at_given_betas(rows: Sequence[Row]) -> list[Row]:
    """Rows of flows at given betas as the sweep has them: subsets ``beta=0.003`` (all) and ``beta=0.003 CLASS``."""
    found = []
    for row in rows:
        method, _, beta = row.method.rpartition(" ")
        found.append(replace(row, method=method, subset=beta if row.subset == "all" else f"{beta} {row.subset}"))
    return found


def method_of(choice: Choice, chosen: Choice) -> str:
    """The name of a flow's method: ``flow:LAYER``, or ``flow:sift`` on the chosen layer's grid; on another
    grid its layer's name is put behind."""
    kind = choice.kind
    if not kind.sift:
        return f"flow:{kind.layer}"
    return SIFT if kind.cells == chosen.kind.cells else f"{SIFT}-{kind.layer}"


@dataclass(frozen=True)
class _Work:
    """The long part of an alignment."""

    bench: Bench
    options: AlignOptions
    say: Say
    progress: Progress | None
    kept: Kept
    workers: int

    def choose(self, kind: Kind) -> Choice:
        """A kind's beta: tried on training instances where there is anything to choose, beta or layer."""
        layers = sum(not each.sift for each in self.bench.kinds)
        if len(self.options.betas) == 1 and (layers == 1 or kind.sift):
            return Choice(kind, self.options.betas[0], {})
        betas = ", ".join(f"{beta:g}" for beta in self.options.betas)
        self.say(f"{_named(kind)}: beta {betas} on training instances")
        return choose_beta(
            kind, self.bench.sides, self.options, kept=self.kept, workers=self.workers, progress=self.progress
        )

    def aligner(self, choice: Choice) -> Aligner:
        """Of the test instances."""
        sides, kind = self.bench.sides, choice.kind
        return Aligner(kind.test, kind.train, sides.neighbours, sides.train, choice.beta, self.options.tolerance)

    def carry(self, method: str, aligner: Aligner) -> Points:
        """The keypoints ``(N, K, 2)`` that the neighbours of all test instances agree on."""
        return _agreed(self.land(method, aligner), self.options)

    def land(self, method: str, aligner: Aligner) -> Landings:
        """All test instances."""
        started = time.process_time()
        pairs = int((self.bench.sides.neighbours.rows >= 0).sum())
        self.say(f"{method}: {count(pairs, 'pair')}, beta {aligner.beta:g}")
        found = aligner.land_all(range(len(self.bench.sides.test)), self.workers, self.kept, self.progress)
        took = 1000 * (time.process_time() - started) / max(pairs, 1)
        self.say(f"{method}: {took:.0f} ms of processor a pair")
        return found


def _named(kind: Kind) -> str:
    height, width = kind.cells.shape
    return f"{'SIFT' if kind.sift else kind.layer} on {width} x {height} cells"


def _agreed(found: Landings, options: AlignOptions) -> Points:
    return agreed(found.points, _stiffest_last(found), options.first)


def _stiffest_last(found: Landings) -> NDArray[np.intp]:
    """The neighbours of each instance by deformation energy, the least first; of equal ones the nearest."""
    return np.argsort(found.deformation, axis=1, kind="stable")


def _pairs(flows: Mapping[str, Choice], best: str) -> list[tuple[str, str]]:
    """What is compared: every flow with the nearest neighbour, the best layer's with what else it may be due to."""
    pairs = [(best, NEAREST), (best, UNALIGNED), *([(best, SIFT)] if SIFT in flows else [])]
    return pairs + [(method, NEAREST) for method in flows if method != best]


def _tried(flows: Mapping[str, Choice], options: AlignOptions, trained: int) -> list[Row]:
    """Rows of the betas that were tried."""
    metric = f"train_{metric_of(options.alphas[0])}"
    queries = min(options.queries, trained)
    return [
        Row(method, metric, f"beta={beta:g}", value, None, queries, layer=choice.kind.layer)
        for method, choice in flows.items()
        for beta, value in choice.tried.items()
    ]


def _shortages(sides: Sides, carried: NDArray[np.float64]) -> list[str]:
    """What neighbours could not give."""
    notes = []
    lost = int((sides.test.visible & ~np.isfinite(carried).all(axis=-1)).sum())
    if lost:
        notes.append(f"{lost} visible keypoints are shown by no neighbour: they count as missed by every transfer.")
    few = int((sides.neighbours.rows < 0).any(axis=1).sum())
    if few:
        notes.append(f"{few} test instances have fewer neighbours of their class than were asked for.")
    return notes


def _edges(flows: Mapping[str, Choice], options: AlignOptions) -> list[str]:
    """Betas at the end of what was tried."""
    if len(options.betas) < 2:
        return []
    ends = (min(options.betas), max(options.betas))
    return [
        f"{method} took beta {choice.beta:g}, the {'least' if choice.beta == ends[0] else 'largest'} that was tried: "
        "a better one may lie beyond."
        for method, choice in flows.items()
        if choice.beta in ends
    ]
