"""Helen's own annotation files: a round trip, the split, and everything that can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError

POINTS = np.column_stack(
    [10 + 60 * np.random.default_rng(0).random(194), 5 + 70 * np.random.default_rng(1).random(194)]
)


def write_annotation(path: Path, name: str, points) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name + "\n" + "".join(f"{x} , {y}\n" for x, y in points))


@pytest.fixture
def helen(tmp_path: Path, write_picture) -> Path:
    """Four faces, as the archives unpack."""
    names = ["100_1", "200_1", "300_2", "400_1"]
    for seed, name in enumerate(names):
        write_picture(tmp_path / ("test" if seed == 3 else f"train_{seed % 2 + 1}") / f"{name}.jpg", 100, 90, seed)
        write_annotation(tmp_path / "annotation" / f"{seed + 1}.txt", name, POINTS + seed)
    (tmp_path / "trainnames.txt").write_text("100_1 \n200_1\n300_2\n")
    (tmp_path / "testnames.txt").write_text("400_1\n")
    return tmp_path


def test_points_are_read_as_they_stand(helen: Path) -> None:
    dataset = open_dataset(f"helen194:{helen}", strict=True)
    assert [example.id for example in dataset] == [
        "test/400_1.jpg", "train_1/100_1.jpg", "train_1/300_2.jpg", "train_2/200_1.jpg"
    ]  # fmt: skip
    np.testing.assert_array_equal(dataset[1].keypoints, POINTS)
    np.testing.assert_array_equal(dataset[1].box, [*POINTS.min(0), *POINTS.max(0)])
    assert dataset[1].visible.all()
    assert dataset.markup.name == "helen194"


def test_its_own_split_is_used(helen: Path) -> None:
    train, test = open_train_test(f"helen194:{helen}")
    assert [len(train), len(test)] == [3, 1]
    assert test[0].id == "test/400_1.jpg"
    with pytest.raises(VestigeError, match="train part"):
        open_train_test(f"helen194:{helen},train")
    with pytest.raises(VestigeError, match="train and test"):
        open_dataset(f"helen194:{helen},train,test")


def test_a_missing_list_is_named(helen: Path) -> None:
    (helen / "trainnames.txt").unlink()
    with pytest.raises(VestigeError, match=r"trainnames\.txt: "):
        open_dataset(f"helen194:{helen},train")


def test_a_listed_name_without_annotation_is_a_problem(helen: Path) -> None:
    (helen / "annotation" / "2.txt").unlink()
    for spec in (f"helen194:{helen}", f"helen194:{helen},train"):
        (problem,) = open_dataset(spec).skipped
        assert problem.file.endswith("200_1.jpg")
        assert "first line" in problem.message


def test_no_annotation_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VestigeError, match="annotation does not exist"):
        open_dataset(f"helen194:{tmp_path}")


LINES = "".join("20 , 30\n" if k % 2 else "50 , 60\n" for k in range(194))
PROBLEMS = {
    "empty": (b"", "is empty", None),
    "binary": (bytes(range(128, 256)), "is not text", None),
    "no name": (LINES.encode(), "expected a picture's name", 1),
    "only a name": (b"200_1\n", "has 0 points; expected 194", 1),
    "truncated": (("200_1\n" + LINES[:503]).encode(), "points; expected 194", None),
    "wrong count": (("200_1\n" + LINES + "1 , 2\n").encode(), "has 195 points; expected 194", 196),
    "cut line": (("200_1\n" + LINES[:-5]).encode(), "expected 'x , y'", 195),
    "no number": (("200_1\n3 , y\n" + LINES[8:]).encode(), "'y' is no number", 2),
    "nan": (("200_1\nnan , 3\n" + LINES[8:]).encode(), "'nan' is not finite", 2),
    "inf": (("200_1\n3 , inf\n" + LINES[8:]).encode(), "'inf' is not finite", 2),
    "outside": (("200_1\n" + LINES.replace("30", "500").replace("60", "700")).encode(), "outside the picture", None),
    "one far outside": (("200_1\n9000 , 3\n" + LINES[8:]).encode(), "(9000, 3) lies 8900 pixels outside", 2),
    "no picture": (("999_9\n" + LINES).encode(), "no such picture below", 1),
    "climbs": (("../200_1\n" + LINES).encode(), "expected a picture's name", 1),
    "absolute": (("/etc/passwd\n" + LINES).encode(), "expected a picture's name", 1),
    "second": (("100_1\n" + LINES).encode(), "is a second annotation of 100_1, after 1.txt", 1),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_bad_annotation_is_reported_and_left_out(helen: Path, name: str) -> None:
    content, message, line = PROBLEMS[name]
    (helen / "annotation" / "2.txt").write_bytes(content)
    dataset = open_dataset(f"helen194:{helen}")
    assert "train_2/200_1.jpg" not in {example.id for example in dataset}
    assert len(dataset) == 3
    problem = dataset.skipped[0]
    assert problem.file == str(helen / "annotation" / "2.txt")
    assert message in problem.message
    assert line in (None, problem.line)


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text", "missing", "folder"])
def test_a_bad_picture_is_reported_and_left_out(helen: Path, bad_pictures, name: str) -> None:
    bad_pictures[name](helen / "train_2" / "200_1.jpg")
    dataset = open_dataset(f"helen194:{helen}")
    assert len(dataset) == 3
    assert len(dataset.skipped) == 1


def test_two_pictures_of_one_name_are_a_problem(helen: Path, write_picture) -> None:
    write_picture(helen / "extra" / "200_1.png")
    (problem,) = open_dataset(f"helen194:{helen}").skipped
    assert "2 pictures" in problem.message
