"""Databases of patches: which pictures they take, where their rows come from, and where their patches lie."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vestige.backbones import open_backbone
from vestige.correspondence.search import database as module
from vestige.correspondence.search.database import DenseReader, LayerView, build, pool, seen, views
from vestige.datasets.dataset import Dataset
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import ImageFile

SIZES = [(48, 64), (40, 40), (72, 33), (64, 56), (48, 48), (33, 80), (50, 50)]


@pytest.fixture(scope="module")
def backbone():
    return open_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def shallow(backbone):
    return views(backbone, ["block0", "block1"])


@pytest.fixture(autouse=True)
def shards_of_two(monkeypatch):
    monkeypatch.setattr(module, "SHARD", 2)


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures of several sizes; one is there twice, and one cannot be decoded."""
    rng = np.random.default_rng(0)
    place = tmp_path / "pictures"
    place.mkdir()
    for i, (height, width) in enumerate(SIZES):
        coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(place / f"{i}.png")
    shutil.copy(place / "2.png", place / "again.png")
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(place / "cut.jpg")
    whole = (place / "cut.jpg").read_bytes()
    (place / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    return place


def dataset(folder):
    """All files of the folder, as if a loader had found nothing wrong with any."""
    paths = sorted(folder.iterdir())
    return Dataset(f"folder:{folder}", tuple(Example(path.name, path.name, ImageFile(path)) for path in paths))


def made(backbone, view, folder, **options):
    return build(backbone, view, pool([dataset(folder)]), DenseReader(), **options)


def test_rows_are_the_cells_that_their_columns_name(backbone, shallow, folder):
    pictures = pool([dataset(folder)])
    found = build(backbone, shallow[0], pictures, DenseReader())
    assert (len(pictures.examples), pictures.copies) == (8, 1)
    broken = next(i for i, example in enumerate(pictures.examples) if example.id == "cut.jpg")
    assert list(found.problems) == [broken]
    assert found.pictures == 7
    assert len(found.parts) == 4
    rows = found.read(0, len(found))
    assert np.array_equal(found.read(100, 1700), rows[100:1700])
    for i, example in enumerate(pictures.examples):
        first, last = found.rows_of(i)
        assert found.usable[first:last].all() == (i != broken)
        if i == broken:
            assert found.patches == len(found) - (last - first)
            continue
        pixels = seen(example, found.sizes[i], backbone)
        grid = backbone.run(backbone.preprocessing(np.stack([pixels])), ["block0"])["block0"][0].numpy()
        y, x = found.columns[first:last, 1:].T
        assert last - first == grid[0].size
        np.testing.assert_allclose(rows[first:last], grid[:, y, x].T, atol=0.02)
    assert found.rows_of(-1) == (0, 0)


def test_it_stops_where_there_are_enough_and_grows_by_the_same_stores(backbone, shallow, folder):
    everything = made(backbone, shallow[0], folder)
    less = made(backbone, shallow[0], folder, patches=len(everything.parts[0].features) + 1)
    assert len(less.parts) == 2
    assert [p.features.path for p in less.parts] == [p.features.path for p in everything.parts[:2]]
    assert len(less) >= len(everything.parts[0].features) + 1
    told = []
    enough = made(backbone, shallow[0], folder, patches=10, progress=lambda *said: told.append(said))
    assert len(enough.parts) == 1
    assert told[-1] == (10, 10)


def test_the_order_of_pictures_is_that_of_their_content(folder, tmp_path):
    other = tmp_path / "renamed"
    other.mkdir()
    for i, path in enumerate(sorted(folder.iterdir())):
        if path.name != "again.png":
            shutil.copy(path, other / f"{9 - i}{path.suffix}")
    here, there = pool([dataset(folder)]), pool([dataset(other)])
    digests = [example.image.digest() for example in here.examples]
    assert digests == [example.image.digest() for example in there.examples]
    assert [example.id for example in here.examples] != sorted(example.id for example in here.examples)


def test_data_sets_come_one_after_the_other_and_share_nothing(folder):
    drawn = open_dataset("synthetic:objects,n=3,size=48")
    both = pool([drawn, dataset(folder), open_dataset("synthetic:objects,n=4,size=48")])
    assert both.source.tolist() == [0] * 3 + [1] * 8 + [2]
    assert both.copies == 4
    assert both.place[drawn[1].image.digest()] == [e.id for e in both.examples].index(drawn[1].id)
    with pytest.raises(VestigeError, match="databases"):
        pool([])


def test_neighbours_are_those_of_brute_force_and_never_of_the_own_picture(backbone, shallow, folder):
    found = made(backbone, shallow[1], folder)
    rows = found.read(0, len(found)).astype(np.float64)
    picture = found.columns[:, 0]
    chosen = np.flatnonzero(found.usable)[::17]
    own = np.where(np.arange(len(chosen)) % 3, picture[chosen], -1).astype(np.int64)
    answer = found.nearest(found.read(0, len(found))[chosen], own, 5)
    length = np.linalg.norm(rows, axis=1)
    cosines = rows[chosen] @ rows.T / np.maximum(length[chosen, None] * length, 1e-30)
    cosines[:, ~found.usable] = -np.inf
    cosines[own[:, None] == picture] = -np.inf
    expected = np.sort(-cosines, axis=1)[:, :5]
    np.testing.assert_allclose(answer.similarity, -expected, atol=1e-9)
    assert (picture[answer.rows] != own[:, None]).all()
    alone = own < 0
    assert answer.similarity[alone, 0] == pytest.approx(np.ones(alone.sum()))  # with nothing passed over: itself


def test_short_side_is_how_pictures_are_seen(backbone, shallow, folder):
    found = build(backbone, shallow[0], pool([dataset(folder)]), DenseReader(short_side=32))
    kept = np.setdiff1d(np.arange(8), list(found.problems))
    assert (found.sizes[kept].min(axis=1) == 32).all()


def test_patches_lie_about_the_centres_of_receptive_fields(shallow):
    first = {view.layer: view for view in shallow}["block1"]
    assert (first.stride, first.field) == ((4, 4), (11, 11))
    assert first.centre == (3.5, 3.5)
    cells = np.array([[0, 0], [2, 5]], dtype=np.int32)
    assert first.corners(cells).tolist() == [[2, 2], [10, 22]]  # 3.5 - 2 lies between two pixels: the later one
    assert first.field_corners(cells).tolist() == [[-2, -2], [6, 18]]
    odd = LayerView("layer", (3, 5), (1.5, 2.5), (7, 9))
    assert odd.corners(cells).tolist() == [[0, 0], [6, 25]]
    assert odd.field_corners(cells).tolist() == [[-2, -2], [4, 23]]
    moved = replace(odd, response=(3.5, 1.5))  # the patch moves, what the cell can see does not
    assert moved.place == (3.5, 1.5)
    assert moved.corners(cells).tolist() == [[2, -1], [8, 24]]
    assert moved.field_corners(cells).tolist() == odd.field_corners(cells).tolist()


def test_layers_that_cannot_be_searched_are_told(backbone):
    with pytest.raises(VestigeError, match="layer"):
        views(backbone, [])
    with pytest.raises(VestigeError, match="no layer 'blocc4'"):
        views(backbone, ["blocc4"])
    with pytest.raises(VestigeError, match="no grid"):
        views(backbone, ["classifier"])
    with pytest.raises(VestigeError, match="whole picture"):
        LayerView("senet", (8, 8), (4.0, 4.0), None).bounded()


def test_no_patches_wanted_is_a_mistake(backbone, shallow, folder):
    with pytest.raises(VestigeError, match="0 patches"):
        made(backbone, shallow[0], folder, patches=0)
