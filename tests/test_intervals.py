import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats

from vestige.distances import eye_distance, mean_over_visible, point_errors
from vestige.intervals import Bootstrap, interval, paired_difference, seed_spread, widened

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


@pytest.mark.parametrize("n", [200, 12])
def test_the_interval_agrees_with_scipy(n):
    values = np.random.default_rng(3).gamma(2.0, size=n)
    mine = interval(Bootstrap.draw(range(n), seed=0, resamples=8000).means(values), n)
    inside = 1 - 2 * stats.norm.cdf(stats.t.ppf(0.025, n - 1) * np.sqrt(n / (n - 1)))  # Hesterberg's expanded one
    found = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=8000, rng=1, confidence_level=inside)
    theirs = found.confidence_interval
    width = theirs.high - theirs.low
    assert mine == pytest.approx((theirs.low, theirs.high), abs=0.05 * width)


def test_the_bootstrap_is_deterministic_and_leaves_unknown_examples_out():
    values = np.array([1.0, np.nan, 3.0, 5.0])
    a, b = (Bootstrap.draw(range(4), seed=1).means(values) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.nanmin(a) >= 1.0
    assert np.nanmax(a) <= 5.0


def test_single_examples_are_drawn_as_before_groups_were_and_groups_whole():
    drawn = np.random.default_rng(5).multinomial(7, np.full(7, 1 / 7), size=50).astype(np.float32)
    np.testing.assert_array_equal(Bootstrap.draw("gfedcba", 5, 50).weights, drawn)
    grouped = Bootstrap.draw("abbaca", 5, 50)
    three = np.random.default_rng(5).multinomial(3, np.full(3, 1 / 3), size=50)
    np.testing.assert_array_equal(grouped.weights, three[:, [0, 1, 1, 0, 2, 0]])
    assert grouped.count([False, True, True, False, True, False]) == 2


def test_an_interval_with_groups_is_that_of_the_groups():
    people = np.random.default_rng(0).normal(size=40)
    alone = Bootstrap.draw(range(40), 1).interval_of_mean(people)
    grouped = Bootstrap.draw(np.repeat(range(40), 5).tolist(), 1).interval_of_mean(np.repeat(people, 5))
    assert grouped == pytest.approx(alone)
    without = Bootstrap.draw(range(200), 1).interval_of_mean(np.repeat(people, 5))
    assert alone[1] - alone[0] > 2 * (without[1] - without[0])


def test_one_group_has_no_interval():
    assert Bootstrap.draw("aaa").interval_of_mean([1.0, 2.0, 3.0]) is None
    assert Bootstrap.draw("abc").interval_of_mean([1.0, np.nan, np.nan]) is None
    assert Bootstrap.draw("").interval_of_mean([]) is None
    assert paired_difference([1.0, 2.0], [0.0, 0.0], Bootstrap.draw("aa")) is None


def test_intervals_of_few_groups_hold_the_truth_nearly_as_often_as_they_say():
    draw, held = np.random.default_rng(0), {"plain": 0, "expanded": 0, "examples": 0}
    for seed in range(300):
        groups = np.repeat(np.arange(10), draw.integers(1, 9, 10))
        values = draw.normal(size=10)[groups] + draw.normal(size=len(groups))
        for name, bootstrap in (
            ("groups", Bootstrap.draw(groups.tolist(), seed, 400)),
            ("examples", Bootstrap.draw(range(len(groups)), seed, 400)),
        ):
            means = bootstrap.means(values)
            low, high = np.percentile(means, [2.5, 97.5])
            held["plain" if name == "groups" else name] += low <= 0 <= high
            if name == "groups":
                low, high = interval(means, 10)
                held["expanded"] += low <= 0 <= high
    assert held["examples"] < 0.75 * 300 < held["plain"] < held["expanded"]
    assert held["expanded"] > 0.91 * 300


def test_the_mean_over_seeds_has_an_interval_with_their_spread():
    assert seed_spread([0.3]) == 0.0
    low, high = stats.t.interval(0.95, 2, np.mean([0.1, 0.2, 0.4]), stats.sem([0.1, 0.2, 0.4]))
    assert seed_spread([0.1, 0.2, 0.4]) == pytest.approx((high - low) / 2)
    assert widened((0.0, 4.0), 1.0, 0.0) == (0.0, 4.0)
    assert widened((-2.0, 5.0), 1.0, 4.0) == (-4.0, 1.0 + np.sqrt(32))
    assert widened(None, 1.0, 4.0) is None


def test_p_agrees_with_the_interval():
    draw = np.random.default_rng(2)
    for n in (5, 10, 50):
        for shift in np.linspace(0, 1.5, 9):
            values = draw.normal(shift, 1, n)
            for spread in (0.0, 0.3):
                found = paired_difference(values, np.zeros(n), Bootstrap.draw(range(n)), spread)
                outside = found.ci95[0] > 0 or found.ci95[1] < 0
                assert (found.p < 0.05) == outside or found.p == pytest.approx(0.05, abs=0.01)
    assert paired_difference([1.0, 2.0, 1.5], np.zeros(3), Bootstrap.draw(range(3))).p > 0.2  # 1 in 27 is the rarest


def test_paired_differences_find_what_unpaired_ones_miss():
    generator = np.random.default_rng(0)
    base = generator.normal(size=300)
    worse = base + 0.05 + 0.01 * generator.normal(size=300)
    difference = paired_difference(worse, base, Bootstrap.draw(range(300)))
    assert difference.mean == pytest.approx(0.05, abs=0.005)
    assert difference.ci95[0] > 0.04
    assert difference.p < 0.01
    assert paired_difference(base, base[::-1], Bootstrap.draw(range(300))).p > 0.2
