"""What people see of units: which pictures, what is bright in them, and how making them goes on."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import vestige
from vestige.backbones import Backbone, Preprocessing
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.progress import print_nothing
from vestige.run import Run
from vestige.units.activations import ActivationReader
from vestige.units.annotate.tiles import (
    SIDE,
    TOP,
    TileFile,
    in_random_order,
    lenders_of,
    make_tiles,
    outlined,
    shown_of,
)
from vestige.units.dissect.run import read_dissection

INPUT = 24


class Colours(nn.Module):
    """Three units at the pictures' own size: how red it is, how blue, and one that is never active."""

    def __init__(self):
        super().__init__()
        self.units = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            for unit, weights in enumerate([(1, 0, -1), (-1, 0, 1), (0, 0, 0)]):
                self.units.weight[unit] = torch.tensor(weights, dtype=torch.float32)[:, None, None]
            self.units.bias[:] = torch.tensor([0.0, 0.0, -1.0])

    def forward(self, x):
        return torch.relu(self.units(x)).mean((2, 3))


class Active(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Colours()
        self.seen = nn.ReLU()

    def forward(self, x):
        return self.seen(self.inner.units(x)).flatten(1)


def pictures(n=80):
    """Half have a red square in one of four corners, twice as wide as high; the others a blue one."""
    draw = np.random.default_rng(0)
    found = []
    for k in range(n):
        picture = np.full((INPUT, 2 * INPUT, 3), 100, np.uint8)
        y, x = (int(draw.integers(2)) * side // 2 for side in picture.shape[:2])
        strength = 120 + k
        picture[y : y + 12, x : x + 24] = (strength, 0, 0) if k % 2 else (0, 0, strength)
        found.append(picture)
    return Dataset.from_arrays(found, name="squares")


@pytest.fixture(scope="module")
def data():
    return pictures()


@pytest.fixture(scope="module")
def backbone():
    return Backbone.from_module(Active(), Preprocessing((INPUT, INPUT), (0.0,) * 3, (255.0,) * 3), name="colours")


@pytest.fixture(scope="module")
def run(tmp_path_factory, data, backbone):
    folder = tmp_path_factory.mktemp("runs") / "units"
    session = Session(Reader(ExtractOptions(batch=8)), print_nothing, workers=1)
    found = vestige.measure("dissect", data, session=session, backbone=backbone, layers=["seen"], chance=())
    found.save(folder)
    return read_dissection(Run(folder))


@pytest.fixture
def reader(backbone):
    return ActivationReader(backbone, ["seen"], ExtractOptions(batch=8))


def made(file, run, data, reader, units, **more):
    file.begin("this run")
    make_tiles(file, run, data, units, reader, "relative", **more)
    return file


def pixels(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def test_top_pictures_are_shown_in_which_a_unit_is_active_and_the_lowest_planted(run):
    shown = shown_of(run, "seen", 0)
    own = [row for row in shown.shown if row not in shown.planted]
    assert sorted(own) == sorted(run.of("seen", "top_rows")[0][:40].tolist())  # of 80 pictures, red ones
    assert all(row % 2 for row in own)
    assert len(shown.planted) == 3
    assert set(shown.planted) <= set(shown.shown)
    assert not any(row % 2 for row in shown.planted)
    assert shown == shown_of(run, "seen", 0)
    assert own != sorted(own)
    assert shown_of(run, "seen", 2) is None


def test_no_more_than_the_paper_s_57_are_shown(run, monkeypatch):
    monkeypatch.setitem(run.arrays, "seen/top_values", np.ones_like(run.of("seen", "top_values")))
    shown = shown_of(run, "seen", 0)
    assert len(shown.shown) == TOP + 3 == 60


def test_planted_pictures_are_bright_in_the_shape_of_no_other_that_is_shown(run, monkeypatch):
    monkeypatch.setitem(run.arrays, "seen/top_values", np.ones_like(run.of("seen", "top_values")))
    shown = shown_of(run, "seen", 0)
    lenders = lenders_of(run, shown)
    assert set(lenders) == set(shown.planted)
    assert len(set(lenders.values())) == 3
    strongest = [row for row in run.of("seen", "top_rows")[0].tolist() if row not in shown.planted]
    assert set(lenders.values()) <= {*strongest[TOP:], *shown.shown}
    assert set(strongest[TOP:]) <= set(lenders.values())


def test_planted_pictures_borrow_from_those_that_are_shown_where_a_unit_has_no_others(run):
    shown = shown_of(run, "seen", 0)
    lent = set(lenders_of(run, shown).values())
    assert len(lent) == 3
    assert lent <= set(shown.shown) - set(shown.planted)


def test_units_of_layers_are_mixed(run):
    units = [shown_of(run, "seen", unit) for unit in (0, 1)]
    assert set(in_random_order(units)) == set(units)
    assert in_random_order(units) == in_random_order(units[::-1])


def test_what_a_unit_is_active_at_is_bright(run, data, reader, tmp_path):
    shown = shown_of(run, "seen", 0)
    file = made(TileFile(tmp_path / "tiles"), run, data, reader, [shown])
    for place, row in enumerate(shown.shown):
        tile = pixels(file.tile("seen", 0, place))
        assert tile.shape == (SIDE // 2, SIDE, 3)
        picture = data[row].image.read().astype(int)
        assert np.abs(pixels(file.whole(row)) - picture).mean() < 8
        if row not in shown.planted:
            red = picture[..., 0] > 110
            y, x = np.argwhere(red).mean(0) / picture.shape[:2]
            assert abs(tile[int(y * tile.shape[0]), int(x * tile.shape[1]), 0] - picture[red][0, 0]) < 12
            assert tile[int((1 - y) * tile.shape[0]), int((1 - x) * tile.shape[1])].max() < 40  # of grey 100
        else:  # through what one of its own shows: a quarter of the picture
            grey = tile.max(axis=-1)
            assert 0.1 < (grey > 60).mean() < 0.45
    assert file.tile("seen", 0, 60) is None
    assert file.whole(999) is None


def test_what_is_shown_has_a_line_about_it_and_is_left_as_it_is():
    picture, mask = np.full((40, 60, 3), 5, np.uint8), np.zeros((40, 60), bool)
    mask[10:20, 30:] = True
    found = outlined(picture, mask)
    assert np.array_equal(found[mask], picture[mask])
    line = np.argwhere((found != picture).any(axis=-1))
    y, x = line.T
    beside = np.maximum(np.maximum(10 - y, y - 19), 0) + np.maximum(30 - x, 0)
    assert set(beside.tolist()) == {1, 2}
    assert found.max(axis=-1)[y, x].min() > 2 * 64  # the brightest that is dimmed


def test_a_stopped_pass_goes_on(run, data, reader, tmp_path):
    units = [shown_of(run, "seen", unit) for unit in (0, 1)]
    whole = made(TileFile(tmp_path / "whole"), run, data, reader, units)
    file = TileFile(tmp_path / "file")

    def kill(done, _total):
        if done >= 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(file, run, data, reader, units, progress=kill)
    kept = file.kept()[0]
    assert 0 < len(kept) < len(whole.kept()[0])
    assert file.lacks(units)
    told = []
    made(file, run, data, reader, units, progress=lambda *counts: told.append(counts))
    assert not file.lacks(units)
    assert told[0][1] < 80
    for shown in units:
        for place in range(len(shown.shown)):
            key = ("seen", shown.unit, place)
            assert file.tile(*key) == whole.tile(*key)
    file.begin("another run")
    assert file.kept() == (set(), set())


def test_other_data_are_refused(run, data, reader, tmp_path):
    shown = [shown_of(run, "seen", 0)]
    with pytest.raises(VestigeError, match="other pictures than the run"):
        made(TileFile(tmp_path / "a"), run, pictures(40), reader, shown)
    turned = Dataset.from_arrays([255 - each.image.read() for each in data], name="squares")
    with pytest.raises(VestigeError, match="is not as it was dissected"):
        made(TileFile(tmp_path / "b"), run, turned, reader, shown)


def test_a_file_that_is_none_is_an_error(tmp_path):
    (tmp_path / "tiles").write_bytes(b"no database" * 100)
    with pytest.raises(VestigeError, match="cannot be used"):
        TileFile(tmp_path / "tiles").begin("x")
