"""300-W folders: the coordinate conversion, and everything that can be wrong with a .pts file or its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.ibug import read_pts
from vestige.datasets.opening import open_dataset
from vestige.datasets.reading import BadFileError
from vestige.errors import VestigeError

POINTS = [(5.5, 6.0), (20.25, 6.0), (12.0, 22.0), (13.0, 9.0)]


def write_pts(path: Path, points, declared: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(f"{x} {y}\n" for x, y in points)
    path.write_text(f"version: 1\nn_points:  {len(points) if declared is None else declared}\n{{\n{body}}}\n")
    return path


@pytest.fixture
def folder(tmp_path: Path, write_picture) -> Path:
    for seed, name in enumerate(["b", "a", "deep/c"]):
        write_picture(tmp_path / f"{name}.jpg", seed=seed)
        write_pts(tmp_path / f"{name}.pts", POINTS)
    return tmp_path


def test_coordinates_are_moved_from_centres_on_integers_from_one(folder: Path) -> None:
    example = open_dataset(f"300w:{folder}")[0]
    np.testing.assert_array_equal(example.keypoints, np.array(POINTS) - 0.5)
    np.testing.assert_array_equal(example.box, [5.0, 5.5, 19.75, 21.5])
    assert example.visible.all()


def test_the_point_of_the_first_pixel_falls_on_its_centre(tmp_path: Path) -> None:
    """A .pts point at (1, 1) is the centre of the first pixel, which is (0.5, 0.5) here."""
    points, visible, lines = read_pts(write_pts(tmp_path / "a.pts", [(1, 1), (40, 30)]))
    np.testing.assert_array_equal(points, [[0.5, 0.5], [39.5, 29.5]])
    assert visible.all()
    assert lines == [4, 5]


def test_examples_are_sorted_by_their_path_and_keep_their_extension(folder: Path) -> None:
    dataset = open_dataset(f"300w:{folder}")
    assert [example.id for example in dataset] == ["a.jpg", "b.jpg", "deep/c.jpg"]
    assert dataset.skipped == ()
    assert dataset.markup.name == "unknown-4"


def test_68_points_get_their_markup(tmp_path: Path, write_picture) -> None:
    write_picture(tmp_path / "a.png", 100, 100)
    write_pts(tmp_path / "a.pts", [(10 + k, 20 + k % 7) for k in range(68)])
    assert open_dataset(f"300w:{tmp_path}").markup.name == "face68"


@pytest.mark.parametrize("missing", [(0, 0), (-1, -1), ("-1.000", "-1.000")])
def test_points_at_nought_or_minus_one_are_missing(folder: Path, missing) -> None:
    write_pts(folder / "a.pts", [*POINTS[:3], missing])
    example = open_dataset(f"300w:{folder}")[0]
    np.testing.assert_array_equal(example.visible, [True, True, True, False])
    assert np.isfinite(example.keypoints).all()
    np.testing.assert_array_equal(example.box, [5.0, 5.5, 19.75, 21.5])


def test_a_face_cut_by_the_edge_is_kept_and_its_points_stay_visible(folder: Path) -> None:
    write_pts(folder / "a.pts", [(-8.0, 6.0), *POINTS[1:]])
    example = open_dataset(f"300w:{folder}", strict=True)[0]
    assert example.keypoints[0, 0] == -8.5
    assert example.visible.all()


PTS_PROBLEMS = {
    "empty": (b"", "is empty", None),
    "binary": (bytes(range(128, 256)), "is not text", None),
    "zero bytes": (b"version: 1\0", "zero bytes", None),
    "no brace": (b"version: 1\nn_points: 4\n1 2\n", "has no '{'", 1),
    "no count": (b"version: 1\n{\n1 2\n}\n", "has no 'n_points: N'", None),
    "bad count": (b"n_points: four\n{\n1 2\n}\n", "n_points is 'four'", 1),
    "strange header": (b"version: 1\nhello\n{\n}\n", "'hello'; expected", 2),
    "truncated": (b"version: 1\nn_points: 4\n{\n1 2\n3 4\n5.0", "it is cut off", 6),
    "too few": (b"version: 1\nn_points: 4\n{\n1 2\n3 4\n5 6\n}\n", "has 3 points; 'n_points' says 4", 7),
    "too many": (b"version: 1\nn_points: 1\n{\n1 2\n3 4\n}\n", "has 2 points; 'n_points' says 1", 6),
    "three words": (b"n_points: 2\n{\n1 2\n3 4 5\n}\n", "has 3 words; expected 'x y'", 4),
    "no number": (b"n_points: 2\n{\n1 2\n3 x\n}\n", "'x' is no number", 4),
    "nan": (b"n_points: 2\n{\n1 2\nnan 4\n}\n", "'nan' is not finite", 4),
    "infinity": (b"n_points: 2\n{\n1 2\n4 -inf\n}\n", "'-inf' is not finite", 4),
    "all missing": (b"n_points: 2\n{\n0 0\n-1 -1\n}\n", "all points are missing", None),
    "one place": (b"n_points: 2\n{\n3 3\n3 3\n}\n", "in one place", None),
    "another picture's": (b"n_points: 2\n{\n300 3\n3 300\n}\n", "2 of 2 points lie outside the picture of 40x30", None),
    "far outside": (b"n_points: 3\n{\n3 3\n13 13\n999999 3\n}\n", "outside the picture of 40x30", 5),
}


@pytest.mark.parametrize("name", PTS_PROBLEMS)
def test_a_bad_annotation_is_reported_with_its_line_and_left_out(folder: Path, name: str) -> None:
    content, message, line = PTS_PROBLEMS[name]
    (folder / "a.pts").write_bytes(content)
    dataset = open_dataset(f"300w:{folder}")
    assert [example.id for example in dataset] == ["b.jpg", "deep/c.jpg"]
    (problem,) = dataset.skipped
    assert problem.file == str(folder / "a.pts")
    assert message in problem.message
    assert problem.line == line


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text", "missing", "folder"])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_bad_picture_is_reported_and_left_out(folder: Path, bad_pictures, name, ending) -> None:
    (folder / "a.jpg").unlink()
    bad_pictures[name](folder / f"a.{ending}")
    dataset = open_dataset(f"300w:{folder}")
    assert [example.id for example in dataset] == ["b.jpg", "deep/c.jpg"]
    (problem,) = dataset.skipped
    assert Path(problem.file).stem == "a"
    with pytest.raises(VestigeError, match="1 problem"):
        open_dataset(f"300w:{folder}", strict=True)


def test_another_number_of_points_than_most_is_a_problem(folder: Path) -> None:
    write_pts(folder / "a.pts", POINTS[:3])
    dataset = open_dataset(f"300w:{folder}")
    assert "3 points; expected 4" in dataset.skipped[0].message
    assert len(dataset) == 2


def test_what_has_no_partner_is_a_problem(folder: Path, write_picture) -> None:
    write_picture(folder / "lonely.png")
    write_pts(folder / "alone.pts", POINTS)
    messages = [str(problem) for problem in open_dataset(f"300w:{folder}").skipped]
    assert messages == [
        f"{folder}/alone.pts: no picture alone.jpg or .png beside it",
        f"{folder}/lonely.png: no lonely.pts beside it",
    ]


def test_two_pictures_of_one_name_are_a_problem(folder: Path, write_picture) -> None:
    write_picture(folder / "a.png")
    (problem,) = open_dataset(f"300w:{folder}").skipped
    assert "a.jpg and a.png" in problem.message


def test_a_turned_picture_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    """EXIF orientation 6 swaps the sides; the point at y = 39 is inside the shown picture only."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
    write_pts(tmp_path / "a.pts", [(2, 39), (29, 2), (3, 35), (4, 38)])
    assert len(open_dataset(f"300w:{tmp_path}", strict=True)) == 1


def test_read_pts_names_file_and_line(tmp_path: Path) -> None:
    path = write_pts(tmp_path / "a.pts", [(1, 2), ("x", 4)])
    with pytest.raises(BadFileError, match=r"a\.pts, line 5: 'x'"):
        read_pts(path)


def test_a_folder_without_any_pts_is_an_error_of_one_line(tmp_path: Path, write_picture) -> None:
    write_picture(tmp_path / "a.jpg")
    with pytest.raises(VestigeError, match=r"\.pts file") as caught:
        open_dataset(f"300w:{tmp_path}")
    assert "\n" not in str(caught.value)
