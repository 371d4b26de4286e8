"""Readouts against plain numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vestige.backbones import Layer
from vestige.errors import VestigeError
from vestige.features.readout import Readout, default_readout, parse_readout

VECTOR = Layer("scores", "vector", (10,))
GRID = Layer("block", "grid", (5, 7, 6))
PATCHES = Layer("blocks.3", "tokens", (16, 8))
CLASS_TOKEN = Layer("blocks.3", "tokens", (17, 8), prefix_tokens=1)
ODD_TOKENS = Layer("blocks.3", "tokens", (12, 8))


def values(layer: Layer, n: int = 3) -> np.ndarray:
    """Random outputs of a layer, ``(n, *shape)`` float32."""
    return np.random.default_rng(0).normal(size=(n, *layer.shape)).astype(np.float32)


def pooled(grid: np.ndarray, cells: int) -> np.ndarray:
    """``(N, C, h, w)`` to ``(N, C, G, G)``, one cell at a time."""
    found = np.empty((*grid.shape[:2], cells, cells))
    height, width = grid.shape[2:]
    for i in range(cells):
        for j in range(cells):
            ys = slice(math.floor(i * height / cells), math.ceil((i + 1) * height / cells))
            xs = slice(math.floor(j * width / cells), math.ceil((j + 1) * width / cells))
            found[:, :, i, j] = grid[:, :, ys, xs].mean(axis=(2, 3))
    return found


def on_grid(tokens: np.ndarray) -> np.ndarray:
    """``(N, 16, 8)`` patches, row by row, to ``(N, 8, 4, 4)``."""
    return tokens.reshape(len(tokens), 4, 4, 8).transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("text", "layer", "expected"),
    [
        ("vector", VECTOR, lambda x: x),
        ("flat", VECTOR, lambda x: x),
        ("flat", GRID, lambda x: x.reshape(3, -1)),
        ("gap", GRID, lambda x: x.mean(axis=(2, 3))),
        ("grid:3", GRID, lambda x: pooled(x, 3).reshape(3, -1)),
        ("grid:4", GRID, lambda x: pooled(x, 4).reshape(3, -1)),
        ("grid:6", GRID, lambda x: pooled(x, 6).reshape(3, -1)),
        ("flat", CLASS_TOKEN, lambda x: x.reshape(3, -1)),
        ("cls", CLASS_TOKEN, lambda x: x[:, 0]),
        ("tokens", CLASS_TOKEN, lambda x: x[:, 1:].reshape(3, -1)),
        ("gap", CLASS_TOKEN, lambda x: x[:, 1:].mean(axis=1)),
        ("grid:2", CLASS_TOKEN, lambda x: pooled(on_grid(x[:, 1:]), 2).reshape(3, -1)),
        ("tokens", PATCHES, lambda x: x.reshape(3, -1)),
        ("gap", PATCHES, lambda x: x.mean(axis=1)),
        ("grid:3", PATCHES, lambda x: pooled(on_grid(x), 3).reshape(3, -1)),
        ("gap", ODD_TOKENS, lambda x: x.mean(axis=1)),
    ],
)
def test_reads_what_numpy_reads(text, layer, expected):
    x = values(layer)
    readout = parse_readout(text)
    found = readout.apply(torch.from_numpy(x), layer)
    assert found.dtype == torch.float32
    assert found.shape == (3, readout.size(layer))
    np.testing.assert_allclose(found.numpy(), expected(x), rtol=1e-5, atol=1e-6)


def test_reads_channels_last_memory_in_the_same_order():
    x = torch.from_numpy(values(GRID))
    apart = x.contiguous(memory_format=torch.channels_last)
    for text in ("flat", "gap", "grid:3"):
        torch.testing.assert_close(parse_readout(text).apply(apart, GRID), parse_readout(text).apply(x, GRID))


def test_low_precision_is_pooled_in_float32():
    x = torch.from_numpy(values(GRID)).to(torch.bfloat16)
    assert torch.equal(parse_readout("gap").apply(x, GRID), x.float().mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("text", "layer", "told"),
    [
        ("vector", GRID, "5 x 7 x 6"),
        ("gap", VECTOR, "vector of 10"),
        ("grid:2", VECTOR, "it can be vector, flat"),
        ("grid:7", GRID, "its grid is 7 x 6 only"),
        ("cls", GRID, "no tokens"),
        ("tokens", GRID, "it can be flat, gap, grid:1 to grid:6"),
        ("cls", PATCHES, "no class token"),
        ("grid:2", ODD_TOKENS, "12 patches make no square grid"),
        ("vector", CLASS_TOKEN, "it can be flat, gap, grid:1 to grid:4, cls, tokens"),
    ],
)
def test_a_readout_that_does_not_fit_says_why(text, layer, told):
    readout = parse_readout(text)
    with pytest.raises(VestigeError, match=told) as size_error:
        readout.size(layer)
    with pytest.raises(VestigeError, match=told):
        readout.apply(torch.from_numpy(values(layer)), layer)
    assert layer.name in str(size_error.value)


def test_an_output_of_another_shape_is_refused():
    with pytest.raises(VestigeError, match="expected"):
        parse_readout("flat").apply(torch.zeros(2, 5, 9, 9), GRID)


@pytest.mark.parametrize("text", ["vector", "flat", "gap", "grid:5", "cls", "tokens"])
def test_texts_go_round(text):
    assert str(parse_readout(text)) == text


@pytest.mark.parametrize("text", ["", "grid", "grid:0", "grid:-1", "grid:x", "gap:3", "Flat", "grid:²"])
def test_a_text_that_names_no_readout_is_refused(text):
    with pytest.raises(VestigeError, match="vector, flat, gap, grid:G"):
        parse_readout(text)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (VECTOR, "vector"),
        (Layer("b", "vector", (60_000,)), "vector"),
        (Layer("b", "grid", (112, 14, 14)), "flat"),
        (Layer("b", "grid", (1000, 5, 5)), "flat"),
        (Layer("b", "grid", (1001, 5, 5)), "grid:4"),
        (Layer("b", "grid", (16, 112, 112)), "grid:39"),
        (Layer("b", "grid", (40_000, 2, 2)), "grid:1"),
        (Layer("b", "grid", (2, 9, 4000)), "grid:9"),
        (Layer("b", "tokens", (50, 384), 1), "tokens"),
        (Layer("b", "tokens", (197, 768), 1), "grid:5"),
        (Layer("b", "tokens", (198, 768), 1), "gap"),
    ],
)
def test_the_default_keeps_places_within_25_000_numbers(layer, expected):
    readout = default_readout(layer)
    assert str(readout) == expected
    assert readout.size(layer) <= 25_000 or expected in ("vector", "grid:1")


def test_default_grids_are_the_largest_that_fit():
    for channels in (16, 24, 40, 320, 1280):
        layer = Layer("b", "grid", (channels, 56, 56))
        cells = default_readout(layer).cells
        assert Readout("grid", cells).size(layer) <= 25_000 < Readout("grid", cells + 1).size(layer)
