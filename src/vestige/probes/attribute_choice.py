"""Which attributes of a data set can be read and measured, and what is known of them beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.metrics import Floats

LEAST = 10
"""How many examples of each value, in training and in test data, an attribute needs to be taken unasked."""


@dataclass(frozen=True)
class Attribute:
    """A named number of an example.

    Attributes:
        name: of it.
        binary: whether its values are 0 and 1 alone.
        model_label: whether the values are a model's output and not a person's label.
        mean: of the training values.
        deviation: their standard deviation.
    """

    name: str
    binary: bool
    model_label: bool
    mean: float
    deviation: float

    @property
    def label(self) -> str:
        """The name as readers meet it."""
        return f"{self.name} (model label)" if self.model_label else self.name


def values_of(examples: Iterable[Example], names: Sequence[str]) -> Floats:
    """The attributes' values ``(N, t)``; NaN where an example's is missing."""
    rows = [[example.attributes.get(name, np.nan) for name in names] for example in examples]
    return np.array(rows, dtype=np.float64).reshape(-1, len(names))


def choose_attributes(
    train: Dataset, test: Dataset, names: Sequence[str] = (), least: int = LEAST
) -> tuple[tuple[Attribute, ...], tuple[str, ...]]:
    """The attributes that are read, and what a reader of the numbers must know of them.

    A binary one needs ``least`` examples of each value in both sets, a continuous one ``least`` examples that are not
    all the same. One that is asked for by name is taken with any number of each value but none, and said to be rare.

    Args:
        train: to train on.
        test: to test on.
        names: those asked for; () for all that can be measured.
        least: see above.

    Raises:
        VestigeError: where a name is no attribute, one asked for cannot be measured, or none is left.
    """
    known = sorted({name for example in (*train, *test) for name in example.attributes})
    if not known:
        raise VestigeError(f"{train.spec}: has no attributes; try lfw:DIR with attributes.csv, or synthetic:faces")
    if "all" in known:
        raise VestigeError(f"{train.spec}: an attribute is named 'all', which stands for all of them; rename it")
    for name in names:
        if name not in known:
            raise VestigeError(f"--attribute {name}: {train.spec} has none; {choice(name, known)}")
    chosen: list[Attribute] = []
    rare: list[str] = []
    for name in dict.fromkeys(names or known):
        column = _Column.of(name, train, test)
        if names and (lack := column.lack(1)):
            raise VestigeError(f"--attribute {name}: cannot be measured: {lack}")
        if lack := column.lack(least):
            rare.append(f"{name} ({lack})")
        if names or not lack:
            model_label = name in {*train.model_labels, *test.model_labels}
            mean, deviation = float(np.nanmean(column.train)), float(np.nanstd(column.train))
            chosen.append(Attribute(name, column.binary, model_label, mean, deviation))
    if not chosen:
        raise VestigeError(f"no attribute can be measured: {'; '.join(rare)}; give more data, or --attribute NAME")
    return tuple(chosen), _notes(chosen, rare, named=bool(names))


def _notes(chosen: Sequence[Attribute], rare: Sequence[str], *, named: bool) -> tuple[str, ...]:
    notes = []
    if rare:
        said = "Attributes of few examples, whose numbers are uncertain" if named else "Attributes left out"
        notes.append(f"{said}: {', '.join(rare)}.")
    labels = [attribute.name for attribute in chosen if attribute.model_label]
    if labels:
        notes.append(
            f"Model labels: {', '.join(labels)}. A model gave them and not people (1 from a score of 0.5 on); what is "
            "measured is agreement with that model."
        )
    return tuple(notes)


@dataclass(frozen=True)
class _Column:
    """An attribute's values in both sets, ``(N,)`` each, NaN where missing."""

    train: Floats
    test: Floats
    binary: bool

    @classmethod
    def of(cls, name: str, train: Dataset, test: Dataset) -> _Column:
        first, second = (values_of(data, [name])[:, 0] for data in (train, test))
        everything = np.concatenate([first, second])
        return cls(first, second, bool(np.isin(everything[np.isfinite(everything)], (0.0, 1.0)).all()))

    def lack(self, least: int) -> str:
        """What there is too little of; empty where there is enough."""
        for which, values in (("training", self.train), ("test", self.test)):
            known = values[np.isfinite(values)]
            if self.binary:
                ones = int(known.sum())
                few, value = min((ones, 1), (len(known) - ones, 0))
                if few < least:
                    return f"{few} {which} example{'s' * (few != 1)} of value {value}"
            elif len(known) < least:
                return f"{len(known)} {which} example{'s' * (len(known) != 1)}"
            elif np.ptp(known) == 0:
                return f"all {which} examples have the value {known[0]:g}"
        return ""
