"""What a person said of a unit: plain data, checked on the way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, get_type_hints
from unicodedata import category

from vestige.bounds import Bounds
from vestige.errors import VestigeError, choice
from vestige.handed_in import as_type

GROUPS = ("simple element", "color", "texture/material", "shape", "object", "scene")
"""The paper's six groups of concepts (section 3.3), simple ones first."""

_OF_RELEASE = " (release)"

RELEASE_GROUPS = tuple(
    f"{group}{_OF_RELEASE}"
    for group in ("scene", "object", "region or surface", "part", "texture or material", "simple element or color")
)
"""The six groups of the annotations that the authors released, in the order of their numbers 1 to 6.

They are others than the paper's, even where they share a word, so they never have the same name.
"""

TEXT_LIMIT = 200
"""The most characters of a concept, or of a name."""

PRECISION = Bounds(0, 1)
"""Of an answer's precision, a share."""

_WHOLE = Bounds(0, 2**53, whole=True)
_LEAST: Mapping[str, Bounds] = {
    "unit": _WHOLE,
    "tries": Bounds(1, 10**6, whole=True),
    "seconds": Bounds(0, 10**9),
    "stated": PRECISION,
}


@dataclass(frozen=True)
class Answer:
    """What one person said of one unit, in their last try.

    Attributes:
        layer: of the unit.
        unit: its number in the layer, from 0.
        annotator: the person's name.
        concept: the words that they gave.
        group: of the concept: one of :data:`GROUPS`, or of :data:`RELEASE_GROUPS`.
        shown: the pictures, as rows of the dissection's data; () where they are not known.
        planted: those among them that are not the unit's: an answer counts only where all of them are marked.
        marked: those that do not fit the concept, in the person's eyes.
        tries: how often they sent it, up to this one.
        passed: whether all planted ones are marked.
        seconds: from the moment the unit was shown to the last try; None where that is not known.
        at: when it was sent, as ISO 8601 has it; "" where that is not known.
        stated: the precision, where only that is known and not the pictures; else None.
    """

    layer: str
    unit: int
    annotator: str
    concept: str
    group: str
    shown: tuple[int, ...]
    planted: tuple[int, ...]
    marked: tuple[int, ...]
    tries: int
    passed: bool
    seconds: float | None
    at: str
    stated: float | None = None

    def __post_init__(self) -> None:
        """Check every field, and strip the texts.

        Raises:
            VestigeError: naming the field and what is expected.
        """
        for name, hint in _hints().items():
            value = as_type(name, getattr(self, name), hint)
            object.__setattr__(self, name, plain_text(name, value) if isinstance(value, str) else value)
            if name in _LEAST and value is not None:
                _LEAST[name].check(name, value)
        if self.group not in (*GROUPS, *RELEASE_GROUPS):
            raise VestigeError(f"group {self.group!r}: {choice(self.group, GROUPS)}")
        self._check_pictures()

    def _check_pictures(self) -> None:
        for name in ("shown", "planted", "marked"):
            rows = getattr(self, name)
            if len(set(rows)) < len(rows):
                raise VestigeError(f"{name}: names a picture twice; expected each once")
            for row in rows:
                _WHOLE.check(name, row)
            unknown = sorted(set(rows) - set(self.shown))
            if unknown:
                raise VestigeError(f"{name}: has picture {unknown[0]}, which is not among those shown")
        if self.shown and self.stated is not None:
            raise VestigeError("stated: a precision is stated only where the pictures shown are not known")
        if not self.shown and self.stated is None:
            raise VestigeError("shown: there are no pictures; expected some, or the precision that is stated")
        if self.shown and len(self.planted) == len(self.shown):
            raise VestigeError("planted: all pictures shown are planted; expected some of the unit's own")
        if self.shown and self.passed != (set(self.planted) <= set(self.marked)):
            expected = "False, for a planted picture is not marked" if self.passed else "True, for all planted are"
            raise VestigeError(f"passed: is {self.passed}; expected {expected}")

    @property
    def top(self) -> int:
        """How many of the pictures shown are the unit's own, its most active; 0 where that is not known."""
        return len(self.shown) - len(self.planted)

    @property
    def precision(self) -> float:
        """The share of the unit's own pictures that fit the concept: (57 - marked) / 57 where 57 are shown.

        Planted pictures are in neither number.
        """
        if self.stated is not None:
            return self.stated
        return 1 - len(set(self.marked) - set(self.planted)) / self.top


@cache
def _hints() -> dict[str, Any]:
    known = get_type_hints(Answer)
    return {each.name: known[each.name] for each in fields(Answer)}


def shown_group(group: str) -> str:
    """A group where it is said anyway whose six it is of."""
    return group.removesuffix(_OF_RELEASE)


def plain_text(name: str, value: str) -> str:
    """A text on one line, with single spaces; "" only for a time that is not known.

    Raises:
        VestigeError: with the name that it goes by, where it is empty, too long, or holds control characters.
    """
    text = " ".join(value.split())
    if not text and name != "at":
        raise VestigeError(f"{name}: is empty; expected words")
    if len(text) > TEXT_LIMIT:
        raise VestigeError(f"{name}: has {len(text):,} characters; expected {TEXT_LIMIT} at most")
    if any(category(letter) in ("Cc", "Cs") for letter in text):
        raise VestigeError(f"{name}: holds control characters; expected words")
    if name == "at" and text:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise VestigeError(f"at {text!r}: expected a time such as 2030-01-31T12:00:00+00:00") from None
    return text
