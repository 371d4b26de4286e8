"""The landmark probe against scikit-learn and errors written out, on a network that is the picture made small."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.markup import markup_of_names
from vestige.probes.engine.views import example_views
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.progress import print_nothing

PLAIN = LandmarkOptions(backbone="rgb:6", layers=("all",), rgb_size=4, untrained_seeds=0, look_backs=0, mirror=False)


@pytest.fixture(scope="module")
def faces():
    return [open_dataset(f"synthetic:faces,n={n},seed={seed},size=64") for n, seed in ((24, 1), (9, 2))]


def probed(faces, options):
    return probe_landmarks(*faces, options, Session(Reader(keep=False), print_nothing))


def values(found, metric):
    return {row.method: row.value for row in found.rows if (row.metric, row.subset) == (metric, "all")}


def test_ridge_is_that_of_scikit_learn_at_the_alpha_that_folds_chose(faces):
    found = probed(faces, replace(PLAIN, alpha_shared=True))
    reader = Reader(keep=False)
    views = [example_views(data, PLAIN.box_margin) for data in faces]
    (read,) = reader.reads("rgb:6", ["all"])
    x = [reader.features("rgb:6", view.crops(), [read])[0][:] for view in views]
    x = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in x]
    unit = views[0].to_unit(np.stack([example.keypoints for example in faces[0]])).reshape(24, -1)
    alpha = found.ridge["chosen"][0]
    predicted = Ridge(alpha=alpha).fit(x[0].astype(np.float64), unit).predict(x[1].astype(np.float64))
    points = views[1].from_unit(predicted.reshape(9, -1, 2))
    np.testing.assert_allclose(found.arrays["prediction/ridge"], points, atol=0.02)


def test_errors_are_mean_distances_over_the_distance_of_the_eyes(faces):
    found = probed(faces, PLAIN)
    arrays = found.arrays
    eyes = faces[1].markup.eyes
    centres = [arrays["truth"][:, list(eye)].mean(axis=1) for eye in eyes]
    normaliser = np.linalg.norm(centres[0] - centres[1], axis=1)
    for method, value in values(found, "nme_inter_ocular").items():
        distances = np.linalg.norm(arrays[f"prediction/{method}"] - arrays["truth"], axis=2)
        np.testing.assert_allclose(arrays[f"error/{method}"], distances.mean(axis=1) / normaliser, rtol=1e-5)
        assert value == pytest.approx((distances.mean(axis=1) / normaliser).mean(), rel=1e-5)


def test_the_mean_shape_is_that_of_the_training_crops(faces):
    found = probed(faces, PLAIN)
    views = [example_views(data, PLAIN.box_margin) for data in faces]
    unit = views[0].to_unit(np.stack([example.keypoints for example in faces[0]]))
    expected = views[1].from_unit(np.repeat(unit.mean(axis=0)[None], 9, axis=0))
    np.testing.assert_allclose(found.arrays["prediction/mean"], expected, atol=1e-3)


def test_every_layer_has_rows_and_folds_choose_the_lowest_error(faces):
    options = replace(PLAIN, backbone="efficientnet_lite0", layers=("block0", "head"), untrained_seeds=2)
    found = probed(faces, options)
    folds = {
        (row.method, row.seed, row.layer): row.value for row in found.sweep if row.metric == "oof_nme_inter_ocular"
    }
    networks = (("ridge", None), ("untrained", 0), ("untrained", 1))
    assert set(folds) == {(*network, layer) for network in networks for layer in ("block0", "head")}
    chosen = found.backbone["layer"]
    assert folds["ridge", None, chosen] == min(folds["ridge", None, layer] for layer in ("block0", "head"))
    tested = {row.layer: row.value for row in found.sweep if row.method == "ridge" and row.metric == "nme_inter_ocular"}
    assert tested[chosen] == pytest.approx(values(found, "nme_inter_ocular")["ridge"])
    both = [found.arrays[f"error/untrained@{seed}"] for seed in (0, 1)]
    np.testing.assert_allclose(found.arrays["error/untrained"], np.mean(both, axis=0))


def test_what_a_markup_lacks_is_given_up_and_told(faces):
    bare = [replace(data, markup=markup_of_names("bare", [str(k) for k in range(68)])) for data in faces]
    found = probed(bare, replace(PLAIN, look_backs=1, mirror=True))
    assert found.config["metric"] == "nme_box"
    assert len([note for note in found.notes if "'bare'" in note]) == 3
    assert "look-back" not in values(found, "nme_box")


def test_data_without_landmarks_are_refused(faces):
    with pytest.raises(VestigeError, match=r"no examples"):
        probed([replace(data, markup=None) for data in faces], PLAIN)
