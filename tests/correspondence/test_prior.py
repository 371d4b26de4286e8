"""Calibrated scores, Gaussians, and the two together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import _sigmoid_calibration

from vestige.correspondence.detect.classes import best_place, calibrate, log_gaussian


def scored(n=3000, seed=0, apart=1.5, share=0.05):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < share
    return rng.normal(size=n) + apart * positive, positive


@pytest.mark.parametrize(("apart", "share"), [(1.5, 0.05), (0.1, 0.5), (8.0, 0.01)])
def test_calibration_is_that_of_platt(apart, share):
    scores, positive = scored(apart=apart, share=share)
    slope, offset = _sigmoid_calibration(scores, positive)  # 1 / (1 + exp(slope f + offset))
    found = calibrate(scores, positive)
    assert found.slope == pytest.approx(-slope, rel=1e-3, abs=1e-3)
    assert found.offset == pytest.approx(-offset, rel=1e-3, abs=1e-3)


def test_scores_that_rank_the_wrong_way_say_nothing():
    scores, positive = scored(apart=-1.0, share=0.2)
    found = calibrate(scores, positive)
    assert found.slope == 0
    assert np.exp(found.log(np.array([-9.0, 9.0]))) == pytest.approx(positive.mean(), abs=1e-3)


def test_separable_scores_stay_finite():
    found = calibrate(np.array([-1e3, -2.0, 1.0, 1e3]), np.array([False, False, True, True]))
    assert np.isfinite([found.slope, found.offset]).all()
    assert found.slope > 0
    logs = found.log(np.array([-1e6, 0, 1e6]))
    assert np.isfinite(logs).all()
    assert (np.diff(logs) >= 0).all()
    for none in (np.zeros(4, dtype=bool), np.ones(4, dtype=bool)):
        with pytest.raises(ValueError, match="some of both"):
            calibrate(np.arange(4.0), none)


def test_the_logarithm_is_that_of_the_logistic():
    scores, positive = scored()
    found = calibrate(scores, positive)
    expected = np.log(1 / (1 + np.exp(-(found.slope * scores + found.offset))))
    np.testing.assert_allclose(found.log(scores), expected, rtol=1e-9)


def test_a_gaussian_is_flat_where_there_is_no_neighbour():
    places = np.array([[0.0, 0], [3, 4], [10, 0]])
    centres = np.array([[0.0, 0], [np.nan, np.nan]])
    found = log_gaussian(places, centres, 5.0)
    np.testing.assert_allclose(found, [[0, -0.5, -2], [0, 0, 0]])


def test_eta_goes_from_the_score_to_the_prior():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 100, (50, 2))
    log_s = -rng.random((4, 50))
    centres = rng.uniform(0, 100, (4, 2))
    log_p = log_gaussian(places, centres, 10.0)
    assert np.array_equal(best_place(places, log_s, log_p, 0.0), places[log_s.argmax(axis=1)])
    nearest = np.linalg.norm(places - centres[:, None], axis=-1).argmin(axis=1)
    assert np.array_equal(best_place(places, log_s, log_p, 1.0), places[nearest])
    eta = 0.3
    ranked = np.exp(log_s) ** (1 - eta) * np.exp(log_p) ** eta  # as the paper writes it
    assert np.array_equal(best_place(places, log_s, log_p, eta), places[ranked.argmax(axis=1)])
    flat = np.zeros((1, 50))
    assert np.array_equal(best_place(places, flat, flat, eta), places[:1])
