"""Marks: which features stand at a keypoint, in pictures of their own size."""

import numpy as np
import pytest
import torch
from PIL import Image

from vestige.backbones import open_backbone
from vestige.contract.session import Session
from vestige.correspondence.marks import layer_columns, marks_of, nearest_cells, seen, sift_columns, without_unreadable
from vestige.correspondence.sift import sift
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.kept_fields import receptive_fields
from vestige.features.reader import Reader
from vestige.images import ImageFile
from vestige.markup import Markup
from vestige.partial_work import PartialWork

SPEC = "efficientnet_lite0@random:0"
MARKUP = Markup("three", ("a", "b", "c"))
SIZES = [(70, 90), (64, 64), (101, 77)]


@pytest.fixture
def data(tmp_path):
    """Four objects in three pictures of several sizes; one of them shows nothing."""
    generator = np.random.default_rng(0)
    examples = []
    for i, picture in enumerate([0, 0, 1, 2]):
        height, width = SIZES[picture]
        path = tmp_path / f"{picture}.png"
        if not path.exists():
            Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        points = generator.uniform(0, 1, (3, 2)) * [width, height]
        visible = np.array([[True, False, True], [False, False, False], [True, True, True], [False, True, False]][i])
        image = ImageFile(path)
        examples.append(Example(f"{picture}/{i}", str(picture), image, None, points, visible, category="xy"[i % 2]))
    return Dataset("drawn", tuple(examples), MARKUP)


def test_marks_are_the_visible_keypoints_and_pictures_are_there_once(data):
    marks = marks_of(data)
    assert len(marks.pictures) == 3
    assert marks.example.tolist() == [0, 0, 2, 2, 2, 3]
    assert marks.keypoint.tolist() == [0, 2, 0, 1, 2, 1]
    assert marks.picture.tolist() == [0, 0, 1, 1, 1, 2]
    assert marks.classes.tolist() == ["x", "x", "x", "x", "x", "y"]
    for row in range(len(marks)):
        example = data[int(marks.example[row])]
        np.testing.assert_array_equal(marks.places[row], example.keypoints[marks.keypoint[row]])
    some = marks.subset(marks.classes == "x")
    assert some.rows_of(1).tolist() == [2, 3, 4]
    assert not len(some.rows_of(2))


@pytest.mark.parametrize("short_side", [None, 96])
def test_a_column_is_the_cell_that_is_centred_nearest(data, tmp_path, short_side):
    marks, reader, backbone = marks_of(data), Reader(cache=tmp_path / "cache"), open_backbone(SPEC)
    field = receptive_fields(backbone, ["block2"])["block2"]
    found = layer_columns(Session(reader), SPEC, "block2", field, marks, short_side)
    for row in range(len(marks)):
        pixels, scale = seen(marks.pictures[marks.picture[row]], short_side, backbone.preprocessing.interpolation)
        assert min(pixels.shape[:2]) == (short_side or min(SIZES[marks.picture[row]]))
        with torch.inference_mode():
            grid = backbone.run(backbone.preprocessing(np.stack([pixels])), ["block2"])["block2"][0].numpy()
        y, x = (np.indices(grid.shape[1:]).T * field.stride + field.centre).T  # of every cell
        px, py = marks.places[row] * scale
        i, j = np.unravel_index(np.argmin((x - px) ** 2 + (y - py) ** 2), x.shape)
        np.testing.assert_allclose(found[row], grid[:, i, j], atol=1e-4)


def test_nearest_cells_never_leave_the_grid():
    field = receptive_fields(open_backbone(SPEC), ["block2"])["block2"]
    cells = nearest_cells(np.array([[-30.0, 500.0], [3.5, 3.5], [5.6, 3.4]]), field, (10, 20))
    assert cells.tolist() == [[9, 0], [0, 0], [0, 1]]


def test_sift_stands_at_the_marks_and_is_kept(data, tmp_path):
    marks, kept = marks_of(data).subset(np.array([0, 2, 4])), PartialWork(tmp_path / "partial")
    found = sift_columns(marks, [6.0, 12.0], 80, "bilinear", Session(kept=kept, workers=2))
    for row in range(3):
        pixels, scale = seen(marks.pictures[marks.picture[row]], 80, "bilinear")
        for radius in (6.0, 12.0):
            np.testing.assert_array_equal(found[radius][row], sift(pixels, marks.places[row] * scale, radius))
    (file,) = (tmp_path / "partial").glob("*.npz")
    before = file.stat().st_mtime_ns
    again = sift_columns(marks, [6.0, 12.0], 80, "bilinear", Session(kept=kept))
    np.testing.assert_array_equal(again[12.0], found[12.0])
    assert file.stat().st_mtime_ns == before


def test_pictures_that_cannot_be_read_are_left_out(data):
    path = data[3].image.path
    path.write_bytes(path.read_bytes()[:300])
    kept = without_unreadable(data)
    assert [example.id for example in kept] == ["0/0", "0/1", "1/2"]
    assert "cannot be read" in str(kept.skipped[0])


def test_data_without_keypoints_are_refused(data):
    with pytest.raises(VestigeError, match="has no keypoints"):
        marks_of(Dataset("drawn", data.examples, None))
    with pytest.raises(VestigeError, match="expected the 2 keypoints"):
        marks_of(Dataset("drawn", data.examples, Markup("two", ("a", "b"))))
    with pytest.raises(VestigeError, match="no example shows"):
        marks_of(Dataset("drawn", data.examples[1:2], MARKUP))
