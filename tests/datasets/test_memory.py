"""Data sets from memory: what is given is there, and what cannot be right is named by argument and row."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import vestige
from vestige.errors import VestigeError

N, K = 12, 3
RNG = np.random.default_rng(0)
IMAGES = list(RNG.integers(0, 255, (N, 40, 50, 3), dtype=np.uint8))
POINTS = RNG.uniform(5, 35, (N, K, 2))
BOXES = np.tile([2.0, 1.0, 45.0, 39.0], (N, 1))


def changed(array, at, value):
    other = np.array(array)
    other[at] = value
    return other


def test_everything_that_is_given_is_there(tmp_path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(IMAGES[0]).save(path)
    images = [str(path), Image.fromarray(IMAGES[1]), IMAGES[2][:, :, 0], *IMAGES[3:]]
    masks = [np.full((40, 50), i % 3, dtype=np.uint8) for i in range(N)]
    data = vestige.Dataset.from_arrays(
        images,
        keypoints=POINTS,
        boxes=[None, *BOXES[1:]],
        masks=masks,
        attributes={"age": [np.nan, *range(1, N)]},
        categories=["face"] * N,
        groups=[str(i // 2) for i in range(N)],
        markup=["nose", "left eye", "right eye"],
        classes=["sky", "skin", "hair"],
    )
    assert len(data) == N
    for row in (0, 1, 3):
        np.testing.assert_array_equal(data[row].image.read(), IMAGES[row])
    np.testing.assert_array_equal(data[2].image.read()[:, :, 1], IMAGES[2][:, :, 0])
    np.testing.assert_array_equal(np.stack([example.keypoints for example in data]), POINTS)
    assert data[0].box is None
    assert data[1].box.tolist() == BOXES[1].tolist()
    assert [dict(example.attributes) for example in data][:2] == [{}, {"age": 1.0}]
    assert [example.group for example in data][:3] == ["0", "0", "1"]
    assert data.markup.points == ("nose", "left eye", "right eye")
    assert data.classes == ("sky", "skin", "hair")
    assert data.spec == "memory:arrays"


def test_the_digest_is_of_the_pixels_and_not_of_what_becomes_of_the_array() -> None:
    own = [image.copy() for image in IMAGES]
    data, same = vestige.Dataset.from_arrays(own), vestige.Dataset.from_arrays(IMAGES)
    assert data.fingerprint == same.fingerprint
    own[0][0, 0, 0] ^= 1
    assert vestige.Dataset.from_arrays(own).fingerprint != same.fingerprint
    np.testing.assert_array_equal(data[0].image.read(), IMAGES[0])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"keypoints": POINTS[:-1]}, "keypoints: has 11 rows"),
        ({"keypoints": changed(POINTS, (4, 1, 0), np.nan)}, r"keypoints\[4\]: point 1"),
        ({"keypoints": changed(POINTS, (4, 1, 0), 4000)}, r"keypoints\[4\].*4000"),
        ({"keypoints": POINTS[:, :, :1]}, r"keypoints: has shape \(12, 3, 1\)"),
        ({"visible": np.ones((N, K))}, "visible: is given without keypoints"),
        ({"keypoints": POINTS, "visible": np.ones((N, K + 1))}, "visible: has shape"),
        ({"keypoints": POINTS, "markup": "face68"}, "markup: is for 68"),
        ({"boxes": changed(BOXES, (7, 2), 1.0)}, r"boxes\[7\].*empty"),
        ({"boxes": changed(BOXES, (7, 2), np.nan)}, r"boxes\[7\]"),
        ({"boxes": BOXES / 50}, r"boxes\[0\].*smaller than a pixel"),
        ({"boxes": [[1, 2]] * N}, r"boxes\[0\]: has shape"),
        ({"masks": [np.zeros((3, 3), np.uint8)] * N}, r"masks\[0\]"),
        ({"masks": [np.full((40, 50), 9, np.uint8)] * N, "classes": ["a", "b"]}, r"masks\[0\]: holds 9"),
        ({"attributes": {"age": [np.inf] * N}}, r"attributes\['age'\]\[0\]"),
        ({"attributes": {"age": [1, 2]}}, r"attributes\['age'\]"),
        ({"attributes": [1, 2]}, "attributes: is list"),
        ({"groups": [1] * N}, r"groups\[0\]"),
        ({"categories": "face"}, "categories: is str"),
        ({"name": ""}, "name"),
    ],
)
def test_what_cannot_be_right_is_named(given, told) -> None:
    with pytest.raises(VestigeError, match=told):
        vestige.Dataset.from_arrays(IMAGES, **given)


@pytest.mark.parametrize(
    "image", ["nowhere.png", IMAGES[0].astype(float), IMAGES[0][None], 3, None, np.zeros((0, 3, 3), np.uint8)]
)
def test_what_is_no_picture_is_named(image) -> None:
    with pytest.raises(VestigeError, match=r"images\[1\]"):
        vestige.Dataset.from_arrays([IMAGES[0], image])


def test_no_pictures_are_an_error() -> None:
    for images in ([], "folder", None):
        with pytest.raises(VestigeError, match="images"):
            vestige.Dataset.from_arrays(images)


def test_invisible_points_need_not_be_finite() -> None:
    visible = changed(np.ones((N, K), bool), (4, 1), False)
    data = vestige.Dataset.from_arrays(IMAGES, keypoints=changed(POINTS, (4, 1, 0), np.nan), visible=visible)
    assert np.isfinite(data[4].keypoints).all()
    assert data[4].visible.tolist() == [True, False, True]


def test_a_probe_takes_it() -> None:
    train, test = (
        vestige.Dataset.from_arrays(IMAGES[part], keypoints=POINTS[part], boxes=BOXES[part], name=name)
        for part, name in ((slice(0, 8), "train"), (slice(8, 12), "test"))
    )
    options = {"backbone": "rgb:4", "layers": ["rgb"], "rgb_size": 4, "untrained_seeds": 0, "look_backs": 0}
    session = vestige.Session(vestige.Reader(keep=False))
    found = vestige.measure("landmarks", train, test, session=session, **options)
    rows = {row.method: row.value for row in found.rows if row.metric.startswith("nme")}
    assert {"mean", "ridge"} <= rows.keys()
    assert all(np.isfinite(value) for value in rows.values())
