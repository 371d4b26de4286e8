"""Synthetic faces as examples."""

from __future__ import annotations

import numpy as np
import pytest

from vestige.datasets import drawn
from vestige.datasets.drawn import DrawnFace
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.datasets.synthetic.faces import draw_face
from vestige.errors import VestigeError


def test_an_example_is_the_drawing_of_its_recipe() -> None:
    dataset = open_dataset("synthetic:faces,n=2,seed=3,size=64,start=5")
    sample = draw_face(3, 6, 64)
    example = dataset[1]
    assert example.id == "face-3-000006"
    np.testing.assert_array_equal(example.image.read(), sample.image)
    np.testing.assert_array_equal(example.mask.read(), sample.mask)
    np.testing.assert_array_equal(example.keypoints, sample.keypoints)
    np.testing.assert_array_equal(example.box, sample.box)
    assert dict(example.attributes) == dict(sample.attributes)
    assert dataset.classes[0] == "background"
    assert dataset.markup.name == "face68"


def test_equal_recipes_have_equal_fingerprints_and_other_ones_do_not() -> None:
    texts = ["n=2,seed=1", "n=2,seed=2", "n=2,seed=1,start=1", "n=2,seed=1,size=40"]
    prints = [
        open_dataset(f"synthetic:faces,size=32,{t}" if "size" not in t else f"synthetic:faces,{t}").fingerprint
        for t in texts
    ]
    assert len(set(prints)) == 4
    assert open_dataset("synthetic:faces,size=32,seed=1,n=2").fingerprint == prints[0]


def test_overlapping_ranges_of_one_seed_are_refused_as_train_and_test() -> None:
    with pytest.raises(VestigeError, match="1 of 2 pictures"):
        open_train_test("synthetic:faces,n=2,size=32", "synthetic:faces,n=2,size=32,start=1")
    train, test = open_train_test("synthetic:faces,n=2,size=32", "synthetic:faces,n=2,size=32,start=2")
    assert (len(train), len(test)) == (2, 2)


def test_the_digest_changes_with_the_drawing_code(monkeypatch: pytest.MonkeyPatch) -> None:
    face = DrawnFace(0, 0, 32)
    before = face.digest()
    monkeypatch.setattr(drawn, "generator_version", lambda: "another")
    assert face.digest() != before
    assert DrawnFace(0, 0, 32, "mask").digest() != face.digest()
