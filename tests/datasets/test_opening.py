"""Specs to data sets: kinds, options, strictness, folds, and training and test data that share nothing."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import numpy as np
import pytest

from vestige.datasets.dataset import part_of
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.markup import shipped_markup, unknown_markup
from vestige.spelling import on_command_line


@pytest.fixture
def photos(tmp_path: Path, write_picture) -> Path:
    for seed in range(40):
        write_picture(tmp_path / "photos" / f"{seed:02}.png", 8, 6, seed)
    return tmp_path / "photos"


def test_a_folder_is_read_in_order_with_whole_pictures(photos: Path, write_picture) -> None:
    write_picture(photos / "below" / "x.JPG")
    (photos / "notes.txt").write_text("no picture")
    write_picture(photos / ".hidden.png")
    write_picture(photos / ".trash" / "y.png")
    dataset = open_dataset(f"folder:{photos}")
    assert len(dataset) == 41
    assert dataset[40].id == "below/x.JPG"
    assert dataset[0].box is None
    assert dataset[0].image.read().shape == (6, 8, 3)
    assert dataset.skipped == ()


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text"])
def test_a_bad_picture_in_a_folder_is_left_out(photos: Path, bad_pictures, name: str) -> None:
    bad_pictures[name](photos / "00.png")
    dataset = open_dataset(f"folder:{photos}")
    assert len(dataset) == 39
    assert [Path(problem.file).name for problem in dataset.skipped] == ["00.png"]


def test_strict_lists_the_problems_and_counts_the_rest(photos: Path) -> None:
    for seed in range(25):
        (photos / f"{seed:02}.png").write_bytes(b"")
    with pytest.raises(VestigeError) as caught:
        open_dataset(f"folder:{photos}", strict=True)
    lines = str(caught.value).splitlines()
    assert "25 problems" in lines[0]
    assert lines[1].endswith("00.png: is empty")
    assert lines[-1].strip() == "and 5 more"
    assert len(lines) == 22


def test_nothing_usable_is_an_error_that_shows_why(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(VestigeError, match=r"\n.*a\.png: is empty"):
        open_dataset(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fodler:photos", "did you mean folder\\?"),
        ("zip:photos", "expected one of .*300w.*folder.*synthetic"),
        ("folder", "is no data spec"),
        ("folder:/nowhere/at/all", "does not exist; expected a folder"),
        ("folder:{photos}/00.png", "is a file; expected a folder"),
        ("folder:{photos},size=3", "unknown option 'size'"),
        ("folder:{photos},fold=0/5", "expected fold=K/N"),
        ("folder:{photos},fold=6/5", "expected fold=K/N"),
        ("folder:{photos},fold=4-2/5", "expected fold=K/N"),
        ("folder:{photos},fold=five", "expected fold=K/N"),
        ("folder:{photos},fold", "expected fold=K/N"),
        ("synthetic:dragons", "there is no generator 'dragons'"),
        ("synthetic:faces,n=0", "at least one drawing"),
        ("synthetic:faces,n=-3", "expected a whole number"),
        ("synthetic:faces,category=car", "are options of synthetic:objects"),
        ("synthetic:objects,category=boat", "there is no category 'boat'; expected one of aeroplane, bird"),
        ("synthetic:faces,size=8", "expected 32 to 2048 pixels"),
    ],
)
def test_a_wrong_spec_says_what_was_expected(photos: Path, spec: str, message: str) -> None:
    with pytest.raises(VestigeError, match=message):
        open_dataset(spec.format(photos=photos))


def test_folds_part_the_data_and_the_rest_can_be_named(photos: Path) -> None:
    last = {example.id for example in open_dataset(f"folder:{photos},fold=5/5")}
    rest = {example.id for example in open_dataset(f"folder:{photos},fold=1-4/5")}
    assert last
    assert not last & rest
    assert len(last | rest) == 40
    singly = [{e.id for e in open_dataset(f"folder:{photos},fold={k}/5")} for k in range(1, 5)]
    assert set.union(*singly) == rest


def test_an_example_stays_in_its_fold_when_others_come_and_go(photos: Path, write_picture) -> None:
    before = {example.id for example in open_dataset(f"folder:{photos},fold=2/3")}
    for seed in range(40, 60):
        write_picture(photos / f"{seed:02}.png", 8, 6, seed)
    after = {example.id for example in open_dataset(f"folder:{photos},fold=2/3")}
    assert before == {name for name in after if int(name[:2]) < 40}


def test_the_parts_are_of_nearly_equal_size_and_never_change() -> None:
    counts = np.bincount([part_of(f"{k}.jpg", 5) for k in range(5000)], minlength=6)
    assert counts[0] == 0
    assert (abs(counts[1:] - 1000) < 120).all()  # four standard deviations of a fair die
    assert [part_of(name, 5) for name in ("a.jpg", "b.jpg", "c.jpg")] == [2, 1, 2]


def test_names_that_are_no_unicode_have_a_part_too(tmp_path: Path, write_picture) -> None:
    path = write_picture(tmp_path / "a.png")
    path.rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    dataset = open_dataset(f"folder:{tmp_path},fold=1/1")
    assert len(dataset) == 1
    assert dataset.fingerprint.startswith("sha256:")


def test_the_same_data_for_training_and_test_is_refused(photos: Path) -> None:
    with pytest.raises(VestigeError, match="the same data"):
        open_train_test(f"folder:{photos}", f"folder:{photos}/../photos")


def test_one_shared_picture_is_refused_whatever_its_name(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "other.png").write_bytes((photos / "07.png").read_bytes())
    with pytest.raises(VestigeError, match=r"1 of 40 .*'07.png' .*'other.png'"):
        open_train_test(f"folder:{photos}", f"folder:{tmp_path}/test")


def test_parts_that_overlap_are_refused(photos: Path) -> None:
    with pytest.raises(VestigeError, match="share nothing"):
        open_train_test(f"folder:{photos}", f"folder:{photos},fold=5/5")


def test_copies_in_one_data_set_leave_the_training_part(photos: Path) -> None:
    """Published data sets hold some pictures twice; the test data stays as published."""
    train, test = open_train_test(f"folder:{photos},fold=1-4/5", f"folder:{photos},fold=5/5")
    name = test[0].id
    copy = next(n for n in (f"copy{k}.png" for k in range(99)) if part_of(n, 5) != 5)
    (photos / copy).write_bytes((photos / name).read_bytes())
    specs = (f"folder:{photos},fold=1-4/5", f"folder:{photos},fold=5/5")
    with_copy, same = open_train_test(*specs)
    assert with_copy.fingerprint == train.fingerprint
    assert same.fingerprint == test.fingerprint
    assert [(p.file, p.message.endswith(name)) for p in with_copy.skipped] == [(copy, True)]
    with pytest.raises(VestigeError, match=r"share pictures.*strict"):
        open_train_test(*specs, strict=True)


def test_equal_names_of_different_pictures_are_no_overlap(photos: Path, write_picture, tmp_path: Path) -> None:
    write_picture(tmp_path / "test" / "00.png", seed=99)
    train, test = open_train_test(f"folder:{photos}", f"folder:{tmp_path}/test")
    assert (len(train), len(test)) == (40, 1)


def test_without_a_split_of_its_own_test_data_must_be_given(photos: Path) -> None:
    for train in (f"folder:{photos}", f"folder:{photos},fold=2/5", "synthetic:objects,n=9,seed=4,size=32,category=car"):
        with on_command_line(), pytest.raises(VestigeError, match="no split") as said:
            open_train_test(train)
        told = shlex.split(str(said.value).partition("as in ")[2])
        assert told[1] == "--test"
        first, second = open_train_test(told[0], told[2])  # what the message says to do works as it stands
        assert len(first)
        assert len(second)
        with pytest.raises(VestigeError) as said:
            open_train_test(train)
        assert str(said.value).endswith(f"as in {told[0]!r}, test={told[2]!r}")


def test_a_markup_must_fit_the_points() -> None:
    with pytest.raises(VestigeError, match=r"5 points; .* 68 points"):
        open_dataset("synthetic:faces,n=1,size=32", markup=unknown_markup(5))
    given = shipped_markup("face68")
    assert open_dataset("synthetic:faces,n=1,size=32", markup=given).markup is given


def test_a_markup_for_data_without_points_is_refused(photos: Path) -> None:
    with pytest.raises(VestigeError, match="has no points"):
        open_dataset(f"folder:{photos}", markup=unknown_markup(5))
