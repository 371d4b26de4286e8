"""How words on the command line are read: paths, boxes and markups."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vestige.errors import VestigeError

if TYPE_CHECKING:
    from vestige.markup import Markup


def path_of(text: str | Path) -> Path:
    """What ``-o`` names.

    Raises:
        VestigeError: where it is empty.
    """
    if not str(text).strip():
        raise VestigeError("-o: is empty; name a folder or a file")
    return Path(text)


def markup_of(path: Path | None) -> Markup | None:
    """The markup of ``--markup``."""
    from vestige.markup import read_markup

    return None if path is None else read_markup(path)


def parse_box(text: str) -> tuple[float, ...]:
    """``x0,y0,x1,y1`` in pixels.

    Raises:
        VestigeError: where the text is no box.
    """
    return parse_finite("--box", text, 4, "x0,y0,x1,y1 in pixels, as in --box 40,30,180,190")


def parse_finite(option: str, text: str, n: int, expected: str) -> tuple[float, ...]:
    """The ``n`` finite numbers between commas that an option is given.

    Raises:
        VestigeError: where there are others, saying what was expected.
    """
    with suppress(ValueError):
        numbers = tuple(float(part) for part in text.split(","))
        if len(numbers) == n and all(math.isfinite(number) for number in numbers):
            return numbers
    raise VestigeError(f"{option} {text}: expected {expected}")
