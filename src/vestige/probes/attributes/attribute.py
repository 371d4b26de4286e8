"""Which attributes of a data set can be read and measured, and what the training data say of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.intervals import Floats
from vestige.probes.attributes.task import LEAST
from vestige.spelling import spelled

SPREAD = 3.0
"""Standard deviations of the training values on either side of their mean that a continuous attribute is drawn over."""

BEYOND = 0.12
"""By which a binary reading may leave [0, 1] and still be drawn in its place."""


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
    train: Dataset, names: Sequence[str] = (), least: int = LEAST
) -> tuple[tuple[Attribute, ...], tuple[str, ...]]:
    """The attributes that are read, and what a reader of the numbers must know of them.

    They are chosen by the training data alone: the mean over them chooses the layer. A binary one needs ``least``
    examples of each value, a continuous one ``least`` examples that are not all the same. One that is asked for by name
    is taken with any number of each value but none, and noted as rare.

    Args:
        train: to train on.
        names: those asked for; () for all that can be measured.
        least: see above.

    Raises:
        VestigeError: where a name is no attribute, one asked for cannot be trained, or none is left.
    """
    known = sorted({name for example in train for name in example.attributes})
    if not known:
        raise VestigeError(f"{train.spec}: has no attributes; try lfw:DIR with attributes.csv, or synthetic:faces")
    if "all" in known:
        raise VestigeError(f"{train.spec}: an attribute is named 'all', which stands for all of them; rename it")
    for name in names:
        if name not in known:
            raise VestigeError(f"{spelled('names', name)}: {train.spec} has none; {choice(name, known)}")
    chosen: list[Attribute] = []
    rare: list[str] = []
    for name in dict.fromkeys(names or known):
        values = values_of(train, [name])[:, 0]
        binary = bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all())
        if names and (lack := lack_of(values, binary, 1, "training")):
            raise VestigeError(f"{spelled('names', name)}: cannot be read: {lack}")
        if lack := lack_of(values, binary, least, "training"):
            rare.append(f"{name} ({lack})")
        if names or not lack:
            mean, deviation = float(np.nanmean(values)), float(np.nanstd(values))
            chosen.append(Attribute(name, binary, name in train.model_labels, mean, deviation))
    if not chosen:
        raise VestigeError(
            f"no attribute can be read: {'; '.join(rare)}; give more data, or {spelled('names', word='NAME')}"
        )
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


def lack_of(values: Floats, binary: bool, least: int, which: str) -> str:
    """What there is too little of to train or to measure an attribute; empty where there is enough.

    Args:
        values: ``(N,)``, NaN where missing.
        binary: whether they are 0 and 1.
        least: examples of each value, or of a continuous attribute.
        which: ``training`` or ``test``.
    """
    known = values[np.isfinite(values)]
    if binary:
        ones = int(known.sum())
        few, value = min((ones, 1), (len(known) - ones, 0))
        return f"{few} {which} example{'s' * (few != 1)} of value {value}" if few < least else ""
    if len(known) < least:
        return f"{len(known)} {which} example{'s' * (len(known) != 1)}"
    return f"all {which} examples have the value {known[0]:g}" if np.ptp(known) == 0 else ""


@dataclass(frozen=True)
class Reading:
    """What was read of one attribute.

    Attributes:
        label: its name for readers.
        value: the reading.
        mean: of the training values.
        deviation: their standard deviation.
        binary: whether values are 0 and 1.
    """

    label: str
    value: float
    mean: float
    deviation: float
    binary: bool

    def place(self, value: float) -> float:
        """Where a value is drawn: 0 to 1 for a binary one's 0 and 1, for others over the spread about the mean."""
        if self.binary:
            return float(np.clip(value, -BEYOND, 1 + BEYOND))
        spread = 2 * SPREAD * (self.deviation or 1.0)
        return float(np.clip(0.5 + (value - self.mean) / spread, -BEYOND, 1 + BEYOND))
