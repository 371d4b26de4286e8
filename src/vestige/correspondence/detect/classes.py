"""The detectors of one class by one feature: trained, calibrated on held-out folds, and used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.correspondence.detect.candidates import TOGETHER, CandidateLabels, Candidates, GridSource, Subset
from vestige.correspondence.detect.features import Feature
from vestige.correspondence.detect.hard_negatives import Detector, Mining, mine
from vestige.correspondence.detect.task import DetectOptions
from vestige.correspondence.instances import Instances
from vestige.correspondence.svm import Solution
from vestige.geometry import Points
from vestige.intervals import Floats
from vestige.partial_work import Arrays
from vestige.progress import Progress


@dataclass(frozen=True)
class ClassData:
    """The instances of one class.

    Attributes:
        train: the training instances.
        test: the test instances.
        keypoints: ``(J,)``: the columns of the keypoints that the class has.
        folds: ``(N,)`` of the training instances.
        train_prior, test_prior: ``(N, K, 2)``: where the nearest neighbour has each keypoint, in unit coordinates of
            the box, and for training instances in another fold; NaN where none shows it.
    """

    train: Instances
    test: Instances
    keypoints: NDArray[np.intp]
    folds: NDArray[np.int64]
    train_prior: Points
    test_prior: Points

    @property
    def key(self) -> str:
        """A text that changes whenever a keypoint, a fold or a prior does."""
        numbers = (self.train.unit, self.train.visible, self.keypoints, self.folds, self.train_prior, self.test_prior)
        return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in numbers)).hexdigest()


Placed = Mapping[tuple[float, float], Points]
"""By (eta, sigma): the places ``(N, K, 2)`` in unit coordinates; NaN where there is no detector."""


@dataclass(frozen=True)
class ClassFound:
    """What the detectors of a class found.

    Attributes:
        train: on training instances, each by detectors of the other folds.
        test: on test instances.
        detectors: of the test instances, by keypoint; None where there are no examples.
    """

    train: Placed
    test: Placed
    detectors: tuple[Detector | None, ...]

    def arrays(self) -> Arrays:
        """The same as arrays; see `read_class_found`."""
        there = [detector for detector in self.detectors if detector is not None]
        known = np.array([detector is not None for detector in self.detectors])
        return {
            "settings": np.array(list(self.train)),
            "train": np.stack(list(self.train.values())),
            "test": np.stack(list(self.test.values())),
            "known": known,
            "weights": np.array([detector.solution.weights for detector in there]),
            "solutions": np.array([(d.solution.intercept, d.solution.objective, d.solution.converged) for d in there]),
            "counts": np.array([(d.positives, d.negatives, d.left, d.rounds) for d in there]),
        }


def read_class_found(arrays: Arrays) -> ClassFound:
    """What `ClassFound.arrays` has made arrays of."""
    settings = [(float(eta), float(sigma)) for eta, sigma in arrays["settings"]]
    each = zip(arrays["weights"], arrays["solutions"].tolist(), arrays["counts"].tolist(), strict=True)
    there = (
        Detector(Solution(weights, intercept, objective, bool(converged)), *counts)
        for weights, (intercept, objective, converged), counts in each
    )
    return ClassFound(
        dict(zip(settings, arrays["train"], strict=True)),
        dict(zip(settings, arrays["test"], strict=True)),
        tuple(next(there) if known else None for known in arrays["known"].tolist()),
    )


def detect_class(
    feature: Feature,
    data: ClassData,
    grids: tuple[GridSource, GridSource],
    c: float,
    options: DetectOptions,
    progress: Progress | None = None,
) -> ClassFound:
    """Detect the keypoints of one class.

    Args:
        feature: a layer, or dense SIFT.
        data: the instances.
        grids: of the training and of the test instances.
        c: of the SVMs.
        options: of the measurement.
        progress: counts fits, anew with every fold.
    """
    scale = feature.scale(grids[0], options.seed)
    mining = Mining(c, options.rounds, options.negatives)
    labels = _labels(feature, data, options.size)
    held_out = _held_out(feature, grids[0], scale, labels, data.folds, mining, options.seed, progress)
    calibrations = _calibrations(held_out, labels)
    detectors: Sequence[Detector | None] = [None] * labels.points.shape[1]
    tested = np.empty((0, len(labels.places), labels.points.shape[1]), np.float32)
    if len(data.test):
        detectors = mine(feature.candidates(grids[0], scale), labels, mining, options.seed, progress)
        tested = _scores(feature.candidates(grids[1], scale), detectors, len(data.test), labels.points.shape[1])
    return ClassFound(
        _placed(held_out, calibrations, labels.places, data.train_prior, data.keypoints, options),
        _placed(tested, calibrations, labels.places, data.test_prior, data.keypoints, options),
        tuple(detectors),
    )


def _labels(feature: Feature, data: ClassData, size: int) -> CandidateLabels:
    train, columns = data.train, data.keypoints
    points = train.unit[:, columns] * size
    return CandidateLabels(feature.cells.places().reshape(-1, 2), points, train.visible[:, columns], feature.rule)


def _held_out(
    feature: Feature,
    grids: GridSource,
    scale: float,
    labels: CandidateLabels,
    folds: NDArray[np.int64],
    mining: Mining,
    seed: int,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """The scores ``(N, each, J)`` of training instances by detectors of the other folds; NaN where there is none."""
    count = labels.points.shape[1]
    scores = np.full((len(folds), len(labels.places), count), np.nan, dtype=np.float32)
    for fold in np.unique(folds):
        rest, own = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(rest):
            continue
        known = CandidateLabels(labels.places, labels.points[rest], labels.visible[rest], labels.rule)
        detectors = mine(feature.candidates(Subset(grids, rest), scale), known, mining, seed, progress)
        scores[own] = _scores(feature.candidates(Subset(grids, own), scale), detectors, len(own), count)
    return scores


def _scores(
    candidates: Candidates, detectors: Sequence[Detector | None], instances: int, count: int
) -> NDArray[np.float32]:
    """The scores ``(N, each, J)`` of all candidates; NaN where there is no detector."""
    scores = np.full((instances, candidates.each, count), np.nan, dtype=np.float32)
    there = [k for k, detector in enumerate(detectors) if detector is not None]
    solutions = [detector.solution for detector in detectors if detector is not None]
    if solutions and instances:
        for first, found in candidates.scores(solutions):
            scores[first : first + len(found), :, there] = found
    return scores


def _calibrations(scores: NDArray[np.float32], labels: CandidateLabels) -> list[Calibration | None]:
    """The logistic of each detector's held-out scores: positive against negative candidates."""
    starts = range(0, len(labels.points), TOGETHER)
    negative = np.concatenate([labels.negative(first, first + TOGETHER) for first in starts])
    found: list[Calibration | None] = []
    for k in range(scores.shape[2]):
        own = scores[..., k].ravel()
        positive = np.zeros(len(own), dtype=np.bool_)
        positive[labels.positive(k)] = True
        used = (positive | negative[..., k].ravel()) & np.isfinite(own)
        count = int((positive & used).sum())
        fine = 0 < count < int(used.sum())
        found.append(calibrate(own[used], positive[used]) if fine else None)
    return found


def _placed(
    scores: NDArray[np.float32],
    calibrations: Sequence[Calibration | None],
    places: Points,
    prior: Points,
    keypoints: NDArray[np.intp],
    options: DetectOptions,
) -> Placed:
    """The best candidates at every setting; without the prior those of the highest score."""
    placed = {setting: np.full(prior.shape, np.nan) for setting in options.settings}
    for k, calibration in enumerate(calibrations):
        own = np.flatnonzero(np.isfinite(scores[:, 0, k]))
        if calibration is None or not len(own):
            continue
        column = keypoints[k]
        log_s = calibration.log(scores[own, :, k])
        log_p: dict[float, Floats] = {}
        for eta, sigma in options.settings:
            if sigma not in log_p:
                log_p[sigma] = log_gaussian(places, prior[own, column] * options.size, sigma)
            ranked = log_s if eta else scores[own, :, k].astype(np.float64)
            placed[eta, sigma][own, column] = best_place(places, ranked, log_p[sigma], eta) / options.size
    return placed


@dataclass(frozen=True)
class Calibration:
    """s = 1 / (1 + exp(-(slope score + offset)))."""

    slope: float
    offset: float

    def log(self, scores: NDArray[np.floating]) -> Floats:
        """The logarithm of s."""
        logarithm: Floats = -np.logaddexp(0.0, -(self.slope * scores.astype(np.float64) + self.offset))
        return logarithm


def calibrate(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Calibration:
    """Fit a logistic that does not fall to scores ``(n,)`` by maximum likelihood, with Platt's targets.

    Of a detector whose held-out scores rank the negative examples higher, s is the same everywhere: the prior decides.

    Raises:
        ValueError: where all are positive, or none.
    """
    count = int(positive.sum())
    if count in (0, len(positive)):
        raise ValueError(f"{count} of {len(positive)} scores are of positive examples; expected some of both")
    target = np.where(positive, (count + 1) / (count + 2), 1 / (len(positive) - count + 2))
    x = np.stack([scores.astype(np.float64), np.ones(len(scores))], axis=1)
    weights = np.array([0.0, np.log((count + 1) / (len(positive) - count + 1))])
    loss = _loss(x @ weights, target)
    for _ in range(100):
        s = 1 / (1 + np.exp(-(x @ weights)))
        gradient = x.T @ (s - target)
        if np.abs(gradient).max() < 1e-8 * len(scores):
            break
        hessian = (x.T * (s * (1 - s))) @ x + 1e-12 * np.eye(2)
        step = -np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-10 and _loss(x @ (weights + length * step), target) > loss + 1e-4 * length * gradient @ step:
            length /= 2
        weights = weights + length * step
        loss = _loss(x @ weights, target)
    if weights[0] < 0:  # the loss is convex: the best slope from 0 on is 0
        mean = float(target.mean())
        return Calibration(0.0, float(np.log(mean / (1 - mean))))
    return Calibration(float(weights[0]), float(weights[1]))


def _loss(z: Floats, target: Floats) -> float:
    return float((np.logaddexp(0.0, z) - target * z).sum())


def log_gaussian(places: Points, centres: Points, sigma: float) -> Floats:
    """The logarithm of a round Gaussian's density, up to a constant.

    Args:
        places: ``(n, 2)`` in pixels.
        centres: ``(..., 2)`` in pixels; NaN where there is no prior.
        sigma: in pixels.

    Returns:
        ``(..., n)``; 0 all over where there is no prior.
    """
    squared = np.square(centres[..., None, :] - places).sum(axis=-1)
    logarithm: Floats = np.nan_to_num(-squared / (2 * sigma**2), nan=0.0)
    return logarithm


def best_place(places: Points, log_s: Floats, log_p: Floats, eta: float) -> Points:
    """The candidates ``(..., 2)`` with the largest (1 - eta) log s + eta log p ``(..., n)``; of equals the first."""
    best: Points = places[np.argmax((1 - eta) * log_s + eta * log_p, axis=-1)]
    return best
