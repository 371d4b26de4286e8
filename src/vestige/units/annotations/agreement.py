"""How far people agree: on the groups of units (Krippendorff's alpha), and on the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from vestige.intervals import Bootstrap, Floats, Interval, interval
from vestige.text import plain_name
from vestige.units.annotations.answers import GROUPS, RELEASE_GROUPS, Answer

ByUnit = Mapping[tuple[str, int], Sequence[Answer]]
"""Answers by the layer and the number of the unit that they are on."""

_ALL_GROUPS = (*GROUPS, *RELEASE_GROUPS)


@dataclass(frozen=True)
class Agreement:
    """How far people agree on units that several of them named.

    Attributes:
        alpha: Krippendorff's alpha of the groups, as names without an order; None where it is undefined: no unit has
            two answers, or all answers are of one group.
        alpha_ci95: its 95 % interval (bootstrap over units).
        words: the share of equal words among pairs of answers on one unit, averaged over units; None without pairs.
        words_ci95: likewise.
        units: that have two answers or more.
    """

    alpha: float | None
    alpha_ci95: Interval | None
    words: float | None
    words_ci95: Interval | None
    units: int


def by_unit(answers: Iterable[Answer]) -> dict[tuple[str, int], list[Answer]]:
    """The answers that count, of each unit: those that passed."""
    found: dict[tuple[str, int], list[Answer]] = {}
    for answer in answers:
        if answer.passed:
            found.setdefault((answer.layer, answer.unit), []).append(answer)
    return found


def agreement(units: ByUnit, seed: int = 0) -> Agreement:
    """How far people agree on some units.

    Args:
        units: their answers, as :func:`by_unit` gives them.
        seed: of the bootstrap.
    """
    several = [answers for answers in units.values() if len(answers) > 1]
    if not several:
        return Agreement(None, None, None, None, 0)
    bootstrap = Bootstrap.draw(range(len(several)), seed)
    words = np.array([equal_words(answers) for answers in several])
    counts = np.array([[sum(a.group == group for a in answers) for group in _ALL_GROUPS] for answers in several])
    value = _alpha(counts)
    resampled = _resampled_alpha(counts, bootstrap.weights.astype(np.float64))
    return Agreement(
        value,
        None if value is None else interval(resampled, len(several)),
        float(words.mean()),
        bootstrap.interval_of_mean(words),
        len(several),
    )


def equal_words(answers: Sequence[Answer]) -> float:
    """The share of pairs of two or more answers that name the same concept, but for capitals and punctuation."""
    names = Counter(plain_name(answer.concept) for answer in answers)
    return sum(comb(n, 2) for n in names.values()) / comb(len(answers), 2)


def _alpha(counts: NDArray[np.int64]) -> float | None:
    """Krippendorff's alpha of how often each unit is put in each group ``(U, G)``."""
    import krippendorff

    if (counts.sum(axis=0) > 0).sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def _resampled_alpha(counts: NDArray[np.int64], weights: Floats) -> Floats:
    """The same where units count several times or not at all, ``(B, U)``; NaN where it is undefined: ``(B,)``.

    alpha = 1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k, with o_ck the coincidences of groups within units and
    n_c their sums (K. Krippendorff, *Content Analysis*, 3rd edition, section 11.3.3).
    """
    within = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1])
    within = within / (counts.sum(axis=1)[:, None, None] - 1)
    together = np.tensordot(weights, within, axes=1)
    sums = together.sum(axis=2)
    n = sums.sum(axis=1)
    apart = n - np.trace(together, axis1=1, axis2=2)
    by_chance = n**2 - (sums**2).sum(axis=1)
    found: Floats = 1 - (n - 1) * np.divide(apart, by_chance, out=np.full(len(n), np.nan), where=by_chance > 0)
    return found
