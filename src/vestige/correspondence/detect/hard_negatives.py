"""Detectors trained with hard negatives: an SVM on all candidates that never sees most of them.

A row outside the margin has no part in the solution. So an SVM is fitted on the positive rows and some negative ones,
all candidates are scored, the negative ones inside the margin (or beyond) are added, those outside dropped, and so on.
When there is none left to add, the solution is that of all rows (Felzenszwalb et al., PAMI 32, 2010, section 4.4).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vestige.correspondence.detect.candidates import TOGETHER, CandidateLabels, Candidates
from vestige.correspondence.svm import Solution, fit_svm
from vestige.progress import Progress

SLACK = 1e-3
"""How far inside the margin a score counts as inside."""

_Scored = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows of candidates and their scores."""


@dataclass(frozen=True)
class Mining:
    """How hard negatives are mined.

    Attributes:
        c: of the SVM.
        rounds: fits at most.
        batch: negatives that are drawn first, and that a round adds at most, the hardest; or as many as a detector
            has already, so that it soon comes to all where nearly all lie inside the margin.
        memory: bytes of vectors up to which rounds add more than ``batch``.
    """

    c: float = 1.0
    rounds: int = 20
    batch: int = 5000
    memory: int = 4_000_000_000

    def most(self, candidates: Candidates, detectors: int) -> int:
        """Rows that a detector may have for a round to add more than ``batch``; detectors share what they have."""
        room = self.memory // (4 * candidates.dims)
        return room if room >= len(candidates) else room // detectors


@dataclass(frozen=True)
class Detector:
    """A mined detector.

    Attributes:
        solution: the SVM.
        positives: how many positive rows it was trained on.
        negatives: how many negative rows of its last fit were inside the margin.
        left: how many further negative rows of all were; 0 where the solution is that of all rows.
        rounds: fits.
    """

    solution: Solution
    positives: int
    negatives: int
    left: int
    rounds: int


def mine(
    candidates: Candidates,
    labels: CandidateLabels,
    mining: Mining,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int = os.cpu_count() or 1,
) -> list[Detector | None]:
    """Train a detector for each keypoint; None for one without a positive or without a negative candidate.

    Detectors are fitted side by side, each by one thread, which is quicker than many threads for each.

    Args:
        candidates: of the training instances.
        labels: of the same.
        mining: how.
        seed: of the first negatives, drawn at random.
        progress: counts fits, of as many as there are at most.
        workers: threads; the result does not depend on them.
    """
    keypoints = labels.points.shape[1]
    work = _first_sets(labels, candidates.each, mining, np.random.default_rng(seed))
    pool = _Pool(candidates)
    most = mining.rounds * max(len(work), 1)
    if progress is not None:
        progress(0, most)
    for done in range(mining.rounds):
        open_sets = [each for each in work if each.left]
        if not open_sets:
            break
        pool.hold([each.rows for each in open_sets])
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as threads:
            for rank, _ in enumerate(threads.map(lambda each: each.fit(pool, mining.c), open_sets)):
                if progress is not None:
                    progress(min(done * len(work) + rank + 1, most), most)
        counts = _find(candidates, labels, open_sets, mining)
        if done < mining.rounds - 1:
            for each, count in zip(open_sets, counts, strict=True):
                each.add_hardest(count)
    if progress is not None:
        progress(most, most)
    found = {each.keypoint: each.detector() for each in work}
    return [found.get(keypoint) for keypoint in range(keypoints)]


class _Pool:
    """The vectors of the rows that detectors are fitted on, each once however many detectors want it."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._rows = np.empty(0, dtype=np.int64)
        self._vectors = np.empty((0, candidates.dims), dtype=np.float32)

    def hold(self, wanted: Sequence[NDArray[np.int64]]) -> None:
        """Hold these rows and no others."""
        rows = np.unique(np.concatenate(wanted))
        there, new = np.isin(self._rows, rows), ~np.isin(rows, self._rows)
        vectors = np.empty((len(rows), self._vectors.shape[1]), dtype=np.float32)
        vectors[~new] = self._vectors[there]
        if new.any():
            vectors[new] = self._candidates.vectors(rows[new])
        self._rows, self._vectors = rows, vectors

    @property
    def vectors(self) -> NDArray[np.float32]:
        """What is held."""
        return self._vectors

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where among the vectors those of rows are."""
        return np.searchsorted(self._rows, rows)


@dataclass
class _Set:
    """The rows that one detector is fitted on, in order."""

    keypoint: int
    rows: NDArray[np.int64]
    positive: NDArray[np.bool_]
    left: int = 1
    rounds: int = 0
    solution: Solution | None = None
    hardest: list[_Scored] = field(default_factory=list)

    def fit(self, pool: _Pool, c: float) -> None:
        """Fit, and drop the negatives outside the margin."""
        places = pool.places(self.rows)
        self.solution = fit_svm(pool.vectors, self.positive, c, self.solution, places)
        self.rounds += 1
        kept = self.positive | (self.solution.scores(pool.vectors, places) > -1)
        self.rows, self.positive = self.rows[kept], self.positive[kept]

    def consider(self, rows: NDArray[np.int64], scores: NDArray[np.float32], count: int) -> None:
        """Keep new rows and those considered before: the hardest, and up to twice ``count``."""
        new = self.rows[np.searchsorted(self.rows, rows) % len(self.rows)] != rows
        self.left += int(new.sum())
        self.hardest.append((rows[new], scores[new]))
        if sum(len(rows) for rows, _ in self.hardest) > 2 * count:
            self.hardest = [_hardest(self.hardest, count)]

    def add_hardest(self, count: int) -> None:
        """Add the hardest negatives that were considered."""
        new, _ = _hardest(self.hardest, count)
        rows = np.concatenate([self.rows, new])
        order = np.argsort(rows)
        positive = np.concatenate([self.positive, np.zeros(len(new), dtype=np.bool_)])
        self.rows, self.positive = rows[order], positive[order]

    def detector(self) -> Detector:
        """What was trained."""
        assert self.solution is not None, "not fitted"
        count = int(self.positive.sum())
        return Detector(self.solution, count, len(self.rows) - count, self.left, self.rounds)


def _first_sets(labels: CandidateLabels, each: int, mining: Mining, draw: np.random.Generator) -> list[_Set]:
    """The positive rows of each keypoint, and negative ones drawn at random."""
    sets = []
    for keypoint, negative in enumerate(_drawn(labels, each, mining.batch, draw)):
        positive = labels.positive(keypoint)
        if len(positive) and len(negative):
            rows = np.sort(np.concatenate([positive, negative]))
            sets.append(_Set(keypoint, rows, np.isin(rows, positive)))
    return sets


def _drawn(labels: CandidateLabels, each: int, count: int, draw: np.random.Generator) -> list[NDArray[np.int64]]:
    """Up to ``count`` negative rows of each keypoint, every one as likely as any other, in order."""
    totals = sum((negative.sum(axis=(0, 1)) for _, negative in _negatives(labels)), np.zeros(1, dtype=np.int64))
    ranks = [np.sort(draw.choice(total, min(total, count), replace=False)) for total in totals.tolist()]
    found: list[list[NDArray[np.int64]]] = [[] for _ in ranks]
    before = np.zeros(len(ranks), dtype=np.int64)
    for first, negative in _negatives(labels):
        for keypoint, wanted in enumerate(ranks):
            rows = np.flatnonzero(negative[..., keypoint])
            here = wanted[slice(*np.searchsorted(wanted, before[keypoint] + np.array([0, len(rows)])))]
            found[keypoint].append(rows[here - before[keypoint]] + first * each)
            before[keypoint] += len(rows)
    return [np.concatenate(rows) for rows in found]


def _negatives(labels: CandidateLabels) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The negative candidates, some instances at a time: the first instance, and ``(b, each, J)``."""
    for first in range(0, len(labels.points), TOGETHER):
        yield first, labels.negative(first, first + TOGETHER)


def _hardest(scored: Sequence[_Scored], count: int) -> _Scored:
    """The ``count`` rows of the highest scores; of equal ones the first rows."""
    rows, scores = (np.concatenate(each) for each in zip(*scored, strict=True))
    order = np.lexsort((rows, -scores))[:count]
    return rows[order], scores[order]


def _find(candidates: Candidates, labels: CandidateLabels, sets: Sequence[_Set], mining: Mining) -> list[int]:
    """Find the negatives inside the margin of each detector that it was not fitted on; how many of them to add."""
    most = mining.most(candidates, len(sets))
    counts = [max(mining.batch, min(len(each.rows), most - len(each.rows))) for each in sets]
    for each in sets:
        each.left, each.hardest = 0, []
    solutions = [each.solution for each in sets if each.solution is not None]
    for first, scores in candidates.scores(solutions):
        stop = first + len(scores)
        wrong = labels.negative(first, stop)[..., [each.keypoint for each in sets]] & (scores > SLACK - 1)
        for index, (each, count) in enumerate(zip(sets, counts, strict=True)):
            instance, cell = np.nonzero(wrong[..., index])
            each.consider((first + instance) * candidates.each + cell, scores[instance, cell, index], count)
    return counts
