"""CUB-200-2011: a round trip through its own files, its split, and everything that can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.markup import shipped_markup

NAMES = ["001.Gull/a.jpg", "001.Gull/b.jpg", "002.Tern/c.jpg"]


@pytest.fixture
def cub(tmp_path: Path, write_picture) -> Path:
    for seed, name in enumerate(NAMES):
        write_picture(tmp_path / "images" / name, 60, 40, seed)
    (tmp_path / "parts").mkdir()
    rows = enumerate(NAMES, 1)
    (tmp_path / "images.txt").write_text("".join(f"{i} {name}\n" for i, name in rows))
    (tmp_path / "image_class_labels.txt").write_text("1 1\n2 1\n3 2\n")
    (tmp_path / "bounding_boxes.txt").write_text("1 0.0 4.0 60.0 36.0\n2 5.0 5.0 20.0 20.0\n3 5.0 5.0 20.0 20.0\n")
    (tmp_path / "train_test_split.txt").write_text("1 1\n2 0\n3 1\n")
    points = shipped_markup("cub15").points
    (tmp_path / "parts" / "parts.txt").write_text("".join(f"{k} {point}\n" for k, point in enumerate(points, 1)))
    (tmp_path / "parts" / "part_locs.txt").write_text(
        "".join(
            f"{i} {k} {2.0 * k} {k + 3.5} 1\n" if k != 7 else f"{i} {k} 0.0 0.0 0\n"
            for i in (1, 2, 3)
            for k in range(1, 16)
        )
    )
    return tmp_path


def test_parts_are_pixel_indices_and_boxes_are_continuous(cub: Path) -> None:
    dataset = open_dataset(f"cub:{cub}", strict=True)
    assert [example.id for example in dataset] == NAMES
    example = dataset[0]
    np.testing.assert_array_equal(example.box, [0, 4, 60, 40])
    np.testing.assert_array_equal(example.keypoints[0], [2.5, 5.0])
    np.testing.assert_array_equal(example.visible, [k != 6 for k in range(15)])
    np.testing.assert_array_equal(example.keypoints[6], [0, 0])
    assert example.category == "bird"
    assert dataset.classes == ("bird",)
    assert dataset.markup == shipped_markup("cub15")


def test_its_own_split_is_used(cub: Path) -> None:
    train, test = open_train_test(f"cub:{cub}")
    assert [e.id for e in train] == [NAMES[0], NAMES[2]]
    assert [e.id for e in test] == [NAMES[1]]
    assert train.spec == f"cub:{cub},train"


PROBLEMS = {
    "box words": ("bounding_boxes.txt", "2 5.0 5.0 20.0\n", "has 4 words; expected 5", 2),
    "box number": ("bounding_boxes.txt", "2 5.0 5.0 x 20.0\n", "'x' is no number", 2),
    "box nan": ("bounding_boxes.txt", "2 5.0 5.0 nan 20.0\n", "'nan' is not finite", 2),
    "box empty": ("bounding_boxes.txt", "2 5.0 5.0 0.0 20.0\n", "is empty", 2),
    "box outside": ("bounding_boxes.txt", "2 500.0 5.0 10.0 20.0\n", "lies outside its picture of 60x40", 2),
    "part number": ("parts/part_locs.txt", "2 1 x 4.5 1\n", "'x' is no number", 16),
    "part inf": ("parts/part_locs.txt", "2 1 inf 4.5 1\n", "'inf' is not finite", 16),
    "part words": ("parts/part_locs.txt", "2 1 2.0 4.5\n", "has 4 words; expected 'picture part x y visible'", 16),
    "part outside": ("parts/part_locs.txt", "2 1 2000.0 4.5 1\n", "keypoint 0 at (2000.5, 5) lies", None),
    "name words": ("images.txt", "2\n", "has 1 words; expected 2", 2),
    "name climbs": ("images.txt", "2 ../../b.jpg\n", "expected a path inside", 2),
    "name missing": ("images.txt", "2 001.Gull/nothing.jpg\n", "does not exist", None),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_bad_row_is_reported_and_its_picture_left_out(cub: Path, name: str) -> None:
    file, row, message, line = PROBLEMS[name]
    key = " ".join(row.split()[:2]) + " " if file.startswith("parts") else "2 "
    lines = (cub / file).read_text().splitlines(keepends=True)
    at = next(k for k, text in enumerate(lines) if text.startswith(key))
    (cub / file).write_text("".join([*lines[:at], row, *lines[at + 1 :]]))
    dataset = open_dataset(f"cub:{cub}")
    assert [example.id for example in dataset] == [NAMES[0], NAMES[2]]
    assert message in dataset.skipped[0].message
    assert line in (None, dataset.skipped[0].line)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("bounding_boxes.txt", "has no row for picture 3"),
        ("parts/part_locs.txt", "has no row for picture 3 (002.Tern/c.jpg), part 15 (throat)"),
    ],
)
def test_a_truncated_table_loses_the_pictures_without_rows(cub: Path, file: str, message: str) -> None:
    lines = (cub / file).read_text().splitlines(keepends=True)
    (cub / file).write_text("".join(lines[:-1]))
    dataset = open_dataset(f"cub:{cub}")
    assert [example.id for example in dataset] == NAMES[:2]
    assert message in dataset.skipped[0].message


def test_a_row_that_is_there_twice_is_a_problem(cub: Path) -> None:
    for file, row in (("bounding_boxes.txt", "1 1 1 5 5\n"), ("parts/part_locs.txt", "1 1 2 2 1\n")):
        with (cub / file).open("a") as table:
            table.write(row)
    assert [p.message for p in open_dataset(f"cub:{cub}").skipped] == [
        "picture 1 is there twice", "picture 1, part 1 is there twice"
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["2", "x"])
def test_a_bad_split_is_a_problem(cub: Path, value: str) -> None:
    (cub / "train_test_split.txt").write_text(f"1 1\n2 {value}\n3 1\n")
    (problem,) = open_dataset(f"cub:{cub},train").skipped
    assert "'picture 1'" in problem.message
    assert problem.line == 2


@pytest.mark.parametrize("file", ["images.txt", "bounding_boxes.txt", "parts/parts.txt", "parts/part_locs.txt"])
@pytest.mark.parametrize("content", [None, b"", bytes(range(128, 256))], ids=["missing", "empty", "binary"])
def test_a_table_that_cannot_be_read_is_an_error(cub: Path, file: str, content: bytes | None) -> None:
    (cub / file).unlink()
    if content is not None:
        (cub / file).write_bytes(content)
    with pytest.raises(VestigeError, match=rf"{file}: .*CUB-200-2011"):
        open_dataset(f"cub:{cub}")


def test_parts_must_be_numbered(cub: Path) -> None:
    (cub / "parts" / "parts.txt").write_text("1 back\n3 beak\n")
    with pytest.raises(VestigeError, match="numbered from 1 on"):
        open_dataset(f"cub:{cub}")


def test_other_parts_get_a_markup_of_their_names(cub: Path) -> None:
    (cub / "parts" / "parts.txt").write_text("1 left fin\n2 right fin\n3 tail\n")
    assert open_dataset(f"cub:{cub}").markup.mirror == (1, 0, 2)


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text", "missing", "folder"])
def test_a_bad_picture_is_reported_and_left_out(cub: Path, bad_pictures, name: str) -> None:
    bad_pictures[name](cub / "images" / NAMES[1])
    dataset = open_dataset(f"cub:{cub}")
    assert [example.id for example in dataset] == [NAMES[0], NAMES[2]]
    assert dataset.skipped[0].file == str(cub / "images" / NAMES[1])


def test_a_picture_that_is_listed_twice_counts_once(cub: Path) -> None:
    (cub / "images.txt").write_text("".join(f"{i} {NAMES[k]}\n" for i, k in ((1, 0), (2, 0), (3, 2))))
    dataset = open_dataset(f"cub:{cub}")
    assert [example.id for example in dataset] == [NAMES[0], NAMES[2]]
    assert str(dataset.skipped[0]).startswith(f"{NAMES[0]}: ")
