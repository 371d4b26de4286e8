"""Nothing is chosen or fitted on the test data: fewer test examples, or of fewer classes, leave it the same."""

from dataclasses import replace

import numpy as np
import pytest

from vestige.correspondence.classify.measure import classify_keypoints
from vestige.correspondence.classify.task import ClassifyOptions
from vestige.correspondence.detect.measure import class_data
from vestige.correspondence.matched import match_instances
from vestige.datasets.opening import open_dataset
from vestige.features.reader import Reader
from vestige.probes.attributes.measure import attributes_of
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.vector_probe import probe_vectors
from vestige.probes.keypoints.measure import probe_keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions

LAYERS = ("block0", "block2")


@pytest.fixture(scope="module")
def objects():
    """Training objects of several classes, and test objects of all and of one of them."""
    train, test = (open_dataset(f"synthetic:objects,n={n},seed={s},size=64") for n, s in ((40, 1), (12, 2)))
    name = test[0].category
    return train, test, replace(test, examples=tuple(e for e in test if e.category == name))


@pytest.fixture(scope="module")
def faces():
    train, test = (open_dataset(f"synthetic:faces,n={n},seed={s},size=64") for n, s in ((24, 1), (8, 2)))
    return train, test, replace(test, examples=test.examples[:3])


def layers_by_folds(probe):
    return [(r.method, r.metric, r.layer, r.value, r.n) for r in probe.sweep if r.metric.startswith("oof_")]


def same_probes(a, b):
    assert (a.backbone, a.ridge, layers_by_folds(a)) == (b.backbone, b.ridge, layers_by_folds(b))
    for one, other in zip(methods_of(a), methods_of(b), strict=True):
        for probe, same in zip(one.probes, other.probes, strict=True):
            np.testing.assert_array_equal(probe.coef, same.coef)


def methods_of(found):
    """Of the probes that were trained, those of all classes."""
    methods = found.fitted.methods
    return list(methods() if callable(methods) else methods)


def test_keypoints(objects):
    train, *tests = objects
    options = KeypointOptions(layers=LAYERS, readouts=("grid:4",), look_backs=0, rgb_size=8, untrained_seeds=0)
    found = [probe_keypoints(train, test, options) for test in tests]
    same_probes(*found)
    assert len(found[1].fitted.classes) > 1
    assert {row.subset for row in found[1].rows if row.metric == "pck@0.1"} >= {"all", tests[1][0].category}


def test_landmarks(faces):
    train, *tests = faces
    options = LandmarkOptions(layers=LAYERS, look_backs=0, rgb_size=8, untrained_seeds=0)
    same_probes(*(probe_landmarks(train, test, options) for test in tests))


def test_attributes(faces):
    train, *tests = faces
    task, _ = attributes_of(train, least=3)
    options = VectorOptions(layers=LAYERS, rgb_size=8, untrained_seeds=0)
    same_probes(*(probe_vectors(task, train, test, options) for test in tests))


def test_classifiers_of_keypoints(objects):
    train, *tests = objects
    options = ClassifyOptions(layers=("block2",), radii=(10.0,), cs=(1e-3, 1e-1))
    found = [classify_keypoints(train, test, options) for test in tests]
    tried = [[row for row in each.sweep if row.metric.startswith("cv_")] for each in found]
    assert tried[0] == tried[1]
    assert found[0].config["c"] == found[1].config["c"]


def test_detectors(objects):
    train, *tests = objects
    reader = Reader()
    (read,) = reader.reads("efficientnet_lite0", ["block2"], ["gap"])
    matched = [match_instances(train, test, read, "efficientnet_lite0", reader, folds=2, k=3) for test in tests]
    by_class = [class_data(each) for each in matched]
    assert by_class[0].keys() == by_class[1].keys()
    for (own, _, data), (other_own, _, other) in zip(*(each.values() for each in by_class), strict=True):
        np.testing.assert_array_equal(own, other_own)
        np.testing.assert_array_equal(data.keypoints, other.keypoints)
        np.testing.assert_array_equal(data.train_prior, other.train_prior)
