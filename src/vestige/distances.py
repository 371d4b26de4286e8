"""How far predicted points are from the true ones, what distances are divided by, and how many are near enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vestige.geometry import Box, Points
from vestige.intervals import Booleans, Floats


def eye_centres(points: Points, eyes: tuple[tuple[int, ...], tuple[int, ...]]) -> Points:
    """The means of two sets of points: ``(N, K, 2) -> (N, 2, 2)``."""
    return np.stack([points[:, list(side)].mean(axis=1) for side in eyes], axis=1)


def eye_distance(points: Points, eyes: tuple[tuple[int, ...], tuple[int, ...]]) -> Floats:
    """The distance of two eyes' centres in pixels: ``(N, K, 2) -> (N,)``."""
    centres = eye_centres(points, eyes)
    distances: Floats = np.linalg.norm(centres[:, 0] - centres[:, 1], axis=-1)
    return distances


def box_scale(boxes: Box) -> Floats:
    """The square root of the boxes' areas in pixels: ``(N, 4) -> (N,)``."""
    scale: Floats = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return scale


def longer_side(boxes: Box) -> Floats:
    """The longer side of boxes in pixels: ``(N, 4) -> (N,)``."""
    sides: Floats = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return sides


def point_errors(predicted: Points, truth: Points) -> Floats:
    """Euclidean distances in pixels: ``(N, K, 2), (N, K, 2) -> (N, K)``."""
    distances: Floats = np.linalg.norm(predicted - truth, axis=-1)
    return distances


def mean_over_visible(errors: Floats, visible: Booleans) -> Floats:
    """The mean over an example's visible points: ``(N, K) -> (N,)``; NaN where none is visible."""
    count = visible.sum(axis=1)
    total = np.where(visible, errors, 0.0).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(len(errors), np.nan), where=count > 0)
    return means


def pck_by_type(hits: ArrayLike, visible: Booleans) -> Floats:
    """The share of hits among the visible keypoints of each type: ``(N, K), (N, K) -> (K,)``; NaN for one never seen.

    Args:
        hits: booleans, or shares where several predictions are averaged; what is not visible is not looked at.
        visible: whether the keypoint is there to be found.
    """
    count = visible.sum(axis=0)
    total = np.where(visible, hits, 0.0).sum(axis=0)
    rates: Floats = np.divide(total, count, out=np.full(visible.shape[1], np.nan), where=count > 0)
    return rates


def cumulative_error(errors: Floats, at: Floats) -> Floats:
    """The share of examples with an error of at most each of ``at``: ``(N,), (M,) -> (M,)``."""
    shares: Floats = np.searchsorted(np.sort(errors), at, side="right") / max(len(errors), 1)
    return shares
