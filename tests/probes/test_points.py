"""Points as vectors: what regressors are trained on, what their numbers mean, and looks that are saved."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.markup import Markup
from vestige.probes.engine.linear import LinearProbe, Source
from vestige.probes.engine.lookback import LookBack
from vestige.probes.engine.vector_methods import SavedVectors, VectorMethod, load_vectors
from vestige.probes.keypoints.classes import PointClass
from vestige.probes.keypoints.codec import KeypointMethod, Keypoints
from vestige.probes.landmarks.measure import Landmarks

MARKUP = Markup("three", ("left", "right", "chin"), mirror=(1, 0, 2), parts={"eyes": (0, 1)})
BOX = np.array([10.0, 20.0, 50.0, 60.0])
POINTS = np.array([[20.0, 30.0], [40.0, 32.0], [30.0, 55.0]])


def example(name="a", visible=(True, True, False), category=None):
    return Example(name, name, None, BOX, POINTS, np.array(visible), category=category)


@dataclass
class Constant:
    """A reader of features that are all 1, which remembers the crops that it was asked for."""

    crops: list = field(default_factory=list)

    def reads(self, *_given):
        return [None]

    def features(self, _spec, crops, _reads):
        self.crops += crops
        return [np.ones((len(crops), 1), np.float32)]


SOURCE = Source("rgb:4", "0", "rgb", "flat")


def constant(values, source=SOURCE):
    """A probe that reads the same of everything."""
    return LinearProbe(source, np.zeros((len(values), 1), np.float32), np.array(values, np.float64))


def test_numbers_are_shares_of_the_crop_and_mirrored_copies_exchange_names():
    codec = Landmarks(MARKUP, 0.0, "box", mirror=True)
    encoded = codec.encode(codec.train_views([example()]))
    plain, mirrored = encoded.values.reshape(2, 3, 2)
    np.testing.assert_allclose(plain, (POINTS - BOX[:2]) / 40)
    np.testing.assert_allclose(mirrored[[1, 0, 2]], plain * [-1, 1] + [1, 0])
    np.testing.assert_array_equal(encoded.known, [[True] * 4 + [False] * 2] * 2)


def test_decoding_inverts_encoding():
    codec = Landmarks(MARKUP, 0.3, "box", mirror=True)
    views = codec.train_views([example(), example("b")])
    encoded = codec.encode(views)
    decoded = codec.decode(encoded.values.astype(np.float32), views)
    np.testing.assert_allclose(decoded, encoded.truth.points, atol=1e-4)
    np.testing.assert_allclose(decoded[1], POINTS[[1, 0, 2]], atol=1e-4)
    assert codec.out_of_fold(decoded + np.array([0.0, 4.0]), encoded) == pytest.approx(4 / 40, rel=1e-4)


def look():
    return LookBack(SOURCE, ("eyes",), ((0, 1),), np.array([0.05]), (constant([0.25, 0.5, 0.75, 0.5]),))


def test_a_look_back_replaces_the_points_of_its_part():
    codec = Landmarks(MARKUP, 0.0, "box")
    method = VectorMethod("ridge", constant([0.25, 0.25, 0.75, 0.25, 0.5, 1.0]), looks=(look(),))
    views, reader = codec.test_views([example()]), Constant()
    stages = codec.read(method, views, reader)
    np.testing.assert_allclose(stages["ridge"][0], [[20, 30], [40, 30], [30, 60]])
    seen = [30 - 12, 30 - 12, 30 + 12, 30 + 12]  # the square about both eyes, and 0.05 of 40 on every side
    np.testing.assert_allclose(reader.crops[-1].box, seen)
    np.testing.assert_allclose(stages["look-back"][0], [[24, 30], [36, 30], [30, 60]])
    kept = codec.arrays_of(method, stages, views)
    assert kept["parts"].tolist() == ["eyes"]
    np.testing.assert_allclose(kept["part_boxes"], [[seen]])
    assert codec.last_stage(method) == "look-back"


def test_looks_are_saved_with_their_probes(tmp_path):
    codec = Landmarks(MARKUP, 0.0, "box", look_backs=1)
    methods = (
        VectorMethod("mean", constant(range(6), None)),
        VectorMethod("ridge", constant(range(6)), looks=(look(),)),
    )
    SavedVectors("landmarks", codec.to_json(), 3, methods).save(tmp_path)
    loaded = load_vectors(tmp_path)
    assert Landmarks.from_json(loaded.made_of, "here") == codec
    assert (loaded.task, loaded.seed, loaded.methods[0].looks) == ("landmarks", 3, ())
    (again,) = loaded.methods[1].looks
    assert (again.source, again.parts, again.points, again.margins.tolist()) == (SOURCE, ("eyes",), ((0, 1),), [0.05])
    for probe, same in zip(loaded.methods[1].probes, methods[1].probes, strict=True):
        np.testing.assert_array_equal(probe.intercept, same.intercept)
    codec.check_method(loaded.methods[1])
    with pytest.raises(ValueError, match="reads 6 numbers"):
        Landmarks(Markup("two", ("a", "b")), 0.0, "box").check_method(loaded.methods[1])


CLASSES = (PointClass("cat", (0, 1)), PointClass("dog", (2,)))


def test_each_example_is_read_by_the_regressors_of_its_class():
    target = Keypoints(MARKUP, 0.0, (0.1,), CLASSES)
    cat = VectorMethod("ridge", constant([0.25, 0.25, 0.75, 0.25]), looks=(look(),))
    method = KeypointMethod((cat, VectorMethod("ridge", constant([0.5, 1.0]))))
    examples = [example("a", category="dog"), example("b", category="cat"), example("c", category="dog")]
    views = target.test_views(examples)
    stages = target.read(method, views, Constant())
    assert list(stages) == ["ridge", "look-back"]
    nan = [np.nan, np.nan]
    np.testing.assert_allclose(stages["ridge"][:2], [[nan, nan, [30, 60]], [[20, 30], [40, 30], nan]])
    np.testing.assert_allclose(stages["look-back"][1:], [[[24, 30], [36, 30], nan], [nan, nan, [30, 60]]])
    boxes = target.arrays_of(method, stages, views)["part_boxes"]
    np.testing.assert_allclose(boxes[:, 0], [nan * 2, [18, 18, 42, 42], nan * 2])
    assert list(target.read(method, target.test_views(examples[:1]), Constant())) == ["ridge"]  # no cat, no look


def test_examples_of_no_known_class_are_left_out_and_told():
    target = Keypoints(MARKUP, 0.0, (0.1,), CLASSES)
    examples = [example("a", category="cow"), example("b", (True, True, True), "cat")]
    assert target.measurable(examples).tolist() == [1]
    notes = " ".join(target.notes(examples))
    assert "'cow'" in notes
    assert "'dog'" in notes
    assert "1 visible" in notes  # the cat's chin
    assert target.truth(target.test_views(examples[1:])).by_class.visible.tolist() == [[True, True, False]]
    with pytest.raises(VestigeError, match="cow"):
        target.check(examples[:1])
