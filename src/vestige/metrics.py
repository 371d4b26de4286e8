"""What a metric is: how a reader meets it, and which of two values is the better one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A number that methods have; ``results.json`` holds those of a run by name, so that no reader guesses from a name.

    Attributes:
        label: for readers, such as ``error`` or ``PCK at 0.1``.
        unit: what values are counted in, such as ``the inter-ocular distance``; empty where they have none.
        lower_is_better: which way is better; None where neither is, as of a difference or a p-value.
        shown: as a number, or as a percentage.
        paper: whether the paper reports it; what it does not report says so where it is printed.
    """

    label: str
    unit: str = ""
    lower_is_better: bool | None = False
    shown: Literal["number", "percent"] = "number"
    paper: bool = True

    @property
    def sign(self) -> int:
        """What values are multiplied by, so that more is better.

        Raises:
            ValueError: where neither way is better.
        """
        if self.lower_is_better is None:
            raise ValueError(f"{self.label}: neither more nor less of it is better")
        return -1 if self.lower_is_better else 1


_DERIVED = (
    (re.compile(r"p of (.+) - (.+)"), "p of the difference of {0} from that of {1}"),
    (re.compile(r"(.+) - (.+)"), "difference of {0} from that of {1}"),
    (re.compile(r"(.+)_difference"), "difference of {0}"),
)
"""Numbers of two methods: their metric's name, and its label."""

_ON_FOLDS = re.compile(r"(?:oof|train|cv)_(.+)")
"""The same metric on training folds, or on training instances of other folds."""


def on_folds(name: str) -> bool:
    """Whether a metric is another one's on training folds, by which choices are made."""
    return _ON_FOLDS.fullmatch(name) is not None


def describe_metrics(names: Iterable[str], table: Mapping[str, Metric]) -> dict[str, Metric]:
    """What each metric of a run is.

    Args:
        names: of the metrics in its rows.
        table: of the task's own metrics; one with a setting stands there as ``pck@*``, with ``{}`` in its label.

    Raises:
        ValueError: for a metric that follows from none of the table.
    """
    return {name: _described(name, table) for name in dict.fromkeys(names)}


def _described(name: str, table: Mapping[str, Metric]) -> Metric:
    if name in table:
        return table[name]
    for pattern, label in _DERIVED:
        if found := pattern.fullmatch(name):
            own = _described(found.group(1), table)
            said = label.format(own.label, *found.groups()[1:])
            return replace(
                own, label=said, lower_is_better=None, shown="number" if name.startswith("p of ") else own.shown
            )
    if found := _ON_FOLDS.fullmatch(name):
        own = _described(found.group(1), table)
        return replace(own, label=f"{own.label}, on training folds")
    family, at, setting = name.partition("@")
    if at and f"{family}@*" in table:
        own = table[f"{family}@*"]
        return replace(own, label=own.label.format(setting))
    raise ValueError(f"metric {name!r}: is not described; expected one of {', '.join(table)}")
