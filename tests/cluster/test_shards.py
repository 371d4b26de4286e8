"""What the workers of a cluster share gives the numbers of one machine: fits, moments, dissections, comparisons."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vestige
from vestige.backbones import Backbone, Preprocessing
from vestige.cluster.cluster import Cluster
from vestige.cluster.connection import ray_library
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.merging import merged_in_pairs
from vestige.partial_work import PartialWork
from vestige.probes.engine import fit as fitting
from vestige.progress import print_nothing
from vestige.regions import NamedMask, Polygons
from vestige.ridge import rows as rows_of_fits
from vestige.units.dissect import scan

FACES = ("synthetic:faces,n=24,seed=1,size=48", "synthetic:faces,n=9,seed=2,size=64")
OBJECTS = ("synthetic:objects,n=14,seed=1,size=48,category=car", "synthetic:objects,n=7,seed=2,size=48,category=car")
SIDE = 32


@pytest.fixture(scope="module", autouse=True)
def sent_with_their_code() -> None:
    """Workers do not import tests."""
    ray_library().cloudpickle.register_pickle_by_value(sys.modules[__name__])


def joined(left: str, right: str) -> str:
    return f"({left}{right})"


def named(number: int) -> str:
    if number < 0:
        raise VestigeError("below zero")
    return str(number)


def test_results_are_merged_as_on_one_machine(cluster: Cluster) -> None:
    parts = [(number,) for number in range(7)]
    assert cluster.merged(named, parts, joined) == merged_in_pairs(map(str, range(7)), joined)
    assert cluster.merged(named, [(3,)], joined) == "3"
    with pytest.raises(VestigeError, match="below zero"):
        cluster.merged(named, [(1,), (2,), (-1,)], joined)


class Colours(nn.Module):
    """A layer of four units, and one that averages them."""

    def __init__(self) -> None:
        super().__init__()
        self.units = nn.Conv2d(3, 4, 2, 2)
        self.pooled = nn.AvgPool2d(4)
        self.score = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.score(self.pooled(torch.relu(self.units(x))).mean((2, 3)))
        return found


def network() -> Backbone:
    torch.manual_seed(0)
    return Backbone.from_module(Colours(), Preprocessing((SIDE, SIDE), (110.0,) * 3, (50.0,) * 3), name="colours")


def session(cluster: Cluster | None, kept: Path | None = None, counted: Counter[str] | None = None) -> Session:
    def count(what: str, done: int, total: int) -> None:  # noqa: ARG001
        if counted is not None:
            counted[what] += 1

    return Session(
        Reader(ExtractOptions(batch=8), progress=count, cluster=cluster), print_nothing, PartialWork(kept), workers=1
    )


def assert_same(found: Found, want: Found, tolerance: float) -> None:
    for ours, theirs in zip((*found.rows, *found.sweep), (*want.rows, *want.sweep), strict=True):
        if ours.metric != "ms_per_image":
            assert replace(ours, value=0.0, ci95=None) == replace(theirs, value=0.0, ci95=None)
            np.testing.assert_allclose(
                [ours.value, *(ours.ci95 or ())], [theirs.value, *(theirs.ci95 or ())], rtol=tolerance
            )
    assert found.notes == want.notes


def test_layers_of_all_networks_are_fitted_by_workers(cluster: Cluster) -> None:
    """Of keypoints, which are a fit for each class; landmarks and pixels are measured as commands."""
    options: dict[str, Any] = {"backbone": network(), "layers": ["units", "pooled"], "untrained_seeds": 1}
    options |= {"rgb_size": 4, "look_backs": 0, "alphas": (0.2,)}
    train, test = vestige.open_train_test(*OBJECTS)
    counted: list[Counter[str]] = [Counter(), Counter()]
    want, found = (
        vestige.measure("keypoints", train, test, session=session(each, counted=told), **options)
        for each, told in zip((None, cluster), counted, strict=True)
    )
    assert_same(found, want, 1e-6)
    assert counted[0]["fits"] == counted[1]["fits"] > 0


def test_rows_of_a_large_primal_fit_are_shared_out(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"size": 7, "backbone": network(), "layers": ["pooled"], "readouts": ["gap"]}
    options |= {"untrained_seeds": 0, "rgb_size": 4}
    train, test = vestige.open_train_test(*FACES)
    want = vestige.measure("pixels", train, test, session=session(None), **options)
    sent: list[int] = []
    merged = cluster.merged

    def noted(function: Any, parts: Any, merge: Any) -> Any:
        sent.append(len(parts))
        return merged(function, parts, merge)

    monkeypatch.setattr(fitting, "IN_MEMORY", 0)
    monkeypatch.setattr(rows_of_fits, "SHARD_ROWS", 7)
    monkeypatch.setattr(cluster, "merged", noted)
    found = vestige.measure("pixels", train, test, session=session(cluster), **options)
    assert sent == [4]  # the layer; there are too few pictures for the primal form of the baseline
    assert want.ridge["form"] == found.ridge["form"] == "primal"
    assert_same(found, want, 1e-3)  # float32 sums, rounded in another order


def test_a_comparison_fits_by_tasks(cluster: Cluster, tmp_path: Path) -> None:
    options: dict[str, Any] = {"task": "landmarks", "backbones": ("rgb:5", "rgb:4"), "layers": ("all",)}
    options |= {"readouts": ("flat", "gap")}
    data = vestige.open_train_test(*FACES)
    want = vestige.measure("compare", *data, session=session(None), **options)
    counted: Counter[str] = Counter()

    def stopped(what: str, done: int, total: int) -> None:  # noqa: ARG001
        counted[what] += 1
        if counted["fits"] == 4:  # that of the picture itself, two, and one that is not kept yet
            raise KeyboardInterrupt

    begun = session(cluster, tmp_path / "kept")
    begun = replace(begun, reader=replace(begun.reader, progress=stopped))
    with pytest.raises(KeyboardInterrupt):
        vestige.measure("compare", *data, session=begun, **options)
    counted.clear()
    found = vestige.measure("compare", *data, session=session(cluster, tmp_path / "kept", counted), **options)
    assert_same(found, want, 1e-6)
    assert counted["fits"] == 1 + 2
    counted.clear()
    again = vestige.measure("compare", *data, session=session(cluster, tmp_path / "kept", counted), **options)
    assert counted["fits"] == 1  # the picture itself
    assert_same(again, want, 1e-6)


def scenes(n: int = 48) -> Dataset:
    """Pictures of two scenes with squares on noise."""
    draw = np.random.default_rng(0)
    pictures, marked = [], []
    for _ in range(n):
        picture = draw.integers(90, 130, (SIDE, SIDE, 3), dtype=np.uint8)
        here = []
        for name, colour in (("poppy", (220, 20, 20)), ("sea", (20, 20, 220))):
            side = int(draw.integers(8, 13))
            x, y = draw.integers(0, SIDE - side, 2).tolist()
            picture[y : y + side, x : x + side] = colour
            ring = np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], dtype=np.float64)
            here.append(NamedMask(name, Polygons((ring,))))
        pictures.append(picture)
        marked.append(tuple(here))
    data = Dataset.from_arrays(pictures, scenes=["shore" if i % 2 else "meadow" for i in range(n)], name="squares")
    return replace(data, examples=tuple(replace(e, objects=m) for e, m in zip(data.examples, marked, strict=True)))


def dissected(data: Dataset, asked: Session) -> Found:
    options: dict[str, Any] = {"layers": ["units"], "least": 2, "quantile": 0.05, "backbone": network()}
    return vestige.measure("dissect", data, session=asked, **options)


def test_pieces_of_a_dissection_are_looked_at_by_workers(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = scenes()
    monkeypatch.setattr(scan, "PIECE", 5)
    want = dissected(data, session(None))
    made: Counter[str] = Counter()
    get = PartialWork.get

    def noted(self: PartialWork, made_from: str, make: Any) -> Any:
        made["found" if self.holds(made_from) else "made"] += 1
        return get(self, made_from, make)

    monkeypatch.setattr(PartialWork, "get", noted)
    found = dissected(data, session(cluster, tmp_path / "kept"))
    assert found.rows == want.rows
    assert found.texts == want.texts
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
    files = sorted((tmp_path / "kept").iterdir())
    files[0].unlink()  # as if the driver had been killed before
    made.clear()
    again = dissected(data, session(cluster, tmp_path / "kept"))
    assert again.rows == want.rows
    assert 1 <= made["made"] <= 4  # the steps, or a shard of three pieces
