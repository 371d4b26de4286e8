"""Dissection against plain numpy on everything at once, scikit-learn, and networks whose units are known."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import map_coordinates
from scipy.stats import false_discovery_control
from sklearn.metrics import average_precision_score
from torch import nn

import vestige
from vestige.backbones import Backbone, Preprocessing
from vestige.contract.plan import plan_of
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.geometry import whole_picture
from vestige.partial_work import PartialWork
from vestige.progress import print_nothing
from vestige.regions import NamedMask, Polygons, rasters
from vestige.run import Run
from vestige.units.detect.task import UNIT_DETECT, UnitDetectOptions
from vestige.units.dissect import counting, scan
from vestige.units.dissect.looking import Grid, exchanged
from vestige.units.dissect.numbers import average_precision, curve, discoveries, p_values
from vestige.units.dissect.run import read_dissection
from vestige.units.dissect.scan import Parts, rotation, scale_by
from vestige.units.dissect.task import DISSECT, DissectOptions
from vestige.units.dissected import RunAndPictures
from vestige.units.places import Standing
from vestige.units.quantiles import Quantiles
from vestige.units.rules import UnitScale, shown_by
from vestige.units.segment.page import unsquashed
from vestige.units.segment.task import SEGMENT, SegmentOptions

SIDE = 32
COLOURS = {"poppy": (220, 20, 20), "sea": (20, 20, 220), "lawn": (20, 200, 20)}


def square(x, y, side):
    return Polygons((np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], dtype=np.float64),))


def scenes(n=64, seed=0, objects=True):
    """Pictures of two scenes: grey noise, and on it squares of colours, which are the objects."""
    draw = np.random.default_rng(seed)
    pictures, marked = [], []
    for i in range(n):
        picture = draw.integers(90, 130, (SIDE, SIDE, 3), dtype=np.uint8)
        names = ("poppy", "sea") if i % 2 else ("poppy", "lawn")
        here = []
        for name in names:
            side = int(draw.integers(8, 13))
            x, y = draw.integers(0, SIDE - side, 2).tolist()
            picture[y : y + side, x : x + side] = COLOURS[name]
            here = [NamedMask(name, square(x, y, side)), *here]
        pictures.append(picture)
        marked.append(tuple(here))
    data = Dataset.from_arrays(pictures, scenes=["shore" if i % 2 else "meadow" for i in range(n)], name="squares")
    if not objects:
        return data
    return replace(data, examples=tuple(replace(e, objects=m) for e, m in zip(data.examples, marked, strict=True)))


class Colours(nn.Module):
    """A layer of four units at half the size: how red, how blue, how bright it is there, and a constant."""

    def __init__(self):
        super().__init__()
        self.units = nn.Conv2d(3, 4, 2, 2)
        self.score = nn.Linear(4, 2)
        with torch.no_grad():
            for unit, weights in enumerate([(1, -0.5, -0.5), (-0.5, -0.5, 1), (1, 1, 1), (0, 0, 0)]):
                self.units.weight[unit] = torch.tensor(weights)[:, None, None] / 4
            self.units.bias.zero_()

    def forward(self, x):
        return self.score(torch.relu(self.units(x)).mean((2, 3)))


def network():
    torch.manual_seed(0)
    return Backbone.from_module(Colours(), Preprocessing((SIDE, SIDE), (110.0,) * 3, (50.0,) * 3), name="colours")


def dissected(data, kept=None, backbone=None, **options):
    reader = Reader(ExtractOptions(batch=8))
    session = Session(reader, print_nothing, kept or PartialWork(), workers=2)
    options = {"layers": ["units"], "least": 2, "quantile": 0.05, "points": 16, **options}
    return vestige.measure("dissect", data, session=session, backbone=backbone or network(), **options)


def maps_of(data, backbone):
    x = backbone.preprocessing(np.stack([example.image.read() for example in data]))
    with torch.no_grad():
        return backbone.module.units(x).numpy()


def looked_at(data, backbone, points=16, seed=0):
    """Activations ``(n, P, C)`` at the points, and where objects are ``(n, P, O)``, by other means."""
    maps, grid = maps_of(data, backbone), Grid(points, seed)
    values, masks = [], []
    names = sorted({each.name for example in data for each in example.objects})
    for row, example in enumerate(data):
        y, x = ((np.arange(points) + grid.offset(row)[axis]) / points * SIDE for axis in (0, 1))
        ys, xs = np.meshgrid((y - 1) / 2, (x - 1) / 2, indexing="ij")  # stride 2, the first centre at 1
        values.append([map_coordinates(each, (ys, xs), order=1, mode="nearest").ravel() for each in maps[row]])
        inside = [
            [
                any(
                    r[:, 0].min() <= px <= r[:, 0].max() and r[:, 1].min() <= py <= r[:, 1].max()
                    for each in example.objects
                    if each.name == name
                    for r in each.region.rings
                )
                for py in y
                for px in x
            ]
            for name in names
        ]
        masks.append(np.array(inside).T)
    return np.array(values).transpose(0, 2, 1), np.array(masks), names


def table(found):
    lines = [line.split(",") for line in found.texts["units.csv"].splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_overlap_and_precision_are_those_of_all_points_at_once():
    data, backbone = scenes(), network()
    found = dissected(data, backbone=backbone, chance=())
    values, masks, names = looked_at(data, backbone)
    halves = found.arrays["halves"]
    for unit, line in enumerate(table(found)[:3]):
        above = values[:, :, unit] > float(line["threshold"]) * (1 + 1e-6)
        assert 0.04 < above.mean() < 0.0625
        assert float(line["share_above"]) == pytest.approx(above.mean(), abs=2e-3)
        overlap = np.zeros((2, len(names)))
        precision = np.zeros((2, len(names)))
        for half in (0, 1):
            for k in range(len(names)):
                a, b = above[halves == half], masks[halves == half][:, :, k]
                overlap[half, k] = (a & b).sum() / (a | b).sum()
                precision[half, k] = average_precision_score(b.ravel(), values[halves == half][:, :, unit].ravel())
        labels = overlap.argmax(axis=1)
        assert [line["object_of_half_1"], line["object_of_half_2"]] == [names[k] for k in labels]
        expected = (overlap[1, labels[0]] + overlap[0, labels[1]]) / 2
        assert float(line["iou"]) == pytest.approx(expected, abs=0.01)
        expected = (precision[1, labels[0]] + precision[0, labels[1]]) / 2
        assert float(line["average_precision"]) == pytest.approx(expected, abs=0.03)


def test_precision_by_chance_is_the_share_of_points_that_the_label_is_at():
    data, backbone = scenes(), network()
    found = dissected(data, backbone=backbone, chance=())
    _, masks, names = looked_at(data, backbone)
    halves = found.arrays["halves"]
    gains = []
    for line in table(found):
        labels = [names.index(line[f"object_of_half_{half + 1}"]) for half in (0, 1)]
        share = np.mean([masks[halves == 1 - half][:, :, labels[half]].mean() for half in (0, 1)])
        gains.append(float(line["average_precision"]) - share)
    assert {row.metric: row.value for row in found.rows}["mean_ap_gain"] == pytest.approx(np.mean(gains), abs=1e-3)


def test_a_threshold_may_be_a_share_of_the_largest_activation():
    data, backbone = scenes(), network()
    found = dissected(data, backbone=backbone, threshold="relative")
    values, masks, names = looked_at(data, backbone)
    largest = maps_of(data, backbone).max(axis=(0, 2, 3))
    for unit, line in enumerate(table(found)[:2]):
        assert float(line["threshold"]) == pytest.approx(0.2 * largest[unit], rel=0.06)
        above = values[:, :, unit] > float(line["threshold"]) * (1 + 1e-6)
        inside = masks[:, :, names.index(line["object"])]
        assert float(line["iou"]) == pytest.approx((above & inside).sum() / (above | inside).sum(), abs=0.02)
        assert float(line["chance_iou"]) < float(line["iou"])
    bare = dissected(scenes(objects=False), backbone=backbone, threshold="relative")
    np.testing.assert_allclose(bare.arrays["units/threshold"], 0.2 * largest, atol=1e-4)


def test_steps_are_chosen_by_points_from_everywhere():
    """Points are drawn at random: on a grid, a step through them may meet one column alone."""
    data = scenes()
    for points in (16, 24, 48):
        found = dissected(data, points=points, chance=())
        shares = [float(line["share_above"]) for line in table(found)[:3]]
        assert all(0.04 < share < 0.0625 for share in shares), (points, shares)


def test_units_that_are_set_by_hand_are_found_with_their_objects():
    found = dissected(scenes(), quantile=0.1)
    lines = table(found)
    assert [line["object"] for line in lines[:2]] == ["poppy", "sea"]
    assert float(lines[0]["iou"]) > 0.7
    assert float(lines[0]["average_precision"]) > 0.8
    assert (float(lines[3]["iou"]), lines[3]["object"]) == (0, "")
    rows = {(row.method, row.metric): row for row in found.rows}
    assert rows["network", "detectors_fixed"].value >= 2
    assert [line["detector"] for line in lines[:2]] == ["true", "true"]
    assert lines[3]["detector"] == "false"
    assert float(lines[0]["chance_iou"]) < 0.3
    assert rows["shuffled", "median_iou"].value < rows["network", "median_iou"].value
    assert {row.method for row in found.rows} == {"network", "rotated", "untrained", "shuffled"}
    for row in found.rows:
        if row.metric != "units":
            assert row.ci95[0] <= row.value <= row.ci95[1]
    assert all(0 <= end <= 4 for row in found.rows if row.metric in ("detectors", "objects") for end in row.ci95)
    assert 0 < rows["network", "mean_ap_gain"].value < rows["network", "mean_ap"].value


def test_activity_is_that_of_all_pictures_at_once():
    data, backbone = scenes(objects=False), network()
    found = dissected(data, backbone=backbone)
    maps = maps_of(data, backbone).reshape(len(data), 4, -1)
    largest = maps.max(axis=2)
    for unit in range(4):
        order = np.argsort(-largest[:, unit], kind="stable")[:60]
        np.testing.assert_allclose(found.arrays["units/top_values"][unit], largest[order, unit], atol=1e-4)
        ties = np.abs(np.diff(largest[order, unit])) < 1e-4
        if not ties.any():
            assert found.arrays["units/top_rows"][unit].tolist() == order.tolist()
        assert found.arrays["units/mean"][unit] == pytest.approx(maps[:, unit].mean(), abs=1e-4)
        lowest = np.sort(largest[:, unit])[:20]
        picked = largest[found.arrays["units/negatives"][unit], unit]
        assert len(set(found.arrays["units/negatives"][unit].tolist())) == 3
        assert (picked <= lowest[-1] + 1e-4).all()
    assert [row.metric for row in found.rows] == ["units"]
    assert any("no annotated objects" in note for note in found.notes)


def test_a_killed_pass_goes_on_and_ends_alike(tmp_path, monkeypatch):
    data = scenes(150)  # shards end within batches
    whole = dissected(data)
    kept = PartialWork(tmp_path / "kept")
    read, stop = [], 25
    real = counting._count

    def counted(*given):
        if len(read) == stop:
            raise KeyboardInterrupt
        read.append(1)
        return real(*given)

    monkeypatch.setattr(counting, "_count", counted)
    with pytest.raises(KeyboardInterrupt):
        dissected(data, kept)
    first, stop = len(read), -1
    read.clear()
    again = dissected(data, kept)
    every = len(read)
    assert 0 < every
    read.clear()
    dissected(data, PartialWork(tmp_path / "other"))
    assert every < len(read) <= first + every
    assert again.rows == whole.rows
    assert again.texts == whole.texts
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])


def test_shards_in_pieces_say_the_same(tmp_path, monkeypatch):
    data = scenes(150)
    whole = dissected(data)
    monkeypatch.setattr(scan, "PIECE", 5)
    kept = PartialWork(tmp_path / "kept")
    found = dissected(data, kept)
    assert len(list(kept.folder.glob("*.npz"))) == 2 * (len(np.unique(whole.arrays["halves"])) * 9 + 1)
    assert found.rows == whole.rows
    assert found.texts == whole.texts  # so few values are all in the sketch
    for name, array in whole.arrays.items():
        np.testing.assert_allclose(found.arrays[name], array, rtol=1e-6) if array.dtype.kind == "f" else (
            np.testing.assert_array_equal(found.arrays[name], array)
        )


def test_a_run_is_written_and_read_back(tmp_path):
    found = dissected(scenes())
    run = read_dissection(found.save(tmp_path / "run"))
    assert (tmp_path / "run" / "units.csv").read_text() == found.texts["units.csv"]
    assert run.object_of("units", 0) == "poppy"
    low, high = run.confidence("units", 0, np.array([run.of("units", "quantiles")[0, 2], 200.0]))
    assert 0 <= low < high <= 1
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"layers": ["score"]}, "no place in the picture"),
        ({"layers": ["units", "nowhere"]}, "nowhere"),
        ({"least": 65}, "the commonest in 64"),
        ({"chance": ("luck",)}, "luck"),
        ({"anchor": "corner"}, "corner"),
        ({"quantile": 1.0}, "quantile"),
        ({"threshold": "half"}, "half"),
    ],
)
def test_what_does_not_fit_is_refused(options, match):
    with pytest.raises(VestigeError, match=match):
        dissected(scenes(), **options)


def test_a_plan_names_the_layers_with_places_and_the_untrained_network():
    reader = Reader()
    options = DissectOptions("scene_cnn", ("pool5", "f*"), seed=3)
    plan = plan_of(DISSECT, reader, scenes(24), (options,))
    assert [layer.name for layer in plan.layers] == ["pool5"]
    assert plan.networks == ("scene_cnn", "scene_cnn@random:3")
    with pytest.raises(VestigeError, match="'fc6'"):
        plan_of(DISSECT, reader, scenes(24), (replace(options, layers=("fc6",)),))
    bare = plan_of(DISSECT, reader, scenes(24, objects=False), (options,))
    assert bare.networks == ("scene_cnn",)


def test_an_object_of_one_pixel_and_pictures_without_objects_are_told():
    data = scenes(24)
    speck = NamedMask("speck", square(3, 3, 1))
    examples = [replace(e, objects=(*e.objects, speck)) if k < 2 else e for k, e in enumerate(data)]
    examples[5] = replace(examples[5], objects=())
    found = dissected(replace(data, examples=tuple(examples)))
    notes = " ".join(found.notes)
    assert "1 picture without annotated objects" in notes
    assert "speck" in notes
    assert all(line["object"] != "speck" for line in table(found))


def test_classes_of_masks_are_objects():
    data = scenes(24)
    masks = [rasters(e.objects, "poppy", (SIDE, SIDE), whole_picture(SIDE, SIDE)).astype(np.uint8) for e in data]
    pictures = [example.image.read() for example in data]
    same = Dataset.from_arrays(pictures, masks=masks, classes=("", "poppy"), name="masks")
    found = dissected(same, quantile=0.09)
    assert table(found)[0]["object"] == "poppy"
    assert float(table(found)[0]["iou"]) > 0.6


@pytest.mark.parametrize("channels", [5, 40])
def test_counts_are_those_of_numpy(channels):
    draw = np.random.default_rng(0)
    n, points, kinds = 3, 11, 4
    maps = draw.standard_normal((n, 30, channels)).astype(np.float32)
    cells = draw.integers(0, 20, (n, points)).astype(np.int32)
    weights = draw.dirichlet(np.ones(4), (n, points)).astype(np.float32)
    right, down = np.ones((n, points), np.int32), np.full((n, points), 5, np.int32)
    between = counting.Between(cells, right, down, weights)
    at = np.stack([np.take_along_axis(maps, (cells + k)[..., None], axis=1) for k in (0, 1, 5, 6)])
    values = (at * weights.transpose(2, 0, 1)[..., None]).sum(axis=0)
    np.testing.assert_allclose(counting.values_at(maps, between), values, atol=1e-6)
    scale = scale_by(values.reshape(-1, channels), 0.05)
    masks = draw.random((2, n * points, kinds)) < 0.3
    objects = [
        counting.Objects(
            np.concatenate([[0], m.sum(axis=1).cumsum()]).astype(np.int32), np.nonzero(m)[1].astype(np.int16)
        )
        for m in masks
    ]
    tables = np.zeros((channels, kinds + 1, counting.STEPS + 1), np.uint32)
    chance = np.zeros((channels, kinds, counting.FINE + 1), np.uint32)
    often = 4
    with ThreadPoolExecutor(2) as pool:
        steps = np.empty((channels, n, points), np.uint8)
        counting.steps_at(maps, between, often, scale, steps, pool)
        counting.count(steps, *objects, tables, chance, pool)
        found = counting.extremes(maps, pool)
    bins = (values[..., None] > scale.edges).sum(axis=-1)
    bins[:, often:][bins[:, often:] <= counting.COARSE] = 0
    for c in range(channels):
        for step in range(1, counting.STEPS + 1):
            here = (bins[..., c] == step).ravel()
            assert tables[c, kinds, step] == here.sum()
            np.testing.assert_array_equal(tables[c, :kinds, step], masks[0][here].sum(axis=0))
        high = (bins[..., c] > counting.COARSE).ravel()
        np.testing.assert_array_equal(chance[c].sum(axis=1), masks[1][high].sum(axis=0))
    np.testing.assert_array_equal(found.largest, maps.max(axis=1))
    np.testing.assert_array_equal(found.places, maps.argmax(axis=1))
    np.testing.assert_allclose(found.sums, maps.sum(axis=1), atol=1e-4)
    np.testing.assert_array_equal(found.above, (maps > 0).sum(axis=1))


def test_average_precision_from_counts_is_scikit_learns():
    draw = np.random.default_rng(0)
    truth = draw.random(20_000) < 0.1
    scores = draw.normal(size=20_000) + 1.5 * truth
    edges = np.quantile(scores, np.linspace(0.3, 0.9995, 60))
    steps = (scores[:, None] > edges).sum(axis=1)
    points = np.bincount(steps, minlength=61).astype(float)
    positives = np.bincount(steps, truth, minlength=61)
    assert average_precision(positives, points) == pytest.approx(average_precision_score(truth, scores), abs=1e-2)
    assert average_precision(points, points) == pytest.approx(1)
    assert average_precision(np.zeros(61), points) == 0
    recall, precision = curve(positives, points)
    assert recall[-1] == 1
    assert precision[-1] == pytest.approx(truth.mean())


def test_p_values_and_discoveries():
    draw = np.random.default_rng(0)
    values, chance = draw.random(50), draw.random(80)
    p = p_values(values, chance)
    expected = [(1 + (chance >= value).sum()) / 81 for value in values]
    np.testing.assert_allclose(p, expected)
    p[:10] = 1e-3
    np.testing.assert_array_equal(discoveries(p), false_discovery_control(p) <= 0.05)
    assert not discoveries(np.ones(5)).any()


def test_false_discoveries_stay_below_their_rate_where_chance_is_shared():
    """Under the null hypothesis, units and turned units are alike: BH finds something in 5 % of layers at most."""
    draw = np.random.default_rng(1)
    found = [discoveries(p_values(draw.random(60), draw.random(60))).any() for _ in range(400)]
    assert np.mean(found) < 0.08


def test_pictures_are_dealt_evenly_and_groups_stay_together():
    groups = [f"g{k // 2}" if k < 10 else str(k) for k in range(100)]
    kinds = ["a"] * 40 + ["b"] * 55 + ["c"] * 5
    parts = Parts.dealt(groups, kinds, 0)
    assert sorted(np.concatenate(parts.shards).tolist()) == list(range(100))
    for shard, half in zip(parts.shards, parts.half_of, strict=True):
        assert (parts.halves[shard] == half).all()
    for kind in "abc":
        inside = parts.halves[[k for k, each in enumerate(kinds) if each == kind]]
        assert abs((inside == 0).sum() - (inside == 1).sum()) <= 2
    assert all(parts.halves[2 * k] == parts.halves[2 * k + 1] for k in range(5))
    others = exchanged(kinds, parts.halves, np.arange(100), 0)
    assert sorted(others) == sorted(others.values()) == list(range(100))
    assert all(parts.halves[a] == parts.halves[b] for a, b in others.items())
    assert sum(kinds[a] != kinds[b] for a, b in others.items()) <= 2
    assert all(a != b for a, b in others.items())


def test_a_rotation_is_one():
    turned = rotation(20, 3)
    np.testing.assert_allclose(turned @ turned.T, np.eye(20), atol=1e-5)
    assert (rotation(20, 4) != turned).any()


def test_maps_are_laid_over_pictures_as_torch_does_where_cells_share_them_out():
    draw = np.random.default_rng(0)
    maps = draw.standard_normal((3, 7, 5)).astype(np.float32)
    plain = Standing((56, 40), (7, 5), (8.0, 8.0), (4.0, 4.0))
    expected = nn.functional.interpolate(torch.from_numpy(maps)[None], (28, 20), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(plain.laid_over(maps, (28, 20)), expected[0].numpy(), atol=1e-5)
    moved = Standing((56, 40), (7, 5), (8.0, 8.0), (0.5, 0.5))
    assert moved.laid_over(maps, (56, 40))[0, 8, 16] == pytest.approx(maps[0, 1, 2], abs=1e-5)


def test_sketches_of_shards_add_up():
    values = np.random.default_rng(0).normal(size=(9000, 3)).astype(np.float32)
    whole = Quantiles(3, 0)
    for part in np.split(values, 9):
        sketch = Quantiles(3, 0)
        sketch.add(part)
        whole.merge(sketch)
    found = whole.at([0.995])[:, 0]
    assert np.abs((values > found).mean(axis=0) - 0.005).max() <= whole.error + 2e-4


BOX = (6, 10, 18, 22)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dissected") / "run"
    dissected(scenes(), chance=("shuffled",), quantile=0.09).save(folder)
    return folder


@pytest.fixture
def photograph(tmp_path):
    picture = np.full((2 * SIDE, 2 * SIDE, 3), 110, np.uint8)
    x0, y0, x1, y1 = (2 * side for side in BOX)
    picture[y0:y1, x0:x1] = (220, 20, 20)
    Image.fromarray(picture).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def measured(task, run, *images, backbone=None, **options):
    session = Session(Reader(ExtractOptions(batch=8)), print_nothing)
    return vestige.measure(task, run=run, images=images, session=session, backbone=backbone or network(), **options)


def test_a_labelled_unit_finds_its_object(run, photograph):
    found = measured("unit-detections", run, photograph)
    (document,) = json.loads(found.texts["detections.json"])
    first = document["boxes"][0]
    assert (first["object"], first["unit"]) == ("poppy", "units:0")
    assert 0.5 < first["confidence"] <= 1
    np.testing.assert_allclose(first["box"], [2 * side for side in BOX], atol=4)
    assert document["scenes"] == []
    assert any("no names of categories" in note for note in found.notes)


def test_a_network_that_knows_categories_names_the_scene(run, photograph):
    named = network()
    named.categories = ("meadow, grassland", "shore")
    found = measured("unit-detections", run, photograph, backbone=named, scenes=2)
    (document,) = json.loads(found.texts["detections.json"])
    assert {scene["name"] for scene in document["scenes"]} == {"meadow", "shore"}
    assert sum(scene["probability"] for scene in document["scenes"]) == pytest.approx(1, abs=1e-3)
    first = document["scenes"][0]
    told = {(row.metric, row.subset): row.value for row in found.rows}
    assert told["scene", f"red.png, {first['name']}"] == pytest.approx(first["probability"], abs=1e-4)
    largest = max(box["confidence"] for box in document["boxes"] if box["object"] == "poppy")
    assert told["confidence", "red.png, poppy"] == pytest.approx(largest, abs=1e-4)


@pytest.mark.parametrize("rule", ["quantile", "relative", "smooth", "fields"])
def test_a_unit_shows_its_object_by_every_rule(run, photograph, rule, tmp_path):
    found = measured("unit-segments", run, photograph, units=("units:0",), rule=rule)
    (mask,) = found.arrays["masks"]
    side = len(mask)
    truth = np.zeros_like(mask)
    x0, y0, x1, y1 = (round(value * side / SIDE) for value in BOX)
    truth[y0:y1, x0:x1] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.6
    assert found.save(tmp_path / "segments").report_path.is_file()


def test_photographs_are_shown_in_their_own_shape(run, tmp_path):
    wide = np.zeros((SIDE, 3 * SIDE, 3), np.uint8)
    wide[:, :SIDE] = (220, 20, 20)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = measured("unit-segments", run, tmp_path / "wide.png", units=("units:0",))
    assert found.arrays["sizes"].tolist() == [[3 * SIDE, SIDE]]
    shown = unsquashed(found.arrays["pictures"][0], found.arrays["sizes"][0])
    assert shown.shape[1] / shown.shape[0] == pytest.approx(3, abs=0.05)
    assert shown[:, : shown.shape[1] // 4, 0].min() > 200
    assert measured("unit-detections", run, tmp_path / "wide.png").save(tmp_path / "found").report_path.is_file()


def test_pages_are_as_agreed_on(run, photograph, tmp_path, agreed):
    agreed("dissect", Run(run))
    agreed("unit-detections", measured("unit-detections", run, photograph).save(tmp_path / "found"))
    strongest = measured("unit-segments", run, photograph, top=1)
    assert strongest.arrays["units"].tolist() == ["units:0"]
    agreed("unit-segments", strongest.save(tmp_path / "strongest"))


def test_a_run_or_unit_that_does_not_fit_is_refused(run, photograph, tmp_path):
    with pytest.raises(VestigeError, match="LAYER:NUMBER"):
        measured("unit-segments", run, photograph, units=("units:9",))
    other = Backbone.from_module(Colours(), Preprocessing((SIDE, SIDE), (110.0,) * 3, (50.0,) * 3), name="other")
    with pytest.raises(VestigeError, match="other weights"):
        measured("unit-segments", run, photograph, backbone=other)
    bare = dissected(scenes(24, objects=False)).save(tmp_path / "bare")
    with pytest.raises(VestigeError, match="no labels"):
        measured("unit-detections", bare.folder, photograph)
    with pytest.raises(VestigeError, match="rule"):
        measured("unit-segments", run, photograph, rule="guess")
    with pytest.raises(VestigeError, match=r"disc.*fields"):
        measured("unit-segments", run, photograph, rule="smooth", disc=4.0)
    segments = measured("unit-segments", run, photograph, top=1).save(tmp_path / "segments").folder
    for task in ("unit-segments", "unit-detections"):
        with pytest.raises(VestigeError, match=r"is a run of unit-segments; expected one of dissect") as error:
            measured(task, segments, photograph)
        assert "damaged" not in str(error.value)


def test_what_does_not_fit_is_refused_with_the_plan(run, photograph):
    opened = RunAndPictures(run, (photograph,)).open()
    reader = Reader(ExtractOptions(batch=8))
    reader.hold(network())
    for task, options in ((SEGMENT, SegmentOptions()), (UNIT_DETECT, UnitDetectOptions())):
        assert plan_of(task, reader, opened, [options]).task == task.name
    with pytest.raises(VestigeError, match="units:9"):
        plan_of(SEGMENT, reader, opened, [SegmentOptions(units=("units:9",))])


def test_boxes_of_units_that_chance_explains_are_told(run, photograph):
    read = read_dissection(Run(run))
    flags = [bool(flag) for layer in read.layers for flag in read.of(layer, "detector")]
    found = measured("unit-detections", run, photograph, least_iou=0.0)
    assert 0 < sum(flags) < len(flags)
    assert any(f"{len(flags)} units" in note and f" {flags.count(False)} are not" in note for note in found.notes)


def test_a_unit_may_be_shown_by_its_own_field():
    standing = Standing((64, 64), (8, 8), (8.0, 8.0), (4.5, 4.5))
    map = np.zeros((8, 8), np.float32)
    map[2, 5], map[0, 0] = 10, 6
    field = np.zeros((7, 7), bool)
    field[2:6, 1:3], field[0, 6] = True, True  # lopsided, so that it is seen if it is turned
    shown = shown_by("fields", map, standing, (64, 64), UnitScale(5.0, 40.0), field=field)
    expected = np.zeros((70, 70), bool)  # 3 pixels more on every side
    for y, x in ((20, 44), (4, 4)):  # the pixels that hold the cells' centres
        expected[y : y + 7, x : x + 7] |= field
    np.testing.assert_array_equal(shown, expected[3:-3, 3:-3])


def test_fields_of_a_run_are_shown_instead_of_discs(run, photograph, tmp_path):
    session = Session(Reader(ExtractOptions(batch=8)), print_nothing)
    given = {"layers": ["units"], "units": 2, "pictures": 2, "occluder": 5, "stride": 1, "seed": 1}
    fields = vestige.measure("receptive-fields", scenes(12), session=session, backbone=network(), **given)
    known = fields.arrays["units/units"].tolist()
    lively = [int(u) for u, size in zip(known, fields.arrays["size/units"], strict=True) if np.isfinite(size)]
    fields.save(tmp_path / "fields")
    other = next(unit for unit in range(3) if unit not in lively)
    asked = {"units": (f"units:{lively[0]}", f"units:{other}"), "rule": "fields", "fields": tmp_path / "fields"}
    found = measured("unit-segments", run, photograph, **asked)
    assert any("not measured" in note and note.endswith(f": units:{other}.") for note in found.notes)
    discs = measured("unit-segments", run, photograph, units=asked["units"], rule="fields")
    assert (found.arrays["masks"][0] != discs.arrays["masks"][0]).any()
    assert found.save(tmp_path / "segments").report_path.is_file()
    with pytest.raises(VestigeError, match="only the rule fields"):
        measured("unit-segments", run, photograph, rule="smooth", fields=tmp_path / "fields")
    with pytest.raises(VestigeError, match="is a run of dissect; expected one of receptive-fields"):
        measured("unit-segments", run, photograph, rule="fields", fields=run)
    other_network = Backbone.from_module(Colours(), Preprocessing((SIDE, SIDE), (0.0,) * 3, (1.0,) * 3), name="other")
    strange = vestige.measure("receptive-fields", scenes(4), session=session, backbone=other_network, **given)
    strange.save(tmp_path / "strange")
    with pytest.raises(VestigeError, match="another network"):
        measured("unit-segments", run, photograph, rule="fields", fields=tmp_path / "strange")


def test_rules_on_one_cell():
    standing = Standing((64, 64), (8, 8), (8.0, 8.0), (4.0, 4.0))
    map = np.zeros((8, 8), np.float32)
    map[2, 5] = 10
    unit = UnitScale(threshold=5.0, largest=40.0)
    masks = {rule: shown_by(rule, map, standing, (64, 64), unit) for rule in ("quantile", "relative", "fields")}
    y, x = np.argwhere(masks["quantile"]).T
    assert y.mean() == pytest.approx(19.5)
    assert x.mean() == pytest.approx(43.5)
    assert masks["relative"].sum() < masks["quantile"].sum()  # 8 of at most 10 is little of the picture
    assert masks["fields"].sum() == pytest.approx(np.pi * 8**2, rel=0.05)
    for rule in ("smooth", "fields", "quantile"):
        assert not shown_by(rule, np.zeros_like(map), standing, (64, 64), unit).any()
