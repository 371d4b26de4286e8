"""Directions in representation space along which an attribute varies (section 4, eq. 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.intervals import Floats

_SAME = 1e-6
"""The share of a direction's length that must be left when others are taken out of it."""


@dataclass(frozen=True)
class Direction:
    """A unit vector of representation space, and the range of an attribute's projections on it.

    Attributes:
        attribute: the name of what varies along it.
        others: the names of the attributes whose regressors it is orthogonal to; () for the regressor's own direction.
        unit: ``(d,)`` of length 1.
        low, high: the range of lambda.
    """

    attribute: str
    others: tuple[str, ...]
    unit: Floats
    low: float = 0.0
    high: float = 0.0

    @property
    def name(self) -> str:
        """The attribute, and what the direction is orthogonal to."""
        return self.attribute if not self.others else f"{self.attribute}, orthogonal to {' and '.join(self.others)}"

    @property
    def method(self) -> str:
        """The method of its Rows: ``ridge``, or ``orthogonal``."""
        return "orthogonal" if self.others else "ridge"

    def steps(self, n: int) -> Floats:
        """``n`` values of lambda, evenly from the lowest to the highest."""
        return np.linspace(self.low, self.high, n)


def unit_vector(coef: ArrayLike) -> Floats:
    """A regressor's coefficients ``(d,)`` divided by their length; the intercept plays no part in a direction.

    Raises:
        ValueError: where they are all 0: the regressor reads the same from everything.
    """
    coef = np.asarray(coef, dtype=np.float64)
    length = float(np.linalg.norm(coef))
    if length == 0:
        raise ValueError("a regressor with no coefficient but 0 has no direction")
    unit: Floats = coef / length
    return unit


def orthogonal_part(vector: ArrayLike, others: ArrayLike) -> Floats:
    """The part of a vector that is orthogonal to every one of others, at unit length: ``(d,), (k, d) -> (d,)``.

    It is projected out of their span, which is what Gram and Schmidt's steps come to, by an orthonormal basis.

    Raises:
        ValueError: where nothing of it is left: it lies in their span.
    """
    vector, others = np.asarray(vector, dtype=np.float64), np.asarray(others, dtype=np.float64)
    basis = _orthonormal(others)
    left = vector
    for _ in range(2):  # the second time takes out what rounding left of the first
        left = left - basis.T @ (basis @ left)
    if float(np.linalg.norm(left)) <= _SAME * float(np.linalg.norm(vector)):
        raise ValueError("the direction lies in the span of those that it should be orthogonal to")
    return unit_vector(left)


def _orthonormal(vectors: Floats) -> Floats:
    """An orthonormal basis ``(r, d)`` of the span of ``(k, d)`` vectors, r <= k."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    _, strengths, basis = np.linalg.svd(scaled, full_matrices=False)
    found: Floats = basis[strengths > _SAME]
    return found


def move(features: ArrayLike, unit: Floats, lambdas: ArrayLike) -> Floats:
    """``f' = f - (w f) w + lambda w`` (eq. 6 and 7): the part along ``w`` is exchanged, the rest stays.

    Args:
        features: ``(n, d)``.
        unit: ``w``, ``(d,)`` of length 1.
        lambdas: ``(n,)``, or one for all.

    Returns:
        ``(n, d)`` float64: projections on ``w`` are the lambdas.
    """
    features = np.asarray(features, dtype=np.float64)
    shift = np.asarray(lambdas, dtype=np.float64) - features @ unit
    moved: Floats = features + shift[:, None] * unit
    return moved


def attribute_directions(
    coef: NDArray[Any], names: Sequence[str], attributes: Sequence[str], orthogonal_to: Sequence[str]
) -> tuple[Direction, ...]:
    """Each attribute's direction, and beside it the one orthogonal to the others asked for; their range is nought yet.

    Args:
        coef: ``(t, d)`` of the attributes' regressors.
        names: ``(t,)`` of them.
        attributes: those that directions are wanted of.
        orthogonal_to: to whose regressors a second direction is orthogonal; an attribute never to itself.

    Raises:
        ValueError: naming the attribute whose direction cannot be had.
    """
    found = []
    for attribute in attributes:
        own = coef[names.index(attribute)]
        others = tuple(name for name in dict.fromkeys(orthogonal_to) if name != attribute)
        try:
            found.append(Direction(attribute, (), unit_vector(own)))
            if others:
                rest = orthogonal_part(own, coef[[names.index(name) for name in others]])
                found.append(Direction(attribute, others, rest))
        except ValueError as error:
            raise ValueError(f"{attribute}: {error}") from error
    return tuple(found)


def lambda_range(projections: ArrayLike, quantile: float, stretch: float = 1.0) -> tuple[float, float]:
    """From where to where lambda goes: quantiles of projections ``(n,)``, widened about their middle.

    Args:
        projections: of the training pictures on the direction.
        quantile: where lambda begins; it ends at 1 less it.
        stretch: 1 for that range, 2 for one twice as wide.
    """
    low, high = np.quantile(np.asarray(projections, dtype=np.float64), [quantile, 1 - quantile])
    middle, half = (low + high) / 2, (high - low) / 2 * stretch
    return float(middle - half), float(middle + half)
