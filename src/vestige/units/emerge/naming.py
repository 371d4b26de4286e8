"""Which object of the data each unit counts for, and why one counts for none."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from vestige.units.annotations.files import cell_of
from vestige.units.emerge.meanings import NONE, Meant, plain
from vestige.units.labels import Label, Labels

Why = Literal["", "group", "open", "none", "rare", "score"]
"""Why a unit counts for no object: "" where it does count."""

WHY: Mapping[Why, str] = {
    "group": "no majority puts its concept into a group that counts",
    "open": "no object of the data is known by its words",
    "none": "its words are no object of the data",
    "rare": "its object is in too few pictures",
    "score": "its score is too low",
}


@dataclass(frozen=True)
class NamedUnit:
    """A unit and what it counts for.

    Attributes:
        layer, unit: which it is.
        said: what is said of it, several words with `` / `` between them.
        object: of the data, that its words mean; "" for none.
        score: the mean of what is said of that object; of all that is said, where there is none.
        group: that more than half of the people put its concept into; "" where there is none.
        why: it counts for no object.
    """

    layer: str
    unit: int
    said: str
    object: str
    score: float
    group: str
    why: Why


def named_units(
    labels: Labels,
    layer: str,
    meanings: Mapping[str, Meant],
    objects: Collection[str],
    groups: Collection[str],
    least: float,
) -> tuple[NamedUnit, ...]:
    """What each unit of a layer counts for.

    Where several people named a unit, it counts where more than half of them put it into groups that do, and its object
    is the one that most of their words mean; where as many mean another, that of the higher scores.

    Args:
        labels: of all layers.
        layer: one of them.
        meanings: of words, by their plain form.
        objects: of the data, that are in pictures enough.
        groups: that count; () where labels are in none.
        least: score from which on a unit counts.
    """
    said: dict[int, list[Label]] = {unit: [] for unit in labels.units[layer]}
    for each in labels.of_layer(layer):
        said[each.unit].append(each)
    return tuple(_named(layer, unit, own, meanings, objects, groups, least) for unit, own in said.items())


def _named(
    layer: str,
    unit: int,
    said: Sequence[Label],
    meanings: Mapping[str, Meant],
    objects: Collection[str],
    groups: Collection[str],
    least: float,
) -> NamedUnit:
    meant = [(meanings[plain(each.object)], each.score) for each in said]
    thing = _most((each.object, score) for each, score in meant if each.known)
    scores = [score for each, score in meant if each.object == thing or not thing]
    score = fmean(scores) if scores else 0.0
    why: Why = ""
    if groups and 2 * sum(each.group in groups for each in said) <= len(said):
        why = "group"
    elif not thing:
        why = "none" if said and all(each.object == NONE for each, _ in meant) else "open"
    elif thing not in objects:
        why = "rare"
    elif score < least:
        why = "score"
    words = " / ".join(dict.fromkeys(each.object for each in said))
    group = next((name for name, n in Counter(each.group for each in said).items() if 2 * n > len(said)), "")
    return NamedUnit(layer, unit, words, thing, score, group, why)


def _most(votes: Iterable[tuple[str, float]]) -> str:
    """What most vote for; of as many, what the higher scores do, then the first; "" of none."""
    scores: dict[str, list[float]] = {}
    for name, score in votes:
        scores.setdefault(name, []).append(score)
    return max(scores, key=lambda name: (len(scores[name]), fmean(scores[name])), default="")


def units_csv(units: Iterable[NamedUnit]) -> str:
    """A line a unit: what is said of it, the object that it counts for, or why for none; see :func:`cell_of`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("layer", "unit", "said", "group", "object", "score", "counts", "why"))
    for each in units:
        why = WHY.get(each.why, "")
        cells = (each.layer, each.unit, each.said, each.group, each.object, f"{each.score:.6g}", not why, why)
        writer.writerow(map(cell_of, cells))
    return stream.getvalue()
