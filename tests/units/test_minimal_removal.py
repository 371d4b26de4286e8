"""Segments taken away from pictures, against a dense solver, closed forms and the equation solved anew."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vestige.units.minimal.removal import Gradients, canvas_of, divergence_of, integrated, shown


def differences(height: int, width: int) -> tuple[NDArray[np.float64], list[tuple[int, int]]]:
    """The matrix of all differences of neighbouring cells ``(E, h * w)``, and the two cells of each."""
    cells = np.arange(height * width).reshape(height, width)
    pairs = [
        *zip(cells[:, :-1].ravel(), cells[:, 1:].ravel(), strict=True),
        *zip(cells[:-1].ravel(), cells[1:].ravel(), strict=True),
    ]
    matrix = np.zeros((len(pairs), height * width))
    for row, (a, b) in enumerate(pairs):
        matrix[row, a], matrix[row, b] = -1, 1
    return matrix, pairs


def densely(pixels: NDArray[np.uint8], labels: NDArray[np.intp], removed: set[int]) -> NDArray[np.float64]:
    """The picture without segments, by least squares with all equations written out."""
    height, width = labels.shape
    matrix, pairs = differences(height, width)
    flat = labels.ravel()
    gone = np.array([flat[a] in removed or flat[b] in removed for a, b in pairs])
    channels = []
    for channel in np.moveaxis(pixels.astype(np.float64), -1, 0):
        wanted = np.where(gone, 0.0, matrix @ channel.ravel())
        solved = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        channels.append((solved - solved.mean() + channel.mean()).reshape(height, width))
    return np.stack(channels, axis=-1)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)


@pytest.fixture
def labels() -> NDArray[np.intp]:
    return np.random.default_rng(1).integers(0, 5, (7, 9)).astype(np.intp)


def test_integration_is_the_least_squares_solution() -> None:
    rng = np.random.default_rng(2)
    for height, width in ((5, 8), (8, 5), (1, 6), (6, 1), (2, 2)):
        across, down = rng.normal(size=(height, width - 1)), rng.normal(size=(height - 1, width))
        matrix, _ = differences(height, width)
        field = np.concatenate([across.ravel(), down.ravel()])
        expected = np.linalg.lstsq(matrix, field, rcond=None)[0]
        found = integrated(divergence_of(across, down))
        np.testing.assert_allclose(found.ravel(), expected - expected.mean(), atol=1e-12)


def test_single_precision_stays_single_and_near_enough() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (224, 227)).astype(np.float32)
    found = integrated(divergence_of(np.diff(pixels, axis=1), np.diff(pixels, axis=0)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pixels - pixels.mean(dtype=np.float64), atol=1e-2)


def test_nothing_removed_is_the_picture(pixels: NDArray[np.uint8], labels: NDArray[np.intp]) -> None:
    np.testing.assert_array_equal(Gradients(pixels, labels).picture, pixels)


def test_candidates_and_removals_are_the_dense_solution(pixels: NDArray[np.uint8], labels: NDArray[np.intp]) -> None:
    canvas = Gradients(pixels, labels)
    removed: set[int] = set()
    for taken in (3, 0, 4, 1, 2):
        left = [k for k in range(5) if k not in removed]
        for segment, picture in zip(left, canvas.without(left), strict=True):
            np.testing.assert_allclose(picture, densely(pixels, labels, removed | {segment}), atol=1e-2)
        canvas.remove(taken)
        removed.add(taken)
        np.testing.assert_allclose(canvas.picture, densely(pixels, labels, removed), atol=1e-2)
    np.testing.assert_allclose(canvas.picture, np.broadcast_to(pixels.mean((0, 1)), pixels.shape), atol=1e-2)


def test_a_removed_object_on_an_even_ground_is_gone_with_its_outline() -> None:
    pixels = np.full((20, 30, 3), 90, np.uint8)
    labels = np.zeros((20, 30), np.intp)
    labels[5:12, 8:19] = 1
    pixels[labels == 1] = np.random.default_rng(4).integers(0, 256, (77, 3))
    canvas = Gradients(pixels, labels)
    canvas.remove(1)
    np.testing.assert_allclose(canvas.picture, np.broadcast_to(pixels.mean((0, 1)), pixels.shape), atol=1e-2)


def test_painted_cells_alone_change(pixels: NDArray[np.uint8], labels: NDArray[np.intp]) -> None:
    mean = canvas_of("mean", pixels, labels, 0)
    expected = np.where((labels == 2)[..., None], pixels.mean((0, 1)), pixels)
    np.testing.assert_allclose(mean.without([2])[0], expected, rtol=1e-6)
    mean.remove(2)
    np.testing.assert_allclose(mean.picture, expected, rtol=1e-6)
    for fill in ("blur", "noise"):
        first, second = (canvas_of(fill, pixels, labels, seed).without([0, 2]) for seed in (5, 6))
        np.testing.assert_array_equal(first[1][labels != 2], pixels[labels != 2])
        assert 0 <= first.min() <= first.max() <= 255
        assert np.array_equal(first, second) == (fill == "blur")


def test_an_even_picture_is_blurred_to_itself() -> None:
    pixels = np.full((16, 16, 3), 40, np.uint8)
    np.testing.assert_allclose(canvas_of("blur", pixels, np.zeros((16, 16), np.intp), 0).without([0])[0], 40, rtol=1e-6)


def test_pictures_are_cut_off_or_stretched() -> None:
    pictures = np.array([-10.0, 20.0, 300.0, 5.0], np.float32).reshape(1, 1, 4, 1).repeat(3, axis=-1)
    np.testing.assert_array_equal(shown(pictures, stretch=False)[0, 0, :, 0], [0, 20, 255, 5])
    stretched = shown(pictures, stretch=True)[0, 0, :, 0]
    np.testing.assert_allclose(stretched, (np.array([-10, 20, 300, 5]) + 10) / 310 * 255, rtol=1e-6)
    even = np.full((2, 4, 4, 3), 77, np.float32)
    np.testing.assert_array_equal(shown(even, stretch=True), even)
