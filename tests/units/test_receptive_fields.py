"""Receptive fields of linear networks, which are known in closed form, and the task from pictures to page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import vestige
from vestige.backbones import Backbone, Preprocessing, ReceptiveField, prepared
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.partial_work import PartialWork
from vestige.units.incremental import Cells, Incremental, Occluders
from vestige.units.receptive_fields.field import mean_field, reach_of, recentred, seen_by, sizes
from vestige.units.receptive_fields.measure import measure_fields, plan_fields
from vestige.units.receptive_fields.occluding import changes, noise, preprocessed
from vestige.units.receptive_fields.table import field_tables
from vestige.units.receptive_fields.task import FieldsOptions

PLAIN = Preprocessing((96, 96), (0.0,) * 3, (1.0,) * 3)


class Boxes(nn.Module):
    """Two layers of positive weights that are the same everywhere: sums over squares of 8 and of 16 pixels.

    Those of the second weigh a pixel by how many of the first's squares hold it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 2, 8, 4, bias=False), nn.Conv2d(2, 3, 3, bias=False)
        self.scores = nn.Linear(3, 2)
        for each in (self.one, self.two):
            nn.init.constant_(each.weight, 0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.two(self.one(x)).mean((2, 3)))


def _options(**given: object) -> FieldsOptions:
    return FieldsOptions(**{"layers": ("one", "two"), "units": 2, "pictures": 2, "stride": 6, "occluder": 9} | given)


def _session(kept: Path | None = None) -> tuple[Session, str]:
    torch.manual_seed(0)
    reader = Reader(ExtractOptions(batch=16), keep=False)
    spec = reader.hold(Backbone.from_module(Boxes(), PLAIN))
    return Session(reader, lambda _: None, PartialWork(kept)), spec


def _pictures(n: int = 5) -> Dataset:
    drawn = np.random.default_rng(1).integers(0, 256, (n, 96, 96, 3), dtype=np.uint8)
    return Dataset.from_arrays(list(drawn))


ONE, TWO = np.ones(8), np.repeat([1.0, 2.0, 1.0], [4, 8, 4])
"""The weights of a field's pixels along an axis."""


def _covered(offsets: np.ndarray, weights: np.ndarray, occluder: int) -> np.ndarray:
    """The weight that a square covers of a field along an axis, by the distance of their middles."""
    edges, total = np.arange(len(weights) + 1) - len(weights) / 2, np.append(0, np.cumsum(weights))
    return np.interp(offsets + occluder / 2, edges, total) - np.interp(offsets - occluder / 2, edges, total)


def _size(weights: np.ndarray, occluder: int, fraction: float) -> float:
    """The size that a field has in closed form, occluders being everywhere."""
    along = _covered(np.linspace(-20, 20, 1601), weights, occluder)
    return float(40 * np.sqrt((np.outer(along, along) > fraction * along.max() ** 2).mean()))


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("occluder", [5, 11])
def test_the_field_of_a_box_is_known(occluder: int, stride: int) -> None:
    """White squares on black move a sum over a box by what they cover of it: the curve of sizes follows.

    Where occluders are some pixels apart, what lies between is interpolated, which blurs the outermost rim.
    """
    backbone = prepared(Backbone.from_module(Boxes(), PLAIN), keep=["one"], fold_batch_norm=False)
    occluders = Occluders((96, 96), occluder, stride)
    field = ReceptiveField((4, 4), (8, 8), (4.0, 4.0), whole_image=False)
    cells = Cells(np.array([0, 1]), np.array([9, 11]), np.array([12, 8]))
    white = preprocessed(np.full((len(occluders), occluder, occluder, 3), 255, np.uint8), occluders, PLAIN)
    network = Incremental(backbone, ["one"], occluders, batch=32)
    black = np.zeros((96, 96, 3), np.uint8)
    found, run = changes(network, {"one": field}, black, white, {"one": cells}, torch.device("cpu"))
    reach = reach_of(field, occluders)
    maps = [
        recentred(each, occluders, (4.0 + 4 * y, 4.0 + 4 * x), reach)
        for each, y, x in zip(found["one"], cells.y.tolist(), cells.x.tolist(), strict=True)
    ]
    mean = mean_field(maps, [1.0, 1.0])
    along = _covered(np.arange(-reach, reach + 1), ONE, occluder)
    expected = np.outer(along, along)
    assert np.abs(mean / mean.max() - expected / expected.max()).max() < (1e-5 if stride == 1 else 0.15)
    fractions = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9)[0 if stride == 1 else 2 :]
    np.testing.assert_allclose(sizes(mean, fractions), [_size(ONE, occluder, f) for f in fractions], atol=1.0)
    assert 0 < run < len(occluders)


def test_occluders_that_are_not_run_do_nothing() -> None:
    """Those that a unit cannot see by its theoretical field are exactly those that the naive loop finds idle."""
    backbone = prepared(Backbone.from_module(Boxes(), PLAIN), keep=["two"])
    occluders = Occluders((96, 96), 7, 2)
    field = ReceptiveField((4, 4), (16, 16), (8.0, 8.0), whole_image=False)
    y, x = np.array([0, 7]), np.array([3, 20])
    naive = Incremental(backbone, ["two"], occluders, batch=64, whole=True)
    patches = preprocessed(noise(occluders, (0,), fresh=True), occluders, PLAIN)
    picture = torch.zeros(1, 3, 96, 96)
    after = naive.run(picture, patches, np.arange(len(occluders)), {"two": Cells(np.array([0, 1]), y, x)})["two"]
    np.testing.assert_array_equal(seen_by(field, y, x, occluders), after.T != 0)


def test_occluders_are_filled_as_the_network_wants_its_input() -> None:
    draw = np.random.default_rng(0)
    mean_image = draw.uniform(0, 255, (3, 20, 24)).astype(np.float32)
    for preprocessing in (
        Preprocessing((20, 24), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), channels="bgr"),
        Preprocessing((20, 24), (0.0,) * 3, (2.0,) * 3, mean_image=mean_image),
    ):
        occluders = Occluders((20, 24), 5, 4)
        patches = noise(occluders, (3,), fresh=True)
        found = preprocessed(patches, occluders, preprocessing)
        for k in (0, 7, len(occluders) - 1):
            picture, (y, x) = draw.integers(0, 256, (20, 24, 3), dtype=np.uint8), occluders.places[k]
            picture[y : y + 5, x : x + 5] = patches[k]
            expected = preprocessing(picture[None])[0, :, y : y + 5, x : x + 5]
            np.testing.assert_allclose(found[k], expected, rtol=1e-5, atol=1e-4)
    assert (noise(occluders, (3,), fresh=False)[0] == noise(occluders, (3,), fresh=False)[-1]).all()


def test_a_map_is_recentred_on_the_units_place() -> None:
    """A plane is interpolated exactly, wherever the middle is; beyond the occluders nothing is known."""
    occluders = Occluders((30, 36), 4, 3)
    middles = occluders.places.reshape(*occluders.shape, 2) + 2.0
    plane = (2 * middles[..., 0] - middles[..., 1]).astype(np.float32)
    found = recentred(plane, occluders, (10.5, 30.25), 8)
    y, x = np.meshgrid(np.arange(-8, 9) + 10.5, np.arange(-8, 9) + 30.25, indexing="ij")
    inside = (y >= 2) & (y <= 26) & (x >= 2) & (x <= 32)
    np.testing.assert_array_equal(np.isfinite(found), inside)
    np.testing.assert_allclose(found[inside], (2 * y - x)[inside], atol=1e-4)


def test_means_count_what_is_known() -> None:
    nan = np.nan
    maps = [np.array([[1.0, nan], [3.0, nan]]), np.array([[5.0, 2.0], [nan, nan]])]
    np.testing.assert_array_equal(mean_field(maps, [3.0, 1.0]), [[2.0, 2.0], [3.0, nan]])
    np.testing.assert_array_equal(sizes(np.zeros((3, 3)), (0.5,)), [nan])
    np.testing.assert_allclose(sizes(np.array([[1.0, 2.0], [nan, 4.0]]), (0.1, 0.4, 0.9)), np.sqrt([3, 2, 1]))


def test_planted_fields_are_found_to_within_a_pixel() -> None:
    """The task itself, with noise in its occluders: in dark pictures they move a sum over a box by what they cover."""
    session, spec = _session()
    dark = Dataset.from_arrays([each // 32 for each in (example.image.read() for example in _pictures(3))])
    found = measure_fields(session, dark, _options(backbone=spec, occluder=5, stride=2))
    sizes_found = {row.subset: row.value for row in found.rows if (row.method, row.metric) == ("actual", "size")}
    assert abs(sizes_found["one"] - _size(ONE, 5, 0.5)) < 1
    assert abs(sizes_found["two"] - _size(TWO, 5, 0.5)) < 1
    assert abs(sizes_found["one"] - 8) < 1


class Tokens(nn.Module):
    """Patches that see each other: there is no bound to a unit's field."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.mix = nn.Conv2d(3, 4, 16, 16), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.mix(x + 0.1 * x.mean(1, keepdim=True))


def test_units_of_tokens_have_places_too() -> None:
    session, _ = _session()
    spec = session.reader.hold(Backbone.from_module(Tokens(), PLAIN))
    found = measure_fields(session, _pictures(3), _options(backbone=spec, layers=("mix",), occluder=16, stride=16))
    assert found.config["occlusions"] == {"run": 36 * found.config["occlusions"]["grid"] // 36, "grid": 36 * 3}
    actual = next(row for row in found.rows if row.method == "actual")
    assert 8 < actual.value < 40
    assert not any(row.method == "theoretical" for row in found.rows)  # what each reads is the whole picture
    assert any("read the whole picture" in note and "mix" in note for note in found.notes)
    assert any("run whole" in note for note in found.notes)


class Pooled(nn.Module):
    """Cells pooled to a fixed number: of 24, 7 on a side, some of 4 and some of 5 cells."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.last = nn.Conv2d(3, 4, 4, 4), nn.AdaptiveAvgPool2d((7, 7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.plain(x))


class Shifted(nn.Module):
    """Cells mixed in windows of 4 x 4, then in windows that are shifted in a circle by half of one, as Swin's."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.last = nn.Conv2d(3, 4, 4, 4), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._mixed(self.plain(x))
        return self.last(self._mixed(x.roll((-2, -2), (2, 3))).roll((2, 2), (2, 3)))

    def _mixed(self, x: torch.Tensor) -> torch.Tensor:
        windows = x.unflatten(3, (-1, 4)).unflatten(2, (-1, 4))
        return (windows + windows.mean((3, 5), keepdim=True)).flatten(2, 3).flatten(3, 4)


@pytest.mark.parametrize(("make", "largest"), [(Pooled, 40), (Shifted, 60)])
def test_cells_on_no_even_grid_have_their_actual_field_alone(
    make: Callable[[], nn.Module], largest: float, tmp_path: Path
) -> None:
    session, _ = _session()
    torch.manual_seed(0)
    spec = session.reader.hold(Backbone.from_module(make(), PLAIN))
    found = measure_fields(
        session, _pictures(), _options(backbone=spec, layers=("plain", "last"), occluder=8, stride=4)
    )
    sizes_found = {(row.method, row.subset): row.value for row in found.rows if row.metric == "size"}
    assert sizes_found["theoretical", "plain"] == 4
    assert ("theoretical", "last") not in sizes_found
    assert 4 < sizes_found["actual", "last"] < largest
    assert any("no even grid" in note and note.endswith(": last.") for note in found.notes)
    run = found.save(tmp_path / "run")
    assert run.report_path.exists()
    table = field_tables(run.results())[0]
    assert [list(column.cells) for column in table.columns][1] == ["4", ""]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> vestige.Run:
    session, spec = _session()
    found = measure_fields(session, _pictures(), _options(backbone=spec))
    return found.save(tmp_path_factory.mktemp("fields") / "run")


def test_the_page_is_as_agreed_on(run: vestige.Run, agreed: Callable[..., None]) -> None:
    agreed("receptive-fields", run)


def test_the_task_measures_and_shows(run: vestige.Run) -> None:
    results, arrays = run.results(), run.examples()
    assert results.row("theoretical", "size", "one").value == 8
    assert results.row("theoretical", "size", "two").value == 16
    one, two = (results.row("actual", "size", layer).value for layer in ("one", "two"))
    assert 5 < one < two < 16 + 9
    assert len(arrays["units/one"]) == 2
    assert arrays["curve/two"].shape == (2, 19)
    assert (np.diff(arrays["curve/two"], axis=1) <= 0).all()
    assert results.config["occlusions"]["run"] < results.config["occlusions"]["grid"]
    middle = arrays["field/two"].shape[1] // 2
    assert arrays["field/two"].shape == (2, 2 * middle + 1, 2 * middle + 1)
    assert run.report_path.exists()


def test_a_killed_search_goes_on(tmp_path: Path) -> None:
    """Pictures that are done are not occluded again, and the numbers are the same."""
    whole_session, spec = _session()
    whole = measure_fields(whole_session, _pictures(), _options(backbone=spec))
    session, _ = _session(tmp_path)
    seen: list[int] = []

    def killed(what: str, done: int, total: int) -> None:
        if what == "pictures occluded" and done == 2:
            raise KeyboardInterrupt
        seen.append(total)

    session.reader.progress = killed
    with pytest.raises(KeyboardInterrupt):
        measure_fields(session, _pictures(), _options(backbone=spec))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(before) == 3  # the top pictures, and two that were occluded
    session.reader.progress = None
    resumed = measure_fields(session, _pictures(), _options(backbone=spec))
    assert resumed.rows == whole.rows
    assert all((tmp_path / name).stat().st_mtime_ns == when for name, when in before.items())


@pytest.mark.parametrize("options", [{"fresh": True}, {"weighted": True}, {"fraction": 0.2}], ids=str)
def test_options_change_the_numbers(options: dict[str, object]) -> None:
    session, spec = _session()
    plain, other = (
        measure_fields(session, _pictures(), _options(backbone=spec, **each)).rows for each in ({}, options)
    )
    assert plain != other


def test_fewer_pictures_than_are_asked_for_are_told_as_they_are(tmp_path: Path) -> None:
    session, spec = _session()
    found = measure_fields(session, _pictures(3), _options(backbone=spec, pictures=20))
    assert any("of 3 pictures" in note for note in found.notes)
    assert "3 pictures" in found.save(tmp_path / "run").report_path.read_text()


def test_other_precisions_run_on_windows_too() -> None:
    session, spec = _session()
    session.reader.options = ExtractOptions(batch=16, precision="bfloat16")
    plain, coarse = (
        {(row.subset, row.metric): row.value for row in measure_fields(each, _pictures(), _options(backbone=spec)).rows}
        for each in (_session()[0], session)
    )
    assert abs(coarse["two", "size"] - plain["two", "size"]) < 3
    found = measure_fields(session, _pictures(), _options(backbone=spec))
    assert not any("run whole" in note for note in found.notes)


def test_bad_input_is_refused_before_anything_is_read() -> None:
    session, spec = _session()
    for options, said in (
        (_options(backbone=spec, occluder=97), "97.*larger than the picture"),
        (_options(backbone=spec, layers=("three",)), "no layer 'three'"),
        (_options(backbone=spec, layers=("scores",)), "have no place in the picture"),
    ):
        for refuse in (lambda o=options: measure_fields(session, _pictures(), o),
                       lambda o=options: plan_fields(session.reader, _pictures(), o)):  # fmt: skip
            with pytest.raises(VestigeError, match=said):
                refuse()
    with pytest.raises(VestigeError, match="fraction"):
        _options(fraction=1.0)
