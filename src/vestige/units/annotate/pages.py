"""The pages of the annotation application as HTML, and what each of them is told.

A page needs nothing but the application's own routes, and its scripts only make it pleasant: forms work without them.
Forms send ``csrf`` and

- ``POST /``: ``name``, the annotator's;
- ``POST /answer``: ``ticket``, ``attempt``, ``concept``, ``group``, and ``marked`` for each picture that does not fit;
- ``POST /skip``: ``ticket``.

What is taken is answered by a redirection to the next page, what is refused by :func:`trouble` with its status.
The script reads ``GET /concepts?q=TEXT``: earlier concepts as a JSON list of texts, at most eight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import jinja2

from vestige.report.page import stylesheet
from vestige.units.annotations.answers import GROUPS, TEXT_LIMIT

_EXAMPLES = {
    "simple element": "lines, edges",
    "color": "blue, white",
    "texture/material": "stripes, wood",
    "shape": "circles, arches",
    "object": "cars, faces, lamps",
    "scene": "streets, kitchens",
}
_MEDIA = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Visitor:
    """Who sees the page, and how far they are.

    Attributes:
        name: the annotator's; "" before they gave one.
        csrf: what their forms send back, so that no other site's form is taken for theirs.
        done: units that they answered.
        asked: units that they will have answered in the end, as far as that is known now.
    """

    name: str
    csrf: str
    done: int = 0
    asked: int = 0


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
    """

    ticket: str
    draft: str
    pictures: tuple[str, ...]
    attempt: int = 1
    attempts: int = 3
    concept: str = ""
    group: str = ""
    marked: tuple[str, ...] = ()


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


def rest(visitor: Visitor, *, waiting: int, skipped: int = 0, message: str = "") -> str:
    """There is no unit to hand out now.

    Args:
        visitor: who.
        waiting: units that others work on, of which some may come back; 0 where all is done.
        skipped: units that they skipped and may take up again.
        message: what became of the last one.
    """
    return _render("rest.html", visitor=visitor, waiting=waiting, skipped=skipped, message=message)


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
    return environment
