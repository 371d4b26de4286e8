"""Attributes (section 4): glasses, beard, the angle of the head, read out of a picture's representation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN, check_bounds
from vestige.contract.bench import Bench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.contract.task import Task, Trained
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats, mean_known
from vestige.metrics import Metric
from vestige.options import option
from vestige.probes.attributes.attribute import Attribute, Reading, choose_attributes, lack_of, values_of
from vestige.probes.attributes.task import ATTRIBUTES, LEAST, AttributeOptions
from vestige.probes.engine.codec import Codec, Encoded, Numbers, Score, Scores
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.trained_vectors import load_trained_vectors
from vestige.probes.engine.vector_probe import bench_vectors, check_vectors, probe_vectors
from vestige.probes.engine.views import Views, example_views
from vestige.run import Run

SKILL = "skill"
"""The metric of attributes of both kinds: 0 for the mean reading, 1 for a perfect one."""

SHOWN, EXTREMES = 8, 5
"""Of how many attributes pictures are kept, and how many of the highest and of the lowest readings."""

_BLOCK = 256  # resamples at a time: three arrays of that many rows stay in the processor's cache


@dataclass(frozen=True)
class Attributes(Codec[Floats]):
    """The task: one number per attribute; one that an example lacks has no share in training and none in scores.

    An example with a box is seen through the square about it, one without through the middle of its picture. What is
    known of an example is ``(N, t)`` values, NaN where missing.

    Attributes:
        attributes: what is read.
        mirror: train on mirrored copies, too: wrong for whatever changes when mirrored, such as yaw.
        box_margin: the share of a box's longer side that the crop adds on every side.
        crop: the central share of a picture without box, by width and by height.
    """

    attributes: tuple[Attribute, ...]
    mirror: bool = False
    box_margin: float = option(FACE_MARGIN, bounds=b.BOX_MARGIN)
    crop: float = option(1.0, bounds=b.SHARE)

    task: ClassVar[Task] = ATTRIBUTES
    metrics: ClassVar[Mapping[str, Metric]] = {
        SKILL: Metric("skill", paper=False),
        "auc": Metric("AUC", paper=False),
        "r2": Metric("R²", paper=False),
    }

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def metric(self) -> str:
        """``auc`` where all attributes are binary, ``r2`` where all are continuous, else ``skill``.

        Of binary attributes alone, and of continuous ones, ``skill`` would order layers as these do.
        """
        kinds = {attribute.binary for attribute in self.attributes}
        return SKILL if len(kinds) > 1 else "auc" if True in kinds else "r2"

    @property
    def paired(self) -> tuple[str, ...]:
        """The metric."""
        return (self.metric,)

    @property
    def names(self) -> tuple[str, ...]:
        """``(t,)``: of the attributes."""
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def deviations(self) -> Floats:
        """``(t,)``: the standard deviations of the training values."""
        return np.array([attribute.deviation for attribute in self.attributes])

    @property
    def width(self) -> int:
        """The attributes."""
        return len(self.attributes)

    def check(self, examples: Sequence[Example]) -> None:
        """Some example needs an attribute of the task that can be measured, and binary ones are 0 or 1."""
        values = values_of(examples, self.names)
        for k, attribute in enumerate(self.attributes):
            wrong = np.isfinite(values[:, k]) & ~np.isin(values[:, k], (0.0, 1.0))
            if attribute.binary and wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                raise VestigeError(
                    f"{examples[row].id}: attribute {attribute.name} is {values[row, k]:g}; expected 0 or 1, as in the "
                    "training data"
                )
        if not any(_measurable(values[:, k]) for k in range(len(self.names))):
            raise VestigeError(
                f"none of the attributes {', '.join(self.names)} has two different values here; nothing can be measured"
            )

    def notes(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The attributes that these examples do not let measure, or only by few, and those that here alone are a
        model's."""
        values = values_of(examples, self.names)
        missing = [name for k, name in enumerate(self.names) if not _measurable(values[:, k])]
        notes = [f"Attributes not measured, as the test data have no two values: {', '.join(missing)}."]
        lacks = {a.name: lack_of(values[:, k], a.binary, LEAST, "test") for k, a in enumerate(self.attributes)}
        rare = [f"{name} ({lack})" for name, lack in lacks.items() if lack and name not in missing]
        few = [f"Attributes of few test examples, whose numbers are uncertain: {', '.join(rare)}."]
        models = examples.model_labels if isinstance(examples, Dataset) else ()
        other = [a.name for a in self.attributes if a.name in models and not a.model_label]
        labels = [f"Model labels in the test data: {', '.join(other)}; what is measured is agreement with that model."]
        return (*(notes if missing else ()), *(few if rare else ()), *(labels if other else ()))

    def train_views(self, examples: Sequence[Example]) -> Views:
        """The crops, and their mirrored copies where asked for."""
        return example_views(examples, self.box_margin, mirror=self.mirror, centre=self.crop)

    def test_views(self, examples: Sequence[Example]) -> Views:
        """The crops."""
        return example_views(examples, self.box_margin, centre=self.crop)

    def encode(self, views: Views) -> Encoded:
        """The values ``(V, t)``, and which of them are known."""
        values = self.truth(views)
        known = np.isfinite(values)
        return Encoded(np.where(known, values, 0.0).astype(np.float32), known)

    def out_of_fold(self, predicted: Numbers, encoded: Encoded) -> float:
        """The metric over all training views."""
        assert encoded.known is not None  # encode gives it
        truth = np.where(encoded.known, encoded.values, np.nan)
        once = Bootstrap.once(len(truth))
        return self.scores(predicted, truth, once, brief=True)[self.metric, "all"].value

    def truth(self, views: Views) -> Floats:
        """The values ``(V, t)``; NaN where missing."""
        return values_of(views.examples, self.names)[views.rows]

    def scores(self, predicted: Numbers, truth: Floats, bootstrap: Bootstrap, *, brief: bool = False) -> Scores:
        """``auc`` of each binary attribute and ``r2`` of each continuous one; in subset ``all`` the attributes' mean.

        ``skill`` is there where attributes are of both kinds: the mean over attributes of 2 AUC - 1 (the Gini
        coefficient, Somers' D) and of R^2.
        """
        each = {
            attribute: _score(attribute, predicted[:, k], truth[:, k], bootstrap)
            for k, attribute in enumerate(self.attributes)
            if _measurable(truth[:, k])
        }
        n = int(np.isfinite(truth).any(axis=1).sum())
        found: dict[tuple[str, str], Score] = {}
        if self.metric == SKILL:
            found[SKILL, "all"] = _mean([_as_skill(a, score) for a, score in each.items()], n)
        for binary, metric in ((True, "auc"), (False, "r2")):
            if own := {a.name: score for a, score in each.items() if a.binary is binary}:
                found[metric, "all"] = _mean(list(own.values()), n)
                found |= {(metric, name): score for name, score in own.items()}
        return {key: score for key, score in found.items() if key == (self.metric, "all")} if brief else found

    def errors(self, predicted: Numbers, truth: Floats) -> Floats:
        """Each example's mean absolute error ``(N,)`` in standard deviations of the training values."""
        return mean_known(np.abs(predicted - truth) / self.deviations)

    def pictured(self, predicted: Numbers, errors: Floats) -> NDArray[np.intp]:  # noqa: ARG002
        """The examples with the highest and with the lowest readings of the first attributes."""
        order = np.argsort(predicted[:, :SHOWN], axis=0, kind="stable")
        return np.unique(np.concatenate([order[:EXTREMES], order[-EXTREMES:]]))

    def arrays(self, truth: Floats) -> dict[str, NDArray[Any]]:
        """``truth`` ``(N, t)``, NaN where missing, and the ``attributes``' names ``(t,)``."""
        return {"truth": truth.astype(np.float32), "attributes": np.array(self.names)}

    def readings(self, predicted: Numbers) -> list[Reading]:
        """A photograph's prediction ``(t,)`` by attribute, each beside its training mean."""
        return [
            Reading(a.label, float(value), a.mean, a.deviation, a.binary)
            for a, value in zip(self.attributes, predicted, strict=True)
        ]

    def picture(self, predicted: Numbers, pixels: Pixels) -> Pixels:
        """The photograph beside its readings."""
        from vestige.probes.attributes.page import read_photograph  # which loads matplotlib

        return read_photograph(pixels, self.readings(predicted))

    def describe(self, predicted: Numbers) -> dict[str, Any]:
        """The readings; of a binary attribute 0 and 1 are the values trained on, and a reading may lie beyond."""
        return {
            "attributes": [
                {
                    "name": a.name,
                    "reading": round(float(value), 4),
                    "kind": "binary" if a.binary else "continuous",
                    "training_mean": round(a.mean, 4),
                    "labelled_by": "a model (model label)" if a.model_label else "the data set",
                }
                for a, value in zip(self.attributes, predicted, strict=True)
            ]
        }

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return {**asdict(self), "attributes": [asdict(attribute) for attribute in self.attributes]}


def attributes_of(
    train: Dataset,
    names: Sequence[str] = (),
    *,
    least: int = LEAST,
    mirror: bool = False,
    box_margin: float = FACE_MARGIN,
    crop: float = 1.0,
) -> tuple[Attributes, tuple[str, ...]]:
    """The task on the attributes of training data, and what a reader of its numbers must know.

    Raises:
        VestigeError: as :func:`vestige.probes.attributes.attribute.choose_attributes`; where ``crop`` is no share.
    """
    b.COUNT.check("least", least)
    chosen, notes = choose_attributes(train, names, least)
    return Attributes(chosen, mirror, box_margin, crop), notes


def _measurable(values: Floats) -> bool:
    """Whether values ``(N,)`` hold two different ones."""
    known = values[np.isfinite(values)]
    return len(known) > 0 and bool(np.ptp(known) > 0)


def _score(attribute: Attribute, readings: Numbers, values: Floats, bootstrap: Bootstrap) -> Score:
    """AUC or R^2 of one attribute over the examples that have it."""
    known = np.isfinite(values)
    weights = np.concatenate([np.ones((1, int(known.sum())), np.float32), bootstrap.weights[:, known]])
    if attribute.binary:
        found = weighted_auc(readings[known], values[known] == 1, weights)
        groups = min(bootstrap.count(values == value) for value in (0, 1))  # the rarer kind decides how much is known
    else:
        found = weighted_r2(readings[known], values[known], weights)
        groups = bootstrap.count(known)
    return Score(float(found[0]), found[1:], int(known.sum()), groups)


def _as_skill(attribute: Attribute, score: Score) -> Score:
    if not attribute.binary:
        return score
    return replace(score, value=2 * score.value - 1, resampled=2 * score.resampled - 1)


def _mean(scores: Sequence[Score], n: int) -> Score:
    """The attributes' mean, resample by resample, over ``n`` examples and the groups of the best known attribute."""
    resampled: Floats = np.mean([score.resampled for score in scores], axis=0)
    return Score(float(np.mean([score.value for score in scores])), resampled, n, max(score.groups for score in scores))


def check_attributes(data: tuple[Dataset, Dataset], options: AttributeOptions, probing: VectorOptions) -> None:
    """Refuse data without the attributes that are asked for."""
    check_vectors(attributes_of(data[0], **asdict(options))[0], *data, probing)


def measure_attributes(
    session: Session, data: tuple[Dataset, Dataset], options: AttributeOptions, probing: VectorOptions
) -> Found:
    """The probe of the training data's attributes, as the task has it."""
    train, test = data
    codec, notes = attributes_of(train, **asdict(options))
    return probe_vectors(codec, train, test, probing, session, made_with=(options,), notes=notes)


def bench_attributes(
    session: Session, data: tuple[Dataset, Dataset], options: AttributeOptions, probing: VectorOptions
) -> Bench:
    """Pictures and their attributes made ready to compare layers on."""
    codec, notes = attributes_of(data[0], **asdict(options))
    return bench_vectors(codec, *data, probing, session, notes)


def load_attributes(run: Run) -> Trained:
    """What a finished run of attributes was trained to do."""
    return load_trained_vectors(run, Attributes)


def weighted_auc(readings: ArrayLike, positive: ArrayLike, weights: ArrayLike) -> Floats:
    """The area under the ROC curve: the chance that a positive example is read higher than a negative one.

    Two equal readings count one half (Mann and Whitney's U over the number of pairs).

    Args:
        readings: ``(N,)``.
        positive: ``(N,)`` boolean.
        weights: ``(B, N)``: how often each example is in each resample.

    Returns:
        ``(B,)``; NaN where a resample lacks one of the two kinds.
    """
    readings, positive = np.asarray(readings), np.asarray(positive, dtype=bool)
    weights = np.asarray(weights)
    order = np.argsort(readings, kind="stable")
    ranked = readings[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    areas = np.empty(len(weights))
    for start in range(0, len(weights), _BLOCK):
        block = weights[start : start + _BLOCK, order].astype(np.float64)
        above = np.add.reduceat(block * positive[order], starts, axis=1)
        below = np.add.reduceat(block * ~positive[order], starts, axis=1)
        less = np.cumsum(below, axis=1) - 0.5 * below
        pairs = above.sum(axis=1) * below.sum(axis=1)
        won = np.einsum("bn,bn->b", above, less)
        areas[start : start + _BLOCK] = np.divide(won, pairs, out=np.full(len(block), np.nan), where=pairs > 0)
    return areas


def weighted_r2(readings: ArrayLike, values: ArrayLike, weights: ArrayLike) -> Floats:
    """The coefficient of determination: 1 less the squared error over the spread about these examples' own mean.

    The mean is that of the examples measured, of each resample its own; a reading of the training mean is therefore
    at or a little below 0.

    Args:
        readings: ``(N,)``.
        values: ``(N,)``.
        weights: ``(B, N)``: how often each example is in each resample.

    Returns:
        ``(B,)``; NaN where a resample's values are all the same.
    """
    values = np.asarray(values, dtype=np.float64)
    error = values - np.asarray(readings, dtype=np.float64)
    centred = values - values.mean()  # the spread is a small difference of large sums otherwise
    terms = np.stack([error**2, centred, centred**2, np.ones_like(values)], axis=1)
    sums: NDArray[np.float64] = np.asarray(weights, dtype=np.float64) @ terms
    squared, total, squares, n = sums.T
    spread = squares - np.divide(total**2, n, out=np.zeros_like(n), where=n > 0)
    some = spread > 1e-12 * max(float(np.max(centred**2, initial=0.0)), np.finfo(np.float64).tiny)
    explained: Floats = 1 - np.divide(squared, spread, out=np.full(len(spread), np.nan), where=some)
    return explained
