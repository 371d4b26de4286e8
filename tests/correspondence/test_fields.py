"""Mean receptive fields of neighbours, against means and deviations of stacked fields."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vestige.correspondence.search.database import LayerView
from vestige.correspondence.search.fields import Seed, _field, _rows, mean_fields
from vestige.correspondence.search.retrieval import open_library
from vestige.correspondence.search.task import DatabaseOptions
from vestige.datasets.opening import open_dataset
from vestige.datasets.photographs import open_pictures
from vestige.errors import VestigeError

LAYERS = ("block0", "block2")


def write(path, seed, height, width):
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("database")
    for i, size in enumerate([(48, 64), (57, 50), (72, 45), (64, 56)]):
        write(place / f"{i}.png", i, *size)
    return place


@pytest.fixture(scope="module")
def library(folder):
    return open_library([open_dataset(f"folder:{folder}")], DatabaseOptions(layers=LAYERS))


@pytest.fixture(scope="module")
def run(library):
    return mean_fields(library, ks=(1, 5, 12), seeds=5, seed=3)


def stacked(library, layer, columns):
    """The fields of cells ``(k, h, w, 3)`` in [0, 1], NaN outside their pictures: cut out of padded pictures."""
    view = next(d.view for d in library.databases if d.view.layer == layer)
    pad = max(view.field)
    fields = []
    for picture, y, x in columns:
        pixels = library.pool.examples[picture].image.read() / 255
        padded = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), constant_values=np.nan)
        corner = np.floor(np.array(view.centre) + np.array(view.stride) * (y, x) - np.array(view.field) / 2 + 0.5)
        top, left = corner.astype(int) + pad
        fields.append(padded[top : top + view.field[0], left : left + view.field[1]])
    return np.array(fields)


def middle_of(view):
    """Where the patch lies in the field."""
    inside = np.zeros(view.field, dtype=bool)
    centre, stride, field = (np.array(each, dtype=float) for each in (view.centre, view.stride, view.field))
    top, left = (np.floor(centre - stride / 2 + 0.5) - np.floor(centre - field / 2 + 0.5)).astype(int)
    inside[top : top + view.stride[0], left : left + view.stride[1]] = True
    return inside


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:Degrees of freedom")
def test_means_and_deviations_are_those_of_stacked_fields(library, run):
    for database in library.databases:
        layer, inside = database.view.layer, middle_of(database.view)
        assert inside.sum() == np.prod(database.view.stride)
        for seed in run.fields[layer]:
            for k in run.ks:
                fields = stacked(library, layer, seed.columns[:k])
                found = seed.means["neighbours", k]
                np.testing.assert_allclose(found.mean, np.nanmean(fields, axis=0), atol=1e-6)
                deviation = np.nanstd(fields, axis=0, ddof=1).mean(axis=-1) if k > 1 else np.full(inside.shape, np.nan)
                np.testing.assert_allclose(found.middle, np.nanmean(deviation[inside]), rtol=1e-6)
                np.testing.assert_allclose(found.around, np.nanmean(deviation[~inside]), rtol=1e-6)


def test_neighbours_are_of_other_pictures_and_nearest_first(library, run):
    own = library.own(run.examples)
    for database in library.databases:
        rows = database.read(0, len(database)).astype(np.float64)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        place = {tuple(each): row for row, each in enumerate(database.columns.tolist())}
        for seed, found in zip(run.seeds, run.fields[database.view.layer], strict=True):
            assert (found.columns[:, 0] != own[seed.picture]).all()
            cosines = rows @ rows[place[own[seed.picture], *found.cell.tolist()]]
            cosines[database.columns[:, 0] == own[seed.picture]] = -1
            np.testing.assert_allclose(found.similarity, np.sort(cosines)[::-1][:12], atol=1e-9)


def test_neighbours_agree_more_than_chance(run):
    rows = {(row.method, row.metric): row for row in run.rows()}
    for layer in LAYERS:
        assert rows[f"neighbours:{layer}", "middle@12"].value < 0.9 * rows[f"random:{layer}", "middle@12"].value
        assert rows[f"neighbours:{layer}", "middle@12"].n == 5
        assert (f"neighbours:{layer}", "middle@1") not in rows  # one field has no deviation
        assert rows[f"neighbours:{layer}", "similarity@1"].value >= rows[f"neighbours:{layer}", "similarity@12"].value


def test_the_same_seed_gives_the_same_run(library, run):
    again = mean_fields(library, ks=(1, 5, 12), seeds=5, seed=3)
    assert again.seeds == run.seeds
    assert again.rows() == run.rows()
    assert mean_fields(library, ks=(1,), seeds=5, seed=4).seeds != run.seeds


def test_more_seeds_than_pictures(library):
    found = mean_fields(library, ks=(2,), seeds=9)
    assert (len(found.seeds), len(found.examples)) == (9, 4)
    assert sorted({seed.picture for seed in found.seeds}) == [0, 1, 2, 3]
    for seed in found.seeds:
        height, width = found.examples[seed.picture].image.read().shape[:2]
        assert 3.5 <= seed.x <= width - 3.5  # half the smallest field from every edge
        assert 3.5 <= seed.y <= height - 3.5


def test_seeds_at_points_of_a_picture(folder, tmp_path):
    write(tmp_path / "new.png", 77, 60, 44)
    library = open_library([open_dataset(f"folder:{folder}")], DatabaseOptions(layers=("block2",), short_side=88))
    examples = open_pictures([tmp_path / "new.png"])
    found = mean_fields(library, examples, (3,), at=[(10.25, 20.5), (0, 59.9)])
    assert found.seeds == (Seed(0, 20.5, 41.0), Seed(0, 0.0, pytest.approx(119.8)))  # seen at twice its size
    cells = [field.cell.tolist() for field in found.fields["block2"]]
    assert cells == [[9, 4], [29, 0]]  # centres at 3.5 + 4 i; the last row of 30
    field = found.fields["block2"][0].field
    assert field.shape == (19, 19, 3)
    for points, pictures, message in (
        ([(44, 1)], examples, r"point 44,1 lies outside new\.png of 44 x 60 pixels"),
        ([(1, 1)], (), r"at: points are of one picture; name it with images \(got 0\)"),
    ):
        with pytest.raises(VestigeError, match=message):
            mean_fields(library, pictures, (3,), at=points)


def test_a_field_knows_what_is_outside_the_picture():
    picture = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    pixels, inside = _field(picture, LayerView("layer", (2, 2), (1.0, 1.0), (4, 6)), np.array([0, 3], dtype=np.int32))
    assert inside.tolist() == [[False] * 6] + [[True, True, True, True, False, False]] * 3
    assert np.array_equal(pixels[1:, :4], picture[:3, 4:])


def test_the_nearest_cell_answers_for_a_point(library):
    cells = library.cells(library.pool.examples[:2], "block2")
    view = library.databases[1].view
    points = [Seed(0, 3.5, 3.5), Seed(1, 9.6, 5.4), Seed(1, 1000.0, 0.0)]
    rows = _rows(cells, view, points)
    width = int(cells.grids[1, 1])
    assert cells.columns[rows].tolist() == [[0, 0, 0], [1, 0, 2], [1, 0, width - 1]]


def test_mistakes_are_told(library):
    with pytest.raises(VestigeError, match="seeds 0"):
        mean_fields(library, seeds=0)
    with pytest.raises(VestigeError, match="k is missing"):
        mean_fields(library, ks=())
    with pytest.raises(VestigeError, match=r"only .* patches"):
        mean_fields(library, ks=(10**6,))
