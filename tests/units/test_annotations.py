"""What people called units: checked on the way in, exported, imported and measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from vestige.errors import VestigeError
from vestige.units.annotations.answers import Answer

SHOWN = tuple(range(100, 160))
PLANTED = (101, 120, 159)


def answer(**changed: Any) -> Answer:
    given: dict[str, Any] = {
        "layer": "pool5",
        "unit": 3,
        "annotator": "ada",
        "concept": "lamp",
        "group": "object",
        "shown": SHOWN,
        "planted": PLANTED,
        "marked": (*PLANTED, 100, 102),
        "tries": 1,
        "passed": True,
        "seconds": 12.5,
        "at": "2030-01-31T12:00:00+00:00",
    }
    return Answer(**given | changed)


def test_precision_leaves_planted_pictures_out() -> None:
    assert answer().top == 57
    assert answer().precision == pytest.approx(55 / 57)
    assert answer(marked=PLANTED).precision == 1
    failed = answer(marked=(101, 100), passed=False, tries=3)
    assert failed.precision == pytest.approx(56 / 57)
    assert answer(shown=(), planted=(), marked=(), stated=0.5).precision == 0.5


def test_texts_are_on_one_line_and_lists_become_tuples() -> None:
    made = answer(concept="  red\n lamp ", shown=list(SHOWN), seconds=3)
    assert (made.concept, made.shown, made.seconds) == ("red lamp", SHOWN, 3.0)
    assert Answer(**asdict(made)) == made


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"unit": -1}, "unit"),
        ({"unit": True}, "unit"),
        ({"unit": "3"}, "unit"),
        ({"concept": " \t"}, "concept"),
        ({"concept": "x" * 201}, "concept"),
        ({"concept": "a\x00b"}, "concept"),
        ({"annotator": ""}, "annotator"),
        ({"group": "objects"}, "did you mean object?"),
        ({"shown": (*SHOWN, 100)}, "shown: names a picture twice"),
        ({"shown": ()}, "shown"),
        ({"planted": (7,)}, "planted: has picture 7"),
        ({"planted": SHOWN, "marked": SHOWN}, "planted"),
        ({"marked": (7,), "passed": False}, "marked: has picture 7"),
        ({"marked": (100,)}, "passed: is True"),
        ({"passed": False}, "passed: is False"),
        ({"tries": 0}, "tries"),
        ({"seconds": float("nan")}, "seconds"),
        ({"at": "yesterday"}, "at"),
        ({"stated": 0.5}, "stated"),
        ({"shown": (), "planted": (), "marked": (), "stated": 1.5}, "stated"),
    ],
)
def test_a_field_that_is_wrong_is_named(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(VestigeError, match=named):
        answer(**changed)
