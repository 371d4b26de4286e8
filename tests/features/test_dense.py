"""Dense stores: every cell of every picture, at its own size, once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features import dense
from vestige.features.dense import extract_dense
from vestige.images import ImageFile, crop_resize

FLOAT32 = ExtractOptions()
SIZES = [(30, 41), (24, 24), (57, 25), (30, 41), (80, 64)]


@pytest.fixture
def examples(tmp_path):
    """Pictures of several sizes in files."""
    rng = np.random.default_rng(0)
    made = []
    for i, (height, width) in enumerate(SIZES):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        made.append(Example(path.name, path.name, ImageFile(path)))
    return made


def by_hand(backbone, example, short_side=None) -> np.ndarray:
    """The grid ``(C, h, w)`` of one picture."""
    pixels = example.image.read()
    if short_side is not None:
        scale = short_side / min(pixels.shape[:2])
        pixels = crop_resize(pixels, None, (round(pixels.shape[0] * scale), round(pixels.shape[1] * scale)))
    with torch.no_grad():
        return backbone.run(backbone.preprocessing(np.stack([pixels])).contiguous(), ["early"])["early"][0].numpy()


@pytest.mark.parametrize("short_side", [None, 33])
def test_a_row_is_the_cell_that_its_columns_name(tiny, tmp_path, examples, short_side):
    backbone = tiny.backbone()
    found = extract_dense(backbone, examples, "early", short_side=short_side, cache=tmp_path / "c", options=FLOAT32)
    grids = [by_hand(backbone, example, short_side) for example in examples]
    assert found.grids.tolist() == [list(grid.shape[1:]) for grid in grids]
    rows = found.features.read()
    assert len(rows) == sum(grid[0].size for grid in grids) > 512
    expected = np.stack([grids[i][:, y, x] for i, y, x in found.columns])
    np.testing.assert_allclose(rows, expected, atol=2e-5)
    assert len({tuple(each) for each in found.columns.tolist()}) == len(rows)
    if short_side is None:
        assert found.sizes.tolist() == [list(size) for size in SIZES]


def test_only_the_cells_that_are_wanted_are_kept(tiny, tmp_path, examples):
    backbone, cache = tiny.backbone(), tmp_path / "cache"
    whole = extract_dense(backbone, examples, "early", cache=cache, options=FLOAT32)

    def corners(i, size, grid):
        assert size == SIZES[i]
        return np.array([[grid[0] - 1, grid[1] - 1], [0, 0], [0, 0]])[: 3 if i else 1]

    found = extract_dense(backbone, examples, "early", wanted=corners, cache=cache, options=FLOAT32)
    places = [(i, y, x) for i, (h, w) in enumerate(found.grids.tolist()) for y, x in ((0, 0), (h - 1, w - 1))][1:]
    assert [tuple(each) for each in found.columns.tolist()] == places
    rows = {tuple(each): row for each, row in zip(whole.columns.tolist(), whole.features.read(), strict=True)}
    np.testing.assert_array_equal(found.features.read(), [rows[place] for place in places])
    with pytest.raises(ValueError, match="outside its grid"):
        extract_dense(backbone, examples, "early", wanted=lambda _i, _s, grid: np.array([grid]), cache=cache)


def test_half_precision_is_the_default_on_disk(tiny, tmp_path, examples):
    found = extract_dense(tiny.backbone(), examples, "early", cache=tmp_path / "c")
    assert found.features.description.dtype == "float16"


def test_broken_off_it_goes_on_and_ends_with_the_same_bytes(tiny, tmp_path, examples):
    class StopError(Exception):
        pass

    def stop(done: int, _total: int) -> None:
        if done >= 512:
            raise StopError

    def run(cache, progress=None):
        return extract_dense(tiny.backbone(), examples, "early", cache=cache, progress=progress)

    with pytest.raises(StopError):
        run(tmp_path / "broken", stop)
    told: list[int] = []
    resumed = run(tmp_path / "broken", lambda done, _total: told.append(done))
    assert told[0] == 512
    unbroken = run(tmp_path / "unbroken")
    assert resumed.features.shape == unbroken.features.shape
    assert tiny.store_bytes(tmp_path / "broken") == tiny.store_bytes(tmp_path / "unbroken")
    run(tmp_path / "unbroken", stop)  # nothing is computed, so it is told nothing


def test_unreadable_pictures_are_told(tiny, tmp_path, examples):
    Image.fromarray(examples[4].image.read()).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])  # its header is sound, its pixels are not
    (tmp_path / "text.png").write_text("no picture")
    bad = [Example(name, name, ImageFile(tmp_path / name)) for name in ("cut.jpg", "text.png", "missing.png")]
    found = extract_dense(tiny.backbone(), [*bad, *examples], "early", cache=tmp_path / "c", options=FLOAT32)
    assert sorted(found.problems) == [0, 1, 2]
    assert all(bad[i].id in found.problems[i] for i in range(3))
    assert found.grids[:3].tolist() == [[40, 32], [0, 0], [0, 0]]
    assert not found.features.valid[:1280].any()
    assert found.features.valid[1280:].all()
    assert found.columns[1280].tolist() == [3, 0, 0]


def test_drawn_pictures_need_no_file(tiny, tmp_path):
    examples = [crop.example for crop in tiny.crops(3)]
    found = extract_dense(tiny.backbone(), examples, "late", cache=tmp_path)
    assert found.sizes.tolist() == [[30, 28]] * 3
    assert found.features.shape == (3 * 8 * 7, 10)


def test_whatever_changes_the_cells_changes_the_store(tiny, tmp_path, examples):
    def store(layer="early", examples=examples, **asked):
        return extract_dense(tiny.backbone(), examples, layer, cache=tmp_path / "c", **asked).features.path

    stores = [
        store(),
        store("late"),
        store(examples=examples[1:]),
        store(short_side=33),
        store(options=replace(FLOAT32, precision="bfloat16")),
        store(options=FLOAT32),
    ]
    assert len(set(stores)) == len(stores)
    assert store() == stores[0]


def test_mistakes_are_told(tiny, tmp_path, examples):
    with pytest.raises(VestigeError, match="no grid"):
        extract_dense(tiny.backbone(), examples, "scores", cache=tmp_path)
    with pytest.raises(VestigeError, match="short_side 0"):
        extract_dense(tiny.backbone(), examples, "early", short_side=0, cache=tmp_path)
    with pytest.raises(VestigeError, match="no cells"):
        extract_dense(tiny.backbone(), [Example("a", "a", ImageFile(tmp_path / "a.png"))], "early", cache=tmp_path)


def test_a_picture_of_a_size_that_the_network_cannot_take_is_left_out(tiny, tmp_path, examples):
    backbone = tiny.backbone()
    backbone.module.early.append(torch.nn.Unflatten(3, (3, -1)))
    backbone.module.early.append(torch.nn.Flatten(3))
    found = extract_dense(backbone, examples, "early", cache=tmp_path / "c")
    assert set(found.columns[:, 0]) == set(range(5)) - found.problems.keys()
    assert "2.png: " in found.problems[2]
    assert "25 x 57" in found.problems[2]
    assert found.sizes[2].tolist() == found.grids[2].tolist() == [0, 0]
    with pytest.raises(VestigeError, match=r"2\.png: .*25 x 57"):
        extract_dense(backbone, examples[2:3], "early", cache=tmp_path / "c")


def test_shapes_are_computed_once_for_a_side(tiny, tmp_path, examples, monkeypatch):
    backbone, passes = tiny.backbone(), []
    computed = dense._Shapes._computed
    monkeypatch.setattr(
        dense._Shapes, "_computed", lambda self, *asked: passes.append(asked[1]) or computed(self, *asked)
    )
    found = extract_dense(backbone, [*examples[:2], *examples[4:]], "early", cache=tmp_path / "c", options=FLOAT32)
    assert passes == [(30, 41), (24, 24), (80, 64)]
    mixed = tmp_path / "mixed.png"
    Image.fromarray(np.zeros((24, 41, 3), np.uint8)).save(mixed)
    other = extract_dense(
        backbone, [Example("m", "m", ImageFile(mixed))], "early", cache=tmp_path / "c", options=FLOAT32
    )
    assert len(passes) == 3
    assert other.grids[0].tolist() == [found.grids[1, 0], found.grids[0, 1]]


def test_a_grid_that_depends_on_more_than_its_sides_is_told(tiny, tmp_path, examples):
    class Odd(torch.nn.Module):
        def forward(self, grid):
            return grid[..., : grid.shape[2]]  # as wide as high

    backbone = tiny.backbone()
    backbone.module.early.append(Odd())
    found = extract_dense(backbone, [examples[0], examples[4]], "early", cache=tmp_path / "c", options=FLOAT32)
    assert not found.problems
    odd = [examples[0], examples[4], examples[1]]
    path = tmp_path / "odd.png"
    Image.fromarray(np.zeros((80, 41, 3), np.uint8)).save(path)
    found = extract_dense(
        backbone, [*odd, Example("odd", "odd", ImageFile(path))], "early", cache=tmp_path / "c", options=FLOAT32
    )
    assert list(found.problems) == [3]
    assert "a grid of" in found.problems[3]


def test_a_grid_of_one_cell(tiny, tmp_path, examples):
    found = extract_dense(tiny.backbone(), examples[:2], "early", short_side=2, cache=tmp_path / "c", options=FLOAT32)
    assert found.grids.tolist() == [[1, 2], [1, 1]]
    assert found.features.shape == (3, 6)
    assert dense.DenseFeatures is type(found)
