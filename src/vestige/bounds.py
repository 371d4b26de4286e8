"""What numbers an option takes: stated once, checked in the same way on the command line and from Python."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from vestige.errors import VestigeError

_MANY = 10**6  # an end that help does not show, for nobody comes near it
_SHOWN = 40  # characters of what was given that a message repeats


@dataclass(frozen=True)
class Bounds:
    """An interval of numbers; NaN is in none.

    Attributes:
        low, high: its ends.
        above: whether ``low`` itself is left out.
        below: whether ``high`` itself is left out.
        whole: whether only whole numbers are meant.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False
    whole: bool = False

    def __str__(self) -> str:
        start = f"above {self.low:,}" if self.above else f"from {self.low:,}"
        between = "," if self.above or self.below else ""
        end = f"below {self.high:,}" if self.below else f"up to {self.high:,}" if self.above else f"to {self.high:,}"
        return f"a {'whole ' if self.whole else ''}number {start}{between} {end}"

    @property
    def brief(self) -> str:
        """The ends as help shows them: ``0 to 1``, ``above 0``, ``at least 1``."""
        if self.high >= _MANY:
            return f"above {self.low:,}" if self.above else f"at least {self.low:,}"
        if self.above or self.below:
            return str(self).split("number ")[-1]
        return f"{self.low:,} to {self.high:,}"

    def hold(self, value: object) -> bool:
        """Whether a value is one of these numbers."""
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        number: Any = value
        enough = number > self.low if self.above else number >= self.low
        return bool(enough and (number < self.high if self.below else number <= self.high))

    def check(self, name: str, value: object) -> None:
        """Refuse a value that is none of these numbers.

        Raises:
            VestigeError: with the name that it goes by.
        """
        if not self.hold(value):
            raise VestigeError(f"{name} {str(value)[:_SHOWN]}: expected {self}")

    def parse(self, name: str, text: object) -> Any:
        """The number that a word of the command line means (int or float); one that is a number already is checked.

        Raises:
            VestigeError: with the name that it goes by, where the word is no number or the number is out of bounds.
        """
        value: object = text
        if isinstance(text, str):
            with suppress(ValueError):
                value = int(text) if self.whole else float(text)
        if not self.hold(value):
            self.check(name, text)
        return value


def whole(low: int, high: int) -> Bounds:
    """The whole numbers from ``low`` to ``high``."""
    return Bounds(low, high, whole=True)


def check_bounds(options: Any) -> None:
    """Refuse an options dataclass with a number out of its field's bounds, or with what is no text, no list, or neither
    True nor False, where that is meant; called by its ``__post_init__``.

    Raises:
        VestigeError: naming the field and what is expected.
    """
    for each in fields(options):
        value = getattr(options, each.name)
        if "off" in each.metadata and value == each.metadata["off"] and not isinstance(value, bool):
            continue
        _check_kind(each.name, value, each.default)
        if "bounds" not in each.metadata:
            continue
        bounds = each.metadata["bounds"]
        several = isinstance(value, (tuple, list))
        if several and not value and not each.metadata["empty"]:
            raise VestigeError(f"{each.name}: there are none; expected at least one, {bounds}")
        for one in value if several else () if value is None and each.default is None else (value,):
            bounds.check(each.name, one)


_KINDS = {bool: (bool, "True or False"), str: (str, "a text"), tuple: ((tuple, list), "a list")}


def _check_kind(name: str, value: object, default: object) -> None:
    """Refuse what is no text, no list, no True or False where the default is one; a text is no list of texts."""
    kind, words = _KINDS.get(type(default), (object, ""))
    if not isinstance(value, kind):  # type: ignore[arg-type]
        raise VestigeError(f"{name}: is {type(value).__name__} {value!r:.{_SHOWN}}; expected {words}")


COUNT = whole(1, 10**9)
SEED = whole(0, 2**32 - 1)
BATCH = whole(1, 512)
SHARE = Bounds(0, 1, above=True)
QUANTILE = Bounds(0, 1)
BOX_MARGIN = Bounds(0, 4)
"""Of a crop, to nine times the object's side: of more, next to nothing would be seen of it."""

FACE_MARGIN = 0.3
"""The share of a face box's longer side that a crop adds on every side."""

OBJECT_MARGIN = 0.1
"""The same for an object's box, which its outermost keypoints seldom leave (chosen on training folds of CUB)."""

PCK_ALPHA = SHARE
LOOK_BACKS = whole(0, 10)
UNTRAINED = whole(0, 100)
RGB_SIZE = whole(1, 256)
RECONSTRUCTION = whole(7, 256)
"""Sides of a reconstruction; SSIM has a window of 7."""
SEGMENTS = whole(2, 128)
COPIES = whole(1, 100)
STEPS = whole(2, 1000)
FACES = whole(1, 1000)
REENCODED = whole(0, 10**6)
TAIL = Bounds(0, 0.5, below=True)
STRETCH = Bounds(0, 100, above=True)
SHORT_SIDE = whole(1, 10_000)
SHORT_SIDE_OR_OWN = whole(0, 10_000)
"""0 for a picture's own size."""
LOCALISED = whole(0, 10**6)
BETA = Bounds(0, 10**6, above=True)
SVM_C = Bounds(0, 10**6, above=True)
TOLERANCE = FRACTION = Bounds(0, 1, above=True, below=True)
SIFT_RADIUS = Bounds(1, 10_000)
SIFT_BIN = whole(1, 4096)
SQUARE = whole(32, 4096)
POINTS_A_SIDE = whole(2, 512)
REACH = whole(0, 100)
ROUNDS = whole(1, 1000)
FOLDS = whole(2, 100)
ETA = Bounds(0, 1)
SIGMA = Bounds(0, 10**6, above=True, below=True)
DISTANCE = Bounds(0, 10**6, above=True)
AMOUNT = Bounds(0, 10**18)
DAYS = Bounds(0, 10**6)
MINUTES = Bounds(0, 10**6, above=True)
PORT = whole(0, 65_535)
MEGABYTES = Bounds(0, 10**12)
MASK_VALUE = whole(0, 255)
DRAWS = whole(1, 10**5)
"""Random removals of one picture."""
EXHIBIT = whole(1, 99)
