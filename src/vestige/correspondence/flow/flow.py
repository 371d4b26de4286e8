"""Dense correspondence between two grids of features: which cell of the target each cell of the source answers to.

*Do Convnets Learn Correspondence?* (Long, Zhang and Darrell, 2014), section 3: the field w minimises

    E(w) = sum_p |f_s(p) - f_t(p + w(p))| + beta sum_(p,q) |w(p) - w(q)|^2

over the edges of the 4-neighbourhood; every cell of the target is a label of every cell of the source. beta is in
units of feature distance per squared cell, so it goes with the scale of the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from vestige.correspondence.flow.propagation import Labelling, minimise
from vestige.correspondence.flow.warping import interpolate, transfer, warp
from vestige.errors import VestigeError

__all__ = ["Labelling", "align", "align_many", "deformation", "distances", "interpolate", "solve", "transfer", "warp"]

LARGEST_BETA = 1e12
"""Above it float32 messages hold nothing of the features."""

Field = npt.NDArray[np.int64]
"""``(H, W, 2)``, the displacement (dx, dy) in grid cells of each cell of the source into the target."""


def align(
    source: npt.ArrayLike,
    target: npt.ArrayLike,
    beta: float = 3e-3,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> tuple[Field, float]:
    """The field of lowest energy that belief propagation finds from one grid of features to another.

    Args:
        source: ``(H, W, C)``, finite.
        target: ``(H2, W2, C)``, finite.
        beta: weight of the deformation, at least 0; 0 gives every cell its nearest neighbour. The paper's, for conv4
            and SIFT, is 3e-3.
        max_iterations: of belief propagation, each of two passes over the grid.
        tolerance: of the energy; see :func:`vestige.correspondence.flow.propagation.minimise`.

    Returns:
        the field ``(H, W, 2)`` of whole (dx, dy) in grid cells, and its energy E(w).

    Raises:
        VestigeError: where shapes, numbers or options do not fit.
    """
    found = solve(source, target, beta, max_iterations=max_iterations, tolerance=tolerance)
    return _field(found.labels, np.shape(target)[1]), found.energy


def align_many(
    sources: Sequence[npt.ArrayLike] | npt.ArrayLike,
    targets: Sequence[npt.ArrayLike] | npt.ArrayLike,
    beta: float = 3e-3,
    *,
    workers: int = 1,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> tuple[Field, npt.NDArray[np.float64]]:
    """:func:`align` for many pairs, in threads.

    Args:
        sources: N grids ``(H, W, C)``, or a single one for all targets.
        targets: N grids ``(H2, W2, C)``, whose sizes may differ.
        beta: as in :func:`align`.
        workers: how many pairs are worked on at once, each in ``12 H W H2 W2`` bytes, and twice that while its
            distances are computed. The result does not depend on it.
        max_iterations: as in :func:`align`.
        tolerance: as in :func:`align`.

    Returns:
        fields ``(N, H, W, 2)`` and energies ``(N,)``.

    Raises:
        VestigeError: as :func:`align`, with the number of the pair; where there are not as many sources as targets,
            or the sources are not all of one size.
    """
    grids = [np.asarray(target) for target in targets]  # type: ignore[union-attr]
    single = isinstance(sources, np.ndarray) and sources.ndim == 3
    origins = [np.asarray(sources)] * len(grids) if single else [np.asarray(each) for each in sources]  # type: ignore[union-attr]
    if len(origins) != len(grids) or not grids:
        raise VestigeError(f"{len(origins)} sources and {len(grids)} targets: expected as many of each, at least one")
    if len({origin.shape[:2] for origin in origins}) > 1:
        raise VestigeError("sources differ in height or width: align those of one size at a time")
    if workers < 1:
        raise VestigeError(f"workers {workers}: expected 1 or more")

    def one(number: int) -> tuple[Field, float]:
        try:
            return align(origins[number], grids[number], beta, max_iterations=max_iterations, tolerance=tolerance)
        except VestigeError as error:
            raise VestigeError(f"pair {number}: {error}") from error

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:  # else threads wait for threads
        found = list(pool.map(one, range(len(grids))))
    return np.stack([field for field, _ in found]), np.array([energy for _, energy in found])


def solve(
    source: npt.ArrayLike,
    target: npt.ArrayLike,
    beta: float = 3e-3,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> Labelling:
    """As :func:`align`, with what belief propagation tells beside the labels: bound, iterations, convergence."""
    _check_beta(beta)
    if max_iterations < 1:
        raise VestigeError(f"max_iterations {max_iterations}: expected 1 or more")
    if not tolerance >= 0:
        raise VestigeError(f"tolerance {tolerance}: expected a number, 0 or above")
    unary = distances(source, target)
    coupling = np.full((2, *unary.shape[:2]), float(beta))
    return minimise(unary, coupling, max_iterations=max_iterations, tolerance=tolerance)


def distances(source: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """``|f_s(p) - f_t(t)|`` of every cell p of the source and t of the target, by one product of matrices.

    |a - b|^2 = |a|^2 + |b|^2 - 2 a.b cancels where a is near b; hence float64, about the mean of the target.

    Args:
        source: ``(H, W, C)``, finite.
        target: ``(H2, W2, C)``, finite.

    Returns:
        ``(H, W, H2, W2)``.

    Raises:
        VestigeError: where a grid is not of this form or the channels differ.
    """
    first, second = _features(source, "source"), _features(target, "target")
    if first.shape[2] != second.shape[2]:
        raise VestigeError(
            f"source has {first.shape[2]} channels, target {second.shape[2]}: read both from the same layer"
        )
    centre = second.mean(axis=(0, 1))
    a, b = (first - centre).reshape(-1, centre.size), (second - centre).reshape(-1, centre.size)
    squared = a @ b.T
    squared *= -2
    squared += np.einsum("ic,ic->i", a, a)[:, None]
    squared += np.einsum("ic,ic->i", b, b)
    np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
    unary: npt.NDArray[np.float32] = squared.astype(np.float32).reshape(*first.shape[:2], *second.shape[:2])
    return unary


def deformation(field: npt.ArrayLike, beta: float) -> npt.NDArray[np.float64]:
    """The smoothness term of E: ``beta sum_(p,q) |w(p) - w(q)|^2`` over the edges of the 4-neighbourhood.

    Args:
        field: ``(..., H, W, 2)``.
        beta: at least 0.

    Returns:
        ``(...)``; of a single field, a number.

    Raises:
        VestigeError: where the field is not of this form or beta is negative.
    """
    _check_beta(beta)
    values = np.asarray(field, dtype=np.float64)
    if values.ndim < 3 or values.shape[-1] != 2:
        raise VestigeError(f"field of shape {values.shape}: expected (..., H, W, 2)")
    across, down = np.diff(values, axis=-2), np.diff(values, axis=-3)
    total: npt.NDArray[np.float64] = beta * ((across**2).sum(axis=(-3, -2, -1)) + (down**2).sum(axis=(-3, -2, -1)))
    return total


def _field(labels: npt.NDArray[np.int64], target_width: int) -> Field:
    y, x = np.indices(labels.shape)
    return np.stack([labels % target_width - x, labels // target_width - y], axis=-1)


def _features(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    try:
        grid = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise VestigeError(f"{name}: expected an array (H, W, C) of real numbers ({error})") from error
    if grid.ndim != 3 or grid.size == 0:
        raise VestigeError(f"{name} of shape {grid.shape}: expected a grid of features (H, W, C)")
    if not np.isfinite(grid).all():
        raise VestigeError(f"{name} holds numbers that are not finite: look at the layer's output for this picture")
    return grid


def _check_beta(beta: float) -> None:
    if not 0 <= beta <= LARGEST_BETA:
        raise VestigeError(f"beta {beta}: expected a number from 0 to {LARGEST_BETA:g}")
