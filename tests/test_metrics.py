import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vestige.metrics import (
    Bootstrap,
    area_under_ced,
    cumulative_error,
    eye_distance,
    failure_rate,
    interval,
    mean_over_visible,
    paired_difference,
    pck,
    point_errors,
)

errors = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


def test_point_errors_are_distances():
    np.testing.assert_allclose(point_errors(np.array([[[0.0, 0.0]]]), np.array([[[3.0, 4.0]]])), [[5.0]])


def test_invisible_points_do_not_count():
    values = np.array([[1.0, 100.0], [2.0, 4.0], [7.0, 8.0]])
    visible = np.array([[True, False], [True, True], [False, False]])
    np.testing.assert_array_equal(mean_over_visible(values, visible), [1.0, 3.0, np.nan])


def test_eye_distance_is_between_the_means():
    points = np.array([[[0, 0], [2, 0], [10, 0], [12, 0]]], dtype=float)
    np.testing.assert_array_equal(eye_distance(points, ((0, 1), (2, 3))), [10.0])


@given(errors, st.floats(0.01, 1))
def test_the_area_is_the_integral_of_the_curve(values, limit):
    grid = (np.arange(20000) + 0.5) / 20000 * limit
    assert area_under_ced(values, limit) == pytest.approx(cumulative_error(values, grid).mean(), abs=2e-4)


@given(errors, st.floats(0.01, 1))
def test_failures_are_what_the_curve_leaves_out(values, limit):
    assert failure_rate(values, limit) == pytest.approx(1 - cumulative_error(values, np.array([limit]))[0])


def test_pck_scales_with_the_limit():
    np.testing.assert_array_equal(pck(np.array([[1.0, 2.1]]), np.array([20.0]), 0.1), [[True, False]])


def test_the_interval_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(2.0, size=200)
    mine = interval(Bootstrap.draw(200, seed=0, resamples=8000).means(values))
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=8000, rng=1).confidence_interval
    width = theirs.high - theirs.low
    assert mine == pytest.approx((theirs.low, theirs.high), abs=0.05 * width)


def test_the_bootstrap_is_deterministic_and_leaves_unknown_examples_out():
    values = np.array([1.0, np.nan, 3.0, 5.0])
    a, b = (Bootstrap.draw(4, seed=1).means(values) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.nanmin(a) >= 1.0
    assert np.nanmax(a) <= 5.0


def test_paired_differences_find_what_unpaired_ones_miss():
    generator = np.random.default_rng(0)
    base = generator.normal(size=300)
    worse = base + 0.05 + 0.01 * generator.normal(size=300)
    difference = paired_difference(worse, base, Bootstrap.draw(300))
    assert difference.mean == pytest.approx(0.05, abs=0.005)
    assert difference.ci95[0] > 0.04
    assert difference.p < 0.01
    assert paired_difference(base, base[::-1], Bootstrap.draw(300)).p > 0.2
