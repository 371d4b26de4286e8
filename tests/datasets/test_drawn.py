"""Synthetic faces and objects as examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vestige.datasets import drawn
from vestige.datasets.drawn import Drawing, Recipe
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.synthetic import OBJECT_KEYPOINTS, draw_face, draw_object


def test_a_face_is_the_drawing_of_its_recipe() -> None:
    dataset = open_dataset("synthetic:faces,n=2,seed=3,size=64,start=5")
    sample = draw_face(3, 6, 64)
    example = dataset[1]
    assert example.id == "face-3-000006"
    np.testing.assert_array_equal(example.image.read(), sample.image)
    np.testing.assert_array_equal(example.mask.read(), sample.mask)
    np.testing.assert_array_equal(example.keypoints, sample.keypoints)
    np.testing.assert_array_equal(example.box, sample.box)
    assert example.visible.all()
    assert dict(example.attributes) == dict(sample.attributes)
    assert dataset.classes[0] == "background"
    assert dataset.markup.name == "face68"


def test_objects_of_all_categories_share_one_list_of_points() -> None:
    dataset = open_dataset("synthetic:objects,n=6,seed=1,size=64,void=1")
    assert dataset.markup.points[0] == "aeroplane/" + OBJECT_KEYPOINTS["aeroplane"][0]
    assert len(dataset.markup.points) == sum(map(len, OBJECT_KEYPOINTS.values()))
    assert dataset.void == 255
    assert len({example.category for example in dataset}) > 2
    for example in dataset:
        index = int(example.id.split("-")[-1])
        sample = draw_object(1, index, 64, void_border=1)
        own = [k for k, name in enumerate(dataset.markup.points) if name.startswith(f"{sample.category}/")]
        assert example.category == sample.category
        np.testing.assert_array_equal(example.keypoints[own], sample.keypoints)
        np.testing.assert_array_equal(example.visible[own], sample.visible)
        assert example.visible.sum() == sample.visible.sum()
        np.testing.assert_array_equal(example.mask.read(), sample.mask)
        assert 255 in example.mask.read()


def test_objects_of_one_category_have_its_points_and_their_mirror() -> None:
    dataset = open_dataset("synthetic:objects,n=2,size=32,category=chair")
    assert dataset.markup.points == OBJECT_KEYPOINTS["chair"]
    swapped = [dataset.markup.points[k] for k in dataset.markup.mirror_order()]
    assert swapped == [_other_side(name) for name in dataset.markup.points]


def _other_side(name: str) -> str:
    return name.replace("left", "\0").replace("right", "left").replace("\0", "right")


def test_equal_recipes_have_equal_fingerprints_and_other_ones_do_not() -> None:
    options = ["seed=1,size=32", "seed=2,size=32", "seed=1,size=32,start=1", "seed=1,size=40"]
    prints = [open_dataset(f"synthetic:faces,n=2,{option}").fingerprint for option in options]
    assert len(set(prints)) == 4
    assert open_dataset("synthetic:faces,size=32,seed=1,n=2").fingerprint == prints[0]


def test_overlapping_ranges_of_one_seed_are_refused_as_train_and_test() -> None:
    with pytest.raises(VestigeError, match="1 of 2 pictures"):
        open_train_test("synthetic:faces,n=2,size=32", "synthetic:faces,n=2,size=32,start=1")
    train, test = open_train_test("synthetic:faces,n=2,size=32", "synthetic:faces,n=2,size=32,start=2")
    assert (len(train), len(test)) == (2, 2)


def test_the_digest_changes_with_everything_that_changes_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("objects", 0, 0, 32)
    others = [{"generator": "faces"}, {"seed": 1}, {"index": 1}, {"size": 33}, {"category": "car"}, {"void_border": 1}]
    digests = {Drawing(recipe).digest(), Drawing(recipe, "mask").digest()}
    digests |= {Drawing(replace(recipe, **other)).digest() for other in others}
    monkeypatch.setattr(drawn, "generator_version", lambda: "another")
    assert len(digests | {Drawing(recipe).digest()}) == len(others) + 3


def test_drawings_are_drawn_once_while_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = []
    monkeypatch.setattr(drawn, "draw_face", lambda *recipe: drawings.append(recipe[1]) or draw_face(*recipe))
    kept = drawn._Kept(n_bytes=2 * 32 * 32 * 4)
    first, second, third = (Recipe("faces", 0, index, 32) for index in range(3))
    for recipe in (first, second, first, third, first, second):
        np.testing.assert_array_equal(kept.sample(recipe).image, draw_face(0, recipe.index, 32).image)
    assert drawings == [0, 1, 2, 1]


def test_pixels_cannot_be_changed_for_the_next_reader() -> None:
    image = Drawing(Recipe("faces", 0, 0, 32)).read()
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0


def test_drawings_that_are_kept_are_as_they_were_drawn_and_take_little(monkeypatch):
    recipes = [Recipe("objects", 5, i, 64, void_border=2) for i in range(6)]
    made = [recipe.draw() for recipe in recipes]
    size = max(drawn._Packed.of(sample).bytes for sample in made)
    assert size < made[0].image.nbytes
    kept = drawn._Kept(3 * size)
    times: list[int] = []
    monkeypatch.setattr(Recipe, "draw", lambda recipe: times.append(recipe.index) or made[recipe.index])
    for i in (0, 0, 1, 2, 3, 4, 5, 5, 4, 0):
        found = kept.sample(recipes[i])
        for name in ("image", "mask", "keypoints", "visible"):
            assert np.array_equal(getattr(found, name), getattr(made[i], name))
        assert not found.image.flags.writeable
    assert times == [0, 1, 2, 3, 4, 5, 0]
    assert kept._free >= 0


def test_a_set_that_does_not_fit_finds_most_of_what_is_kept_at_every_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, draws = draw_face(0, 0, 32), []
    monkeypatch.setattr(Recipe, "draw", lambda recipe: draws.append(recipe) or replace(sample))
    kept = drawn._Kept(200 * drawn._Packed.of(sample).bytes)

    def drawn_in_a_pass(seed: int) -> int:
        draws.clear()
        for index in range(400):
            kept.sample(Recipe("faces", seed, index, 32))
        return len(draws)

    assert drawn_in_a_pass(1) == 400
    assert all(drawn_in_a_pass(1) < 250 for _ in range(8))  # 200 at best
    assert [drawn_in_a_pass(2) for _ in range(20)][-1] < 250  # another set takes its place
