"""One-vs-all linear SVMs that tell the keypoints of a class apart, and how their C is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vestige.correspondence.svm import Solution, fit_svm
from vestige.intervals import Floats

Columns = NDArray[np.float32]


@dataclass(frozen=True)
class Classifier:
    """The SVMs of one class.

    Attributes:
        keypoints: ``(t,)``: the types that it can tell, rising.
        weights: ``(t, d)``.
        intercepts: ``(t,)``.
    """

    keypoints: NDArray[np.intp]
    weights: Floats
    intercepts: Floats

    def scores(self, columns: Columns) -> Floats:
        """``(n, d) -> (n, t)``."""
        scores: Floats = columns @ self.weights.T + self.intercepts
        return scores

    def predict(self, columns: Columns) -> NDArray[np.intp]:
        """The type of the highest score: ``(n, d) -> (n,)``."""
        predicted: NDArray[np.intp] = self.keypoints[self.scores(columns).argmax(axis=1)]
        return predicted


def fit_path(columns: Columns, keypoint: NDArray[np.intp], cs: Sequence[float], workers: int = 1) -> list[Classifier]:
    """Classifiers for every C, in their order.

    Args:
        columns: ``(n, d)``.
        keypoint: ``(n,)``: the type of each.
        cs: of the SVM.
        workers: threads; the result does not depend on them.
    """
    types = np.unique(keypoint)

    def one(k: int) -> dict[float, Solution]:
        found: dict[float, Solution] = {}
        before = None
        for c in sorted(set(cs)):  # each begins where the last one ended
            found[c] = before = fit_svm(columns, keypoint == k, c, before)
        return found

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:  # else threads wait for threads
        solved = list(pool.map(one, types.tolist()))
    return [
        Classifier(
            types, np.stack([each[c].weights for each in solved]), np.array([each[c].intercept for each in solved])
        )
        for c in cs
    ]


def cross_validate(
    columns: Columns,
    keypoint: NDArray[np.intp],
    folds: NDArray[np.intp],
    cs: Sequence[float],
    workers: int = 1,
) -> Floats:
    """How many of each fold's keypoints are named rightly by classifiers of the other folds, for every C.

    Args:
        columns: ``(n, d)``.
        keypoint: ``(n,)``.
        folds: ``(n,)``.
        cs: of the SVM.
        workers: threads.

    Returns:
        ``(len(cs),)``: the share over all folds; NaN where there is a single fold.
    """
    right, total = np.zeros(len(cs)), 0
    for fold in np.unique(folds):
        held = folds == fold
        if held.all():
            return np.full(len(cs), np.nan)
        for i, classifier in enumerate(fit_path(columns[~held], keypoint[~held], cs, workers)):
            right[i] += (classifier.predict(columns[held]) == keypoint[held]).sum()
        total += int(held.sum())
    shares: Floats = right / total
    return shares
