"""Markups: the shipped ones are consistent, and files of one's own say what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.markup import (
    SHIPPED,
    markup_from_json,
    markup_of_names,
    mirror_of_names,
    read_markup,
    shipped_markup,
    unknown_markup,
)

COUNTS = {"face68": 68, "helen194": 194, "cub15": 15, "coco17": 17, "voc": 244}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_markup_is_consistent(name: str) -> None:
    markup = shipped_markup(name)
    order = markup.mirror_order()
    assert markup.name == name
    assert len(markup.points) == len(set(markup.points)) == len(order) == COUNTS[name]
    np.testing.assert_array_equal(order[order], np.arange(len(order)))
    assert {k for part in markup.parts.values() for k in part} == set(range(len(order)))


@pytest.mark.parametrize("name", ["face68", "helen194", "cub15", "coco17"])
def test_look_back_has_six_parts(name: str) -> None:
    assert len(shipped_markup(name).parts) == 6


@pytest.mark.parametrize("name", ["face68", "helen194"])
def test_the_mirror_exchanges_the_eyes(name: str) -> None:
    markup = shipped_markup(name)
    left, right = markup.eyes
    assert sorted(markup.mirror_order()[list(left)]) == sorted(right)


@pytest.mark.parametrize("name", ["cub15", "coco17", "voc"])
def test_pairs_of_named_points_are_those_that_differ_by_side(name: str) -> None:
    markup = shipped_markup(name)
    by_name = {frozenset(pair) for pair in mirror_of_names(markup.points)}
    by_file = {frozenset((markup.points[k], markup.points[m])) for k, m in enumerate(markup.mirror) if k < m}
    assert by_name == by_file


def test_voc_points_and_parts_stay_in_their_class() -> None:
    markup = shipped_markup("voc")
    classes = [point.split("/")[0] for point in markup.points]
    assert len(set(classes)) == 20
    assert classes == sorted(classes)
    assert all(classes[k] == classes[m] for k, m in enumerate(markup.mirror))
    for name, part in markup.parts.items():
        assert {classes[k] for k in part} == {name.split("/")[0]}


@pytest.mark.parametrize(
    ("start", "stop", "closed"),
    [(0, 41, False), (41, 58, False), (58, 86, True), (86, 114, True)],
    ids=["jaw", "nose", "outer lip", "inner lip"],
)
def test_helen_curves_run_backwards_in_the_mirror(start: int, stop: int, closed: bool) -> None:
    """A curve that is its own mirror image is run through the other way round: neighbours stay neighbours."""
    order = shipped_markup("helen194").mirror_order()[start:stop] - start
    steps = np.diff(order)
    assert sorted(order) == list(range(stop - start))
    assert set(steps % (stop - start) if closed else steps) == {stop - start - 1 if closed else -1}


def test_helen_mouth_corners_and_middles() -> None:
    order = shipped_markup("helen194").mirror_order()
    assert order[[58, 86]].tolist() == [72, 100]
    middles = [20, 49, 65, 79, 93, 107]
    assert order[middles].tolist() == middles
    assert (order == np.arange(194)).sum() == len(middles)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["left_eye", "right_eye", "nose"], [["left_eye", "right_eye"]]),
        (["L_B_Paw", "R_B_Paw"], [["L_B_Paw", "R_B_Paw"]]),
        (["leftEye", "rightEye"], [["leftEye", "rightEye"]]),
        (["Seat_Left_Back", "Seat_Right_Back"], [["Seat_Left_Back", "Seat_Right_Back"]]),
        (["eye l", "eye r"], [["eye l", "eye r"]]),
        (["leftover", "copyright", "bright", "collar"], None),
        (["left_eye", "nose"], None),
        (["a", "b"], None),
    ],
)
def test_mirror_pairs_from_names(names, pairs) -> None:
    assert mirror_of_names(names) == pairs


def test_a_markup_of_names_takes_its_mirror_from_them() -> None:
    assert markup_of_names("x", ["right_a", "mid", "left_a"]).mirror == (2, 1, 0)
    assert markup_of_names("x", ["a", "b"]).mirror is None
    with pytest.raises(VestigeError, match="names a point twice"):
        markup_of_names("x", ["a", "a"])


def test_an_unknown_markup_has_nothing_but_points() -> None:
    markup = unknown_markup(3)
    assert markup.points == ("0", "1", "2")
    with pytest.raises(VestigeError, match="mirror pairs"):
        markup.mirror_order()


def test_a_file_of_ones_own_may_use_names_or_numbers(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(
        json.dumps({"name": "m", "points": ["a", "b", "c"], "mirror": [["a", 2]], "parts": {"p": ["b", 0]},
                    "eyes": [["a"], [2]], "eye_corners": [0, "c"]})
    )  # fmt: skip
    markup = read_markup(path)
    assert markup.mirror == (2, 1, 0)
    assert markup.parts == {"p": (1, 0)}
    assert markup.eyes == ((0,), (2,))
    assert markup.eye_corners == (0, 2)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_markup_survives_being_written(name: str) -> None:
    markup = shipped_markup(name)
    assert markup_from_json(json.loads(json.dumps(markup.to_json())), "there") == markup


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "cannot be read as a markup in JSON"),
        ("[]", 'with "points", a list of names'),
        ('{"points": [1, 2]}', 'with "points", a list of names'),
        ('{"points": []}', 'with "points", a list of names'),
        ('{"points": ["a", "a"]}', "names a point twice"),
        ('{"points": ["a", "b"], "mirror": {"a": "b"}}', "expected a list of pairs"),
        ('{"points": ["a", "b"], "mirror": [["a"]]}', "expected a pair"),
        ('{"points": ["a", "b"], "mirror": [["a", "c"]]}', "holds 'c'; expected a name"),
        ('{"points": ["a", "b"], "mirror": [["a", 2]]}', "a number from 0 to 1"),
        ('{"points": ["a", "b", "c"], "mirror": [[0, 1], [1, 2]]}', "is in two pairs"),
        ('{"points": ["a", "b"], "eyes": [["a"]]}', "expected two lists of points"),
        ('{"points": ["a", "b"], "eyes": [[], ["a"]]}', "expected a list of points"),
        ('{"points": ["a", "b"], "eye_corners": ["a"]}', "expected two points"),
        ('{"points": ["a", "b"], "parts": ["a"]}', '"parts": expected an object'),
        (
            '{"points": ["a", "b"], "mirrors": []}',
            'unknown entry "mirrors"; did you mean mirror? expected one of eye_corners, eyes',
        ),
    ],
)
def test_a_wrong_file_says_what_was_expected(tmp_path: Path, document: str, message: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(document)
    with pytest.raises(VestigeError, match=r"m\.json") as caught:
        read_markup(path)
    assert message in str(caught.value)


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(bytes(range(256)))
    for name in ("m.json", "none.json"):
        with pytest.raises(VestigeError, match=name):
            read_markup(tmp_path / name)
