"""Pictures put together again: from copies of themselves, from neighbours found by hand, and from their own fields."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from vestige.correspondence.search.database import LayerView
from vestige.correspondence.search.patches import _Frame, _region, cut, mae, psnr, replace_patches
from vestige.correspondence.search.retrieval import open_library
from vestige.correspondence.search.task import DatabaseOptions
from vestige.datasets.opening import open_dataset
from vestige.datasets.photographs import open_pictures
from vestige.errors import VestigeError

LAYERS = ("block0", "block2")
SIZES = [(48, 64), (57, 50), (72, 45), (64, 56), (48, 48)]


def write(path, seed, height, width, **options):
    """A picture of soft blobs."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("database")
    for i, size in enumerate(SIZES):
        write(place / f"{i}.png", i, *size)
    return place


@pytest.fixture(scope="module")
def library(folder):
    return open_library([open_dataset(f"folder:{folder}")], DatabaseOptions(layers=LAYERS))


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Two pictures that the database has not."""
    place = tmp_path_factory.mktemp("others")
    for i, size in enumerate([(61, 52), (48, 48)]):
        write(place / f"new{i}.png", 90 + i, *size)
    return open_pictures(sorted(place.iterdir()))


@pytest.fixture(scope="module")
def run(library, others):
    return replace_patches(others, library, (3, 1), seed=4)


def test_a_picture_is_put_together_from_a_copy_of_itself(library, tmp_path):
    write(tmp_path / "copy.png", 1, *SIZES[1], compress_level=1)  # the same pixels in another file
    found = replace_patches(open_pictures([tmp_path / "copy.png"]), library, (1,))
    for layer in LAYERS:
        assert found.measures()[f"neighbours:{layer}", "similarity@1"] == pytest.approx(1)
        replaced = found.replaced[layer][0]
        whose = {library.pool.examples[picture].id for picture in np.unique(replaced.columns[..., 0])}
        if whose == {"1.png"}:
            assert np.array_equal(replaced.neighbours[1], found.originals[0])
        assert "1.png" in whose
    assert any(found.measures()[f"neighbours:{layer}", "mae@1"][0] == 0 for layer in LAYERS)


def test_a_picture_of_the_database_is_not_its_own_neighbour(library, folder):
    examples = open_pictures([folder / "1.png"])
    found = replace_patches(examples, library, (2,))
    (own,) = library.own(examples)
    assert own >= 0
    for layer in LAYERS:
        assert (found.replaced[layer][0].columns[..., 0] != own).all()
        assert found.measures()[f"neighbours:{layer}", "mae@2"][0] > 0


def test_patches_are_those_of_neighbours_found_by_hand(library, others, run):
    """Everything again from the stores and the definitions, with plain loops."""
    starts = {"block0": 1, "block2": 2}  # centres 1.5 and 3.5 less half a stride of 2 and 4, up where between pixels
    for database in library.databases:
        layer, side = database.view.layer, database.view.stride[0]
        start = starts[layer]
        rows = database.read(0, len(database)).astype(np.float64)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        for p, example in enumerate(others):
            cells = library.cells([example], layer)
            asked = cells.features.read().astype(np.float64)
            asked /= np.maximum(np.linalg.norm(asked, axis=1, keepdims=True), 1e-30)
            x0, y0, x1, y1 = run.regions[p]
            for k in (1, 3):
                expected = np.zeros((y1 + 16, x1 + 16, 3))
                for vector, (_, y, x) in zip(asked, cells.columns, strict=True):
                    nearest = np.argsort(-(rows @ vector), kind="stable")[:k]
                    patch = np.zeros((side, side, 3))
                    for picture, ny, nx in database.columns[nearest]:
                        pixels = np.pad(library.pool.examples[picture].image.read(), ((0, 9), (0, 9), (0, 0)), "edge")
                        at = start + side * ny, start + side * nx
                        patch += pixels[at[0] : at[0] + side, at[1] : at[1] + side]
                    at = start + side * y, start + side * x
                    expected[at[0] : at[0] + side, at[1] : at[1] + side] = np.rint(patch / k)
                found = run.replaced[layer][p].neighbours[k]
                off = np.abs(found - expected[y0:y1, x0:x1]).max(axis=-1) > 0
                assert off.mean() < 0.01  # near-equal cosines may come out in another order by hand


def test_all_layers_are_measured_on_the_part_that_all_cover(run, others):
    for example, original, region in zip(others, run.originals, run.regions, strict=True):
        pixels = example.image.read()
        x0, y0, x1, y1 = region
        assert (x0, y0) == (2, 2)
        assert x1 - x0 > pixels.shape[1] - 6
        assert y1 - y0 > pixels.shape[0] - 6
        assert np.array_equal(original, pixels[y0:y1, x0:x1])
    for layer in LAYERS:
        for replaced, original in zip(run.replaced[layer], run.originals, strict=True):
            assert {pixels.shape for pixels in (*replaced.neighbours.values(), *replaced.uniform.values())} == {
                original.shape
            }


def test_rows_are_means_over_pictures(run):
    rows = {(row.method, row.metric): row for row in run.rows()}
    assert len(rows) == len(run.rows()) == 2 * (2 * 2 * 2 + 2)
    for (method, metric), row in rows.items():
        layer = method.partition(":")[2]
        values = run.measures()[method, metric]
        assert row.value == pytest.approx(values.mean())
        assert (row.n, row.layer, row.subset) == (2, layer, "all")
        assert row.ci95[0] <= row.value <= row.ci95[1]
        if metric == "mae@3":
            kind = "neighbours" if method.startswith("neighbours") else "uniform"
            made = [getattr(each, kind)[3] / 255 for each in run.replaced[layer]]
            off = [np.mean(np.abs(a - b / 255)) for a, b in zip(made, run.originals, strict=True)]
            assert values == pytest.approx(off)
    assert rows["neighbours:block0", "similarity@3"].value <= rows["neighbours:block0", "similarity@1"].value


def test_what_becomes_of_a_picture_does_not_depend_on_the_others(library, others, run):
    alone = replace_patches(others[1:], library, (1, 3), seed=4)
    for layer in LAYERS:
        for k in (1, 3):
            for kind in ("neighbours", "uniform"):
                assert np.array_equal(
                    getattr(alone.replaced[layer][0], kind)[k], getattr(run.replaced[layer][1], kind)[k]
                )
    assert alone.rows()[0].ci95 is None
    other_seed = replace_patches(others[1:], library, (1,), seed=5)
    assert not np.array_equal(other_seed.replaced["block2"][0].uniform[1], alone.replaced["block2"][0].uniform[1])


def test_the_control_draws_from_all_of_the_field_and_from_nowhere_else():
    """The colours of this picture say where they are."""
    y, x = np.indices((60, 80))
    picture = np.stack([y, x, np.zeros_like(y)], axis=-1).astype(np.uint8)
    view = LayerView("layer", (4, 4), (3.5, 3.5), (14, 10))
    frame = _Frame(view, picture, (2, 2, 78, 58), 14, 19)
    drawn = frame.uniform(400, np.random.default_rng(0))
    assert drawn.shape == (14 * 19, 400, 4, 4, 3)
    corner = drawn[:, :, 0, 0, :2].astype(int)
    assert (drawn[..., 0] == corner[:, :, None, None, 0] + np.arange(4)[:, None]).all()
    assert (drawn[..., 1] == corner[:, :, None, None, 1] + np.arange(4)).all()
    for (row, column), found in zip(frame.cells, corner, strict=True):
        low = np.array([4 * row - 3, 4 * column - 1])  # 3.5 less half a field, the later pixel where between two
        assert found.min(axis=0).tolist() == np.maximum(low, 0).tolist()
        assert found.max(axis=0).tolist() == (np.minimum(low + np.array([14, 10]), [60, 80]) - 4).tolist()


def test_without_bounds_the_control_draws_from_the_whole_picture():
    y, x = np.indices((20, 30))
    picture = np.stack([y, x, y], axis=-1).astype(np.uint8)
    frame = _Frame(LayerView("layer", (8, 8), (4.0, 4.0), None), picture, (0, 0, 24, 16), 2, 3)
    corner = frame.uniform(3000, np.random.default_rng(0))[:, :, 0, 0, :2]
    assert corner.min(axis=(0, 1)).tolist() == [0, 0]
    assert corner.max(axis=(0, 1)).tolist() == [12, 22]
    small = _Frame(LayerView("layer", (8, 8), (4.0, 4.0), (3, 3)), picture, (0, 0, 24, 16), 2, 3)
    assert np.array_equal(small.put(small.uniform(2, np.random.default_rng(0))), picture[:16, :24])


def test_cut_replicates_the_edge():
    picture = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    padded = np.pad(picture, ((4, 4), (4, 4), (0, 0)), "edge")
    corners = np.array([[-3, -2], [0, 0], [3, 4], [1, 5]])
    for corner, patch in zip(corners, cut(picture, corners, (3, 2)), strict=True):
        y, x = corner + 4
        assert np.array_equal(patch, padded[y : y + 3, x : x + 2])


def test_errors_of_pictures():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b))
    assert mae(a, b) == pytest.approx(np.abs(a / 255 - b / 255).mean())
    assert psnr(a, a) == pytest.approx(58.92, abs=0.01)


def test_mistakes_are_told(library, others, tmp_path):
    write(tmp_path / "tiny.png", 0, 2, 40)
    with pytest.raises(VestigeError, match=r"tiny\.png: .*40 x 2"):
        replace_patches(open_pictures([tmp_path / "tiny.png"]), library, (1,))
    with pytest.raises(VestigeError, match=r"new0\.png: 7 x 9"):
        _region(others[0], np.zeros((9, 7, 3), np.uint8), [LayerView("deep", (16, 16), (15.5, 15.5), None)], [(1, 1)])
    with pytest.raises(VestigeError, match="k 0: "):
        replace_patches(others, library, (0, 1))
    with pytest.raises(VestigeError, match=r"only .* patches"):
        replace_patches(others, library, (100_000,))
    with pytest.raises(VestigeError, match=r"missing\.png"):
        open_pictures([tmp_path / "missing.png"])
    with pytest.raises(VestigeError, match="picture"):
        open_pictures([])


def test_pictures_are_named_by_their_files_as_far_as_that_tells_them_apart(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        write(tmp_path / place / "x.png", 0, 8, 8)
    write(tmp_path / "y.png", 1, 8, 8)
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "y.png", tmp_path / "y.png"]
    assert [e.id for e in open_pictures(paths)] == [str(paths[0]), str(paths[1]), "y.png"]
    assert open_pictures(paths)[0].image.digest() == hashlib.sha256(paths[0].read_bytes()).hexdigest()
