"""The distance transform against its definition."""

import numpy as np
import pytest

from vestige.correspondence.flow.propagation import squared_distance_transform
from vestige.errors import VestigeError


def by_definition(costs, beta, shift):
    height, width = costs.shape
    sy, sx = np.indices(costs.shape)
    out = np.empty(costs.shape)
    for y in range(height):
        for x in range(width):
            distance = (x - shift[0] - sx) ** 2 + (y - shift[1] - sy) ** 2
            out[y, x] = (costs.astype(np.float64) + beta * distance).min()
    return out


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (5, 8), (17, 13)])
@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (3, -2)])
@pytest.mark.parametrize("beta", [1e-6, 3e-3, 0.1, 1.0, 50.0])
def test_it_equals_its_definition(shape, shift, beta):
    costs = (np.random.default_rng(7).random(shape) * 1.4).astype(np.float32)
    np.testing.assert_allclose(
        squared_distance_transform(costs, beta, shift), by_definition(costs, beta, shift), rtol=1e-6, atol=1e-7
    )


def test_parabolas_that_meet_in_one_point_and_flat_costs():
    x = np.arange(6)
    ties = np.stack([-(x**2.0), np.zeros(6), x * 1.0])  # of beta 1, every parabola of the first row passes through 0
    np.testing.assert_allclose(squared_distance_transform(ties, 1.0), by_definition(ties, 1.0, (0, 0)), atol=1e-6)


def test_costs_of_very_different_size():
    costs = np.array([[1e6, 0.25, 1e6, 3e5, 0.5, 1e6]])
    np.testing.assert_allclose(squared_distance_transform(costs, 0.01), by_definition(costs, 0.01, (0, 0)), rtol=1e-6)


@pytest.mark.parametrize("costs", [np.zeros(3), np.zeros((0, 3)), np.array([[np.nan]]), np.array([[np.inf, 1]])])
def test_what_is_no_grid_of_costs_is_refused(costs):
    with pytest.raises(VestigeError, match="expected a grid"):
        squared_distance_transform(costs, 1.0)


@pytest.mark.parametrize("beta", [0.0, -1.0, np.nan, np.inf])
def test_beta_must_be_positive(beta):
    with pytest.raises(VestigeError, match="beta"):
        squared_distance_transform(np.zeros((2, 2)), beta)
