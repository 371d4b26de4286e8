"""Directions in representation space along which an attribute varies (section 4, eq. 6 and 7), and what moving along
them does to readings: to the attribute's own, and to the others, which should stay."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats, interval
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.views import whole_views
from vestige.results import Row

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
    """Each attribute's direction, and beside it the one orthogonal to the others asked for; their range is 0 as yet.

    Args:
        coef: ``(t, d)`` of the attributes' regressors.
        names: ``(t,)`` of them.
        attributes: those that directions are wanted of.
        orthogonal_to: to whose regressors a second direction is orthogonal; an attribute never to itself.

    Raises:
        ValueError: naming the attribute that has no direction.
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


def change_matrix(directions: Sequence[Direction], coef: NDArray[np.float32], deviations: Floats) -> Floats:
    """By how much each reading changes from one end of each direction to the other; for linear readings, exactly.

    Args:
        directions: D of them.
        coef: ``(t, d)`` of the regressors that read.
        deviations: ``(t,)``: the standard deviation of each of their readings.

    Returns:
        ``(D, t)`` in standard deviations.
    """
    units = np.stack([direction.unit for direction in directions])
    spans = np.array([direction.high - direction.low for direction in directions])
    changes: Floats = spans[:, None] * (units @ coef.T.astype(np.float64)) / deviations
    return changes


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A picture made of colour values, drawn when it is read.

    Attributes:
        base: ``(size * size * 3,)`` in [0, 1], in the order (y, x, channel); cut off at 0 and 1 when drawn.
        change: in the same shape: what is added, ``times`` over.
        times: how often ``change`` is added.
        size: side in pixels.
    """

    base: NDArray[np.float32]
    change: NDArray[np.float32]
    times: float
    size: int

    def read(self) -> Pixels:
        """``(size, size, 3)``."""
        return drawn(self.base + np.float32(self.times) * self.change, self.size)

    def digest(self) -> str:
        """A hash of the pixels."""
        return hashlib.sha256(self.read().tobytes()).hexdigest()


def drawn(values: NDArray[np.float32], size: int) -> Pixels:
    """Colour values ``(size * size * 3,)`` as a picture; below 0 and above 1 they are cut off."""
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).reshape(size, size, 3)


def reencoded_readings(pictures: Sequence[Reconstruction], probe: LinearProbe, reader: Reader) -> NDArray[np.float32]:
    """What a probe reads from pictures ``(n, t)`` that go through the network whole.

    Their features are kept nowhere: nobody asks for them twice.
    """
    examples = [Example(f"reconstruction-{k}", f"{k}", picture) for k, picture in enumerate(pictures)]
    with tempfile.TemporaryDirectory(prefix="vestige-") as folder:
        return probe.read(whole_views(examples).crops(), replace(reader, cache=Path(folder))).astype(np.float32)


@dataclass(frozen=True)
class Effects:
    """What moving along D directions does to t readings, in standard deviations of each reading over the test faces.

    Attributes:
        own: ``(D, t)``: of the regressors that the directions come from: exact, and linear by construction.
        other_half: ``(D, t)``: directions from one half of the training groups, read by regressors of the other, the
            mean of both ways.
        reencoded: ``(K, D, S, t)``: readings of K faces' reconstructions at S steps of each direction, after these went
            through the network; less the reading's mean over the test faces.
    """

    own: Floats
    other_half: Floats
    reencoded: Floats

    def reencoded_changes(self) -> Floats:
        """``(K, D, t)``: from the first step to the last."""
        changes: Floats = self.reencoded[:, :, -1] - self.reencoded[:, :, 0]
        return changes


def effect_rows(
    directions: Sequence[Direction], names: Sequence[str], effects: Effects, n: int, bootstrap: Bootstrap
) -> list[Row]:
    """Rows ``change`` (of the attribute's own reading) and ``leak`` (of another's), in standard deviations.

    Subsets are the attribute, or ``moved > read``; ``all`` is the mean change, and the mean size of a leak. With
    ``_other_half`` and ``_reencoded`` they are those measures of :class:`Effects`; only the last varies by face and has
    an interval.

    Args:
        directions: D of them.
        names: ``(t,)`` of the readings.
        effects: of the directions.
        n: how many test faces there are.
        bootstrap: over the K faces that are read again.
    """
    rows = []
    faces = effects.reencoded_changes()
    several = bootstrap.means(faces.reshape(len(faces), -1)) if len(faces) else None
    groups = bootstrap.count(np.ones(len(faces)))
    for method in dict.fromkeys(direction.method for direction in directions):
        which = [k for k, direction in enumerate(directions) if direction.method == method]
        for ending, matrix in (("", effects.own), ("_other_half", effects.other_half)):
            for (metric, subset), value in _numbers(directions, names, which, matrix).items():
                rows.append(Row(method, metric + ending, subset, value, None, n))
        if several is not None:
            resampled = [_numbers(directions, names, which, m) for m in several.reshape(-1, *faces.shape[1:])]
            for key, value in _numbers(directions, names, which, faces.mean(axis=0)).items():
                ci95 = interval(np.array([numbers[key] for numbers in resampled]), groups)
                rows.append(Row(method, f"{key[0]}_reencoded", key[1], value, ci95, len(faces)))
    return rows


def _numbers(
    directions: Sequence[Direction], names: Sequence[str], which: Sequence[int], matrix: Floats
) -> Mapping[tuple[str, str], float]:
    """(metric, subset) -> value, of some directions and a matrix ``(D, t)``."""
    found: dict[tuple[str, str], float] = {}
    changes, leaks = [], []
    for k in which:
        attribute = directions[k].attribute
        for name, value in zip(names, matrix[k].tolist(), strict=True):
            if name == attribute:
                found["change", attribute] = value
                changes.append(value)
            else:
                found["leak", f"{attribute} > {name}"] = value
                leaks.append(abs(value))
    found["change", "all"] = float(np.mean(changes))
    if leaks:
        found["leak", "all"] = float(np.mean(leaks))
    return {key: value for key, value in found.items() if np.isfinite(value)}


def pictures_along(
    directions: Sequence[Direction],
    bases: NDArray[np.float32],
    projections: Floats,
    changes: NDArray[np.float32],
    n_steps: int,
    size: int,
) -> Iterator[Reconstruction]:
    """The reconstructions of K faces at every step of every direction, in the order (face, direction, step).

    As colours are linear in the representation, ``R f' = R f + (lambda - w f) R w``.

    Args:
        directions: D of them.
        bases: ``(K, t)``: the faces' reconstructions.
        projections: ``(K, D)``: of the faces on the directions.
        changes: ``(D, t)``: ``R w`` of each direction.
        n_steps: S.
        size: side in pixels.
    """
    for base, own in zip(bases, projections, strict=True):
        for direction, projection, change in zip(directions, own, changes, strict=True):
            for value in direction.steps(n_steps):
                yield Reconstruction(base, change, float(value - projection), size)
