"""The pages of the annotation application as HTML, and what each of them is told.

A page needs nothing but the application's own routes, and its scripts only make it pleasant: forms work without them.
Forms send ``csrf`` and

- ``POST /``: ``name``, the annotator's;
- ``POST /answer``: ``ticket``, ``attempt``, ``concept``, ``group``, and ``marked`` for each picture that does not fit;
  the script adds ``seconds`` spent on the unit;
- ``POST /skip``: ``ticket``.

What is taken is answered by the way to the next page, what is refused by :func:`trouble` with its status.
The script reads ``GET /concepts?q=TEXT``: earlier concepts as a JSON list of texts, at most eight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import jinja2

from vestige.report.page import stylesheet
from vestige.text import count, duration, percent, value_range
from vestige.units.annotate.store import Person
from vestige.units.annotations.agreement import Agreement, agreement, by_unit
from vestige.units.annotations.answers import GROUPS, TEXT_LIMIT, Answer

_EXAMPLES = {
    "simple element": "lines, edges",
    "color": "blue, white",
    "texture/material": "stripes, wood",
    "shape": "circles, arches",
    "object": "cars, faces, lamps",
    "scene": "streets, kitchens",
}
_LATEST = 50
_MEDIA = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Visitor:
    """Who sees the page, and how far they are.

    Attributes:
        name: the annotator's; "" before they gave one.
        csrf: what their forms send back, so that no other site's form is taken for theirs.
        done: units that they answered.
        asked: units that they will have answered in the end, as far as that is known now.
        owner: whether they run the application, and see its overview.
    """

    name: str
    csrf: str
    done: int = 0
    asked: int = 0
    owner: bool = False


@dataclass(frozen=True)
class Sheet:
    """A unit as it is handed to somebody.

    Attributes:
        ticket: the hand-out, which an answer names.
        draft: under what the browser keeps unsent work: the same for the same person and unit, and no other.
        pictures: ids of the unit's pictures and of the planted ones, as they are shown: each is at ``/picture/ID``.
        attempt: which try this is, from 1.
        attempts: how many tries there are.
        concept: what the last try said, and so ``group`` and ``marked``; empty before the first.
        group: one of the paper's six.
        marked: ids of the pictures that do not fit.
        seconds: that were spent on it up to then.
    """

    ticket: str
    draft: str
    pictures: tuple[str, ...]
    attempt: int = 1
    attempts: int = 3
    concept: str = ""
    group: str = ""
    marked: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Overview:
    """How far the annotation is, for whoever runs it.

    Attributes:
        run: its name.
        workers: answers asked of each unit.
        layers: by layer, units asked, those that are done, and answers that count.
        people: who takes part.
        answers: all of them, failed ones included.
    """

    run: str
    workers: int
    layers: Mapping[str, tuple[int, int, int]]
    people: tuple[Person, ...]
    answers: tuple[Answer, ...]

    @property
    def units(self) -> int:
        """How many are asked."""
        return sum(units for units, _, _ in self.layers.values())

    @property
    def complete(self) -> int:
        """How many are done."""
        return sum(complete for _, complete, _ in self.layers.values())

    @cached_property
    def passed(self) -> tuple[Answer, ...]:
        """Answers that count."""
        return tuple(each for each in self.answers if each.passed)

    @property
    def failed(self) -> int:
        """How many do not."""
        return len(self.answers) - len(self.passed)

    @property
    def precision(self) -> str:
        """The mean of answers that count."""
        return _precision(self.passed)

    @cached_property
    def agreement(self) -> Agreement:
        """How far people agree."""
        return agreement(by_unit(self.answers))

    @property
    def by_layer(self) -> list[tuple[object, ...]]:
        """Rows of a table."""
        return [
            (layer, *counts, _precision([each for each in self.passed if each.layer == layer]))
            for layer, counts in self.layers.items()
        ]

    @property
    def by_person(self) -> list[tuple[object, ...]]:
        """Rows of a table."""
        return [
            (
                each.name,
                each.answered,
                each.failed,
                percent(each.failed / each.answered) if each.answered else "–",
                each.skipped,
                f"{each.tries / each.answered:.1f}" if each.answered else "–",
                "–" if each.seconds is None else duration(each.seconds),
            )
            for each in self.people
        ]

    @property
    def latest(self) -> list[tuple[object, ...]]:
        """Rows of a table, of the answers that came last."""
        last = sorted(self.answers, key=lambda each: each.at, reverse=True)[:_LATEST]
        return [
            (
                f"{each.layer}:{each.unit}",
                each.concept,
                each.group,
                percent(each.precision),
                each.annotator,
                f"{each.tries}" if each.passed else f"{each.tries}, failed",
            )
            for each in last
        ]


def _precision(answers: Sequence[Answer]) -> str:
    return percent(sum(each.precision for each in answers) / len(answers)) if answers else "–"


def welcome(visitor: Visitor, *, message: str = "") -> str:
    """Where somebody who has no link of their own gives a name."""
    return _render("welcome.html", visitor=visitor, message=message)


def task(visitor: Visitor, sheet: Sheet, *, message: str = "") -> str:
    """The three steps for one unit; from the second try on it asks to look again.

    Args:
        visitor: who.
        sheet: the unit.
        message: what became of the last one, said above it.
    """
    return _render("task.html", visitor=visitor, sheet=sheet, message=message, examples=_EXAMPLES)


def rest(visitor: Visitor, *, waiting: int, skipped: int = 0, wanting: int = 0, message: str = "") -> str:
    """There is no unit to hand out now.

    Args:
        visitor: who.
        waiting: units that others work on, of which some may come back; 0 where all is done.
        skipped: units that they skipped and may take up again.
        wanting: units that they answered and that still need other people's answers.
        message: what became of the last one.
    """
    return _render("rest.html", visitor=visitor, waiting=waiting, skipped=skipped, wanting=wanting, message=message)


def overview(seen: Overview) -> str:
    """How far the annotation is: by layer, by annotator, agreement, and what was said last."""
    return _render("overview.html", seen=seen)


def trouble(title: str, advice: str) -> str:
    """Why something was refused, and what to do."""
    return _render("trouble.html", title=title, advice=advice)


def asset(name: str) -> tuple[str, str] | None:
    """What pages link to as ``/static/NAME``: its text and media type; None where there is nothing of the name."""
    if name == "style.css":
        return stylesheet(), _MEDIA["css"]
    text = _assets().get(name)
    return None if text is None else (text, _MEDIA[name.rpartition(".")[2]])


@cache
def _assets() -> dict[str, str]:
    folder = resources.files("vestige.units.annotate") / "static"
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir() if each.is_file()}


def _render(name: str, **known: object) -> str:
    return _environment().get_template(name).render(groups=GROUPS, text_limit=TEXT_LIMIT, **known)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vestige.units.annotate"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.undefined = jinja2.StrictUndefined
    environment.filters |= {"count": count, "duration": duration, "percent": percent, "value_range": value_range}
    return environment
