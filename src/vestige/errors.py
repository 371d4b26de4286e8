"""The one exception that a user is meant to read, and how it points to the right name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class VestigeError(Exception):
    """A mistake that the user can mend.

    The message names the file, row or option, says what was expected there and how to mend it.
    The command line prints it without a traceback and exits with status 2. Options are named as the reader writes them
    (:mod:`vestige.spelling`).
    """


def near_names(name: str, known: Iterable[str], n: int = 1, alike: float = 0.6) -> list[str]:
    """The known names that a misspelt one may stand for, the likeliest first; the case of letters plays no part.

    Args:
        name: the misspelt one.
        known: those that there are.
        n: how many at most.
        alike: the least share of letters that they have in common, in order.
    """
    folded = {each.casefold(): each for each in known}
    return [folded[each] for each in get_close_matches(name.casefold(), folded, n=n, cutoff=alike)]


def choice(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: ``did you mean block7? expected one of block6, block7``."""
    names = list(known)
    hint = "".join(f"did you mean {near}? " for near in near_names(name, names))
    return f"{hint}expected one of {', '.join(names)}" if names else "there are none here"
