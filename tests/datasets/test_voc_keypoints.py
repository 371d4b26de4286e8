"""Berkeley's VOC keypoints: a round trip through its XML, the split, and everything that can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError

BOUNDS = '<visible_bounds xmin="3" ymin="5" width="40" height="30"/>'


def document(picture: str, category: str, keypoints: str, bounds: str = BOUNDS) -> str:
    return (
        f"<annotation>\n<image>{picture}</image>\n<voc_id>1</voc_id>\n<category>{category}</category>\n"
        f"{bounds}\n<keypoints>\n{keypoints}\n</keypoints>\n</annotation>\n"
    )


def keypoint(name: str, x: object = 10, y: object = 12.5, visible: object = 1) -> str:
    return f'<keypoint name="{name}" x="{x}" y="{y}" z="-0.5" visible="{visible}"/>'


@pytest.fixture
def voc(tmp_path: Path, write_picture) -> Path:
    """VOC2011 with two pictures, of which the second has two objects."""
    for seed, name in enumerate(["2008_000001", "2009_000002"]):
        write_picture(tmp_path / "VOC" / "JPEGImages" / f"{name}.jpg", 60, 40, seed)
    lists = tmp_path / "VOC" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2008_000001\n")
    (lists / "val.txt").write_text("2009_000002\n")
    cat = keypoint("L_Eye") + keypoint("R_Eye", 20, 12) + keypoint("Nose", 0, 0, 0)
    for name, category, body in (
        ("2008_000001_1", "cat", cat),
        ("2009_000002_1", "cat", cat),
        ("2009_000002_3", "bus", keypoint("L_B_Base", 30, 20)),
    ):
        path = tmp_path / "keypoints" / category / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document(name[:11], category, body))
    return tmp_path


def opened(voc: Path, flags: str = "", **more):
    return open_dataset(f"voc-keypoints:{voc}/VOC,annotations={voc}/keypoints{flags}", **more)


def test_keypoints_and_bounds_are_one_based(voc: Path) -> None:
    dataset = opened(voc, strict=True)
    assert [example.id for example in dataset] == [
        "bus/2009_000002_3.xml", "cat/2008_000001_1.xml", "cat/2009_000002_1.xml"
    ]  # fmt: skip
    example = dataset[1]
    points = dataset.markup.points
    np.testing.assert_array_equal(example.box, [2, 4, 42, 34])
    assert [points[k] for k in np.flatnonzero(example.visible)] == ["cat/L_Eye", "cat/R_Eye"]
    np.testing.assert_array_equal(example.keypoints[points.index("cat/L_Eye")], [9.5, 12])
    np.testing.assert_array_equal(example.keypoints[points.index("cat/R_Eye")], [19.5, 11.5])
    assert (example.category, example.group) == ("cat", "2008_000001")
    assert len(dataset.classes) == 20


def test_bounds_may_give_the_far_corner(voc: Path) -> None:
    """The last pixel is inside: a box over the whole picture of 60 x 40 is 1, 1, 60, 40 in VOC."""
    bounds = '<visible_bounds xmin="1" ymin="1" xmax="60" ymax="40"/>'
    file = voc / "keypoints" / "cat" / "2008_000001_1.xml"
    file.write_text(document("2008_000001", "cat", keypoint("L_Eye"), bounds))
    np.testing.assert_array_equal(opened(voc)[1].box, [0, 0, 60, 40])
    same = bounds.replace("xmax", "width").replace("ymax", "height")
    file.write_text(document("2008_000001", "cat", keypoint("L_Eye"), same))
    np.testing.assert_array_equal(opened(voc)[1].box, [0, 0, 60, 40])


@pytest.mark.parametrize("encoding", ["utf-8", "ISO-8859-1"])
def test_an_xml_declaration_changes_nothing(voc: Path, encoding: str) -> None:
    file = voc / "keypoints" / "cat" / "2008_000001_1.xml"
    file.write_text(f'<?xml version="1.0" encoding="{encoding}"?>\n' + file.read_text())
    assert len(opened(voc, strict=True)) == 3


def test_its_own_split_is_used(voc: Path) -> None:
    train, test = open_train_test(f"voc-keypoints:{voc}/VOC,annotations={voc}/keypoints")
    assert [e.group for e in train] == ["2008_000001"]
    assert [e.group for e in test] == ["2009_000002"] * 2


PROBLEMS = {
    "empty": ("", "is empty"),
    "truncated": (document("2008_000001", "cat", keypoint("L_Eye"))[:120], "is no XML"),
    "no keypoints": (document("2008_000001", "cat", ""), "has no visible keypoint"),
    "none visible": (document("2008_000001", "cat", keypoint("L_Eye", visible=0)), "has no visible keypoint"),
    "unknown keypoint": (document("2008_000001", "cat", keypoint("Fin")), "has a keypoint 'Fin'; expected one of"),
    "twice": (document("2008_000001", "cat", keypoint("Nose") * 2), "has the keypoint 'Nose' twice"),
    "flag": (document("2008_000001", "cat", keypoint("Nose", visible="maybe")), "visible='maybe'; expected 0 or 1"),
    "nan": (document("2008_000001", "cat", keypoint("Nose", "nan")), "x='nan'; expected a finite number"),
    "inf": (document("2008_000001", "cat", keypoint("Nose", 1, "inf")), "y='inf'; expected a finite number"),
    "word": (document("2008_000001", "cat", keypoint("Nose", "left")), "x='left'; expected a finite number"),
    "outside": (document("2008_000001", "cat", keypoint("Nose", 900)), "pixels outside its picture of 60x40"),
    "no bounds": (document("2008_000001", "cat", keypoint("Nose"), ""), "has no <visible_bounds"),
    "half bounds": (document("2008_000001", "cat", keypoint("Nose"), '<visible_bounds xmin="1" ymin="1" xmax="9"/>'),
                    "height=None; expected a finite number"),
    "empty bounds": (document("2008_000001", "cat", keypoint("Nose"), BOUNDS.replace("40", "0")), "is empty"),
    "other picture": (document("2009_000002", "cat", keypoint("Nose")), "<image> is '2009_000002'; expected"),
    "other class": (document("2008_000001", "dog", keypoint("Nose")), "<category> is 'dog'; expected 'cat'"),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]>' + document("2008_000001", "cat", "&b;"), "defines entities"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_bad_file_is_reported_and_left_out(voc: Path, name: str) -> None:
    content, message = PROBLEMS[name]
    file = voc / "keypoints" / "cat" / "2008_000001_1.xml"
    file.write_text(content)
    dataset = opened(voc)
    assert len(dataset) == 2
    (problem,) = dataset.skipped
    assert problem.file == str(file)
    assert message in problem.message


def test_binary_files_names_without_a_number_and_unknown_classes_are_problems(voc: Path) -> None:
    (voc / "keypoints" / "cat" / "2008_000001_1.xml").write_bytes(bytes(range(128, 256)))
    (voc / "keypoints" / "cat" / "notes.xml").write_text("<a/>")
    (voc / "keypoints" / "yeti").mkdir()
    (voc / "keypoints" / "yeti" / "2008_000001_2.xml").write_text(document("2008_000001", "yeti", ""))
    assert [problem.message.split(";")[0] for problem in opened(voc).skipped] == [
        "is not text (byte 0 is not UTF-8)", "expected a name PICTURE_OBJECT.xml, as in 2008_000008_1.xml",
        "is of class 'yeti', by its folder",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text", "missing", "folder"])
def test_a_bad_picture_is_reported_for_each_of_its_objects(voc: Path, bad_pictures, name: str) -> None:
    bad_pictures[name](voc / "VOC" / "JPEGImages" / "2009_000002.jpg")
    dataset = opened(voc)
    assert [example.id for example in dataset] == ["cat/2008_000001_1.xml"]
    assert len(dataset.skipped) == 2


def test_what_is_missing_is_named(voc: Path) -> None:
    with pytest.raises(VestigeError, match="expected annotations=DIR"):
        open_dataset(f"voc-keypoints:{voc}/VOC")
    with pytest.raises(VestigeError, match="nowhere"):
        open_dataset(f"voc-keypoints:{voc}/VOC,annotations={voc}/nowhere")
    (voc / "VOC" / "ImageSets" / "Main" / "val.txt").unlink()
    with pytest.raises(VestigeError, match=r"val part .*val\.txt"):
        opened(voc, ",val")
