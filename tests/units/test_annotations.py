"""What people called units: checked on the way in, exported, imported and measured."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from scipy.io import savemat

from vestige.errors import VestigeError
from vestige.units.annotations.agreement import Agreement, _resampled_alpha, agreement, by_unit
from vestige.units.annotations.answers import GROUPS, RELEASE_GROUPS, Answer
from vestige.units.annotations.files import answers_json, read_answers, write_answers
from vestige.units.words import same_name

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


def test_answers_come_back_from_tables_and_documents(tmp_path: Path) -> None:
    answers = (
        answer(concept='=HYPERLINK("x")', seconds=None, at=""),
        answer(unit=4, concept="'-45° “lines”, <b>", marked=(100,), passed=False, tries=3),
        answer(unit=5, shown=(), planted=(), marked=(), stated=2 / 3),
    )
    for name in ("answers.csv", "answers.json"):
        write_answers(tmp_path / name, answers)
        assert read_answers(tmp_path / name)[:2] == answers[:2]
        assert read_answers(tmp_path / name)[2].precision == pytest.approx(2 / 3, abs=1e-6)
    table = list(csv.reader((tmp_path / "answers.csv").read_text().splitlines()))
    assert all(not cell.startswith(("=", "+", "-", "@")) for line in table for cell in line)
    with pytest.raises(VestigeError, match="is there already"):
        write_answers(tmp_path / "answers.csv", answers)
    with pytest.raises(VestigeError, match=r"\.txt"):
        write_answers(tmp_path / "answers.txt", answers)


def test_a_table_needs_no_more_than_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("\ufeffunit,layer,annotator,concept,group,precision,note\n3,conv5,ada,lamp,object,0.5,x\n")
    assert read_answers(path) == (
        answer(layer="conv5", shown=(), planted=(), marked=(), seconds=None, at="", stated=0.5),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_spreadsheets_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("unit,layer,annotator,concept,group,precision\n3,conv5,ada,“lamp”,object,0.5\n", encoding=encoding)
    assert [each.concept for each in read_answers(path)] == ["“lamp”"]
    path.write_bytes("unit,layer,annotator,concept,group,precision\n3,conv5,ada,café,object,0.5\n".encode("latin-1"))
    with pytest.raises(VestigeError, match=r"mine\.csv: .* save it as UTF-8"):
        read_answers(path)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("pool5,x,ada,lamp,object,0.5", "line 2: unit"),
        ("pool5,3,ada,lamp,thing,0.5", "line 2: group"),
        ("pool5,3,ada,lamp,object,nan", "line 2: precision"),
        ("pool5,3,ada,lamp,object,1.9", "line 2: precision"),
        ("pool5,3,ada,lamp,object,much", "line 2: precision"),
        ("pool5,3,ada,lamp,object", "line 2: has more or fewer cells"),
        ("pool5,3,ada,lamp,object,0.5\npool5,3,ada,lamps,object,0.5", "line 3: ada has answered"),
        ('pool5,3,ada,"lamp,object,0.5', "cannot be read as a table"),
    ],
)
def test_the_row_and_the_field_are_named(tmp_path: Path, line: str, named: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"layer,unit,annotator,concept,group,precision\n{line}\n")
    with pytest.raises(VestigeError, match=named) as error:
        read_answers(path)
    assert str(path) in str(error.value)


def test_a_precision_has_to_agree_with_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    entry = json.loads(answers_json([answer()]))
    entry["answers"][0]["precision"] = 0.5
    path.write_text(json.dumps(entry))
    with pytest.raises(VestigeError, match=r"answers\[0\]: precision"):
        read_answers(path)
    path.write_text('{"answers": [{"layer": "a"}]}')
    with pytest.raises(VestigeError, match="has no 'unit'"):
        read_answers(path)


def release(path: Path, tables: dict[str, list[list[tuple[str, int, float]]]]) -> Path:
    """A file in the layout of the authors' release."""
    cells = np.empty((len(tables), 2), object)
    for k, (layer, units) in enumerate(tables.items()):
        table = np.empty((len(units), 9), object)
        for u, workers in enumerate(units):
            table[u] = [value for worker in workers for value in worker]
        cells[k] = [table, layer]
    savemat(path, {"layerAnnotation": cells})
    return path


def test_the_authors_release_keeps_its_own_groups(tmp_path: Path) -> None:
    unit = [("Lamps ", 2, 55 / 57), ("light", 4, 1), ("=lamp", 6, 30 / 57)]
    answers = read_answers(release(tmp_path / "unitAnnotation.mat", {"pool5": [unit, unit]}))
    assert [each.unit for each in answers] == [0, 0, 0, 1, 1, 1]
    assert [each.concept for each in answers[:3]] == ["Lamps", "light", "=lamp"]
    assert [each.group for each in answers[:3]] == [RELEASE_GROUPS[1], RELEASE_GROUPS[3], RELEASE_GROUPS[5]]
    assert [each.precision for each in answers[:3]] == pytest.approx([55 / 57, 1, 30 / 57])
    assert not set(RELEASE_GROUPS) & set(GROUPS)
    with pytest.raises(VestigeError, match="pool5, unit 0, worker 2: group 7"):
        read_answers(release(tmp_path / "bad.mat", {"pool5": [[unit[0], ("x", 7, 1), unit[2]]]}))
    (tmp_path / "torn.mat").write_bytes((tmp_path / "bad.mat").read_bytes()[:300])
    with pytest.raises(VestigeError, match=r"torn\.mat: cannot be read"):
        read_answers(tmp_path / "torn.mat")


def test_agreement_is_that_of_the_package_and_of_counting() -> None:
    draw, words = np.random.default_rng(3), ("Lamp", "lamp!", "x")
    answers = [
        answer(unit=u, annotator=f"p{k}", group=GROUPS[draw.integers(3)], concept=str(draw.choice(words)))
        for u in range(40)
        for k in range(2 + u % 2)
    ]
    failed = answer(unit=0, annotator="p9", marked=(), passed=False, concept="nonsense")
    units = by_unit([*answers, failed])
    found = agreement(units)
    assert found.units == 40
    table = np.full((3, 40), np.nan)
    for each in answers:
        table[int(each.annotator[1:]), each.unit] = GROUPS.index(each.group)
    assert found.alpha == pytest.approx(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal"))
    shares = []
    for u in range(40):
        said = [each.concept.lower().strip("!") for each in answers if each.unit == u]
        shares.append(np.mean([a == b for a, b in combinations(said, 2)]))
    assert found.words == pytest.approx(np.mean(shares))
    assert found.alpha_ci95 is not None
    assert found.alpha_ci95[0] < found.alpha < found.alpha_ci95[1]


def test_agreement_is_unknown_where_nobody_can_disagree() -> None:
    assert agreement(by_unit([answer()])) == Agreement(None, None, None, None, 0)
    alike = agreement(by_unit([answer(), answer(annotator="bob")]))
    assert (alike.alpha, alike.words, alike.units) == (None, 1.0, 1)


def test_resampled_alpha_is_the_alpha_of_the_resample() -> None:
    draw = np.random.default_rng(0)
    counts = draw.multinomial(3, [0.5, 0.3, 0.2], size=12)
    weights = draw.multinomial(12, np.full(12, 1 / 12), size=5)
    expected = [
        krippendorff.alpha(value_counts=np.repeat(counts, each, axis=0), level_of_measurement="nominal")
        for each in weights
    ]
    assert _resampled_alpha(counts, weights.astype(float)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Traffic Lights", "traffic light", True),
        ("buses", "bus", True),
        ("bushes", "bush", True),
        ("Benches", "bench", True),
        ("houses", "house", True),
        ("shoes", "shoe", True),
        ("vases", "vase", True),
        ("people", "person", True),
        ("grass", "gras", False),
        ("bus", "bu", False),
        ("glasses", "glass", True),
        ("trees", "tree", True),
        ("skies", "sky", True),
        ("lamp", "desk lamp", False),
    ],
)
def test_names_are_the_same_in_plural(a: str, b: str, same: bool) -> None:
    assert same_name(a, b) is same
