"""Exact neighbours, against brute force and faiss, and the order of those that are equally near."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from vestige.correspondence.search import nearest_rows as search
from vestige.correspondence.search.nearest_rows import blocks, nearest_rows
from vestige.errors import VestigeError


def made(n=3000, m=40, dim=24, seed=0, clusters=30):
    """Features as a store has them (float16 numbers), in clusters, so that neighbours are near."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dim))
    rows = np.abs(centres[rng.integers(clusters, size=n)] + 0.2 * rng.normal(size=(n, dim)))
    queries = np.abs(centres[rng.integers(clusters, size=m)] + 0.2 * rng.normal(size=(m, dim)))
    return queries.astype(np.float16).astype(np.float32), rows.astype(np.float16).astype(np.float32)


def brute(queries, rows, k, allowed):
    """Rows and cosines by plain float64, the lower row first where two are equal."""
    a, b = queries.astype(np.float64), rows.astype(np.float64)
    cosines = np.array([[x @ y / np.sqrt((x @ x) * (y @ y)) for y in b] for x in a])
    cosines[~allowed] = -np.inf
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(cosines, order, axis=1)


def found(queries, rows, k, **options):
    return nearest_rows(queries, lambda start, stop: rows[start:stop], len(rows), k, **options)


@pytest.mark.parametrize("k", [1, 7, 40])
def test_neighbours_are_those_of_brute_force(k):
    queries, rows = made(n=900, m=25)
    rng = np.random.default_rng(1)
    spans = np.sort(rng.integers(0, len(rows), (len(queries), 2)), axis=1)
    spans[::5] = 0  # these pass over nothing
    usable = rng.random(len(rows)) < 0.9
    allowed = np.tile(usable, (len(queries), 1))
    for query, (first, last) in enumerate(spans):
        allowed[query, first:last] = False
    expected, cosines = brute(queries, rows, k, allowed)
    answer = found(queries, rows, k, excluded=spans, usable=usable)
    assert answer.rows.tolist() == expected.tolist()
    np.testing.assert_allclose(answer.similarity, cosines, rtol=0, atol=1e-14)


def test_neighbours_are_those_of_faiss():
    queries, rows = made(n=20_000, m=64)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    cosines, expected = index.search(queries / np.linalg.norm(queries, axis=1, keepdims=True), 10)
    answer = found(queries, rows, 10)
    np.testing.assert_allclose(answer.similarity, cosines, atol=3e-6)
    apart = np.diff(-answer.similarity, axis=1, prepend=-np.inf, append=np.inf) > 1e-5  # float32 may swap closer ones
    settled = apart[:, :-1] & apart[:, 1:]
    assert settled.mean() > 0.9
    assert np.array_equal(answer.rows[settled], expected[settled])


def test_of_equals_the_first_is_taken_however_the_rows_are_cut(monkeypatch):
    queries, rows = made(n=600, m=12)
    rows = np.tile(rows[:100], (7, 1))[:650]  # each row six or seven times, far apart
    expected, _ = brute(queries, rows, 9, np.ones((12, 650), dtype=bool))
    answers = []
    for first, product in ((16, 1 << 25), (1, 12), (3, 12 * 50), (1000, 1 << 25)):
        monkeypatch.setattr(search, "FIRST_BLOCK", first)
        monkeypatch.setattr(search, "PRODUCT", product)
        monkeypatch.setattr(search, "_SCORED", 64)
        answers.append(found(queries, rows, 9))
    for answer in answers:
        assert answer.rows.tolist() == expected.tolist()
        assert np.array_equal(answer.similarity, answers[0].similarity)


def test_what_float32_cannot_tell_apart_is_told_apart():
    base = np.full(64, 1.0, dtype=np.float32)
    rows = np.tile(base, (5000, 1))
    odd = np.random.default_rng(0).permutation(5000)[:3]
    for rank, row in enumerate(odd):  # all the others are turned by 1.5e-5 away from the query, these by less
        rows[row, 0] = 1 + 2.0**-10 * (1 + rank) / 4
    rows[np.setdiff1d(np.arange(5000), odd), 0] = 1 + 2.0**-10
    cosines = np.float32(rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ np.float32(base / 8)
    assert len(np.unique(cosines[odd])) < 3  # a product in float32 cannot do it
    assert found(base[None], rows, 3).rows.tolist() == [odd.tolist()]


def test_rows_that_get_ever_nearer_are_all_considered():
    angle = np.linspace(1.5, 0.1, 4000)
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    assert found(np.array([[1, 0]], dtype=np.float32), rows, 3).rows.tolist() == [[3999, 3998, 3997]]


def test_zeros_are_like_nothing():
    rows = np.array([[0, 0], [1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    answer = found(np.array([[2, 0], [0, 0]], dtype=np.float32), rows, 4)
    assert answer.rows.tolist() == [[1, 0, 2, 3], [0, 1, 2, 3]]
    assert answer.similarity.tolist() == [[1, 0, 0, -1], [0, 0, 0, 0]]


def test_blocks_cover_all_rows_once_and_grow():
    for n, first, largest in ((1, 16, 100), (16, 16, 16), (1000, 7, 64), (1000, 500, 10)):
        cuts = list(blocks(n, first, largest))
        assert [start for start, _ in cuts[1:]] == [stop for _, stop in cuts[:-1]]
        assert (cuts[0][0], cuts[-1][1]) == (0, n)
        assert all(stop - start <= max(first, min(start, largest)) for start, stop in cuts)


def test_too_few_are_told():
    queries, rows = made(n=10, m=2)
    spans = np.array([[0, 0], [2, 9]])
    assert found(queries, rows, 3, excluded=spans).rows.min() >= 0
    with pytest.raises(VestigeError, match="only 3 patches"):
        found(queries, rows, 4, excluded=spans)
    with pytest.raises(VestigeError, match="only 1 patches"):
        found(queries, rows, 2, excluded=spans, usable=np.arange(10) % 9 > 0)
    with pytest.raises(VestigeError, match="at least one"):
        found(queries, rows, 0)
