"""Pictures made minimal: the search against one that computes everything anew, the chance level, the measurement."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from vestige import Dataset, measure
from vestige.backbones import Backbone, Preprocessing
from vestige.contract.session import Session
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.partial_work import KEEP_NOTHING, PartialWork
from vestige.regions import NamedMask, Polygons
from vestige.run import Run
from vestige.units.minimal import measure as measuring
from vestige.units.minimal.reduction import Parts, chance_of, parts_of, removals
from vestige.units.minimal.removal import canvas_of, shown
from vestige.units.minimal.segments import Segments
from vestige.units.minimal.task import MinimalOptions
from vestige.units.naming import Namer

SIDE = 24
CATEGORIES = ("nothing", "red", "blue")


class Colours(nn.Module):
    """Names a picture by its reddest or its bluest cell; where neither stands out, it names it ``nothing``."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.seen(x)
        red = (x[:, 0] - x[:, 2]).flatten(1)
        none = torch.full_like(red[:, 0], 0.4)
        return self.scale * torch.stack([none, red.amax(1), (-red).amax(1)], dim=1)


def network() -> Backbone:
    return Backbone.from_module(
        Colours(), Preprocessing((SIDE, SIDE), (127.5,) * 3, (127.5,) * 3), name="colours", categories=CATEGORIES
    )


def session(kept: PartialWork = KEEP_NOTHING) -> Session:
    return Session(Reader(ExtractOptions(batch=4), keep=False), lambda _line: None, kept)


def box(name: str, x0: int, y0: int, x1: int, y1: int) -> NamedMask:
    return NamedMask(name, Polygons((np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float),)))


def scenes(n: int = 8, *, seed: int = 0) -> Dataset:
    """Grey pictures with a red square (``red``) or a blue one (``blue``), and two grey objects, one of them small."""
    rng = np.random.default_rng(seed)
    images, objects, names = [], [], []
    for k in range(n):
        name, colour = (("red", (230, 60, 60)), ("blue", (60, 60, 230)))[k % 2]
        pixels = rng.integers(120, 136, (SIDE, SIDE, 1)).repeat(3, axis=2).astype(np.uint8)
        x, y = rng.integers(0, 8, 2).tolist()
        pixels[y + 1 : y + 5, x + 1 : x + 5] = colour  # the outline of an object goes with what surrounds it
        pixels[14:20, 14:22] = 160
        pixels[20:22, 2:5] = 90
        images.append(pixels)
        names.append(name)
        objects.append((box("square", x, y, x + 6, y + 6), box("slab", 14, 14, 22, 20), box("chip", 2, 20, 5, 22)))
    data = Dataset.from_arrays(images, scenes=names, name="squares")
    examples = tuple(replace(each, objects=own) for each, own in zip(data, objects, strict=True))
    return replace(data, examples=examples)


def minimal(data: Dataset, *, kept: PartialWork = KEEP_NOTHING, **options: object) -> object:
    given = {"least": 2, "draws": 200, **options}
    return measure("minimal", data, backbone=network(), session=session(kept), **given)


def anew(parts: Parts, category: int, namer: Namer, options: MinimalOptions) -> list[int]:
    """The removals where each candidate is put together from the whole picture."""
    order: list[int] = []
    left = list(range(len(parts.segments.names)))
    while left:
        told = []
        for segment in left:
            canvas = canvas_of(options.fill, parts.pixels, parts.segments.labels, options.seed)
            for gone in (*order, segment):
                canvas.remove(gone)
            told.append(namer.log_probabilities(shown(canvas.picture, stretch=options.stretch)[None])[0])
        best = int(np.argmax([each[category] for each in told]))
        if told[best].argmax() != category:
            break
        order.append(left.pop(best))
    return order


@pytest.mark.parametrize("fill", ["gradient", "mean", "blur", "noise"])
@pytest.mark.parametrize("stretch", [False, True])
def test_the_search_takes_what_costs_least(fill: str, stretch: bool) -> None:
    namer = Namer(network(), ExtractOptions())
    options = MinimalOptions(backbone="colours", fill=fill, stretch=stretch)  # type: ignore[arg-type]
    for example in scenes(2):
        parts, category = parts_of(example, namer, options), CATEGORIES.index(example.scene)
        order, trace = removals(parts, category, namer, options)
        assert order == anew(parts, category, namer, options)
        assert len(trace) == len(order) + 1


def test_the_object_that_names_the_picture_is_kept_to_the_last() -> None:
    namer, options = Namer(network(), ExtractOptions()), MinimalOptions(backbone="colours")
    for example in scenes(4):
        parts = parts_of(example, namer, options)
        order, trace = removals(parts, CATEGORIES.index(example.scene), namer, options)
        assert {parts.segments.names[k] for k in order} == {"slab", "chip", "(unlabelled)"}
        assert np.exp(trace[-1]) > 1 / 3


def parts(labels: NDArray[np.intp], overlap: NDArray[np.float64], *, whole: bool = True) -> Parts:
    count = int(labels.max()) + 1
    segments = Segments(labels, tuple(map(str, range(count))))
    pixels = np.zeros((*labels.shape, 3), np.uint8)
    return Parts(pixels, segments, tuple(map(str, range(overlap.shape[1]))), overlap, whole)


def test_chance_of_equal_segments_is_hypergeometric() -> None:
    labels = np.arange(8).repeat(4).reshape(8, 4)
    overlap = np.zeros((8, 3))
    overlap[0, 0] = overlap[[1, 2], 1] = overlap[[3, 4, 5], 2] = 1
    for kept in range(9):
        found = chance_of(parts(labels, overlap), kept / 8, 20_000, 1)
        expected = [1 - math.comb(8 - m, kept) / math.comb(8, kept) for m in (1, 2, 3)]
        np.testing.assert_allclose(found, expected, atol=0.015)


def test_chance_is_the_mean_over_all_orders_with_the_area_left_exactly() -> None:
    labels = np.array([[0, 0, 0, 1, 1, 2, 3, 3, 3, 3]])
    areas, area = np.bincount(labels.ravel()) / 10, 0.45
    overlap = np.eye(4)
    total, left = np.zeros(4), 0.0
    for order in itertools.permutations(range(4)):
        kept = np.ones(4)
        for segment in order:
            if areas @ kept - areas[segment] >= area - 1e-9:
                kept[segment] = 0
                continue
            kept[segment] = (area - (areas @ kept - areas[segment])) / areas[segment]
            break
        left += areas @ kept / 24
        total += kept / 24
    assert left == pytest.approx(area)
    np.testing.assert_allclose(chance_of(parts(labels, overlap), area, 40_000, 0), total, atol=0.01)


def test_an_object_is_kept_by_any_of_its_segments_or_by_half_of_its_cells() -> None:
    labels = np.arange(4).reshape(1, 4)
    overlap = np.array([[0.5, 0.2], [0.5, 0.3], [0, 0.5], [0, 0]])
    kept = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1]], bool)
    assert parts(labels, overlap, whole=False).holds(kept).tolist() == [
        [True, False],
        [True, False],
        [True, True],
        [False, False],
    ]
    assert parts(labels, (overlap > 0).astype(float)).holds(kept)[:, 1].tolist() == [True, True, True, False]


def test_a_measurement_finds_the_object_and_its_chance_level(tmp_path: Path, agreed: Callable[..., None]) -> None:
    found = minimal(scenes(12))
    rows = {(row.method, row.metric, row.subset): row for row in found.rows}
    for scene in ("red", "blue"):
        assert rows["pictures", "right", scene].value == 1
        assert rows["minimal", "kept", f"{scene}: square"].value == 1
        assert rows["minimal", "kept", f"{scene}: slab"].value == 0
        assert rows["pictures", "there", f"{scene}: chip"].value == 1
        assert rows["minimal", "area", scene].value == pytest.approx(36 / SIDE**2)
        assert 0 < rows["random", "kept", f"{scene}: square"].value < 0.4
    paired = {(row.metric, row.subset): row for row in found.sweep}
    difference = paired["kept - random", "red: square"]
    expected = rows["minimal", "kept", "red: square"].value - rows["random", "kept", "red: square"].value
    assert difference.value == pytest.approx(expected)
    run = found.save(tmp_path / "run")
    agreed("minimal", run)
    page = run.report_path.read_text(encoding="utf-8")
    assert "square" in page
    assert len(list(run.figures_folder.glob("minimal-*"))) >= 2
    assert Run(tmp_path / "run").results().config["categories"] == {"red": "red", "blue": "blue"}
    arrays = run.examples()
    assert arrays["pictures"].shape == arrays["minimal"].shape
    assert arrays["pictures"].shape[1:] == (SIDE, SIDE, 3)


def test_regions_of_one_colour_are_taken_away_where_no_object_is_known() -> None:
    data = scenes(2)
    bare = replace(data, examples=tuple(replace(each, objects=()) for each in data))
    found = minimal(bare, segments="regions", scenes=["blue"])
    assert {row.metric for row in found.rows} == {"right", "probability", "area", "segments"}
    area = next(row for row in found.rows if (row.metric, row.subset) == ("area", "all"))
    assert area.value < 0.5


def test_of_regions_an_object_counts_by_its_cells() -> None:
    found = minimal(scenes(4), segments="regions", least=1, pictures=1)
    kept = {row.subset: row.value for row in found.rows if (row.method, row.metric) == ("minimal", "kept")}
    assert kept["red: slab"] == 0


def test_pictures_are_drawn_of_each_scene() -> None:
    found = minimal(scenes(12), pictures=2)
    assert sorted(found.arrays["scenes"].tolist()) == ["blue", "blue", "red", "red"]
    again, other = minimal(scenes(12), pictures=2), minimal(scenes(12), pictures=2, seed=5)
    assert again.arrays["ids"].tolist() == found.arrays["ids"].tolist()
    assert again.rows == found.rows
    assert other.arrays["ids"].tolist() != found.arrays["ids"].tolist()


def test_what_is_left_out_is_told() -> None:
    data = scenes(6)
    first, second, *rest = data.examples
    hidden = (*rest[0].objects, box("twin", 14, 14, 22, 20), box("dot", 1, 1, 2, 2))
    examples = (replace(first, objects=()), replace(second, scene="green"), replace(rest[0], objects=hidden), *rest[1:])
    found = minimal(replace(data, examples=examples))
    notes = " ".join(found.notes)
    assert "green" in notes
    assert "without annotated objects are left out: 1" in notes
    assert "in 1 picture: 1; they are no segments" in notes  # the twin; the dot has a cell
    assert len(found.arrays["ids"]) == 4
    row = next(k for k, name in enumerate(found.arrays["ids"]) if name == rest[0].id)
    assert "dot" in found.arrays[f"objects/{row}"].tolist()


def test_scenes_may_be_given_other_names(tmp_path: Path) -> None:
    data = scenes(4)
    data = replace(data, examples=tuple(replace(each, scene=f"{each.scene}ish") for each in data))
    file = tmp_path / "names.json"
    file.write_text(json.dumps({"redish": "red", "blueish": "blue"}))
    found = minimal(data, scene_names=file)
    assert len(found.arrays["ids"]) == 4
    assert json.loads(json.dumps(found.results().to_json()))["config"]["scene_names"] == str(file)
    file.write_text(json.dumps({"redish": "reed"}))
    with pytest.raises(VestigeError, match="reed"):
        minimal(data, scene_names=file)


@pytest.mark.parametrize("case", ["no scene", "unknown scene", "no objects", "never right", "no such scene"])
def test_what_cannot_be_measured_is_refused(case: str) -> None:
    data, options = scenes(4), {}

    def changed(**fields: object) -> Dataset:
        examples: tuple[Example, ...] = tuple(replace(each, **fields) for each in data)  # type: ignore[arg-type]
        return replace(data, examples=examples)

    if case == "no such scene":
        options = {"scenes": ["rad"]}
    given = {
        "no scene": lambda: changed(scene=""),
        "unknown scene": lambda: changed(scene="green"),
        "no objects": lambda: changed(objects=()),
        "never right": lambda: changed(scene="nothing"),
        "no such scene": lambda: data,
    }[case]()
    with pytest.raises(VestigeError):
        minimal(given, **options)


def test_a_killed_measurement_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, kept, calls = scenes(6), PartialWork(tmp_path / "kept"), []
    true = measuring.reduced

    def counted(*given: object) -> object:
        calls.append(given)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return true(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring, "reduced", counted)
    with pytest.raises(KeyboardInterrupt):
        minimal(data, kept=kept)
    found = minimal(data, kept=kept)
    assert len(calls) == 4 + 3
    assert found.rows == minimal(data).rows
    minimal(data, kept=kept, fill="mean")
    assert len(calls) == 4 + 3 + 6 + 6
