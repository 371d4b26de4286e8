"""What lots of pictures say of units adds up, however pictures are dealt out and in whatever order lots are merged."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestige.merging import merged_in_pairs
from vestige.units.dissect.sums import HIGHEST, LOWEST, Sums, merged
from vestige.units.quantiles import Quantiles
from vestige.units.top import TopPictures

UNITS, CELLS = 3, 12


@st.composite
def dealt(draw):
    """Maps ``(n, hw, C)`` with many equal values, and which pictures each lot has, in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 150))
    maps = np.round(rng.gamma(0.5, 2, (n, CELLS, UNITS)) - 0.5, draw(st.sampled_from([0, 3]))).astype(np.float32)
    lots = draw(st.integers(1, 6))
    of = rng.integers(0, lots, n)
    order = draw(st.permutations(range(lots)))
    return maps, [rng.permutation(np.flatnonzero(of == lot)) for lot in order]


def said_by(maps, rows, batch=7):
    """What pictures say, as a pass says it."""
    sums = Sums.empty(UNITS, 0)
    with ThreadPoolExecutor(1) as pool:
        for i in range(0, len(rows), batch):
            some = rows[i : i + batch]
            cells = np.broadcast_to(np.arange(8), (len(some), 8))
            sums.add(some.tolist(), maps[some], pool, cells)
    objects = (maps[rows] > 1).sum(axis=(0, 1)).astype(np.uint32)
    return {
        **{f"units/{key}": value for key, value in sums.arrays().items()},
        "units/table": np.tile(objects[:, None, None], (1, 2, 3)),
        "units/chance/table": np.zeros((UNITS, 0, 4), np.uint32),
        "units/largest": maps[rows].max(axis=(0, 1), initial=-np.inf).astype(np.float32),
        "sizes": np.array([len(rows), 2 * len(rows)]),
        "points": np.array(CELLS * len(rows)),
        "problem_rows": rows[:1],
        "problems": np.array([f"picture {row}" for row in rows[:1]] + [""])[:-1],
    }


@given(dealt())
def test_any_split_and_any_order_say_the_same(given_):
    maps, lots = given_
    whole = said_by(maps, np.arange(len(maps)))
    found = merged_in_pairs((said_by(maps, rows) for rows in lots), partial(merged, seed=0))
    largest = maps.max(axis=1)
    for which, sign, most in (("top", 1, HIGHEST), ("low", -1, LOWEST)):
        order = np.lexsort((np.tile(np.arange(len(maps))[:, None], (1, UNITS)), -sign * largest), axis=0)[:most]
        np.testing.assert_array_equal(found[f"units/{which}/rows"], order.T)
        np.testing.assert_array_equal(
            found[f"units/{which}/values"], np.take_along_axis(sign * largest, order, axis=0).T
        )
        for key in ("rows", "values", "places"):
            np.testing.assert_array_equal(found[f"units/{which}/{key}"], whole[f"units/{which}/{key}"])
    for key in ("units/above", "units/cells", "units/table", "units/chance/table", "units/largest", "sizes", "points"):
        np.testing.assert_array_equal(found[key], whole[key])
    np.testing.assert_allclose(found["units/total"], whole["units/total"], rtol=1e-12, atol=1e-9)
    assert sorted(found["problem_rows"].tolist()) == sorted(int(rows[0]) for rows in lots if len(rows))
    sketch = Sums.of(found, "units", 0).sketch
    assert sketch.n == 8 * len(maps)
    assert sketch.error == 0  # so few are all kept
    np.testing.assert_array_equal(sketch.at([0.1, 0.5, 0.9]), Sums.of(whole, "units", 0).sketch.at([0.1, 0.5, 0.9]))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_sketches_of_many_parts_keep_to_their_error(seed, lots):
    draw = np.random.default_rng(seed)
    values = draw.gamma(0.7, size=(20_000, 4)).astype(np.float32)
    cuts = np.sort(draw.integers(0, len(values), lots - 1))
    parts = []
    for part in np.split(values, cuts):
        parts.append(Quantiles(4, 0, 200))
        parts[-1].add(part)

    def together(one, other):
        one.merge(other)
        return one

    found = merged_in_pairs([parts[i] for i in draw.permutation(lots)], together)
    shares = np.array([0.05, 0.5, 0.95])
    off = [np.abs((values[:, [c]] < found.at(shares)[c]).mean(axis=0) - shares).max() for c in range(4)]
    assert found.n == len(values)
    assert np.max(off) < 2 * found.error  # the bound is one of 95 %, and half as much again is far beyond it


def test_a_list_that_a_batch_does_not_change_stays_what_it_is():
    places = np.zeros((2, 1), np.int32)
    top = TopPictures.none(1).with_batch([3, 5], np.array([[2.0], [2.0]], np.float32), places, 2)
    again = top.with_batch([1], np.array([[2.0]], np.float32), places[:1], 2)
    assert again.rows.tolist() == [[1, 3]]  # of equal values the earlier pictures stay
    assert top.with_batch([0], np.array([[1.0]], np.float32), places[:1], 2) is top


@pytest.mark.parametrize("n", range(1, 20))
def test_pairs_are_those_of_merging_level_by_level(n):
    level = [f"{k}" for k in range(n)]
    while len(level) > 1:
        level = [f"({level[i]}{level[i + 1]})" if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
    assert merged_in_pairs((f"{k}" for k in range(n)), lambda a, b: f"({a}{b})") == level[0]
