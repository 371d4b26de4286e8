"""Belief propagation against exact optima, by elimination on chains and trees and by columns on grids with cycles."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

from vestige.correspondence.flow.propagation import minimise, squared_distance_transform
from vestige.errors import VestigeError


def pairwise(target, dx, dy, weight):
    """``(L, L)``: of the label of a cell (rows) and that of its neighbour at (dx, dy)."""
    y, x = np.divmod(np.arange(target[0] * target[1]), target[1])
    return weight * ((x[None] - dx - x[:, None]) ** 2 + (y[None] - dy - y[:, None]) ** 2)


def energy_by_definition(unary, coupling, labels):
    height, width = labels.shape
    flat = unary.reshape(height, width, -1).astype(np.float64)
    total = 0.0
    for y in range(height):
        for x in range(width):
            total += flat[y, x, labels[y, x]]
            for axis, (dy, dx) in enumerate([(0, 1), (1, 0)]):
                if y + dy < height and x + dx < width:
                    table = pairwise(unary.shape[2:], dx, dy, coupling[axis, y, x])
                    total += table[labels[y, x], labels[y + dy, x + dx]]
    return total


def optimum_of_tree(unary, coupling):
    """The lowest energy where the edges of positive coupling form a tree: leaves first."""
    height, width = unary.shape[:2]
    flat = unary.reshape(height * width, -1).astype(np.float64)
    edges = {p: [] for p in range(height * width)}
    for axis, (dx, dy) in enumerate([(1, 0), (0, 1)]):
        for y, x in np.argwhere(coupling[axis] > 0):
            p, q, weight = y * width + x, (y + dy) * width + x + dx, coupling[axis, y, x]
            edges[p].append((q, dx, dy, weight))
            edges[q].append((p, -dx, -dy, weight))

    def costs(p, parent):
        below = flat[p].copy()
        for q, dx, dy, weight in edges[p]:
            if q != parent:
                below += (costs(q, p)[None] + pairwise(unary.shape[2:], dx, dy, weight)).min(axis=1)
        return below

    return costs(0, -1).min()


def optimum_of_grid(unary, beta):
    """The lowest energy of a grid of any kind: column by column, over all labels of a column's cells at once."""
    height, width = unary.shape[:2]
    flat = unary.reshape(height, width, -1).astype(np.float64)
    down, right = (pairwise(unary.shape[2:], dx, dy, beta) for dx, dy in [(0, 1), (1, 0)])
    count = flat.shape[2]
    best = np.zeros((count,) * height)
    for x in range(width):
        if x:
            for y in range(height):  # one cell's label is exchanged for its right neighbour's at a time
                moved = np.moveaxis(best, y, -1)
                best = np.moveaxis((moved[..., :, None] + right).min(axis=-2), -1, y)
        for y in range(height):
            best = best + flat[y, x].reshape([count if axis == y else 1 for axis in range(height)])
        for y in range(height - 1):
            best = best + down.reshape([count if axis in (y, y + 1) else 1 for axis in range(height)])
    return best.min()


def random_tree(rng, height, width, beta):
    count = height * width
    y, x = np.divmod(np.arange(count), width)
    first = np.concatenate([np.flatnonzero(x < width - 1), np.flatnonzero(y < height - 1)])
    second = first + np.where(np.arange(len(first)) < (x < width - 1).sum(), 1, width)
    tree = minimum_spanning_tree(coo_matrix((rng.random(len(first)) + 0.01, (first, second)), (count, count))).tocoo()
    coupling = np.zeros((2, height, width))
    for p, q in zip(tree.row, tree.col, strict=True):
        coupling[0 if q == p + 1 else 1, p // width, p % width] = beta * rng.uniform(0.5, 2)
    return coupling


def random_unary(rng, *shape):
    return (rng.random(shape) * 1.4).astype(np.float32)


@pytest.mark.parametrize("grid", [(1, 1), (1, 12), (12, 1)])
@pytest.mark.parametrize("beta", [1e-3, 0.1, 1.0])
def test_chains_are_exact_after_one_iteration(grid, beta):
    rng = np.random.default_rng(3)
    for _ in range(10):
        unary, coupling = random_unary(rng, *grid, 3, 4), np.zeros((2, *grid))
        coupling[0, :, :-1] = coupling[1, :-1] = beta
        found = minimise(unary, coupling, max_iterations=1)
        assert found.energy == pytest.approx(optimum_of_tree(unary, coupling), rel=1e-6)
        assert found.bound == pytest.approx(found.energy, rel=1e-5)


@pytest.mark.parametrize("beta", [0.01, 0.1, 1.0])
def test_trees_are_exact(beta):
    rng = np.random.default_rng(4)
    for _ in range(15):
        unary, coupling = random_unary(rng, 5, 5, 4, 3), random_tree(rng, 5, 5, beta)
        found = minimise(unary, coupling, tolerance=1e-7)
        assert found.energy == pytest.approx(optimum_of_tree(unary, coupling), rel=1e-6)


@pytest.mark.parametrize("target", [(3, 3), (1, 9)])
@pytest.mark.parametrize("beta", [3e-3, 0.1, 0.3, 1.0])
def test_grids_with_cycles_are_within_a_hundredth_of_their_optimum(target, beta):
    rng = np.random.default_rng(5)
    gaps = []
    for _ in range(20):
        unary = random_unary(rng, 3, 5, *target)
        found = minimise(unary, np.full((2, 3, 5), beta))
        optimum = optimum_of_grid(unary, beta)
        assert found.bound <= optimum * (1 + 1e-6)
        gaps.append(found.energy / optimum - 1)
    assert np.median(gaps) == pytest.approx(0, abs=1e-9)
    assert np.mean(np.array(gaps) < 0.01) >= 0.95


def test_the_energy_is_that_of_the_labels_and_unread_couplings_do_not_count():
    rng = np.random.default_rng(6)
    unary, coupling = random_unary(rng, 4, 3, 2, 5), rng.random((2, 4, 3))
    coupling[1, 1, 1] = 0
    found = minimise(unary, coupling)
    assert found.energy == pytest.approx(energy_by_definition(unary, coupling, found.labels), rel=1e-12)
    coupling[0, :, -1] = coupling[1, -1] = 1e9
    again = minimise(unary, coupling)
    np.testing.assert_array_equal(again.labels, found.labels)


def test_no_single_change_improves_what_is_returned():
    rng = np.random.default_rng(8)
    unary, coupling = random_unary(rng, 4, 4, 3, 3), np.full((2, 4, 4), 0.7)
    found = minimise(unary, coupling, max_iterations=1)
    for y, x, label in np.ndindex(4, 4, 9):
        other = found.labels.copy()
        other[y, x] = label
        assert energy_by_definition(unary, coupling, other) >= found.energy - 1e-9


def test_it_says_when_the_iterations_ran_out():
    unary = random_unary(np.random.default_rng(9), 6, 6, 6, 6)
    coupling = np.full((2, 6, 6), 0.2)
    short = minimise(unary, coupling, max_iterations=1, tolerance=0)
    full = minimise(unary, coupling)
    assert (short.iterations, short.converged) == (1, False)
    assert full.converged
    assert full.bound <= full.energy <= short.energy


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
