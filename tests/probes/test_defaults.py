"""What a probe reads where nothing is said, and what its run tells of that."""

from dataclasses import replace

import pytest

from vestige.datasets.opening import open_train_test
from vestige.probes.attributes.measure import attributes_of
from vestige.probes.compare.task import CompareOptions
from vestige.probes.directions.measure import probe_directions
from vestige.probes.directions.task import DirectionOptions
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.vector_probe import probe_vectors
from vestige.probes.keypoints.measure import probe_keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.measure import Pixelwise

FACES = ("synthetic:faces,n=16,seed=1,size=64", "synthetic:faces,n=8,seed=2,size=64")


def directions(train, test, options):
    options = replace(options, steps=2, size=8, reencoded=0)
    return probe_directions(attributes_of(train, ["yaw"])[0], train, test, options)


PROBES = {
    "landmarks": (LandmarkOptions, probe_landmarks),
    "keypoints": (KeypointOptions, probe_keypoints),
    "pixels": (VectorOptions, lambda *given: probe_vectors(Pixelwise(8), *given)),
    "directions": (DirectionOptions, directions),
}


def test_six_layers_at_even_steps_and_one_untrained_network():
    options = [kind() for kind, _ in PROBES.values()]
    assert {each.layers for each in (*options, CompareOptions())} == {("even:6",)}
    assert {each.untrained_seeds for each in options if hasattr(each, "untrained_seeds")} == {1}


@pytest.mark.parametrize("task", PROBES)
def test_a_run_holds_the_names_of_the_layers_it_read(task):
    kind, probe = PROBES[task]
    options = kind(backbone="rgb:8", **({} if task == "directions" else {"untrained_seeds": 0}))
    found = probe(*open_train_test(*FACES), options)
    assert found.options[0].layers == ("rgb",)
