"""Kinds of data with scenes and objects: what is read, in which coordinates, and everything that can be wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import vestige
from vestige.datasets.check import check
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.datasets.sheet import draw_example
from vestige.errors import VestigeError

FRAME = np.array([0.0, 0.0, 40.0, 30.0])
CORNERS = [(3, 5), (12, 5), (12, 20), (3, 20)]


def raster(example, name):
    """The union of the objects of a name, at the picture's size."""
    return np.any([each.region.raster((30, 40), FRAME) for each in example.objects if each.name == name], axis=0)


def square(x0, y0, x1, y1):
    mask = np.zeros((30, 40), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def points(corners):
    return "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in corners)


@pytest.fixture
def miniplaces(tmp_path, write_picture):
    (tmp_path / "categories.txt").write_text("/a/abbey 0\n/b/bar/inside 1\n")
    (tmp_path / "object_categories.txt").write_text("wall 0\nhot dog 1\n")
    (tmp_path / "train.txt").write_text("train/a/abbey/1.jpg 0\ntrain/b/bar/2.jpg 1\n")
    (tmp_path / "val.txt").write_text("val/3.jpg 1\n")
    for seed, name in enumerate(("train/a/abbey/1", "train/b/bar/2", "val/3")):
        write_picture(tmp_path / "images" / f"{name}.jpg", seed=seed)
    body = "<class>0</class>" + "".join(
        f"<objects><class>{k}</class><polygon>{points(CORNERS)}</polygon></objects>" for k in (0, 1)
    )
    (tmp_path / "objects/train/a/abbey").mkdir(parents=True)
    (tmp_path / "objects/train/a/abbey/1.xml").write_text(f"<filename>1.jpg</filename>{body}")
    return tmp_path


def test_miniplaces_counts_pixels_from_one(miniplaces):
    found = open_dataset(f"miniplaces:{miniplaces}", strict=True)
    assert [(e.scene, [o.name for o in e.objects]) for e in found] == [
        ("abbey", ["wall", "hot dog"]),
        ("bar/inside", []),
        ("bar/inside", []),
    ]
    np.testing.assert_array_equal(raster(found[0], "wall"), square(2, 4, 12, 20))  # pixels 3 to 12 and 5 to 20
    train, test = open_train_test(f"miniplaces:{miniplaces}")
    assert ([e.id for e in train], [e.id for e in test]) == (
        ["train/a/abbey/1.jpg", "train/b/bar/2.jpg"],
        ["val/3.jpg"],
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<class>1</class>", "<class>7</class>", "class '7'"),
        ("<x>12</x>", "<x>99</x>", r"\(98.5, 4.5\) lies outside"),
        ("<x>12</x>", "<x>nan</x>", "not finite"),
        ("<x>12</x>", "<x></x>", "no number"),
        (points(CORNERS[2:]), "", "has 2 corners"),
        ("<class>0</class><obj", "<class>5</class><obj", "scene 5"),
        ("</polygon>", "", "no XML"),
    ],
)
def test_what_is_wrong_with_an_annotation_is_named(miniplaces, old, new, said):
    file = miniplaces / "objects/train/a/abbey/1.xml"
    file.write_text(file.read_text().replace(old, new))
    found = open_dataset(f"miniplaces:{miniplaces}")
    assert len(found) == 2
    assert str(found.skipped[0]).startswith(str(file))
    with pytest.raises(VestigeError, match=said):
        open_dataset(f"miniplaces:{miniplaces}", strict=True)


def test_labelme(tmp_path, write_picture):
    write_picture(tmp_path / "Images/a/abbey/1.jpg")
    (tmp_path / "Annotations/a/abbey").mkdir(parents=True)
    objects = "".join(
        f"<object><name>{name}</name><deleted>{gone}</deleted><polygon>{points(CORNERS)}</polygon></object>"
        for name, gone in ((" Big  Tree\n", 0), ("sky", 1))
    )
    file = tmp_path / "Annotations/a/abbey/1.xml"
    file.write_text(f"<annotation><filename>\n1.jpg</filename>{objects}</annotation>")
    (found,) = open_dataset(f"labelme:{tmp_path}", strict=True)
    assert (found.id, found.scene, [each.name for each in found.objects]) == ("a/abbey/1.jpg", "abbey", ["big tree"])
    np.testing.assert_array_equal(raster(found, "big tree"), square(3, 5, 12, 20))
    (tmp_path / "Images").rename(tmp_path / "images-elsewhere")
    with pytest.raises(VestigeError, match="Images does"):
        open_dataset(f"labelme:{tmp_path}")


def coco_document(segmentation):
    return {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 40, "height": 30}, {"id": 2, "file_name": "2.jpg"}],
        "categories": [{"id": 9, "name": "cat"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 9, "segmentation": segmentation}],
    }


@pytest.mark.parametrize(
    "segmentation",
    [
        [[3, 5, 12, 5, 12, 20, 3, 20]],
        {"size": [30, 40], "counts": [95, *[15, 15] * 8, 15, 850]},
    ],
)
def test_coco_objects(tmp_path, write_picture, segmentation):
    for seed, name in enumerate(("1", "2")):
        write_picture(tmp_path / f"{name}.jpg", seed=seed)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(coco_document(segmentation)))
    first, second = open_dataset(f"coco-objects:{file}", strict=True)
    np.testing.assert_array_equal(raster(first, "cat"), square(3, 5, 12, 20))
    assert (second.id, second.objects) == ("2.jpg", ())


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([[1, 2, 3]], "expected numbers x, y"),
        ([[1, 2, 3, 4]], "has 2 corners"),
        ([[1, 2, 3, 4, 500, 6]], "lies outside"),
        ({"size": [40, 30], "counts": [1200]}, "height and width"),
        ({"size": [30, 40], "counts": [7]}, "do not add up"),
        ({"size": [30, 40], "counts": "\u0001"}, "expected run lengths"),
        (None, "expected polygons"),
    ],
)
def test_segmentations_that_are_wrong(tmp_path, write_picture, segmentation, said):
    for seed, name in enumerate(("1", "2")):
        write_picture(tmp_path / f"{name}.jpg", seed=seed)
    (tmp_path / "a.json").write_text(json.dumps(coco_document(segmentation)))
    with pytest.raises(VestigeError, match=said):
        open_dataset(f"coco-objects:{tmp_path / 'a.json'}", strict=True)


def test_ade20k_in_both_forms(tmp_path, write_picture):
    values = np.zeros((30, 40), dtype=np.uint8)
    values[4:20, 2:12] = 2
    short, full = tmp_path / "short", tmp_path / "full"
    for root, name in ((short, "training/A_1.jpg"), (short, "validation/A_2.jpg"), (full, "training/a/abbey/A_1.jpg")):
        write_picture(root / "images" / name, seed=len(name))
    for part, name in (("training", "A_1"), ("validation", "A_2")):
        (short / "annotations" / part).mkdir(parents=True)
        Image.fromarray(values).save(short / "annotations" / part / f"{name}.png")
    (short / "sceneCategories.txt").write_text("A_1 abbey\nA_2 bar\n")
    rows = ("Idx\tRatio\tTrain\tVal\tStuff\tName", "1\t0.1\t1\t1\t1\twall", "2\t0.1\t2\t3\t0\ttree, plant")
    (short / "objectInfo150.txt").write_text("\n".join(rows))
    colours = np.zeros((30, 40, 3), dtype=np.uint8)
    colours[values == 2] = (10, 5, 77)  # class 1 * 256 + 5
    Image.fromarray(colours).save(full / "images/training/a/abbey/A_1_seg.png")
    (tmp_path / "names.txt").write_text("".join(f"thing {k}\n" for k in range(1, 300)))
    train, test = open_train_test(f"ade20k:{short}", strict=True)
    (other,) = open_dataset(f"ade20k:{full},names={tmp_path / 'names.txt'}", strict=True)
    assert [(e.scene, [o.name for o in e.objects]) for e in (train[0], test[0], other)] == [
        ("abbey", ["tree"]),
        ("bar", ["tree"]),
        ("abbey", ["thing 261"]),
    ]
    for example, name in ((train[0], "tree"), (other, "thing 261")):
        np.testing.assert_array_equal(raster(example, name), square(2, 4, 12, 20))
    with pytest.raises(VestigeError, match="names=FILE"):
        open_dataset(f"ade20k:{full}")
    (short / "objectInfo150.txt").write_text("1\t0.1\twall\n2\t0.1\t, plant\n")
    with pytest.raises(VestigeError, match=r"objectInfo150.txt, line 2: "):
        open_dataset(f"ade20k:{short}")
    (short / "objectInfo150.txt").write_text("1\t0.1\twall\n")
    with pytest.raises(VestigeError, match="class 2"):
        open_dataset(f"ade20k:{short}", strict=True)


def test_folders_as_scenes(tmp_path, write_picture):
    write_picture(tmp_path / "b/bar/1.png")
    write_picture(tmp_path / "top.png")
    assert [e.scene for e in open_dataset(f"folder:{tmp_path}")] == ["", ""]
    found = open_dataset(f"folder:{tmp_path},scene=folder")
    assert [e.scene for e in found] == ["bar"]
    assert len(found.skipped) == 1
    with pytest.raises(VestigeError, match="scene=folder"):
        open_dataset(f"folder:{tmp_path},scene=name")


def test_what_is_known_of_scenes_is_in_the_check_the_sheet_and_the_fingerprint(miniplaces):
    found = open_dataset(f"miniplaces:{miniplaces}")
    report = check(found)
    assert report.scenes == {"bar/inside": 2, "abbey": 1}
    assert report.objects == {"hot dog": 1, "wall": 1}
    plain = draw_example(vestige.Dataset.from_arrays([found[0].image.read()])[0], 60)
    assert (draw_example(found[0], 60) != plain).any()
    file = miniplaces / "objects/train/a/abbey/1.xml"
    file.write_text(file.read_text().replace("<x>12</x>", "<x>13</x>"))
    assert open_dataset(f"miniplaces:{miniplaces}").fingerprint != found.fingerprint


def test_scenes_from_memory():
    pictures = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    assert [e.scene for e in vestige.Dataset.from_arrays(pictures, scenes=["bar", "abbey"])] == ["bar", "abbey"]
    with pytest.raises(VestigeError, match=r"scenes\[1\]"):
        vestige.Dataset.from_arrays(pictures, scenes=["bar", ""])
