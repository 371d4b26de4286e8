"""The corners of a fit: odd shapes, automatic alphas, disk, rechecking."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from sklearn.linear_model import Ridge

from vestige.errors import VestigeError
from vestige.ridge import Moments, fit, fit_chunks, fit_rows
from vestige.ridge.plan import ProblemSize, choose_form

FORMS = ["primal", "dual"]
ALPHAS = [0.1, 1.0, 10.0, 100.0]


def data(n: int = 48, d: int = 6, t: int = 4, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, X @ rng.normal(size=(d, t)) + rng.normal(size=(n, t)) * np.logspace(-1, 1, t), np.arange(n) % 4


@pytest.mark.parametrize("form", FORMS)
def test_constant_and_duplicated_columns(form: Any) -> None:
    X, Y, folds = data()
    X = np.concatenate([X, X, np.ones((48, 2)), np.zeros((48, 1))], axis=1)
    found = fit_rows(X, Y, folds, [0.0, 1.0], form=form)
    assert np.isfinite(found.scores).all()
    np.testing.assert_allclose(found.coef[:, :6], found.coef[:, 6:12], atol=1e-9)
    np.testing.assert_allclose(found.coef[:, 12:], 0, atol=1e-9)
    want = Ridge(1.0).fit(X, Y).coef_
    np.testing.assert_allclose(fit_rows(X, Y, folds, [1.0], form=form).coef, want, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_alpha_zero_is_least_squares_of_least_norm(form: Any) -> None:
    X, Y, folds = data(n=12, d=20)
    found = fit_rows(X, Y, folds, [0.0], form=form, fit_intercept=False)
    np.testing.assert_allclose(found.coef, (np.linalg.pinv(X) @ Y).T, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n", "d", "t"), [(2, 1, 1), (3, 1, 2), (5, 3, 1), (4, 9, 2)])
def test_one_row_per_fold_and_single_columns(form: Any, n: int, d: int, t: int) -> None:
    X, Y, _ = data(n, d, t)
    found = fit_rows(X, Y, np.arange(n), ALPHAS, form=form)
    for a, alpha in enumerate(ALPHAS):
        errors = []
        for row in range(n):
            rest = np.arange(n) != row
            errors.append((Ridge(alpha).fit(X[rest], Y[rest]).predict(X[[row]]).reshape(-1) - Y[row]) ** 2)
        np.testing.assert_allclose(found.scores[a], np.mean(errors, axis=0), rtol=1e-7)


def test_constant_targets_are_predicted_exactly() -> None:
    X, _, folds = data()
    found = fit_rows(X, np.full((48, 2), 7.0), folds)
    np.testing.assert_allclose(found.predict(X), 7.0)


@pytest.mark.parametrize("form", FORMS)
def test_a_shift_of_the_data_does_not_matter(form: Any) -> None:
    X, Y, folds = data()
    one, two = (fit_rows(X + s, Y - s, folds, ALPHAS, form=form) for s in (0.0, 1e4))
    np.testing.assert_allclose(two.scores, one.scores, rtol=1e-6)
    np.testing.assert_allclose(two.coef, one.coef, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_automatic_alphas_follow_the_scale_and_widen_at_the_edge(form: Any) -> None:
    X, Y, folds = data(n=80)
    found = fit_rows(X, Y[:, :1], folds, form=form)
    scaled = fit_rows(X * 1000, Y[:, :1], folds, form=form)
    np.testing.assert_allclose(scaled.alpha, found.alpha * 1e6, rtol=1e-6)
    assert found.at_boundary == 0
    assert (np.diff(found.alphas) > 0).all()
    noise = np.random.default_rng(5).normal(size=(80, 3))
    wide = fit_rows(X, noise, folds, form=form)
    assert len(wide.alphas) > len(found.alphas)
    assert len(wide.alphas) <= 25 + 2 * 24
    assert wide.scores.shape == (len(wide.alphas), 3)


def test_explicit_alphas_are_neither_scaled_nor_widened() -> None:
    X, Y, folds = data()
    found = fit_rows(X, Y, folds, [5.0, 1e-9])
    assert found.alphas.tolist() == [5.0, 1e-9]
    assert found.at_boundary == 1.0
    assert fit_rows(X, Y, folds, [5.0]).at_boundary == 0.0
    same = np.column_stack([Y[:, 0], np.full(len(Y), 3.0)])
    assert fit_rows(X, same, folds, [5.0, 1e-9]).at_boundary == 0.5  # the constant target has no best alpha


@pytest.mark.parametrize("form", FORMS)
def test_a_target_known_in_one_fold_only_gets_the_strongest_alpha(form: Any) -> None:
    X, Y, folds = data()
    mask = np.ones(Y.shape, bool)
    mask[:, 1] = folds == 2
    found = fit_rows(X, Y, folds, [100.0, 1.0], mask=mask, form=form, return_oof=True)
    assert found.alpha[1] == 100.0
    assert found.uncertain.tolist() == [False, True, False, False]
    at = folds == 2
    np.testing.assert_allclose(found.coef[1], Ridge(100.0).fit(X[at], Y[at, 1]).coef_)
    assert found.oof is not None
    assert np.isnan(found.oof[at, 1]).all()
    assert np.isfinite(found.oof[~at]).all()
    mask[:, 1] = False
    with pytest.raises(VestigeError, match="target 1 "):
        fit_rows(X, Y, folds, [1.0], mask=mask, form=form)


@pytest.mark.parametrize("form", FORMS)
def test_bad_input_is_named(form: Any) -> None:
    X, Y, folds = data()
    bad = X.copy()
    bad[11, 3] = np.inf
    with pytest.raises(VestigeError, match=r"X .*inf .*row 11.* 3"):
        fit_rows(bad, Y, folds, form=form)
    with pytest.raises(VestigeError, match="one fold"):
        fit_rows(X, Y, np.zeros(48, int), form=form)
    with pytest.raises(VestigeError, match=r"alphas .*-1\.0 .* 1"):
        fit_rows(X, Y, folds, [1.0, -1.0], form=form)
    with pytest.raises(VestigeError, match="auto, primal or dual"):
        fit_rows(X, Y, folds, form="both")  # type: ignore[arg-type]


def test_arrays_on_disk_are_read_in_blocks(tmp_path: Path) -> None:
    X, Y, folds = data(n=60, d=200, t=3)
    on_disk = zarr.create_array(tmp_path / "x", shape=X.shape, chunks=(16, 200), dtype=np.float32)
    on_disk[:] = X
    for form in FORMS:
        args: Any = (Y, folds, ALPHAS, True, None, None, True, form, True)
        want = fit_rows(X.astype(np.float32), *args, dtype="float64")
        found = fit_rows(on_disk, *args, dtype="float64", coef_path=tmp_path / f"{form}.npy")
        np.testing.assert_allclose(found.scores, want.scores, rtol=1e-9)
        np.testing.assert_allclose(found.oof, want.oof, rtol=1e-7, atol=1e-9)
        assert isinstance(found.coef, np.memmap)
        np.testing.assert_allclose(np.load(tmp_path / f"{form}.npy"), want.coef, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(found.predict(on_disk), want.predict(X), rtol=1e-4, atol=1e-5)


def test_coefficients_that_cannot_be_written_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(VestigeError, match="nowhere"):
        fit_rows(*data(), [1.0], coef_path=tmp_path / "nowhere" / "coef.npy")


def test_chunks_are_checked() -> None:
    X, Y, folds = data()
    with pytest.raises(VestigeError, match="only once"):
        fit_chunks(iter([(X, Y, folds)]))
    with pytest.raises(VestigeError, match="chunks is empty"):
        fit_chunks([])
    with pytest.raises(VestigeError, match="chunk 1: X has shape"):
        fit_chunks([(X, Y, folds), (X, Y[:3], folds)])
    with pytest.raises(VestigeError, match="chunk 0: expected"):
        fit_chunks([(X, Y)])


def test_streaming_memory_does_not_grow_with_rows() -> None:
    X, Y, folds = data(n=512, d=64, t=8)

    class Stream:
        def __init__(self, times: int) -> None:
            self.times = times

        def __iter__(self) -> Any:
            return ((X + i, Y, folds) for i in range(self.times))

    peaks = []
    for times in (20, 100):
        tracemalloc.start()
        fit_chunks(Stream(times), [1.0, 10.0], form="primal", n_folds=4)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


def test_recheck_settles_what_float32_cannot() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 20)).astype(np.float32)
    Y = (X @ rng.normal(size=(20, 30)) + 1e-4 * rng.normal(size=(400, 30))).astype(np.float32)
    folds, alphas = np.arange(400) % 4, np.logspace(-4, 0, 9)
    rows = [(X[a : a + 50], Y[a : a + 50], folds[a : a + 50]) for a in range(0, 400, 50)]
    m = Moments(20, 30, 4, "float32").update(X, Y, folds)
    alone, settled = fit(m, alphas), fit(m, alphas, rows=rows)
    wide = fit_rows(X, Y, folds, alphas, dtype="float64")
    assert alone.uncertain.mean() > 0.4
    np.testing.assert_array_equal(alone.alpha[~alone.uncertain], wide.alpha[~alone.uncertain])
    assert settled.uncertain.mean() < alone.uncertain.mean()
    sure = ~settled.uncertain
    assert sure.any()
    chosen = wide.scores[[int(np.argmin(np.abs(alphas - a))) for a in settled.alpha], np.arange(30)]
    np.testing.assert_allclose(chosen[sure], wide.scores.min(0)[sure], rtol=1e-3)


def test_the_form_follows_the_shape() -> None:
    assert choose_form(ProblemSize(49_000, 4_096, 6_348, 4)) == "primal"
    assert choose_form(ProblemSize(1_740, 21_952, 136, 4)) == "dual"
    assert choose_form(ProblemSize(5_000, 50_000, 1_000, 4)) == "dual"
    assert choose_form(ProblemSize(1_000_000, 1_024, 256, 4)) == "primal"
    X, Y, folds = data()
    assert fit_rows(X, Y, folds, ALPHAS).form == "primal"
    assert fit_rows(X[:20], np.tile(Y[:20], 2), folds[:20], ALPHAS).form == "primal"
    wide = np.random.default_rng(0).normal(size=(20, 90))
    assert fit_rows(wide, Y[:20], folds[:20], ALPHAS).form == "dual"
