"""Data sets of every layout, markups and boxes, and what is read of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from damage.guard import Kind
from damage.pictures import check_example
from vestige.contract.session import Session
from vestige.datasets.check import check
from vestige.datasets.dataset import describe_data
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import check_box
from vestige.images import ImageFile
from vestige.markup import read_markup, shipped_markup
from vestige.probes.engine.photographs import with_boxes_of
from vestige.units.annotations.answers import Answer
from vestige.units.annotations.files import answers_csv, answers_json, read_answers, write_answers
from vestige.units.annotations.measure import measure_annotations
from vestige.units.annotations.source import Said
from vestige.units.annotations.task import AnnotationOptions

SIDE = 40


def picture(path: Path, seed: int = 0) -> None:
    """Noise in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)


def ibug(root: Path) -> None:
    """``.pts`` files of 68 points beside pictures."""
    for number in range(2):
        picture(root / f"face{number}.png", number)
        body = "".join(f"{4 + k % 30}.{k} {5 + k // 3}.5\n" for k in range(68))
        (root / f"face{number}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{body}}}\n")


def helen(root: Path) -> None:
    """Helen's annotation files of 194 points."""
    (root / "annotation").mkdir()
    for number in range(2):
        picture(root / f"train_{number + 1}" / f"{number}.png", number)
        rows = "".join(f"{5 + k % 30}.25 , {5 + k % 23}\n" for k in range(194))
        (root / "annotation" / f"{number}.txt").write_text(f"{number}\n{rows}")


def coco(root: Path) -> None:
    """COCO's document of keypoints of two categories."""
    for number in range(2):
        picture(root / f"{number}.png", number)
    document = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": SIDE, "height": SIDE} for k in range(2)],
        "annotations": [
            {
                "id": k,
                "image_id": k,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [5, 5, 30.5, 30],
                "keypoints": [9, 9, 2, 12.5, 11, 1, 0, 0, 0],
            }
            for k in range(2)
        ],
        "categories": [{"id": 1, "name": "bird", "keypoints": ["left eye", "right eye", "beak"]}],
    }
    (root / "a.json").write_text(json.dumps(document))


def cub(root: Path) -> None:
    """CUB's tables."""
    (root / "parts").mkdir()
    points = shipped_markup("cub15").points
    for number in (1, 2):
        picture(root / "images" / f"{number}.png", number)
    (root / "images.txt").write_text("1 1.png\n2 2.png\n")
    (root / "bounding_boxes.txt").write_text("1 5.0 5.0 30.0 30.0\n2 2 3 20 22\n")
    (root / "train_test_split.txt").write_text("1 1\n2 1\n")
    (root / "parts" / "parts.txt").write_text("".join(f"{k} {name}\n" for k, name in enumerate(points, 1)))
    rows = (f"{n} {k} {k + 5.5} 9.0 {k % 2}\n" for n in (1, 2) for k in range(1, 16))
    (root / "parts" / "part_locs.txt").write_text("".join(rows))


def voc_keypoints(root: Path) -> None:
    """The keypoint annotations of VOC's pictures in XML."""
    picture(root / "JPEGImages" / "p.png")
    folder = root / "k" / "cat"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"p_{number}.xml").write_text(
            '<annotation><image>p</image><visible_bounds xmin="3" ymin="4" width="20" height="30"/><keypoints>'
            '<keypoint name="Nose" x="9" y="9.5" z="0" visible="1"/><keypoint name="L_Eye" x="7" y="8" visible="1"/>'
            "</keypoints></annotation>"
        )


def voc_segmentation(root: Path) -> None:
    """Masks as index pictures, palette pictures and colours."""
    (root / "SegmentationClass").mkdir()
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for number in range(3):
        picture(root / "JPEGImages" / f"p{number}.png", number)
        values = np.random.default_rng(number).integers(0, 3, (SIDE, SIDE), dtype=np.uint8)
        mask = Image.fromarray(values)
        if number:
            mask = mask.convert("P")
            mask.putpalette([0, 0, 0, 1, 2, 3, 4, 5, 6])
        (mask.convert("RGB") if number == 2 else mask).save(root / "SegmentationClass" / f"p{number}.png")
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("p0\np1\np2\n")
    (root / "classes.txt").write_text("void 0 0 0\nsky 1 2 3\nsea 4 5 6\n")


def lfw(root: Path) -> None:
    """Attributes of faces in a table."""
    for number in (1, 2):
        picture(root / "images" / "A_B" / f"A_B_000{number}.png", number)
    (root / "attributes.csv").write_text("image,male,hat_score\nA_B_0001.png,1,0.75\nA_B_0002.png,0,\n")


_POLYGON = (
    "<polygon>" + "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((1, 1), (40, 2), (9, 30.5))) + "</polygon>"
)


def miniplaces(root: Path) -> None:
    """Lists of scenes, and polygons in fragments of XML."""
    (root / "categories.txt").write_text("/a/abbey 0\n/b/bar/in 1\n")
    (root / "object_categories.txt").write_text("wall 0\nhot dog 1\n")
    (root / "train.txt").write_text("train/0.png 0\ntrain/1.png 1\n")
    (root / "val.txt").write_text("val/2.png 1\n")
    (root / "objects" / "train").mkdir(parents=True)
    for number, part in enumerate(("train", "train", "val")):
        picture(root / "images" / part / f"{number}.png", number)
        if part == "train":
            objects = f"<objects><class>{number}</class>{_POLYGON}</objects>"
            (root / "objects" / part / f"{number}.xml").write_text(f"<class>{number}</class>{objects}")


def labelme(root: Path) -> None:
    """LabelMe's documents."""
    (root / "Annotations" / "a" / "bar").mkdir(parents=True)
    for number in range(2):
        picture(root / "Images" / "a" / "bar" / f"{number}.png", number)
        (root / "Annotations" / "a" / "bar" / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.png</filename><object><name>tree</name><deleted>0</deleted>{_POLYGON}"
            "</object></annotation>"
        )


def coco_objects(root: Path) -> None:
    """COCO's document of objects, as polygons and as run lengths."""
    for number in range(2):
        picture(root / f"{number}.png", number)
    regions = [[[1, 2, 39.5, 3, 20, 30]], {"size": [SIDE, SIDE], "counts": [100, 300, SIDE * SIDE - 400]}]
    document = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": SIDE, "height": SIDE} for k in range(2)],
        "annotations": [{"id": k, "image_id": k, "category_id": 1, "segmentation": regions[k]} for k in range(2)],
        "categories": [{"id": 1, "name": "bird"}],
    }
    (root / "a.json").write_text(json.dumps(document))


def ade20k(root: Path) -> None:
    """SceneParse150's folders and tables."""
    for number in range(2):
        picture(root / "images" / "training" / f"{number}.jpg", number)
        values = np.random.default_rng(number).integers(0, 3, (SIDE, SIDE), dtype=np.uint8)
        (root / "annotations" / "training").mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(root / "annotations" / "training" / f"{number}.png")
    (root / "sceneCategories.txt").write_text("0 abbey\n1 bar\n")
    (root / "objectInfo150.txt").write_text("Idx\tRatio\tName\n1\t0.5\twall\n2\t0.2\ttree, plant\n")


def folder(root: Path) -> None:
    """Pictures alone."""
    for number in range(2):
        picture(root / "a" / f"{number}.png", number)


def reader(spec: str) -> Callable[[Path, Path, random.Random], None]:
    """Opens a data set as a spec says, and looks at its examples."""

    def read(root: Path, _path: Path, rng: random.Random) -> None:
        data = open_dataset(spec.format(root))
        names = [example.id for example in data]
        assert names == sorted(set(names))
        json.dumps(describe_data(data))
        refused = VestigeError(str(data.skipped[0])) if data.skipped else None
        for example in data.examples[:3]:
            try:
                check_example(example, rng)
                height, width = example.image.read().shape[:2]
                for each in example.objects:
                    assert each.name
                    assert each.region.raster((7, 9), np.array([0.0, 0.0, width, height])).shape == (7, 9)
                if example.mask is not None:
                    values = example.mask.read()
                    assert values.shape == example.image.read().shape[:2]
                    assert all(v < len(data.classes) or v == data.void for v in np.unique(values).tolist())
            except VestigeError as error:  # its pixels: only their header was looked at
                refused = error
        if rng.random() < 0.1:
            str(check(data))
        if refused is not None:
            raise refused

    return read


def not_pictures(path: Path) -> bool:
    """Annotations, and one picture of several."""
    return path.suffix != ".png" or path.stem.endswith("1")


def masks(path: Path) -> bool:
    """Masks and tables."""
    return path.parent.name != "JPEGImages"


def markups(root: Path) -> None:
    """A markup with everything that one can have."""
    (root / "whole.json").write_text(json.dumps(shipped_markup("face68").to_json()))
    few = {"points": ["a", "b", "c"], "mirror": [["a", "b"]], "eyes": [["a"], [1]], "parts": {"all": [0, 1, "c"]}}
    (root / "few.json").write_text(json.dumps({**few, "eye_corners": ["a", "b"], "pupils": [[0], [1]]}))


def read_markups(_root: Path, path: Path, _rng: random.Random) -> None:
    """All that is asked of a markup."""
    markup = read_markup(path)
    n = len(markup.points)
    used = [*(markup.mirror or ()), *(markup.eye_corners or ()), *(k for part in markup.parts.values() for k in part)]
    assert all(0 <= k < n for k in used)
    assert markup.mirror is None or sorted(markup.mirror_order().tolist()) == list(range(n))
    json.dumps(markup.to_json())


def boxes(root: Path) -> None:
    """Boxes for ``predict`` as a table and as COCO's document."""
    for number in range(2):
        picture(root / f"{number}.png", number)
    (root / "boxes.csv").write_text("image,x0,y0,x1,y1\n0.png,1,2,30,31.5\n1.png,3,3,20,20\n1.png,9,9,30,30\n")
    document = {
        "images": [{"id": k, "file_name": f"{k}.png"} for k in range(2)],
        "annotations": [{"image_id": k, "bbox": [1, 2, 20.5, 21]} for k in range(2)],
    }
    (root / "boxes.json").write_text(json.dumps(document))


def read_boxes(root: Path, path: Path, _rng: random.Random) -> None:
    """Boxes are finite, or what ``predict`` refuses."""
    given = [Example(str(p), str(p), ImageFile(p)) for p in sorted(root.glob("*.png"))]
    found, failures = with_boxes_of(given, path)
    for failure in failures:
        str(failure)
    for example in found:
        assert example.box is not None
        assert np.isfinite(example.box).all(), example.box
        check_box(example.box, (SIDE, SIDE))


def answers(root: Path) -> None:
    """What people said of units, as a table and as a document."""
    seen = Answer("a", 0, "ada", "=lamp", "object", (3, 1, 2), (2,), (2, 1), 1, True, 2.5, "2030-01-31T12:00:00+00:00")
    told = Answer("b", 1, "bob", "sky", "scene", (), (), (), 1, True, None, "", stated=0.5)
    for ending in (".csv", ".json"):
        write_answers(root / f"answers{ending}", [seen, told])


def release(root: Path) -> None:
    """The same as the paper's authors released it."""
    table = np.empty((2, 9), object)
    table[:] = [["lamp", 2, 0.5, "light", 4, 1.0, "red", 6, 0.25]] * 2
    cells = np.empty((1, 2), object)
    cells[0] = [table, "pool1"]
    for compressed in (True, False):
        savemat(root / f"release{compressed}.mat", {"layerAnnotation": cells}, do_compression=compressed)


def read_said(_root: Path, path: Path, _rng: random.Random) -> None:
    """Answers with their precision, which can be measured and written again."""
    found = read_answers(path)
    assert all(0 <= answer.precision <= 1 for answer in found)
    answers_csv(found)
    answers_json(found)
    measured = measure_annotations(Session(), Said(found, path.name), AnnotationOptions())
    assert all(np.isfinite(row.value) for row in measured.rows)


KINDS = [
    Kind("300w", ibug, reader("300w:{}"), 60, not_pictures),
    Kind("helen194", helen, reader("helen194:{}"), 60, not_pictures),
    Kind("coco", coco, reader("coco:{}/a.json"), 120, not_pictures),
    Kind("coco of all", coco, reader("coco:{}/a.json,category=all,visible=2,corners"), 20, not_pictures),
    Kind("cub", cub, reader("cub:{}"), 60, not_pictures),
    Kind("cub train", cub, reader("cub:{},train"), 20, not_pictures),
    Kind("voc-keypoints", voc_keypoints, reader("voc-keypoints:{0},annotations={0}/k"), 60, not_pictures),
    Kind("voc-segmentation", voc_segmentation, reader("voc-segmentation:{}"), 60, masks),
    Kind("voc-segmentation train", voc_segmentation, reader("voc-segmentation:{},train"), 20, masks),
    Kind("lfw", lfw, reader("lfw:{}"), 60, not_pictures),
    Kind("miniplaces", miniplaces, reader("miniplaces:{}"), 60, not_pictures),
    Kind("labelme", labelme, reader("labelme:{}"), 40, not_pictures),
    Kind("coco-objects", coco_objects, reader("coco-objects:{}/a.json"), 60, not_pictures),
    Kind("ade20k", ade20k, reader("ade20k:{}"), 60, lambda path: path.suffix != ".jpg"),
    Kind("folder", folder, reader("folder:{},exif=ignore"), 20),
    Kind("markups", markups, read_markups, 80),
    Kind("answers", answers, read_said, 80),
    Kind("released answers", release, read_said, 8),
    Kind("boxes", boxes, read_boxes, 80, lambda path: path.suffix != ".png"),
]
