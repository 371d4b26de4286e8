"""Betas and layers chosen on training instances: the test instances have no say in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.correspondence.align.bench import Kind
from vestige.correspondence.align.landing import Aligner, Progress, agreed
from vestige.correspondence.options import AlignOptions
from vestige.correspondence.sides import Sides
from vestige.correspondence.transfers import truth_of
from vestige.geometry import from_unit
from vestige.intervals import mean_known
from vestige.kept import KEEP_NOTHING, Kept
from vestige.scores import class_pck


@dataclass(frozen=True)
class Choice:
    """A kind of feature with its beta.

    Attributes:
        kind: of feature.
        beta: of the deformation term.
        tried: by beta: PCK on training instances at the first alpha; empty where nothing had to be chosen.
    """

    kind: Kind
    beta: float
    tried: Mapping[float, float]

    @property
    def score(self) -> float:
        """PCK on training instances at the chosen beta; 0 where nothing was tried."""
        return self.tried.get(self.beta, 0.0)


def choose_beta(
    kind: Kind,
    sides: Sides,
    options: AlignOptions,
    *,
    kept: Kept = KEEP_NOTHING,
    workers: int = 1,
    progress: Progress | None = None,
) -> Choice:
    """Carry keypoints between training instances of different folds at every beta; of equal betas the first.

    Args:
        kind: of feature.
        sides: made ready.
        options: what to try, and on how many instances.
        kept: where to keep what is done.
        workers: threads.
        progress: told of every beta.
    """
    rows = tried_rows(len(sides.train), options)
    tried = {}
    for beta in options.betas:
        aligner = Aligner(kind.train, kind.train, sides.train_neighbours, sides.train, beta, options.tolerance)
        landed = aligner.land_all(rows.tolist(), workers, kept, progress)
        points = agreed(landed.points, np.argsort(landed.deformation, axis=1, kind="stable"), options.first)
        truth = truth_of(sides.train.subset(rows))
        distances = truth.distances(from_unit(points, sides.train.boxes[rows]))
        rates = [
            class_pck(distances[truth.classes == name], truth.visible[truth.classes == name], options.alphas[0])
            for name in np.unique(truth.classes)
        ]
        tried[beta] = float(mean_known(np.array(rates)))
    return Choice(kind, max(tried, key=lambda beta: tried[beta]), tried)


def tried_rows(n: int, options: AlignOptions) -> NDArray[np.intp]:
    """The training instances that are tried: drawn at random, in order."""
    drawn = np.random.default_rng(options.seed).permutation(n)[: options.queries]
    rows: NDArray[np.intp] = np.sort(drawn)
    return rows


def best_layer(choices: Sequence[Choice]) -> Choice:
    """The network's layer that is best on training instances; of equal ones the first."""
    return max((choice for choice in choices if not choice.kind.sift), key=lambda choice: choice.score)
