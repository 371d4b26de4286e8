"""Targets in blocks give what all targets at once give, and are held one at a time."""

from __future__ import annotations

import pickle
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.merging import merged_in_pairs
from vestige.ridge import Moments, RidgeSolution, fit_chunks, fit_rows
from vestige.ridge import rows as rows_of_fits
from vestige.ridge.plan import LEAST_TARGETS, ProblemSize, choose_form, primal_bytes, target_block

T = 2 * LEAST_TARGETS + 100  # three blocks where memory is short


def data(n: int = 48, d: int = 5, t: int = T) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) + 3
    return X, X @ rng.normal(size=(d, t)) + rng.normal(size=(n, t)) * np.logspace(-1, 1.5, t), np.arange(n) % 4


def chunks(X: Any, Y: Any, folds: Any, *more: Any, size: int = 10) -> list[Any]:
    parts = (X, Y, folds, *more)
    return [tuple(None if p is None else p[a : a + size] for p in parts) for a in range(0, len(X), size)]


def assert_same(found: RidgeSolution, want: RidgeSolution) -> None:
    np.testing.assert_array_equal(found.alpha, want.alpha)
    np.testing.assert_array_equal(found.uncertain, want.uncertain)
    for name in ("coef", "intercept"):
        np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-8, atol=1e-10)
    known = ~np.isnan(found.scores)
    np.testing.assert_allclose(found.scores[known], want.scores[known], rtol=1e-8)


@pytest.mark.parametrize("per_target", [True, False])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
def test_blocks_equal_all_at_once(per_target: bool, masked: bool, intercept: bool) -> None:
    X, Y, folds = data()
    w = np.random.default_rng(1).uniform(0.5, 2, len(X))
    mask = np.ones(Y.shape, bool)
    if masked:
        mask[:5, :10] = mask[20:30, T // 2 :] = False
    args: Any = ([0.1, 1.0, 10.0, 1e3], per_target, w, mask, intercept, "primal", True)
    want = fit_rows(X, Y, folds, *args)
    found = fit_rows(X, Y, folds, *args, memory=0)
    assert_same(found, want)
    np.testing.assert_allclose(found.oof, want.oof, rtol=1e-8, atol=1e-10)
    assert found.at_boundary == pytest.approx(want.at_boundary)
    stream = chunks(X, Y, folds, w, mask)
    assert_same(fit_chunks(stream, args[0], per_target, intercept, "primal", memory=0), want)


@pytest.mark.parametrize("per_target", [True, False])
def test_blocks_share_one_automatic_grid(per_target: bool) -> None:
    X, Y, folds = data()
    want = fit_rows(X, Y, folds, None, per_target, form="primal")
    found = fit_rows(X, Y, folds, None, per_target, form="primal", memory=0)
    assert_same(found, want)
    np.testing.assert_array_equal(found.alphas, want.alphas)
    assert found.scores.shape == want.scores.shape
    assert found.at_boundary <= want.at_boundary  # a block may stop widening before others


def test_each_block_reads_the_rows_once_and_goes_to_disk(tmp_path: Path) -> None:
    X, Y, folds = data()

    class Counted:
        reads = 0

        def __iter__(self) -> Any:
            self.reads += 1
            yield from chunks(X, Y, folds)

    rows = Counted()
    path = tmp_path / "coef.npy"
    found = fit_chunks(rows, [1.0], form="primal", n_folds=4, dtype="float32", coef_path=path, memory=0)
    assert rows.reads == 1 + 3  # one look at the shapes, one pass for each block
    assert isinstance(found.coef, np.memmap)
    assert np.load(path).dtype == np.float32
    np.testing.assert_allclose(np.load(path), fit_rows(X, Y, folds, [1.0]).coef, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("per_target", [True, False])
def test_one_block_is_held_at_a_time(per_target: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, folds = data()
    made: list[Any] = []
    held: list[int] = []
    zeros = Moments._zeros

    def watched(self: Moments, *shape: int) -> Any:
        tensor = zeros(self, *shape)
        if shape[:2] == (4, 5) and len(shape) == 3 and shape[2] != 5:  # sums over x yT
            made.append(weakref.ref(tensor))
            held.append(sum(alive.shape[2] for ref in made if (alive := ref()) is not None))
        return tensor

    monkeypatch.setattr(Moments, "_zeros", watched)
    fit_chunks(chunks(X, Y, folds), [0.1, 1.0], per_target, form="primal", n_folds=4, memory=0)
    assert sum(ref().shape[2] for ref in made if ref() is not None) == 0
    assert max(held) <= -(-T // 3) + 1  # and one target's, which goes along with the sums over X


def test_rows_that_change_between_passes_are_refused() -> None:
    X, Y, folds = data()

    class Growing:
        reads = 0

        def __iter__(self) -> Any:
            self.reads += 1
            yield from chunks(X, Y, folds)[: 3 + (self.reads > 2)]

    with pytest.raises(VestigeError, match=r"30 rows .* 40 "):
        fit_chunks(Growing(), [1.0], form="primal", n_folds=4, memory=0)
    m = Moments(5, 2, 4).update(X, Y[:, :2], folds)
    with pytest.raises(VestigeError, match="a target is missing"):
        m.for_targets(1).update(X, Y[:, :1], folds, mask=np.arange(48)[:, None] > 0)


def test_a_bad_target_in_a_later_block_is_named_by_its_column() -> None:
    X, Y, folds = data()
    Y[17, T - 1] = np.nan
    with pytest.raises(VestigeError, match=f"Y is nan at row 17.* {T - 1} "):
        fit_chunks(chunks(X, Y, folds), [1.0], form="primal", n_folds=4, memory=0)


def test_the_plan_keeps_to_memory() -> None:
    size = ProblemSize(15_000, 4_096, 18_900, 4)
    block = target_block(size, 3 * 2**30)
    assert block < size.t
    assert primal_bytes(ProblemSize(15_000, 4_096, block, 4)) <= 3 * 2**30
    assert target_block(ProblemSize(49_000, 4_096, 6_348, 4)) == 6_348
    assert choose_form(ProblemSize(15_000, 4_096, 1_000_000, 4)) == "primal"


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("per_target", "memory"), [(True, 2**32), (False, 2**32), (True, 0), (False, 0)])
def test_moments_that_others_gather_give_the_same_fit(
    stored: bool, masked: bool, per_target: bool, memory: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y, folds = data()
    mask = np.ones(Y.shape, bool)
    if masked:
        mask[:5, :10] = mask[20:30, T // 2 :] = False
    sent: list[int] = []

    def spread(gather: Any, shards: Any) -> Moments:
        sent.append(len(shards))
        parts = [pickle.loads(pickle.dumps(gather))(pickle.loads(pickle.dumps(shard))) for shard in shards]
        return merged_in_pairs(parts, Moments.merge)

    monkeypatch.setattr(rows_of_fits, "SHARD_ROWS", 7)
    if stored:
        np.save(tmp_path / "x.npy", X)
        X = np.load(tmp_path / "x.npy", mmap_mode="r")
    args: Any = ([0.1, 1.0, 10.0, 1e3], per_target, None, mask, True, "primal", True)
    want = fit_rows(X, Y, folds, *args)
    found = fit_rows(X, Y, folds, *args, memory=memory, spread=spread)
    assert set(sent) == {7}
    assert_same(found, want)
    np.testing.assert_allclose(found.oof, want.oof, rtol=1e-8, atol=1e-10)
