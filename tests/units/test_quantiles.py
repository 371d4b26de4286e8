"""The sketch of quantiles, against numpy on all values at once and against Apache's sketch."""

import datasketches
import numpy as np
import pytest

from vestige.units.quantiles import Quantiles

SHARES = np.array([0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.995])


def drawn(n=60_000, units=7, seed=0):
    draw = np.random.default_rng(seed)
    return (draw.gamma(0.7, size=(n, units)) * np.arange(1, units + 1)).astype(np.float32)


def rank_errors(found, values):
    """Shares of the values below each found quantile, less what was asked for: ``(C, q)``."""
    return np.stack([(values[:, [c]] < found[c]).mean(axis=0) - SHARES for c in range(values.shape[1])])


@pytest.mark.parametrize("batch", [100, 1000, 60_000])
def test_shares_are_off_by_less_than_is_stated(batch):
    values, sketch = drawn(), Quantiles(7, capacity=400)
    for i in range(0, len(values), batch):
        sketch.add(values[i : i + batch])
    errors = rank_errors(sketch.at(SHARES), values)
    assert sketch.n == len(values)
    assert sum(level.shape[1] for level in sketch.levels) < 1300
    assert np.abs(errors).max() < 1.5 * sketch.error  # 56 of them, each below the bound in 95 of 100 cases
    assert np.mean(np.abs(errors) < sketch.error) > 0.9
    assert sketch.error < 2 * datasketches.kll_floats_sketch.get_normalized_rank_error(400, False)
    np.testing.assert_array_equal(sketch.at([0, 1]), np.stack([values.min(axis=0), values.max(axis=0)], axis=1))


def test_it_is_as_good_as_apaches():
    values, sketch = drawn(), Quantiles(7, capacity=400)
    sketch.add(values)
    theirs = datasketches.vector_of_kll_floats_sketches(400, 7)
    theirs.update(values)
    ours = np.abs(rank_errors(sketch.at(SHARES), values)).mean()
    assert ours < 3 * np.abs(rank_errors(np.asarray(theirs.get_quantiles(SHARES)), values)).mean() + 1e-4


def test_few_values_are_exact_and_seeds_repeat():
    values, sketch = drawn(399), Quantiles(7, capacity=400)
    sketch.add(values)
    assert sketch.error == 0
    np.testing.assert_array_equal(
        sketch.at(SHARES), np.quantile(values, SHARES, axis=0, method="inverted_cdf").astype(np.float32).T
    )
    a, b, c = Quantiles(7, 1, 64), Quantiles(7, 1, 64), Quantiles(7, 2, 64)
    for each in (a, b, c):
        each.add(drawn(5000))
    np.testing.assert_array_equal(a.at(SHARES), b.at(SHARES))
    assert (a.at(SHARES) != c.at(SHARES)).any()


def test_merging_and_going_on():
    values = drawn(30_000)
    parts = [Quantiles(7, seed, 400) for seed in range(3)]
    for i, part in enumerate(parts):
        part.add(values[i * 10_000 : (i + 1) * 10_000])
    whole = Quantiles.of(parts[0].arrays(), 0, 400)
    for part in parts[1:]:
        whole.merge(part)
    assert whole.n == 30_000
    assert np.abs(rank_errors(whole.at(SHARES), values)).max() < 2 * whole.error
