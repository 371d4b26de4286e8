"""When two names of a thing are the same: in small or large letters, singular or plural."""

from __future__ import annotations

from functools import cache

from vestige.text import plain_name

_IRREGULAR = {
    "buses": "bus",
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "men": "man",
    "mice": "mouse",
    "people": "person",
    "scarves": "scarf",
    "shelves": "shelf",
    "shoes": "shoe",
    "teeth": "tooth",
    "wolves": "wolf",
    "women": "woman",
}

_ADDED_ES = ("ches", "shes", "sses", "xes", "oes")


@cache
def singular(name: str) -> str:
    """A name without capitals and punctuation, its last word in the singular: ``Traffic lights`` as ``traffic light``.

    By English rules of spelling alone; it is meant to tell whether two names are the same, not to be shown.
    """
    *before, last = plain_name(name).split() or [""]
    return " ".join([*before, _singular(last)])


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(_ADDED_ES):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def same_name(a: str, b: str) -> bool:
    """Whether two names are the same but for capitals, punctuation and number."""
    return singular(a) == singular(b)
