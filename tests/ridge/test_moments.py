"""Moments: what they hold, what they refuse, and that they survive the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vestige.errors import VestigeError
from vestige.ridge import Moments, RidgeError, fit


def data(n: int = 30, d: int = 4, t: int = 3, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 2, rng.normal(size=(n, t)) - 1, rng.integers(0, 3, n)


def test_sums_are_those_of_the_rows() -> None:
    X, Y, fold = data()
    weight = np.random.default_rng(1).uniform(0, 2, 30)
    m = Moments(4, 3, 3, "float64").update(X, Y, fold, weight)
    zero_x, zero_y = -m.shift_x, -m.shift_y
    for k in range(3):
        at = fold == k
        w, x, y = weight[at, None], X[at], Y[at]
        np.testing.assert_allclose(m.weight[0, k], w.sum())
        np.testing.assert_allclose(m.scatter(0, k, zero_x), (w * x).T @ x)
        xy, yy = m.covariance([k], slice(0, 3), zero_x, zero_y)
        np.testing.assert_allclose(xy, (w * x).T @ y)
        np.testing.assert_allclose(yy, (w * y * y).sum(0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint8, np.int32, np.uint16, np.int64, bool])
def test_any_real_dtype_counts_as_its_numbers(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    X, Y = rng.integers(0, 2, (24, 3)).astype(dtype), rng.integers(0, 2, (24, 2)).astype(dtype)
    fold = np.arange(24) % 4
    one = Moments(3, 2, 4, "float64").update(X, Y, fold)
    two = Moments(3, 2, 4, "float64").update(X.astype(float), Y.astype(float), fold)
    np.testing.assert_allclose(one.xx[0], two.xx[0], atol=1e-6)
    np.testing.assert_allclose(one.xy, two.xy, atol=1e-6)


def test_tensors_and_odd_memory_layouts_are_taken() -> None:
    X, Y, fold = data()
    want = Moments(4, 3, 3, "float64").update(X, Y, fold)
    backwards = Moments(4, 3, 3, "float64").update(X[::-1], Y[::-1], fold[::-1])
    tensors = Moments(4, 3, 3, "float64").update(torch.from_numpy(X), torch.from_numpy(Y), fold)
    np.testing.assert_allclose(tensors.xx[0], want.xx[0])
    np.testing.assert_allclose(fit(backwards, [1.0]).coef, fit(want, [1.0]).coef)


def test_a_scalar_fold_is_the_fold_of_all_rows() -> None:
    X, Y, _ = data()
    m = Moments(4, 3, 2).update(X, Y, 1)
    assert m.weight.tolist() == [[0.0, 30.0]]


def test_float32_keeps_its_precision_far_from_the_origin() -> None:
    X, Y, fold = data(400)
    near = Moments(4, 3, 3, "float64").update(X, Y, fold)
    far = Moments(4, 3, 3, "float32").update((X + 1000).astype(np.float64), Y + 1000, fold)
    np.testing.assert_allclose(fit(far, [1.0]).coef, fit(near, [1.0]).coef, rtol=1e-4)


def test_save_and_load_give_the_same_moments(tmp_path: Path) -> None:
    X, Y, fold = data()
    mask = np.random.default_rng(3).random(Y.shape) > 0.2
    m = Moments(4, 3, 3).update(X, Y, fold, mask=mask)
    m.save(tmp_path / "moments.safetensors")
    back = Moments.load(tmp_path / "moments.safetensors")
    assert (back.n_rows, back.dtype, len(back.xx)) == (m.n_rows, m.dtype, 3)
    np.testing.assert_array_equal(fit(back, [1.0, 10.0]).coef, fit(m, [1.0, 10.0]).coef)
    back.update(X, Y, fold)
    assert [path.name for path in tmp_path.iterdir()] == ["moments.safetensors"]


TENSORS: dict[str, Any] = {
    "sums of fewer features": lambda tensors: {"sx": tensors["sx"][..., 1:].contiguous()},
    "no sums": lambda tensors: {"xy": tensors["xy"].sum()},
    "not finite": lambda tensors: {"yy": tensors["yy"] * torch.nan},
    "another dtype": lambda tensors: {"xx": tensors["xx"].float()},
    "a group that is not there": lambda tensors: {"group": tensors["group"] + 7},
    "as it was": lambda tensors: tensors,
}
ABOUT = {
    "nested": "[" * 100_000,
    "rows": '{"moments": 1, "n_rows": -1, "dtype": "float32"}',
    "dtype": '{"moments": 1, "n_rows": 9, "dtype": []}',
    "as it was": '{"moments": 1, "n_rows": 30, "dtype": "float32"}',
}


@pytest.mark.parametrize(
    ("change", "about"), [(name, "as it was") for name in TENSORS][:-1] + [("as it was", name) for name in ABOUT]
)
def test_moments_that_do_not_fit_together_are_refused(tmp_path: Path, change: str, about: str) -> None:
    X, Y, fold = data()
    path = tmp_path / "moments.safetensors"
    Moments(4, 3, 3).update(X, Y, fold).save(path)
    tensors = load_file(path)
    save_file(tensors | TENSORS[change](tensors), path, {"vestige": ABOUT[about]})
    if change == about:
        assert Moments.load(path).n_rows == 30
        return
    with pytest.raises(RidgeError, match=r"moments\.safetensors: "):
        Moments.load(path)


@pytest.mark.parametrize("content", [b"", b"not moments", bytes(100)])
def test_load_of_something_else_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(VestigeError, match=str(path)):
        Moments.load(path)
    with pytest.raises(VestigeError, match="nowhere"):
        Moments.load(tmp_path / "nowhere")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named_by_row_and_column_and_nothing_is_added(value: float) -> None:
    X, Y, fold = data()
    m = Moments(4, 3, 3).update(X, Y, fold)
    before = m.xx[0].clone()
    bad = X.copy()
    bad[7, 2] = value
    with pytest.raises(VestigeError, match=r"X is .* row 37.* 2"):
        m.update(bad, Y, fold)
    bad = Y.copy()
    bad[0, 1] = value
    with pytest.raises(VestigeError, match=r"Y is .* row 30.* 1"):
        m.update(X, bad, fold)
    assert torch.equal(m.xx[0], before)
    mask = np.ones(Y.shape, bool)
    mask[0, 1] = False
    m.update(X, bad, fold, mask=mask)  # behind the mask nothing is looked at
    assert np.isfinite(fit(m, [1.0]).coef).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((30, 5))}, "X has 5 columns"),
        ({"Y": np.zeros((30, 2))}, "Y has 2 columns"),
        ({"Y": np.zeros((29, 3))}, "Y has 29 rows, X has 30"),
        ({"fold": 3}, "fold is 3 at row 0"),
        ({"fold": np.zeros(29, int)}, "fold has shape"),
        ({"fold": 0.5}, "whole number"),
        ({"sample_weight": np.full(30, -1.0)}, "sample_weight is -1.0 at row 0"),
        ({"sample_weight": np.ones(3)}, "sample_weight has shape"),
        ({"mask": np.ones((30, 3))}, "expected bool"),
        ({"X": np.full((30, 4), "a")}, "real numbers"),
        ({"X": np.zeros((30, 4, 1))}, "two dimensions"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    X, Y, fold = data()
    with pytest.raises(VestigeError, match=message):
        Moments(4, 3, 3).update(**({"X": X, "Y": Y, "fold": fold} | change))


@pytest.mark.parametrize("args", [(0, 1, 2), (1, 0, 2), (1, 1, 1), (1, 1, 2, "float16"), (1, 1, 2, "float32", "meta")])
def test_sizes_and_kinds_that_make_no_sense_are_refused(args: Any) -> None:
    with pytest.raises(VestigeError):
        Moments(*args)


def test_merge_of_different_sizes_is_refused() -> None:
    with pytest.raises(VestigeError, match="merge"):
        Moments(2, 1, 2).merge(Moments(3, 1, 2))
