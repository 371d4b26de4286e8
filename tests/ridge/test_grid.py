"""Which alphas are scored, and that those passed over are not the best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.ridge import fit_rows, fitting
from vestige.ridge.checks import Bools, Floats
from vestige.ridge.grid import FIRST, choose, lowest


def ridge_errors(seed: int, alphas: Floats, t: int) -> Floats:
    """Expected squared errors (A, t) of ridge on independent features, in closed form: bias and variance."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 200))
    S = np.sort(10 ** rng.uniform(-4, 3, d))[:, None] if seed % 2 else np.arange(1.0, d + 1)[:, None] ** -2.0
    share = S / (S + alphas[:, None, None])  # (A, d, 1)
    signal = S * rng.standard_normal((d, t)) ** 2 * 10 ** rng.uniform(-2, 2, t)
    noise = 10 ** rng.uniform(-4, 2, t)
    return np.asarray(((1 - share) ** 2 * signal).sum(1) + (share**2).sum(1) * noise / d + noise)


def test_the_alphas_passed_over_are_not_the_best() -> None:
    """But for one target in thousands, of which two alphas far apart are about as good."""
    other, ratios = 0, []
    for seed in range(200):
        full = ridge_errors(seed, FIRST, 30)
        found = lowest(
            lambda some, wanted, full=full: np.where(wanted, full[np.searchsorted(FIRST, some)], np.nan),
            FIRST,
            np.ones_like(full, bool),
        )
        other += int((choose(found, True) != choose(full, True)).sum())
        ratios.append(found.min(0) / full.min(0))
    assert other <= 3  # of 6,000
    assert np.max(ratios) < 1.02


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.permutations(range(25)))
def test_scores_are_asked_for_once_and_given_back(seed: int, order: list[int]) -> None:
    alphas = FIRST[order]
    full = ridge_errors(seed, alphas, 30)
    asked: list[float] = []

    def score(some: Floats, wanted: Bools) -> Floats:
        asked.extend(some)
        at = [int(np.flatnonzero(alphas == alpha)[0]) for alpha in some]
        return np.where(wanted, full[at], np.nan)

    found = lowest(score, alphas, np.ones_like(full, bool))
    known = np.isfinite(found)
    np.testing.assert_array_equal(found[known], full[known])
    assert len(set(asked)) == len(asked)
    assert known[[np.argmin(alphas), np.argmax(alphas)]].all()


def test_few_alphas_are_scored_where_targets_agree() -> None:
    full = (np.log(FIRST)[:, None] + np.linspace(0, 1, 40)) ** 2 + 1
    found = lowest(lambda some, wanted: np.where(wanted, full[np.isin(FIRST, some)], np.nan), FIRST, full > 0)
    assert np.isfinite(found).any(axis=1).sum() <= 14
    np.testing.assert_array_equal(choose(found, True), choose(full, True))


@pytest.mark.parametrize(
    "alphas",
    [
        [0.0, 0.0, 1.0],
        [3.0],
        [1.0, 1.0, 1.0],
        [5.0, 0.0],
        [*np.geomspace(1, 1e-3, 40), 1.0, 0.0],
        [1e-300, 1e300],
    ],
)
def test_any_alphas_will_do(alphas: list[float]) -> None:
    """Zero, the same twice, any order and spacing; targets that are not wanted, or that nothing is known of."""
    grid = np.array(alphas)
    full = np.column_stack([np.abs(np.log(grid + 1e-2) + 2) + 1, np.full(len(grid), np.nan), np.full(len(grid), 2.0)])
    full = np.column_stack([full, full[:, 0]])
    wanted = np.ones_like(full, bool)
    wanted[:, 3] = False
    found = lowest(lambda some, asked: np.where(asked, full[[list(grid).index(a) for a in some]], np.inf), grid, wanted)
    assert full[np.argmin(found[:, 0]), 0] == full[:, 0].min()
    assert np.isnan(found[[0, -1]][:, 1]).any()
    np.testing.assert_array_equal(found[:, 2], full[:, 2])  # as good everywhere: the first is taken, as ever
    assert np.isinf(found[:, 3]).all()


@pytest.mark.parametrize("masked", [False, True])
def test_a_fit_to_many_rows_chooses_as_if_it_had_tried_all(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(17)
    n, d, t = 600, 700, 24
    X = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.6 + 1
    Y = X @ rng.standard_normal((d, t)) + np.logspace(-1, 1.5, t) * rng.standard_normal((n, t))
    mask = np.repeat(rng.random((n, 2)) < 0.9, t // 2, axis=1) if masked else None
    for alphas in (None, np.geomspace(1e-3, 1e4, 29)):
        some = fit_rows(X, Y, np.arange(n) % 4, alphas, mask=mask, form="dual")
        with monkeypatch.context() as patch:
            patch.setattr(fitting, "MANY_ROWS", n + 1)
            all_of_them = fit_rows(X, Y, np.arange(n) % 4, alphas, mask=mask, form="dual")
        known = ~np.isnan(some.scores)
        np.testing.assert_array_equal(some.alphas, all_of_them.alphas)
        np.testing.assert_array_equal(some.alpha, all_of_them.alpha)
        np.testing.assert_allclose(some.scores[known], all_of_them.scores[known], rtol=1e-12)
        assert known.sum() < 0.65 * (~np.isnan(all_of_them.scores)).sum()
        assert not some.uncertain.any()
        assert some.at_boundary == all_of_them.at_boundary
