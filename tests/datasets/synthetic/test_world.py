"""The drawn world: its truth, its frequencies, and masks against drawings of single objects."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skia

from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.regions import Polygons
from vestige.synthetic.canvas import Canvas
from vestige.synthetic.world import DIAGNOSTIC, INSIDE, KINDS, OUTSIDE, SCENES, Layout, lay_out_object, lay_out_scene
from vestige.synthetic.world.scenes import LEAST_AREA, LEAST_SHOWN, PAINTERS
from vestige.synthetic.world.sketch import Placed, paint

N = 300
SIZE = 128


@pytest.fixture(scope="module")
def layouts() -> list[Layout]:
    return [lay_out_scene(4, index) for index in range(N)]


def test_the_world_is_as_large_as_promised() -> None:
    assert len(SCENES) == len(set(SCENES)) == 8
    assert set(INSIDE) | set(OUTSIDE) == set(SCENES)
    assert len(KINDS) == 38
    assert PAINTERS.keys() == KINDS.keys()
    assert {kind.role for kind in KINDS.values()} == {"diagnostic", "common", "rare"}
    assert [len(kinds) for kinds in DIAGNOSTIC.values()] == [2] * 8
    for kind in KINDS.values():
        assert (len(kind.scenes) == 1) == (kind.role == "diagnostic")


def test_diagnostic_objects_decide_the_scene(layouts: list[Layout]) -> None:
    owners = {kind: scene for scene, kinds in DIAGNOSTIC.items() for kind in kinds}
    for layout in layouts:
        assert {owners[each.name] for each in layout.objects if each.name in owners} == {layout.name}
    assert set(Counter(layout.name for layout in layouts)) == set(SCENES)


def test_objects_stand_where_they_may(layouts: list[Layout]) -> None:
    for layout in layouts:
        assert all(layout.name in KINDS[each.name].scenes for each in layout.placed)
        orders = [each.order for each in layout.placed]
        assert orders == sorted(orders, reverse=True)


def test_frequencies_fall_by_zipfs_law(layouts: list[Layout]) -> None:
    counts = Counter(each.name for layout in layouts for each in layout.objects)
    assert counts.keys() == KINDS.keys()
    frequency = np.log(sorted(counts.values(), reverse=True))
    rank = np.log(np.arange(1, len(KINDS) + 1))
    slope, _ = np.polyfit(rank, frequency, 1)
    assert -1.12 < slope < -0.88
    assert np.corrcoef(rank, frequency)[0, 1] ** 2 > 0.97


def test_scenes_vary(layouts: list[Layout]) -> None:
    numbers = [len(layout.objects) for layout in layouts]
    shown = [each.visible for layout in layouts for each in layout.objects]
    assert min(numbers) <= 4
    assert max(numbers) >= 18
    assert 0.1 < np.mean(np.array(shown) < 0.7) < 0.5  # so many are hidden to a good part
    horizons = [layout.view.horizon for layout in layouts]
    assert max(horizons) - min(horizons) > 0.15


@pytest.mark.parametrize("name", KINDS)
def test_a_mask_is_what_a_drawing_of_the_object_alone_covers(name: str) -> None:
    for index in range(3):
        (placed,) = lay_out_object(6, index, name).placed
        covered = _coverage(placed, SIZE)
        mask = Polygons(tuple(ring * SIZE for ring in placed.rings)).raster((SIZE, SIZE), np.array([0, 0, SIZE, SIZE]))
        wrong = (covered > 0.5) != mask
        edge = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) != cv2.erode(mask.astype(np.uint8), np.ones((3, 3)))
        assert not (wrong & ~edge).any()
        assert wrong.sum() <= 0.12 * edge.sum() + 4
        assert abs(covered.sum() - mask.sum()) <= 0.12 * edge.sum() + 8


def _coverage(placed: Placed, size: int) -> np.ndarray:
    """How much of every pixel an object covers: what is left of a black and of a white ground under it."""
    drawn = []
    for ground in (0.0, 1.0):
        canvas = Canvas(size)
        canvas.image.drawColor(skia.Color4f(ground, ground, ground, 1.0))
        paint(canvas, placed, 0.3)
        drawn.append(canvas.pixels().astype(np.float64))
    return 1 - (drawn[1] - drawn[0]).mean(axis=2) / 255


def test_what_is_seen_is_what_nothing_nearer_covers(layouts: list[Layout]) -> None:
    frame = np.array([0, 0, SIZE, SIZE])
    for layout in layouts[:12]:
        masks = [
            Polygons(tuple(ring * SIZE for ring in each.rings)).raster((SIZE, SIZE), frame) for each in layout.placed
        ]
        for number, (each, mask) in enumerate(zip(layout.placed, masks, strict=True)):
            nearer = np.any(masks[number + 1 :], axis=0) if number + 1 < len(masks) else np.zeros_like(mask)
            seen = (mask & ~nearer).sum() / SIZE**2
            assert each.visible * each.area == pytest.approx(seen, abs=0.004 + 0.05 * seen)
        kept = {id(ring) for each in layout.objects for ring in each.rings}
        for each in layout.placed:
            wanted = each.visible >= LEAST_SHOWN and each.visible * each.area >= LEAST_AREA
            assert all((id(ring) in kept) == wanted for ring in each.rings)


def test_the_same_numbers_give_the_same_bytes_on_any_thread() -> None:
    def drawn(index: int) -> bytes:
        return lay_out_scene(2, index).draw(64).tobytes() + lay_out_object(2, index).draw(64).tobytes()

    one_by_one = [drawn(index) for index in range(8)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(drawn, range(8))) == one_by_one
    assert len(set(one_by_one)) == 8
    assert lay_out_scene(3, 0).draw(64).tobytes() != lay_out_scene(2, 0).draw(64).tobytes()


def test_examples_have_scene_and_objects() -> None:
    scenes = open_dataset("synthetic:scenes,n=3,seed=4,size=64,start=5")
    for index, example in enumerate(scenes, 5):
        layout = lay_out_scene(4, index)
        assert (example.id, example.scene) == (f"scene-4-{index:06d}", layout.name)
        assert [each.name for each in example.objects] == [each.name for each in layout.objects]
        np.testing.assert_array_equal(example.image.read(), layout.draw(64))
        assert not example.image.read().flags.writeable
        half = example.objects[0].region.raster((32, 32), np.array([0, 0, 64, 64]))
        rings = tuple(ring * 32 for ring in layout.objects[0].rings)
        np.testing.assert_array_equal(half, Polygons(rings).raster((32, 32), np.array([0, 0, 32, 32])))
    alone = open_dataset("synthetic:objects-alone,n=4,seed=4,size=64")
    for example in alone:
        assert example.scene == example.category == example.objects[0].name
        assert len(example.objects) == 1
    assert alone.classes == tuple(sorted(KINDS))
    assert {example.scene for example in open_dataset("synthetic:scenes,n=3,size=32,category=farm")} == {"farm"}
    assert len({open_dataset(f"synthetic:{kind},n=2,size=32").fingerprint for kind in ("scenes", "objects-alone")}) == 2


def test_every_kind_is_shown_alone() -> None:
    for name in KINDS:
        for index in range(8):
            assert [each.name for each in lay_out_object(7, index, name).objects] == [name]


@pytest.mark.parametrize(
    "spec", ["synthetic:scenes,category=castle", "synthetic:scenes,void=2", "synthetic:objects-alone,category=farm"]
)
def test_what_there_is_not_is_told(spec: str) -> None:
    with pytest.raises(VestigeError, match=r"synthetic:.*(expected|option)"):
        open_dataset(spec)


def test_numbers_below_nought_are_refused() -> None:
    for lay_out in (lay_out_scene, lay_out_object):
        with pytest.raises(VestigeError, match="0 or more"):
            lay_out(-1, 0)
        with pytest.raises(VestigeError, match="expected one of"):
            lay_out(0, 0, "castle")
