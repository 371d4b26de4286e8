"""Responses at every pixel: against a network that is run on its own at every place."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vestige.backbones import Backbone, Preprocessing, ReceptiveField
from vestige.contract.session import Session
from vestige.correspondence.classify.localise import SIDE, Peaks, cells_of_square, localise, peaks_of
from vestige.correspondence.classify.one_vs_all import Classifier
from vestige.correspondence.classify.task import REACH, ClassifyOptions
from vestige.correspondence.marks import Marks
from vestige.correspondence.sift import sift
from vestige.example import Example
from vestige.features.kept_fields import receptive_fields
from vestige.features.reader import Reader
from vestige.partial_work import PartialWork


class Drawn:
    """Pixels as a picture."""

    def __init__(self, pixels):
        self.pixels = pixels

    def read(self):
        return self.pixels

    def digest(self):
        return str(hash(self.pixels.tobytes()))


@pytest.fixture(scope="module")
def backbone():
    """Strides 2 and 4; unit i of ``late`` reads pixels 4 i - 3 to 4 i + 3."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU(), nn.Conv2d(5, 7, 3, 2, 1))
    preprocessing = Preprocessing((48, 48), (120.0,) * 3, (60.0,) * 3)
    return Backbone("drawn", network, preprocessing, {"early": "0", "late": "2"})


@pytest.fixture(scope="module")
def marks():
    pixels = np.random.default_rng(0).integers(0, 256, (61, 74, 3), dtype=np.uint8)
    places = np.array([[30.2, 25.9], [41.7, 40.1], [5.0, 30.0]])  # the last square leaves the picture
    empty = np.zeros(3, np.intp)
    keypoint = np.array([0, 2, 0])
    classes = np.array(["x"] * 3)
    return Marks(
        [Example("one", "one", Drawn(pixels))], empty, empty, keypoint, places, classes, classes, ("a", "b", "c")
    )


def classifier(d, seed):
    generator = np.random.default_rng(seed)
    return Classifier(np.array([0, 2]), generator.standard_normal((2, d)), generator.standard_normal(2))


def test_peaks_are_where_the_network_responds_most_when_it_looks_there(backbone, marks):
    classifiers = {
        "cell:early": {"x": classifier(5, 1)},
        "cell:late": {"x": classifier(7, 2)},
        "sift:8": {"x": classifier(128, 3)},
    }
    fields = receptive_fields(backbone, ["early", "late"])
    assert fields["late"].stride == (4, 4)
    told = []
    reader = Reader(_open={"drawn": backbone}, progress=lambda *t: told.append(t))
    options = ClassifyOptions(backbone="drawn", localise=1)
    found = localise(marks, classifiers, fields, options, Session(reader))
    assert told == [("localised pictures", 0, 1), ("localised pictures", 1, 1)]
    assert found.marks.tolist() == [0, 1]
    pixels = marks.pictures[0].image.read()
    for m, row in enumerate(found.marks):
        column, line = np.floor(marks.places[row]).astype(int)
        which = int(marks.keypoint[row] == 2)
        for name in ("early", "late"):
            by_class = classifiers[f"cell:{name}"]["x"]
            best = max(
                (response(backbone, name, pixels, line + dy, column + dx) @ by_class.weights[which], -dy, -dx)
                for dy in range(-REACH, REACH + 1)
                for dx in range(-REACH, REACH + 1)
            )
            assert found.offsets[f"cell:{name}"][m].tolist() == [-best[2], -best[1]]
        square = np.array([[(column + dx + 0.5, line + dy + 0.5) for dx in range(-10, 11)] for dy in range(-10, 11)])
        scores = sift(pixels, square, 8).astype(float) @ classifiers["sift:8"]["x"].weights[which]
        y, x = np.unravel_index(scores.argmax(), scores.shape)
        assert found.offsets["sift:8"][m].tolist() == [x - REACH, y - REACH]


def response(backbone, name, pixels, line, column):
    """What a layer puts out for a patch whose middle pixel is given, computed by itself."""
    reach = {"early": 1, "late": 3}[name]
    patch = pixels[line - reach : line + reach + 1, column - reach : column + reach + 1]
    x = torch.from_numpy((patch.astype(np.float32) - 120) / 60).permute(2, 0, 1)[None]
    first, _, second = backbone.module
    with torch.inference_mode():
        x = nn.functional.conv2d(x, first.weight, first.bias, 2)
        if name == "late":
            x = nn.functional.conv2d(x.relu(), second.weight, second.bias, 2)
    assert x.shape[2:] == (1, 1)
    return x[0, :, 0, 0].double().numpy()


def test_a_killed_search_goes_on(backbone, marks, tmp_path):
    classifiers = {"cell:early": {"x": classifier(5, 1)}}
    fields = receptive_fields(backbone, ["early"])
    options = ClassifyOptions(backbone="drawn", localise=1)
    readers = [Reader(_open={"drawn": backbone}) for _ in range(2)]
    first, second = (
        localise(marks, classifiers, fields, options, Session(reader, kept=PartialWork(tmp_path))) for reader in readers
    )
    np.testing.assert_array_equal(first.offsets["cell:early"], second.offsets["cell:early"])
    assert len(list(tmp_path.glob("*.npz"))) == 1


@pytest.mark.parametrize(("centre", "first"), [(7.5, 7), (8.0, 8), (-2.5, -3)])
def test_every_pixel_of_a_square_is_seen_by_one_cell_at_one_shift(centre, first):
    field = ReceptiveField((8, 4), (20, 20), (centre, centre), False)
    place, grid = np.array([40.5, 50.5]), (14, 25)
    counts = np.zeros((SIDE, SIDE), int)
    for shift in np.ndindex(8, 4):
        cells, window = cells_of_square(place, field, shift, grid)
        counts[window[:, 0], window[:, 1]] += 1
        np.testing.assert_array_equal(cells[:, 0] * 8 + first + shift[0], 50 - REACH + window[:, 0])
        np.testing.assert_array_equal(cells[:, 1] * 4 + first + shift[1], 40 - REACH + window[:, 1])
    assert (counts == 1).all()


def test_peaks_on_the_border_are_told_apart():
    responses = np.zeros((3, SIDE, SIDE))
    responses[0, 3, 15] = responses[1, 0, 4] = responses[2, 10, 10] = 1
    offsets = peaks_of(responses)
    assert offsets.tolist() == [[5, -7], [-6, -10], [0, 0]]
    data = [Example(f"{k}", f"{k % 5}", None) for k in range(10)]
    peaks = Peaks(np.arange(3), np.array([4, 4, 8]), {"cell:a": offsets})
    rows = {row.metric: row for row in peaks.rows(data, seed=0)}
    assert rows["peaks_inside"].value == pytest.approx(2 / 3)
    assert (rows["peaks_inside"].n, rows["peak_distance"].n) == (3, 2)
    assert rows["peak_distance"].value == pytest.approx(np.hypot(5, 7) / 2)
    assert rows["peaks_inside"].ci95 == (0.5, 1.0)  # of two examples: twice the first, both, twice the second
    assert rows["peak_distance"].ci95 == pytest.approx((0, np.hypot(5, 7)))
    of_one_picture = replace(peaks, examples=np.array([4, 4, 9])).rows(data, seed=0)
    assert [row.ci95 for row in of_one_picture] == [None, None]
    nothing = Peaks(np.empty(0, int), np.empty(0, int), {})
    assert nothing.arrays() == {}
    assert nothing.rows(data, seed=0) == ()


def test_a_picture_whose_squares_leave_the_grid_has_no_peaks(backbone, marks):
    assert peaks_of(np.empty((0, SIDE, SIDE))).shape == (0, 2)
    corner = replace(marks, places=np.array([[12.0, 12.0], [11.5, 30.0], [5.0, 30.0]]))  # cells begin at 0.5
    fields = {"late": replace(receptive_fields(backbone, ["late"])["late"], centre=(8.5, 8.5))}
    classifiers = {"cell:late": {"x": classifier(7, 2)}}
    reader = Reader(_open={"drawn": backbone})
    options = ClassifyOptions(backbone="drawn", localise=1)
    found = localise(corner, classifiers, fields, options, Session(reader))
    assert found.offsets["cell:late"].shape == (0, 2)
    assert found.rows([], seed=0) == ()
