"""Directions: equations 6 and 7 exactly, orthogonal directions, and what moving does to linear readings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestige.intervals import Bootstrap
from vestige.probes.directions.directions import (
    Direction,
    Effects,
    attribute_directions,
    change_matrix,
    effect_rows,
    lambda_range,
    move,
    orthogonal_part,
    pictures_along,
    unit_vector,
)

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 20), st.integers(1, 9))
def test_moving_exchanges_the_part_along_the_direction_and_nothing_else(seed, d, n):
    generator = np.random.default_rng(seed)
    features, lambdas = generator.normal(size=(n, d)), generator.normal(size=n)
    w = unit_vector(generator.normal(size=d))
    moved = move(features, w, lambdas)
    assert moved @ w == pytest.approx(lambdas, abs=1e-12)  # w f' = lambda
    across = np.eye(d) - np.outer(w, w)
    assert moved @ across == pytest.approx(features @ across, abs=1e-12)  # f~ stays
    assert move(features, w, features @ w) == pytest.approx(features, abs=1e-12)  # eq. 6
    assert move(moved, w, 0.5) == pytest.approx(move(features, w, np.full(n, 0.5)), abs=1e-12)


@given(SEEDS, st.integers(3, 30), st.integers(1, 2), st.booleans())
def test_an_orthogonal_direction_is_what_least_squares_leaves(seed, d, k, repeated):
    generator = np.random.default_rng(seed)
    vector, others = generator.normal(size=d), generator.normal(size=(k, d))
    if repeated:  # a dependent one adds nothing to the span
        others = np.concatenate([others, others.sum(axis=0, keepdims=True), np.zeros((1, d))])
    found = orthogonal_part(vector, others)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert others @ found == pytest.approx(np.zeros(len(others)), abs=1e-10)
    left = vector - others.T @ np.linalg.lstsq(others.T, vector, rcond=None)[0]
    assert found == pytest.approx(left / np.linalg.norm(left), abs=1e-8)


def test_what_lies_in_the_span_of_others_has_no_orthogonal_part():
    others = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1e-3]])
    with pytest.raises(ValueError, match="in the span"):
        orthogonal_part(others[0] - 3 * others[1], others)
    with pytest.raises(ValueError, match="no direction"):
        unit_vector(np.zeros(3))


def test_each_attribute_has_a_direction_and_one_orthogonal_to_the_others_asked_for():
    coef = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
    names = ("glasses", "male", "young")
    found = attribute_directions(coef, names, ["male", "glasses"], ["male", "young", "male"])
    assert [direction.name for direction in found] == [
        "male",
        "male, orthogonal to young",
        "glasses",
        "glasses, orthogonal to male and young",
    ]
    assert [direction.method for direction in found] == ["ridge", "orthogonal"] * 2
    for direction in found:
        own = coef[names.index(direction.attribute)]
        assert direction.unit @ own > 0  # towards more of it
        for other in direction.others:
            assert direction.unit @ coef[names.index(other)] == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="male: "):
        attribute_directions(0 * coef, names, ["male"], [])


def test_lambda_goes_over_quantiles_of_the_projections_and_is_stretched_about_their_middle():
    projections = np.random.default_rng(0).permutation(101).astype(float)
    assert lambda_range(projections, 0.01) == pytest.approx((1, 99))
    assert lambda_range(projections, 0.1, 2.0) == pytest.approx((-30, 130))
    assert lambda_range(projections, 0.0) == (0, 100)
    assert Direction("x", (), np.ones(1), 2.0, 4.0).steps(5).tolist() == [2, 2.5, 3, 3.5, 4]


def made_directions(generator, d):
    coef = generator.normal(size=(3, d)).astype(np.float32)
    found = attribute_directions(coef, ("a", "b", "c"), ["a", "c"], ["b"])
    return coef, [Direction(x.attribute, x.others, x.unit, -0.5 - k, 1.0 + k) for k, x in enumerate(found)]


def test_changes_are_those_of_moved_features_read_by_the_regressors():
    generator = np.random.default_rng(1)
    coef, directions = made_directions(generator, 15)
    features, deviations = generator.normal(size=(6, 15)), np.array([0.5, 2.0, 3.0])
    matrix = change_matrix(directions, coef, deviations)
    for row, direction in zip(matrix, directions, strict=True):
        ends = [move(features, direction.unit, at) @ coef.T / deviations for at in (direction.low, direction.high)]
        assert ends[1] - ends[0] == pytest.approx(np.tile(row, (6, 1)), abs=1e-6)
    by_name = {direction.name: row for direction, row in zip(directions, matrix, strict=True)}
    assert by_name["a, orthogonal to b"][1] == pytest.approx(0, abs=1e-6)


def test_pictures_along_a_direction_are_regressed_from_the_moved_representation():
    generator = np.random.default_rng(2)
    size, d = 4, 15
    _, directions = made_directions(generator, d)
    regressors, intercept = generator.normal(size=(size * size * 3, d)) * 0.05, np.full(size * size * 3, 0.5)
    features = generator.normal(size=(2, d))
    units = np.stack([direction.unit for direction in directions])
    pictures = list(
        pictures_along(
            directions,
            (features @ regressors.T + intercept).astype(np.float32),
            features @ units.T,
            (units @ regressors.T).astype(np.float32),
            3,
            size,
        )
    )
    expected = [
        move(f[None], direction.unit, at)[0] @ regressors.T + intercept
        for f in features
        for direction in directions
        for at in direction.steps(3)
    ]
    drawn = np.clip(np.stack(expected), 0, 1).reshape(-1, size, size, 3) * 255
    assert np.abs(np.stack([picture.read() for picture in pictures]) - drawn).max() <= 0.51
    assert len({picture.digest() for picture in pictures}) == len(pictures)


def test_rows_of_changes_and_leaks():
    names = ("a", "b", "c")
    unit = np.ones(1)
    directions = [Direction("a", (), unit), Direction("a", ("b",), unit), Direction("c", (), unit)]
    own = np.array([[4.0, -1.0, 0.5], [3.0, 0.0, 0.5], [1.0, np.nan, 5.0]])
    reencoded = np.zeros((8, 3, 2, 3))
    reencoded[:, 0, 1, 0] = np.arange(8)  # the change of the first direction's own reading, by face
    rows = effect_rows(directions, names, Effects(own, own / 2, reencoded), 20, Bootstrap.draw(range(8)))
    found = {(row.method, row.metric, row.subset): row for row in rows}
    values = {key[1:]: row.value for key, row in found.items() if key[0] == "ridge" and key[1] in ("change", "leak")}
    assert values[("change", "a")] == 4.0
    assert values[("change", "all")] == 4.5
    assert values[("leak", "a > b")] == -1.0
    assert ("leak", "c > b") not in values  # not known
    assert found["orthogonal", "change_other_half", "all"].value == 1.5
    assert found["orthogonal", "leak", "a > b"].value == 0.0
    again = found["ridge", "change_reencoded", "a"]
    assert (again.value, again.n, found["ridge", "change", "a"].n) == (3.5, 8, 20)
    assert found["ridge", "change", "a"].ci95 is None
    assert again.ci95[0] < 3.5 < again.ci95[1]
    without = effect_rows(directions, names, Effects(own, own, np.zeros((0, 3, 2, 3))), 20, Bootstrap.draw(()))
    assert not any("reencoded" in row.metric for row in without)
