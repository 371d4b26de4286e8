"""What people said of a unit, all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vestige.text import plain_name
from vestige.units.annotations.agreement import by_unit, equal_words
from vestige.units.annotations.answers import GROUPS, RELEASE_GROUPS, Answer

LEVELS = {"low": GROUPS[:2], "middle": GROUPS[2:4], "high": GROUPS[4:]}
"""The paper's levels of its groups; the release's groups have none."""


@dataclass(frozen=True)
class UnitSaid:
    """What people said of a unit; every one of their answers passed.

    Attributes:
        layer: of the unit.
        unit: its number.
        answers: one or more.
    """

    layer: str
    unit: int
    answers: tuple[Answer, ...]

    @cached_property
    def precision(self) -> float:
        """The mean over the answers."""
        return float(np.mean([answer.precision for answer in self.answers]))

    @cached_property
    def concept(self) -> str:
        """The words that most gave; of those given as often, the ones of the largest precision."""
        often = Counter(plain_name(answer.concept) for answer in self.answers)
        best = max(self.answers, key=lambda answer: (often[plain_name(answer.concept)], answer.precision))
        return best.concept

    @cached_property
    def group(self) -> str:
        """The group that more than half of the answers are of; "" where there is none."""
        group, n = Counter(answer.group for answer in self.answers).most_common(1)[0]
        return group if 2 * n > len(self.answers) else ""

    @cached_property
    def equal_words(self) -> float | None:
        """The share of equal words among pairs of answers; None where there is one answer."""
        return equal_words(self.answers) if len(self.answers) > 1 else None

    def share(self, group: str) -> float:
        """The share of its answers that are of a group."""
        return sum(answer.group == group for answer in self.answers) / len(self.answers)


def units_said(answers: Iterable[Answer], layers: Sequence[str]) -> tuple[UnitSaid, ...]:
    """The units with an answer that passed, in the order of layers and of their numbers."""
    found = by_unit(answers)
    ordered = sorted(found, key=lambda key: (layers.index(key[0]), key[1]))
    return tuple(UnitSaid(layer, unit, tuple(found[layer, unit])) for layer, unit in ordered)


def groups_used(answers: Iterable[Answer]) -> tuple[str, ...]:
    """The groups that answers are sorted into: the paper's six, the release's six, or both."""
    used = {answer.group for answer in answers}
    return tuple(group for six in (GROUPS, RELEASE_GROUPS) if used & set(six) for group in six)


def examples(units: Iterable[UnitSaid], n: int) -> list[UnitSaid]:
    """Some units whose people agree most on the words, and among those the most precise."""
    return sorted(units, key=lambda unit: (-(unit.equal_words or 0), -unit.precision, unit.layer, unit.unit))[:n]
