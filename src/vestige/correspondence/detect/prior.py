"""Detections with a prior: calibrated scores and a Gaussian about where the nearest neighbour has the keypoint.

Section 5 of the paper combines a detector's score s with a prior p as s^(1 - eta) p^eta. An SVM's score may be
negative, so s is the logistic of the score, calibrated on instances that the detector was not trained on (J. Platt,
*Probabilistic outputs for support vector machines*, 1999, with the targets and the Newton method of Lin, Lin and Weng,
Machine Learning 68, 2007); candidates are ranked by (1 - eta) log s + eta log p.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.geometry import Points
from vestige.intervals import Floats


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
