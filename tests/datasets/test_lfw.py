"""LFW: people as groups, attributes from a table, model scores as labels, and everything that can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError

TABLE = """image,male,glasses_score,age
Ada_King_0001.jpg,0,0.4999,36
Ada_King_0002.jpg,0,0.5,
Alan_Kay_0001.jpg,1,0.98,60.5
"""


@pytest.fixture
def lfw(tmp_path: Path, write_picture) -> Path:
    for seed, (person, number) in enumerate([("Ada_King", 1), ("Ada_King", 2), ("Alan_Kay", 1), ("Bo_Li", 1)]):
        write_picture(tmp_path / "images" / person / f"{person}_{number:04}.jpg", seed=seed)
    (tmp_path / "attributes.csv").write_text(TABLE)
    return tmp_path


def test_attributes_are_read_and_scores_become_model_labels(lfw: Path) -> None:
    dataset = open_dataset(f"lfw:{lfw}", strict=True)
    assert [dict(example.attributes) for example in dataset] == [
        {"male": 0.0, "glasses": 0.0, "age": 36.0},
        {"male": 0.0, "glasses": 1.0},
        {"male": 1.0, "glasses": 1.0, "age": 60.5},
        {},
    ]
    assert dataset.model_labels == ("glasses",)
    assert (dataset[0].id, dataset[0].group) == ("Ada_King/Ada_King_0001.jpg", "Ada_King")
    assert dataset[0].box is None


def test_a_person_is_a_group_and_stays_in_one_fold(lfw: Path, write_picture) -> None:
    for k in range(30):
        for number in (1, 2):
            write_picture(lfw / "images" / f"P{k}" / f"P{k}_{number:04}.jpg", 8, 6, 10 + 2 * k + number)
    alone = open_dataset(f"lfw:{lfw},group=picture")
    assert all(example.group == example.id for example in alone)
    dataset = open_dataset(f"lfw:{lfw}")
    assert dataset.fingerprint == open_dataset(f"lfw:{lfw},group=person").fingerprint
    assert dataset[0].group == dataset[1].group == "Ada_King"
    train, test = open_train_test(f"lfw:{lfw},fold=1-4/5", f"lfw:{lfw},fold=5/5")
    assert len(train) + len(test) == 64
    assert not {e.group for e in train} & {e.group for e in test}


def test_people_may_lie_in_the_folder_itself_and_the_table_elsewhere(lfw: Path) -> None:
    dataset = open_dataset(f"lfw:{lfw}/images")
    assert dict(dataset[0].attributes) == {}
    assert dataset.skipped == ()
    dataset = open_dataset(f"lfw:{lfw}/images,attributes={lfw}/attributes.csv")
    assert dataset[2].attributes["age"] == 60.5


ROWS = {
    "too few cells": ("Ada_King_0002.jpg,0,0.5", "has 3 cells; expected 4, as in line 1"),
    "too many cells": ("Ada_King_0002.jpg,0,0.5,3,3", "has 5 cells; expected 4, as in line 1"),
    "word": ("Ada_King_0002.jpg,yes,0.5,3", "column male: 'yes'; expected a finite number, or nothing"),
    "nan": ("Ada_King_0002.jpg,nan,0.5,3", "column male: 'nan'; expected a finite number"),
    "inf": ("Ada_King_0002.jpg,0,0.5,inf", "column age: 'inf'; expected a finite number"),
    "no probability": ("Ada_King_0002.jpg,0,1.5,3", "column glasses_score: 1.5; expected a probability"),
    "twice": ("Ada_King_0001.jpg,0,0.5,3", "image 'Ada_King_0001.jpg' is there twice"),
    "no name": (",0,0.5,3", "image '' is no file name"),
    "no picture": ("Nobody_0001.jpg,0,0.5,3", "image 'Nobody_0001.jpg': there is no such picture"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_row_is_reported_with_its_line(lfw: Path, name: str) -> None:
    row, message = ROWS[name]
    lines = TABLE.splitlines()
    (lfw / "attributes.csv").write_text("\n".join([*lines[:2], row, *lines[3:]]))
    dataset = open_dataset(f"lfw:{lfw}")
    (problem,) = dataset.skipped
    assert message in problem.message
    assert problem.line == 3
    assert dict(dataset[1].attributes) == {}
    with pytest.raises(VestigeError, match="1 problem"):
        open_dataset(f"lfw:{lfw}", strict=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (bytes(range(128, 256)), "is not text"),
        (b"name,male\nx,1\n", "expected a column 'image'"),
        (b"image,a,a_score\n", "each named once"),
        (b'image,a\n"x,1\n', "is no table of attributes"),
    ],
)
def test_a_file_that_is_no_table_is_an_error(lfw: Path, content: bytes, message: str) -> None:
    (lfw / "attributes.csv").write_bytes(content)
    with pytest.raises(VestigeError, match=r"attributes\.csv") as caught:
        open_dataset(f"lfw:{lfw}")
    assert message in str(caught.value)


def test_wrong_options_are_errors(lfw: Path) -> None:
    with pytest.raises(VestigeError, match="expected group=person"):
        open_dataset(f"lfw:{lfw},group=age")
    with pytest.raises(VestigeError, match="cannot be read"):
        open_dataset(f"lfw:{lfw},attributes={lfw}/none.csv")


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text", "missing", "folder"])
def test_a_bad_picture_is_reported_and_left_out(lfw: Path, bad_pictures, name: str) -> None:
    bad_pictures[name](lfw / "images" / "Alan_Kay" / "Alan_Kay_0001.jpg")
    dataset = open_dataset(f"lfw:{lfw}")
    assert len(dataset) == 3
    assert len(dataset.skipped) == 1


def test_two_pictures_of_one_name_are_a_problem(lfw: Path, write_picture) -> None:
    write_picture(lfw / "images" / "Bo_Li" / "Alan_Kay_0001.jpg", seed=77)
    (problem,) = open_dataset(f"lfw:{lfw}").skipped
    assert "2 pictures" in problem.message
