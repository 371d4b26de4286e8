"""The loop that joins stored features and ridge, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from vestige.datasets.opening import open_dataset
from vestige.probes.engine import fit as fitting
from vestige.probes.engine.fit import ChosenRows, UnitRows, fit_probe
from vestige.probes.engine.linear import Source
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.vector_probe import probe_vectors
from vestige.probes.keypoints.measure import probe_keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.measure import Pixelwise
from vestige.probes.segmentation.measure import segmentation_of
from vestige.ridge import fit_rows

SOURCE = Source("x", "y", "layer", "flat")


class Stored:
    """Features in memory that slice as a store does."""

    def __init__(self, rows):
        self.rows, self.shape = rows, rows.shape

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        rows, columns = index if isinstance(index, tuple) else (index, slice(None))
        return self.rows[rows][..., columns]


@pytest.fixture
def problem():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 12)).astype(np.float32) * generator.uniform(1, 9, size=(60, 1)).astype(
        np.float32
    )
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    targets = unit @ generator.normal(size=(12, 3)) + 0.3 * generator.normal(size=(60, 3))
    return Stored(features), unit, targets, np.arange(60) % 4


def test_out_of_fold_predictions_never_saw_their_fold(problem):
    features, unit, targets, folds = problem
    fit = fit_probe(features, SOURCE, targets, np.ones_like(targets, bool), folds)
    assert fit.alphas[0] <= fit.chosen[0] <= fit.chosen[1] <= fit.chosen[2] <= fit.alphas[-1]
    for t in range(3):
        best = min(
            fit.alphas,
            key=lambda alpha: np.mean(
                [
                    np.mean((_without(unit, targets[:, t], folds, k, alpha) - targets[folds == k, t]) ** 2)
                    for k in range(4)
                ]
            ),
        )
        for k in range(4):
            expected = _without(unit, targets[:, t], folds, k, best)
            np.testing.assert_allclose(fit.oof[folds == k, t], expected, atol=2e-4)


def _without(X, y, folds, fold, alpha):
    known = folds != fold
    return Ridge(alpha=alpha).fit(X[known], y[known]).predict(X[folds == fold])


def test_features_on_disk_give_the_same_probe(problem, monkeypatch):
    features, _, targets, folds = problem
    known = np.ones_like(targets, bool)
    here = fit_probe(features, SOURCE, targets, known, folds)
    monkeypatch.setattr(fitting, "IN_MEMORY", 0)
    there = fit_probe(features, SOURCE, targets, known, folds)
    np.testing.assert_allclose(there.probe.coef, here.probe.coef, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(there.oof, here.oof, atol=1e-4)


def test_unit_rows_slice_like_an_array(problem):
    features, unit, *_ = problem
    rows = UnitRows(features)
    assert (len(rows), rows.shape, rows.ndim) == (60, (60, 12), 2)
    np.testing.assert_allclose(rows[3:9], unit[3:9], rtol=1e-5)
    np.testing.assert_allclose(rows[:, 2:5], unit[:, 2:5], rtol=1e-5)
    np.testing.assert_allclose(rows[[5, 1]], unit[[5, 1]], rtol=1e-5)
    np.testing.assert_allclose(rows[7], unit[7], rtol=1e-5)
    for some in (slice(0, 1), slice(3, 9), [5, 1]):  # a row's norm does not depend on what is read with it
        np.testing.assert_array_equal(rows[some], rows[some, :])


def test_chosen_rows_slice_like_an_array(problem):
    features, *_ = problem
    rows = ChosenRows(features, np.arange(1, 60, 3))
    assert rows.shape == (20, 12)
    np.testing.assert_array_equal(rows[:], features.rows[1::3])
    np.testing.assert_array_equal(rows[2:4, 1:3], features.rows[1::3][2:4, 1:3])


def test_a_shared_alpha_is_the_one_that_scikit_learn_chooses(problem):
    features, unit, targets, folds = problem
    targets = targets * [1.0, 30.0, 0.1]  # of which the second decides
    fit = fit_probe(features, SOURCE, targets, None, folds, shared=True)
    search = GridSearchCV(
        Ridge(), {"alpha": list(fit.alphas)}, scoring="neg_mean_squared_error", cv=PredefinedSplit(folds)
    )
    search.fit(unit, targets)
    assert fit.chosen == (pytest.approx(search.best_params_["alpha"]),) * 3
    np.testing.assert_allclose(fit.probe.coef, search.best_estimator_.coef_, rtol=1e-3, atol=1e-3)
    own = fit_probe(features, SOURCE, targets, None, folds)
    assert len(set(own.chosen)) > 1


FACES = [f"synthetic:faces,n={n},seed={seed},size=64" for n, seed in ((16, 1), (8, 2))]
OPTIONS = {"rgb_size": 8, "untrained_seeds": 0, "alpha_shared": True}
ALPHA_SHARED = {
    "landmarks": lambda *data: probe_landmarks(*data, LandmarkOptions(layers=("block0",), **OPTIONS)),
    "keypoints": lambda *data: probe_keypoints(*data, KeypointOptions(layers=("block0",), **OPTIONS)),
    "pixels": lambda *data: probe_vectors(Pixelwise(8), *data, VectorOptions(layers=("block0",), **OPTIONS)),
    "segmentation": lambda train, test: probe_vectors(
        segmentation_of(train, 4, 2, 0.6, 0), train, test, VectorOptions(layers=("block0",), **OPTIONS)
    ),
}


@pytest.mark.parametrize("task", ALPHA_SHARED)
def test_every_probe_can_share_its_alpha_in_every_fit(task, monkeypatch):
    seen = []

    def noted(*given, per_target=True, **more):
        seen.append(per_target)
        return fit_rows(*given, per_target=per_target, **more)

    monkeypatch.setattr(fitting, "fit_rows", noted)
    found = ALPHA_SHARED[task](*(open_dataset(spec) for spec in FACES))
    assert set(seen) == {False}
    if task != "keypoints":  # which have a fit, and an alpha, for each class
        assert len(set(found.ridge["chosen"])) == 1
