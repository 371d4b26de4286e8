"""Min-sum belief propagation on a grid whose labels are displacements with squared differences.

The energy of labels t(p), cells of the target, on cells p of the source is

    E = sum_p D(p, t(p)) + sum_(p,q) c_pq |(t(p) - p) - (t(q) - q)|^2

over the 4-neighbourhood. Messages are squared distance transforms, read one cell aside: with d = q - p,

    M_pq(t) = min over s of h_p(s) + c_pq |s - (t - d)|^2.

Schedule and weights are those of sequential tree-reweighted message passing (V. Kolmogorov, *Convergent
Tree-Reweighted Message Passing for Energy Minimization*, PAMI 28, 2006). On a chain it is plain belief propagation,
exact in one pass; with cycles its messages come with a lower bound of the energy that does not fall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vestige.errors import VestigeError

_PATIENCE = 2
"""So many iterations in a row must change nothing before the search ends."""

_FAST = {"nnan", "nsz"}
"""Every number here is finite or infinite, never NaN; minima are then vectorised."""

_FAR = 1 << 40
"""Farther than any cell."""

SMALLEST_BETA = float(np.finfo(np.float64).tiny)
"""Below this, parabolas are taken as flat (1 / beta would not be finite)."""


@dataclass(frozen=True)
class Labelling:
    """The best labelling that was seen.

    Attributes:
        labels: ``(H, W)``, each ``y * W2 + x`` of a target cell.
        energy: of the labels.
        bound: no labelling has a lower energy, to the rounding of float32.
        iterations: how many were done, each a pass backwards and one forwards.
        converged: whether the energy met the bound or both came to rest before the iterations ran out.
    """

    labels: npt.NDArray[np.int64]
    energy: float
    bound: float
    iterations: int
    converged: bool


def minimise(
    unary: npt.NDArray[np.float32],
    coupling: npt.NDArray[np.float64],
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> Labelling:
    """Labels of low energy: the best decoded after any iteration, polished by iterated conditional modes.

    Args:
        unary: D, ``(H, W, H2, W2)``, finite.
        coupling: ``(2, H, W)``, c of the edges from each cell to its right and to its lower neighbour, at least 0;
            0 where there is no edge. What stands for edges that leave the grid is not read.
        max_iterations: at least 1.
        tolerance: of the energy; the search ends where energy and bound differ by less, or neither moved by more
            in two iterations.

    Returns:
        the labelling; on trees without ties it is the optimum, given the iterations.
    """
    shape = np.array(unary.shape, dtype=np.int64)
    costs = np.ascontiguousarray(unary, dtype=np.float32).reshape(shape[0] * shape[1], shape[2] * shape[3])
    weights = np.where(coupling < SMALLEST_BETA, 0.0, coupling)
    weights[0, :, -1] = weights[1, -1, :] = 0.0
    gamma = _gamma(weights)
    weights = weights.reshape(2, -1)
    messages = np.zeros((2, *costs.shape), np.float32)

    best = labels = costs.argmin(axis=1)
    energy, bound = labelling_energy(costs, weights, shape, best), -np.inf
    iterations = still = 0
    while iterations < max_iterations and still < _PATIENCE:
        iterations += 1
        new_bound = _pass_backwards(costs, messages, weights, gamma, shape)
        labels = _pass_forwards(costs, messages, weights, gamma, shape)
        new_energy = min(energy, found := labelling_energy(costs, weights, shape, labels))
        if found < energy:
            best = labels
        step = tolerance * abs(new_energy)
        moved = energy - new_energy > step or new_bound - bound > step
        energy, bound = new_energy, max(bound, new_bound)
        met = energy - bound <= step
        still = _PATIENCE if met else 0 if moved else still + 1
    best = _conditional_modes(costs, weights, shape, best)
    energy = labelling_energy(costs, weights, shape, best)
    return Labelling(best.reshape(unary.shape[:2]), energy, min(bound, energy), iterations, still >= _PATIENCE)


def _gamma(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """``(H * W,)``: 1 / the number of monotonic chains through each cell: of its edges forwards or backwards."""
    right, down = weights > 0
    forwards = right.astype(int) + down
    backwards = np.zeros_like(forwards)
    backwards[:, 1:] += right[:, :-1]
    backwards[1:] += down[:-1]
    chains = np.maximum(np.maximum(forwards, backwards), 1)
    gamma: npt.NDArray[np.float32] = (1 / chains).astype(np.float32).ravel()
    return gamma


@njit(nogil=True, cache=True)
def labelling_energy(costs: Any, weights: Any, shape: Any, labels: Any) -> float:
    """E of ``labels (H * W,)``, in float64."""
    width, target_width = shape[1], shape[3]
    energy = 0.0
    for p in range(labels.size):
        energy += costs[p, labels[p]]
        for axis in range(2):
            if weights[axis, p] > 0:
                q = p + 1 if axis == 0 else p + width
                dx = labels[q] % target_width - labels[p] % target_width - (1 - axis)
                dy = labels[q] // target_width - labels[p] // target_width - axis
                energy += weights[axis, p] * (dx * dx + dy * dy)
    return energy


@njit(nogil=True, cache=True, fastmath=_FAST)
def _pass_backwards(costs: Any, messages: Any, weights: Any, gamma: Any, shape: Any) -> float:
    """From the last cell to the first: messages to the left and upwards; gives the lower bound.

    ``messages[axis, p]`` holds one message for the edge that leaves p along the axis: towards p after this pass,
    away from p after the next. The one that is overwritten is the one that its update needs, and nothing else does.
    """
    height, width, target_height, target_width = shape
    count = target_height * target_width
    belief, sent, out = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    scratch = new_scratch(target_height, target_width)
    bound = 0.0
    for p in range(height * width - 1, -1, -1):
        bound += _belief(costs, messages, weights, p, width, belief)
        for axis in range(2):
            q = p - 1 if axis == 0 else p - width
            if q >= 0 and weights[axis, q] > 0:
                incoming = messages[axis, q]
                for t in range(count):
                    sent[t] = gamma[p] * belief[t] - incoming[t]
                least = transform_into(
                    sent, target_height, target_width, weights[axis, q], axis - 1, -axis, scratch, out
                )
                bound += least
                low = np.float32(least)
                for t in range(count):
                    incoming[t] = out[t] - low
    return bound


@njit(nogil=True, cache=True, fastmath=_FAST)
def _pass_forwards(costs: Any, messages: Any, weights: Any, gamma: Any, shape: Any) -> Any:
    """From the first cell to the last: messages to the right and downwards; gives labels ``(H * W,)``.

    A cell's label is the best given the labels of the cells before it and the messages of those behind it.
    """
    height, width, target_height, target_width = shape
    count = target_height * target_width
    belief, sent, out = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    scratch = new_scratch(target_height, target_width)
    labels = np.empty(height * width, np.int64)
    for p in range(height * width):
        _belief(costs, messages, weights, p, width, belief)
        sent[:] = costs[p]
        for axis in range(2):
            q = p - 1 if axis == 0 else p - width
            if q >= 0 and weights[axis, q] > 0:
                _add_pairwise(sent, weights[axis, q], target_width, labels[q], 1 - axis, axis)
            if weights[axis, p] > 0:
                sent += messages[axis, p]
        labels[p] = sent.argmin()
        for axis in range(2):
            if weights[axis, p] > 0:
                incoming = messages[axis, p]
                for t in range(count):
                    sent[t] = gamma[p] * belief[t] - incoming[t]
                low = np.float32(
                    transform_into(sent, target_height, target_width, weights[axis, p], 1 - axis, axis, scratch, out)
                )
                for t in range(count):
                    incoming[t] = out[t] - low
    return labels


@njit(nogil=True, cache=True, fastmath=_FAST)
def _belief(costs: Any, messages: Any, weights: Any, p: int, width: int, belief: Any) -> Any:
    """D(p) and the messages of all neighbours, less their least value, which is given."""
    belief[:] = costs[p]
    for axis in range(2):
        q = p - 1 if axis == 0 else p - width
        if q >= 0 and weights[axis, q] > 0:
            belief += messages[axis, q]
        if weights[axis, p] > 0:
            belief += messages[axis, p]
    least = np.float32(np.inf)
    for value in belief:
        least = min(least, value)
    belief -= least
    return least


@njit(nogil=True, cache=True)
def _add_pairwise(costs: Any, weight: float, target_width: int, label: int, dx: int, dy: int) -> None:
    """Adds ``weight |t - label - (dx, dy)|^2`` for every target cell t."""
    x, y = label % target_width + dx, label // target_width + dy
    for row in range(costs.size // target_width):
        across = weight * ((row - y) * (row - y))
        for column in range(target_width):
            costs[row * target_width + column] += across + weight * ((column - x) * (column - x))


@njit(nogil=True, cache=True)
def _conditional_modes(costs: Any, weights: Any, shape: Any, labels: Any) -> Any:
    """Each cell's best label given its neighbours', until none is better: the energy never rises."""
    width, target_width = shape[1], shape[3]
    labels = labels.copy()
    total = np.empty(costs.shape[1], np.float64)
    changed = True
    while changed:
        changed = False
        for p in range(labels.size):
            total[:] = costs[p]
            for axis in range(2):
                q = p - 1 if axis == 0 else p - width
                if q >= 0 and weights[axis, q] > 0:
                    _add_pairwise(total, weights[axis, q], target_width, labels[q], 1 - axis, axis)
                if weights[axis, p] > 0:
                    q = p + 1 if axis == 0 else p + width
                    _add_pairwise(total, weights[axis, p], target_width, labels[q], axis - 1, -axis)
            lowest = total.argmin()
            # the margin keeps rounding from going round in circles
            if total[lowest] < total[labels[p]] * (1 - 1e-12):
                labels[p] = lowest
                changed = True
    return labels


def squared_distance_transform(
    costs: npt.ArrayLike, beta: float, shift: tuple[int, int] = (0, 0)
) -> npt.NDArray[np.float32]:
    """``out[t] = min over s of costs[s] + beta |t - shift - s|^2``.

    Args:
        costs: ``(H, W)``, finite; held as float32.
        beta: above 0, per squared cell.
        shift: ``(dx, dy)`` in cells; the envelope is read at ``t - shift``, which may lie off the grid.

    Returns:
        ``(H, W)``.

    Raises:
        VestigeError: where the costs are no finite grid or beta is not positive.
    """
    costs = np.ascontiguousarray(costs, dtype=np.float32)
    if costs.ndim != 2 or costs.size == 0 or not np.isfinite(costs).all():
        raise VestigeError(f"costs of shape {costs.shape}: expected a grid (H, W) of finite numbers")
    if not SMALLEST_BETA <= beta < np.inf:
        raise VestigeError(f"beta {beta}: expected a number above 0")
    height, width = costs.shape
    out = np.empty(costs.size, np.float32)
    transform_into(costs.ravel(), height, width, float(beta), shift[0], shift[1], new_scratch(height, width), out)
    return out.reshape(height, width)


@njit(nogil=True, cache=True)
def new_scratch(height: int, width: int) -> Any:
    """Room to work in, for grids of this size: the half-transformed grid, and the parabolas of an envelope.

    Of each: where it is centred, its height, and where it begins to be the lowest. Then 1 / (2 n) for every n.
    """
    longest = max(height, width)
    half_inverse = np.empty(longest, np.float64)
    half_inverse[0] = np.inf
    half_inverse[1:] = 0.5 / np.arange(1, longest)
    envelope = (
        np.empty(longest, np.int64),
        np.empty(longest, np.float64),
        np.empty(longest + 1, np.int64),
        half_inverse,
    )
    return np.empty(height * width, np.float32), envelope


@njit(nogil=True, cache=True)
def transform_into(costs: Any, height: int, width: int, beta: float, dx: int, dy: int, scratch: Any, out: Any) -> Any:
    """Writes the transform of ``costs (height * width,)`` to ``out``, and gives its least value.

    Each axis reads lines of neighbouring numbers and writes them across, so that the other finds the same.
    """
    half, envelope = scratch
    for y in range(height):
        _line(costs[y * width : (y + 1) * width], beta, dx, half, y, height, envelope)
    least = np.float32(np.inf)
    for x in range(width):
        low = _line(half[x * height : (x + 1) * height], beta, dy, out, x, width, envelope)
        least = min(least, low)
    return least


@njit(nogil=True, cache=True)
def _line(f: Any, beta: float, shift: int, out: Any, start: int, step: int, envelope: Any) -> Any:
    """Along one axis: ``out[start + step * x] = min over q of f[q] + beta (x - shift - q)^2``; gives their least.

    The parabolas of q and v < q meet at ``((f(q)/beta + q^2) - (f(v)/beta + v^2)) / (2 (q - v))``. The envelope is read
    at whole numbers only, so a parabola begins at the next of them, and one that is the lowest at none is dropped:
    the reading then moves on by at most one parabola a sample, without a branch to mispredict.
    """
    where, heights, begins, half_inverse = envelope
    inverse = 1.0 / beta
    first, end = float(-shift), float(f.size - shift)
    last = 0
    where[0] = 0
    heights[0] = f[0] * inverse
    begins[0] = -_FAR
    for q in range(1, f.size):
        high = f[q] * inverse + q * q
        meet = (high - heights[last]) * half_inverse[q - where[last]]
        begin = int(np.ceil(min(max(meet, first), end)))
        while begin <= begins[last]:
            last -= 1
            meet = (high - heights[last]) * half_inverse[q - where[last]]
            begin = int(np.ceil(min(max(meet, first), end)))
        last += 1
        where[last] = q
        heights[last] = high
        begins[last] = begin
    begins[last + 1] = _FAR
    least = np.float32(np.inf)
    current = 0
    for x in range(f.size):
        at = x - shift
        current += begins[current + 1] <= at
        distance = at - where[current]
        value = np.float32(f[where[current]] + beta * (distance * distance))
        out[start + step * x] = value
        least = min(least, value)
    return least
