"""A linear SVM solved in the primal by Newton's method, exactly, for more rows than a dual solver is quick with.

The objective is LIBLINEAR's (L2-regularised, squared hinge loss, the constant feature regularised like any other):

    1/2 |w|^2 + C sum_i max(0, 1 - y_i w . x_i)^2.

It is quadratic wherever the set of rows inside the margin stays the same (Keerthi and DeCoste, JMLR 6, 2005; Chapelle,
Neural Computation 19, 2007). The Hessian is kept in float32 and changed by the rows that enter and leave the set; it
only leads the way. Gradients are added up in float64, and the search ends where they vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.blas import ssyrk

from vestige.intervals import Floats

RowNumbers = NDArray[np.int64]

MOST_STEPS = 100

TOLERANCE = 1e-10
"""Of the gradient's length, in shares of what it is at w = 0."""

_ROWS = 512  # that are turned into float64 at a time: few enough to stay in the processor's cache
_PRODUCTS = 8192  # whose products are added up in float32 before they are added in float64


@dataclass(frozen=True)
class Solution:
    """A fitted SVM.

    Attributes:
        weights: ``(d,)``.
        intercept: the weight of the constant feature.
        objective: the value of the objective.
        converged: whether the gradient vanished.
    """

    weights: Floats
    intercept: float
    objective: float
    converged: bool

    def scores(self, vectors: NDArray[np.float32], rows: RowNumbers | None = None) -> Floats:
        """``(n, d) -> (n,)``, or of some rows: above 0 on the positive side, 1 and -1 at the margins."""
        scores: Floats = _Some.of(vectors, rows).products(self.weights) + self.intercept
        return scores


def fit_svm(
    vectors: NDArray[np.float32],
    positive: NDArray[np.bool_],
    c: float,
    start: Solution | None = None,
    rows: RowNumbers | None = None,
) -> Solution:
    """Fit an SVM.

    Args:
        vectors: ``(m, d)``.
        positive: ``(n,)``: which examples are positive ones.
        c: of the objective.
        start: where to begin, which changes the time and not the result; None for zeros.
        rows: ``(n,)``: the vectors that are examples; None for all. They are not copied.
    """
    sign = np.where(positive, 1.0, -1.0)
    weights = np.zeros(vectors.shape[1] + 1) if start is None else np.append(start.weights, start.intercept)
    problem = _Problem(_Some.of(vectors, rows), sign, c)
    least = TOLERANCE * float(np.linalg.norm(problem.gradient(np.zeros_like(weights), np.zeros(len(sign)))))
    output = problem.output(weights)
    hessian = _Hessian(problem.examples, c)
    for _ in range(MOST_STEPS):
        gradient = problem.gradient(weights, output)
        if np.linalg.norm(gradient) <= least:
            return problem.solution(weights, output, converged=True)
        step = hessian.newton(sign * output < 1, gradient)
        change = problem.output(step)
        length = problem.length(weights, step, output, change)
        weights, output = weights + length * step, output + length * change
    return problem.solution(weights, output, converged=False)


@dataclass(frozen=True)
class _Some:
    """Some of the vectors ``(m, d)``, read a few at a time."""

    vectors: NDArray[np.float32]
    rows: RowNumbers

    @classmethod
    def of(cls, vectors: NDArray[np.float32], rows: RowNumbers | None) -> _Some:
        return cls(vectors, np.arange(len(vectors)) if rows is None else rows)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, which: slice | RowNumbers) -> NDArray[np.float32]:
        """Those at some places of the rows."""
        return self.vectors[self.rows[which]]

    def products(self, weights: Floats) -> Floats:
        """``(n,)``: of each with ``(d,)``, added up in float64."""
        products = np.empty(len(self))
        for here in self.blocks():
            products[here] = self.read(here).astype(np.float64) @ weights
        return products

    def blocks(self) -> Iterator[slice]:
        """Places of the rows that are turned into float64 at a time."""
        return (slice(i, i + _ROWS) for i in range(0, len(self), _ROWS))


class _Hessian:
    """The identity and 2 C x x^T for each row inside the margin (the generalised Hessian of the objective)."""

    def __init__(self, examples: _Some, c: float) -> None:
        self._examples = examples
        self._c = c
        self._inside = np.zeros(len(examples), dtype=np.bool_)
        self._lower = np.eye(examples.vectors.shape[1] + 1)  # the upper half holds nothing that is used
        self._factor = cho_factor(self._lower, lower=True)

    def newton(self, inside: NDArray[np.bool_], gradient: Floats) -> Floats:
        """Minus its inverse times the gradient, for the rows ``(n,)`` that are inside now."""
        entered, left = inside & ~self._inside, self._inside & ~inside
        if entered.any() or left.any():
            fresh = 2 * (entered.sum() + left.sum()) > inside.sum()  # quicker from the beginning, and more exact
            if fresh:
                self._lower, entered, left = np.eye(len(gradient)), inside, np.zeros_like(inside)
            self._lower += 2 * self._c * (self._products(entered) - self._products(left))
            self._inside = inside
            self._factor = cho_factor(self._lower, lower=True, check_finite=False)
        step: Floats = -cho_solve(self._factor, gradient, check_finite=False)
        return step

    def _products(self, which: NDArray[np.bool_]) -> Floats:
        """The sum of x x^T over rows, its lower half."""
        total = np.zeros(self._lower.shape)
        index = np.flatnonzero(which)
        for i in range(0, len(index), _PRODUCTS):
            own = np.ones((len(index[i : i + _PRODUCTS]), len(total)), dtype=np.float32)
            own[:, :-1] = self._examples.read(index[i : i + _PRODUCTS])
            total += ssyrk(1.0, own.T, lower=True)
        return total


@dataclass(frozen=True)
class _Problem:
    """The objective and its derivatives; weights ``(d + 1,)`` end with that of the constant feature."""

    examples: _Some
    sign: Floats
    c: float

    def output(self, weights: Floats) -> Floats:
        """``(n,)``: the examples' scores."""
        output: Floats = self.examples.products(weights[:-1]) + weights[-1]
        return output

    def objective(self, weights: Floats, output: Floats) -> float:
        """The value that is minimised."""
        hinge = np.maximum(1 - self.sign * output, 0)
        return float(weights @ weights / 2 + self.c * (hinge @ hinge))

    def gradient(self, weights: Floats, output: Floats) -> Floats:
        """``(d + 1,)``."""
        slope = -2 * self.c * self.sign * np.maximum(1 - self.sign * output, 0)
        total = weights.copy()
        for here in self.examples.blocks():
            total[:-1] += slope[here] @ self.examples.read(here).astype(np.float64)
        total[-1] += slope.sum()
        return total

    def length(self, weights: Floats, step: Floats, output: Floats, change: Floats) -> float:
        """How far to go along a step: 1 where that is downhill enough, else to the lowest point.

        Along a line the objective is convex and piecewise quadratic: its slope is followed from kink to kink.
        """
        here = self.objective(weights, output)
        slope = self._slope(weights, step, output, change, 0.0)
        if self.objective(weights + step, output + change) <= here + 1e-4 * slope:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            if self._slope(weights, step, output, change, middle) < 0:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def _slope(self, weights: Floats, step: Floats, output: Floats, change: Floats, at: float) -> float:
        hinge = np.maximum(1 - self.sign * (output + at * change), 0)
        return float((weights + at * step) @ step - 2 * self.c * (hinge * self.sign) @ change)

    def solution(self, weights: Floats, output: Floats, *, converged: bool) -> Solution:
        """What was found."""
        return Solution(weights[:-1], float(weights[-1]), self.objective(weights, output), converged)
