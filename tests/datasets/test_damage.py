"""Whatever happens to an annotation file's bytes, a loader answers with examples and problems, or one VestigeError."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.markup import shipped_markup

TRIALS = 120
TOKENS = [
    b"nan",
    b"-inf",
    b"1e999",
    b"",
    b"\0",
    b"\xff",
    b"{",
    b"}",
    b"-1",
    b"9" * 30,
    b",",
    b"\n",
    b" ",
    b"null",
    b"../",
]


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut off, overwritten, or with something put in or taken out."""
    kind, at = rng.randrange(4), rng.randrange(len(content))
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
    if kind == 2:
        return content[:at] + rng.choice(TOKENS) + content[at + rng.randrange(12) :]
    words = content.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(TOKENS)
    return b" ".join(words)


def pts(root: Path, write_picture: Callable[..., Path]) -> tuple[str, Path]:
    write_picture(root / "a.png", 60, 60)
    body = "".join(f"{10 + k} {20 + 2 * k}\n" for k in range(6))
    (root / "a.pts").write_text(f"version: 1\nn_points: 6\n{{\n{body}}}\n")
    return f"300w:{root}", root / "a.pts"


def helen(root: Path, write_picture: Callable[..., Path]) -> tuple[str, Path]:
    write_picture(root / "train_1" / "a.png", 60, 60)
    (root / "annotation").mkdir()
    rows = "".join(f"{5 + k % 50} , {5 + k % 43}\n" for k in range(194))
    (root / "annotation" / "1.txt").write_text("a\n" + rows)
    return f"helen194:{root}", root / "annotation" / "1.txt"


def coco(root: Path, write_picture: Callable[..., Path]) -> tuple[str, Path]:
    write_picture(root / "a.png", 60, 60)
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 60}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 30, 30], "keypoints": [9, 9, 2] * 2}],
        "categories": [{"id": 1, "name": "x", "keypoints": ["left a", "right a"]}],
    }
    (root / "a.json").write_text(json.dumps(document))
    return f"coco:{root}/a.json", root / "a.json"


def cub(root: Path, write_picture: Callable[..., Path]) -> tuple[str, Path]:
    write_picture(root / "images" / "a.png", 60, 60)
    (root / "parts").mkdir()
    (root / "images.txt").write_text("1 a.png\n")
    (root / "bounding_boxes.txt").write_text("1 5.0 5.0 40.0 40.0\n")
    points = shipped_markup("cub15").points
    (root / "parts" / "parts.txt").write_text("".join(f"{k} {name}\n" for k, name in enumerate(points, 1)))
    (root / "parts" / "part_locs.txt").write_text("".join(f"1 {k} {k + 5.5} 9.0 1\n" for k in range(1, 16)))
    return f"cub:{root}", root / "parts" / "part_locs.txt"


def voc_keypoints(root: Path, write_picture: Callable[..., Path]) -> tuple[str, Path]:
    write_picture(root / "JPEGImages" / "p.png", 60, 60)
    file = root / "k" / "cat" / "p_1.xml"
    file.parent.mkdir(parents=True)
    file.write_text(
        '<annotation><image>p</image><visible_bounds xmin="3" ymin="4" width="20" height="30"/>'
        '<keypoints><keypoint name="Nose" x="9" y="9.5" z="0" visible="1"/></keypoints></annotation>'
    )
    return f"voc-keypoints:{root},annotations={root}/k", file


def classes(root: Path, write_picture: Callable[..., Path]) -> tuple[str, Path]:
    write_picture(root / "JPEGImages" / "p.png", 8, 8)
    (root / "SegmentationClass").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "SegmentationClass" / "p.png")
    (root / "classes.txt").write_text("void 0 0 0\nsky 1 2 3\nsea 4 5 6\n")
    return f"voc-segmentation:{root}", root / "classes.txt"


def lfw(root: Path, write_picture: Callable[..., Path]) -> tuple[str, Path]:
    write_picture(root / "images" / "A" / "A_0001.png", 8, 8)
    (root / "attributes.csv").write_text("image,male,hat_score\nA_0001.png,1,0.75\n")
    return f"lfw:{root}", root / "attributes.csv"


@pytest.mark.parametrize("make", [pts, helen, coco, cub, voc_keypoints, classes, lfw])
def test_no_damage_gets_past_the_loader(tmp_path: Path, write_picture, make) -> None:
    spec, file = make(tmp_path, write_picture)
    whole = file.read_bytes()
    assert len(open_dataset(spec, strict=True)) == 1
    rng = random.Random(make.__name__)
    refused = 0
    for _ in range(TRIALS):
        file.write_bytes(damaged(whole, rng))
        try:
            for example in open_dataset(spec):
                points = example.keypoints
                assert points is None or np.isfinite(points).all()
                assert example.box is None or (
                    np.isfinite(example.box).all() and (example.box[2:] >= example.box[:2]).all()
                )
                assert all(np.isfinite(value) for value in example.attributes.values())
        except VestigeError:
            refused += 1
    assert 10 < refused < TRIALS
