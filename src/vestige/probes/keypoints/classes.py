"""Classes of objects, each with keypoints of its own among those of the markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vestige.contract.plan import Plan, plan_by_options
from vestige.datasets.dataset import Dataset
from vestige.documents import Count
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.markup import Markup
from vestige.probes.engine.fit import FOLDS
from vestige.probes.engine.views import fold_labels
from vestige.probes.keypoints.task import KEYPOINTS, KeypointOptions

UNNAMED = "object"
"""The class of examples that have no category."""


@dataclass(frozen=True)
class PointClass:
    """A class and its keypoints.

    Attributes:
        name: of the class.
        columns: the class's keypoints, as indices of the markup's points, rising.
    """

    name: str
    columns: tuple[Count, ...]

    @property
    def indices(self) -> NDArray[np.intp]:
        """The columns as an array ``(k,)``."""
        return np.array(self.columns, dtype=np.intp)


def class_of(example: Example) -> str:
    """The name of an example's class."""
    return example.category or UNNAMED


def find_classes(
    train: Sequence[Example], markup: Markup, seed: int, *, mirror: bool
) -> tuple[tuple[PointClass, ...], tuple[str, ...]]:
    """The classes that can be trained, with the keypoints that can be; and what cannot be and why.

    A class takes as many groups as there are folds. A keypoint is a class's where its examples show it in two folds
    or more: by fewer, no alpha can be chosen. With ``mirror`` its partner shows it, too.

    Args:
        train: examples with the markup's points.
        markup: of them.
        seed: of the folds.
        mirror: whether mirrored copies are trained on.

    Raises:
        VestigeError: where a category has the name that stands for all classes, or no class is left.
    """
    classes, notes = [], []
    for name in sorted({class_of(example) for example in train}):
        if name == "all":
            raise VestigeError("a category is named 'all', which stands for all of them in results; rename it")
        own = [example for example in train if class_of(example) == name]
        groups = [example.group for example in own]
        if len(set(groups)) < FOLDS:
            notes.append(f"Class {name!r} is left out: {len(own)} training examples do not make {FOLDS} folds.")
            continue
        seen = _seen(own)
        if mirror and markup.mirror is not None:
            seen = seen | seen[:, markup.mirror_order()]
        folds = fold_labels(groups, FOLDS, seed)
        in_folds = np.stack([seen[folds == fold].any(axis=0) for fold in range(FOLDS)]).sum(axis=0)
        columns = np.flatnonzero(in_folds >= 2)
        rare = [markup.points[k] for k in np.flatnonzero(in_folds == 1)]
        if rare:
            notes.append(f"Keypoints of class {name!r} left out, as only one fold shows them: {', '.join(rare)}.")
        if len(columns):
            classes.append(PointClass(name, tuple(columns.tolist())))
    if not classes:
        raise VestigeError(
            f"no class has visible keypoints in {FOLDS} groups of pictures or more; give more training data"
        )
    return tuple(classes), tuple(notes)


def plan_keypoints(reader: Reader, data: tuple[Dataset, Dataset], options: KeypointOptions) -> Plan:
    """What the probe will do: a fit of everything for each class."""
    plan = plan_by_options(KEYPOINTS.name, reader, data, (options,))
    return replace(plan, classes=len({class_of(example) for example in data[0]}))


def class_markup(markup: Markup, columns: Sequence[int]) -> Markup:
    """What is known of some of a markup's points: names, mirror pairs and parts, numbered anew.

    Mirror pairs are kept where both points of every pair are there; a part keeps those of its points that are.
    """
    number = {column: k for k, column in enumerate(columns)}
    mirror = None
    if markup.mirror is not None and all(markup.mirror[column] in number for column in columns):
        mirror = tuple(number[markup.mirror[column]] for column in columns)
    kept = {name: tuple(number[k] for k in points if k in number) for name, points in markup.parts.items()}
    return Markup(
        markup.name,
        tuple(markup.points[column] for column in columns),
        mirror,
        parts={name: points for name, points in kept.items() if points},
    )


def class_examples(examples: Sequence[Example], points: PointClass) -> tuple[NDArray[np.intp], tuple[Example, ...]]:
    """The rows of a class's examples ``(M,)``, and the examples with the class's keypoints alone."""
    rows = np.array([row for row, example in enumerate(examples) if class_of(example) == points.name], dtype=np.intp)
    columns = list(points.columns)
    own = []
    for row in rows:
        example = examples[row]
        assert example.keypoints is not None  # the caller has checked
        assert example.visible is not None
        own.append(replace(example, keypoints=example.keypoints[columns], visible=example.visible[columns]))
    return rows, tuple(own)


def _seen(examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Which keypoints are visible: ``(N, K)``."""
    seen = []
    for example in examples:
        assert example.visible is not None  # the caller has checked
        seen.append(example.visible)
    return np.stack(seen)
