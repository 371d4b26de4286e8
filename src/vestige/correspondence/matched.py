"""Training and test instances made ready: those that can be read and are of known classes, with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vestige.correspondence.instances import Instances, instances_of
from vestige.datasets.dataset import Dataset, Problem, part_of
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.features.store import Features


@dataclass(frozen=True)
class MatchedInstances:
    """Training and test instances, each with its nearest neighbours among the training instances of its class.

    Attributes:
        train, test: the instances.
        train_data, test_data: the examples that take part, and why others do not.
        neighbours: of the test instances among the training instances of their class.
        train_neighbours: of the training instances among those of their class and other folds.
        folds: ``(N,)``: which part of the training data each of its instances is in, from 1 on; groups stay together.
        read: what neighbours were found by.
        notes: what was left out.
    """

    train: Instances
    test: Instances
    train_data: Dataset
    test_data: Dataset
    neighbours: Neighbours
    train_neighbours: Neighbours
    folds: NDArray[np.int64]
    read: Read
    notes: tuple[str, ...]


def match_instances(
    train: Dataset, test: Dataset, read: Read, spec: str, reader: Reader, *, folds: int, k: int
) -> MatchedInstances:
    """Find the neighbours of training and test instances.

    Args:
        train: examples with keypoints and boxes.
        test: likewise.
        read: the layer that neighbours are found by.
        spec: of its backbone.
        reader: of features.
        folds: parts of the training data.
        k: neighbours of each instance.

    Raises:
        VestigeError: where the data have no keypoints or boxes, the points of the two differ, no test example is of a
            class of the training data, none of their keypoints is shown by a neighbour, or the training data have
            fewer groups than folds.
    """
    check_instances(train, test, folds)
    train, known = _without_unreadable(train, read, spec, reader)
    test, left_out = _of_known_classes(train, test)
    test, asked = _without_unreadable(test, read, spec, reader)
    own, others = instances_of(test), instances_of(train)
    labels = _parts(train, folds)
    groups, parts = (np.array([f"{each}" for each in numbers]) for numbers in (own.groups, labels))
    found = nearest(
        asked.read(), known.read(), own.classes, others.classes, k, query_groups=groups, groups=others.groups
    )
    if not (own.visible[:, None] & others.visible[found.rows] & (found.rows >= 0)[..., None]).any():
        raise VestigeError(
            f"{test.spec}: none of its visible keypoints is visible in a neighbour of its class in {train.spec}; "
            "take data that show the same keypoints"
        )
    return MatchedInstances(
        others,
        own,
        train,
        test,
        found,
        nearest(known.read(), known.read(), others.classes, others.classes, k, query_groups=parts, groups=parts),
        labels,
        read,
        left_out,
    )


def check_instances(train: Dataset, test: Dataset, folds: int) -> None:
    """Refuse data without keypoints or boxes, of two markups or of no class in common, and too few of them.

    Raises:
        VestigeError: naming the data set or the example.
    """
    instances_of(train), instances_of(test)
    if train.markup != test.markup:
        raise VestigeError(f"{test.spec}: its keypoints are not those of {train.spec}; take data of one markup")
    _of_known_classes(train, test)
    _parts(train, folds)


def _parts(train: Dataset, folds: int) -> NDArray[np.int64]:
    """The part of the training data that each example is in ``(N,)``, from 1 on."""
    labels = np.array([part_of(example.group, folds) for example in train], dtype=np.int64)
    if len(np.unique(labels)) < folds:
        raise VestigeError(f"{train.spec}: has too few pictures for {folds} folds; give more training data")
    return labels


def _without_unreadable(dataset: Dataset, read: Read, spec: str, reader: Reader) -> tuple[Dataset, Features]:
    """The data set without the pictures that cannot be decoded, and the vectors that tell its neighbours."""
    (features,) = reader.features(spec, instances_of(dataset).crops, [read])
    if not features.problems:
        return dataset, features
    problems = [Problem(dataset[row].id, message) for row, message in sorted(features.problems.items())]
    kept = tuple(example for example, valid in zip(dataset, features.valid, strict=True) if valid)
    if not kept:
        raise VestigeError(f"{dataset.spec}: none of its pictures can be read; the first: {problems[0]}")
    return _without_unreadable(dataset.without(kept, problems), read, spec, reader)


def _of_known_classes(train: Dataset, test: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """The test examples of the classes that the training data have, and a note on each of the others."""
    known = set(instances_of(train).classes.tolist())
    classes = instances_of(test).classes.tolist()
    kept = tuple(example for example, name in zip(test, classes, strict=True) if name in known)
    if not kept:
        raise VestigeError(
            f"{test.spec}: its examples are of {', '.join(sorted(set(classes)))}; expected some of "
            f"{', '.join(sorted(known))}, the classes of {train.spec}"
        )
    notes = tuple(
        f"Class {name!r} is left out: the training data have no example of it." for name in sorted(set(classes) - known)
    )
    return replace(test, examples=kept), notes


Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """The nearest of M others for each of N instances, the nearest first.

    Attributes:
        rows: ``(N, k)`` rows of the others; -1 where there are fewer than k.
        similarity: ``(N, k)`` cosines; NaN where there is no row.
    """

    rows: NDArray[np.intp]
    similarity: NDArray[np.float64]

    def of(self, row: int) -> NDArray[np.intp]:
        """The rows of one instance's neighbours, those that there are."""
        rows: NDArray[np.intp] = self.rows[row]
        return rows[rows >= 0]


def nearest(
    queries: Vectors,
    others: Vectors,
    query_classes: NDArray[np.str_],
    classes: NDArray[np.str_],
    k: int,
    *,
    query_groups: NDArray[np.str_] | None = None,
    groups: NDArray[np.str_] | None = None,
) -> Neighbours:
    """The k most similar others of the same class, by the cosine of their vectors; exact.

    Args:
        queries: ``(N, d)``.
        others: ``(M, d)``.
        query_classes: ``(N,)``.
        classes: ``(M,)``.
        k: how many.
        query_groups: ``(N,)``; where given, others of the same group are passed over.
        groups: ``(M,)``, likewise.

    Returns:
        the neighbours; of equally similar ones, that of the lower row comes first.
    """
    rows = np.full((len(queries), k), -1, dtype=np.intp)
    similarity = np.full((len(queries), k), np.nan)
    for name in np.unique(query_classes):
        asking, known = np.flatnonzero(query_classes == name), np.flatnonzero(classes == name)
        cosines = _unit(queries[asking]) @ _unit(others[known]).T
        if query_groups is not None and groups is not None:
            cosines[query_groups[asking, None] == groups[None, known]] = -np.inf
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(cosines, order, axis=1)
        count = order.shape[1]
        rows[asking, :count] = np.where(np.isfinite(found), known[order], -1)
        similarity[asking, :count] = np.where(np.isfinite(found), found, np.nan)
    return Neighbours(rows, similarity)


def _unit(vectors: Vectors) -> NDArray[np.float64]:
    """Vectors of length 1, in float64: cosines of near copies differ in digits that float32 has not."""
    exact = vectors.astype(np.float64)
    unit: NDArray[np.float64] = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-30)
    return unit
