"""The keypoint probe's scores against PCK written out, on a network that is the picture made small."""

import numpy as np
import pytest

from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.features.reader import Reader
from vestige.probes.keypoints.measure import probe_keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.keypoints.trained import TrainedKeypoints
from vestige.progress import print_nothing

ALPHAS = (0.1, 0.2)


@pytest.fixture(scope="module")
def data():
    return [open_dataset(f"synthetic:objects,n={n},seed={seed},size=48") for n, seed in ((50, 1), (21, 2))]


@pytest.fixture(scope="module")
def session():
    return Session(Reader(keep=False), print_nothing)


@pytest.fixture(scope="module")
def found(data, session):
    options = KeypointOptions(backbone="rgb:5", layers=("all",), rgb_size=4, untrained_seeds=0, alphas=ALPHAS)
    return probe_keypoints(*data, options, session)


def test_rows_are_shares_of_visible_keypoints_within_alpha_of_the_longer_side(found):
    arrays = found.arrays
    sides = (arrays["boxes"][:, 2:] - arrays["boxes"][:, :2]).max(axis=1)
    classes = arrays["classes"].astype(str)
    for method in ("mean", "rgb", "ridge"):
        distance = np.linalg.norm(arrays[f"prediction/{method}"] - arrays["truth"], axis=2) / sides[:, None]
        for alpha in ALPHAS:
            rows = {r.subset: r.value for r in found.rows if (r.method, r.metric) == (method, f"pck@{alpha:g}")}
            by_class = []
            for name in sorted(set(classes)):
                seen = arrays["visible"] & (classes == name)[:, None]
                types = [np.mean(distance[seen[:, k], k] <= alpha) for k in range(seen.shape[1]) if seen[:, k].any()]
                by_class.append(np.mean(types))
                assert rows[name] == pytest.approx(by_class[-1])
            assert rows["all"] == pytest.approx(np.mean(by_class))


def test_examples_are_predicted_the_points_of_their_class_alone(found):
    names = found.config["markup"]["points"]
    for name, columns in found.config["classes"].items():
        own = found.arrays["classes"] == name
        known = np.isfinite(found.arrays["prediction/ridge"][own]).all(axis=(0, 2))
        assert np.flatnonzero(known).tolist() == sorted(columns)
        assert {names[k].split("/")[0] for k in columns} == {name}


def test_saved_probes_give_the_same_rows_and_points(found, data, session, tmp_path):
    found.fitted.save(tmp_path)
    trained = TrainedKeypoints(tmp_path)
    assert trained.evaluate(data[1], session.reader).rows == found.rows
    name = str(found.arrays["classes"][0])
    predictor = trained.predictor(name)
    (prediction,) = predictor.predict([data[1][0]], session.reader)
    columns = list(found.config["classes"][name])
    expected = found.arrays[f"prediction/{predictor.stage}"][0, columns]
    np.testing.assert_allclose(prediction.points, expected, atol=1e-3)
