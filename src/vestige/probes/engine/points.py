"""Points: 2K numbers of a crop, what their errors are divided by, and how they are measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.distances import box_scale, eye_distance, longer_side, mean_over_visible, point_errors
from vestige.documents import Count, Json, check_json
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Box, Points
from vestige.images import Pixels, draw_points
from vestige.intervals import Bootstrap, Floats
from vestige.markup import Markup, markup_from_json
from vestige.methods import MEAN, PROBES, Method
from vestige.metrics import Metric
from vestige.probes.engine.codec import Codec, Encoded, Measured, Scores, Training, share_score
from vestige.probes.engine.lookback import (
    LookBack,
    PointTargets,
    fit_look_back,
    look_back_name,
    looked_back,
    to_numbers,
    to_points,
)
from vestige.probes.engine.options import LONGER_SIDE, NORMALISERS, PointOptions
from vestige.probes.engine.vector_methods import VectorMethod
from vestige.probes.engine.views import Views, example_views
from vestige.results import Row
from vestige.scores import rows_of
from vestige.spelling import spelled

CED_LIMITS = (0.08, 0.10)
"""Where the cumulative error curve is cut for its area and for the failure rate."""


METRICS: Mapping[str, Metric] = {
    "nme_inter_ocular": Metric("error", "the inter-ocular distance", lower_is_better=True),
    "nme_inter_pupil": Metric("error", "the inter-pupil distance", lower_is_better=True),
    "nme_eye_corners": Metric("error", "the distance of the outer eye corners", lower_is_better=True),
    "nme_box": Metric("error", "the size of the face box", lower_is_better=True),
    "nme_longer_side": Metric("error", "the longer side of the box", lower_is_better=True),
    "auc@*": Metric("area under the curve of errors up to {}", paper=False),
    "failure@*": Metric("share of errors above {}", lower_is_better=True, shown="percent", paper=False),
}
"""What is measured of landmarks."""

METHODS: Mapping[str, Method] = {
    **PROBES,
    "mean": replace(MEAN, label="Mean shape"),
    "look-back": Method("Network + look-back", "orange", marker="D"),
    "look-back-2": Method("Network + look-back, twice", "purple", marker="P"),
}
"""How points are read."""


@dataclass(frozen=True)
class PointTruth:
    """The annotated points of N examples and what their errors are divided by.

    Attributes:
        points: ``(N, K, 2)`` in pixels.
        visible: ``(N, K)``.
        boxes: ``(N, 4)`` in pixels.
        normaliser: ``(N,)`` in pixels; NaN where an example has none, as its eyes are not visible.
        metric: the name of the normalised mean error.
        parts: named sets of points that get Rows of their own.
    """

    points: Points
    visible: NDArray[np.bool_]
    boxes: Box
    normaliser: Floats
    metric: str
    parts: Mapping[str, tuple[int, ...]]


def truth_of(examples: Iterable[Example], markup: Markup, normaliser: str) -> PointTruth:
    """Collect what is known of examples with keypoints and a box each.

    Raises:
        VestigeError: where the markup does not say what the normaliser needs.
    """
    examples = list(examples)
    points = np.stack([_known(example.keypoints) for example in examples])
    visible = np.stack([_known(example.visible) for example in examples])
    boxes = np.stack([_known(example.box) for example in examples])
    return PointTruth(
        points,
        visible,
        boxes,
        _normaliser(points, visible, boxes, markup, normaliser),
        f"nme_{normaliser.replace('-', '_')}",
        markup.parts,
    )


def _known(value: NDArray[Any] | None) -> NDArray[Any]:
    assert value is not None, "point tasks take examples with keypoints and a box"
    return value


def _normaliser(points: Points, visible: NDArray[np.bool_], boxes: Box, markup: Markup, name: str) -> Floats:
    if name == "box":
        return box_scale(boxes)
    if name == LONGER_SIDE:
        return longer_side(boxes)
    corners = markup.eye_corners
    sets = {
        "inter-ocular": markup.eyes,
        "inter-pupil": markup.pupils,
        "eye-corners": None if corners is None else ((corners[0],), (corners[1],)),
    }
    if name not in sets:
        raise VestigeError(f"{spelled('normaliser', name)}: {choice(name, NORMALISERS)}")
    eyes = sets[name]
    if eyes is None:
        raise VestigeError(
            f"{spelled('normaliser', name)}: markup {markup.name!r} does not say which points that takes; use box"
        )
    seen = visible[:, list(eyes[0] + eyes[1])].all(axis=1)
    distance = eye_distance(points, eyes)
    return np.where(seen & (distance > 0), distance, np.nan)


def measure(predicted: Points, truth: PointTruth) -> dict[tuple[str, str], Floats]:
    """Each example's share of every metric: the normalised mean error over all points and by part, and of the
    cumulative error curve the area up to and the failures beyond each limit.

    Args:
        predicted: ``(N, K, 2)`` in pixels.
        truth: of the same examples.
    """
    errors = point_errors(predicted, truth.points) / truth.normaliser[:, None]
    overall = mean_over_visible(errors, truth.visible)
    values = {(truth.metric, "all"): overall}
    for part, points in truth.parts.items():
        chosen = list(points)
        values[truth.metric, part] = mean_over_visible(errors[:, chosen], truth.visible[:, chosen])
    known = np.isfinite(overall)
    for limit in CED_LIMITS:
        values[f"auc@{limit:.2f}", "all"] = np.where(known, np.clip(1 - overall / limit, 0, 1), np.nan)
        values[f"failure@{limit:.2f}", "all"] = np.where(known, overall > limit, np.nan)
    return values


@dataclass(frozen=True, kw_only=True)
class EncodedPoints(Encoded):
    """What regressors of points are trained on, with the points themselves.

    Attributes:
        views: the training crops.
        truth: of them, by the views' names.
    """

    views: Views
    truth: PointTruth


@dataclass(frozen=True)
class PointCodec(Codec[PointTruth]):
    """One set of points: ``2K`` numbers, each point's x and y as shares of the crop, decoded to ``(K, 2)`` in pixels.

    A point is trained on where it is visible.

    Attributes:
        markup: of the points.
        box_margin: the share of a box's longer side that a crop adds on every side.
        normaliser: what errors are divided by.
        mirror: train on mirrored copies, too, where the markup has mirror pairs.
        look_backs: how many times to look back, where the markup has parts.
        margin_quantile: of a part's out-of-fold error, by which its box is enlarged.
    """

    markup: Markup
    box_margin: float
    normaliser: str
    mirror: bool = False
    look_backs: int = 0
    margin_quantile: float = 1.0

    metrics: ClassVar[Mapping[str, Metric]] = METRICS
    known_methods: ClassVar[Mapping[str, Method]] = METHODS
    kept_as: ClassVar[type[np.floating[Any]]] = np.float64

    @property
    def metric(self) -> str:
        """The normalised mean error."""
        return f"nme_{self.normaliser.replace('-', '_')}"

    @property
    def width(self) -> int:
        """Two numbers a point."""
        return 2 * len(self.markup.points)

    def check(self, examples: Sequence[Example]) -> None:
        """Every example needs the markup's points, and the markup what errors are divided by."""
        check_points(examples, self.markup)
        if len(examples):
            self._truth(examples)

    def train_views(self, examples: Sequence[Example]) -> Views:
        """The squares about the boxes, and their mirrored copies."""
        return example_views(examples, self.box_margin, mirror=self.mirror and self.markup.mirror is not None)

    def test_views(self, examples: Sequence[Example]) -> Views:
        """The squares about the boxes."""
        return example_views(examples, self.box_margin)

    def encode(self, views: Views) -> EncodedPoints:
        """Unit coordinates ``(V, 2K)``, known where the point is visible."""
        whole, rows = self._truth(views.examples), views.rows
        order = np.arange(len(self.markup.points)) if self.markup.mirror is None else self.markup.mirror_order()
        truth = replace(
            whole,
            points=views.renamed(whole.points[rows], order),
            visible=views.renamed(whole.visible[rows], order),
            boxes=whole.boxes[rows],
            normaliser=whole.normaliser[rows],
        )
        known = np.repeat(truth.visible, 2, axis=1)
        return EncodedPoints(to_numbers(truth.points, views), known, views=views, truth=truth)

    def decode(self, values: NDArray[np.floating[Any]], views: Views) -> Points:
        """``(V, K, 2)`` in pixels."""
        return to_points(values, views)

    def out_of_fold(self, predicted: Points, encoded: EncodedPoints) -> float:
        """The mean error of the training views."""
        return float(np.nanmean(self.errors(predicted, encoded.truth)))

    def look_back(self, training: Training) -> Sequence[tuple[LookBack, Points]]:
        """The looks at the markup's parts, one after the other, and what each predicts out of fold."""
        encoded, predicted, looks = training.encoded, training.predicted, []
        assert isinstance(encoded, EncodedPoints)
        truth = encoded.truth
        targets = PointTargets(encoded.views, truth.points, truth.visible, training.folds, training.shared)
        for turn in range(self.look_backs if self.markup.parts else 0):
            training.say(f"look-back {turn + 1} at {training.source.layer}")
            look, predicted = fit_look_back(
                training.reader, training.source, targets, predicted, self.markup.parts, self.margin_quantile
            )
            looks.append((look, predicted))
        return looks

    def read(self, method: VectorMethod, views: Views, reader: Reader) -> dict[str, Points]:
        """The first reading, and that after each look back."""
        stages = super().read(method, views, reader)
        looked = looked_back(method.looks, stages[method.name], views, reader)
        return stages | {look_back_name(turn): points for turn, points in enumerate(looked)}

    def last_stage(self, method: VectorMethod) -> str:
        """The name of the last look."""
        return look_back_name(len(method.looks) - 1) if method.looks else method.name

    def check_method(self, method: VectorMethod) -> None:
        """ValueError where a method reads other points."""
        super().check_method(method)
        for look in method.looks:
            for part, points in zip(look.parts, look.points, strict=True):
                if any(k >= len(self.markup.points) for k in points):
                    raise ValueError(f"part {part!r} does not fit the markup of {len(self.markup.points)} points")

    def truth(self, views: Views) -> PointTruth:
        """The test examples' points."""
        return self._truth(views.examples)

    def _truth(self, examples: Sequence[Example]) -> PointTruth:
        return truth_of(examples, self.markup, self.normaliser)

    def scores(self, predicted: Points, truth: PointTruth, bootstrap: Bootstrap, *, brief: bool = False) -> Scores:
        """Means over examples: the error, over all points and by part, and of the cumulative error curve."""
        values = measure(predicted, truth)
        return {key: share_score(values[key], bootstrap) for key in ([(truth.metric, "all")] if brief else values)}

    def errors(self, predicted: Points, truth: PointTruth) -> Floats:
        """Each example's error ``(N,)``."""
        return measure(predicted, truth)[truth.metric, "all"]

    def measure(self, predicted: Points, truth: PointTruth, bootstrap: Bootstrap) -> Measured:  # noqa: ARG002
        """Each example's share of every metric, which is averaged over seeds example by example."""
        values = measure(predicted, truth)
        return Measured({}, values[truth.metric, "all"], held=values)

    def rows(
        self,
        measured: Mapping[str, Sequence[Measured]],
        main: str,  # noqa: ARG002
        truth: PointTruth,  # noqa: ARG002
        bootstrap: Bootstrap,
    ) -> tuple[Row, ...]:
        """One Row per method, metric and subset."""
        rows = (rows_of(name, [each.held for each in several], bootstrap) for name, several in measured.items())
        return tuple(row for several in rows for row in several)

    def arrays(self, truth: PointTruth) -> dict[str, NDArray[Any]]:
        """The points, their boxes and what errors are divided by."""
        return arrays_of_points(truth)

    def arrays_of(self, method: VectorMethod, stages: Mapping[str, Points], views: Views) -> dict[str, NDArray[Any]]:
        """``parts``, and ``part_boxes`` ``(N, P, 4)`` in pixels: where the last look-back looked."""
        if not method.looks:
            return {}
        look, before = method.looks[-1], list(stages.values())[-2]
        boxes = [part.boxes for part in look.views(before, views)]
        return {"parts": np.array(look.parts), "part_boxes": np.stack(boxes, axis=1)}

    def picture(self, predicted: Points, pixels: Pixels) -> Pixels:
        """The photograph with its points drawn."""
        return draw_points(pixels, predicted)

    def describe(self, predicted: Points) -> dict[str, Any]:
        """Names and coordinates."""
        points = zip(self.markup.points, predicted.tolist(), strict=True)
        return {"points": [{"name": name, "x": round(x, 3), "y": round(y, 3)} for name, (x, y) in points]}

    @property
    def config(self) -> dict[str, Any]:
        """The markup and the normaliser."""
        return {"markup": self.markup.to_json(), "normaliser": self.normaliser}

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return {**vars(self), "markup": self.markup.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str) -> Self:
        """The inverse of :meth:`to_json`; errors as of :func:`vestige.markup.markup_from_json`, too."""
        saved = check_json(dict(document), _Saved)
        return cls(**{**vars(saved), "markup": markup_from_json(saved.markup, where)})


@dataclass(frozen=True)
class _Saved:
    markup: Json
    box_margin: float
    normaliser: str
    mirror: bool = False
    look_backs: Count = 0
    margin_quantile: float = 1.0


def markup_of(train: Dataset, what: str, options: PointOptions) -> tuple[Markup, tuple[str, ...]]:
    """The markup of training data, and what is given up because the markup lacks it.

    Args:
        train: to train on.
        what: its points are called.
        options: of the probe.

    Raises:
        VestigeError: where the data have no points.
    """
    markup = train.markup
    if markup is None or not len(train):
        raise VestigeError(f"{train.spec}: has no examples with {what}; vestige data check {train.spec} tells more")
    lacks = []
    if options.mirror and markup.mirror is None:
        lacks.append(f"Markup {markup.name!r} has no mirror pairs: no mirrored copies were trained on.")
    if options.look_backs and not markup.parts:
        lacks.append(f"Markup {markup.name!r} has no parts: there is no look-back.")
    return markup, tuple(lacks)


def check_points(examples: Sequence[Example], markup: Markup) -> None:
    """Refuse examples without the points that a markup names.

    Raises:
        VestigeError: naming the example and both numbers of points.
    """
    expected = len(markup.points)
    for example in examples:
        found = 0 if example.keypoints is None else len(example.keypoints)
        if found != expected:
            raise VestigeError(
                f"{example.id}: has {found} points; expected the {expected} of markup {markup.name!r}, "
                "which the probe was trained on"
            )


def arrays_of_points(truth: PointTruth) -> dict[str, NDArray[Any]]:
    """What ``examples.npz`` keeps of the truth for reports."""
    return {
        "truth": truth.points,
        "visible": truth.visible,
        "boxes": truth.boxes,
        "normaliser": truth.normaliser,
    }
