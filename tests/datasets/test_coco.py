"""COCO keypoints: conventions, categories, and everything that can be wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.markup import shipped_markup

COCO17 = list(shipped_markup("coco17").points)


def annotation(key: int, image: int = 1, category: int = 1, n: int = 3, **more: Any) -> dict[str, Any]:
    keypoints = [v for k in range(n) for v in (10 + 3 * k, 8 + 2 * k, 2)]
    return {
        "id": key,
        "image_id": image,
        "category_id": category,
        "bbox": [5.5, 4, 30, 20],
        "keypoints": keypoints,
    } | more


@pytest.fixture
def document() -> dict[str, Any]:
    return {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 60, "height": 40},
            {"id": 2, "file_name": "deep/b.png", "width": 60, "height": 40},
        ],
        "annotations": [annotation(7), annotation(8, image=2), annotation(9, image=2)],
        "categories": [{"id": 1, "name": "crab", "keypoints": ["left_claw", "right_claw", "shell"]}],
    }


@pytest.fixture
def folder(tmp_path: Path, write_picture) -> Path:
    write_picture(tmp_path / "images" / "a.jpg", 60, 40, 1)
    write_picture(tmp_path / "images" / "deep" / "b.png", 60, 40, 2)
    return tmp_path


def opened(folder: Path, document: dict[str, Any], options: str = "", **more: Any):
    (folder / "labels.json").write_text(json.dumps(document))
    return open_dataset(f"coco:{folder}/labels.json,images={folder}/images{options}", **more)


def test_keypoints_are_pixel_indices_and_boxes_are_continuous(folder: Path, document: dict[str, Any]) -> None:
    """As in detectron2: half a pixel is added to keypoints, nothing to boxes."""
    dataset = opened(folder, document, strict=True)
    assert [example.id for example in dataset] == ["a.jpg#7", "deep/b.png#8", "deep/b.png#9"]
    example = dataset[0]
    np.testing.assert_array_equal(example.keypoints, [[10.5, 8.5], [13.5, 10.5], [16.5, 12.5]])
    np.testing.assert_array_equal(example.box, [5.5, 4, 35.5, 24])
    assert example.category == "crab"
    assert dataset.classes == ("crab",)
    assert dataset[1].group == dataset[2].group == "deep/b.png"
    assert dataset.markup.mirror == (1, 0, 2)


def test_the_last_pixel_stays_inside_the_picture(folder: Path, document: dict[str, Any]) -> None:
    document["annotations"] = [annotation(7, keypoints=[0, 0, 2, 59, 39, 2, 30, 20, 2])]
    np.testing.assert_array_equal(opened(folder, document)[0].keypoints[:2], [[0.5, 0.5], [59.5, 39.5]])


def test_the_flag_corners_takes_keypoints_as_they_stand(folder: Path, document: dict[str, Any]) -> None:
    np.testing.assert_array_equal(opened(folder, document, ",corners")[0].keypoints[0], [10, 8])


def test_visibility_flags(folder: Path, document: dict[str, Any]) -> None:
    document["annotations"] = [annotation(7, keypoints=[10, 8, 2, 11, 9, 1, 0, 0, 0])]
    np.testing.assert_array_equal(opened(folder, document)[0].visible, [True, True, False])
    np.testing.assert_array_equal(opened(folder, document, ",visible=2")[0].visible, [True, False, False])
    np.testing.assert_array_equal(opened(folder, document)[0].keypoints[2], [0, 0])


def test_crowds_and_objects_without_keypoints_are_passed_over(folder: Path, document: dict[str, Any]) -> None:
    document["annotations"] += [
        annotation(10, iscrowd=1),
        annotation(11, keypoints=[0] * 9, num_keypoints=0),
        {"id": 12, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]},
    ]
    assert len(opened(folder, document, strict=True)) == 3


def test_people_get_the_shipped_markup(folder: Path, document: dict[str, Any]) -> None:
    document["categories"] = [{"id": 1, "name": "person", "keypoints": COCO17}]
    document["annotations"] = [annotation(7, n=17)]
    assert opened(folder, document).markup == shipped_markup("coco17")


def test_categories_with_the_same_points_share_them(folder: Path, document: dict[str, Any]) -> None:
    document["categories"].append(dict(document["categories"][0], id=2, name="lobster"))
    document["annotations"][1]["category_id"] = 2
    dataset = opened(folder, document, strict=True)
    assert dataset.markup.points == ("left_claw", "right_claw", "shell")
    assert [example.category for example in dataset] == ["crab", "lobster", "crab"]
    assert dataset.classes == ("crab", "lobster")


def test_categories_with_other_points_stand_side_by_side(folder: Path, document: dict[str, Any]) -> None:
    document["categories"].append({"id": 5, "name": "kite", "keypoints": ["left_tip", "right_tip"]})
    document["annotations"][1] = annotation(8, image=2, category=5, n=2)
    with pytest.raises(VestigeError, match=r"crab .*\b3 .*\b2 .*kite .*\b2 .*\b1 .*category=crab"):
        opened(folder, document)
    alone = opened(folder, document, ",category=crab", strict=True)
    assert alone.markup.points == ("left_claw", "right_claw", "shell")
    assert [example.id for example in alone] == ["a.jpg#7", "deep/b.png#9"]
    with pytest.raises(VestigeError, match="crab"):
        opened(folder, document, ",category=crabs")
    dataset = opened(folder, document, ",category=all", strict=True)
    assert dataset.markup.points == (
        "crab/left_claw",
        "crab/right_claw",
        "crab/shell",
        "kite/left_tip",
        "kite/right_tip",
    )
    assert dataset.markup.mirror == (1, 0, 2, 4, 3)
    np.testing.assert_array_equal(dataset[0].visible, [True, True, True, False, False])
    np.testing.assert_array_equal(dataset[1].visible, [False, False, False, True, True])
    np.testing.assert_array_equal(dataset[1].keypoints[3], [10.5, 8.5])


def test_points_without_names_are_numbered(folder: Path, document: dict[str, Any]) -> None:
    del document["categories"][0]["keypoints"]
    assert opened(folder, document).markup.points == ("0", "1", "2")


ANNOTATION_PROBLEMS = {
    "wrong count": ({"keypoints": [1, 2, 2, 3, 4, 2]}, '6 numbers in "keypoints"; expected 9'),
    "nan": ({"keypoints": [1, float("nan"), 2] * 3}, "expected finite numbers x, y, v"),
    "infinity": ({"keypoints": [1, float("inf"), 2] * 3}, "expected finite numbers x, y, v"),
    "huge": ({"keypoints": [1, 10**400, 2] * 3}, "expected finite numbers x, y, v"),
    "text": ({"keypoints": ["1", "2", "2"] * 3}, "expected finite numbers x, y, v"),
    "no list": ({"keypoints": "x"}, "expected finite numbers x, y, v"),
    "no box": ({"bbox": None}, '"bbox" is None; expected [x, y, width, height]'),
    "short box": ({"bbox": [1, 2, 3]}, '"bbox" is [1, 2, 3]'),
    "empty box": ({"bbox": [5, 5, 0, 9]}, "is empty; expected x0 < x1"),
    "nan box": ({"bbox": [5, 5, float("nan"), 9]}, '"bbox" is [5, 5, nan, 9]'),
    "box outside": ({"bbox": [500, 5, 10, 9]}, "lies outside its picture of 60x40"),
    "far keypoint": (
        {"keypoints": [1, 2, 2, 3, 4, 2, 999, 5, 2]},
        "keypoint 2 at (999.5, 5.5) lies 940 pixels outside",
    ),
    "no such image": ({"image_id": 77}, 'image_id 77 is not among "images"'),
    "strange image": ({"image_id": [1]}, 'image_id [1] is not among "images"'),
    "no such category": ({"category_id": 77}, 'category_id 77 is not among "categories"'),
    "strange category": ({"category_id": [1]}, 'category_id [1] is not among "categories"'),
}


@pytest.mark.parametrize("name", ANNOTATION_PROBLEMS)
def test_a_bad_annotation_is_reported_and_left_out(folder: Path, document: dict[str, Any], name: str) -> None:
    change, message = ANNOTATION_PROBLEMS[name]
    document["annotations"][0] |= change
    dataset = opened(folder, document)
    assert [example.id for example in dataset] == ["deep/b.png#8", "deep/b.png#9"]
    (problem,) = dataset.skipped
    assert "annotation 7: " in problem.message
    assert message in problem.message


IMAGE_PROBLEMS = {
    "other size": ({"width": 61}, "has 60x40 pixels"),
    "no name": ({"file_name": None}, 'expected a "file_name"'),
    "climbs": ({"file_name": "../../etc/passwd"}, "expected a path inside"),
    "climbs with backslashes": ({"file_name": "..\\a.jpg"}, "expected a path inside"),
    "absolute": ({"file_name": "/etc/passwd"}, "expected a path inside"),
    "missing": ({"file_name": "c.jpg"}, "does not exist"),
}


@pytest.mark.parametrize("name", IMAGE_PROBLEMS)
def test_a_bad_image_entry_is_reported_and_left_out(folder: Path, document: dict[str, Any], name: str) -> None:
    change, message = IMAGE_PROBLEMS[name]
    document["images"][0] |= change
    dataset = opened(folder, document)
    assert len(dataset) == 2
    assert message in dataset.skipped[0].message


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text", "missing", "folder"])
def test_a_bad_picture_takes_all_its_annotations_along(folder: Path, document, bad_pictures, name: str) -> None:
    bad_pictures[name](folder / "images" / "deep" / "b.png")
    dataset = opened(folder, document)
    assert [example.id for example in dataset] == ["a.jpg#7"]
    assert len(dataset.skipped) == 2
    assert "annotation 9: " in dataset.skipped[1].message


def test_entries_that_are_there_twice_or_no_objects_are_problems(folder: Path, document: dict[str, Any]) -> None:
    document["annotations"] += [annotation(7), 3, {"id": None}]
    document["images"] += [{"id": 1, "file_name": "other.jpg"}]
    dataset = opened(folder, document)
    assert len(dataset) == 3
    assert [problem.message.split(" is ")[0] for problem in dataset.skipped] == [
        "image 1", "annotation 7", "annotation number 4", "annotation number 5"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON file"),
        (b'{"images": [', "is no JSON file"),
        (bytes(range(128, 256)), "is not text"),
        (b"[]", 'with the list "images"'),
        (b'{"images": [], "annotations": {}}', 'with the list "annotations"'),
        (b'{"images": [], "annotations": [], "categories": []}', "no annotation has keypoints"),
        (b'{"images": [], "annotations": [], "categories": [{"id": 1}]}', "a category is"),
        (b"[" * 100_000, "is no JSON file"),
        (b"[" + b"9" * 5000 + b"]", "is no JSON file"),
    ],
)
def test_a_file_that_is_no_coco_file_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(VestigeError, match=r"labels\.json") as caught:
        open_dataset(f"coco:{tmp_path}/labels.json")
    assert message in str(caught.value)


def test_missing_file_and_missing_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(VestigeError, match="No such file"):
        open_dataset(f"coco:{tmp_path}/none.json")
    with pytest.raises(VestigeError, match="images=DIR"):
        open_dataset(f"coco:{tmp_path}/none.json,images={tmp_path}/none")
