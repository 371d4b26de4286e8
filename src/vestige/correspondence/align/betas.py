"""Betas and layers chosen on training instances: the test instances have no say in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.contract.session import Session
from vestige.correspondence.align.aligner import Aligner, Transferred
from vestige.correspondence.align.prepare import GridFeature
from vestige.correspondence.align.task import AlignOptions
from vestige.correspondence.matched import MatchedInstances
from vestige.correspondence.transfers import agreed, truth_of
from vestige.geometry import Points, from_unit
from vestige.intervals import mean_known
from vestige.scores import class_pck


@dataclass(frozen=True)
class Choice:
    """A feature with its beta.

    Attributes:
        feature: a layer's, or SIFT's.
        beta: of the deformation term.
        tried: by beta: PCK on training instances at the first alpha; empty where nothing had to be chosen.
    """

    feature: GridFeature
    beta: float
    tried: Mapping[float, float]

    @property
    def score(self) -> float:
        """PCK on training instances at the chosen beta; 0 where nothing was tried."""
        return self.tried.get(self.beta, 0.0)


def choose_beta(
    feature: GridFeature,
    matched: MatchedInstances,
    options: AlignOptions,
    session: Session,
) -> Choice:
    """Carry keypoints between training instances of different folds at every beta; of equal betas the first.

    Args:
        feature: a layer's, or SIFT's.
        matched: the instances.
        options: what to try, and on how many instances.
        session: keeps what is done; it is told of pairs, anew with every beta.
    """
    rows = tried_rows(len(matched.train), options)
    tried = {}
    for beta in options.betas:
        aligner = Aligner(
            feature.train, feature.train, matched.train_neighbours, matched.train, beta, options.tolerance
        )
        found = aligner.transfer_all(rows.tolist(), session)
        points = least_deformed(found, options.first)
        truth = truth_of(matched.train.subset(rows))
        distances = truth.distances(from_unit(points, matched.train.boxes[rows]))
        rates = [
            class_pck(distances[truth.classes == name], truth.visible[truth.classes == name], options.alphas[0])
            for name in np.unique(truth.classes)
        ]
        tried[beta] = float(mean_known(np.array(rates)))
    return Choice(feature, max(tried, key=lambda beta: tried[beta]), tried)


def least_deformed(found: Transferred, first: int) -> Points:
    """The keypoints ``(N, K, 2)`` that the first neighbours agree on, in the order of their deformation energy.

    Of equally deformed neighbours the nearest comes first.
    """
    return agreed(found.points, np.argsort(found.deformation, axis=1, kind="stable"), first)


def tried_rows(n: int, options: AlignOptions) -> NDArray[np.intp]:
    """The training instances that are tried: drawn at random, in order."""
    drawn = np.random.default_rng(options.seed).permutation(n)[: options.queries]
    rows: NDArray[np.intp] = np.sort(drawn)
    return rows


def best_layer(choices: Sequence[Choice]) -> Choice:
    """The network's layer that is best on training instances; of equal ones the first."""
    return max((choice for choice in choices if not choice.feature.sift), key=lambda choice: choice.score)
