"""Which pictures layers prefer: the ranking against plain numpy, sets made equal, and the whole measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from vestige import Dataset, measure
from vestige.backbones import Backbone, Preprocessing
from vestige.contract.session import Session
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.intervals import Bootstrap
from vestige.run import Run
from vestige.spec import parse_named
from vestige.units.prefer.measure import layers_by_network, pooled, top_share

RNG = np.random.default_rng(0)


def pictures(n: int, side: int, bright: bool, name: str) -> Dataset:
    low, high = (150, 256) if bright else (0, 100)
    images = [RNG.integers(low, high, (side, side + 8, 3)).astype(np.uint8) for _ in range(n)]
    return Dataset.from_arrays(images, name=name)


class Net(nn.Module):
    """``bright`` grows with the picture's brightness, ``dark`` with its darkness, ``out`` is their vector."""

    def __init__(self) -> None:
        super().__init__()
        self.bright, self.dark = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(3, 2, 3, 2)
        for conv, sign in ((self.bright, 1.0), (self.dark, -1.0)):
            nn.init.constant_(conv.weight, sign / 27)
            nn.init.zeros_(conv.bias)
        self.out = nn.Linear(6, 5)
        nn.init.constant_(self.out.weight, 0.2)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat([self.bright(x).mean((2, 3)), self.dark(x).mean((2, 3))], dim=1))


def network(name: str = "net") -> Backbone:
    return Backbone.from_module(Net(), Preprocessing((32, 32), (127.5,) * 3, (127.5,) * 3), name=name)


def session() -> Session:
    return Session(Reader(ExtractOptions(batch=8), keep=False), lambda _line: None)


def test_the_top_is_that_of_sorting_everything_at_once() -> None:
    values, sets = RNG.normal(size=40), RNG.integers(0, 3, 40)
    for top in (1, 7, 39):
        best = sorted(range(40), key=lambda k: -values[k])[:top]
        expected = [sum(sets[k] == s for k in best) / top for s in range(3)]
        np.testing.assert_allclose(top_share(values, sets, 3, top, np.ones((1, 40)))[0], expected)


def test_resamples_are_ranked_anew() -> None:
    values, sets = RNG.normal(size=30), RNG.integers(0, 2, 30)
    weights = Bootstrap.draw(range(30), 3, 20).weights.astype(float)
    found = top_share(values, sets, 2, 10, weights)
    for row, times in zip(found, weights.astype(int), strict=True):
        drawn = np.repeat(np.arange(30), times)
        best = drawn[np.argsort(-values[drawn], kind="stable")][:10]
        assert row[1] == pytest.approx(np.mean(sets[best] == 1))


def test_pictures_without_a_value_are_in_no_top() -> None:
    values, sets = np.array([3.0, -np.inf, 1.0, 2.0]), np.array([0, 1, 1, 1])
    np.testing.assert_allclose(top_share(values, sets, 2, 3, np.ones((1, 4)))[0], [1 / 3, 2 / 3])


def test_sets_are_made_equal_in_size_and_resolution() -> None:
    small, large = pictures(6, 20, True, "small"), pictures(9, 50, False, "large")
    pool, used, notes = pooled((("a", small), ("b", large)), 0)
    assert [len(each) for each in used.values()] == [6, 6]
    assert [min(example.image.read().shape[:2]) for example in pool.examples] == [20] * 12
    assert pool.examples[11].image.read().shape[:2] == (20, 23)
    np.testing.assert_array_equal(pool.sets, [0] * 6 + [1] * 6)
    assert len(notes) == 2
    again, _, _ = pooled((("a", small), ("b", large)), 0)
    other, _, _ = pooled((("a", small), ("b", large)), 1)
    ids = [[example.id for example in each.examples] for each in (pool, again, other)]
    assert ids[0] == ids[1] != ids[2]
    digests = {example.image.digest() for example in pool.examples}
    assert len(digests) == 12


def test_the_smallest_set_is_taken_whole_and_small_pictures_stay() -> None:
    odd = Dataset.from_arrays([np.zeros((s, s, 3), np.uint8) for s in (40, 40, 16)], name="odd")
    pool, _, notes = pooled((("odd", odd), ("b", pictures(3, 60, True, "b"))), 0)
    assert [min(example.image.read().shape[:2]) for example in pool.examples] == [40, 40, 16, 40, 40, 40]
    assert len(notes) == 2


def measured(top: int = 10) -> tuple[object, Dataset, Dataset]:
    bright, dark = pictures(20, 32, True, "bright"), pictures(24, 40, False, "dark")
    backbone = network()
    found = measure(
        "prefer",
        data=[bright, dark],
        backbones=[backbone],
        layers=["bright", "dark", "out"],
        top=top,
        session=session(),
    )
    return found, bright, dark


def test_layers_prefer_what_they_respond_to(tmp_path: Path, agreed: Callable[..., None]) -> None:
    found, bright, dark = measured()
    shares = {(row.layer, row.subset): row for row in found.rows}
    assert shares["bright", bright.spec].value == 1.0
    assert shares["dark", bright.spec].value == 0.0
    assert shares["dark", dark.spec].value == 1.0
    assert all(row.n == 10 for row in found.rows)
    row = found.arrays["activations"][0]
    assert row.shape == (40,)
    np.testing.assert_array_equal(found.arrays["top"][0], np.argsort(-row, kind="stable")[:10])
    run = found.save(tmp_path / "run")
    assert run.report_path.is_file()
    agreed("prefer", run)
    assert len(list(run.figures_folder.iterdir())) == 4
    assert set(Run(tmp_path / "run").results().data) == {bright.spec, dark.spec}


def test_activations_are_means_over_units_and_places() -> None:
    found, bright, dark = measured()
    pool, _, _ = pooled(((bright.spec, bright), (dark.spec, dark)), 0)
    from vestige.images import Crop

    backbone = network()
    x = np.stack([Crop(each).pixels((32, 32)) for each in pool.examples])
    outputs = backbone.run(backbone.preprocessing(x), ["bright", "out"])
    expected: NDArray[np.float32] = outputs["bright"].mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(found.arrays["activations"][0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.arrays["activations"][2], outputs["out"].mean(1).numpy(), rtol=1e-4, atol=1e-6)


def test_a_layer_need_only_be_in_one_network() -> None:
    class Other(Net):
        def __init__(self) -> None:
            super().__init__()
            self.dim = self.dark
            del self.dark

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(torch.cat([self.bright(x).mean((2, 3)), self.dim(x).mean((2, 3))], dim=1))

    other = Backbone.from_module(Other(), network().preprocessing, name="other")
    first = network()
    found = layers_by_network([first, other], ["bright", "d*"])
    assert found == {first.spec: ("bright", "dark"), other.spec: ("bright", "dim")}
    found = layers_by_network([first, other], ["bright", "dark"])
    assert found[other.spec] == ("bright",)
    with pytest.raises(VestigeError, match="nothing"):
        layers_by_network([first, other], ["bright", "nothing"])


def test_bad_sets_are_refused() -> None:
    bright = pictures(5, 32, True, "bright")
    for data in ([bright], [bright, bright], []):
        with pytest.raises(VestigeError, match="data"):
            measure("prefer", data=data, backbones=[network()], session=session())
    twice = replace(bright, spec="twice")
    with pytest.raises(VestigeError, match="same pictures"):
        measure("prefer", data=[bright, twice], backbones=[network()], top=3, session=session())
    with pytest.raises(VestigeError, match="top"):
        measure("prefer", data=[bright, pictures(5, 32, False, "d")], backbones=[network()], top=10, session=session())


def test_named_specs() -> None:
    assert parse_named("scenes=folder:a,scene=folder") == ("scenes", "folder:a,scene=folder")
    for text in ("folder:a", "=folder:a", "a=", "folder:a,fold=1/2"):
        with pytest.raises(VestigeError, match="NAME=SPEC"):
            parse_named(text)
    with pytest.raises(VestigeError, match="one, two"):
        parse_named("three=x:y", ["one", "two"])
