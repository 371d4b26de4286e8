import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.probes.engine.linear import LinearProbe, Source, l2_normalise, load_probes, mean_probe, save_probes

SOURCE = Source("efficientnet_lite0", "abc", "block7", "flat")


def probe(t=3, d=5, normalise=True):
    generator = np.random.default_rng(0)
    coef = generator.normal(size=(t, d)).astype(np.float32)
    return LinearProbe(SOURCE, coef, generator.normal(size=t), normalise)


def test_predictions_are_equation_1():
    features = np.random.default_rng(1).normal(size=(2000, 5)).astype(np.float32)
    p = probe()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(p.predict(features, 2000), unit @ p.coef.T + p.intercept, rtol=1e-5, atol=1e-6)
    raw = probe(normalise=False)
    np.testing.assert_allclose(raw.predict(features, 2000), features @ p.coef.T + p.intercept, rtol=1e-5, atol=1e-5)


def test_a_row_of_zeros_stays_one():
    rows = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    np.testing.assert_allclose(l2_normalise(rows), [[0, 0], [0.6, 0.8]], rtol=1e-6)


def test_the_mean_is_over_what_is_known():
    targets = np.array([[1.0, 5.0], [3.0, 100.0]])
    mean = mean_probe(targets, np.array([[True, True], [True, False]]))
    np.testing.assert_array_equal(mean.predict(None, 2), [[2.0, 5.0], [2.0, 5.0]])


def test_probes_come_back_exactly(tmp_path):
    probes = {
        "base": probe(),
        "look-back-1/left eye": probe(2, 4),
        "mean": mean_probe(np.ones((2, 3)), np.ones((2, 3), bool)),
    }
    described = save_probes(tmp_path, "ridge", probes)
    loaded = load_probes(tmp_path, "ridge", described)
    assert loaded.keys() == probes.keys()
    for name, one in probes.items():
        assert (loaded[name].source, loaded[name].normalise) == (one.source, one.normalise)
        np.testing.assert_array_equal(loaded[name].coef, one.coef)
        np.testing.assert_array_equal(loaded[name].intercept, one.intercept)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:60])])
def test_a_damaged_probe_is_named(tmp_path, damage):
    described = save_probes(tmp_path, "ridge", {"base": probe()})
    damage(tmp_path / "ridge.safetensors")
    with pytest.raises(VestigeError, match=r"ridge\.safetensors"):
        load_probes(tmp_path, "ridge", described)
