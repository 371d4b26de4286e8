"""Predicted keypoints to Rows: accuracy over keypoint instances of a class, and the mean of the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.correspondence.classify.methods import ACCURACY
from vestige.correspondence.marks import Marks
from vestige.intervals import Bootstrap, Difference, Floats, difference_of, interval, mean_known
from vestige.results import Row


@dataclass(frozen=True)
class _Shares:
    """The accuracies of some subsets: ``values (S,)``, bootstrapped ``resampled (B, S)``, over ``known (N, S)``."""

    values: Floats
    resampled: Floats
    known: NDArray[np.bool_]

    @property
    def mean(self) -> float:
        """Over subsets."""
        return float(mean_known(self.values))


def accuracy_rows(method: str, right: NDArray[np.bool_], marks: Marks, bootstrap: Bootstrap) -> tuple[Row, ...]:
    """The accuracy over all classes (the mean of theirs) and of each; of a single class of every keypoint, too.

    Args:
        method: its name.
        right: ``(n,)``: whether each mark was named rightly.
        marks: of the test examples.
        bootstrap: over the examples, as many as the data set has.
    """
    names = sorted(set(marks.classes.tolist()))
    shares = _shares(right, marks, {name: marks.classes == name for name in names}, bootstrap)
    rows = [_row(method, "all", shares.mean, mean_known(shares.resampled), shares.known.any(axis=1), bootstrap)]
    rows += _each(method, names, shares, bootstrap)
    if len(names) == 1:
        types = np.unique(marks.keypoint).tolist()
        by_type = _shares(right, marks, {str(k): marks.keypoint == k for k in types}, bootstrap)
        own = [
            marks.names[k] if marks.names[k] not in ("all", names[0]) else f"{names[0]}/{marks.names[k]}" for k in types
        ]
        rows += _each(method, own, by_type, bootstrap)
    return tuple(rows)


def accuracy_difference(
    a: NDArray[np.bool_], b: NDArray[np.bool_], marks: Marks, bootstrap: Bootstrap
) -> Difference | None:
    """The paired difference ``a - b`` of two methods' accuracies, the mean of the classes: on the same resamples.

    Returns:
        None where there are fewer than two groups of examples.
    """
    subsets = {name: marks.classes == name for name in np.unique(marks.classes).tolist()}
    first, second = (_shares(right, marks, subsets, bootstrap) for right in (a, b))
    resampled = mean_known(first.resampled) - mean_known(second.resampled)
    return difference_of(first.mean - second.mean, resampled, bootstrap.count(first.known.any(axis=1)))


def _shares(
    right: NDArray[np.bool_], marks: Marks, subsets: Mapping[str, NDArray[np.bool_]], bootstrap: Bootstrap
) -> _Shares:
    n = bootstrap.weights.shape[1]
    hits, counts = (
        np.stack([np.bincount(marks.example[own], values[own], n) for own in subsets.values()], axis=1)
        for values in (right.astype(np.float64), np.ones(len(marks)))
    )
    values = hits.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    return _Shares(values, bootstrap.ratios(hits, counts), counts > 0)


def _each(method: str, names: list[str], shares: _Shares, bootstrap: Bootstrap) -> Iterator[Row]:
    for i, name in enumerate(names):
        yield _row(method, name, float(shares.values[i]), shares.resampled[:, i], shares.known[:, i], bootstrap)


def _row(method: str, subset: str, value: float, resampled: Floats, known: ArrayLike, bootstrap: Bootstrap) -> Row:
    return Row(method, ACCURACY, subset, value, interval(resampled, bootstrap.count(known)), int(np.sum(known)))
