"""Keypoints: a vector of points for each class of objects, read by the regressors of the class and measured by PCK."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vestige.contract.task import Task
from vestige.distances import mean_over_visible
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Points
from vestige.intervals import Bootstrap, Floats, mean_known
from vestige.markup import Markup
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.probes.engine.codec import Measured, Target, spread_rows
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.options import LONGER_SIDE
from vestige.probes.engine.points import (
    METHODS,
    PointCodec,
    PointTruth,
    arrays_of_points,
    check_points,
    truth_of,
)
from vestige.probes.engine.vector_methods import VectorMethod
from vestige.probes.engine.views import Views, example_views
from vestige.probes.keypoints.classes import PointClass, class_markup, class_of
from vestige.probes.keypoints.task import KEYPOINTS
from vestige.results import Row
from vestige.scores import PCK_METRICS, KeypointTruth, Score, class_pck, keypoint_rows, metric_of, pck_score


class ClassPoints(PointCodec):
    """The keypoints of one class."""

    task: ClassVar[Task] = KEYPOINTS


@dataclass(frozen=True)
class KeypointMethod:
    """A way to read keypoints: of every class, its own method of that name."""

    by_class: tuple[VectorMethod, ...]

    @property
    def name(self) -> str:
        """In results.json."""
        return self.by_class[0].name

    @property
    def seed(self) -> int | None:
        """Of random weights, where there are several of the same name."""
        return self.by_class[0].seed

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures."""
        return tuple(probe for method in self.by_class for probe in method.probes)


@dataclass(frozen=True)
class KnownKeypoints:
    """What is known of test examples.

    Attributes:
        points: of their keypoints; those without a regressor are not visible.
        by_class: the same, to measure by class.
        lost: how many keypoints are visible and have no regressor.
    """

    points: PointTruth
    by_class: KeypointTruth
    lost: int


@dataclass(frozen=True)
class Keypoints(Target[KnownKeypoints]):
    """The keypoints of all classes, ``(N, K, 2)`` in pixels; those that are not of an example's class are NaN.

    Attributes:
        markup: of the points of all classes.
        box_margin: the share of a box's longer side that a crop adds on every side.
        alphas: of PCK, in longer sides of the box; the first is what layers are chosen by.
        classes: that have regressors.
        mirror: train on mirrored copies, too.
        look_backs: how many times to look back.
        margin_quantile: of a part's out-of-fold error, by which its box is enlarged.
    """

    markup: Markup
    box_margin: float
    alphas: tuple[float, ...]
    classes: tuple[PointClass, ...]
    mirror: bool = False
    look_backs: int = 0
    margin_quantile: float = 1.0

    task: ClassVar[Task] = KEYPOINTS
    metrics: ClassVar[Mapping[str, Metric]] = PCK_METRICS
    known_methods: ClassVar[Mapping[str, Method]] = METHODS
    kept_as: ClassVar[type[np.floating[Any]]] = np.float64

    @property
    def metric(self) -> str:
        """PCK over keypoint types at the first alpha."""
        return metric_of(self.alphas[0])

    def of_class(self, points: PointClass) -> ClassPoints:
        """The codec of a class's keypoints."""
        markup = class_markup(self.markup, points.columns)
        return ClassPoints(markup, self.box_margin, LONGER_SIDE, self.mirror, self.look_backs, self.margin_quantile)

    def check(self, examples: Sequence[Example]) -> None:
        """Every example needs the markup's points, and some example is of a known class."""
        check_points(examples, self.markup)
        if not len(self.measurable(examples)):
            found = ", ".join(sorted({class_of(example) for example in examples}))
            known = ", ".join(points.name for points in self.classes)
            raise VestigeError(f"the test examples are of {found}; expected some of {known}, which were trained")

    def measurable(self, examples: Sequence[Example]) -> NDArray[np.intp]:
        """The rows of the examples whose class has regressors."""
        known = {points.name for points in self.classes}
        return np.flatnonzero([class_of(example) in known for example in examples])

    def notes(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The classes that are left out or missing, and keypoints that count for nothing."""
        known = [points.name for points in self.classes]
        there = {class_of(example) for example in examples}
        notes = [
            f"Test examples of class {name!r} are left out: it has no regressors."
            for name in sorted(there.difference(known))
        ]
        notes += [
            f"Class {name!r} is not measured: the test data have no example of it."
            for name in known
            if name not in there
        ]
        lost = self._known([examples[row] for row in self.measurable(examples)]).lost
        if lost:
            notes.append(f"{lost} visible keypoints of the test examples count for nothing: they have no regressor.")
        return tuple(notes)

    def test_views(self, examples: Sequence[Example]) -> Views:
        """The squares about the boxes."""
        return example_views(examples, self.box_margin)

    def truth(self, views: Views) -> KnownKeypoints:
        """The test examples' keypoints."""
        return self._known(views.examples)

    def _known(self, examples: Sequence[Example]) -> KnownKeypoints:
        whole = truth_of(examples, self.markup, LONGER_SIDE)
        names = np.array([class_of(example) for example in examples])
        regressed = np.zeros_like(whole.visible)
        for points in self.classes:
            regressed[np.ix_(names == points.name, points.indices)] = True
        seen = replace(whole, visible=whole.visible & regressed)
        by_class = KeypointTruth(seen.points, seen.visible, seen.normaliser, names, self.markup.points)
        return KnownKeypoints(seen, by_class, int((whole.visible & ~regressed).sum()))

    def read(self, method: KeypointMethod, views: Views, reader: Reader) -> dict[str, Points]:
        """The keypoints ``(N, K, 2)`` at every stage; a class without a later look stays as the look before left it."""
        own = {
            points: self.of_class(points).read(method.by_class[number], views.of(rows), reader)
            for number, points, rows in self._rows(views.examples)
        }
        names = max(own.values(), key=len)
        return {
            name: self.placed(
                {points: list(stages.values())[min(turn, len(stages) - 1)] for points, stages in own.items()},
                views.examples,
            )
            for turn, name in enumerate(names)
        }

    def _rows(self, examples: Sequence[Example]) -> Iterator[tuple[int, PointClass, NDArray[np.intp]]]:
        """The number of every class that examples are of, the class, and their rows."""
        names = np.array([class_of(example) for example in examples])
        for number, points in enumerate(self.classes):
            rows = np.flatnonzero(names == points.name)
            if len(rows):
                yield number, points, rows

    def placed(self, predicted: Mapping[PointClass, Points], examples: Sequence[Example]) -> Points:
        """What is predicted for every class, in its place among the points of all: ``(N, K, 2)``, else NaN."""
        found = np.full((len(examples), len(self.markup.points), 2), np.nan)
        for _, points, rows in self._rows(examples):
            found[np.ix_(rows, points.indices)] = predicted[points]
        return found

    def out_of_fold(self, predicted: Iterable[Points], encoded: Iterable[Any]) -> float:
        """The mean over classes of PCK at the first alpha on the training views, by out-of-fold predictions."""
        rates = []
        for points, own in zip(predicted, encoded, strict=True):
            truth = own.truth
            distances = np.linalg.norm(points - truth.points, axis=-1)
            rates.append(class_pck(distances / truth.normaliser[:, None], truth.visible, self.alphas[0]))
        return float(mean_known(np.array(rates)))

    def score(self, predicted: Points, truth: KnownKeypoints, bootstrap: Bootstrap) -> Score:
        """PCK over keypoint types at the first alpha, the mean of the classes."""
        return pck_score(truth.by_class.distances(predicted), truth.by_class, self.alphas[0], bootstrap)

    def errors(self, predicted: Points, truth: KnownKeypoints) -> Floats:
        """Each example's mean distance ``(N,)`` in longer sides of its box."""
        return mean_over_visible(truth.by_class.distances(predicted), truth.by_class.visible)

    def measure(self, predicted: Points, truth: KnownKeypoints, bootstrap: Bootstrap) -> Measured:  # noqa: ARG002
        """The distances, of which hits are averaged over seeds."""
        distances = truth.by_class.distances(predicted)
        return Measured({}, mean_over_visible(distances, truth.by_class.visible), held=distances)

    def rows(
        self,
        measured: Mapping[str, Sequence[Measured]],
        main: str,  # noqa: ARG002
        truth: KnownKeypoints,
        bootstrap: Bootstrap,
    ) -> tuple[Row, ...]:
        """PCK over keypoint types and over images, of all classes and of each."""
        rows = (
            keypoint_rows(name, [each.held for each in several], truth.by_class, self.alphas, bootstrap)
            for name, several in measured.items()
        )
        return tuple(row for several in rows for row in several)

    def pictured(self, predicted: Points, errors: Floats) -> NDArray[np.intp]:  # noqa: ARG002
        """Evenly from the best to the worst; those without a visible keypoint are among the best."""
        return spread_rows(np.nan_to_num(errors, nan=0.0))

    def arrays(self, truth: KnownKeypoints) -> dict[str, NDArray[Any]]:
        """The points, their boxes and the examples' classes."""
        return {**arrays_of_points(truth.points), "classes": truth.by_class.classes}

    def arrays_of(self, method: KeypointMethod, stages: Mapping[str, Points], views: Views) -> dict[str, NDArray[Any]]:
        """``parts`` of all classes, and ``part_boxes`` ``(N, P, 4)``: where the last look-back looked, else NaN."""
        parts = tuple(self.markup.parts)
        boxes = np.full((len(views), len(parts), 4), np.nan)
        for number, points, rows in self._rows(views.examples):
            own = method.by_class[number]
            read = {
                name: stage[np.ix_(rows, points.indices)] for name, stage in list(stages.items())[: 1 + len(own.looks)]
            }
            found = self.of_class(points).arrays_of(own, read, views.of(rows))
            if found:
                columns = np.array([parts.index(part) for part in found["parts"].tolist()])
                boxes[np.ix_(rows, columns)] = found["part_boxes"]
        return {"parts": np.array(parts), "part_boxes": boxes} if np.isfinite(boxes).any() else {}

    @property
    def config(self) -> dict[str, Any]:
        """The markup, the normaliser, and each class with its points."""
        classes = {points.name: list(points.columns) for points in self.classes}
        return {"markup": self.markup.to_json(), "normaliser": LONGER_SIDE, "classes": classes}

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return {**vars(self), "markup": self.markup.to_json(), "classes": [asdict(each) for each in self.classes]}
